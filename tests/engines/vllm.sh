#!/usr/bin/env bash
# The release binary against vLLM 0.32 on the CPU, with random weights.
#
# Run by hand: the first run installs 6 GB. Needs python3 (3.10 to 3.13) with venv. See common.sh and vllm_common.sh.
set -euo pipefail
. "$(dirname "$0")/common.sh"
. "$here/vllm_common.sh"
install_vllm

echo "== 65,536 tokens of KV cache in blocks of 128"
serve vllm-large
classic_checks 0
check "a hit has every whole block before the last token cached" \
    holds "all(row.cached == (row.prompt - 1) // 128 * 128 for row in classic[1:])"
check "the run with a flush ends well" run kept --api_base "$base/v1" -C "$document" --max_ctx_tokens 2000 --num_following 2 -F
check "ten fillers of 3,500 tokens leave the document cached, and the log says so" \
    holds "kept[1].achieved == 'still_cached' and kept[1].still_cached == kept[1].cached > 0"
check "the user is told so" says kept "still cached"
stop_last

echo "== 6,144 tokens of KV cache"
serve vllm-small --num-gpu-blocks-override 48
check "the run with a flush ends well" run flush --api_base "$base/v1" -C "" --max_ctx_tokens 2000 --num_following 2 -F
check "run 2 is cold again, run 3 a hit" holds "flush[1].cached == 0 and flush[1].ttft > 5 * flush[2].ttft"
check "the log says that the document was evicted" holds "flush[1].achieved == 'evicted'"
check "the user is told so" says flush evicted
stop_last

echo "== without prefix caching"
serve vllm-off --no-enable-prefix-caching
check "the classic run ends well" run off --api_base "$base/v1" -C "" --max_ctx_tokens 2000
check "nothing is cached and nothing gained" holds "not off[1].cached and off[0].ttft < 2 * off[1].ttft"
stop_last

complete=yes

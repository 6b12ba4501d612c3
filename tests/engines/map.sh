#!/usr/bin/env bash
# The release binary maps the caches of vLLM 0.32 and of llama.cpp on the CPU, whose truth is known: vLLM prints what it
# holds into its log, and llama.cpp's slots are as many tokens as they were given.
#
# usage: map.sh [vllm] [llamacpp]   (both when neither is named)
#
# Run by hand: see common.sh, vllm_common.sh and llamacpp_common.sh for what the first run installs.
set -euo pipefail
. "$(dirname "$0")/common.sh"
[ $# -gt 0 ] || set -- vllm llamacpp

# map NAME FLAG...: a map of the server at $base, kept in $work/NAME.{out,err,jsonl}.
map() {
    local name=$1
    shift
    run "$name" map --api_base "$base/v1" --yes "$@"
}

# finds NAME EXPRESSION: over the map of NAME, such as "value('block_size') == 16"; interval and reason likewise.
finds() {
    ttft report "$work/$1.jsonl" --format json >"$work/$1.json"
    python3 - "$work/$1.json" "$2" <<'PY'
import json, sys
found = json.load(open(sys.argv[1]))["maps"][0]
value = lambda name: found[name]["value"]
interval = lambda name: found[name]["interval"]
reason = lambda name: next((r["why"] for r in found["not_identified"]["value"] or [] if r["property"] == name), None)
if not eval(sys.argv[2]):
    sys.exit(f"{sys.argv[2]} does not hold: {json.dumps(found)}")
PY
}

map_vllm() {
    . "$here/vllm_common.sh"
    install_vllm
    local block flags size
    # On the CPU a block has a multiple of 32 tokens. Without an override the memory decides: VLLM_CPU_KVCACHE_SPACE, of
    # 1 GiB.
    for block in 32 64 128; do
        flags=(--block-size "$block")
        [ "$block" -eq 128 ] || flags+=(--num-gpu-blocks-override $((16384 / block)))
        serve "vllm-$block" "${flags[@]}"
        size=$(grep -oE 'KV cache size: [0-9,]+ tokens' "$work/vllm-$block.server" | tail -n 1 | tr -cd 0-9)
        echo "== vLLM, blocks of $block, $size tokens by its own log"
        check "the map of vLLM with blocks of $block ends well" map "vllm_$block" --context_tokens 512 --max_fill_tokens 400k
        check "its block size is exact" finds "vllm_$block" "value('block_size') == $block"
        check "its capacity is within 3 %" finds "vllm_$block" "abs(value('capacity_tokens') / $size - 1) <= 0.03"
        check "who leaves is the least recently used" finds "vllm_$block" "value('policy') == 'lru'"
        check "any prefix is found" finds "vllm_$block" "value('semantics') == 'prefix'"
        check "one server answers" finds "vllm_$block" "value('replicas') == 1"
        check "its own word is compared" says "vllm_$block" "The server's own block size"
        stop_last
    done
}

map_llamacpp() {
    . "$here/llamacpp_common.sh"
    install_llamacpp
    echo "== llama.cpp, one slot of 4,096 tokens, nothing behind it"
    serve 4096 0
    check "the map of a slot ends well" map slot --context_tokens 512 --max_fill_tokens 200k
    check "what is found is counted token by token, or only whole prompts are" \
        finds slot "value('block_size') == 1 or value('semantics') in ('replay', 'request_end')"
    check "a slot is not taken for a large cache" \
        finds slot "value('capacity_tokens') is None and interval('capacity_tokens')[1] <= 4 * 4096"
    check "no policy is claimed" finds slot "value('policy') is None"
    check "the user is told that it is a slot" says slot "one slot of 4,096 tokens"
    stop_last

    echo "== the same with 256 MiB of prompts in host memory behind it"
    serve 4096 256
    check "the map ends well" map ram --context_tokens 512 --max_fill_tokens 200k
    check "the memory behind the slot is found, or the map says why not" \
        finds ram "value('capacity_tokens') or reason('capacity_tokens')"
    check "more is found again than a slot holds" finds ram "interval('capacity_tokens')[0] > 4096"
    stop_last
}

for engine in "$@"; do "map_$engine"; done
complete=yes

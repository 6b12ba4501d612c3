#!/usr/bin/env bash
# The release binary against vLLM 0.32 and LMCache 0.5.6 on the CPU: cold, a hit in vLLM's own cache, and a hit that
# LMCache serves once that cache was reset.
#
# Run by hand: the first run installs 6 GB. With redis-server installed, LMCache keeps a second tier in a Redis of our
# own. See common.sh and vllm_common.sh.
set -euo pipefail
. "$(dirname "$0")/common.sh"
. "$here/vllm_common.sh"
install_vllm

tier=()
if command -v redis-server >/dev/null; then
    redis=$(free_port)
    start redis redis-server --port "$redis" --bind 127.0.0.1 --save "" --appendonly no
    tier=(--l2-adapter "{\"type\":\"resp\",\"host\":\"127.0.0.1\",\"port\":$redis}")
fi
lmcache=$(free_port)
admin=$(free_port)
start lmcache "$venv/bin/lmcache" server --host 127.0.0.1 --port "$lmcache" --http-host 127.0.0.1 --http-port "$admin" \
    --chunk-size 256 --l1-size-gb 1 --l1-init-size-gb 1 --eviction-policy LRU \
    --supported-transfer-mode engine_driven "${tier[@]}"
wait_for "http://127.0.0.1:$admin/metrics" 600
serve vllm-lmcache --enforce-eager --kv-transfer-config "$(python3 -c 'import json, sys
print(json.dumps({"kv_connector": "LMCacheMPConnector", "kv_role": "kv_both", "kv_connector_extra_config":
                  {"lmcache.mp.host": "tcp://127.0.0.1", "lmcache.mp.port": int(sys.argv[1])}}))' "$lmcache")"

external() { counter vllm:external_prefix_cache_hits_total; }
classic() { run "$1" --api_base "$base/v1" -C "" --max_ctx_tokens 2000 --num_following 1 --gap 3s; }

# The very first request of this pair of servers pays for their start.
run throw_away --api_base "$base/v1" --max_ctx_tokens 500 --num_following 1 >/dev/null

before=$(external)
check "cold, then a hit in vLLM's own cache" classic cold
check "cold has nothing cached" holds "cold[0].cached == 0"
check "the hit does" holds "cold[1].cached > 0.8 * cold[1].prompt"
check "LMCache served neither" test "$(external)" -eq "$before"

post "$base/reset_prefix_cache"
before=$(external)
check "after a reset, then again" classic reset
check "LMCache served the first of the two and not the second" \
    holds "$(($(external) - before)) == reset[0].cached > 0.8 * reset[0].prompt"
check "the three states lie in order: cold, LMCache's hit, vLLM's own" \
    holds "cold[0].ttft > 2 * reset[0].ttft and reset[0].ttft > max(cold[1].ttft, reset[1].ttft)"
check "a run that begins on a cached document is warned about" says reset "cold"
if [ ${#tier[@]} -gt 0 ]; then
    check "Redis holds the document's chunks" test "$(redis-cli -p "$redis" dbsize)" -ge 6
fi

complete=yes

#!/usr/bin/env bash
# What `ttft doctor` says of llama.cpp and of vLLM, each line against what the engine was started with.
#
# Needs python3; the first run installs both engines, 7 GB. See common.sh, llamacpp_common.sh and vllm_common.sh.
set -euo pipefail
. "$(dirname "$0")/common.sh"

# What is true of both.
both_have() {
    check "$1 is reachable and lists one model" line "$1" ok models "$2"
    check "its context is its own word" line "$1" ok context "$3 tokens, by $4"
    check "its tokenizer counts" line "$1" ok tokenizer "the server's /tokenize"
    check "it is recognised" line "$1" ok "looks like" "$5"
    check "its stream is one" line "$1" ok stream
    check "the role comes with the first token" line "$1" ok "role chunk" "together with the first token"
    check "nothing buffers" line "$1" ok buffering
    check "it counts prompts" line "$1" ok usage "prompt tokens counted"
    check "a replay hits" line "$1" ok hit "a replay at once hits"
    check "nothing is wrong" bash -c "! grep -q ^wrong '$work/$1.out'"
}

if [ "${1:-all}" != vllm ]; then
    . "$here/llamacpp_common.sh"
    install_llamacpp
    echo "== llama.cpp"
    serve 4096 0
    check "the page of llama.cpp ends well" doctor llamacpp
    both_have llamacpp gemma-3-270m 4096 /models llama.cpp
    check "it closes each connection" line llamacpp missing keep-alive "the server closes after an answer"
    check "it counts what was cached" line llamacpp ok cached_tokens "on a replay"
    check "its counters are found" line llamacpp ok counters "/metrics counts the prefix cache"
    stop_last
fi

if [ "${1:-all}" != llamacpp ]; then
    . "$here/vllm_common.sh"
    install_vllm
    echo "== vLLM with everything on"
    serve vllm-on
    check "the page of vLLM ends well" doctor on
    both_have on dummy-29m 4096 /models vLLM
    check "it keeps a connection" line on ok keep-alive
    check "it counts what was cached" line on ok cached_tokens "on a replay"
    check "its counters are found" line on ok counters "/metrics counts the prefix cache"
    check "its reset is found and not tried" line on ok reset "/reset_prefix_cache is there and was not tried"
    check "it asks no outer tier" line on missing "outer tier" "the engine asks none"
    stop_last

    echo "== vLLM with nothing on"
    serve vllm-off --no-enable-prefix-caching --no-enable-prompt-tokens-details
    check "the page of vLLM ends well" doctor off
    check "the flag that shows cached tokens is named" line off missing cached_tokens --enable-prompt-tokens-details
    check "no hit is seen" bash -c "! grep -qE '^ok +hit ' '$work/off.out'"
    stop_last
fi

complete=yes

#!/usr/bin/env bash
# Three minutes of open-loop load, half of the requests hitting, on llama.cpp and on vLLM.
#
# Run by hand, on a machine that does nothing else. usage: load.sh [llamacpp] [vllm]; without a name, both.
set -euo pipefail
. "$(dirname "$0")/common.sh"
chosen=" ${*:-llamacpp vllm} "

# loaded NAME ARGUMENTS...: the run, and what must hold on any server with a cache.
loaded() {
    check "$1: the run ends well" run "$1" load --api_base "$base/v1" --duration 3m --hit_share 50% --max_tokens 8 --yes "${@:2}"
    sed 's/^/    /' "$work/$1.out" "$work/$1.err"
    check "$1: no request failed" holds "all(row.outcome == 'ok' for row in $1)"
    check "$1: half of them hit, by the server's own count" holds \
        "0.4 <= sum(row.cached > row.prompt / 2 for row in $1 if row.role == 'measure') / sum(row.role == 'measure' for row in $1) <= 0.6"
}

if [[ $chosen = *" llamacpp "* ]]; then
    . "$here/llamacpp_common.sh"
    install_llamacpp
    echo "== llama.cpp"
    serve 4096 1024
    # It closes a connection after each answer and does not say so.
    loaded llamacpp --context_tokens 300 --rate 0.3 --connection fresh
    stop_last
fi

if [[ $chosen = *" vllm "* ]]; then
    . "$here/vllm_common.sh"
    install_vllm
    echo "== vLLM"
    serve vllm
    loaded vllm --context_tokens 500 --rate 0.3
    stop_last
fi

complete=yes

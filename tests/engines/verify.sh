#!/usr/bin/env bash
# The verdict of `ttft verify` on real engines, each with its prefix cache on and off.
#
# Run by hand, on a machine that does nothing else. usage: verify.sh [llamacpp] [vllm]; without a name, both.
set -euo pipefail
. "$(dirname "$0")/common.sh"
chosen=" ${*:-llamacpp vllm} "

# verdict NAME ARGUMENTS...: ttft verify, its block shown, its exit code in $status.
verdict() {
    status=0
    run "$1" verify --api_base "$base/v1" --gap 50ms --yes --quick "${@:2}" || status=$?
}

# helps NAME ARGUMENTS...: the cache is on.
helps() {
    verdict "$@"
    check "$1: verify ends with 0" [ "$status" -eq 0 ]
    check "$1: and says HELPS" grep -q '^HELPS' "$work/$1.out"
    check "$1: its evidence is the server's own count" says "$1" "the server's count"
}

# helps_not NAME ARGUMENTS...: the cache is off. Both words that may then be said are true.
helps_not() {
    verdict "$@"
    check "$1: verify ends with 3 or 4" [ "$status" -eq 3 -o "$status" -eq 4 ]
    check "$1: and says NO MATERIAL EFFECT or INCONCLUSIVE" grep -qE '^(NO MATERIAL EFFECT|INCONCLUSIVE)' "$work/$1.out"
}

if [[ $chosen = *" llamacpp "* ]]; then
    . "$here/llamacpp_common.sh"
    install_llamacpp
    echo "== llama.cpp"
    serve 4096 0
    helps llamacpp-on --context_tokens 500
    helps_not llamacpp-off --context_tokens 300 --extra_body '{"cache_prompt":false}'
    stop_last
fi

if [[ $chosen = *" vllm "* ]]; then
    . "$here/vllm_common.sh"
    install_vllm
    echo "== vLLM"
    serve vllm-on
    helps vllm-on --context_tokens 500
    stop_last
    serve vllm-off --no-enable-prefix-caching
    helps_not vllm-off --context_tokens 300
    stop_last
fi

complete=yes

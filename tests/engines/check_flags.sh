#!/usr/bin/env bash
# Holds the commands of docs/serving.md to the engines that vllm.sh installs: every flag is one the engine knows, and
# what the page says is refused is refused.
#
# Run by hand, like vllm.sh: the first run installs 6 GB.
set -euo pipefail
TTFT=${TTFT:-/bin/true}
. "$(dirname "$0")/common.sh"
. "$here/vllm_common.sh"
install_vllm

"$venv/bin/vllm" serve --help=all >"$work/vllm.help" 2>/dev/null
"$venv/bin/lmcache" server --help >"$work/lmcache.help" 2>/dev/null

# flags COMMAND PAGE: the long flags that PAGE gives to COMMAND in its code blocks.
flags() {
    python3 - "$1" "$2" <<'PY'
import re, sys
command, page = sys.argv[1], open(sys.argv[2], encoding="utf-8").read()
blocks = re.findall(r"^```bash\n(.*?)^```", page, re.M | re.S)
commands = [c for block in blocks for c in re.split(r"(?<!\\)\n", block) if command in c]
print("\n".join(sorted({flag for c in commands for flag in re.findall(r"(?<=\s)--[a-z0-9-]+", c)})))
PY
}

for page in serving.md serving.zh-CN.md; do
    for engine in vllm lmcache; do
        command=$([ "$engine" = vllm ] && echo "vllm serve" || echo "lmcache server")
        for flag in $(flags "$command" "$root/docs/$page"); do
            check "$page: $command knows $flag" grep -qE -- "(^|[ ,[])$flag([] ,=]|\$)" "$work/$engine.help"
        done
    done
done
check "both pages have the same flags" \
    test "$(flags "vllm serve" "$root/docs/serving.md")" = "$(flags "vllm serve" "$root/docs/serving.zh-CN.md")"

# refuses TEXT FLAG...: vLLM does not start with FLAGs, and says TEXT.
refuses() {
    local text=$1
    shift
    ! timeout 600 "$venv/bin/vllm" serve "$model" --load-format dummy --port "$(free_port)" "$@" >"$work/refused" 2>&1 || return 1
    grep -F -- "$text" "$work/refused"
}
check "the original --lmcache flags are refused" refuses "unrecognized arguments: --lmcache" \
    --lmcache --lmcache-backend redis --lmcache-redis-host localhost --lmcache-redis-port 6379
check "a length above the model's own is refused" refuses "is greater than the derived max_model_len" --max-model-len 131072
complete=yes

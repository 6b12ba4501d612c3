#!/usr/bin/env bash
# Measures TTFT, cold and on a hit, at several context lengths, and puts all results into one log.
set -euo pipefail

BENCH=${BENCH:-ttft}
MASTER_OUT=${MASTER_OUT:-all_ttft_results.jsonl}
MODEL=${MODEL:-meta-llama/Llama-3.1-70B-Instruct}
CONTEXT_SIZES=(${CONTEXT_SIZES:-50 1000 2000 8000 16000 24000 32000 64000 96000 128000})

: >"$MASTER_OUT"

for size in "${CONTEXT_SIZES[@]}"; do
    out=ttft_${size}.jsonl
    echo "=== $size tokens ==="
    # BENCH may be a command with arguments of its own, such as "ttft --sim".
    # shellcheck disable=SC2086
    $BENCH --model "$MODEL" --max_ctx_tokens "$size" --num_following 1 --out "$out" "$@"
    cat "$out" >>"$MASTER_OUT"
done

printf '\033[32m✔\033[0m All results are in %s\n' "$MASTER_OUT"

#!/usr/bin/env bash
#SBATCH --job-name=ttft-load
#SBATCH --ntasks=4
#SBATCH --time=00:30:00
#SBATCH --output=ttft-load-%j.out
#
# One run under load from several nodes. Each task is a shard of the one schedule, and their logs together are the run.
#
#   sbatch --nodes=4 deploy/slurm.sh --api_base http://gpu01:8000/v1 --rate 20 --duration 5m --yes
#
# What stands behind the script's name goes to `ttft load`. $RESULTS is a folder that all nodes see, by default a new one
# where the job was submitted; $TTFT is the program, by default the one in the path.
set -euo pipefail

ttft=${TTFT:-ttft}
results=${RESULTS:-$PWD/ttft-load-$SLURM_JOB_ID}
mkdir -p "$results"

# The nonce decides the schedule and the texts, so that all shards make the same ones.
nonce=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')

# A shard that ends with another code than 0 leaves its log all the same, and the report says what became of it.
status=0
srun --kill-on-bad-exit=0 --output=none --error="$results/shard-%t.err" \
    "$ttft" load --nonce "$nonce" --barrier "$results/barrier-$SLURM_JOB_ID" --out "$results/load.jsonl" "$@" || status=$?
"$ttft" report "$results"/load-*.jsonl
exit "$status"

#!/usr/bin/env bash
# The ways to run one load from several machines, on this one: Slurm with four virtual nodes, mpirun -np 4, and the
# manifest for Kubernetes, which is only validated. Needs root on Debian and installs what it uses.
#
#   tests/deploy.sh             the binary under test is $TTFT, else the release build
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
[ -n "${TTFT:-}" ] || [ -x "$root/target/release/ttft" ] || (cd "$root" && cargo build --release)
TTFT=$(realpath "${TTFT:-$root/target/release/ttft}")
export TTFT

work=$(mktemp -d)
started=()
finish() {
    for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
    rm -rf "$work"
}
trap finish EXIT

packages=()
command -v slurmctld >/dev/null || packages+=(slurm-wlm munge)
command -v mpirun >/dev/null || packages+=(openmpi-bin)
if [ ${#packages[@]} -gt 0 ]; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
fi

fail() {
    echo "FAILED  $*" >&2
    exit 1
}

# The server: cold requests take 300 ms and hits 100 ms, as many at once as there are.
"$TTFT" sim --profile instant,base=100ms,per_token=200us,capacity=100m --port 0 >"$work/url" 2>"$work/sim.err" &
started+=($!)
for _ in $(seq 100); do [ -s "$work/url" ] && break; sleep 0.1; done
url=$(head -n1 "$work/url")
# One schedule, by the seed; another nonce for each run, since the server forgets nothing.
load=(--api_base "$url" --seed 5 --rate 24 --requests 240 --context_tokens 1000 --max_tokens 4)

# void or not (a busy machine is late), what was sent is in the log
run() { "$@" || [ $? -eq 4 ] || fail "$*"; }

echo "== one process"
(cd "$work" && run "$TTFT" load "${load[@]}" --out one.jsonl >/dev/null 2>"$work/one.err")

# Open MPI ends all when one ends with another code than 0, as a shard of a void run does.
echo "== mpirun -np 4"
mkdir "$work/mpi"
(cd "$work/mpi" && run mpirun -np 4 --allow-run-as-root --oversubscribe \
    --mca orte_abort_on_non_zero_status 0 "$TTFT" load "${load[@]}" --nonce 000102030405060708090a0b0c0d0e0f --barrier barrier >/dev/null 2>"$work/mpi.err")

echo "== Slurm, four nodes"
mkdir -p "$work/slurm/state" "$work/slurm/log" /run/munge
sed -e "s#RUNDIR#$work/slurm#g" -e "s#vm#$(hostname -s)#g" "$root/tests/deploy/slurm.conf" >"$work/slurm/slurm.conf"
export SLURM_CONF=$work/slurm/slurm.conf
if ! munge -n 2>/dev/null | unmunge >/dev/null 2>&1; then
    [ -f /etc/munge/munge.key ] || { dd if=/dev/urandom of=/etc/munge/munge.key bs=1 count=1024 status=none; }
    chown munge: /etc/munge/munge.key /run/munge && chmod 400 /etc/munge/munge.key
    runuser -u munge -- munged --foreground &>"$work/munged.out" &
    started+=($!)
fi
for _ in $(seq 50); do munge -n 2>/dev/null | unmunge >/dev/null 2>&1 && break; sleep 0.1; done
slurmctld -D &>"$work/slurm/ctld.out" &
started+=($!)
for node in n1 n2 n3 n4; do
    mkdir -p "$work/slurm/spool.$node"
    slurmd -D -N "$node" &>"$work/slurm/$node.out" &
    started+=($!)
done
for _ in $(seq 100); do [ "$(sinfo -h -t idle -o %D 2>/dev/null)" = 4 ] && break; sleep 0.2; done
[ "$(sinfo -h -t idle -o %D)" = 4 ] || { tail -n 20 "$work"/slurm/*.out; fail "four idle nodes"; }
RESULTS=$work/slurm/results sbatch --wait --nodes=4 --chdir="$work/slurm" --output="$work/slurm/job.out" \
    "$root/deploy/slurm.sh" "${load[@]}" >/dev/null || [ $? -eq 4 ] || { cat "$work/slurm/job.out"; fail "sbatch"; }
grep -q "^Under load" "$work/slurm/job.out" || { cat "$work/slurm/job.out"; fail "the job printed no report"; }

echo "== the merged reports against the one process"
"$TTFT" report "$work/one.jsonl" --format json >"$work/one.json"
"$TTFT" report "$work"/mpi/load-*.jsonl --format json >"$work/mpi.json"
"$TTFT" report "$work"/slurm/results/load-*.jsonl --format json >"$work/slurm.json"
python3 "$root/tests/deploy/compare.py" "$work/one.json" "$work/mpi.json" "$work/slurm.json"

echo "== the manifest"
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q kubernetes-validate
"$work/venv/bin/kubernetes-validate" --strict "$root/deploy/kubernetes.yaml"
echo "deploy passed: Slurm, mpirun, Kubernetes manifest."

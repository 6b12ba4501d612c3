# Shared by the tests against real engines; sourced, never run.
#
# Engines are installed once into $TTFT_ENGINES (default: ttft-engines in the user's cache directory) and reused.
# Everything a test starts is stopped when the test ends, however it ends.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
here=$root/tests/engines
engines=${TTFT_ENGINES:-${XDG_CACHE_HOME:-$HOME/.cache}/ttft-engines}
work=$(mktemp -d)
passed=0 failed=0 complete= started=()
mkdir -p "$engines"

finish() {
    local status=$? pid log
    [ -n "$complete" ] || { failed=$((failed + 1)) && echo "FAILED  the script stopped before its end"; }
    for pid in "${started[@]}"; do stop "$pid"; done
    if [ "$failed" -gt 0 ]; then
        for log in "$work"/*.server; do [ ! -f "$log" ] || { echo "--- the end of $log" && tail -n 15 "$log"; }; done
    fi
    rm -rf "$work"
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ] || exit "$((status ? status : 1))"
}
trap finish EXIT
trap 'exit 130' INT TERM

# stop PID: ends a process group that start made, and waits until it is gone.
stop() {
    kill -TERM -- "-$1" 2>/dev/null || return 0
    for _ in $(seq 100); do kill -0 -- "-$1" 2>/dev/null || return 0; sleep 0.1; done
    kill -KILL -- "-$1" 2>/dev/null || true
}

# The binary under test: $TTFT, else the release build.
[ -n "${TTFT:-}" ] || [ -x "$root/target/release/ttft" ] || (cd "$root" && cargo build --release)
binary=$(realpath "${TTFT:-$root/target/release/ttft}")
ttft() { "$binary" "$@"; }

# python_venv DIR: a virtual environment, with Debian's missing half fetched when we may.
python_venv() {
    [ -x "$1/bin/pip" ] && return
    rm -rf "$1"
    python3 -m venv "$1" >"$work/venv.log" 2>&1 && return
    [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null || { cat "$work/venv.log"; echo "install python3-venv"; exit 1; }
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv >/dev/null
    rm -rf "$1"
    python3 -m venv "$1"
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# The classic run, a flush and a sweep against $base, whose model has a context of some 4,096 tokens or more.
# usage: classic_checks COLD_TOKENS, the most that a cold prompt may have cached: the template's share
classic_checks() {
    local cold=$1
    check "the classic run ends well" run classic --api_base "$base/v1" -C "" --max_ctx_tokens 2000 --num_following 2
    check "it logs one row for each request" holds "[row.index for row in classic] == [1, 2, 3]"
    check "cold has next to nothing cached" holds "classic[0].cached <= $cold"
    check "a hit has nine tenths cached" holds "min(row.cached / row.prompt for row in classic[1:]) > 0.9"
    check "a hit is many times faster than cold" holds "classic[0].ttft > 5 * max(row.ttft for row in classic[1:])"

    check "a document that is not cut is measured" run whole --api_base "$base/v1" -C "$document" --max_ctx_tokens 2000
    check "its context_tokens is the server's own count" holds "whole[0].context == $(count_tokens "$document")"
    check "a document that is cut is counted as the server counts" \
        holds "abs((classic[0].prompt - classic[0].context) - (whole[0].prompt - whole[0].context)) <= 2"

    check "the sweep of two sizes ends well" sweep 500 1500
    check "each size was measured cold and on a hit" \
        holds "[(row.context, row.cached > 300) for row in sizes] == [(500, False), (500, True), (1500, False), (1500, True)]"
    check "all_ttft_results.jsonl is the two logs together" holds "len(sizes) == len(size_500) + len(size_1500) == 4"
}

# A document short enough to be sent whole.
document=$work/document.txt
head -c 4000 "$root/assets/ffmpeg.txt" >"$document"

# start NAME COMMAND...: runs a server in a process group of its own, its output in $work/NAME.server.
start() {
    local name=$1
    shift
    setsid "$@" >"$work/$name.server" 2>&1 &
    started+=($!)
}

# stop_last: stops the server started last.
stop_last() {
    stop "${started[-1]}"
    unset 'started[-1]'
}

# wait_for URL SECONDS: until URL answers 200, or the server started last has died.
wait_for() {
    python3 - "$1" "$2" "${started[-1]}" <<'PY'
import os, sys, time, urllib.request
url, limit, pid = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
end = time.monotonic() + limit
while time.monotonic() < end:
    try:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=5).read()
        sys.exit()
    except OSError:
        pass
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        sys.exit(f"the server died before {url} answered")
    time.sleep(0.5)
sys.exit(f"{url} did not answer within {limit:.0f} s")
PY
}

# post URL [JSON]: the body of the answer.
post() {
    python3 - "$1" "${2:-}" <<'PY'
import sys, urllib.request
request = urllib.request.Request(sys.argv[1], sys.argv[2].encode(), {"Content-Type": "application/json"}, method="POST")
print(urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=600).read().decode())
PY
}

# check SENTENCE COMMAND...: one thing that must hold.
check() {
    local sentence=$1
    shift
    if "$@" >"$work/check.out" 2>&1; then
        passed=$((passed + 1))
        echo "ok      $sentence"
    else
        failed=$((failed + 1))
        echo "FAILED  $sentence"
        sed 's/^/        /' "$work/check.out"
    fi
}

# run NAME ARGUMENTS...: ttft with its report shown, and kept in $work/NAME.{out,err,jsonl}.
run() {
    local name=$1 status=0
    shift
    echo "\$ ttft $*"
    ttft "$@" --out "$work/$name.jsonl" >"$work/$name.out" 2>"$work/$name.err" || status=$?
    sed 's/^/    /' "$work/$name.out" "$work/$name.err"
    return "$status"
}

# doctor NAME ARGUMENTS...: ttft doctor on $base with its page shown, and kept in $work/NAME.out.
doctor() {
    local name=$1 status=0
    shift
    echo "\$ ttft doctor --api_base $base/v1 $*"
    ttft doctor --api_base "$base/v1" "$@" >"$work/$name.out" 2>"$work/$name.err" || status=$?
    sed 's/^/    /' "$work/$name.out" "$work/$name.err"
    return "$status"
}

# line NAME STATE ABOUT [TEXT]: the page NAME has a line on ABOUT in STATE, with TEXT in it.
line() {
    grep -E "^$2 +$3 " "$work/$1.out" | grep -qF -- "${4:-}" || { echo "no such line: $2 $3 ${4:-}"; return 1; }
}

# holds EXPRESSION: over the rows of the logs kept, such as "classic[0].ttft > classic[1].ttft"; see rows.py.
holds() { python3 "$here/rows.py" "$work" "$1"; }

# says NAME TEXT: the run NAME said TEXT on stdout or stderr.
says() { grep -qF -- "$2" "$work/$1.out" "$work/$1.err" || { echo "not said: $2"; return 1; }; }

# sweep SIZE...: ttft sweep over SIZEs, in $work/sweep; its logs are kept as size_SIZE and sizes.
sweep() {
    local status=0 list size
    list=$(IFS=,; echo "$*")
    mkdir -p "$work/sweep"
    echo "\$ ttft sweep --api_base $base/v1 --context_sizes $list"
    (cd "$work/sweep" && ttft sweep --api_base "$base/v1" --context_sizes "$list") >"$work/sweep.out" 2>"$work/sweep.err" || status=$?
    sed 's/^/    /' "$work/sweep.out" "$work/sweep.err"
    for size in "$@"; do cp "$work/sweep/ttft_$size.jsonl" "$work/size_$size.jsonl"; done
    cp "$work/sweep/all_ttft_results.jsonl" "$work/sizes.jsonl"
    return "$status"
}

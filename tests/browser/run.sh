#!/usr/bin/env bash
# Opens the page of each log in tests/reports/ in headless Chromium, at both widths and in both colour schemes, and uses
# it as a person would. Fails on any console message.
#
#   tests/browser/run.sh [--keep FOLDER]     FOLDER gets the screenshots
#
# Needs Debian's chromium and a Node.js with npm; playwright-core, which drives the browser, comes from npm once.
set -euo pipefail
cd "$(dirname "$0")/../.."

keep=target/browser/screenshots
[ "${1:-}" = --keep ] && keep=$2
chromium=$(command -v chromium) || { echo "no chromium: apt-get install --no-install-recommends chromium" >&2; exit 1; }
command -v npm >/dev/null || { echo "no npm: install Node.js" >&2; exit 1; }

work=target/browser
mkdir -p "$work" "$keep"
[ -d "$work/node_modules/playwright-core" ] || npm install --silent --prefix "$work" playwright-core@1 >/dev/null

cargo build --quiet
ttft=target/debug/ttft
logs=tests/reports
page() { # NAME LOG...
    local name=$1; shift
    "$ttft" report "$@" --format html --save "$work/$name.html"
    cat "${@#*=}" > "$work/$name.jsonl"
}
page run "$logs/run.jsonl"
page sweep "$logs/sweep.jsonl"
page verify "$logs/verify.jsonl"
page three "vllm=$logs/sweep.jsonl" "lmcache=$logs/sweep_lmcache.jsonl" "classic=$logs/classic.jsonl"

NODE_PATH="$work/node_modules" CHROMIUM=$chromium node tests/browser/check.cjs "$work" "$keep" run sweep verify three

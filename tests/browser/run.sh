#!/usr/bin/env bash
# Opens pages in headless Chromium, at both widths and in both colour schemes, and uses them as a person would: of the
# fixed logs in tests/reports/, and of a log whose every text is hostile. Fails on any console message.
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
ttft=${CARGO_TARGET_DIR:-target}/debug/ttft
logs=tests/reports
page() { # NAME LOG...
    local name=$1; shift
    "$ttft" report "$@" --format html --save "$work/$name.html"
    cat "${@#*=}" > "$work/$name.jsonl"
}
page run "$logs/run.jsonl"
page sweep "$logs/sweep.jsonl"
page verify "$logs/verify.jsonl"
hostile='<img src=x onerror=alert(1)>'
sed "s|meta-llama/Llama-3.1-8B-Instruct|$hostile|g; s|\"ttft\",\"--api_base\"|\"$hostile\",\"</script>\"|" "$logs/run.jsonl" > "$work/$hostile.jsonl"
page hostile "<script>hostile=$work/$hostile.jsonl" "failed=$logs/failures.jsonl"

page map "$logs/map.jsonl"
page load "$logs/load_3.jsonl"
page rates "1=$logs/load_1.jsonl" "2=$logs/load_2.jsonl" "3=$logs/load_3.jsonl"
page three "vllm=$logs/sweep.jsonl" "lmcache=$logs/sweep_lmcache.jsonl" "classic=$logs/classic.jsonl"

NODE_PATH="$work/node_modules" CHROMIUM=$chromium node tests/browser/check.cjs "$work" "$keep" run sweep verify three hostile map load rates

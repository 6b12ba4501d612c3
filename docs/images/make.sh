#!/usr/bin/env bash
# Makes the pictures of the README: real runs of the program against its own simulator, whose figures say nothing about a
# real machine. Takes some six minutes; logs that are there already are not measured again.
#
#   docs/images/make.sh                       needs chromium for the picture of the page
set -euo pipefail
cd "$(dirname "$0")/../.."
cargo build --quiet
ttft=$PWD/target/debug/ttft
work=target/pictures
mkdir -p "$work"
cd "$work"

measured() { # LOG ARGUMENT...
    local log=$1; shift
    [ -s "$log" ] || "$ttft" "$@" --out "$log" --gap 0 >/dev/null
}
figure() { # NAME LOG...
    local name=$1; shift
    "$ttft" report "$@" --figure "$name" --format png --save "../../docs/images/$name.png"
}

measured verify.jsonl verify --yes --sim=7b,noise=0.04,outliers=0.03 --context_tokens 8k

for tier in "memory 7b,noise=0.03" "disk 7b,noise=0.03,latency=60ms,load=20us,min_prefix=64"; do
    [ -s "${tier%% *}.jsonl" ] || (mkdir -p "${tier%% *}" && cd "${tier%% *}" &&
        "$ttft" sweep --yes --verify --pairs 5 --context_sizes 128,256..16k*2 --gap 0 --sim="${tier#* }" >/dev/null &&
        cp all_ttft_results.jsonl "../${tier%% *}.jsonl")
done
figure ttft "memory=memory.jsonl" "disk=disk.jsonl"

measured map.jsonl map --yes --max_fill_tokens 900k --context_tokens 1k \
    --sim=7b,template=20,base=5ms,per_token=150us,quadratic=0ns,decode=25ms,noise=0.03,capacity=60k,tier2=240k,tier2_load=30us
figure reuse map.jsonl

rates="4 8 12 16 19 22"
for rate in $rates; do
    measured "load-$rate.jsonl" load --yes --rate "$rate" --requests 300 --context_tokens 1k --max_tokens 2 --sim=7b,noise=0.03 || true
done
figure load $(for rate in $rates; do echo "$rate=load-$rate.jsonl"; done)

"$ttft" report verify.jsonl --format html --save page.html
chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --force-dark-mode --window-size=1400,900 \
    --screenshot="$PWD/../../docs/images/page.png" "file://$PWD/page.html" 2>/dev/null

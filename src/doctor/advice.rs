//! What each engine has to be told, by the name of its flag. The engine is recognised by what it answers, never by a
//! version. The flags are from the manuals of vLLM, SGLang, llama.cpp and LMCache.

/// An engine that ttft recognises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Vllm,
    Sglang,
    LlamaCpp,
    Tgi,
    TrtLlm,
    Ollama,
}

impl Engine {
    /// By who owns the model, or by where the context was found.
    pub fn of(owned_by: Option<&str>, context_source: Option<&str>) -> Option<Engine> {
        match (owned_by, context_source) {
            (Some("vllm"), _) => Some(Engine::Vllm),
            (Some("sglang"), _) => Some(Engine::Sglang),
            (Some("llamacpp"), _) | (_, Some("/props")) => Some(Engine::LlamaCpp),
            (Some("tensorrt_llm"), _) => Some(Engine::TrtLlm),
            (Some("library"), _) => Some(Engine::Ollama),
            (_, Some("/info")) => Some(Engine::Tgi),
            _ => None,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Engine::Vllm => "vLLM",
            Engine::Sglang => "SGLang",
            Engine::LlamaCpp => "llama.cpp",
            Engine::Tgi => "TGI",
            Engine::TrtLlm => "TensorRT-LLM",
            Engine::Ollama => "Ollama",
        }
    }

    pub(super) fn switch_on_cached_tokens(of: Option<Engine>) -> &'static str {
        match of {
            Some(Engine::Vllm) => "not in the answer; start vLLM with --enable-prompt-tokens-details",
            Some(Engine::Sglang) => "not in the answer; start SGLang with --enable-cache-report",
            Some(Engine::Tgi) => "TGI does not count them; ttft verify goes by the clock",
            Some(Engine::Ollama) => "Ollama does not count them under /v1; ttft verify goes by the clock",
            _ => {
                "not in the answer; vLLM has --enable-prompt-tokens-details, SGLang --enable-cache-report; without them \
                 ttft verify goes by the clock"
            }
        }
    }

    pub(super) fn switch_on_counters(of: Option<Engine>) -> &'static str {
        match of {
            Some(Engine::Vllm) => "/metrics counts no prefix cache; start vLLM without --disable-log-stats",
            Some(Engine::Sglang) => "/metrics counts no prefix cache; start SGLang with --enable-metrics",
            Some(Engine::LlamaCpp) => {
                "/metrics counts no prefix cache; llama.cpp of August 2026 and later does with --metrics, and its timings \
                 count without"
            }
            _ => "no counters of a prefix cache at /metrics; cached_tokens or the clock serve instead",
        }
    }

    /// `is_there`: whether its reset answers to its name.
    pub(super) fn reset(of: Option<Engine>, is_there: Option<bool>) -> &'static str {
        match (of, is_there) {
            (Some(Engine::Vllm), Some(true)) => {
                "/reset_prefix_cache is there and was not tried, it empties the cache; ttft run --flush reset tries it and \
                 checks"
            }
            (Some(Engine::Vllm), Some(false)) => {
                "no /reset_prefix_cache; start vLLM with VLLM_SERVER_DEV_MODE=1 in its environment, or do without: a new \
                 document is cold"
            }
            (Some(Engine::Sglang), Some(true)) => {
                "/flush_cache is there and was not tried, it empties the cache; ttft run --flush reset tries it and checks"
            }
            (Some(Engine::LlamaCpp), _) => {
                "not tried: llama.cpp has /slots/N?action=erase with --slot-save-path, which leaves the cache in host \
                 memory; --extra_body '{\"cache_prompt\":false}' is cold without it"
            }
            _ => {
                "none was tried; a new document is cold without one, and ttft run --flush until_evicted fills the cache"
            }
        }
    }

    pub(super) fn name_the_context(of: Option<Engine>) -> &'static str {
        match of {
            Some(Engine::Ollama) => {
                "Ollama does not tell, and cuts a longer prompt in silence; give what OLLAMA_CONTEXT_LENGTH is set to \
                 with --model_ctx"
            }
            _ => "the server does not tell; give it with --model_ctx",
        }
    }

    /// How LMCache is started today.
    pub(super) fn lmcache(of: Option<Engine>) -> Option<&'static str> {
        match of {
            Some(Engine::Vllm) => Some(
                "LMCache: PYTHONHASHSEED=0 lmcache server --l1-size-gb 100 --eviction-policy LRU, and PYTHONHASHSEED=0 \
                 vllm serve MODEL --kv-transfer-config '{\"kv_connector\":\"LMCacheMPConnector\",\"kv_role\":\"kv_both\",\
                 \"kv_connector_extra_config\":{\"lmcache.mp.host\":\"tcp://127.0.0.1\",\"lmcache.mp.port\":5555}}'; or, in \
                 one process, vllm serve MODEL --kv-offloading-backend lmcache --kv-offloading-size GIB \
                 --disable-hybrid-kv-cache-manager",
            ),
            Some(Engine::Sglang) => Some("LMCache: start SGLang with --enable-lmcache"),
            _ => None,
        }
    }
}

//! What a server says a request used.

use serde::{Deserialize, Serialize};

use super::lax;

/// Tokens, by the server's count. Absent is `None` and never 0: a server that does not report `cached_tokens` has not
/// said that nothing was cached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    pub prompt_tokens: Option<u64>,
    pub completion_tokens: Option<u64>,
    /// Of the prompt, those taken from any cache. DeepSeek's `prompt_cache_hit_tokens` is the same thing.
    pub cached_tokens: Option<u64>,
    /// Of the completion, those spent on reasoning, shown or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_tokens: Option<u64>,
    /// vLLM: cached in the engine's own memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local_cached_tokens: Option<u64>,
    /// vLLM: fetched from outside the engine, by LMCache for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_cached_tokens: Option<u64>,
    /// vLLM: written to the cache by this request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_cache_tokens: Option<u64>,
    /// SGLang: cached on the GPU,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_cached_tokens: Option<u64>,
    /// in the host's memory,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_cached_tokens: Option<u64>,
    /// and in storage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_cached_tokens: Option<u64>,
}

impl Usage {
    /// Takes over what a later usage of the same answer says; what that leaves out stays.
    ///
    /// vLLM names `cached_tokens` in the last of many, SGLang splits usage over two events, LiteLLM sends one more
    /// without the details.
    pub fn absorb(&mut self, later: &Usage) {
        let absorb = |field: &mut Option<u64>, later: Option<u64>| *field = later.or(*field);
        absorb(&mut self.prompt_tokens, later.prompt_tokens);
        absorb(&mut self.completion_tokens, later.completion_tokens);
        absorb(&mut self.cached_tokens, later.cached_tokens);
        absorb(&mut self.reasoning_tokens, later.reasoning_tokens);
        absorb(&mut self.local_cached_tokens, later.local_cached_tokens);
        absorb(&mut self.external_cached_tokens, later.external_cached_tokens);
        absorb(&mut self.created_cache_tokens, later.created_cache_tokens);
        absorb(&mut self.device_cached_tokens, later.device_cached_tokens);
        absorb(&mut self.host_cached_tokens, later.host_cached_tokens);
        absorb(&mut self.storage_cached_tokens, later.storage_cached_tokens);
    }

    /// Whether it counts anything: Ollama's completions carry zeros in every chunk but the last.
    pub(super) fn is_said(&self) -> bool {
        let counted = |field: Option<u64>| field.filter(|count| *count > 0);
        let counts = Usage {
            prompt_tokens: counted(self.prompt_tokens),
            completion_tokens: counted(self.completion_tokens),
            cached_tokens: counted(self.cached_tokens),
            ..*self
        };
        counts != Usage::default()
    }
}

/// llama.cpp's `timings`: tokens and milliseconds inside the server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Timings {
    /// Tokens of the prompt that were cached.
    #[serde(deserialize_with = "lax::count")]
    pub cache_n: Option<u64>,
    /// Tokens of the prompt that were computed.
    #[serde(deserialize_with = "lax::count")]
    pub prompt_n: Option<u64>,
    #[serde(deserialize_with = "lax::figure")]
    pub prompt_ms: Option<f64>,
    #[serde(deserialize_with = "lax::count")]
    pub predicted_n: Option<u64>,
    #[serde(deserialize_with = "lax::figure")]
    pub predicted_ms: Option<f64>,
}

/// vLLM's per-request `metrics`. Its time to first token begins where the request is scheduled, after the queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServerMetrics {
    #[serde(deserialize_with = "lax::figure")]
    pub time_to_first_token_ms: Option<f64>,
    #[serde(deserialize_with = "lax::figure")]
    pub queue_time_ms: Option<f64>,
    #[serde(deserialize_with = "lax::figure")]
    pub generation_time_ms: Option<f64>,
    #[serde(deserialize_with = "lax::figure")]
    pub mean_itl_ms: Option<f64>,
    #[serde(deserialize_with = "lax::figure")]
    pub tokens_per_second: Option<f64>,
}

//! What a server says that a request used and how long it took, in the fields of its flavour.

use serde_json::{Value, json};

use super::engine::Plan;
use super::faults::{FaultKind, Faults};
use super::flavor::Flavor;
use crate::clock::Stamp;

/// The account of one request.
pub(super) struct Account {
    pub flavor: Flavor,
    /// How many tokens the answer has.
    pub tokens: u64,
    /// Whether vLLM tells its own times.
    pub request_metrics: bool,
    pub cached: Cached,
}

/// What is said of cached tokens.
#[derive(Clone, Copy)]
pub(super) enum Cached {
    True,
    Null,
    Max,
}

impl Cached {
    pub fn new(faults: &Faults, nth: u64) -> Cached {
        match (faults.has(FaultKind::CachedTokensNull, nth), faults.has(FaultKind::CachedTokensMax, nth)) {
            (true, _) => Cached::Null,
            (_, true) => Cached::Max,
            _ => Cached::True,
        }
    }
}

impl Account {
    /// The usage after `so_far` tokens of the answer.
    pub fn running(&self, plan: &Plan, so_far: u64) -> Value {
        let prompt = plan.prompt_tokens;
        json!({"prompt_tokens": prompt, "completion_tokens": so_far, "total_tokens": prompt + so_far})
    }

    /// The usage of the whole request.
    pub fn usage(&self, plan: &Plan) -> Value {
        let prompt = plan.prompt_tokens;
        let mut usage = self.running(plan, self.tokens);
        let cached = match self.cached {
            Cached::True => Some(plan.found.total()),
            Cached::Null => None,
            Cached::Max => Some(prompt.saturating_sub(1)),
        };
        let details = |cached: Option<u64>| cached.map_or(Value::Null, |cached| json!({"cached_tokens": cached}));
        match (self.flavor, cached) {
            (Flavor::Tgi | Flavor::Ollama, _) | (Flavor::DeepSeek, None) => {}
            (Flavor::DeepSeek, Some(cached)) => {
                usage["prompt_cache_hit_tokens"] = json!(cached);
                usage["prompt_cache_miss_tokens"] = json!(prompt - cached);
            }
            (Flavor::Sglang, cached) => usage["prompt_tokens_details"] = details(cached.filter(|cached| *cached > 0)),
            (_, cached) => usage["prompt_tokens_details"] = details(cached),
        }
        usage
    }

    /// The server's own times, and the field that they stand in; vLLM's time to the first token leaves out the queue.
    pub fn times(&self, plan: &Plan) -> Option<(&'static str, Value)> {
        let ms = |later: Stamp, earlier| later.since(earlier).unwrap_or(0) as f64 / 1e6;
        let prefill_ms = ms(plan.first, plan.started);
        match self.flavor {
            Flavor::LlamaCpp => {
                let cached = plan.found.total();
                let computed = plan.prompt_tokens - cached;
                let predicted_ms = (plan.gap * self.tokens.saturating_sub(1)) as f64 / 1e6;
                let times = json!({
                    "cache_n": cached, "prompt_n": computed, "prompt_ms": prefill_ms,
                    "predicted_n": self.tokens, "predicted_ms": predicted_ms,
                });
                Some(("timings", times))
            }
            Flavor::Vllm if self.request_metrics => {
                let times = json!({
                    "time_to_first_token_ms": prefill_ms,
                    "queue_time_ms": ms(plan.started, plan.arrived),
                    "mean_itl_ms": plan.gap as f64 / 1e6,
                });
                Some(("metrics", times))
            }
            _ => None,
        }
    }
}

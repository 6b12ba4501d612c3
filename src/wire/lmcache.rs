//! What LMCache's own server says of itself at `GET /status`.
//!
//! | field | what it is |
//! |---|---|
//! | `chunk_size` | tokens of a chunk, which is stored and found as a whole |
//! | `storage_manager.l1_capacity_bytes_by_backend`, before that `.l1_manager.memory_total_bytes` | the memory that it fills |
//! | `storage_manager.l1_eviction_controller` | `eviction_policy`; from `trigger_watermark` on, `eviction_ratio` of it leaves at once |
//! | `storage_manager.num_l2_adapters` | stores behind the memory |
//! | `cache_context_meta.*.kv_cache_layout.cache_size_per_token` | bytes of a token, of each of `world_size` workers |
//! | `storage_manager.l1_manager.memory_used_bytes`, `total_object_count` | with one worker, a chunk is an object |
//!
//! Read in LMCache 0.5.6. What a version does not tell is `None`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What it says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    pub chunk_tokens: u64,
    /// Bytes that its memory holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Bytes of a token, of all workers together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_per_token: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// The share of its memory that is certainly left when it has made room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub least_share: Option<f64>,
    /// Stores behind its memory, whose sizes it does not tell.
    pub outer_stores: u64,
}

impl Status {
    /// Reads an answer; `None` when it is none of LMCache's.
    pub fn parse(body: &[u8]) -> Option<Status> {
        let answer: Value = serde_json::from_slice(body).ok()?;
        let chunk_tokens = answer["chunk_size"].as_u64().filter(|&tokens| tokens > 0)?;
        let storage = &answer["storage_manager"];
        let eviction = &storage["l1_eviction_controller"];
        let share = |name: &str| eviction[name].as_f64().filter(|share| (0.0..=1.0).contains(share));
        Some(Status {
            chunk_tokens,
            memory_bytes: memory_bytes(storage),
            bytes_per_token: declared(&answer).or_else(|| observed(&answer, chunk_tokens)),
            policy: eviction["eviction_policy"].as_str().map(str::to_owned),
            least_share: share("trigger_watermark")
                .zip(share("eviction_ratio"))
                .map(|(from, leaves)| from * (1.0 - leaves)),
            outer_stores: storage["num_l2_adapters"].as_u64().unwrap_or(0),
        })
    }

    /// Tokens that its memory holds: what is certainly left when it has made room, and all of it. `bytes_per_token` is the
    /// user's word, which goes before its own.
    pub fn memory_tokens(&self, bytes_per_token: Option<f64>) -> Option<(u64, u64)> {
        let bytes = bytes_per_token.or(self.bytes_per_token).filter(|bytes| *bytes > 0.0)?;
        let whole = self.memory_bytes? as f64 / bytes;
        let chunks = |tokens: f64| tokens as u64 / self.chunk_tokens * self.chunk_tokens;
        Some((chunks(whole * self.least_share.unwrap_or(1.0)), chunks(whole)))
    }
}

fn memory_bytes(storage: &Value) -> Option<u64> {
    let by_backend = storage["l1_capacity_bytes_by_backend"].as_object();
    let declared = by_backend.map(|sizes| sizes.values().filter_map(Value::as_u64).sum::<u64>());
    declared.or_else(|| storage["l1_manager"]["memory_total_bytes"].as_u64()).filter(|&bytes| bytes > 0)
}

/// By the layout of the first worker's cache.
fn declared(answer: &Value) -> Option<f64> {
    let context = answer["cache_context_meta"].as_object()?.values().next()?;
    let bytes = context["kv_cache_layout"]["cache_size_per_token"].as_f64().filter(|bytes| *bytes > 0.0)?;
    Some(bytes * workers(context))
}

/// By what the memory holds now, where every chunk is one object.
fn observed(answer: &Value, chunk_tokens: u64) -> Option<f64> {
    let contexts = ["cache_context_meta", "non_cuda_context_meta"];
    let mut contexts = contexts.iter().filter_map(|name| answer[name].as_object()).flat_map(|all| all.values());
    if contexts.any(|context| workers(context) != 1.0) {
        return None;
    }
    let memory = &answer["storage_manager"]["l1_manager"];
    let count = |name: &str| memory[name].as_u64();
    let objects = count("total_object_count")?.checked_sub(count("staging_object_count").unwrap_or(0))?;
    let bytes = count("memory_used_bytes")?.checked_sub(count("staging_bytes").unwrap_or(0))?;
    (objects > 0 && bytes > 0).then(|| bytes as f64 / (objects * chunk_tokens) as f64)
}

fn workers(context: &Value) -> f64 {
    context["world_size"].as_f64().filter(|workers| *workers >= 1.0).unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn status(answer: &Value) -> Status {
        Status::parse(answer.to_string().as_bytes()).expect("a status")
    }

    fn answer() -> Value {
        json!({
            "is_healthy": true, "engine_type": "MPCacheServer", "chunk_size": 256, "hash_algorithm": "blake3",
            "storage_manager": {
                "l1_capacity_bytes_by_backend": { "dram": 1_073_741_824_u64 },
                "l1_manager": {
                    "memory_total_bytes": 1_073_741_824_u64, "memory_used_bytes": 33_554_432, "total_object_count": 16,
                    "staging_object_count": 0, "staging_bytes": 0
                },
                "l1_eviction_controller": { "eviction_policy": "LRU", "trigger_watermark": 0.8, "eviction_ratio": 0.25 },
                "num_l2_adapters": 1
            },
            "non_cuda_context_meta": { "1": { "model_name": "m", "world_size": 1, "block_size": 128 } }
        })
    }

    #[test]
    fn its_memory_is_told_in_tokens_by_what_it_holds() {
        let status = status(&answer());
        assert_eq!((status.chunk_tokens, status.outer_stores, status.policy.as_deref()), (256, 1, Some("LRU")));
        // 2 MiB a chunk, so that 512 chunks fit; four fifths of them are left before a quarter of these leaves.
        assert_eq!(status.bytes_per_token, Some(8_192.0));
        assert_eq!(status.memory_tokens(None), Some((78_592, 131_072)));
        assert_eq!(status.memory_tokens(Some(16_384.0)), Some((39_168, 65_536)));
    }

    #[test]
    fn bytes_of_a_token_are_those_of_all_workers() {
        let mut answer = answer();
        answer["cache_context_meta"] =
            json!({ "7": { "world_size": 2, "kv_cache_layout": { "cache_size_per_token": 4_096 } } });
        assert_eq!(status(&answer).bytes_per_token, Some(8_192.0));
    }

    #[test]
    fn what_it_does_not_tell_is_none() {
        let mut answer = answer();
        answer["storage_manager"]["l1_manager"]["total_object_count"] = json!(0);
        assert_eq!(status(&answer).memory_tokens(None), None, "nothing stored, so nobody knows what a token takes");
        answer["storage_manager"] = json!(null);
        assert_eq!(status(&answer).memory_bytes, None);
        for other in ["", "<html>", "{}", r#"{"chunk_size":0}"#, r#"{"status":"ok"}"#] {
            assert_eq!(Status::parse(other.as_bytes()), None, "{other}");
        }
    }
}

//! What LMCache as a process of its own says at `GET /status`, for the tiers below the engine's cache.
//!
//! It lies at `/lmcache/status`, so that `--lmcache_url http://HOST:PORT/lmcache/v1` finds it. LMCache counts in bytes, and a
//! token takes as many as in a model of 32 layers with eight heads of keys and values of 128 dimensions in 16 bits.

use serde_json::{Value, json};

use super::engine::Engine;

const BYTES_PER_TOKEN: u64 = 2 * 32 * 8 * 128 * 2;

/// `None` without a tier below the engine's. It says `claimed` times the capacity.
pub(super) fn status(engine: &Engine, claimed: u64) -> Option<Value> {
    let cache = &engine.profile.cache;
    let memory = cache.tiers.get(1)?;
    let bytes = claimed * memory.capacity_tokens * BYTES_PER_TOKEN;
    let layout = json!({ "num_layers": 32, "cache_size_per_token": BYTES_PER_TOKEN });
    Some(json!({
        "is_healthy": true,
        "engine_type": "MPCacheServer",
        "chunk_size": memory.block_tokens,
        "storage_manager": {
            "is_healthy": true,
            "l1_capacity_bytes_by_backend": { "dram": bytes },
            "l1_manager": { "memory_total_bytes": bytes },
            // What does not fit leaves at once, and no more than that.
            "l1_eviction_controller": {
                "eviction_policy": format!("{:?}", memory.policy).to_uppercase(), "trigger_watermark": 1.0, "eviction_ratio": 0.0
            },
            "num_l2_adapters": cache.tiers.len() - 2
        },
        "cache_context_meta": {
            "0": { "model_name": engine.profile.model, "world_size": 1, "kv_cache_layout": layout }
        }
    }))
}

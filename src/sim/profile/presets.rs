//! The servers that have a name.

use super::{Isolate, Profile};
use crate::sim::cache::CacheSpec;
use crate::sim::fleet::Routing;
use crate::sim::latency::{Cost, NoiseSpec};

/// A server by name.
pub struct Preset {
    pub name: &'static str,
    pub about: &'static str,
    pub(super) make: fn() -> Profile,
}

/// The presets; the first is the default.
pub const PRESETS: [Preset; 4] = [
    Preset {
        name: "7b",
        about: "a 7B model in 16 bits on one 40 GB GPU: 12,500 prefill tokens/s, 83 tokens/s",
        make: gpu,
    },
    Preset {
        name: "70b",
        about: "a 70B model on four 80 GB GPUs: 8,000 prefill tokens/s, 36 tokens/s",
        make: four_gpus,
    },
    Preset {
        name: "laptop",
        about: "an 8B model in 4 bits on a laptop, one slot: 400 prefill tokens/s, 22 tokens/s",
        make: laptop,
    },
    Preset { name: "instant", about: "no time at all and room for everything, for tests", make: instant },
];

fn gpu() -> Profile {
    Profile {
        preset: "7b",
        model: "ttft-sim/7b".to_owned(),
        context_tokens: 32_768,
        template_tokens: 1,
        answer_tokens: 256,
        hit: true,
        // (40 GB * 0.9 - 14.5 GB of weights) / 128 KiB a token
        cache: CacheSpec::one_tier(160_000, 16),
        isolate: Isolate::Salt,
        replicas: 1,
        routing: Routing::RoundRobin,
        cost: Cost { base_ns: 25e6, per_token_ns: 80e3, quadratic_ns: 2.0 },
        store_ns_per_token: 0.0,
        decode_ns: 12_000_000,
        slots: 256,
        serial_prefill: true,
        noise: NoiseSpec { sigma: 0.03, jitter_ns: 300e3, ..NoiseSpec::default() },
        request_metrics: false,
        keep_alive_ns: Some(5_000_000_000),
    }
}

fn four_gpus() -> Profile {
    Profile {
        preset: "70b",
        model: "ttft-sim/70b".to_owned(),
        context_tokens: 131_072,
        // (4 * 80 GB * 0.9 - 141 GB of weights) / 320 KiB a token
        cache: CacheSpec::one_tier(450_000, 16),
        cost: Cost { base_ns: 60e6, per_token_ns: 125e3, quadratic_ns: 1.2 },
        decode_ns: 28_000_000,
        ..gpu()
    }
}

fn laptop() -> Profile {
    Profile {
        preset: "laptop",
        model: "ttft-sim/laptop".to_owned(),
        context_tokens: 16_384,
        cache: CacheSpec::one_tier(16_384, 1),
        cost: Cost { base_ns: 60e6, per_token_ns: 2.5e6, quadratic_ns: 40.0 },
        decode_ns: 45_000_000,
        slots: 1,
        noise: NoiseSpec { sigma: 0.05, jitter_ns: 1e6, ..NoiseSpec::default() },
        ..gpu()
    }
}

fn instant() -> Profile {
    Profile {
        preset: "instant",
        model: "ttft-sim/instant".to_owned(),
        context_tokens: 1 << 20,
        cache: CacheSpec::one_tier(16_000_000, 16),
        cost: Cost { base_ns: 0.0, per_token_ns: 0.0, quadratic_ns: 0.0 },
        decode_ns: 0,
        slots: 65_536,
        serial_prefill: false,
        noise: NoiseSpec::default(),
        ..gpu()
    }
}

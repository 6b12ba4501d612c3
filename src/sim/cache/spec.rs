//! What a cache is like.

use crate::clock::Nanos;

/// The most tiers a cache can have.
pub const TIERS: usize = 4;

/// What a cache is like.
#[derive(Debug, Clone, PartialEq)]
pub struct CacheSpec {
    /// The uppermost first. No tier: nothing is ever hit.
    pub tiers: Vec<TierSpec>,
    /// Whether a lower tier holds only what left the one above (else every tier is offered everything).
    pub exclusive: bool,
    pub semantics: Semantics,
    /// Prompts and hits shorter than this do not count.
    pub min_prefix_tokens: u64,
}

impl CacheSpec {
    /// An LRU cache of one tier.
    pub fn one_tier(capacity_tokens: u64, block_tokens: u64) -> CacheSpec {
        CacheSpec {
            tiers: vec![TierSpec { capacity_tokens, block_tokens, ..TierSpec::default() }],
            exclusive: false,
            semantics: Semantics::Prefix,
            min_prefix_tokens: 0,
        }
    }
}

/// What can be found again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Semantics {
    /// Any prefix, in whole blocks (vLLM; with blocks of one token SGLang).
    Prefix,
    /// A prefix that an earlier request ended with (hybrid models' checkpoints).
    RequestEnd,
    /// Request ends, and a prefix that two requests were seen to have in common (DeepSeek).
    Units,
    /// Any piece, wherever it stands (CacheBlend).
    NonPrefix,
}

/// Why a cache cannot be as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    #[error("a cache has at most {TIERS} tiers, not {0}")]
    TooManyTiers(usize),
    #[error("a block has at least one token")]
    EmptyBlock,
    #[error("exclusive tiers pass blocks on, so all must have the same block size")]
    ExclusiveBlocksDiffer,
    #[error("all tiers of a cache whose units are not block prefixes must have the same block size")]
    UnitBlocksDiffer,
}

/// What a tier is like.
#[derive(Debug, Clone, PartialEq)]
pub struct TierSpec {
    pub capacity_tokens: u64,
    /// Tokens in a block. 1 is token granularity.
    pub block_tokens: u64,
    pub policy: Policy,
    pub evict: Evict,
    /// Time to bring a token of this tier to where it is used.
    pub load_ns_per_token: f64,
    /// Time to begin doing so.
    pub latency_ns: Nanos,
    /// How long after its storing a block can be hit.
    pub write_back_ns: Nanos,
    /// How long an unused block can be hit.
    pub ttl_ns: Option<Nanos>,
    /// Whether a use starts the time to live again.
    pub ttl_slides: bool,
}

impl Default for TierSpec {
    fn default() -> TierSpec {
        TierSpec {
            capacity_tokens: 0,
            block_tokens: 16,
            policy: Policy::Lru,
            evict: Evict::TailFirst,
            load_ns_per_token: 0.0,
            latency_ns: 0,
            write_back_ns: 0,
            ttl_ns: None,
            ttl_slides: true,
        }
    }
}

/// Who has to leave when room is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// The least recently used.
    Lru,
    /// The first that came, used or not.
    Fifo,
    /// The least often used, counted up to 16; among equals the least recently used.
    Lfu,
    /// Segmented LRU: a second use protects, for up to four fifths of the room.
    Slru,
    /// Nobody: what does not fit is not stored.
    NoAdmit,
    /// Anybody.
    Random,
}

/// What leaves at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evict {
    /// A block; of blocks used together the last of the prompt first, as vLLM does.
    TailFirst,
    /// All blocks that were last used together.
    Document,
}

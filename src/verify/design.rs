//! What a verify run is to find out, and what that takes.

use super::{SHARE_REPEATS, STORE_PAIRS, opening};
use crate::pairs::CONTROL_PAIRS;
use crate::plan::ColdBy;
use crate::stats::looks::Rule;

/// What is to be found out, and how well.
#[derive(Debug, Clone)]
pub struct Design {
    pub rule: Rule,
    /// Percentages of a document that is shared with one sent before: the points of the partial-hit curve.
    pub shares: Vec<u8>,
    /// The hit arm asks a new question about the document, as a conversation does.
    pub asks_anew: bool,
    /// By what cold is made cold; `None` for new text each time.
    pub cold_by: Option<ColdBy>,
    /// The tier that is to answer a replay; `None` for whichever does.
    pub tier: Option<Tier>,
    /// Whether cold is compared with cold that leaves the cache alone.
    pub cache_off: bool,
    /// Tokens in a block of the server's cache, where known: no prompt ends on its boundary.
    pub block_size: Option<u64>,
    /// Decides the order, and nothing else.
    pub seed: u64,
}

/// A tier below the first, and what it takes to be answered by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tier {
    /// From 2.
    pub number: u8,
    /// Fillers between a document and its replay.
    pub fillers: usize,
}

impl Design {
    /// The fillers it takes beside its usual requests.
    pub fn usual_fillers(&self) -> usize {
        // One replay of the opening, and one a pair.
        self.tier.map_or(0, |tier| tier.fillers * (1 + self.rule.looks.last()))
    }

    /// The requests it takes to its last look, where the cache has room for the chain and nothing is repeated.
    pub fn usual_requests(&self) -> usize {
        let stores = if self.cache_off { STORE_PAIRS } else { 0 };
        let pairs = self.rule.looks.last() + CONTROL_PAIRS + self.shares.len() * SHARE_REPEATS + stores;
        opening::USUAL_REQUESTS + 2 * pairs
    }
}

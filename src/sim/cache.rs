//! A prefix cache of several tiers, as LLM servers keep one: pure, without a clock and without sockets.
//!
//! A prompt of `n` tokens can hit at most `n - 1` of them, since the last one has to be computed for its answer, and
//! only whole blocks: `floor((n - 1) / block) * block`. A block is found in the uppermost tier that has it; the blocks
//! of a lower tier may be larger, and then only the part above the present position is loaded (vLLM with LMCache).
//!
//! ```
//! use ttft::sim::cache::{Cache, CacheSpec};
//! use ttft::sim::prompt::{Prompt, Segment};
//!
//! let mut cache = Cache::new(CacheSpec::one_tier(60_000, 16), 0).unwrap();
//! let document = [Segment { id: 1, tokens: 1_000 }];
//! assert_eq!(cache.request(Prompt::Segments(&document), 0, 0).total(), 0);
//! assert_eq!(cache.request(Prompt::Segments(&document), 0, 0).total(), 992);
//! ```

use std::collections::HashSet;

use super::prompt::{Key, Prompt};
use crate::clock::Nanos;
use crate::rng;

mod spec;
mod tier;

pub use spec::{CacheSpec, Evict, Policy, Semantics, SpecError, TIERS, TierSpec};
use tier::{Block, Tier};

/// How many tokens of a prompt were found, by tier.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Match {
    pub tokens: [u64; TIERS],
}

impl Match {
    /// All tokens found, in whichever tier.
    pub fn total(&self) -> u64 {
        self.tokens.iter().sum()
    }
}

/// A prompt prepared for one cache: its keys.
#[derive(Debug, Clone)]
pub struct Chain {
    tokens: u64,
    /// Prefix keys by block size, in the order of [`Cache::block_sizes`].
    prefixes: Vec<Vec<Key>>,
    /// Keys of the pieces from every position on; empty unless the cache finds pieces.
    pieces: Vec<Key>,
}

/// The cache.
#[derive(Debug)]
pub struct Cache {
    spec: CacheSpec,
    tiers: Vec<Tier>,
    /// The block sizes that occur, and for each tier the place of its own among them.
    block_sizes: Vec<u64>,
    size_of_tier: Vec<usize>,
    /// Every prefix ever seen, to detect common ones ([`Semantics::Units`] only).
    seen: HashSet<Key>,
}

impl Cache {
    /// An empty cache. The seed matters to [`Policy::Random`] alone.
    pub fn new(spec: CacheSpec, seed: u64) -> Result<Cache, SpecError> {
        if spec.tiers.len() > TIERS {
            return Err(SpecError::TooManyTiers(spec.tiers.len()));
        }
        let mut block_sizes: Vec<u64> = spec.tiers.iter().map(|tier| tier.block_tokens).collect();
        let size_of = |sizes: &[u64], tier: &TierSpec| sizes.iter().position(|size| *size == tier.block_tokens);
        block_sizes.sort_unstable();
        block_sizes.dedup();
        if block_sizes.first() == Some(&0) {
            return Err(SpecError::EmptyBlock);
        }
        if block_sizes.len() > 1 && spec.exclusive {
            return Err(SpecError::ExclusiveBlocksDiffer);
        }
        if block_sizes.len() > 1 && spec.semantics != Semantics::Prefix {
            return Err(SpecError::UnitBlocksDiffer);
        }
        Ok(Cache {
            size_of_tier: spec.tiers.iter().filter_map(|tier| size_of(&block_sizes, tier)).collect(),
            block_sizes,
            tiers: (0_u64..)
                .zip(&spec.tiers)
                .map(|(nth, tier)| Tier::new(tier.clone(), rng::stream(seed, &format!("tier {nth}"))))
                .collect(),
            seen: HashSet::new(),
            spec,
        })
    }

    pub fn spec(&self) -> &CacheSpec {
        &self.spec
    }

    /// Tokens held by each tier.
    pub fn used_tokens(&self) -> impl Iterator<Item = u64> {
        self.tiers.iter().map(Tier::used_tokens)
    }

    /// The keys of `prompt`. Prompts of different `identity` (a salt, a tenant) never meet; 0 is nobody in particular.
    pub fn chain(&self, prompt: Prompt, identity: u64) -> Chain {
        let pieces = match (self.spec.semantics, self.block_sizes.first()) {
            (Semantics::NonPrefix, Some(block)) => prompt.piece_keys(identity, *block),
            _ => Vec::new(),
        };
        let prefixes = self.block_sizes.iter().map(|block| prompt.prefix_keys(identity, *block)).collect();
        Chain { tokens: prompt.tokens(), prefixes, pieces }
    }

    /// What a prompt that comes at `now` finds. Changes nothing.
    pub fn lookup(&self, chain: &Chain, now: Nanos) -> Match {
        let found = match self.spec.semantics {
            Semantics::Prefix => self.longest_prefix(chain, now),
            Semantics::RequestEnd | Semantics::Units => self.longest_unit(chain, now),
            Semantics::NonPrefix => self.all_pieces(chain, now),
        };
        if found.total() < self.spec.min_prefix_tokens { Match::default() } else { found }
    }

    /// Stores a prompt that was computed by `now`; what it hit counts as used.
    pub fn store(&mut self, chain: &Chain, now: Nanos) {
        if chain.tokens < self.spec.min_prefix_tokens {
            return;
        }
        if self.spec.exclusive {
            let blocks = self.blocks_of(chain, 0);
            for lower in self.tiers.iter_mut().skip(1) {
                blocks.iter().for_each(|block| lower.take(block.key));
            }
            let mut leaving = blocks;
            for tier in &mut self.tiers {
                leaving = tier.store(&leaving, now);
            }
        } else {
            for nth in 0..self.tiers.len() {
                let blocks = self.blocks_of(chain, nth);
                self.tiers[nth].store(&blocks, now);
            }
        }
        if self.spec.semantics == Semantics::Units {
            self.seen.extend(&chain.prefixes[0]);
        }
    }

    /// A whole request in an instant: what it finds, then its storing.
    pub fn request(&mut self, prompt: Prompt, identity: u64, now: Nanos) -> Match {
        let chain = self.chain(prompt, identity);
        let found = self.lookup(&chain, now);
        self.store(&chain, now);
        found
    }

    /// Empties the uppermost `tiers` tiers.
    pub fn clear(&mut self, tiers: usize) {
        self.tiers.iter_mut().take(tiers).for_each(Tier::clear);
    }

    fn keys<'a>(&self, chain: &'a Chain, tier: usize) -> &'a [Key] {
        &chain.prefixes[self.size_of_tier[tier]]
    }

    fn longest_prefix(&self, chain: &Chain, now: Nanos) -> Match {
        let mut found = Match::default();
        let mut position = 0;
        loop {
            let next = self.tiers.iter().enumerate().find_map(|(nth, tier)| {
                let block = tier.spec().block_tokens;
                let at = position / block;
                let end = (at + 1) * block;
                let key = self.keys(chain, nth).get(at as usize)?;
                (end < chain.tokens && tier.has(*key, now)).then_some((nth, end))
            });
            let Some((nth, end)) = next else { return found };
            found.tokens[nth] += end - position;
            position = end;
        }
    }

    fn longest_unit(&self, chain: &Chain, now: Nanos) -> Match {
        let mut found = Match::default();
        let Some(block) = self.block_sizes.first() else { return found };
        let ends = chain.prefixes[0].iter().enumerate().map(|(nth, key)| (key, (nth as u64 + 1) * block));
        for (key, end) in ends.rev().filter(|(_, end)| *end < chain.tokens) {
            if let Some(nth) = self.tiers.iter().position(|tier| tier.has(*key, now)) {
                found.tokens[nth] = end;
                break;
            }
        }
        found
    }

    fn all_pieces(&self, chain: &Chain, now: Nanos) -> Match {
        let mut found = Match::default();
        let Some(&block) = self.block_sizes.first() else { return found };
        let mut position = 0;
        while let Some(key) = chain.pieces.get(position as usize) {
            match self.tiers.iter().position(|tier| tier.has(*key, now)) {
                Some(nth) if position + block < chain.tokens => {
                    found.tokens[nth] += block;
                    position += block;
                }
                _ => position += 1,
            }
        }
        found
    }

    /// What a tier is offered of a prompt, head first.
    fn blocks_of(&self, chain: &Chain, tier: usize) -> Vec<Block> {
        let tokens = self.tiers[tier].spec().block_tokens;
        let prefixes = self.keys(chain, tier);
        match self.spec.semantics {
            Semantics::Prefix => prefixes.iter().map(|key| Block { key: *key, tokens }).collect(),
            Semantics::NonPrefix => {
                chain.pieces.iter().step_by(tokens as usize).map(|key| Block { key: *key, tokens }).collect()
            }
            Semantics::RequestEnd => checkpoint(chain, prefixes, tokens).into_iter().collect(),
            Semantics::Units => {
                let shared = prefixes.iter().take_while(|key| self.seen.contains(key)).count();
                let common =
                    shared.checked_sub(1).map(|last| Block { key: prefixes[last], tokens: shared as u64 * tokens });
                let end = checkpoint(chain, prefixes, tokens);
                common.filter(|common| Some(*common) != end).into_iter().chain(end).collect()
            }
        }
    }
}

/// The longest prefix of a request that the same request could hit.
fn checkpoint(chain: &Chain, prefixes: &[Key], block: u64) -> Option<Block> {
    let blocks = chain.tokens.checked_sub(1)? / block;
    let key = prefixes.get((blocks as usize).checked_sub(1)?)?;
    Some(Block { key: *key, tokens: blocks * block })
}

#[cfg(test)]
mod tests;

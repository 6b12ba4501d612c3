//! Who has to leave: the policy and capacity that best explain which requests hit.
//!
//! Every request of the fill is replayed through a cache in thought ([`Replay`]), for each policy and each capacity that
//! comes into question. Where answers count, a look should find what the cache in thought found, to the block. Where the
//! clock tells, a document of which a share is found takes `hit + (cold - hit) (1 - share)`, and counts as a hit when it
//! lies far enough below cold: with a probability that the noise decides, from 0.02 (hardly anything is early) to 0.96
//! (some answers are late). The explanation of the highest likelihood wins. A policy is claimed when it leads the others
//! by 7 in logarithms and explains nearly everything.

use std::collections::BTreeMap;

use serde::Serialize;

use super::replay::{Keeping, Leaves, Replay};
use crate::stats::normal;

/// Who has to leave when room is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// The least recently used.
    Lru,
    /// The first that came.
    Fifo,
    /// What was used once only; LFU, SLRU, ARC and 2Q look alike from outside.
    Frequency,
    /// Nobody: what does not fit is not stored.
    NoAdmit,
}

impl Policy {
    pub fn name(self) -> &'static str {
        match self {
            Policy::Lru => "LRU",
            Policy::Fifo => "FIFO",
            Policy::Frequency => "frequency or scan-resistant (LFU, SLRU, ARC, 2Q)",
            Policy::NoAdmit => "no admission when full",
        }
    }
}

/// A cache that may be behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    pub policy: Policy,
    pub keeping: Keeping,
    pub leaves: Leaves,
}

pub(super) const KINDS: [Kind; 9] = [
    kind(Policy::Lru, Keeping::Recency, Leaves::Tail),
    kind(Policy::Lru, Keeping::Recency, Leaves::Whole),
    kind(Policy::Fifo, Keeping::Arrival, Leaves::Tail),
    kind(Policy::Fifo, Keeping::Arrival, Leaves::Whole),
    kind(Policy::Frequency, Keeping::Count, Leaves::Tail),
    kind(Policy::Frequency, Keeping::Count, Leaves::Whole),
    kind(Policy::Frequency, Keeping::SecondUse, Leaves::Tail),
    kind(Policy::Frequency, Keeping::SecondUse, Leaves::Whole),
    kind(Policy::NoAdmit, Keeping::Nothing, Leaves::Tail),
];

const fn kind(policy: Policy, keeping: Keeping, leaves: Leaves) -> Kind {
    Kind { policy, keeping, leaves }
}

impl Kind {
    pub fn cache(self, capacity: u64) -> Replay {
        Replay::new(capacity, self.keeping, self.leaves)
    }
}

/// A request of the fill.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Access {
    pub document: usize,
    /// Tokens that the cache holds of the document.
    pub held: u64,
    /// Tokens of these that were found, where the server counts.
    pub found: Option<u64>,
    pub is_hit: bool,
    /// Whether nobody had sent the document before.
    pub is_new: bool,
    /// Whether it was looked for, so that whether it hit is known.
    pub is_look: bool,
}

/// How a look tells what was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sight {
    /// What is counted is a multiple of this.
    pub block: u64,
    /// `ln(cold/hit)`, the least of it that counts as a hit, and its noise.
    pub gain: f64,
    pub least: f64,
    pub sigma: f64,
}

impl Sight {
    /// The probability that a document of which `share` is found counts as a hit by the clock.
    pub fn hit_probability(&self, share: f64) -> f64 {
        let gain = -(1.0 - share * (1.0 - (-self.gain).exp())).ln();
        normal::cumulative((gain - self.least) / self.sigma.max(0.01)).clamp(0.02, 0.96)
    }

    /// Of what `access` showed, when `found` tokens were to be found.
    fn probability(&self, access: &Access, found: u64) -> f64 {
        match access.found {
            Some(told) if told <= found && found < told + self.block => 0.96,
            Some(_) if access.is_hit == (2 * found >= access.held) => 0.03,
            Some(_) => 0.01,
            None => {
                let hits = self.hit_probability(found as f64 / access.held.max(1) as f64);
                if access.is_hit { hits } else { 1.0 - hits }
            }
        }
    }
}

/// The best explanation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Explained {
    pub kind: Kind,
    pub capacity: u64,
    /// The capacities whose likelihood is not much smaller.
    pub low: u64,
    pub high: u64,
    /// By how much the next policy is less likely, in logarithms.
    pub margin: f64,
    /// The looks that it explains, as a share.
    pub share: f64,
}

/// A margin from which a policy is claimed.
pub(super) const CLAIMED: f64 = 7.0;
/// Of two likelihoods, in logarithms: the interval holds what is within it of the best. 1.92 would do for 95 %; this much
/// holds the truth even when one look was misread, since that costs 3.9.
const NEAR: f64 = 5.0;
/// What is nearly as likely as the best; the value is the middle of it.
const BEST: f64 = 0.5;
/// Beyond a margin of this, no finer search makes up for it.
const HOPELESS: f64 = 15.0;
const COARSE: u32 = 48;
/// Capacities on each side of both ends of what is near, at each finer step.
const AROUND: u64 = 4;

/// Whether by how much the best policy leads the others is known from before. If so, a hopeless one need not be told from
/// a very hopeless one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lead {
    Sought,
    Known,
}

/// A log of requests and what it is to be explained by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Case<'a> {
    pub accesses: &'a [Access],
    pub sight: Sight,
    /// Tokens of a document, and the finest step of a capacity.
    pub held: u64,
    pub finest: u64,
}

impl Case<'_> {
    /// The best of all kinds of caches of about `guess` tokens.
    pub fn explain(&self, guess: u64) -> Option<Explained> {
        self.explain_by(&KINDS, guess)
    }

    /// The best of some kinds.
    pub fn explain_by(&self, kinds: &[Kind], guess: u64) -> Option<Explained> {
        let grid: Vec<u64> = (0..=COARSE)
            .map(|nth| (guess as f64 * 0.4 * (2.5_f64 / 0.4).powf(f64::from(nth) / f64::from(COARSE))) as u64)
            .collect();
        let step = (guess / 25).max(1);
        self.among(kinds, &grid, step, Lead::Sought)
    }

    /// The same again after more looks, near to what was found, for the same policy; its margin stays.
    pub fn refined(&self, before: &Explained) -> Option<Explained> {
        let kinds: Vec<Kind> = KINDS.into_iter().filter(|kind| kind.policy == before.kind.policy).collect();
        let low = before.low.saturating_sub(2 * self.held);
        let width = before.high + 2 * self.held - low;
        let grid: Vec<u64> = (0..=16).map(|nth| low + nth * width / 16).collect();
        let found = self.among(&kinds, &grid, (width / 16).max(1), Lead::Known)?;
        Some(Explained { margin: before.margin, ..found })
    }

    fn among(&self, kinds: &[Kind], grid: &[u64], step: u64, lead: Lead) -> Option<Explained> {
        let mut top = f64::NEG_INFINITY;
        let mut all: Vec<(Kind, BTreeMap<u64, f64>)> = Vec::with_capacity(kinds.len());
        for kind in kinds {
            let best = if lead == Lead::Known { top } else { f64::NEG_INFINITY };
            let scores = self.coarse(*kind, grid, best);
            top = top.max(peak(&scores));
            all.push((*kind, scores));
        }
        for (kind, scores) in &mut all {
            if peak(scores) > top - HOPELESS {
                self.zoom(*kind, scores, step);
            }
        }
        let (kind, scores) = all.iter().max_by(|x, y| peak(&x.1).total_cmp(&peak(&y.1)))?;
        let top = peak(scores);
        let others = all.iter().filter(|(other, _)| other.policy != kind.policy).map(|(_, scores)| peak(scores));
        // The same policy may let documents leave in another way and explain it as well.
        let same = all.iter().filter(|(other, _)| other.policy == kind.policy);
        let near: Vec<(u64, u64)> = same.filter_map(|(_, scores)| within(scores, top - NEAR)).collect();
        let (first, last) = within(scores, top - BEST)?;
        let capacity = u64::midpoint(first, last);
        Some(Explained {
            kind: *kind,
            capacity,
            low: near.iter().map(|(low, _)| *low).min()?,
            high: near.iter().map(|(_, high)| *high).max()?,
            margin: top - others.fold(f64::NEG_INFINITY, f64::max),
            share: self.share(*kind, capacity),
        })
    }

    /// The likelihoods of a grid, from its middle outwards, since what is far off is then soon known to be hopeless beside
    /// the `best` so far.
    fn coarse(&self, kind: Kind, grid: &[u64], mut best: f64) -> BTreeMap<u64, f64> {
        let mut order: Vec<usize> = (0..grid.len()).collect();
        order.sort_by_key(|nth| nth.abs_diff(grid.len() / 2));
        let mut scores = BTreeMap::new();
        for at in order.into_iter().map(|nth| grid[nth]) {
            let score = self.likelihood(kind, at, best - HOPELESS);
            best = best.max(score);
            scores.insert(at, score);
        }
        scores
    }

    /// Looks closer and closer at both ends of what is near to the best.
    fn zoom(&self, kind: Kind, scores: &mut BTreeMap<u64, f64>, mut step: u64) {
        while step > self.finest {
            step = (step / 4).max(self.finest);
            let top = peak(scores);
            let Some((low, high)) = within(scores, top - NEAR) else { return };
            for end in [low, high, u64::midpoint(low, high)] {
                for nth in 0..=2 * AROUND {
                    let at = (end + nth * step).saturating_sub(AROUND * step) / self.finest * self.finest;
                    scores.entry(at).or_insert_with(|| self.likelihood(kind, at, top - HOPELESS));
                }
            }
        }
    }

    /// The logarithm; negative infinity from where it has fallen below `least` on, since no look makes it rise again.
    fn likelihood(&self, kind: Kind, capacity: u64, least: f64) -> f64 {
        let mut likelihood = 0.0;
        for (access, found) in self.looks(kind, capacity) {
            likelihood += self.sight.probability(access, found).ln();
            if likelihood < least {
                return f64::NEG_INFINITY;
            }
        }
        likelihood
    }

    /// Of all looks, those that come out as they should.
    fn share(&self, kind: Kind, capacity: u64) -> f64 {
        let (mut right, mut all) = (0, 0);
        for (access, found) in self.looks(kind, capacity) {
            let share = found as f64 / access.held.max(1) as f64;
            let is_hit = if access.found.is_some() { share >= 0.5 } else { self.sight.hit_probability(share) >= 0.5 };
            right += usize::from(access.is_hit == is_hit);
            all += 1;
        }
        right as f64 / all.max(1) as f64
    }

    /// Every look, with the tokens that a cache of `capacity` would find.
    fn looks(&self, kind: Kind, capacity: u64) -> impl Iterator<Item = (&Access, u64)> {
        let mut cache = kind.cache(capacity);
        self.accesses.iter().filter_map(move |access| {
            let found = cache.request(access.document, access.held);
            access.is_look.then_some((access, found))
        })
    }

    /// The cache in thought after all requests.
    pub fn after(&self, kind: Kind, capacity: u64) -> Replay {
        let mut cache = kind.cache(capacity);
        for access in self.accesses {
            cache.request(access.document, access.held);
        }
        cache
    }
}

fn peak(scores: &BTreeMap<u64, f64>) -> f64 {
    scores.values().copied().fold(f64::NEG_INFINITY, f64::max)
}

/// The first and the last capacity that are more likely than `least`.
fn within(scores: &BTreeMap<u64, f64>, least: f64) -> Option<(u64, u64)> {
    let near = || scores.iter().filter(|(_, score)| **score > least).map(|(at, _)| *at);
    Some((near().next()?, near().next_back()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGHT: Sight = Sight { block: 1, gain: 2.0, least: 0.3, sigma: 0.05 };

    /// What a cache of `capacity` makes of a fill with documents of 10 tokens: five used three times, five that are used
    /// again in turn after every second of 35 new ones, then all of them from the newest.
    fn fill(capacity: u64, kind: Kind, counts: bool) -> Vec<Access> {
        let mut cache = kind.cache(capacity);
        let mut seen = std::collections::HashSet::new();
        let often = (0..5).cycle().take(15);
        let new = (10..45).flat_map(|new| [Some(new), (new % 2 == 0).then_some(5 + new / 2 % 5)]).flatten();
        let order: Vec<usize> = often.chain(5..10).chain(new).chain((0..45).rev()).collect();
        let access = |document| {
            let found = cache.request(document, 10);
            let is_new = seen.insert(document);
            let is_hit = if counts { found >= 5 } else { SIGHT.hit_probability(found as f64 / 10.0) >= 0.5 };
            Access { document, held: 10, found: counts.then_some(found), is_hit, is_new, is_look: !is_new }
        };
        order.into_iter().map(access).collect()
    }

    #[test]
    fn what_a_cache_did_is_explained_by_it() {
        for kind in KINDS {
            for (capacity, counts) in [(173, false), (250, false), (304, true), (218, true)] {
                let accesses = fill(capacity, kind, counts);
                let case = Case { accesses: &accesses, sight: SIGHT, held: 10, finest: 1 };
                let found = case.explain(240).unwrap();
                assert_eq!(found.kind.policy, kind.policy, "{capacity}: {found:?}");
                // To a document, since two ways of leaving may explain it equally well.
                let is_near = found.low <= capacity + 10 && capacity <= found.high + 10;
                assert!(is_near, "{capacity} of {kind:?}: {found:?}");
                assert!(found.share > 0.95, "{found:?}");
            }
        }
    }

    #[test]
    fn a_document_of_which_nothing_is_left_hardly_ever_counts_as_a_hit_and_a_whole_one_nearly_always() {
        assert!(SIGHT.hit_probability(0.0) < 0.03 && SIGHT.hit_probability(1.0) > 0.95);
        assert!(SIGHT.hit_probability(0.2) < SIGHT.hit_probability(0.4));
    }
}

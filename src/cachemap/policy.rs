//! Who has to leave: the policy and capacity that best explain which requests hit.
//!
//! Every request of the fill is replayed through a cache of whole documents, for each policy and each capacity that
//! comes into question. A request that should hit is seen to hit with probability 0.96, one that should miss with 0.02
//! (a late answer looks like a miss far more often than an early one like a hit), and the explanation of the highest
//! likelihood wins. A policy is claimed when it leads the others by 7 in logarithms and explains nearly everything.

use std::collections::BTreeMap;

use serde::Serialize;

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
    pub const ALL: [Policy; 4] = [Policy::Lru, Policy::Fifo, Policy::Frequency, Policy::NoAdmit];

    pub fn name(self) -> &'static str {
        match self {
            Policy::Lru => "LRU",
            Policy::Fifo => "FIFO",
            Policy::Frequency => "frequency or scan-resistant (LFU, SLRU, ARC, 2Q)",
            Policy::NoAdmit => "no admission when full",
        }
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

/// The best explanation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Explained {
    pub policy: Policy,
    pub capacity: f64,
    /// Capacities whose likelihood is not much smaller, a document more at each end.
    pub low: f64,
    pub high: f64,
    /// By how much the next policy is less likely, in logarithms.
    pub margin: f64,
    /// Requests that it explains, of all that could hit.
    pub share: f64,
}

/// A margin from which a policy is claimed.
pub(super) const CLAIMED: f64 = 7.0;
/// Capacities on the coarse grid, and around the best of it.
const COARSE: usize = 48;
const FINE: u64 = 48;

/// Explains `accesses` by a cache of about `guess` tokens; documents are about `held` tokens each.
pub(super) fn explain(accesses: &[Access], guess: u64, held: u64) -> Option<Explained> {
    let held = held.max(1);
    let documents = |tokens: f64| ((tokens / held as f64).round() as u64).max(1);
    let mut coarse: Vec<u64> = (0..COARSE)
        .map(|nth| documents(guess as f64 * 0.4 * (2.5_f64 / 0.4).powf(nth as f64 / (COARSE - 1) as f64)))
        .collect();
    coarse.dedup();
    let mut bests: Vec<(Policy, Vec<(u64, f64)>)> = Vec::new();
    for policy in Policy::ALL {
        let score = |count: u64| (count, likelihood(accesses, count * held, policy));
        let mut scores: Vec<(u64, f64)> = coarse.iter().map(|count| score(*count)).collect();
        let best = best_of(&scores)?.0;
        let reach = (best * 3 / 20).max(3);
        let step = (2 * reach / FINE).max(1);
        let fine = (best.saturating_sub(reach).max(1)..=best + reach).step_by(step as usize);
        scores.extend(fine.map(score));
        scores.sort_unstable_by_key(|(count, _)| *count);
        scores.dedup_by_key(|(count, _)| *count);
        bests.push((policy, scores));
    }
    let peak = |scores: &[(u64, f64)]| best_of(scores).map_or(f64::NEG_INFINITY, |best| best.1);
    let (policy, scores) = bests.iter().max_by(|x, y| peak(&x.1).total_cmp(&peak(&y.1)))?;
    let top = peak(scores);
    let rival =
        bests.iter().filter(|(other, _)| other != policy).map(|(_, s)| peak(s)).fold(f64::NEG_INFINITY, f64::max);
    let best: Vec<u64> = scores.iter().filter(|(_, l)| *l >= top - 1e-9).map(|(count, _)| *count).collect();
    let near: Vec<u64> = scores.iter().filter(|(_, l)| *l > top - 1.92).map(|(count, _)| *count).collect();
    let (first, last) = (*best.first()?, *best.last()?);
    let unit = held as f64;
    let right = predicted(accesses, (first + last) / 2 * held, *policy).filter(|(a, hits)| a.is_hit == *hits).count();
    let all = accesses.iter().filter(|access| access.is_look).count();
    Some(Explained {
        policy: *policy,
        // A cache of n documents and a half looks as one of n.
        capacity: (first + last + 1) as f64 / 2.0 * unit,
        low: (near.first()?.saturating_sub(1)) as f64 * unit,
        high: (near.last()? + 2) as f64 * unit,
        margin: top - rival,
        share: right as f64 / all.max(1) as f64,
    })
}

fn best_of(scores: &[(u64, f64)]) -> Option<(u64, f64)> {
    scores.iter().copied().max_by(|x, y| x.1.total_cmp(&y.1))
}

fn likelihood(accesses: &[Access], capacity: u64, policy: Policy) -> f64 {
    predicted(accesses, capacity, policy)
        .map(|(access, hits)| {
            let probability: f64 = match (hits, access.is_hit) {
                (true, true) => 0.96,
                (true, false) => 0.04,
                (false, true) => 0.02,
                (false, false) => 0.98,
            };
            probability.ln()
        })
        .sum()
}

/// Every look, with whether it would in a cache of `capacity` tokens.
fn predicted(accesses: &[Access], capacity: u64, policy: Policy) -> impl Iterator<Item = (&Access, bool)> {
    let mut cache = Model::new(capacity, policy);
    accesses.iter().filter_map(move |access| {
        let hits = cache.request(access.document, access.held);
        access.is_look.then_some((access, hits))
    })
}

/// A cache of whole documents.
struct Model {
    policy: Policy,
    capacity: u64,
    used: u64,
    clock: u64,
    /// Uses and moment of each document that is held.
    places: Vec<Option<(u32, u64)>>,
    /// Who leaves first.
    order: BTreeMap<(u32, u64), (usize, u64)>,
}

impl Model {
    fn new(capacity: u64, policy: Policy) -> Model {
        Model { policy, capacity, used: 0, clock: 0, places: Vec::new(), order: BTreeMap::new() }
    }

    fn request(&mut self, document: usize, held: u64) -> bool {
        self.clock += 1;
        if self.places.len() <= document {
            self.places.resize(document + 1, None);
        }
        let Some(place) = self.places[document] else {
            self.admit(document, held);
            return false;
        };
        let moved = match self.policy {
            Policy::Lru => (0, self.clock),
            Policy::Frequency => (place.0 + 1, self.clock),
            Policy::Fifo | Policy::NoAdmit => return true,
        };
        if let Some(entry) = self.order.remove(&place) {
            self.order.insert(moved, entry);
            self.places[document] = Some(moved);
        }
        true
    }

    fn admit(&mut self, document: usize, held: u64) {
        if held > self.capacity || (self.policy == Policy::NoAdmit && self.used + held > self.capacity) {
            return;
        }
        while self.used + held > self.capacity {
            let Some((_, (leaving, freed))) = self.order.pop_first() else { break };
            self.places[leaving] = None;
            self.used -= freed;
        }
        let place = (u32::from(self.policy == Policy::Frequency), self.clock);
        self.order.insert(place, (document, held));
        self.places[document] = Some(place);
        self.used += held;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a cache of `capacity` documents of 10 tokens makes of a fill: five documents used again and again, then 40
    /// new ones with one of the five after every second, then all of them from the newest.
    fn fill(capacity: u64, policy: Policy) -> Vec<Access> {
        let mut cache = Model::new(10 * capacity, policy);
        let mut seen = std::collections::HashSet::new();
        let often = (0..5).cycle().take(15);
        let new = (5..45).flat_map(|new| [Some(new), (new % 2 == 0).then_some(new / 2 % 5)]).flatten();
        let order: Vec<usize> = often.chain(new).chain((0..45).rev()).collect();
        let access = |document| {
            let is_hit = cache.request(document, 10);
            let is_new = seen.insert(document);
            Access { document, held: 10, found: None, is_hit, is_new, is_look: !is_new }
        };
        order.into_iter().map(access).collect()
    }

    #[test]
    fn what_a_model_did_is_explained_by_it() {
        for policy in Policy::ALL {
            for capacity in [17, 25, 30] {
                let found = explain(&fill(capacity, policy), 240, 10).unwrap();
                assert_eq!(found.policy, policy, "{capacity}: {found:?}");
                assert!(found.low <= 10.0 * capacity as f64 && 10.0 * capacity as f64 <= found.high, "{found:?}");
            }
        }
    }
}

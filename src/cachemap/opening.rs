//! The opening: pays first-call costs, then finds out how much quicker a replay is, whether answers count cached tokens,
//! how long a stored prompt takes until it can be hit, and how long a document has to be for one request to tell a hit
//! from a miss.

use super::found::{Confidence, Property};
use super::lab::{Lab, Seen, Stop};
use crate::clock::Nanos;
use crate::plan::map::Stage;
use crate::plan::{Arm, Role};
use crate::stats::robust::{median, sigma};

/// Pairs of a new document and its replay, at one length.
const PAIRS: usize = 8;
/// `ln(cold/hit) / sigma` below which a single request does not tell a hit from a miss.
pub(super) const SEPARABLE: f64 = 6.0;
/// A replay this many times quicker than new documents is taken for a hit where only the clock tells.
const CLEARLY_QUICKER: f64 = 1.15;
/// How far the tokens of a word may be from one.
const A_TOKEN: f64 = 0.005;
const CONTRADICTS: f64 = 2.0;
/// Delays after which a stored prompt is looked for, from 10 ms to 10 s.
pub(super) const FIRST_DELAY_NS: Nanos = 10_000_000;
pub(super) const DELAYS: u32 = 11;

/// What the opening measured.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Levels {
    /// Whether answers count cached tokens, and count them on a replay.
    pub exact: bool,
    /// Words of a document.
    pub words: u64,
    /// Tokens of a document's prompt.
    pub tokens: u64,
    /// Tokens of a prompt beside its words.
    pub frame_tokens: u64,
    /// Median times to first token, in nanoseconds.
    pub cold: f64,
    pub hit: f64,
    /// Standard deviation of the logarithm.
    pub sigma: f64,
    /// Cached tokens of a document that nobody has seen.
    pub template_tokens: u64,
    /// Pause after a prompt is stored, until it is looked for.
    pub settle_ns: Nanos,
    /// Whether hits and misses were mixed up where they could be checked.
    pub is_refuted: bool,
}

impl Levels {
    /// `ln(cold/hit) / sigma`, sigma with a margin; infinite without noise.
    pub fn separability(&self) -> f64 {
        let gain = (self.cold / self.hit).ln();
        // The spread of sixteen values is easily a quarter more.
        if gain <= 0.0 { 0.0 } else { gain / (1.25 * self.sigma) }
    }

    /// Whether one request tells a hit from a miss.
    pub fn is_separable(&self) -> bool {
        !self.is_refuted && (self.exact || self.separability() >= SEPARABLE)
    }

    /// Whether `seen`, of a document of this length, came from the cache at all, from whichever tier.
    pub fn is_hit(&self, seen: &Seen) -> bool {
        match seen.cached.filter(|_| self.exact) {
            Some(cached) => 2 * cached >= seen.tokens,
            None => (self.cold / seen.ttft).ln() > self.clearly_quicker(),
        }
    }

    /// The same right after a document was stored, where no lower tier can have it.
    pub fn is_near_hit(&self, seen: &Seen) -> bool {
        if self.exact { self.is_hit(seen) } else { seen.ttft < (self.cold * self.hit).sqrt() }
    }

    /// The logarithm of `cold/ttft` from which an answer counts as a hit: far enough below cold that a cold one hardly
    /// ever gets there. A hit of the uppermost tier is quicker yet.
    pub fn clearly_quicker(&self) -> f64 {
        (3.5 * self.sigma).max(0.2).min(0.5 * (self.cold / self.hit).ln())
    }

    /// As sure as what is found by single requests can be.
    pub fn confidence(&self) -> Confidence {
        match self.exact && self.cold / self.hit > 1.0 + 2.0 * self.sigma {
            true => Confidence::A,
            false => Confidence::B,
        }
    }

    /// How hits were told, in words.
    pub fn means(&self) -> &'static str {
        if self.exact { "cached_tokens" } else { "the clock" }
    }
}

pub(super) async fn measure(lab: &mut Lab) -> Result<(), Stop> {
    warm_up(lab).await?;
    let mut words = lab.design.words;
    let mut manner = Manner::AtOnce;
    loop {
        lab.levels.settle_ns = if manner == Manner::Later { FIRST_DELAY_NS << (DELAYS - 2) } else { 0 };
        let found = pairs(lab, words, manner).await?;
        if !found.is_cached {
            manner = match manner {
                Manner::AtOnce => Manner::Later,
                Manner::Later => Manner::Often,
                Manner::Often => return Err(nothing_cached(lab, &found)),
            };
            continue;
        }
        lab.levels = found.levels;
        if found.levels.is_separable() || 2 * words > lab.design.most_words {
            return Ok(());
        }
        words *= 2;
    }
}

/// The first calls, whose costs nobody is to measure. Of two lengths, they tell whether a word is a token.
async fn warm_up(lab: &mut Lab) -> Result<(), Stop> {
    let lengths = [lab.design.words / 2, lab.design.words];
    let mut tokens = [0; 2];
    for (words, tokens) in lengths.into_iter().zip(&mut tokens) {
        let pieces = vec![lab.new_piece(words)];
        let probe = lab.probe(Stage::Opening, Arm::Cold, Role::Warmup, pieces);
        *tokens = lab.send(probe).await?.tokens;
        lab.levels.frame_tokens = tokens.saturating_sub(words);
    }
    let per_word = tokens[1].saturating_sub(tokens[0]) as f64 / (lengths[1] - lengths[0]).max(1) as f64;
    if (per_word - 1.0).abs() > A_TOKEN {
        lab.note(|map| map.tokens_per_word = Some(per_word));
    }
    Ok(())
}

/// How a document is replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    AtOnce,
    /// After a pause: a late hit is a hit.
    Later,
    /// Until every replica has it.
    Often,
}

/// Sends of a document that make sure of a handful of replicas, and those that are counted after them.
const OFTEN: usize = 9;

struct Found {
    levels: Levels,
    is_cached: bool,
}

/// Measures new documents and their replays at one length.
async fn pairs(lab: &mut Lab, words: u64, manner: Manner) -> Result<Found, Stop> {
    let (mut cold, mut hit) = (Vec::new(), Vec::new());
    let count = if manner == Manner::Often { PAIRS / 2 } else { PAIRS };
    for _ in 0..count {
        let document = lab.new_piece(words);
        cold.push(lab.store(Stage::Opening, vec![document]).await?);
        lab.settle().await;
        let unmeasured = if manner == Manner::Often { OFTEN } else { 0 };
        for _ in 0..unmeasured {
            let probe = lab.probe(Stage::Opening, Arm::Hit, Role::Prime, vec![document]);
            lab.send(probe).await?;
        }
        hit.push(lab.measure(Stage::Opening, vec![document]).await?);
    }
    let tokens = cold[0].tokens;
    let template = counted(&cold);
    // With several replicas, some replays miss; those that hit tell how quick a hit is.
    let is_hit = |s: &&Seen| s.cached.is_some_and(|c| 2 * c >= tokens && c > template.unwrap_or(0));
    let hits: Vec<Seen> = hit.iter().filter(is_hit).copied().collect();
    let exact = template.is_some() && !hits.is_empty();
    let cold_spread = deviations(&cold);
    let noise = 1.1 * sigma(&cold_spread).expect("there are pairs");
    let cold_log = middle(&cold);
    let hit = match (exact, quick_among(&hit, cold_log, noise)) {
        (true, _) => hits,
        (false, Some(quick)) => quick,
        (false, None) => hit,
    };
    let spread: Vec<f64> = cold_spread.into_iter().chain(deviations(&hit)).collect();
    let levels = Levels {
        exact,
        words,
        tokens,
        frame_tokens: tokens.saturating_sub(words),
        cold: cold_log.exp(),
        hit: middle(&hit).exp(),
        // Deviations from two medians of eight come out a little small.
        sigma: 1.1 * sigma(&spread).expect("there are pairs"),
        template_tokens: template.unwrap_or(0),
        settle_ns: lab.levels.settle_ns,
        is_refuted: false,
    };
    // A server that counts and counts nothing is believed until the clock says the very opposite.
    let least = if template.is_some() { CONTRADICTS } else { CLEARLY_QUICKER };
    let gain = (levels.cold / levels.hit).ln();
    Ok(Found { levels, is_cached: exact || gain > least.ln().max(2.0 * noise) })
}

/// The replays that hit, by the clock, where others missed as with several replicas: these take as long as new documents,
/// those clearly less. `None` where the replays do not fall apart like that, as without a cache.
fn quick_among(replays: &[Seen], cold_log: f64, noise: f64) -> Option<Vec<Seen>> {
    let quickest = replays.iter().map(|s| s.ttft.ln()).fold(f64::INFINITY, f64::min);
    let limit = f64::midpoint(cold_log, quickest);
    let (quick, slow): (Vec<Seen>, Vec<Seen>) = replays.iter().copied().partition(|s| s.ttft.ln() < limit);
    // A single quick one may be chance. When no replay is quicker than a new document, none is quick.
    let least: f64 = if quick.len() == 1 { 2.0 } else { 1.5 };
    let falls_apart = !quick.is_empty()
        && slow.len() >= 2
        && (cold_log - middle(&slow)).abs() < 3.0 * noise
        && cold_log - middle(&quick) > (4.0 * noise).max(least.ln());
    falls_apart.then_some(quick)
}

/// The median of the cached tokens; `None` where an answer does not count.
fn counted(seen: &[Seen]) -> Option<u64> {
    let cached: Option<Vec<f64>> = seen.iter().map(|s| s.cached.map(|c| c as f64)).collect();
    cached.and_then(|cached| median(&cached)).map(|middle| middle as u64)
}

fn middle(seen: &[Seen]) -> f64 {
    median(&seen.iter().map(|s| s.ttft.ln()).collect::<Vec<_>>()).expect("there are pairs")
}

fn deviations(seen: &[Seen]) -> Vec<f64> {
    let centre = middle(seen);
    seen.iter().map(|s| s.ttft.ln() - centre).collect()
}

fn nothing_cached(lab: &Lab, found: &Found) -> Stop {
    let why = "replays were neither counted as cached nor quicker than new documents; is the prefix cache on?";
    lab.note(|map| {
        map.capacity_tokens = Property::bound(0.0, Some(found.levels.tokens as f64), "no replay was found again");
    });
    Stop::Worthless(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLD_MS: f64 = 10.0;

    fn quick(replays_ms: &[f64]) -> Option<usize> {
        let seen = |ms: &f64| Seen { ttft: ms * 1e6, cached: None, tokens: 512, counted: None, sent_ns: 0, end_ns: 0 };
        let replays: Vec<Seen> = replays_ms.iter().map(seen).collect();
        quick_among(&replays, (COLD_MS * 1e6).ln(), 0.05).map(|quick| quick.len())
    }

    #[test]
    fn replays_that_hit_on_one_replica_of_two_are_told_from_those_that_missed() {
        assert_eq!(quick(&[2.0, 10.1, 2.1, 9.9, 10.0]), Some(2));
    }

    #[test]
    fn where_no_replay_is_quicker_than_a_new_document_none_is_quick() {
        assert_eq!(quick(&[10.2, 10.3, 10.4]), None);
        assert_eq!(quick(&[10.0, 10.0, 10.0]), None);
    }

    #[test]
    fn one_replay_that_is_a_little_quicker_is_chance() {
        assert_eq!(quick(&[7.2, 10.1, 9.9, 10.2, 10.0]), None);
    }

    #[test]
    fn replays_that_all_hit_do_not_fall_apart() {
        assert_eq!(quick(&[2.0, 2.1, 2.2, 2.0]), None);
    }
}

//! Which measured requests belong together, and which of them count.
//!
//! A pair is two measured requests of one number: a document the server has not seen ([`Arm::Cold`]) and, in random
//! order, one it has just seen ([`Arm::Hit`]) or, for the A/A control, another it has not ([`Arm::Unseen`]). The machine
//! that runs pairs and the verdict that is read from a log both count with this module, so they cannot disagree.
//!
//! A pair does not count when a request of it failed, or when an unseen document came out of the cache.

mod canary;

use std::collections::BTreeMap;

pub use canary::Canary;

use crate::clock::Nanos;
use crate::plan::{Arm, ColdBy, Role};
use crate::sample::{Outcome, Sample};
use crate::stats::Estimate;
use crate::stats::hodges_lehmann::{self, STRATUM};
use crate::stats::robust::median;

/// Unseen documents of one session share the chat template and nothing else. Beyond its tokens, this many may be cached
/// by coincidence: a block that the template fills in part, or a word that two documents begin with.
const COINCIDENCE: u64 = 32;

/// Pairs of an A/A control. One control in twenty fails by chance, so one that fails is repeated once.
pub const CONTROL_PAIRS: usize = 10;

/// Documents that came out of the cache although they were new, before the run is void.
const NOT_COLD_VOIDS: usize = 2;

/// The pause before every measured request where the server does not store at once.
pub const STORE_PAUSE_NS: Nanos = 2_000_000_000;

/// The level of the A/A control.
const CONTROL_ALPHA: f64 = 0.05;

/// The pairs of a session.
#[derive(Debug, Default)]
pub struct Pairs<'a> {
    /// Cold against hit.
    pub measured: Vec<Pair<'a>>,
    /// Cold against unseen: the A/A control.
    pub controls: Vec<Pair<'a>>,
    /// Cold against another that left the cache alone.
    pub stores: Vec<Pair<'a>>,
    /// Requests with an unseen document, of any role, that were served from the cache.
    pub not_cold: Vec<&'a Sample>,
    /// Measured requests that failed; one that the user stopped did not.
    pub failed: Vec<&'a Sample>,
    /// By what cold was made cold; `None` for new text.
    pub cold_by: Option<ColdBy>,
    /// The proof of that; `None` where there is none, or none is needed.
    pub canary: Option<Canary>,
    /// Whether a document was looked for that had just been sent.
    has_replay: bool,
}

/// Two requests measured side by side.
#[derive(Debug, Clone, Copy)]
pub struct Pair<'a> {
    pub cold: &'a Sample,
    /// The hit, or the control's second unseen document.
    pub other: &'a Sample,
}

impl<'a> Pairs<'a> {
    /// The pairs among `samples`, which are one session's in the order they were sent.
    pub fn of(samples: &'a [Sample]) -> Pairs<'a> {
        let not_cold = not_cold(samples);
        let is_not_cold = |sample: &Sample| not_cold.iter().any(|found| std::ptr::eq(*found, sample));
        let measured = || samples.iter().filter(|s| s.role == Role::Measure);
        let has_failed = |s: &&Sample| s.ttft_ns().is_none() && s.outcome != Outcome::Interrupted;
        let mut pairs = Pairs { failed: measured().filter(has_failed).collect(), ..Pairs::default() };
        let mut numbered: BTreeMap<u64, Vec<&Sample>> = BTreeMap::new();
        for sample in measured() {
            if let Some(number) = sample.place.pair {
                numbered.entry(number).or_default().push(sample);
            }
        }
        for members in numbered.values().filter(|m| m.len() == 2) {
            if members.iter().any(|s| s.ttft_ns().is_none() || is_not_cold(s)) {
                continue;
            }
            let (cold, other) =
                if members[0].arm == Arm::Cold { (members[0], members[1]) } else { (members[1], members[0]) };
            match (cold.arm, other.arm) {
                (Arm::Cold, Arm::Hit) => pairs.measured.push(Pair { cold, other }),
                (Arm::Cold, Arm::Unseen) if other.place.cache_off => pairs.stores.push(Pair { cold, other }),
                (Arm::Cold, Arm::Unseen) => pairs.controls.push(Pair { cold, other }),
                _ => {}
            }
        }
        let cold_by = samples.iter().find_map(|s| s.place.cold_by);
        let canary = cold_by.and_then(|_| Canary::of(samples));
        Pairs { not_cold, cold_by, canary, has_replay: samples.iter().any(|s| s.arm == Arm::Hit), ..pairs }
    }

    /// Adds those of another session.
    pub fn absorb(&mut self, more: Pairs<'a>) {
        self.measured.extend(more.measured);
        self.controls.extend(more.controls);
        self.not_cold.extend(more.not_cold);
        self.failed.extend(more.failed);
    }

    /// Whether cold is not cold, and nothing can be said.
    pub fn is_cold_refuted(&self) -> bool {
        self.not_cold.len() >= NOT_COLD_VOIDS || self.canary.is_some_and(|canary| !canary.is_gone)
    }

    /// What was to make cold what is no new text, where nothing proves that it did.
    pub fn cold_unproven(&self) -> Option<ColdBy> {
        self.cold_by.filter(|_| self.canary.is_none() && self.has_replay)
    }

    /// How the A/A control went; `None` before its end.
    pub fn control(&self) -> Option<Control> {
        let controls = self.controls.chunks_exact(CONTROL_PAIRS).filter_map(Control::of);
        controls.reduce(|first, second| if first.is_passed() { first } else { second })
    }

    /// The pairs that the control still needs: a first ten, and ten more when those failed.
    pub fn controls_lacking(&self) -> usize {
        let failed = self.control().is_some_and(|control| !control.is_passed());
        let needed = if failed { 2 * CONTROL_PAIRS } else { CONTROL_PAIRS };
        needed.saturating_sub(self.controls.len())
    }
}

/// Unseen against unseen, where the truth is "no difference".
#[derive(Debug, Clone, PartialEq)]
pub struct Control {
    pub pairs: usize,
    /// How far one lies above the other, in logarithms.
    pub shift: Estimate,
}

impl Control {
    fn of(pairs: &[Pair]) -> Option<Control> {
        let (cold, unseen) = logs(pairs);
        let shift = hodges_lehmann::shift(&cold, &unseen, STRATUM, CONTROL_ALPHA)?;
        Some(Control { pairs: pairs.len(), shift })
    }

    pub fn is_passed(&self) -> bool {
        self.shift.interval.is_some_and(|interval| interval.contains(0.0))
    }
}

/// The logarithms of the times to first token of both members of each pair, the unit of every comparison.
pub fn logs(pairs: &[Pair]) -> (Vec<f64>, Vec<f64>) {
    let log = |s: &Sample| (s.ttft_ns().expect("a counted pair has both times") as f64).ln();
    pairs.iter().map(|pair| (log(pair.cold), log(pair.other))).unzip()
}

/// Whether the document was new to the server.
pub fn is_unseen(sample: &Sample) -> bool {
    matches!(sample.arm, Arm::Cold | Arm::Unseen)
}

/// The requests among `samples` whose document was new and yet came from the cache, beyond the template.
pub fn not_cold(samples: &[Sample]) -> Vec<&Sample> {
    let limit = template_tokens(samples) + COINCIDENCE;
    let unseen = samples.iter().filter(|s| is_unseen(s));
    unseen.filter(|s| s.cached_tokens().is_some_and(|cached| cached > limit)).collect()
}

/// Whether most of the prompt came from a cache, by the server's word; `None` when it says nothing.
pub fn came_from_cache(sample: &Sample) -> Option<bool> {
    Some(2 * sample.cached_tokens()? > sample.prompt_tokens()?)
}

/// The tokens that any two documents share, the chat template's: half of the unseen documents had as many or fewer
/// cached. More than half a prompt is no template; then it is 0.
pub fn template_tokens(samples: &[Sample]) -> u64 {
    // The first document cannot find the template of its own session.
    let unseen = samples.iter().filter(|s| is_unseen(s)).skip(1);
    let reported: Vec<(u64, u64)> = unseen.filter_map(|s| Some((s.cached_tokens()?, s.prompt_tokens()?))).collect();
    let middle = |of: fn(&(u64, u64)) -> u64| median(&reported.iter().map(|r| of(r) as f64).collect::<Vec<_>>());
    match (middle(|r| r.0), middle(|r| r.1)) {
        (Some(cached), Some(prompt)) if cached <= prompt / 2.0 => cached as u64,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(arm: &str, pair: Option<u64>, cached: Option<u64>) -> Sample {
        let row = serde_json::json!({
            "trial": 1, "arm": arm, "role": "measure", "pair": pair, "outcome": "ok", "body_bytes": 1,
            "sent_ns": 1_000, "first_token_ns": 3_000, "usage": { "prompt_tokens": 1_000, "cached_tokens": cached },
        });
        serde_json::from_value(row).unwrap()
    }

    #[test]
    fn the_template_is_what_half_of_the_unseen_documents_find() {
        let cached = |cached: &[u64]| cached.iter().map(|&c| sample("cold", None, Some(c))).collect::<Vec<_>>();
        assert_eq!(template_tokens(&cached(&[0, 48, 48, 64])), 48);
        assert_eq!(template_tokens(&cached(&[0, 999, 999])), 0, "a whole prompt is no template");
        assert_eq!(template_tokens(&cached(&[48])), 0, "the first document has nothing to find");
        assert_eq!(template_tokens(&[sample("cold", None, None), sample("cold", None, None)]), 0);
    }

    #[test]
    fn a_pair_with_a_cold_that_was_cached_does_not_count() {
        let samples = [
            sample("cold", Some(1), Some(48)),
            sample("hit", Some(1), Some(960)),
            sample("hit", Some(2), Some(960)),
            sample("cold", Some(2), Some(48)),
            sample("cold", Some(3), Some(640)),
            sample("hit", Some(3), Some(960)),
        ];
        let pairs = Pairs::of(&samples);
        assert_eq!((pairs.measured.len(), pairs.not_cold.len()), (2, 1));
        assert!(pairs.measured.iter().all(|pair| pair.cold.arm == Arm::Cold && pair.other.arm == Arm::Hit));
        assert!(!pairs.is_cold_refuted());
    }

    #[test]
    fn half_a_pair_and_a_failed_one_do_not_count() {
        let mut failed = sample("cold", Some(2), None);
        failed.stamps.first_token_ns = None;
        let samples = [sample("cold", Some(1), None), failed, sample("hit", Some(2), None)];
        let pairs = Pairs::of(&samples);
        assert_eq!((pairs.measured.len(), pairs.failed.len()), (0, 1));
        let stopped = Sample { outcome: Outcome::Interrupted, ..samples[1].clone() };
        assert!(Pairs::of(&[stopped]).failed.is_empty());
    }

    #[test]
    fn a_control_that_fails_is_repeated_once_and_the_second_counts() {
        let pair = |number, unseen_ns| {
            let mut unseen = sample("unseen", Some(number), None);
            unseen.stamps.first_token_ns = Some(unseen_ns);
            [sample("cold", Some(number), None), unseen]
        };
        let unequal: Vec<Sample> = (0..10).flat_map(|number| pair(number, 9_000)).collect();
        let failed = Pairs::of(&unequal);
        assert_eq!((failed.control().unwrap().is_passed(), failed.controls_lacking()), (false, 10));
        let repeated: Vec<Sample> = unequal.iter().cloned().chain((10..20).flat_map(|n| pair(n, 3_000))).collect();
        let passed = Pairs::of(&repeated);
        assert_eq!((passed.control().unwrap().is_passed(), passed.controls_lacking()), (true, 0));
    }
}

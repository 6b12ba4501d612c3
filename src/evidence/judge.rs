//! The clock as a witness: slow to speak, and heard last.
//!
//! A request is quick when it takes less than half of the quickest of three cold requests with a document as long; it is
//! slow when it takes as long as that one, where three hits took less than half of it. In between the clock says nothing.

use super::{AgainstTiming, Evidence, Found, Proof, Reported};
use crate::clock::Nanos;
use crate::plan::{Arm, Role};
use crate::sample::Sample;

/// The clock says nothing before so many requests of a kind are known.
const REFERENCES: usize = 3;

/// So many of a kind are kept to compare with, whatever a run's length.
const MOST: usize = 1_000;

/// Documents whose lengths differ by no more than this share are compared by time.
const SAME_LENGTH: f64 = 0.05;

/// Judges the requests of one session in the order they were sent.
#[derive(Debug, Clone, Default)]
pub struct Judge {
    colds: Vec<Timed>,
    hits: Vec<Timed>,
    /// The latest end of a request so far.
    latest_end_ns: Nanos,
}

#[derive(Debug, Clone, Copy)]
struct Timed {
    document_tokens: u64,
    ttft_ns: Nanos,
}

impl Judge {
    /// What `sample` found, by its witnesses and by the clock; `None` for a request that failed.
    pub fn judge(&mut self, sample: &Sample, document_tokens: u64) -> Option<Evidence> {
        let mut evidence = Evidence::of(sample, document_tokens)?;
        let is_alone = self.is_alone(sample);
        if let Some(ttft_ns) = sample.ttft_ns().filter(|_| is_alone && sample.role == Role::Measure) {
            let this = Timed { document_tokens, ttft_ns };
            self.ask_the_clock(&mut evidence, this);
            match (evidence.found, sample.arm) {
                // What contradicts itself is no reference for others.
                _ if evidence.timing.is_some() => {}
                (Found::Hit, _) => remember(&mut self.hits, this),
                (Found::Cold, _) | (Found::Unknown, Arm::Cold | Arm::Unseen) => remember(&mut self.colds, this),
                _ => {}
            }
        }
        Some(evidence)
    }

    /// Under load the time of a request is also that of those before it in the queue, and the clock is no witness.
    fn is_alone(&mut self, sample: &Sample) -> bool {
        let is_beside = sample.stamps.sent_ns.is_some_and(|sent| sent < self.latest_end_ns);
        self.latest_end_ns = self.latest_end_ns.max(sample.stamps.end_ns.unwrap_or(0));
        sample.stamps.due_ns.is_none() && !is_beside
    }

    fn ask_the_clock(&self, evidence: &mut Evidence, this: Timed) {
        let (colds, hits) = (alike(&self.colds, this), alike(&self.hits, this));
        let (Some(&cold_ns), true) = (colds.first(), colds.len() >= REFERENCES) else { return };
        let is_quick = 2 * this.ttft_ns < cold_ns;
        let hits_save = hits.len() >= REFERENCES && 2 * hits[hits.len() / 2] < cold_ns;
        let is_slow = hits_save && this.ttft_ns >= cold_ns;
        match evidence.found {
            Found::Unknown if is_quick => (evidence.found, evidence.proof) = (Found::Hit, Some(Proof::Timing)),
            Found::Unknown if is_slow => (evidence.found, evidence.proof) = (Found::Cold, Some(Proof::Timing)),
            Found::Cold if is_quick => evidence.timing = Some(AgainstTiming::QuickForCold),
            Found::Hit if is_slow => evidence.timing = Some(AgainstTiming::SlowForHit),
            _ => {}
        }
        if evidence.timing.is_some() && evidence.reported == Reported::Reported {
            evidence.reported = Reported::Contradicted;
        }
    }
}

fn remember(known: &mut Vec<Timed>, this: Timed) {
    if known.len() < MOST {
        known.push(this);
    }
}

/// The times of the requests with a document about as long, growing.
fn alike(known: &[Timed], this: Timed) -> Vec<Nanos> {
    let most = SAME_LENGTH * this.document_tokens as f64;
    let is_alike = |of: &&Timed| of.document_tokens.abs_diff(this.document_tokens) as f64 <= most;
    let mut times: Vec<Nanos> = known.iter().filter(is_alike).map(|of| of.ttft_ns).collect();
    times.sort_unstable();
    times
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(arm: &str, ttft_ns: u64, cached: Option<u64>) -> Sample {
        let row = serde_json::json!({
            "trial": 1, "arm": arm, "role": "measure", "outcome": "ok", "body_bytes": 1, "sent_ns": 0,
            "first_token_ns": ttft_ns, "usage": { "prompt_tokens": 1_040, "cached_tokens": cached },
        });
        serde_json::from_value(row).unwrap()
    }

    #[test]
    fn the_clock_speaks_only_with_cold_requests_of_the_same_length() {
        let mut judge = Judge::default();
        let mut found = |arm, ns, tokens| judge.judge(&sample(arm, ns, None), tokens).unwrap().found;
        assert_eq!(found("hit", 100, 1_000), Found::Unknown, "nothing to compare with");
        for ns in [1_000, 1_100, 1_050] {
            assert_eq!(found("cold", ns, 1_000), Found::Unknown, "a cold request is no proof of itself");
        }
        assert_eq!(found("hit", 100, 2_000), Found::Unknown, "another length");
        assert_eq!(found("hit", 700, 1_000), Found::Unknown, "in between");
        assert_eq!([100, 110, 120].map(|ns| found("hit", ns, 1_000)), [Found::Hit; 3]);
        assert_eq!(found("hit", 1_200, 1_000), Found::Cold, "a miss among hits");
    }

    #[test]
    fn a_count_that_the_clock_contradicts_is_kept_and_named() {
        let mut judge = Judge::default();
        let mut of = |arm, ns, cached| judge.judge(&sample(arm, ns, Some(cached)), 1_000).unwrap();
        for ns in [1_000, 1_100, 1_050] {
            assert_eq!(of("cold", ns, 0).timing, None);
        }
        let quick = of("hit", 100, 0);
        assert_eq!((quick.found, quick.reported), (Found::Cold, Reported::Contradicted));
        assert_eq!(quick.timing, Some(AgainstTiming::QuickForCold));
        for ns in [100, 110, 120] {
            assert_eq!(of("hit", ns, 1_024).timing, None);
        }
        assert_eq!(of("hit", 1_000, 1_024).timing, Some(AgainstTiming::SlowForHit));
    }
}

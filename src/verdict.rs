//! What a session of pairs shows: a claim, its size, and why it may be believed.
//!
//! A verdict is never stored. It is computed from the samples of a log and the rule the run was started with, so that a
//! log read next year says what the run said.
//!
//! The claim goes by the arm a request was assigned to, hit or missed: what a user gets from the cache includes its
//! misses. The effect among replays that the server confirms as hits stands beside it. A control that failed, or a cold
//! that was not cold, voids the run whatever the ratio.

mod caveat;
mod doubt;
mod floor;
mod lengths;
mod store;
mod tier;
mod trust;

pub use caveat::Caveat;
pub use lengths::OverLengths;
pub use store::{StorePenalty, Storing};
pub use tier::Below;
pub use trust::{Grade, Proof, Spent, Trust};

use crate::clock::Nanos;
use crate::exit::Exit;
use crate::pairs::{self, Control, Pair, Pairs, came_from_cache};
use crate::sample::Sample;
use crate::stats::hodges_lehmann::{self, STRATUM};
use crate::stats::looks::{Finding, Look, Looks, Rule};
use crate::stats::robust::median;
use crate::stats::{Estimate, Interval};

/// Ratios up to this are no material effect.
pub const MATERIAL_RATIO: f64 = 1.05;

/// The half width that is asked for where nobody asks, as a share.
pub const PRECISION: f64 = 0.05;

/// The rule for at most `max_pairs` pairs and an interval of plus or minus `precision` (0.05 is 5 %), or of `of_effect` of
/// the ratio's logarithm where that is more; 0.05 of it is 12 % at 10x and 22 % at 50x.
pub fn rule(max_pairs: usize, precision: f64, of_effect: f64) -> Rule {
    Rule { looks: Looks::up_to(max_pairs), margin: MATERIAL_RATIO.ln(), precision: precision.ln_1p(), of_effect }
}

/// The answer to "does the cache help?".
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    pub claim: Claim,
    /// `None` when no look was reached.
    pub comparison: Option<Comparison>,
    /// The ratio among the pairs whose replay the server confirms as a hit, where that is not all of them.
    pub among_hits: Option<Estimate>,
    /// The A/A control; `None` when it was not run to its end.
    pub control: Option<Control>,
    /// Whether the tier answered that was to; `None` where any might.
    pub below: Option<Below>,
    pub trust: Trust,
    pub caveats: Vec<Caveat>,
    pub grade: Grade,
    /// What this run cannot say.
    pub not_identified: Vec<&'static str>,
}

/// What may be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    Helps,
    /// Within 5 %.
    NoMaterialEffect,
    Hurts,
    Inconclusive,
}

/// Cold against hit.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// How many times longer cold takes.
    pub ratio: Estimate,
    /// The median times to first token.
    pub cold_ns: Nanos,
    pub hit_ns: Nanos,
    /// Pairs at the look that decided.
    pub pairs: usize,
    pub looks_used: usize,
    pub looks_planned: usize,
    /// The nominal level of each look.
    pub alpha: f64,
}

impl Verdict {
    /// The verdict on one session's samples, in the order they were sent.
    pub fn of(samples: &[Sample], rule: &Rule) -> Verdict {
        let pairs = Pairs::of(samples);
        let (cold, hit) = pairs::logs(&pairs.measured);
        let look = rule.apply(&cold, &hit);
        let counted = &pairs.measured[..look.as_ref().map_or(pairs.measured.len(), |look| look.pairs)];
        let control = pairs.control();
        let trust = Trust::of(samples, counted);
        let comparison = look.as_ref().map(|look| Comparison::of(look, counted, rule));
        let is_void = pairs.is_cold_refuted()
            || pairs.cold_unproven().is_some()
            || control.as_ref().is_some_and(|c| !c.is_passed());
        let claim = match &look {
            Some(look) if !is_void => Claim::of(look.finding),
            _ => Claim::Inconclusive,
        };
        let mut verdict = Verdict {
            claim,
            among_hits: among_hits(counted, rule),
            comparison,
            control,
            below: Below::of(samples),
            trust,
            caveats: Vec::new(),
            grade: Grade::of(&[]),
            not_identified: trust::not_identified(samples),
        };
        verdict.caveats = doubt::all(&verdict, samples, &pairs, rule);
        verdict.grade = Grade::of(&verdict.caveats);
        verdict
    }

    /// How the command ends: by the claim, or by a ratio that was `expected` at least.
    pub fn exit(&self, expected: Option<f64>) -> Exit {
        let interval = self.comparison.as_ref().and_then(|c| c.ratio.interval);
        let is_void = self.caveats.iter().any(Caveat::is_void);
        match (expected, interval) {
            _ if is_void => Exit::Inconclusive,
            (Some(expected), Some(interval)) if interval.low >= expected => Exit::Ok,
            (Some(expected), Some(interval)) if interval.high < expected => Exit::Missed,
            (Some(_), _) => Exit::Inconclusive,
            (None, _) => match self.claim {
                Claim::Helps => Exit::Ok,
                Claim::NoMaterialEffect | Claim::Hurts => Exit::Missed,
                Claim::Inconclusive => Exit::Inconclusive,
            },
        }
    }
}

impl Claim {
    fn of(finding: Finding) -> Claim {
        match finding {
            Finding::Above => Claim::Helps,
            Finding::Same => Claim::NoMaterialEffect,
            Finding::Below => Claim::Hurts,
            Finding::Undecided => Claim::Inconclusive,
        }
    }
}

impl std::fmt::Display for Claim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Claim::Helps => "HELPS",
            Claim::NoMaterialEffect => "NO MATERIAL EFFECT",
            Claim::Hurts => "HURTS",
            Claim::Inconclusive => "INCONCLUSIVE",
        })
    }
}

impl Comparison {
    fn of(look: &Look, counted: &[Pair], rule: &Rule) -> Comparison {
        Comparison {
            ratio: as_ratio(look.estimate),
            cold_ns: median_ns(counted.iter().map(|pair| pair.cold)),
            hit_ns: median_ns(counted.iter().map(|pair| pair.other)),
            pairs: look.pairs,
            looks_used: look.earlier + 1,
            looks_planned: rule.looks.sizes().len(),
            alpha: rule.looks.alpha(),
        }
    }

    /// Milliseconds would hide the sign: nanoseconds that a hit saves, negative when it costs.
    pub fn saved_ns(&self) -> i64 {
        self.cold_ns as i64 - self.hit_ns as i64
    }
}

fn among_hits(counted: &[Pair], rule: &Rule) -> Option<Estimate> {
    let hits: Vec<Pair> = counted.iter().copied().filter(|pair| came_from_cache(pair.other) == Some(true)).collect();
    if hits.len() == counted.len() {
        return None;
    }
    let (cold, hit) = pairs::logs(&hits);
    hodges_lehmann::shift(&cold, &hit, STRATUM, rule.looks.alpha()).map(as_ratio)
}

fn as_ratio(logs: Estimate) -> Estimate {
    Estimate { value: logs.value.exp(), interval: logs.interval.map(|interval: Interval| interval.map(f64::exp)) }
}

fn median_ns<'a>(samples: impl Iterator<Item = &'a Sample>) -> Nanos {
    let values: Vec<f64> = samples.filter_map(Sample::ttft_ns).map(|ns| ns as f64).collect();
    median(&values).expect("a look has pairs") as Nanos
}

//! Why a verdict may be believed: the figures under every verdict, and a grade.

use std::fmt;

use super::Caveat;
use crate::clock::Nanos;
use crate::pairs::{self, Canary, Pair, came_from_cache};
use crate::sample::Sample;
use crate::stats::hodges_lehmann::{self, STRATUM};
use crate::stats::{Estimate, Interval, normal, robust};

/// Nanoseconds in a minute.
const MINUTE_NS: f64 = 60e9;

/// A time this many standard deviations above its neighbours is an outlier.
const OUTLIER_SIGMAS: f64 = 4.0;

/// The level at which a difference in time counts as proof.
const TIMING_ALPHA: f64 = 0.01;

/// The level of the drift's interval.
const DRIFT_ALPHA: f64 = 0.01;

/// Questions that pairs sent one after the other leave open, whatever they show.
const ALWAYS_OPEN: [&str; 2] =
    ["the effect under load (ttft load)", "the effect at other context lengths (ttft sweep)"];

/// What a session leaves open.
pub(super) fn not_identified(samples: &[Sample]) -> Vec<&'static str> {
    let knows_tiers = |s: &Sample| {
        s.usage.is_some_and(|usage| usage.external_cached_tokens.or(usage.host_cached_tokens).is_some())
            || s.counters.is_some_and(|counters| counters.external().is_some())
    };
    let mut open = ALWAYS_OPEN.to_vec();
    if !samples.iter().any(|s| s.counters.is_some_and(|counters| counters.is_told())) {
        open.push("whether other clients used the server meanwhile");
    }
    if !samples.iter().any(knows_tiers) {
        open.push("which tier of the cache answered");
    }
    open
}

/// The trust block.
#[derive(Debug, Clone, PartialEq)]
pub struct Trust {
    /// The standard deviation of the logarithm of a time to first token, the noisier arm's: 0.05 is about 5 %.
    pub sigma: Option<f64>,
    /// The share of times far above their neighbours.
    pub outlier_share: Option<f64>,
    /// How much cold changes in a minute: 0.01 is 1 % up. The interval is at 99 %.
    pub drift_per_minute: Option<Estimate>,
    pub cold_proof: Proof,
    pub hit_proof: Proof,
    /// Replays that hit, where the server tells.
    pub hits: Option<usize>,
    pub replays: usize,
    /// Tokens that every prompt shares with every other.
    pub template_tokens: u64,
    /// What proves a cold that is no new text.
    pub canary: Option<Canary>,
    /// Servers behind the address, if each request goes to any of them: one over the share of replays that hit. The
    /// interval is at 95 %. `None` where nobody counts, or nothing hit.
    pub replicas: Option<Estimate>,
    pub spent: Spent,
}

/// What a session took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    pub requests: usize,
    /// As far as the server told.
    pub prompt_tokens: u64,
    /// From the session's start to the end of its last request.
    pub time_ns: Nanos,
}

impl Spent {
    pub(super) fn of(samples: &[Sample]) -> Spent {
        Spent {
            requests: samples.len(),
            prompt_tokens: samples.iter().filter_map(Sample::prompt_tokens).sum(),
            time_ns: samples.iter().filter_map(|s| s.stamps.end_ns).max().unwrap_or(0),
        }
    }

    /// Both together.
    pub(super) fn and(self, other: Spent) -> Spent {
        Spent {
            requests: self.requests + other.requests,
            prompt_tokens: self.prompt_tokens + other.prompt_tokens,
            time_ns: self.time_ns + other.time_ns,
        }
    }
}

/// How it is known that a document came from the cache, or did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The server counts cached tokens in its answers.
    CachedTokens,
    /// The server's counters moved by this request alone.
    Counters,
    /// The two arms differ in time.
    Timing,
    None,
}

/// How far to believe it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grade {
    pub letter: char,
    pub reason: &'static str,
}

impl Trust {
    /// The figures of the pairs that count, from a session's `samples`.
    pub(super) fn of(samples: &[Sample], counted: &[Pair]) -> Trust {
        let (cold, hit) = pairs::logs(counted);
        let noisier = |of: fn(&[f64]) -> Option<f64>| of(&cold).zip(of(&hit)).map(|(c, h)| c.max(h));
        // Some servers leave the count out where it is zero: one count in a session says that the server counts.
        let answers = samples.iter().any(|s| s.answered_cached_tokens().is_some());
        let counts = answers || samples.iter().any(|s| s.counted_cached_tokens().is_some());
        let by_count = if answers { Proof::CachedTokens } else { Proof::Counters };
        let hits = counted.iter().filter(|pair| came_from_cache(pair.other) == Some(true)).count();
        let by_timing = if differs(&cold, &hit) { Proof::Timing } else { Proof::None };
        Trust {
            sigma: noisier(|logs| robust::sigma_within(logs, STRATUM)),
            outlier_share: noisier(|logs| robust::share_far_above(logs, STRATUM, OUTLIER_SIGMAS)),
            drift_per_minute: drift([counted].into_iter()),
            cold_proof: if counts { by_count } else { by_timing },
            hit_proof: match (counts, hits) {
                (true, 0) => Proof::None,
                (true, _) => by_count,
                (false, _) => by_timing,
            },
            hits: counts.then_some(hits),
            replays: counted.len(),
            template_tokens: pairs::template_tokens(samples),
            canary: Canary::of(samples),
            replicas: counts.then(|| replicas(hits, counted.len())).flatten(),
            spent: Spent::of(samples),
        }
    }
}

/// One over the share of `replays` that hit, with Wilson's interval.
pub(super) fn replicas(hits: usize, replays: usize) -> Option<Estimate> {
    let (n, z) = (replays as f64, normal::quantile(0.975));
    let share = hits as f64 / n;
    let middle = (share + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let half = z * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt() / (1.0 + z * z / n);
    let interval = Interval { low: 1.0 / (middle + half).min(1.0), high: 1.0 / (middle - half) };
    (hits > 0).then(|| Estimate { value: 1.0 / share, interval: Some(interval) })
}

/// How much cold changes in a minute: the slope of its logarithms, each against the median of its own group, since
/// groups may differ in length.
pub(super) fn drift<'a>(groups: impl Iterator<Item = &'a [Pair<'a>]>) -> Option<Estimate> {
    let (mut minutes, mut changes) = (Vec::new(), Vec::new());
    for group in groups {
        let (cold, _) = pairs::logs(group);
        let centre = robust::median(&cold).unwrap_or_default();
        minutes.extend(group.iter().map(|pair| pair.cold.stamps.sent_ns.unwrap_or(0) as f64 / MINUTE_NS));
        changes.extend(cold.iter().map(|log| log - centre));
    }
    robust::theil_sen(&minutes, &changes, DRIFT_ALPHA).map(|slope| Estimate {
        value: slope.value.exp_m1(),
        interval: slope.interval.map(|interval| interval.map(f64::exp_m1)),
    })
}

fn differs(cold: &[f64], hit: &[f64]) -> bool {
    let shift = hodges_lehmann::shift(cold, hit, STRATUM, TIMING_ALPHA);
    shift.and_then(|shift| shift.interval).is_some_and(|interval| !interval.contains(0.0))
}

impl Grade {
    /// A: the server's count and the clock agree, every check passed, and the precision asked was reached. B: timing
    /// alone, or less precise. C: a check failed.
    pub(super) fn of(caveats: &[Caveat]) -> Grade {
        // The gravest come first, and of equals the last one is the largest.
        let lowering = caveats.iter().rev().filter_map(|caveat| Some((caveat.lowers_to()?, caveat)));
        let worst = lowering.max_by_key(|w| w.0);
        match worst {
            Some((letter, caveat)) => Grade { letter, reason: caveat.reason() },
            None => Grade { letter: 'A', reason: "the server's count agrees with the clock and every check passed" },
        }
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Proof::CachedTokens => "cached_tokens",
            Proof::Counters => "counters",
            Proof::Timing => "timing",
            Proof::None => "none",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_replays_that_hit_tells_how_many_servers_answer() {
        let of = |hits, replays| {
            let found = replicas(hits, replays)?;
            let interval = found.interval?;
            Some([found.value, interval.low, interval.high].map(|x| (10.0 * x).round() / 10.0))
        };
        assert_eq!(of(20, 20), Some([1.0, 1.0, 1.2]));
        assert_eq!(of(10, 20), Some([2.0, 1.4, 3.3]));
        assert_eq!(of(0, 20), None);
        assert_eq!(of(0, 0), None);
    }
}

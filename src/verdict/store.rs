//! What storing costs: cold with the cache on against cold with it off, and how many reuses pay that back.
//!
//! ```text
//! n reuses with the cache     on + n hit
//! n reuses without it         off + n off
//! paid back after             (on - off) / (off - hit), rounded up
//! ```

use crate::clock::Nanos;
use crate::pairs::{Pairs, came_from_cache, is_unseen, logs};
use crate::plan::Role;
use crate::plan::cache_off::CacheOff;
use crate::sample::Sample;
use crate::stats::Estimate;
use crate::stats::hodges_lehmann::{self, STRATUM};
use crate::stats::robust::median;

/// The level of the interval, which is planned for one look.
const ALPHA: f64 = 0.05;

/// What is known of storing.
#[derive(Debug, Clone, PartialEq)]
pub enum Storing {
    Costs(StorePenalty),
    /// A replay that was to leave the cache alone hit all the same, so nothing was switched off.
    NeverOff,
}

/// What storing costs.
#[derive(Debug, Clone, PartialEq)]
pub struct StorePenalty {
    /// How many times longer cold takes with the cache on; the interval is at 95 %.
    pub ratio: Estimate,
    /// The median times to first token.
    pub on_ns: Nanos,
    pub off_ns: Nanos,
    pub hit_ns: Option<Nanos>,
    /// The earlier log; `None` where the two were measured side by side.
    pub log: Option<String>,
    /// Whether a replay that was to leave the cache alone is known to have missed.
    pub is_off_shown: bool,
}

impl Storing {
    /// From pairs of the session, else from the earlier one; `None` where nobody asked, or the pairs were not reached.
    pub fn of(samples: &[Sample], earlier: Option<&CacheOff>) -> Option<Storing> {
        let pairs = Pairs::of(samples);
        let hits: Vec<f64> =
            pairs.measured.iter().filter_map(|pair| pair.other.ttft_ns()).map(|ns| ns as f64).collect();
        let hit_ns = median(&hits).map(|ns| ns as Nanos);
        if let Some(asked) = samples.iter().find(|s| s.place.cache_off && s.role == Role::Prime) {
            let is_hit = came_from_cache(asked);
            if is_hit == Some(true) {
                return Some(Storing::NeverOff);
            }
            let (on, off) = logs(&pairs.stores);
            let shift = hodges_lehmann::shift(&on, &off, STRATUM, ALPHA)?;
            let penalty = StorePenalty::new(shift, (&on, &off), hit_ns)?;
            return Some(Storing::Costs(StorePenalty { is_off_shown: is_hit == Some(false), ..penalty }));
        }
        let earlier = earlier?;
        let is_cold = |s: &&Sample| {
            s.role == Role::Measure && is_unseen(s) && !pairs.not_cold.iter().any(|found| std::ptr::eq(*found, *s))
        };
        let log = |ns: Nanos| (ns as f64).ln();
        let on: Vec<f64> = samples.iter().filter(is_cold).filter_map(Sample::ttft_ns).map(log).collect();
        let off: Vec<f64> = earlier.cold_ns.iter().copied().map(log).collect();
        let shift = hodges_lehmann::shift_apart(&on, &off, ALPHA)?;
        let penalty = StorePenalty::new(shift, (&on, &off), hit_ns)?;
        Some(Storing::Costs(StorePenalty { log: Some(earlier.path.clone()), is_off_shown: true, ..penalty }))
    }
}

impl StorePenalty {
    fn new(shift: Estimate, (on, off): (&[f64], &[f64]), hit_ns: Option<Nanos>) -> Option<StorePenalty> {
        let ratio =
            Estimate { value: shift.value.exp(), interval: shift.interval.map(|interval| interval.map(f64::exp)) };
        let time = |logs: &[f64]| median(logs).map(|log| log.exp() as Nanos);
        Some(StorePenalty { ratio, on_ns: time(on)?, off_ns: time(off)?, hit_ns, log: None, is_off_shown: false })
    }

    /// Whether there is one beyond chance.
    pub fn is_seen(&self) -> bool {
        self.ratio.interval.is_some_and(|interval| interval.low > 1.0)
    }

    /// Reuses after which the cache has saved what storing cost; `None` where a hit saves nothing, or none is known.
    pub fn paid_back_after(&self) -> Option<u64> {
        let saved = self.off_ns.checked_sub(self.hit_ns?).filter(|saved| *saved > 0)?;
        // The ratio resists outliers and drift, the medians do not.
        let penalty = self.off_ns as f64 * (self.ratio.value - 1.0);
        Some((penalty / saved as f64).ceil().max(0.0) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Interval;

    fn penalty(on_ns: Nanos, off_ns: Nanos, hit_ns: Nanos) -> StorePenalty {
        let value = on_ns as f64 / off_ns as f64;
        let interval = Some(Interval { low: value * 0.98, high: value * 1.02 });
        StorePenalty {
            ratio: Estimate { value, interval },
            on_ns,
            off_ns,
            hit_ns: Some(hit_ns),
            log: None,
            is_off_shown: true,
        }
    }

    #[test]
    fn a_penalty_is_paid_back_by_what_hits_save() {
        assert_eq!(penalty(110, 100, 20).paid_back_after(), Some(1));
        assert_eq!(penalty(350, 100, 20).paid_back_after(), Some(4), "250 at 80 a reuse");
        assert_eq!(penalty(110, 100, 100).paid_back_after(), None, "a hit saves nothing");
        assert!(penalty(110, 100, 20).is_seen() && !penalty(101, 100, 20).is_seen());
    }
}

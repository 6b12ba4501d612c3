//! Cold against hit, for each log and context length.

use super::data::{Cell, Data};
use super::units;
use crate::plan::Arm;
use crate::stats::hodges_lehmann::{self, STRATUM};
use crate::stats::{Estimate, Interval, robust};

/// The level of an interval beside a plain comparison, which was planned for one look.
pub const ALPHA: f64 = 0.05;

/// What a hit saves at one context length.
#[derive(Debug, Clone)]
pub struct Effect {
    pub log: usize,
    pub context_tokens: u64,
    pub cold: Arms,
    pub hit: Arms,
    /// How many times longer cold takes: the stratified Hodges-Lehmann estimate with its 95 % interval where both arms
    /// have equally many samples, else the ratio of the medians without one.
    pub ratio: Estimate,
}

/// Two series beside each other, whatever they have in common.
#[derive(Debug, Clone, Copy)]
pub struct Contrast {
    pub cold: Arms,
    pub hit: Arms,
    /// As in [`Effect`].
    pub ratio: Estimate,
}

/// One side of the comparison.
#[derive(Debug, Clone, Copy)]
pub struct Arms {
    pub samples: usize,
    /// The median time to first token in nanoseconds.
    pub median: f64,
}

impl Effect {
    /// One effect for each log and length that has both arms.
    pub fn all(data: &Data) -> Vec<Effect> {
        let cells = data.cells();
        let is_hit_of = |cold: &Cell, cell: &&Cell| {
            cell.arm == Arm::Hit && (cell.log, cell.context_tokens) == (cold.log, cold.context_tokens)
        };
        let colds = cells.iter().filter(|cell| cell.arm == Arm::Cold);
        colds.filter_map(|cold| Effect::of(cold, cells.iter().find(|cell| is_hit_of(cold, cell))?)).collect()
    }

    fn of(cold: &Cell, hit: &Cell) -> Option<Effect> {
        let Contrast { cold: cold_arm, hit, ratio } = Contrast::of(&cold.times(), &hit.times())?;
        Some(Effect { log: cold.log, context_tokens: cold.context_tokens, cold: cold_arm, hit, ratio })
    }

    /// `A hit has its first token 5.30x [5.10x to 5.52x] sooner than cold: 81.0 ms instead of 429 ms, 348 ms saved.`
    pub fn sentence(&self) -> String {
        let (cold, hit) = (units::span(self.cold.median), units::span(self.hit.median));
        let difference = units::span(self.saved().abs());
        if self.ratio.value >= 1.0 {
            let ratio = units::estimate(self.ratio);
            return format!(
                "A hit has its first token {ratio} sooner than cold: {hit} instead of {cold}, {difference} saved."
            );
        }
        let inverse = Estimate {
            value: 1.0 / self.ratio.value,
            interval: self.ratio.interval.map(|i| Interval { low: 1.0 / i.high, high: 1.0 / i.low }),
        };
        let ratio = units::estimate(inverse);
        format!("A hit takes {ratio} as long as cold: {hit} instead of {cold}, {difference} lost.")
    }

    /// Nanoseconds that a hit saves, negative when it costs.
    pub fn saved(&self) -> f64 {
        self.cold.median - self.hit.median
    }
}

impl Contrast {
    /// Compares times to first token in nanoseconds, each series in the order it was measured; `None` without both.
    pub fn of(cold: &[f64], hit: &[f64]) -> Option<Contrast> {
        let arm = |times: &[f64]| Some(Arms { samples: times.len(), median: robust::median(times)? });
        let (cold_arm, hit_arm) = (arm(cold)?, arm(hit)?);
        let logs = |times: &[f64]| times.iter().map(|time| time.ln()).collect::<Vec<_>>();
        let ratio = match hodges_lehmann::shift(&logs(cold), &logs(hit), STRATUM, ALPHA) {
            Some(shift) => Estimate { value: shift.value.exp(), interval: shift.interval.map(|i| i.map(f64::exp)) },
            None => Estimate { value: cold_arm.median / hit_arm.median, interval: None },
        };
        Some(Contrast { cold: cold_arm, hit: hit_arm, ratio })
    }
}

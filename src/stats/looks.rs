//! Repeated looks at growing data: when to look, and the level of each look that keeps the whole at 5 %.
//!
//! Looking five times at 5 % each rejects a true null far more often than once in twenty. Pocock's nominal levels, the
//! same at every look, spend 5 % over all of them (Pocock, Biometrika 1977; Jennison and Turnbull, *Repeated confidence
//! intervals*, Controlled Clinical Trials 1984). The plan is made before the first datum: a level chosen after looking
//! is worth nothing.

use super::hodges_lehmann;
use super::{Estimate, Interval};

/// The sizes at which a whole plan looks.
const SIZES: [usize; 5] = [10, 20, 40, 80, 160];

/// Pocock's nominal two-sided levels for 1 to 5 looks at 5 % overall.
const LEVELS: [f64; 5] = [0.05, 0.0294, 0.0221, 0.0182, 0.0158];

/// A plan of looks.
#[derive(Debug, Clone, PartialEq)]
pub struct Looks {
    sizes: Vec<usize>,
}

impl Looks {
    /// The most data any plan takes.
    pub const MAX: usize = SIZES[SIZES.len() - 1];

    /// Looks at 10, 20, 40, 80 and 160 as far as `max` reaches; when `max` (at least 1, at most [`Looks::MAX`]) lies
    /// between two of them, it is the last look.
    pub fn up_to(max: usize) -> Looks {
        let max = max.clamp(1, Looks::MAX);
        let mut sizes: Vec<usize> = SIZES.into_iter().filter(|&size| size < max).collect();
        sizes.push(max);
        Looks { sizes }
    }

    /// The sizes, growing.
    pub fn sizes(&self) -> &[usize] {
        &self.sizes
    }

    /// The size of the last look.
    pub fn last(&self) -> usize {
        self.sizes[self.sizes.len() - 1]
    }

    /// The level of every look.
    pub fn alpha(&self) -> f64 {
        LEVELS[self.sizes.len() - 1]
    }
}

/// When to stop comparing two series, and what may then be said.
///
/// At each look the interval of [`hodges_lehmann::shift`] is taken at the plan's level:
///
/// ```text
/// inside [-margin, margin]                                stop: no difference that matters
/// clear of zero, with a half width of `enough` or less    stop: above, or below
/// the last look, clear of zero                            above, or below, less precise than asked
/// else                                                    go on; after the last look undecided
///
/// enough = max(precision, of_effect |estimate|)
/// ```
///
/// The intervals hold together over all looks, so they hold whatever is stopped on: `enough` decides what a run costs, and
/// neither how often it is wrong nor how often the interval holds the truth.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    pub looks: Looks,
    /// Differences up to this do not matter.
    pub margin: f64,
    /// The half width at which an effect is known well enough.
    pub precision: f64,
    /// The share of an effect that is as good where that is more; 0 where `precision` alone will do.
    pub of_effect: f64,
}

/// What a look showed.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// The pairs it saw.
    pub pairs: usize,
    /// How many looks came before it.
    pub earlier: usize,
    pub estimate: Estimate,
    pub finding: Finding,
    /// Whether the rule ends here.
    pub stops: bool,
}

/// What may be said of `a` against `b`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    Above,
    Below,
    /// Equal to within the margin.
    Same,
    Undecided,
}

impl Rule {
    /// What the rule says of the series so far: the look at which it stopped, else the last one reached; `None` before
    /// the first. Values after the stop change nothing.
    pub fn apply(&self, a: &[f64], b: &[f64]) -> Option<Look> {
        let mut last = None;
        for (earlier, &pairs) in self.looks.sizes().iter().enumerate() {
            let (Some(a), Some(b)) = (a.get(..pairs), b.get(..pairs)) else { break };
            let look = self.look(earlier, a, b)?;
            if look.stops {
                return Some(look);
            }
            last = Some(look);
        }
        last
    }

    /// The half width at which an effect of this size is known well enough.
    pub fn enough(&self, effect: f64) -> f64 {
        self.precision.max(self.of_effect * effect.abs())
    }

    fn look(&self, earlier: usize, a: &[f64], b: &[f64]) -> Option<Look> {
        let estimate = hodges_lehmann::shift(a, b, hodges_lehmann::STRATUM, self.looks.alpha())?;
        let pairs = a.len();
        let is_last = pairs == self.looks.last();
        let same = Interval { low: -self.margin, high: self.margin };
        let (finding, is_enough) = match estimate.interval {
            None => (Finding::Undecided, false),
            Some(interval) if interval.is_within(same) => (Finding::Same, true),
            Some(interval) if interval.contains(0.0) => (Finding::Undecided, false),
            Some(interval) => {
                let finding = if interval.low > 0.0 { Finding::Above } else { Finding::Below };
                (finding, interval.half_width() <= self.enough(estimate.value))
            }
        };
        Some(Look { pairs, earlier, estimate, finding, stops: is_enough || is_last })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::normal;
    use rand::RngExt;

    #[test]
    fn cutting_the_plan_raises_the_level_of_each_look() {
        for (max, sizes, alpha) in [
            (1_000, &[10, 20, 40, 80, 160][..], 0.0158),
            (160, &[10, 20, 40, 80, 160], 0.0158),
            (100, &[10, 20, 40, 80, 100], 0.0158),
            (80, &[10, 20, 40, 80], 0.0182),
            (40, &[10, 20, 40], 0.0221),
            (20, &[10, 20], 0.0294),
            (15, &[10, 15], 0.0294),
            (10, &[10], 0.05),
            (6, &[6], 0.05),
        ] {
            let looks = Looks::up_to(max);
            assert_eq!((looks.sizes(), looks.alpha()), (sizes, alpha), "up to {max}");
        }
    }

    #[test]
    fn a_true_null_is_rejected_in_about_one_run_of_twenty_over_all_looks() {
        let mut rng = crate::rng::stream(11, "null");
        let runs = 3_000;
        for max in [20, 160] {
            let looks = Looks::up_to(max);
            let bound = normal::quantile(1.0 - looks.alpha() / 2.0);
            let rejected = (0..runs)
                .filter(|_| {
                    let mut sum = 0.0;
                    (1..=max).any(|n| {
                        sum += (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
                        looks.sizes().contains(&n) && (sum / (n as f64).sqrt()).abs() > bound
                    })
                })
                .count();
            let share = rejected as f64 / f64::from(runs);
            assert!((0.035..0.065).contains(&share), "up to {max}: {share}");
        }
    }

    fn rule() -> Rule {
        Rule { looks: Looks::up_to(40), margin: 0.05, precision: 0.05, of_effect: 0.0 }
    }

    /// Pairs whose members differ by `shift`, with noise that sums to nothing over a stratum.
    fn pairs(n: usize, shift: f64, noise: f64) -> (Vec<f64>, Vec<f64>) {
        let b: Vec<f64> = (0..n).map(|i| noise * ((i * 2 % 5) as f64 - 2.0)).collect();
        (b.iter().map(|x| x + shift).collect(), b)
    }

    #[test]
    fn the_rule_stops_at_the_first_look_that_is_clear_enough() {
        for (shift, noise, pairs_used, finding) in [
            (1.0, 0.001, 10, Finding::Above),
            (-1.0, 0.001, 10, Finding::Below),
            (0.0, 0.001, 10, Finding::Same),
            (0.02, 0.001, 10, Finding::Same),
            (0.0, 0.5, 40, Finding::Undecided),
            (1.0, 0.4, 40, Finding::Above),
        ] {
            let (a, b) = pairs(40, shift, noise);
            let look = rule().apply(&a, &b).unwrap();
            assert_eq!((look.pairs, look.finding, look.stops), (pairs_used, finding, true), "{shift} {noise}");
        }
    }

    #[test]
    fn a_large_effect_is_known_well_enough_by_a_share_of_it() {
        let relative = Rule { of_effect: 0.05, ..rule() };
        // Ten pairs with this noise come to a half width of 0.16.
        for (shift, pairs_used, of_share) in [(4.0, 40, 10), (-4.0, 40, 10), (1.0, 40, 40)] {
            let (a, b) = pairs(40, shift, 0.08);
            let looks = [rule(), relative.clone()].map(|rule| rule.apply(&a, &b).unwrap());
            assert_eq!(looks.map(|look| look.pairs), [pairs_used, of_share], "{shift}");
        }
    }

    #[test]
    fn between_looks_the_last_one_stands_and_before_the_first_there_is_none() {
        let (a, b) = pairs(19, 1.0, 0.4);
        let look = rule().apply(&a, &b).unwrap();
        assert_eq!((look.pairs, look.earlier, look.stops), (10, 0, false));
        assert_eq!(rule().apply(&a[..9], &b[..9]), None);
    }
}

//! TTFT as a curve of the context length: how quickly a server computes and loads, from which length on a hit pays, and
//! where it hurts. This is the one place that computes these; what a report shows and says is read off here.
//!
//! ```text
//! cold  f(n) = a + b n + c n²       hit  g(n) = a' + b' n       fitted to ln TTFT, no coefficient below zero
//! prefill  1 / b tokens a second at short lengths, 1 / (b + 2 c n) at n
//! load     1 / b' tokens a second
//! break-even  the length from which f stays above g              an estimate, with an interval (`stats::curve`)
//! proved from the length from which on cold is slower by a test  no model (`stats::rank`)
//! ```
//!
//! The test goes from the longest length down and stops at the first failure, so that all lengths together are wrong in
//! one case of twenty. Where a hit hurts is tested the same way, from the shortest length up.

use crate::plan::Arm;
use crate::rng;
use crate::stats::curve::{self, Cell, Crossing, Curve};
use crate::stats::{Estimate, Interval, rank};

/// The level of the proof, over all lengths.
const ALPHA: f64 = 0.05;
/// The seed of the resampling, so that the same times always give the same intervals.
const SEED: u64 = 1;

/// The times to first token at one length, in nanoseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    pub context_tokens: u64,
    pub cold: Vec<f64>,
    pub hit: Vec<f64>,
}

/// What the points show.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    /// `None` with fewer lengths than the curves need: one more than coefficients.
    pub curves: Option<Curves>,
    /// The shortest length from which on every longer one is proved to be quicker on a hit.
    pub proved_from: Option<u64>,
    /// The longest length up to which every shorter one is proved to be slower on a hit.
    pub hurts_to: Option<u64>,
    /// The shortest and the longest length.
    pub range: Interval,
}

/// The fitted curves of both arms.
#[derive(Debug, Clone, PartialEq)]
pub struct Curves {
    pub cold: Fitted,
    pub hit: Fitted,
    pub break_even: BreakEven,
}

/// The curve of one arm.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    /// Nanoseconds over tokens.
    pub curve: Curve,
    /// The lengths it was fitted to, growing.
    pub lengths: Vec<f64>,
    resampled: Vec<Curve>,
}

/// Where a hit begins to pay.
#[derive(Debug, Clone, PartialEq)]
pub struct BreakEven {
    pub at: Crossing,
    /// About 90 % of such intervals hold the true length.
    pub interval: Option<(Crossing, Crossing)>,
    /// The shortest and the longest length at which both arms were measured.
    pub range: Interval,
}

impl Fit {
    /// `None` without a length at which both arms were measured.
    pub fn of(points: &[Point]) -> Option<Fit> {
        let mut points: Vec<&Point> = points.iter().filter(|p| !p.cold.is_empty() && !p.hit.is_empty()).collect();
        points.sort_by_key(|point| point.context_tokens);
        let (first, last) = (points.first()?, points.last()?);
        let range = Interval { low: first.context_tokens as f64, high: last.context_tokens as f64 };
        let slower: Vec<_> = points.iter().map(|p| (p.context_tokens, p.cold.clone(), p.hit.clone())).collect();
        // From the shortest up is from the largest down, of lengths that are counted backwards.
        let quicker: Vec<_> =
            points.iter().map(|p| (u64::MAX - p.context_tokens, p.hit.clone(), p.cold.clone())).collect();
        Some(Fit {
            curves: Curves::of(&points),
            proved_from: rank::proved_from(&slower, ALPHA),
            hurts_to: rank::proved_from(&quicker, ALPHA).map(|backwards| u64::MAX - backwards),
            range,
        })
    }
}

impl Curves {
    fn of(points: &[&Point]) -> Option<Curves> {
        let cells = |times: fn(&Point) -> &Vec<f64>| -> Vec<Cell> {
            points.iter().map(|p| Cell { x: p.context_tokens as f64, values: times(p).clone() }).collect()
        };
        let (cold, hit) = (Fitted::of(Arm::Cold, &cells(|p| &p.cold))?, Fitted::of(Arm::Hit, &cells(|p| &p.hit))?);
        Some(Curves { break_even: BreakEven::of(&cold, &hit)?, cold, hit })
    }
}

impl Fitted {
    /// The curve of an arm through its times at several lengths, which grow. `None` unless there is one length more than
    /// the curve has coefficients: through fewer anything fits.
    pub fn of(arm: Arm, cells: &[Cell]) -> Option<Fitted> {
        let degree = degree(arm);
        if cells.len() <= degree + 1 {
            return None;
        }
        Some(Fitted {
            curve: Curve::fit(cells, degree)?,
            lengths: cells.iter().map(|cell| cell.x).collect(),
            resampled: curve::resampled(cells, degree, &mut rng::stream(SEED, "fit")),
        })
    }

    /// Nanoseconds that no token takes; `None` unless the whole interval lies above zero. About 90 % of the intervals hold
    /// the truth, here and below.
    pub fn fixed_ns(&self) -> Option<Estimate> {
        self.coefficient(0)
    }

    /// Tokens a second at short lengths, which a cold prefill computes and a hit loads; `None` where it could not be seen
    /// that more tokens take more time.
    pub fn tokens_per_s(&self) -> Option<Estimate> {
        let ns = self.coefficient(1)?;
        let per_second = |ns: f64| 1e9 / ns;
        let interval = ns.interval.map(|i| Interval { low: per_second(i.high), high: per_second(i.low) });
        Some(Estimate { value: per_second(ns.value), interval })
    }

    /// As [`Fitted::tokens_per_s`], of the next token after `context_tokens`, without an interval.
    pub fn tokens_per_s_at(&self, context_tokens: f64) -> Option<f64> {
        let powers = self.curve.coefficients.iter().enumerate().skip(1);
        let ns: f64 = powers.map(|(power, c)| power as f64 * c * context_tokens.powi(power as i32 - 1)).sum();
        (ns > 0.0).then(|| 1e9 / ns)
    }

    /// The pointwise interval of the curve at these lengths.
    pub fn band(&self, lengths: &[f64]) -> Vec<Interval> {
        lengths.iter().filter_map(|length| curve::interval(&self.resampled, |curve| curve.at(*length))).collect()
    }

    fn coefficient(&self, power: usize) -> Option<Estimate> {
        let value = *self.curve.coefficients.get(power)?;
        let read = |curve: &Curve| curve.coefficients.get(power).copied().unwrap_or_default();
        let interval = curve::interval(&self.resampled, read)?;
        (value > 0.0 && interval.low > 0.0).then_some(Estimate { value, interval: Some(interval) })
    }
}

impl BreakEven {
    /// `None` where the arms have no length in common.
    pub fn of(cold: &Fitted, hit: &Fitted) -> Option<BreakEven> {
        let shared: Vec<f64> = cold.lengths.iter().copied().filter(|length| hit.lengths.contains(length)).collect();
        let range = Interval { low: *shared.first()?, high: *shared.last()? };
        Some(BreakEven {
            at: cold.curve.stays_above(&hit.curve, 1.0, range),
            interval: curve::crossing_interval(&cold.resampled, &hit.resampled, 1.0, range),
            range,
        })
    }

    /// The length, where it lies among those measured.
    pub fn tokens(&self) -> Option<f64> {
        match self.at {
            Crossing::At(tokens) => Some(tokens),
            Crossing::Below | Crossing::Above => None,
        }
    }
}

/// Prefill computes attention over all pairs of tokens; a hit only loads what is stored.
fn degree(arm: Arm) -> usize {
    match arm {
        Arm::Cold | Arm::Unseen => 2,
        Arm::Hit => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten times at each length, which differ by a thousandth.
    fn points(cold: impl Fn(f64) -> f64, hit: impl Fn(f64) -> f64) -> Vec<Point> {
        let times = |ns: f64| (0..10).map(|i| ns * (1.0 + f64::from(i) * 1e-4)).collect();
        let point = |&n: &u64| Point { context_tokens: n, cold: times(cold(n as f64)), hit: times(hit(n as f64)) };
        [256, 512, 1_024, 2_048, 4_096].iter().map(point).collect()
    }

    fn cold(n: f64) -> f64 {
        25e6 + 80e3 * n + 2.0 * n * n
    }

    #[test]
    fn the_rates_and_the_break_even_are_those_of_the_formula() {
        let fit = Fit::of(&points(cold, |n| 85e6 + 20e3 * n)).unwrap();
        let curves = fit.curves.unwrap();
        let near = |found: f64, expected: f64| assert!((found / expected - 1.0).abs() < 0.01, "{found} {expected}");
        near(curves.cold.tokens_per_s().unwrap().value, 12_500.0);
        near(curves.cold.tokens_per_s_at(4_096.0).unwrap(), 1e9 / (80e3 + 4.0 * 4_096.0));
        near(curves.hit.tokens_per_s().unwrap().value, 50_000.0);
        near(curves.hit.tokens_per_s_at(4_096.0).unwrap(), 50_000.0);
        near(curves.hit.fixed_ns().unwrap().value, 85e6);
        // 60 ms = 60 us n + 2 ns n²
        near(curves.break_even.tokens().unwrap(), 968.8);
        assert_eq!((fit.proved_from, fit.hurts_to), (Some(1_024), Some(512)));
    }

    #[test]
    fn a_hit_that_always_pays_hurts_nowhere_and_one_that_never_does_is_proved_nowhere() {
        let pays = Fit::of(&points(cold, |_| 20e6)).unwrap();
        assert_eq!((pays.proved_from, pays.hurts_to), (Some(256), None));
        assert_eq!(pays.curves.unwrap().break_even.at, Crossing::Below);
        let never = Fit::of(&points(cold, |n| 2.0 * cold(n))).unwrap();
        assert_eq!((never.proved_from, never.hurts_to), (None, Some(4_096)));
        assert_eq!(never.curves.unwrap().break_even.at, Crossing::Above);
    }

    #[test]
    fn three_lengths_prove_and_carry_no_curve() {
        let fit = Fit::of(&points(cold, |_| 20e6)[..3]).unwrap();
        assert_eq!((fit.proved_from, fit.curves), (Some(256), None));
        assert_eq!(Fit::of(&[]), None);
    }

    #[test]
    fn a_hit_that_takes_equally_long_at_any_length_has_no_load_rate() {
        let fit = Fit::of(&points(cold, |_| 20e6)).unwrap();
        assert_eq!(fit.curves.unwrap().hit.tokens_per_s(), None);
    }

    #[test]
    fn a_slope_that_is_made_of_noise_is_no_load_rate() {
        // 20 ms at every length, give or take a percent: the fit has a slope, and its interval holds zero.
        let noisy = |n: f64| 20e6 * (1.0 + 0.01 * (n / 37.0).sin());
        let hit = Fit::of(&points(cold, noisy)).unwrap().curves.unwrap().hit;
        let mut wide = points(cold, noisy);
        for (at, point) in wide.iter_mut().enumerate() {
            point.hit = (0..10).map(|i| 20e6 * (1.0 + 0.01 * (((at * 10 + i) * 7 % 11) as f64 - 5.0))).collect();
        }
        let wide = Fit::of(&wide).unwrap().curves.unwrap().hit;
        assert_eq!(wide.tokens_per_s(), None, "{:?}", wide.curve);
        assert!(hit.fixed_ns().is_some());
    }
}

//! What pairs at several context lengths prove: TTFT as a curve of the length, how quickly a server computes and loads,
//! from which length on a hit pays, and where it hurts.
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

/// The fitted curves and what is read off them.
#[derive(Debug, Clone, PartialEq)]
pub struct Curves {
    pub cold: Curve,
    pub hit: Curve,
    pub break_even: Crossing,
    /// About 90 % of such intervals hold the true length.
    pub interval: Option<(Crossing, Crossing)>,
    /// Tokens a second that a cold prefill computes at short lengths, and that a hit loads; `None` where more tokens take
    /// no more time that could be seen. About 90 % of the intervals hold the truth.
    pub prefill_tokens_per_s: Option<Estimate>,
    pub load_tokens_per_s: Option<Estimate>,
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
            curves: Curves::of(&points, range),
            proved_from: rank::proved_from(&slower, ALPHA),
            hurts_to: rank::proved_from(&quicker, ALPHA).map(|backwards| u64::MAX - backwards),
            range,
        })
    }
}

impl Curves {
    fn of(points: &[&Point], range: Interval) -> Option<Curves> {
        // Through as many places as it has coefficients, any curve fits.
        if points.len() <= 3 {
            return None;
        }
        let cells = |times: fn(&Point) -> &Vec<f64>| -> Vec<Cell> {
            points.iter().map(|p| Cell { x: p.context_tokens as f64, values: times(p).clone() }).collect()
        };
        let (colds, hits) = (cells(|p| &p.cold), cells(|p| &p.hit));
        let (cold, hit) = (Curve::fit(&colds, 2)?, Curve::fit(&hits, 1)?);
        let mut stream = rng::stream(SEED, "break_even");
        Some(Curves {
            break_even: cold.stays_above(&hit, 1.0, range),
            interval: curve::crossing_interval(&colds, &hits, 1.0, range, &mut stream),
            prefill_tokens_per_s: rate(&cold, &colds, 2),
            load_tokens_per_s: rate(&hit, &hits, 1),
            cold,
            hit,
        })
    }

    /// Tokens a second that a cold prefill computes at `context_tokens`, by the fit.
    pub fn prefill_tokens_per_s_at(&self, context_tokens: f64) -> Option<f64> {
        let [_, linear, square] = self.cold.coefficients[..] else { return None };
        let ns_per_token = linear + 2.0 * square * context_tokens;
        (ns_per_token > 0.0).then(|| 1e9 / ns_per_token)
    }
}

/// What a curve's linear term means in tokens a second; `None` unless its whole interval lies above zero.
fn rate(curve: &Curve, cells: &[Cell], degree: usize) -> Option<Estimate> {
    let ns = *curve.coefficients.get(1)?;
    let interval = curve::coefficient_interval(cells, degree, 1, &mut rng::stream(SEED, "rate"))?;
    let per_second = |ns: f64| 1e9 / ns;
    (ns > 0.0 && interval.low > 0.0).then(|| Estimate {
        value: per_second(ns),
        interval: Some(Interval { low: per_second(interval.high), high: per_second(interval.low) }),
    })
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
        near(curves.prefill_tokens_per_s.unwrap().value, 12_500.0);
        near(curves.prefill_tokens_per_s_at(4_096.0).unwrap(), 1e9 / (80e3 + 4.0 * 4_096.0));
        near(curves.load_tokens_per_s.unwrap().value, 50_000.0);
        let Crossing::At(at) = curves.break_even else { panic!("{:?}", curves.break_even) };
        // 60 ms = 60 us n + 2 ns n²
        near(at, 968.8);
        assert_eq!((fit.proved_from, fit.hurts_to), (Some(1_024), Some(512)));
    }

    #[test]
    fn a_hit_that_always_pays_hurts_nowhere_and_one_that_never_does_is_proved_nowhere() {
        let pays = Fit::of(&points(cold, |_| 20e6)).unwrap();
        assert_eq!((pays.proved_from, pays.hurts_to), (Some(256), None));
        assert_eq!(pays.curves.unwrap().break_even, Crossing::Below);
        let never = Fit::of(&points(cold, |n| 2.0 * cold(n))).unwrap();
        assert_eq!((never.proved_from, never.hurts_to), (None, Some(4_096)));
        assert_eq!(never.curves.unwrap().break_even, Crossing::Above);
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
        assert_eq!(fit.curves.unwrap().load_tokens_per_s, None);
    }
}

//! Quantiles, and the order statistics that bound them whatever the distribution.
//!
//! The point is Hyndman and Fan's type 7, `(n - 1) p` interpolated between neighbours, which is what numpy and R give.
//! [`inverted_cumulative`] is their type 1, always a value of the sample.
//!
//! The interval is distribution free. The number of values below the true quantile is binomial `B(n, p)`, so with
//! `alpha = 1 - confidence` the `l`-th smallest value lies above it with probability `P(B <= l - 1)` and the `u`-th lies
//! below it with probability `P(B >= u)`. The interval takes the narrowest such pair that leaves at most `alpha / 2` on
//! either side (David and Nagaraja, *Order Statistics*, 7.1). A side that no value of the sample can bound makes the
//! whole interval `None`: at 95 % a median needs 6 values, and p99 needs 368.

use super::Interval;

/// The quantile at `p` of `sorted` values, type 7; `None` of nothing.
pub fn quantile(sorted: &[f64], p: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let place = p.clamp(0.0, 1.0) * last as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    // Equal neighbours need no arithmetic, which keeps infinities (a censored bootstrap) what they are.
    Some(if below == above { below } else { below + (above - below) * place.fract() })
}

/// The smallest of `sorted` at or below which a share `p` of them lies, type 1; `None` of nothing.
pub fn inverted_cumulative(sorted: &[f64], p: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    // The product may miss a whole number by a rounding error, which must not cost a place.
    let place = (p.clamp(0.0, 1.0) * sorted.len() as f64 - 1e-9).ceil() as usize;
    Some(sorted[place.saturating_sub(1).min(last)])
}

/// The interval that holds the true quantile at `p` with at least the given confidence; `None` when the sample is too
/// small for it.
pub fn interval(sorted: &[f64], p: f64, confidence: f64) -> Option<Interval> {
    let (low, high) = ranks(sorted.len(), p, (1.0 - confidence) / 2.0)?;
    Some(Interval { low: sorted[low - 1], high: sorted[high - 1] })
}

/// Whether the largest of `n` values exceeds the quantile at `p` with the given confidence: `p^n <= 1 - confidence`.
/// A tail quantile that this refuses is no better known than the maximum.
pub fn is_bounded_above(n: usize, p: f64, confidence: f64) -> bool {
    n as f64 * p.ln() <= (1.0 - confidence).ln()
}

/// The ranks, from 1, of the order statistics that leave at most `tail` on either side.
fn ranks(n: usize, p: f64, tail: f64) -> Option<(usize, usize)> {
    let mass = binomial(n, p);
    // The largest l with P(B <= l - 1) <= tail, and the smallest u with P(B >= u) <= tail.
    let low = fit(mass.iter(), tail);
    let high = (n + 1).checked_sub(fit(mass.iter().rev(), tail))?;
    (low >= 1 && high <= n).then_some((low, high))
}

/// How many of `masses`, from the first on, fit into `tail` together.
fn fit<'a>(masses: impl Iterator<Item = &'a f64>, tail: f64) -> usize {
    let mut sum = 0.0;
    masses
        .take_while(|&&mass| {
            sum += mass;
            sum <= tail
        })
        .count()
}

/// The probabilities of 0 to `n` successes. Each is the one nearer the mode times a ratio, so nothing overflows; the
/// scale comes from their sum being 1.
fn binomial(n: usize, p: f64) -> Vec<f64> {
    let odds = p / (1.0 - p);
    let mode = (((n + 1) as f64 * p) as usize).min(n);
    let mut mass = vec![0.0; n + 1];
    mass[mode] = 1.0;
    for k in mode + 1..=n {
        mass[k] = mass[k - 1] * odds * (n - k + 1) as f64 / k as f64;
    }
    for k in (0..mode).rev() {
        mass[k] = mass[k + 1] / odds * (k + 1) as f64 / (n - k) as f64;
    }
    let sum: f64 = mass.iter().sum();
    mass.iter_mut().for_each(|m| *m /= sum);
    mass
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_agree_with_numpy() {
        let values = crate::stats::sorted(&[3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0]);
        // numpy.quantile, by default and with method="inverted_cdf"
        for (p, linear, inverted) in
            [(0.0, 1.0, 1.0), (0.1, 1.0, 1.0), (0.25, 1.75, 1.0), (0.5, 3.5, 3.0), (0.9, 6.9, 9.0), (1.0, 9.0, 9.0)]
        {
            assert!((quantile(&values, p).unwrap() - linear).abs() < 1e-12, "{p}");
            assert_eq!(inverted_cumulative(&values, p), Some(inverted), "{p}");
        }
    }

    #[test]
    fn nothing_has_no_quantile() {
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(inverted_cumulative(&[], 0.5), None);
        assert_eq!(interval(&[], 0.5, 0.95), None);
    }

    #[test]
    fn the_bounding_ranks_agree_with_scipy_and_are_refused_where_it_has_none() {
        // From scipy.stats.binom, by the definition in the head of this module.
        for (n, p, expected) in [
            (10, 0.5, Some((2, 9))),
            (20, 0.5, Some((6, 15))),
            (100, 0.9, Some((84, 96))),
            (500, 0.99, Some((490, 500))),
            (1_000, 0.99, Some((983, 997))),
            (1_000_000, 0.99, Some((989_805, 990_196))),
            (7, 0.5, Some((1, 7))),
            (5, 0.5, None),
            (100, 0.99, None),
        ] {
            assert_eq!(ranks(n, p, 0.025), expected, "n {n}, p {p}");
        }
    }

    #[test]
    fn a_tail_needs_the_numbers_the_head_of_this_module_names() {
        assert!(ranks(368, 0.99, 0.025).is_some() && ranks(367, 0.99, 0.025).is_none());
        assert!(ranks(6, 0.5, 0.025).is_some());
        assert!(is_bounded_above(299, 0.99, 0.95) && !is_bounded_above(298, 0.99, 0.95));
        assert!(is_bounded_above(459, 0.99, 0.99) && !is_bounded_above(458, 0.99, 0.99));
    }
}

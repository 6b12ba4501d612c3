//! The shift between two series that were measured side by side: the stratified ("blocked") Hodges-Lehmann estimate.
//!
//! The series are cut into strata of `m` consecutive pairs. `D` is the set of differences `a_i - b_j` with `i` and `j` in
//! the same stratum, `K` of them, sorted. The estimate is the median of `D`. The interval is the one that van Elteren's
//! stratified rank test would not reject:
//!
//! ```text
//! V = sum over strata of m^2 (2 m + 1) / 12         van Elteren's variance
//! k = floor(K / 2 - z(1 - alpha/2) sqrt(V))
//! interval = [D_(k), D_(K - k + 1)];  none when k < 1
//! ```
//!
//! `m = 1` is the sign test, one stratum the two-sample estimate. Small strata follow drift, and medians of differences
//! resist outliers. Hodges and Lehmann, Ann. Math. Stat. 1963; van Elteren, Bull. ISI 1960.

use super::normal;
use super::quantile::quantile;
use super::robust::strata;
use super::{Estimate, Interval};

/// Pairs in a stratum: drift slower than ten measurements cancels, and five times five differences resist outliers.
pub const STRATUM: usize = 5;

/// How far `a` lies above `b`, where `a[i]` and `b[i]` were measured together; the interval misses the true shift with
/// probability `alpha`. `None` of empty or unequal series.
pub fn shift(a: &[f64], b: &[f64], m: usize, alpha: f64) -> Option<Estimate> {
    if a.len() != b.len() {
        return None;
    }
    stratified(strata(a, m).zip(strata(b, m)), alpha)
}

/// How far `a` lies above `b`, where each was measured on its own: one stratum, of any two sizes `p` and `q`, with
/// `V = p q (p + q + 1) / 12`. `None` when either is empty.
pub fn shift_apart(a: &[f64], b: &[f64], alpha: f64) -> Option<Estimate> {
    stratified([(a, b)].into_iter(), alpha)
}

fn stratified<'a>(strata: impl Iterator<Item = (&'a [f64], &'a [f64])>, alpha: f64) -> Option<Estimate> {
    let mut differences = Vec::new();
    let mut variance = 0.0;
    for (a, b) in strata {
        differences.extend(a.iter().flat_map(|x| b.iter().map(move |y| x - y)));
        let (p, q) = (a.len() as f64, b.len() as f64);
        variance += p * q * (p + q + 1.0) / 12.0;
    }
    differences.sort_unstable_by(f64::total_cmp);
    let count = differences.len();
    let cut = (count as f64 / 2.0 - normal::quantile(1.0 - alpha / 2.0) * f64::sqrt(variance)).floor();
    let interval = (cut >= 1.0).then(|| {
        let cut = cut as usize;
        Interval { low: differences[cut - 1], high: differences[count - cut] }
    });
    Some(Estimate { value: quantile(&differences, 0.5)?, interval })
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: [f64; 23] = [
        4.636, 4.501, 4.68, 4.699, 4.41, 4.475, 4.618, 4.574, 4.603, 4.52, 4.693, 4.683, 4.612, 4.718, 4.652, 4.519,
        4.642, 4.509, 4.693, 4.6, 4.587, 4.537, 4.727,
    ];
    const B: [f64; 23] = [
        3.673, 3.646, 3.654, 3.742, 3.725, 3.73, 3.732, 3.903, 3.648, 3.638, 3.608, 3.75, 3.802, 3.677, 3.605, 3.606,
        3.754, 3.763, 3.743, 3.622, 3.712, 3.701, 3.711,
    ];

    #[test]
    fn estimate_and_interval_agree_with_the_formula_in_numpy() {
        for (n, alpha, value, interval) in [
            (2, 0.05, 0.909, None),
            (3, 0.05, 0.982, None),
            (5, 0.05, 0.938, Some((0.737, 1.034))),
            (5, 0.0158, 0.938, None),
            (8, 0.0158, 0.852, Some((0.715, 0.974))),
            (10, 0.05, 0.8725, Some((0.756, 0.97))),
            (20, 0.0158, 0.9025, Some((0.837, 0.982))),
            (23, 0.05, 0.906, Some((0.849, 0.965))),
            (23, 0.0158, 0.906, Some((0.836, 0.975))),
        ] {
            let found = shift(&A[..n], &B[..n], STRATUM, alpha).unwrap();
            assert!((found.value - value).abs() < 1e-9, "n {n}: {found:?}");
            match (found.interval, interval) {
                (None, None) => {}
                (Some(found), Some((low, high))) => {
                    assert!((found.low - low).abs() < 1e-9 && (found.high - high).abs() < 1e-9, "n {n}: {found:?}");
                }
                (found, expected) => panic!("n {n}: {found:?} is not {expected:?}"),
            }
        }
    }

    #[test]
    fn one_stratum_of_equal_sizes_is_the_same_either_way_and_sizes_may_differ() {
        assert_eq!(shift_apart(&A, &B, 0.05), shift(&A, &B, A.len(), 0.05));
        // By numpy: all 7 * 4 differences, cut = floor(14 - 1.96 sqrt(7 * 4 * 12 / 12)) = 3.
        let found = shift_apart(&[10.0, 11.0, 12.0, 13.0, 14.0, 15.0, 16.0], &[0.0, 1.0, 2.0, 3.0], 0.05).unwrap();
        assert_eq!((found.value, found.interval), (11.5, Some(Interval { low: 8.0, high: 15.0 })));
        assert_eq!(shift_apart(&[], &B, 0.05), None);
    }

    #[test]
    fn drift_common_to_both_series_leaves_the_shift_alone() {
        let drifting: Vec<f64> = (0..40).map(f64::from).collect();
        let above: Vec<f64> = drifting.iter().map(|x| x + 1.0).collect();
        assert_eq!(shift(&above, &drifting, STRATUM, 0.05).unwrap().value, 1.0);
    }

    #[test]
    fn series_that_cannot_be_paired_have_no_shift() {
        assert_eq!(shift(&[], &[], STRATUM, 0.05), None);
        assert_eq!(shift(&[1.0], &[1.0, 2.0], STRATUM, 0.05), None);
    }
}

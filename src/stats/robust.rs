//! Location, spread and trend that a few wild values cannot move.

use super::quantile::quantile;
use super::{Estimate, Interval, normal, sorted};

/// The median absolute deviation of normal values, times this, is their standard deviation.
pub const MAD_TO_SIGMA: f64 = 1.4826;

/// The middle value, or the mean of the two in the middle; `None` of nothing. Selects instead of sorting: a bootstrap
/// asks for thousands.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut values = values.to_vec();
    let middle = values.len().checked_sub(1)? / 2;
    let is_even = values.len().is_multiple_of(2);
    let (_, &mut lower, above) = values.select_nth_unstable_by(middle, f64::total_cmp);
    let upper = above.iter().copied().min_by(f64::total_cmp).filter(|_| is_even);
    quantile(&[lower, upper.unwrap_or(lower)], 0.5)
}

/// The standard deviation that normal values with this spread would have: `1.4826 median |x - median(x)|`.
pub fn sigma(values: &[f64]) -> Option<f64> {
    let centre = median(values)?;
    let deviations: Vec<f64> = values.iter().map(|x| (x - centre).abs()).collect();
    Some(MAD_TO_SIGMA * median(&deviations)?)
}

/// The standard deviation of the noise in a series that may drift: from strata of `m` consecutive values,
/// `1.4826 / sqrt(2)` times the median `|x_i - x_j|` over the pairs within a stratum.
///
/// Differences need no centre: deviations from the median of five values would come out a fifth too small.
/// `None` of fewer than two values.
pub fn sigma_within(values: &[f64], m: usize) -> Option<f64> {
    let mut differences = Vec::new();
    for stratum in strata(values, m) {
        for (i, x) in stratum.iter().enumerate() {
            differences.extend(stratum[i + 1..].iter().map(|y| (x - y).abs()));
        }
    }
    Some(MAD_TO_SIGMA / std::f64::consts::SQRT_2 * median(&differences)?)
}

/// The share of values that lie more than `sigmas` times [`sigma_within`] above the median of their stratum of `m`.
pub fn share_far_above(values: &[f64], m: usize, sigmas: f64) -> Option<f64> {
    let bound = sigmas * sigma_within(values, m)?;
    let far = |stratum: &[f64]| {
        let centre = median(stratum).expect("a stratum is not empty");
        stratum.iter().filter(|&&x| x - centre > bound).count()
    };
    Some(strata(values, m).map(far).sum::<usize>() as f64 / values.len() as f64)
}

/// Theil and Sen's slope: the median of the slopes between all pairs of points with different `x`; `None` without one.
///
/// With `N` slopes of `n` points, sorted, and `C = z(1 - alpha/2) sqrt(n (n - 1) (2 n + 5) / 18)`, Kendall's deviation, the
/// interval runs from the slope of rank `(N - C) / 2` to that of rank `(N + C) / 2 + 1`; there is none when these do not
/// exist. Sen, *Estimates of the regression coefficient based on Kendall's tau*, JASA 1968.
pub fn theil_sen(x: &[f64], y: &[f64], alpha: f64) -> Option<Estimate> {
    let n = x.len().min(y.len());
    let pairs = (0..n).flat_map(|i| (0..i).map(move |j| (i, j))).filter(|&(i, j)| x[i] != x[j]);
    let slopes = sorted(&pairs.map(|(i, j)| (y[i] - y[j]) / (x[i] - x[j])).collect::<Vec<_>>());
    let points = n as f64;
    let deviation = (points * (points - 1.0) * (2.0 * points + 5.0) / 18.0).sqrt();
    let reach = normal::quantile(1.0 - alpha / 2.0) * deviation;
    let count = slopes.len() as f64;
    let (low, high) = (((count - reach) / 2.0).round(), ((count + reach) / 2.0).round() + 1.0);
    let at = |rank: f64| (rank >= 1.0).then(|| slopes.get(rank as usize - 1).copied()).flatten();
    let interval = at(low).zip(at(high)).map(|(low, high)| Interval { low, high });
    Some(Estimate { value: quantile(&slopes, 0.5)?, interval })
}

/// The values cut into runs of at least `m` (fewer only when there are fewer), the surplus spread over the first runs.
pub(super) fn strata(values: &[f64], m: usize) -> impl Iterator<Item = &[f64]> {
    let count = (values.len() / m).max(1);
    let (size, surplus) = (values.len() / count, values.len() % count);
    let mut rest = values;
    (0..count).map(move |i| {
        let (stratum, after) = rest.split_at(size + usize::from(i < surplus));
        rest = after;
        stratum
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;

    #[test]
    fn the_median_of_an_even_number_is_the_mean_of_the_middle_two() {
        assert_eq!(median(&[4.0, 1.0, 3.0, 100.0]), Some(3.5));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn one_wild_value_does_not_move_the_spread() {
        assert_eq!(sigma(&[1.0, 2.0, 3.0, 4.0, 5.0]), Some(1.4826));
        assert_eq!(sigma(&[1.0, 2.0, 3.0, 4.0, 5e9]), Some(1.4826));
    }

    #[test]
    fn spread_within_strata_is_unbiased_and_blind_to_drift() {
        let mut rng = crate::rng::stream(3, "noise");
        let values: Vec<f64> = (0..4_000)
            .map(|i| {
                let uniform: f64 = (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
                0.1 * uniform + f64::from(i) * 0.001
            })
            .collect();
        let found = sigma_within(&values, 5).unwrap();
        assert!((0.095..0.105).contains(&found), "{found}");
        assert_eq!(sigma_within(&[1.0], 5), None);
    }

    #[test]
    fn values_far_above_their_neighbours_are_counted_and_those_below_are_not() {
        let mut values: Vec<f64> = (0..20).map(|i| f64::from(i) + f64::from(i % 3)).collect();
        assert_eq!(share_far_above(&values, 5, 4.0), Some(0.0));
        values[7] += 100.0;
        values[13] -= 100.0;
        assert_eq!(share_far_above(&values, 5, 4.0), Some(0.05));
        assert_eq!(share_far_above(&[], 5, 4.0), None);
    }

    #[test]
    fn the_slope_and_its_interval_agree_with_scipy() {
        let x: Vec<f64> = (0..9).map(f64::from).collect();
        let y = [1.0, 1.4, 2.2, 2.9, 9.0, 4.8, 6.1, 7.2, 7.9];
        // scipy.stats.theilslopes
        let found = theil_sen(&x, &y, 0.05).unwrap();
        let interval = found.interval.unwrap();
        for (found, expected) in
            [(found.value, 0.914_285_714_285_714_5), (interval.low, 0.7), (interval.high, 1.066_666_666_666_666_7)]
        {
            assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
        }
        assert_eq!(theil_sen(&[1.0, 1.0], &[2.0, 3.0], 0.05), None);
        assert_eq!(theil_sen(&[1.0, 2.0], &[2.0, 3.0], 0.05).unwrap().interval, None);
    }

    #[test]
    fn strata_take_every_value_once_and_none_is_short() {
        for n in 5..60u8 {
            let values: Vec<f64> = (0..n).map(f64::from).collect();
            let parts: Vec<&[f64]> = strata(&values, 5).collect();
            assert_eq!(parts.concat(), values);
            assert!(parts.iter().all(|part| (5..=9).contains(&part.len())), "{n}");
        }
        assert_eq!(strata(&[1.0, 2.0], 5).count(), 1);
    }
}

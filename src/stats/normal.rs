//! The normal distribution.
//!
//! Cumulative: for small `x`, `1/2 + phi(x) (x + x^3/3 + x^5/(3*5) + ...)`; in the tail, Laplace's continued fraction
//! `phi(x) / (x + 1/(x + 2/(x + 3/(x + ...))))`. Both are in Abramowitz and Stegun, *Handbook of Mathematical
//! Functions*, 26.2.11 and 26.2.14. The quantile is found on it by bisection.

use std::f64::consts::PI;

/// Beyond this the series loses digits and the continued fraction converges quickly.
const TAIL: f64 = 3.0;

/// The probability that a standard normal variable is at most `x`.
pub fn cumulative(x: f64) -> f64 {
    if x > TAIL {
        return 1.0 - upper_tail(x);
    }
    if x < -TAIL {
        return upper_tail(-x);
    }
    let (mut term, mut sum, mut odd) = (x, x, 1.0);
    while term.abs() > 1e-17 * sum.abs() {
        odd += 2.0;
        term *= x * x / odd;
        sum += term;
    }
    0.5 + density(x) * sum
}

/// The `x` below which a standard normal variable falls with the given probability.
///
/// # Panics
/// Unless `0 < probability < 1`.
pub fn quantile(probability: f64) -> f64 {
    assert!(probability > 0.0 && probability < 1.0, "a probability strictly between 0 and 1, not {probability}");
    if probability > 0.5 {
        return -quantile(1.0 - probability);
    }
    let (mut low, mut high) = (-40.0, 0.0);
    loop {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            return middle;
        }
        if cumulative(middle) < probability {
            low = middle;
        } else {
            high = middle;
        }
    }
}

fn density(x: f64) -> f64 {
    (-0.5 * x * x).exp() / (2.0 * PI).sqrt()
}

fn upper_tail(x: f64) -> f64 {
    // 200 levels give full precision from `TAIL` on.
    let fraction = (1..=200).rev().fold(x, |below, level| x + f64::from(level) / below);
    density(x) / fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `scipy.stats.norm.cdf`
    const CUMULATIVE: [(f64, f64); 10] = [
        (-9.0, 1.1285884059538324e-19),
        (-6.0, 9.865876450376946e-10),
        (-3.0, 0.0013498980316300933),
        (-1.0, 0.15865525393145707),
        (-0.1, 0.460172162722971),
        (0.0, 0.5),
        (0.5, 0.6914624612740131),
        (2.0, 0.9772498680518208),
        (5.0, 0.9999997133484281),
        (8.0, 0.9999999999999993),
    ];

    /// `scipy.stats.norm.ppf`
    const QUANTILES: [(f64, f64); 9] = [
        (1e-10, -6.361340902404056),
        (1e-4, -3.7190164854556804),
        (0.0079, -2.4135029495884783),
        (0.025, -1.9599639845400545),
        (0.3, -0.5244005127080409),
        (0.5, 0.0),
        (0.975, 1.959963984540054),
        (0.9921, 2.413502949588478),
        (0.99999, 4.264890793923841),
    ];

    #[test]
    fn probabilities_agree_with_scipy_to_twelve_digits() {
        for (x, expected) in CUMULATIVE {
            assert!((cumulative(x) / expected - 1.0).abs() < 1e-12, "at {x}: {} is not {expected}", cumulative(x));
        }
    }

    #[test]
    fn quantiles_agree_with_scipy_to_ten_digits() {
        for (probability, expected) in QUANTILES {
            let found = quantile(probability);
            assert!((found - expected).abs() < 1e-10, "at {probability}: {found} is not {expected}");
        }
    }

    #[test]
    fn the_series_and_the_fraction_meet_where_one_takes_over() {
        let step = cumulative(TAIL + 1e-9) - cumulative(TAIL);
        assert!((0.0..1e-11).contains(&step), "{step}");
    }

    #[test]
    #[should_panic(expected = "strictly between")]
    fn certainty_has_no_quantile() {
        quantile(1.0);
    }
}

//! The interval of a share, from how many of `n` have what is counted.
//!
//! Wilson's: the shares `p` for which the count lies within `z` standard deviations of `n p` (E. B. Wilson, *Probable
//! Inference*, 1927). Unlike the textbook's interval it holds near 0 and 1 and stays between them.

use super::{Interval, mean, normal, variance};

/// The interval of the true share with the given confidence; `None` of nothing.
pub fn interval(count: u64, n: u64, confidence: f64) -> Option<Interval> {
    interval_of_alike(count, n, 1.0, confidence)
}

fn wilson(share: f64, n: f64, confidence: f64) -> Option<Interval> {
    let z = -normal::quantile((1.0 - confidence) / 2.0);
    let middle = share + z * z / (2.0 * n);
    let spread = z * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z * z / n;
    Some(Interval { low: ((middle - spread) / scale).max(0.0), high: ((middle + spread) / scale).min(1.0) })
}

/// Parts of a row whose means are compared.
const BATCHES: usize = 10;

/// How many values in a row it takes to know as much as one value that stands alone, where neighbours are alike: from the
/// means of 10 batches, at least 1 (Kish's design effect; batch means after Law, *Simulation Modeling and Analysis*, 9.5.3).
pub fn design_effect(row: &[f64]) -> f64 {
    let size = row.len() / BATCHES;
    if size == 0 {
        return 1.0;
    }
    let row = &row[..size * BATCHES];
    let means: Vec<f64> = row.chunks_exact(size).map(mean).collect();
    let alone = variance(row);
    if alone > 0.0 { (size as f64 * variance(&means) / alone).max(1.0) } else { 1.0 }
}

/// The same of values that are worth fewer than they are, by this [`design_effect`].
pub fn interval_of_alike(count: u64, n: u64, effect: f64, confidence: f64) -> Option<Interval> {
    if n == 0 { None } else { wilson(count as f64 / n as f64, n as f64 / effect, confidence) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_wilsons() {
        // The formula again, in Python with z = 1.959963984540054.
        for (count, n, low, high) in
            [(8, 10, 0.490_162_5, 0.943_317_8), (0, 100, 0.0, 0.036_993_5), (297, 300, 0.971_016_5, 0.996_593_4)]
        {
            let found = interval(count, n, 0.95).unwrap();
            assert!((found.low - low).abs() < 1e-6 && (found.high - high).abs() < 1e-6, "{count} of {n}: {found:?}");
        }
        assert_eq!(interval(0, 0, 0.95), None);
    }

    #[test]
    fn values_that_come_in_runs_are_worth_fewer() {
        let in_turn: Vec<f64> = (0..1_000).map(|nth| f64::from(nth % 10)).collect();
        let in_runs: Vec<f64> = (0..1_000).map(|nth| f64::from(nth / 100)).collect();
        assert_eq!((design_effect(&in_turn), design_effect(&[3.0; 50]), design_effect(&[1.0])), (1.0, 1.0, 1.0));
        assert!((design_effect(&in_runs) / 100.0 - 1.0).abs() < 0.15, "{}", design_effect(&in_runs));
        let of = |effect| interval_of_alike(900, 1_000, effect, 0.95).unwrap();
        assert_eq!(Some(of(1.0)), interval(900, 1_000, 0.95));
        assert!((of(4.0).half_width() / of(1.0).half_width() - 2.0).abs() < 0.05);
    }
}

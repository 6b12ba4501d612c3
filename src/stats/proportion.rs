//! The interval of a share, from how many of `n` have what is counted.
//!
//! Wilson's: the shares `p` for which the count lies within `z` standard deviations of `n p` (E. B. Wilson, *Probable
//! Inference*, 1927). Unlike the textbook's interval it holds near 0 and 1 and stays between them.

use super::{Interval, normal};

/// The interval of the true share with the given confidence; `None` of nothing.
pub fn interval(count: u64, n: u64, confidence: f64) -> Option<Interval> {
    if n == 0 {
        return None;
    }
    let z = -normal::quantile((1.0 - confidence) / 2.0);
    let (n, share) = (n as f64, count as f64 / n as f64);
    let middle = share + z * z / (2.0 * n);
    let spread = z * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z * z / n;
    Some(Interval { low: ((middle - spread) / scale).max(0.0), high: ((middle + spread) / scale).min(1.0) })
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
}

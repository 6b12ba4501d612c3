//! Counts of values rounded to ten binary digits, so that a million values take a few hundred bytes.
//!
//! A value `v` counts as the nearest `m 2^e` with `512 <= m < 1024`, which is off by at most `1 / 1024` of it; values
//! below 1024 count as themselves. That is HdrHistogram's grid (hdrhistogram.org), kept sparse, since the values of one
//! series lie close together.

use serde::{Deserialize, Serialize};

/// Binary digits that are kept.
const DIGITS: u32 = 10;

/// How often each rounded value came, the smallest first. In JSON a list of `[value, count]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Histogram(Vec<(u64, u32)>);

impl Histogram {
    pub fn add(&mut self, value: u64) {
        self.add_many(rounded(value), 1);
    }

    pub fn merge(&mut self, other: &Histogram) {
        other.0.iter().for_each(|(value, count)| self.add_many(*value, *count));
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many values were added.
    pub fn total(&self) -> u64 {
        self.0.iter().map(|(_, count)| u64::from(*count)).sum()
    }

    /// The smallest value at or below which a share `p` of them lies, type 1 of Hyndman and Fan; `None` of nothing.
    pub fn quantile(&self, p: f64) -> Option<f64> {
        // The product may miss a whole number by a rounding error, which must not cost a place.
        let place = (p.clamp(0.0, 1.0) * self.total() as f64 - 1e-9).ceil().max(1.0) as u64;
        let mut below = 0;
        let reached = self.0.iter().find(|(_, count)| {
            below += u64::from(*count);
            below >= place
        });
        reached.map(|(value, _)| *value as f64)
    }

    /// The largest value.
    pub fn max(&self) -> Option<u64> {
        self.0.last().map(|(value, _)| *value)
    }

    fn add_many(&mut self, value: u64, count: u32) {
        match self.0.binary_search_by_key(&value, |(known, _)| *known) {
            Ok(at) => self.0[at].1 = self.0[at].1.saturating_add(count),
            Err(at) => self.0.insert(at, (value, count)),
        }
    }
}

/// The nearest value of the grid; the upper one of two that are as near.
fn rounded(value: u64) -> u64 {
    let shift = (u64::BITS - value.leading_zeros()).saturating_sub(DIGITS);
    let half = (1u64 << shift) >> 1;
    (value.saturating_add(half) >> shift) << shift
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_off_by_no_more_than_a_1024th() {
        let mut value = 1u64;
        while value < 1 << 60 {
            let error = rounded(value).abs_diff(value);
            assert!(error as f64 <= value as f64 / 1024.0, "{value} became {}", rounded(value));
            assert_eq!(rounded(rounded(value)), rounded(value), "what is on the grid stays");
            value += value / 7 + 1;
        }
        assert_eq!([0, 1, 1_023].map(rounded), [0, 1, 1_023]);
    }

    #[test]
    fn quantiles_agree_with_those_of_the_values_themselves() {
        let values: Vec<f64> = (0..10_000u64).map(|i| (20_000_000 + i * i) as f64).collect();
        let mut histogram = Histogram::default();
        values.iter().for_each(|value| histogram.add(*value as u64));
        assert_eq!(histogram.total(), 10_000);
        for p in [0.0, 0.1, 0.5, 0.99, 0.999, 1.0] {
            let exact = crate::stats::quantile::inverted_cumulative(&values, p).unwrap();
            let ours = histogram.quantile(p).unwrap();
            assert!((ours / exact - 1.0).abs() <= 1.0 / 1024.0, "{p}: {ours} for {exact}");
        }
        assert_eq!(Histogram::default().quantile(0.5), None);
    }

    #[test]
    fn parts_that_are_merged_are_the_whole() {
        let (mut one, mut other, mut whole) = (Histogram::default(), Histogram::default(), Histogram::default());
        for value in [5, 1_000, 1_003, 70_000, 5, 1_000] {
            if value < 1_001 {
                one.add(value)
            } else {
                other.add(value)
            }
            whole.add(value);
        }
        one.merge(&other);
        assert_eq!(one, whole);
        assert_eq!(serde_json::to_string(&one).unwrap(), "[[5,2],[1000,2],[1003,1],[70016,1]]");
    }
}

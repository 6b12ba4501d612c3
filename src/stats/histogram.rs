//! Counts of values rounded to ten binary digits, so that a million values take a few hundred bytes.
//!
//! A value `v` counts as the nearest `m 2^e` with `512 <= m < 1024`, which is off by at most `1 / 1024` of it; values
//! below 1024 count as themselves. That is HdrHistogram's grid (hdrhistogram.org), kept sparse, since the values of one
//! series lie close together.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Binary digits that are kept.
const DIGITS: u32 = 10;

/// Values with as many digits, and so the places of the grid for each further digit.
const STEPS: u64 = 1 << (DIGITS - 1);

/// How often each place of the grid was met, the smallest first: eight bytes each. In JSON a list of `[value, count]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Histogram(Vec<(Place, u32)>);

/// A value of the grid by its number: there are 28,672 of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place(u16);

impl Histogram {
    pub fn add(&mut self, value: u64) {
        self.add_many(Place::of(value), 1);
    }

    pub fn merge(&mut self, other: &Histogram) {
        other.0.iter().for_each(|(place, count)| self.add_many(*place, *count));
    }

    /// Each rounded value with how often it came, growing.
    fn counts(&self) -> impl Iterator<Item = (u64, u32)> {
        self.0.iter().map(|(place, count)| (place.value(), *count))
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
        reached.map(|(place, _)| place.value() as f64)
    }

    /// The largest value.
    pub fn max(&self) -> Option<u64> {
        self.0.last().map(|(place, _)| place.value())
    }

    fn add_many(&mut self, place: Place, count: u32) {
        match self.0.binary_search_by_key(&place, |(known, _)| *known) {
            Ok(at) => self.0[at].1 = self.0[at].1.saturating_add(count),
            Err(at) => self.0.insert(at, (place, count)),
        }
    }
}

impl Place {
    /// The nearest one; the upper one of two that are as near.
    fn of(value: u64) -> Place {
        let shift = shift_of(value);
        let rounded = value.saturating_add((1 << shift) >> 1);
        // Rounding may have made one digit more of it.
        let shift = shift_of(rounded);
        Place((u64::from(shift) * STEPS + (rounded >> shift)) as u16)
    }

    fn value(self) -> u64 {
        let shift = (u64::from(self.0) / STEPS).saturating_sub(1);
        (u64::from(self.0) - shift * STEPS) << shift
    }
}

/// Binary digits of a value beyond those that are kept.
fn shift_of(value: u64) -> u32 {
    (u64::BITS - value.leading_zeros()).saturating_sub(DIGITS)
}

impl Serialize for Histogram {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.counts())
    }
}

impl<'de> Deserialize<'de> for Histogram {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Histogram, D::Error> {
        let mut histogram = Histogram::default();
        for (value, count) in Vec::<(u64, u32)>::deserialize(deserializer)? {
            histogram.add_many(Place::of(value), count);
        }
        Ok(histogram)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_off_by_no_more_than_a_1024th() {
        let mut value = 1u64;
        let rounded = |value| Place::of(value).value();
        while value < 1 << 63 {
            let error = rounded(value).abs_diff(value);
            assert!(error as f64 <= value as f64 / 1024.0, "{value} became {}", rounded(value));
            assert_eq!(rounded(rounded(value)), rounded(value), "what is on the grid stays");
            value += value / 7 + 1;
        }
        assert_eq!([0, 1, 1_023, 1_024, 1_025, 2_047].map(rounded), [0, 1, 1_023, 1_024, 1_026, 2_048]);
        assert!(Place::of(u64::MAX) > Place::of(1 << 63));
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
        let text = serde_json::to_string(&one).unwrap();
        assert_eq!(text, "[[5,2],[1000,2],[1003,1],[70016,1]]");
        assert_eq!(serde_json::from_str::<Histogram>(&text).unwrap(), one);
    }
}

//! Statistics on slices of numbers: no I/O, no clock, no words of the field.
//!
//! Every function takes finite `f64` values in any order unless it says "sorted" and allocates what it needs. What a
//! sample is too small to carry is `None`, never an infinite or an invented bound.
//!
//! | module | answers |
//! |---|---|
//! | [`normal`] | probabilities and quantiles of the normal distribution |
//! | [`quantile`] | a quantile and the order statistics that bound it |
//! | [`histogram`] | the same of more values than can be kept, rounded to ten binary digits |
//! | [`proportion`] | the interval of a share |
//! | [`robust`] | median, robust spread, trend |
//! | [`hodges_lehmann`] | the shift between two series measured side by side, with its interval |
//! | [`looks`] | how often one may look, at what level, and when to stop |
//! | [`rank`] | whether one sample is larger than another |
//! | [`sign`] | the same from signs alone, valid at any time |
//! | [`curve`] | a robust polynomial fit and where one curve passes another |
//! | [`segment`] | the levels of a sequence that changes in steps |

pub mod curve;
pub mod histogram;
pub mod hodges_lehmann;
pub mod looks;
pub mod normal;
pub mod proportion;
pub mod quantile;
pub mod rank;
pub mod robust;
pub mod segment;
pub mod sign;

/// An interval, both ends included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
}

impl Interval {
    pub fn contains(self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }

    /// Whether the whole of it lies in `outer`.
    pub fn is_within(self, outer: Interval) -> bool {
        outer.contains(self.low) && outer.contains(self.high)
    }

    pub fn half_width(self) -> f64 {
        (self.high - self.low) / 2.0
    }

    /// Both ends through an increasing function.
    pub fn map(self, increasing: impl Fn(f64) -> f64) -> Interval {
        Interval { low: increasing(self.low), high: increasing(self.high) }
    }
}

/// A value and how far it may be off; no interval when the sample is too small for the confidence asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    pub value: f64,
    pub interval: Option<Interval>,
}

/// The arithmetic mean; not a number of nothing.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Of a sample, with n - 1; not a number of fewer than two values.
pub fn variance(values: &[f64]) -> f64 {
    let middle = mean(values);
    values.iter().map(|value| (value - middle).powi(2)).sum::<f64>() / (values.len() as f64 - 1.0)
}

/// The values from the smallest to the largest.
pub fn sorted(values: &[f64]) -> Vec<f64> {
    let mut values = values.to_vec();
    values.sort_unstable_by(f64::total_cmp);
    values
}

//! From the levels of an arm to the highest rate that keeps the limits, and from two arms to what the cache is worth.
//!
//! The rate lies above the highest level that kept them and below the lowest that missed them, each beyond doubt: these
//! two are the interval. The value between them is where the share that kept them passes the share that was asked for, on
//! a straight line between two levels.

use super::level::{Kept, Measured, Standing};
use super::{Load, Reuse};

/// The highest rate that keeps the limits, in requests a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit {
    /// `None` where no level or every level kept them.
    pub value: Option<f64>,
    /// The highest level that kept them beyond doubt; 0 where none did.
    pub low: f64,
    /// The lowest level that missed them beyond doubt; `None` where none did.
    pub high: Option<f64>,
    pub levels: usize,
    /// Whether each of them kept the limits, beyond doubt or not; and whether none did.
    pub all_kept: bool,
    pub none_kept: bool,
    /// The highest level that was tried, and the lowest.
    pub highest: f64,
    pub lowest: f64,
}

impl Limit {
    /// Of the levels with `reuse`, but for those that the client spoiled; `None` without any.
    pub fn of<'a>(levels: impl IntoIterator<Item = &'a Measured>, reuse: Reuse, asked: f64) -> Option<Limit> {
        let rate = |level: &Measured| match level.of.load {
            Load::Rate { per_second, .. } if level.of.reuse == reuse && !level.is_void() => {
                Some((per_second, level.kept(asked)?))
            }
            _ => None,
        };
        let mut rates: Vec<(f64, Kept)> = levels.into_iter().filter_map(rate).collect();
        rates.sort_by(|one, other| one.0.total_cmp(&other.0));
        let ((lowest, _), (highest, _)) = (*rates.first()?, *rates.last()?);
        let high = rates.iter().find(|(_, kept)| kept.standing == Standing::Missed).map(|(rate, _)| *rate);
        let below = |rate: f64| high.is_none_or(|high| rate < high);
        let is_kept = |(rate, kept): &&(f64, Kept)| kept.standing == Standing::Kept && below(*rate);
        let low = rates.iter().rev().find(is_kept).map_or(0.0, |(rate, _)| *rate);
        let value = crossing(&rates, asked).map(|value| value.clamp(low, high.unwrap_or(f64::INFINITY)));
        let has_kept = |(_, kept): &(f64, Kept)| kept.share() >= asked;
        let (all_kept, none_kept) = (rates.iter().all(has_kept), !rates.iter().any(has_kept));
        Some(Limit { value, low, high, levels: rates.len(), all_kept, none_kept, highest, lowest })
    }
}

/// Where the share passes `asked` for the first time.
fn crossing(rates: &[(f64, Kept)], asked: f64) -> Option<f64> {
    let missed = rates.iter().position(|(_, kept)| kept.share() < asked)?;
    let (above, under) = (rates[missed.checked_sub(1)?], rates[missed]);
    let part = (above.1.share() - asked) / (above.1.share() - under.1.share());
    Some(above.0 + part * (under.0 - above.0))
}

/// By how many requests a second the limits are kept up to a higher rate with the cache than without it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Worth {
    pub value: Option<f64>,
    /// `None` where it may be as low as it likes.
    pub low: Option<f64>,
    pub high: Option<f64>,
}

impl Worth {
    pub fn of(usual: &Limit, nothing: &Limit) -> Worth {
        Worth {
            value: usual.value.zip(nothing.value).map(|(with, without)| with - without),
            low: nothing.high.map(|high| usual.low - high),
            high: usual.high.map(|high| high - nothing.low),
        }
    }

    /// Beyond doubt more with the cache.
    pub fn is_gain(&self) -> bool {
        self.low.is_some_and(|low| low > 0.0)
    }

    /// Beyond doubt fewer.
    pub fn is_loss(&self) -> bool {
        self.high.is_some_and(|high| high < 0.0)
    }
}

//! The word for an effect, in English and Chinese, as the prompt table has it.
//!
//! | rating | cold is this many times as long as a hit |
//! |---|---|
//! | excellent/优秀 | 1.5 and more |
//! | good/良好 | 1.05 to 1.5 |
//! | fair/一般 | above 1, to 1.05 |
//! | none/无 | 1 or less |
//! | undecided/未定 | the interval does not lie in one of these bands, or there is none |

use std::fmt;

use crate::stats::Interval;

const EXCELLENT: f64 = 1.5;
const GOOD: f64 = 1.05;

/// How much of an effect there is, if the measurements have decided it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rating {
    Excellent,
    Good,
    Fair,
    None,
    Undecided,
}

impl Rating {
    /// The rating of a ratio of cold to hit that lies in `interval`.
    pub fn of(interval: Option<Interval>) -> Rating {
        let Some(Interval { low, high }) = interval else { return Rating::Undecided };
        if low >= EXCELLENT {
            Rating::Excellent
        } else if low >= GOOD && high < EXCELLENT {
            Rating::Good
        } else if low > 1.0 && high < GOOD {
            Rating::Fair
        } else if high <= 1.0 {
            Rating::None
        } else {
            Rating::Undecided
        }
    }
}

impl fmt::Display for Rating {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Rating::Excellent => "excellent/优秀",
            Rating::Good => "good/良好",
            Rating::Fair => "fair/一般",
            Rating::None => "none/无",
            Rating::Undecided => "undecided/未定",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_within_one_band_is_rated_and_any_other_is_undecided() {
        for (low, high, rating) in [
            (1.6, 1.7, Rating::Excellent),
            (1.5, 9.0, Rating::Excellent),
            (1.499, 1.6, Rating::Undecided),
            (1.05, 1.499, Rating::Good),
            (1.2, 1.5, Rating::Undecided),
            (1.049, 1.07, Rating::Undecided),
            (1.001, 1.049, Rating::Fair),
            (1.0, 1.04, Rating::Undecided),
            (0.98, 1.02, Rating::Undecided),
            (0.9, 1.0, Rating::None),
            (0.5, 0.6, Rating::None),
        ] {
            assert_eq!(Rating::of(Some(Interval { low, high })), rating, "[{low}, {high}]");
        }
        assert_eq!(Rating::of(None), Rating::Undecided);
    }
}

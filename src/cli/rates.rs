//! Requests a second, as they change over a run.
//!
//! ```text
//! rates = leg ["," leg]...
//! leg   = rate [":" span]                2        2:30s,4:30s,8:30s is a series of steps
//!       | rate ".." rate ":" span        1..10:60s is a ramp
//! ```
//! A leg without a span is the last one, and its rate holds to the end.

use std::fmt;
use std::str::FromStr;

use super::parse::Span;

/// The legs in order, at least one; only the last may be without a span, and not every rate is 0.
#[derive(Debug, Clone, PartialEq)]
pub struct Rates(pub Vec<Leg>);

/// A stretch in which the rate goes from one value to another in a straight line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Leg {
    /// Requests a second.
    pub from: f64,
    pub to: f64,
    /// `None`: to the end.
    pub span: Option<Span>,
}

/// What could not be read as rates.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("expected requests a second such as 2.5, a ramp such as 1..10:60s or steps such as 2:30s,4:30s, found {0:?}")]
pub struct RatesError(String);

/// More than any client sends.
const MOST: f64 = 100_000.0;

impl FromStr for Rates {
    type Err = RatesError;

    fn from_str(text: &str) -> Result<Rates, RatesError> {
        let legs: Option<Vec<Leg>> = text.split(',').map(|part| leg(part.trim())).collect();
        let legs = legs.filter(|legs| {
            let (_, before) = legs.split_last().expect("a split has a part");
            before.iter().all(|leg| leg.span.is_some()) && legs.iter().any(|leg| leg.from + leg.to > 0.0)
        });
        legs.map(Rates).ok_or_else(|| RatesError(text.to_owned()))
    }
}

fn leg(part: &str) -> Option<Leg> {
    let (rates, span) = match part.split_once(':') {
        Some((rates, span)) => (rates, Some(span.parse().ok().filter(|span: &Span| !span.0.is_zero())?)),
        None => (part, None),
    };
    let (from, to) = match rates.split_once("..") {
        // A ramp without an end goes nowhere.
        Some((from, to)) if span.is_some() => (rate(from)?, rate(to)?),
        Some(_) => return None,
        None => (rate(rates)?, rate(rates)?),
    };
    Some(Leg { from, to, span })
}

fn rate(text: &str) -> Option<f64> {
    text.parse().ok().filter(|rate: &f64| (0.0..=MOST).contains(rate))
}

impl Rates {
    /// The rate, where it never changes.
    pub fn steady(&self) -> Option<f64> {
        match self.0.as_slice() {
            [leg] if leg.from == leg.to => Some(leg.from),
            _ => None,
        }
    }

    /// The legs together; `None` when the last has no end.
    pub fn span(&self) -> Option<Span> {
        self.0.iter().map(|leg| Some(leg.span?.0)).sum::<Option<_>>().map(Span)
    }
}

impl fmt::Display for Rates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, Leg { from, to, span }) in self.0.iter().enumerate() {
            write!(f, "{}{from}", if at > 0 { "," } else { "" })?;
            if from != to {
                write!(f, "..{to}")?;
            }
            if let Some(span) = span {
                write!(f, ":{span}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_a_ramp_and_steps_read_what_they_print() {
        for text in ["2", "2.5", "1..10:60ms", "2:30s,4:30s,8:30s", "1..10:1m,10", "0:5s,3"] {
            assert_eq!(text.parse::<Rates>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn only_the_last_leg_is_without_an_end() {
        assert_eq!("2:30s,4:30s".parse::<Rates>().unwrap().span(), Some("60s".parse().unwrap()));
        assert_eq!("2:30s,4".parse::<Rates>().unwrap().span(), None);
    }

    #[test]
    fn what_sends_nothing_or_goes_nowhere_is_refused() {
        for text in ["", "0", "-1", "inf", "2,4:30s", "1..10", "2:0s", "0:30s", "2..", "1e9", "2:30x"] {
            assert!(text.parse::<Rates>().is_err(), "{text}");
        }
    }
}

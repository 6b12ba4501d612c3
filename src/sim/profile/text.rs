//! The text forms of a profile's values: each prints as what is read back as the same value.

use std::fmt;
use std::str::FromStr;

/// A whole number, `k` and `m` allowed.
pub(super) struct Count<T>(pub T);

/// A span of time with its unit, held in nanoseconds.
pub(super) struct Time<T>(pub T);

/// A span of time or `off`.
pub(super) struct Off<T>(pub Option<T>);

/// Whatever the type itself is read from.
pub(super) struct Word<T>(pub T);

impl<T> Count<T> {
    pub const WANTED: &str = "a count such as 60k";
}

impl<T> Time<T> {
    pub const WANTED: &str = "a time such as 250ms";
}

impl<T> Off<T> {
    pub const WANTED: &str = "a time such as 60s, or off";
}

impl<T> Word<T> {
    pub const WANTED: &str = "a name, or a number such as 0.05";
}

/// A text was not of the form.
pub(super) struct Malformed;

impl<T: TryInto<u64> + Copy> fmt::Display for Count<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.try_into().unwrap_or(u64::MAX) {
            n if n > 0 && n % 1_000_000 == 0 => write!(f, "{}m", n / 1_000_000),
            n if n > 0 && n % 1_000 == 0 => write!(f, "{}k", n / 1_000),
            n => write!(f, "{n}"),
        }
    }
}

impl<T: TryFrom<u64>> FromStr for Count<T> {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Count<T>, Malformed> {
        let lower = text.to_ascii_lowercase();
        let (digits, unit) = match lower.strip_suffix('k') {
            Some(digits) => (digits, 1_000),
            None => lower.strip_suffix('m').map_or((&lower[..], 1), |digits| (digits, 1_000_000)),
        };
        let number: u64 = digits.parse().map_err(|_| Malformed)?;
        let number = number.checked_mul(unit).ok_or(Malformed)?;
        T::try_from(number).map(Count).map_err(|_| Malformed)
    }
}

/// Nanoseconds, whole or not.
pub(super) trait Span: Copy {
    fn to_ns(self) -> f64;
    fn from_ns(ns: f64) -> Self;
}

impl Span for f64 {
    fn to_ns(self) -> f64 {
        self
    }

    fn from_ns(ns: f64) -> f64 {
        ns
    }
}

impl Span for u64 {
    fn to_ns(self) -> f64 {
        self as f64
    }

    fn from_ns(ns: f64) -> u64 {
        ns.round() as u64
    }
}

const UNITS: [(&str, f64); 4] = [("ns", 1.0), ("us", 1e3), ("ms", 1e6), ("s", 1e9)];

impl<T: Span> fmt::Display for Time<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ns = self.0.to_ns();
        // The largest unit that the value fills and survives.
        let survives =
            |unit: f64| ns / unit >= 1.0 && (ns / unit).to_string().parse().is_ok_and(|v: f64| v * unit == ns);
        let (name, unit) = UNITS.into_iter().rev().find(|(_, unit)| survives(*unit)).unwrap_or(UNITS[0]);
        write!(f, "{}{name}", ns / unit)
    }
}

impl<T: Span> FromStr for Time<T> {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Time<T>, Malformed> {
        // "s" ends all of them, so it is tried last.
        let (number, unit) =
            UNITS.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit))).ok_or(Malformed)?;
        let number: f64 = number.trim().parse().map_err(|_| Malformed)?;
        if !number.is_finite() || number < 0.0 {
            return Err(Malformed);
        }
        Ok(Time(T::from_ns(number * unit)))
    }
}

impl<T: Span> fmt::Display for Off<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(span) => Time(span).fmt(f),
            None => f.write_str("off"),
        }
    }
}

impl<T: Span> FromStr for Off<T> {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Off<T>, Malformed> {
        if text == "off" {
            return Ok(Off(None));
        }
        text.parse::<Time<T>>().map(|time| Off(Some(time.0)))
    }
}

impl<T: fmt::Display> fmt::Display for Word<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: FromStr> FromStr for Word<T> {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Word<T>, Malformed> {
        text.parse().map(Word).map_err(|_| Malformed)
    }
}

//! Values of flags: each reads what people write and prints what it would read.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A value that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    #[error("expected a span of time such as 250ms, 1.5s or 5m, found {0:?}")]
    Span(String),
    #[error("expected a number of tokens such as 2000, 32k or 1M, found {0:?}")]
    Tokens(String),
    #[error("expected NAME:VALUE, found {0:?}")]
    Header(String),
    #[error("expected env, env:NAME or the key itself, and the environment has no {0}")]
    NoSuchVariable(String),
    #[error("expected tokens, time or money such as 200k, 5m or 2usd, separated by commas, found {0:?}")]
    Budget(String),
    #[error("expected a share such as 5% or 0.5%, found {0:?}")]
    Percent(String),
    #[error("expected a ratio such as 1.5x, found {0:?}")]
    Ratio(String),
    #[error("expected a JSON object such as {{\"cache_prompt\":false}}: {0}")]
    Object(String),
}

/// A span of time: a number and `ns`, `us`, `ms`, `s`, `m` or `h`; a bare number is seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl FromStr for Span {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Span, ParseError> {
        let unread = || ParseError::Span(text.to_owned());
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let number: f64 = number.parse().map_err(|_| unread())?;
        let seconds = match unit {
            "ns" => 1e-9,
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "" | "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3_600.0,
            _ => return Err(unread()),
        };
        // Nanoseconds rounded: 0.1 has no exact double.
        let nanos = (number * seconds * 1e9).round();
        if !(0.0..1e18).contains(&nanos) {
            return Err(unread());
        }
        Ok(Span(Duration::from_nanos(nanos as u64)))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        let units = [("h", 3_600_000_000_000), ("m", 60_000_000_000), ("s", 1_000_000_000), ("ms", 1_000_000)];
        let smaller = [("us", 1_000), ("ns", 1)];
        let mut fitting = units.into_iter().chain(smaller).filter(|(_, size)| nanos > 0 && nanos.is_multiple_of(*size));
        match fitting.next() {
            Some((unit, size)) => write!(f, "{}{unit}", nanos / size),
            None => f.write_str("0s"),
        }
    }
}

/// A number of tokens: `2000`, `4k` (4,000), `1.5M`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tokens(pub u64);

impl FromStr for Tokens {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Tokens, ParseError> {
        let unread = || ParseError::Tokens(text.to_owned());
        let (number, factor) = match text.strip_suffix(['k', 'K']) {
            Some(number) => (number, 1e3),
            None => text.strip_suffix(['m', 'M']).map_or((text, 1.0), |number| (number, 1e6)),
        };
        if !number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
            return Err(unread());
        }
        let tokens = number.parse::<f64>().map_err(|_| unread())? * factor;
        if tokens.fract() != 0.0 || tokens > 1e12 {
            return Err(unread());
        }
        Ok(Tokens(tokens as u64))
    }
}

impl fmt::Display for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            n if n > 0 && n % 1_000_000 == 0 => write!(f, "{}M", n / 1_000_000),
            n if n > 0 && n % 1_000 == 0 => write!(f, "{}k", n / 1_000),
            n => write!(f, "{n}"),
        }
    }
}

/// A share above zero: `5%`; a bare number is percent too.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Percent(pub f64);

impl FromStr for Percent {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Percent, ParseError> {
        let number = text.strip_suffix('%').unwrap_or(text).trim().parse().ok();
        let share = number.filter(|percent: &f64| *percent > 0.0 && percent.is_finite());
        share.map(Percent).ok_or_else(|| ParseError::Percent(text.to_owned()))
    }
}

impl Percent {
    /// 0.05 for 5 %.
    pub fn share(self) -> f64 {
        self.0 / 100.0
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

/// A ratio above zero: `1.5x`, or the bare number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ratio(pub f64);

impl FromStr for Ratio {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Ratio, ParseError> {
        let number = text.strip_suffix(['x', 'X']).unwrap_or(text).parse().ok();
        let ratio = number.filter(|ratio: &f64| *ratio > 0.0 && ratio.is_finite());
        ratio.map(Ratio).ok_or_else(|| ParseError::Ratio(text.to_owned()))
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x", self.0)
    }
}

/// A header of `--header NAME:VALUE`. Its value is a secret: it is not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Header {
    pub name: String,
    pub value: String,
}

impl FromStr for Header {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Header, ParseError> {
        let (name, value) = text.split_once(':').ok_or_else(|| ParseError::Header("***".to_owned()))?;
        let (name, value) = (name.trim().to_owned(), value.trim().to_owned());
        let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if name.is_empty() || !name.bytes().all(is_token) || value.contains(['\r', '\n', '\0']) {
            return Err(ParseError::Header(format!("{name:?}: ***")));
        }
        Ok(Header { name, value })
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ***", self.name)
    }
}

/// The value of `--api_key`: the key itself, `env` for OPENAI_API_KEY, or `env:NAME`. It is not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(pub String);

impl FromStr for ApiKey {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<ApiKey, ParseError> {
        let variable = match text {
            "env" => "OPENAI_API_KEY",
            _ => match text.strip_prefix("env:") {
                Some(name) => name,
                None => return Ok(ApiKey(text.to_owned())),
            },
        };
        std::env::var(variable).map(ApiKey).map_err(|_| ParseError::NoSuchVariable(variable.to_owned()))
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What a run may cost: tokens, time, money, any of them (`200k,5m,2usd`).
///
/// A bare number and one with `k` or `M` are tokens; one with `s`, `m`, `min` or `h` is time; one with `usd` is money.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Budget {
    pub tokens: Option<Tokens>,
    pub time: Option<Span>,
    pub usd: Option<f64>,
}

impl FromStr for Budget {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Budget, ParseError> {
        let mut budget = Budget::default();
        for part in text.split(',').map(str::trim) {
            let unread = || ParseError::Budget(part.to_owned());
            let is_time = part.ends_with(['s', 'h', 'm']) || part.ends_with("min");
            if let Some(usd) = part.strip_suffix("usd").or_else(|| part.strip_prefix('$')) {
                budget.usd = Some(usd.trim().parse().ok().filter(|usd| *usd >= 0.0).ok_or_else(unread)?);
            } else if is_time {
                budget.time = Some(part.parse().map_err(|_| unread())?);
            } else {
                budget.tokens = Some(part.parse().map_err(|_| unread())?);
            }
        }
        Ok(budget)
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            self.tokens.map(|tokens| tokens.to_string()),
            self.time.map(|time| time.to_string()),
            self.usd.map(|usd| format!("{usd}usd")),
        ];
        f.write_str(&parts.into_iter().flatten().collect::<Vec<_>>().join(","))
    }
}

/// A JSON object.
#[derive(Debug, Clone, PartialEq)]
pub struct Object(pub serde_json::Map<String, serde_json::Value>);

impl FromStr for Object {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Object, ParseError> {
        serde_json::from_str(text).map(Object).map_err(|error| ParseError::Object(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_and_printed() {
        for text in ["250ms", "1s", "5m", "2h", "1500us", "7ns", "0s"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
        assert_eq!("1.5s".parse::<Span>().unwrap().to_string(), "1500ms");
        assert_eq!("0".parse::<Span>().unwrap().0, Duration::ZERO);
        assert_eq!("0.1".parse::<Span>().unwrap().0, Duration::from_millis(100));
        for text in ["", "s", "1x", "-1s", "1e99s", "1..2s"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }

    #[test]
    fn tokens_are_read_and_printed() {
        for text in ["0", "50", "2k", "32k", "1M", "131072"] {
            assert_eq!(text.parse::<Tokens>().unwrap().to_string(), text);
        }
        assert_eq!("1.5k".parse::<Tokens>(), Ok(Tokens(1_500)));
        for text in ["", "k", "1.5", "-1", "inf", "1e3", "2g"] {
            assert!(text.parse::<Tokens>().is_err(), "{text}");
        }
    }

    #[test]
    fn shares_and_ratios_are_read_and_printed() {
        for text in ["5%", "0.5%", "100%"] {
            assert_eq!(text.parse::<Percent>().unwrap().to_string(), text);
        }
        assert_eq!("5".parse::<Percent>().unwrap().share(), 0.05);
        for text in ["1.5x", "2x"] {
            assert_eq!(text.parse::<Ratio>().unwrap().to_string(), text);
        }
        assert_eq!("1.5".parse(), Ok(Ratio(1.5)));
        for text in ["", "%", "0%", "-1%", "x", "0x", "inf", "NaN"] {
            assert!(text.parse::<Percent>().is_err() && text.parse::<Ratio>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_budget_is_any_of_tokens_time_and_money() {
        let budget: Budget = "200k,5m,2usd".parse().unwrap();
        assert_eq!(budget.tokens, Some(Tokens(200_000)));
        assert_eq!(budget.time, Some(Span(Duration::from_secs(300))));
        assert_eq!(budget.usd, Some(2.0));
        assert_eq!(budget.to_string(), "200k,5m,2usd");
        assert_eq!("1M".parse::<Budget>().unwrap().tokens, Some(Tokens(1_000_000)));
        assert!("much".parse::<Budget>().is_err());
    }

    #[test]
    fn secrets_are_not_printed() {
        let header: Header = "Authorization: Bearer abc".parse().unwrap();
        assert_eq!((header.name.as_str(), header.value.as_str()), ("Authorization", "Bearer abc"));
        assert!(!format!("{header:?}").contains("abc"));
        assert!(!format!("{:?}", "sk-abc".parse::<ApiKey>().unwrap()).contains("abc"));
        assert!(!"sk-abc".parse::<Header>().unwrap_err().to_string().contains("abc"));
    }
}

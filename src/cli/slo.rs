//! `--slo ttft:500ms,itl:50ms`: what a request has to keep for its user to be content.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::parse::Span;
use crate::clock::Nanos;

/// The limits of a request, each `None` where it does not matter. In JSON in nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Slo {
    /// From the scheduled moment where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttft_ns: Option<Nanos>,
    /// The longest gap between two token events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub itl_ns: Option<Nanos>,
    /// The mean time per token after the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tpot_ns: Option<Nanos>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub e2e_ns: Option<Nanos>,
}

impl Slo {
    /// Each limit with its name, in the order they are printed.
    fn limits(&mut self) -> [(&'static str, &mut Option<Nanos>); 4] {
        [("ttft", &mut self.ttft_ns), ("itl", &mut self.itl_ns), ("tpot", &mut self.tpot_ns), ("e2e", &mut self.e2e_ns)]
    }
}

impl FromStr for Slo {
    type Err = String;

    fn from_str(text: &str) -> Result<Slo, String> {
        let unread =
            || format!("\"{text}\" is no SLO; give limits of ttft, itl, tpot or e2e, such as ttft:500ms,itl:50ms");
        let mut slo = Slo::default();
        for part in text.split(',') {
            let (name, span) = part.split_once(':').ok_or_else(unread)?;
            let Span(limit) = span.trim().parse().map_err(|_| unread())?;
            let ns = u64::try_from(limit.as_nanos()).ok().filter(|ns| *ns > 0).ok_or_else(unread)?;
            let (_, known) = slo.limits().into_iter().find(|(known, _)| *known == name.trim()).ok_or_else(unread)?;
            if known.replace(ns).is_some() {
                return Err(unread());
            }
        }
        Ok(slo)
    }
}

impl fmt::Display for Slo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut slo = *self;
        let limits = slo.limits().into_iter().filter_map(|(name, ns)| Some((name, (*ns)?)));
        let words: Vec<String> =
            limits.map(|(name, ns)| format!("{name}:{}", Span(Duration::from_nanos(ns)))).collect();
        f.write_str(&words.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_slo_survives_being_printed() {
        for text in ["ttft:500ms", "ttft:1s,itl:50ms", "ttft:500ms,itl:50ms,tpot:30ms,e2e:20s"] {
            assert_eq!(text.parse::<Slo>().unwrap().to_string(), text);
        }
        assert_eq!("itl:50ms, ttft:2".parse::<Slo>().unwrap().to_string(), "ttft:2s,itl:50ms");
    }

    #[test]
    fn nothing_else_is_one() {
        for text in ["", "ttft", "ttft:", "ttft:0", "itl:1ms,itl:2ms", "latency:1s", "ttft:1s,"] {
            assert!(text.parse::<Slo>().is_err(), "{text}");
        }
    }
}

//! What a large run costs is said before anything is sent, and somebody has to agree.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use super::UsageError;
use crate::cli::PaceArgs;
use crate::cli::parse::Span;
use crate::endpoint::Endpoint;
use crate::progress::Voice;
use crate::report::units;

/// Prompt tokens above which a run is large.
const LARGE: u64 = 1_000_000;

/// A prefill rate to guess by, in tokens a second; the server's own is not known before it is measured.
const GUESSED_RATE: u64 = 10_000;

/// What a run sends at most.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    pub requests: u64,
    pub prompt_tokens: u64,
}

/// Says the cost and asks where the run is large or the server is another machine. A terminal is asked, a pipe refused.
///
/// # Errors
/// [`UsageError`] when nobody agreed.
pub fn ask(cost: Cost, pace: &PaceArgs, endpoint: &Endpoint, voice: Voice) -> anyhow::Result<()> {
    let is_remote = !endpoint.route.addresses().iter().all(|address| address.ip().is_loopback());
    let sentence = cost.sentence(pace);
    if pace.yes || !(is_remote || cost.prompt_tokens > LARGE) {
        voice.detail(&sentence);
        return Ok(());
    }
    let why = if is_remote { "the server is another machine" } else { "that is much" };
    let agrees = std::io::stdin().is_terminal() && std::io::stderr().is_terminal() && {
        // When stderr is gone nobody can answer, and the answer below is no.
        let _ = write!(anstream::stderr(), "{sentence}; {why}. Go on? [y/N] ");
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
    };
    match agrees {
        true => Ok(()),
        false => Err(UsageError(format!("{sentence}; {why}, so say --yes, or limit it with --budget")).into()),
    }
}

impl Cost {
    fn sentence(self, pace: &PaceArgs) -> String {
        let Cost { requests, prompt_tokens } = self;
        let gaps = pace.gap.0 * u32::try_from(requests).unwrap_or(u32::MAX);
        let whole_minutes = (gaps + Duration::from_secs(prompt_tokens / GUESSED_RATE)).as_secs().div_ceil(60);
        let minutes = Span(Duration::from_secs(60 * whole_minutes));
        let price = pace.price_per_mtok.map(|price| format!(", {:.2} usd", price * prompt_tokens as f64 / 1e6));
        format!(
            "this sends up to {} requests with {} prompt tokens, about {minutes} at {} tokens a second{}",
            units::count(requests),
            units::count(prompt_tokens),
            units::count(GUESSED_RATE),
            price.unwrap_or_default()
        )
    }
}

/// What has been spent of a `--budget`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Spent {
    pub prompt_tokens: u64,
    pub time: Duration,
}

impl Spent {
    /// Whether `more` prompt tokens would go beyond the budget, and which part of it is used up.
    pub fn is_enough(self, more: u64, pace: &PaceArgs) -> Option<&'static str> {
        let budget = pace.budget.as_ref()?;
        let tokens = self.prompt_tokens + more;
        let usd = pace.price_per_mtok.map(|price| price * tokens as f64 / 1e6);
        if budget.tokens.is_some_and(|most| tokens > most.0) {
            return Some("tokens");
        }
        if budget.time.is_some_and(|most| self.time >= most.0) {
            return Some("time");
        }
        budget.usd.zip(usd).is_some_and(|(most, usd)| usd > most).then_some("money")
    }
}

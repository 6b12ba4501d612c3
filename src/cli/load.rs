//! The arguments of `ttft load`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{ArgGroup, Args};

use super::SessionArgs;
use super::parse::{Percent, Span, Tokens};
use super::slo::Slo;

/// What the cache is worth while many requests are under way.
#[derive(Debug, Args)]
#[command(
    rename_all = "snake_case",
    args_override_self = true,
    group = ArgGroup::new("arrivals").args(["rate", "concurrency"]).required(true),
    group = ArgGroup::new("length").args(["requests", "duration"])
)]
pub struct LoadArgs {
    /// Requests a second, with Poisson arrivals: an open loop, as users are
    #[arg(long, value_name = "R", value_parser = rate, help_heading = "Load")]
    pub rate: Option<f64>,
    /// Requests under way at once: a closed loop, which measures its own concurrency
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000), conflicts_with = "duration", help_heading = "Load")]
    pub concurrency: Option<u64>,
    /// Requests in all [default: 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Load")]
    pub requests: Option<u64>,
    /// How long requests go out
    #[arg(long, value_name = "TIME", help_heading = "Load")]
    pub duration: Option<Span>,
    /// Share of the requests whose document is cached before the run; exact in every ten
    #[arg(long, value_name = "PERCENT", default_value = "50%", help_heading = "Load")]
    pub hit_share: Tenths,
    /// Documents that the hits come back to
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=1_000), help_heading = "Load")]
    pub hot_documents: u64,
    /// Tokens of each generated document
    #[arg(long, value_name = "TOKENS", default_value = "2k", help_heading = "Document")]
    pub context_tokens: Tokens,
    /// Question after the document
    #[arg(long, value_name = "TEXT", default_value = "Summarize this text", help_heading = "Document")]
    pub prompt: String,
    /// Limits that a request has to keep: ttft from its scheduled moment, itl as the longest gap, tpot, e2e. The goodput
    /// is what keeps them, and the exit code is 3 when too few do
    #[arg(long, value_name = "LIMITS", help_heading = "Load")]
    pub slo: Option<Slo>,
    /// Share of the requests that have to keep --slo
    #[arg(long, value_name = "PERCENT", default_value = "99%", help_heading = "Load")]
    pub slo_share: Percent,
    /// Keep the moment of every token in the log, not only the gaps' distribution
    #[arg(long, help_heading = "Output")]
    pub token_times: bool,
    /// Log, one line of JSON per request; cleared when the first request goes out
    #[arg(long, value_name = "LOG", default_value = "load.jsonl", help_heading = "Output")]
    pub out: PathBuf,
    #[command(flatten)]
    pub session: SessionArgs,
}

/// A share in whole tenths: `50%`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tenths(pub usize);

impl FromStr for Tenths {
    type Err = String;

    fn from_str(text: &str) -> Result<Tenths, String> {
        let percent: Option<usize> = text.strip_suffix('%').unwrap_or(text).trim().parse().ok();
        let tenths = percent.filter(|percent| percent % 10 == 0 && *percent <= 100).map(|percent| percent / 10);
        tenths
            .map(Tenths)
            .ok_or_else(|| format!("\"{text}\" is no share in whole tenths; give one such as 0%, 50% or 90%"))
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate: &f64| rate.is_finite() && *rate > 0.0 && *rate <= 100_000.0);
    rate.ok_or_else(|| format!("\"{text}\" is no rate; give requests a second above zero, such as 2.5"))
}

/// What `load` does otherwise than the classic run.
pub(super) fn defaults(load: clap::Command) -> clap::Command {
    let load = load.mut_arg("connection", |connection| connection.default_value("reuse"));
    load.mut_arg("gap", |gap| {
        gap.default_value("0").help("Pause of each stream between its requests, with --concurrency")
    })
}

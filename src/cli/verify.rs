//! The arguments of `ttft verify`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::SessionArgs;
use super::parse::{Object, Percent, Ratio, Tokens};
use super::tier::TierArgs;
use crate::stats::looks::Looks;

/// Whether the cache helps, by how much, and why that may be believed.
#[derive(Debug, Args)]
#[command(rename_all = "snake_case", args_override_self = true)]
pub struct VerifyArgs {
    /// Tokens of each generated document
    #[arg(long, value_name = "TOKENS", default_value = "2k", help_heading = "Document")]
    pub context_tokens: Tokens,
    /// Question after the document
    #[arg(long, value_name = "TEXT", default_value = "Summarize this text", help_heading = "Document")]
    pub prompt: String,
    /// Let the hit ask another question than the one its document was cached with, as conversations do
    #[arg(long, help_heading = "Document")]
    pub same_document_new_question: bool,
    /// What makes a document cold: new text, another cache_salt, or the server's reset; the last two need proof
    #[arg(long, value_enum, value_name = "HOW", default_value = "nonce", help_heading = "Document")]
    pub cold: ColdHow,
    /// Measure prompts that share so much of a cached document, in percent, as well
    #[arg(long, value_name = "0,25,50,75,100", value_delimiter = ',', value_parser = clap::value_parser!(u8).range(0..=100), help_heading = "Document")]
    pub shared: Vec<u8>,
    #[command(flatten)]
    pub tier: TierArgs,
    /// Fields that switch the cache off for a request, such as {"cache_prompt":false}: what storing costs is measured as well
    #[arg(long, value_name = "JSON", conflicts_with = "cache_off_log", help_heading = "Verdict")]
    pub cache_off: Option<Object>,
    /// Log of verify against the same server with its cache off: what storing costs is taken from it
    #[arg(long, value_name = "LOG", help_heading = "Verdict")]
    pub cache_off_log: Option<PathBuf>,
    /// Half width of the interval at which the ratio is known well enough [default: 5%; 12% at 10x, 22% at 50x]
    #[arg(long, value_name = "PERCENT", conflicts_with = "quick", help_heading = "Verdict")]
    pub precision: Option<Percent>,
    /// Be content with 10%; 26% at 10x, 48% at 50x
    #[arg(long, help_heading = "Verdict")]
    pub quick: bool,
    /// Most pairs; looks are at 10, 20, 40, 80 and 160 of them
    #[arg(long, value_name = "N", default_value_t = Looks::MAX as u64, value_parser = clap::value_parser!(u64).range(1..=Looks::MAX as u64), help_heading = "Verdict")]
    pub max_pairs: u64,
    /// Ratio that the cache has to reach: 0 when the interval lies above it, 3 when below, else 4
    #[arg(long, value_name = "RATIO", help_heading = "Verdict")]
    pub expect: Option<Ratio>,
    /// Leave out the short selftest before the run, below whose error no effect is reported
    #[arg(long, help_heading = "Verdict")]
    pub no_selftest: bool,
    /// Log, one line of JSON per request; cleared when the first request goes out
    #[arg(long, value_name = "LOG", default_value = "verify.jsonl", help_heading = "Output")]
    pub out: PathBuf,
    #[command(flatten)]
    pub session: SessionArgs,
}

/// What makes a document cold. Doc comments on the values would spread every flag's help over three lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum ColdHow {
    // New text from the nonce, from the first word on
    Nonce,
    // One text with another cache_salt each time, believed only when a canary with another salt comes back cold
    Salt,
    // One document and the server's reset endpoint, believed only when a canary comes back cold
    Reset,
}

/// What `verify` does otherwise than the classic run.
pub(super) fn defaults(verify: clap::Command) -> clap::Command {
    verify.mut_arg("gap", |gap| gap.default_value("250ms")).mut_arg("max_tokens", |tokens| tokens.default_value("4"))
}

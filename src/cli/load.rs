//! The arguments of `ttft load`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::ArgPredicate;
use clap::{ArgGroup, Args, ValueEnum};

use super::SessionArgs;
use super::parse::{Percent, Span, Tokens};
use super::rates::Rates;
use super::slo::Slo;

/// What the cache is worth while many requests are under way.
#[derive(Debug, Args)]
#[command(
    rename_all = "snake_case",
    args_override_self = true,
    group = ArgGroup::new("when").args(["rate", "concurrency", "trace", "find_knee"]).required(true).multiple(true),
    group = ArgGroup::new("length").args(["requests", "duration"])
)]
pub struct LoadArgs {
    /// Requests a second, an open loop, as users are; 1..10:60s is a ramp, 2:30s,4:30s are steps
    #[arg(long, value_name = "RATE", help_heading = "Load")]
    pub rate: Option<Rates>,
    /// Requests under way at once: a closed loop, which measures its own concurrency
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000), conflicts_with_all = ["rate", "duration"], help_heading = "Load")]
    pub concurrency: Option<u64>,
    /// Find the rate from which on requests queue up: a burst for what the server gets through, then an open loop at 50 to
    /// 95 % of it; with --slo also the highest rate that keeps it, with the cache and without
    #[arg(long, conflicts_with_all = ["rate", "concurrency", "trace", "shard", "start_at", "barrier"], help_heading = "Load")]
    pub find_knee: bool,
    /// Requests under way at once in the burst of --find_knee [default: 64]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(2..=10_000), help_heading = "Load")]
    pub streams: Option<u64>,
    /// How arrivals follow each other, with --rate
    #[arg(long, value_enum, default_value = "poisson", conflicts_with = "concurrency", help_heading = "Load")]
    pub arrivals: ArrivalsKind,
    /// Shape of gamma gaps between arrivals: 1 is Poisson, less is burstier, more is steadier
    #[arg(long, value_name = "SHAPE", value_parser = shape, conflicts_with_all = ["concurrency", "arrivals"], help_heading = "Load")]
    pub burstiness: Option<f64>,
    /// Requests in all [default: 100, or what the spans of --rate hold], or at each level of --find_knee [default: 200 or
    /// 60s, whichever is more, and as many as --slo needs]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Load")]
    pub requests: Option<u64>,
    /// How long requests go out, in all or at each level of --find_knee
    #[arg(long, value_name = "TIME", help_heading = "Load")]
    pub duration: Option<Span>,
    /// What is asked
    #[arg(long, value_enum, value_name = "NAME", default_value = "mix", help_heading = "Workload")]
    pub workload: WorkloadKind,
    /// Share of the requests whose document is cached before the run; exact in every ten (mix) [default: 50%]
    #[arg(long, value_name = "PERCENT", help_heading = "Workload")]
    pub hit_share: Option<Tenths>,
    /// Documents that requests come back to (mix 4, shared_prefix 8, long_doc_qa 10, rag 32)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000), help_heading = "Workload")]
    pub documents: Option<u64>,
    /// How much more popular the first documents are: 0 not at all (shared_prefix, rag) [default: 1]
    #[arg(long, value_name = "EXPONENT", value_parser = exponent, help_heading = "Workload")]
    pub zipf: Option<f64>,
    /// Turns of a conversation (chat) [default: 4]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000), help_heading = "Workload")]
    pub turns: Option<u64>,
    /// Mean time from an answer to the next turn (chat, and conversations of a trace) [default: 5s]
    #[arg(long, value_name = "TIME", help_heading = "Workload")]
    pub think: Option<Span>,
    /// Questions about each document (long_doc_qa) [default: 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000), help_heading = "Workload")]
    pub questions: Option<u64>,
    /// Order of the questions: all documents in turn, one after the other, any (long_doc_qa) [default: tile]
    #[arg(long, value_enum, value_name = "ORDER", help_heading = "Workload")]
    pub order: Option<OrderKind>,
    /// Documents that come with a question and are --context_tokens together (rag) [default: 4]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000), help_heading = "Workload")]
    pub retrieved: Option<u64>,
    /// Tokens of a question's own text (shared_prefix, chat, long_doc_qa, rag) [default: 64]
    #[arg(long, value_name = "TOKENS", help_heading = "Workload")]
    pub question_tokens: Option<Tokens>,
    /// Replay this trace instead: Mooncake, Qwen-Bailian, Weka, Azure, BurstGPT or ShareGPT, with its own answers' lengths
    #[arg(long, value_name = "FILE", conflicts_with = "workload", help_heading = "Trace")]
    pub trace: Option<PathBuf>,
    /// How many times as fast as it was recorded [default: 1]
    #[arg(long, value_name = "FACTOR", value_parser = factor, requires = "trace", help_heading = "Trace")]
    pub time_scale: Option<f64>,
    /// Requests of the trace that are read, or its conversations
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), requires = "trace", help_heading = "Trace")]
    pub max_requests: Option<u64>,
    /// How often it is replayed, each time with other texts [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), requires = "trace", help_heading = "Trace")]
    pub loops: Option<u64>,
    /// Tokens that an id of the trace stands for, where not as usual
    #[arg(long, value_name = "TOKENS", requires = "trace", help_heading = "Trace")]
    pub trace_block: Option<Tokens>,
    /// Tokens of each generated document
    #[arg(long, value_name = "TOKENS", default_value = "2k", help_heading = "Document")]
    pub context_tokens: Tokens,
    /// Question after the document
    #[arg(long, value_name = "TEXT", default_value = "Summarize this text", help_heading = "Document")]
    pub prompt: String,
    /// Limits that a request has to keep: ttft from its scheduled moment, itl as the longest gap, tpot, e2e. The goodput
    /// is what keeps them, and the exit code is 3 when too few do (with --find_knee, when the cache takes requests away)
    #[arg(long, value_name = "LIMITS", help_heading = "Load")]
    pub slo: Option<Slo>,
    /// Share of the requests that have to keep --slo
    #[arg(long, value_name = "PERCENT", default_value = "99%", help_heading = "Load")]
    pub slo_share: Percent,
    /// Keep the moment of every token in the log, not only the gaps' distribution
    #[arg(long, help_heading = "Output")]
    pub token_times: bool,
    /// Part of the one schedule that this process sends, from 0; without it a Slurm step, Open MPI or torchrun tells
    #[arg(long, value_name = "I/N", help_heading = "Machines")]
    pub shard: Option<String>,
    /// Begin at this moment of the wall clock: RFC 3339, or seconds since 1970
    #[arg(long, value_name = "TIME", conflicts_with = "barrier", help_heading = "Machines")]
    pub start_at: Option<String>,
    /// Begin when all shards are ready, by this file on a path that they share
    #[arg(long, value_name = "FILE", help_heading = "Machines")]
    pub barrier: Option<PathBuf>,
    /// Leave out the short selftest before the run, below whose error no effect is reported
    #[arg(long, help_heading = "Load")]
    pub no_selftest: bool,
    /// Log, one line of JSON per request; cleared when the first request goes out; several shards put their number into it
    #[arg(long, value_name = "LOG", default_value = "load.jsonl", help_heading = "Output")]
    pub out: PathBuf,
    #[command(flatten)]
    pub session: SessionArgs,
}

/// How arrivals follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ArrivalsKind {
    Poisson,
    Constant,
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum WorkloadKind {
    // A hit share that is exact in every ten requests
    Mix,
    // Each document cold, then at once again
    Classic,
    // Groups with a prefix each, popular after Zipf
    SharedPrefix,
    // Conversations of several turns
    Chat,
    // Several questions about each of several long documents
    LongDocQa,
    // Questions with documents of a corpus in any order
    Rag,
}

/// In which order documents are asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OrderKind {
    Tile,
    Interleave,
    Random,
}

/// A share in whole tenths: `50%`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tenths(pub u64);

impl FromStr for Tenths {
    type Err = String;

    fn from_str(text: &str) -> Result<Tenths, String> {
        let percent: Option<u64> = text.strip_suffix('%').unwrap_or(text).trim().parse().ok();
        let tenths = percent.filter(|percent| percent % 10 == 0 && *percent <= 100).map(|percent| percent / 10);
        tenths
            .map(Tenths)
            .ok_or_else(|| format!("\"{text}\" is no share in whole tenths; give one such as 0%, 50% or 90%"))
    }
}

fn shape(text: &str) -> Result<f64, String> {
    let shape = text.parse().ok().filter(|shape: &f64| (0.01..=1_000.0).contains(shape));
    shape.ok_or_else(|| format!("\"{text}\" is no shape; give one from 0.01 to 1000, such as 0.5"))
}

fn exponent(text: &str) -> Result<f64, String> {
    let exponent = text.parse().ok().filter(|exponent: &f64| (0.0..=10.0).contains(exponent));
    exponent.ok_or_else(|| format!("\"{text}\" is no exponent; give one from 0 to 10, such as 1"))
}

fn factor(text: &str) -> Result<f64, String> {
    let factor = text.parse().ok().filter(|factor: &f64| (1e-3..=1e6).contains(factor));
    factor.ok_or_else(|| format!("\"{text}\" is no factor; give one from 0.001 to 1000000, such as 10"))
}

/// What `load` does otherwise than the classic run.
pub(super) fn defaults(load: clap::Command) -> clap::Command {
    let load = load.mut_arg("connection", |connection| connection.default_value("reuse"));
    // A trace has its own lengths of answers, which a flag may still cut.
    let load =
        load.mut_arg("max_tokens", |tokens| tokens.default_value_if("trace", ArgPredicate::IsPresent, "1000000"));
    load.mut_arg("gap", |gap| {
        gap.default_value("0").help("Pause of each stream between its requests, with --concurrency")
    })
}

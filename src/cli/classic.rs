//! The flags of the classic benchmark: `ttft run`, the same at several sizes (`ttft sweep`) and with several questions
//! (`ttft prompts`).

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::SessionArgs;
use super::parse::Tokens;
use super::sizes::Sizes;
use super::tier::TierArgs;

/// The classic benchmark.
#[derive(Debug, Args)]
#[command(rename_all = "snake_case", args_override_self = true)]
pub struct RunArgs {
    /// Document before the prompt: a file; without a path ffmpeg.txt; absent, synthetic text
    #[arg(short = 'C', long, value_name = "PATH", num_args = 0..=1, help_heading = "Document")]
    pub context_file: Option<Option<OsString>>,
    /// Most tokens of document, after truncation
    #[arg(long, value_name = "TOKENS", default_value = "131072", help_heading = "Document")]
    pub max_ctx_tokens: Tokens,
    /// Question after the document
    #[arg(long, value_name = "TEXT", default_value = "Summarize this text", help_heading = "Document")]
    pub prompt: String,
    /// Requests after the baseline
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Run")]
    pub num_following: u64,
    /// Flush the server's KV cache once, after run 1
    #[arg(short = 'F', long, help_heading = "Run")]
    pub flush_cache: bool,
    /// How to flush, and flush: ten fillers, the server's reset, or fillers until a document known to be cached is gone
    #[arg(long, value_name = "HOW", help_heading = "Run")]
    pub flush: Option<FlushHow>,
    #[command(flatten)]
    pub tier: TierArgs,
    /// Throw-away documents sent first
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Run")]
    pub warmup: u64,
    /// Print every moment of each request, and which of them other tools call TTFT
    #[arg(long, help_heading = "Output")]
    pub ladder: bool,
    /// Log, one line of JSON per request; cleared when the first request goes out
    #[arg(long, value_name = "LOG", default_value = "benchmark.jsonl", help_heading = "Output")]
    pub out: PathBuf,
    #[command(flatten)]
    pub session: SessionArgs,
}

/// How a cache is flushed. Doc comments on the values would spread every flag's help over three lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum FlushHow {
    // Ten different fillers
    Filler,
    // The server's reset endpoint, believed only when a canary comes back cold
    Reset,
    // Fillers until a canary comes back cold, at most 32
    UntilEvicted,
}

impl RunArgs {
    /// How to flush between run 1 and run 2; `None` when nobody asked.
    pub fn flushes(&self) -> Option<FlushHow> {
        let asked = self.flush_cache || self.tier.tier.is_some();
        self.flush.or(asked.then_some(FlushHow::Filler)).filter(|_| self.num_following > 0)
    }
}

/// The classic benchmark at several document sizes.
#[derive(Debug, Args)]
#[command(rename_all = "snake_case", args_override_self = true)]
pub struct SweepArgs {
    /// Document before the prompt: a file; without a path ffmpeg.txt; absent, synthetic text
    #[arg(short = 'C', long, value_name = "PATH", num_args = 0..=1, help_heading = "Document")]
    pub context_file: Option<Option<OsString>>,
    /// Sizes of the document in tokens, such as 1000,8k or 1k..32k*2
    #[arg(
        long,
        value_name = "SIZES",
        default_value = "50,1000,2000,8000,16000,24000,32000,64000,96000,128000",
        help_heading = "Document"
    )]
    pub context_sizes: Sizes,
    /// Put no nonce line before the document and make all sizes of one text: each cold then begins with the size before
    #[arg(long, help_heading = "Document")]
    pub no_nonce: bool,
    /// Question after the document
    #[arg(long, value_name = "TEXT", default_value = "Summarize this text", help_heading = "Document")]
    pub prompt: String,
    /// Requests after the baseline, at each size
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Run")]
    pub num_following: u64,
    /// Measure randomised pairs at each size, and from which size on a hit pays
    #[arg(long, conflicts_with_all = ["context_file", "no_nonce", "num_following", "append"], help_heading = "Verdict")]
    pub verify: bool,
    /// Pairs at each size, with --verify
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=1_000), requires = "verify", help_heading = "Verdict")]
    pub pairs: u64,
    /// Log of all sizes; the log of each size, ttft_SIZE.jsonl, lies beside it
    #[arg(long, value_name = "LOG", default_value = "all_ttft_results.jsonl", help_heading = "Output")]
    pub out: PathBuf,
    /// Keep what the log of all sizes holds, and leave out the sizes that it has
    #[arg(long, conflicts_with = "append", help_heading = "Output")]
    pub resume: bool,
    /// Keep what the log of all sizes holds, and measure every size again
    #[arg(long, help_heading = "Output")]
    pub append: bool,
    #[command(flatten)]
    pub session: SessionArgs,
}

/// What a hit saves, question by question.
#[derive(Debug, Args)]
#[command(rename_all = "snake_case", args_override_self = true)]
pub struct PromptsArgs {
    /// Document before the prompts: a file; without a path or absent, ffmpeg.txt
    #[arg(short = 'C', long, value_name = "PATH", num_args = 0..=1, help_heading = "Document")]
    pub context_file: Option<Option<OsString>>,
    /// Most tokens of document, after truncation
    #[arg(long, value_name = "TOKENS", default_value = "1000", help_heading = "Document")]
    pub max_ctx_tokens: Tokens,
    /// Put no nonce line before the document: then the first request alone is cold
    #[arg(long, help_heading = "Document")]
    pub no_nonce: bool,
    /// Prompts to compare, one a line, with its type and a tab before it or without; else the five recommended ones
    #[arg(long, value_name = "PATH", help_heading = "Document")]
    pub prompts_file: Option<PathBuf>,
    /// Pairs of a cold and a hit, for each prompt
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(10..=1_000), help_heading = "Run")]
    pub pairs: u64,
    /// Log, one line of JSON per request; cleared when the first request goes out
    #[arg(long, value_name = "LOG", default_value = "prompts.jsonl", help_heading = "Output")]
    pub out: PathBuf,
    #[command(flatten)]
    pub session: SessionArgs,
}

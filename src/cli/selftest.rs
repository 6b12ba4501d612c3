//! The arguments of `ttft selftest`.

use clap::Args;

use super::parse::Span;

/// How far off this client's own times are, on this machine, now.
#[derive(Debug, Args)]
#[command(rename_all = "snake_case", args_override_self = true)]
pub struct SelftestArgs {
    /// Requests of each line of the table
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u64).range(10..=100_000))]
    pub requests: u64,
    /// Streams at once, beside a single one
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u64).range(2..=1_000))]
    pub streams: u64,
    /// Time to first token of the server that is measured
    #[arg(long, value_name = "TIME", default_value = "10ms")]
    pub delay: Span,
}

//! The arguments of `ttft compare`.

use clap::Args;

use super::parse::Percent;
use super::report::LogArg;

/// One log against another.
#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub struct CompareArgs {
    /// Log of the state before; LABEL= names it
    #[arg(value_name = "[LABEL=]BEFORE")]
    pub before: LogArg,
    /// Log of the state after
    #[arg(value_name = "[LABEL=]AFTER")]
    pub after: LogArg,
    /// Exit with 3 when any interval lies above this much more time, with 4 when one reaches above it
    #[arg(long, value_name = "PERCENT")]
    pub fail_if_slower: Option<Percent>,
}

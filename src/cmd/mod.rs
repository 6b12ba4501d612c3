//! The commands, a file each: from arguments to an exit code. Nothing else writes to stdout.

pub mod compare;
pub mod report;
pub mod sim;

/// The command line was understood and makes no sense.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

//! The commands, a file each: from arguments to an exit code. Nothing else writes to stdout.

pub mod sim;

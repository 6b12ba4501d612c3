//! `ttft compare`: what changed from one log to another.

use std::io::Write;

use super::report::read;
use crate::cli::compare::CompareArgs;
use crate::exit::Exit;
use crate::report::compare::Compared;
use crate::report::data::Data;
use crate::report::text;

/// Reads two logs and prints the second against the first.
///
/// # Errors
/// A log that cannot be read.
pub fn run(args: &CompareArgs) -> anyhow::Result<Exit> {
    let data = Data::of(vec![read(&args.before)?, read(&args.after)?]);
    let compared = Compared::of(&data);
    let written = text::write(&compared.report(&data));
    let mut out = std::io::stdout().lock();
    // That nobody reads any more is no failure.
    let _ = out.write_all(written.as_bytes()).and_then(|()| out.flush());
    Ok(compared.exit(args.fail_if_slower.map(|percent| percent.share())))
}

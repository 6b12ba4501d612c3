//! `ttft compare`: what changed from one log to another.

use super::print;
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
    print(&text::write(&compared.report(&data)));
    Ok(compared.exit(args.fail_if_slower.map(|percent| percent.share())))
}

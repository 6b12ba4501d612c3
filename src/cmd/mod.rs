//! The commands, a file each: from arguments to an exit code. Nothing else writes to stdout.

mod advice;
mod cache_off;
mod canary;
mod compare;
mod consent;
mod counters;
mod doctor;
mod document;
mod flush;
mod generate;
mod journal;
mod load;
mod map;
mod open;
mod progress_of_pairs;
mod prompts;
mod report;
mod run;
mod selftest;
mod setup;
mod sim;
mod sweep;
mod tier;
mod verify;

use std::ffi::OsString;
use std::io::Write;

use crate::cli::{self, Command};
use crate::exit::Exit;
use crate::progress;

/// The command line was understood and makes no sense.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// Runs the command that `argv` asks for.
pub fn main(argv: &[OsString]) -> Exit {
    let shown = cli::shown(argv);
    let cli = match cli::parse(argv.iter().cloned()) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to stdout and are no failure.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Ok };
        }
    };
    let done = match cli.command {
        None => run::run(cli.run, shown),
        Some(Command::Run(args)) => run::run(args, shown),
        Some(Command::Sweep(args)) => sweep::run(args, shown),
        Some(Command::Prompts(args)) => prompts::run(args, shown),
        Some(Command::Verify(args)) => verify::run(args, shown),
        Some(Command::Load(args)) => load::run(*args, shown),
        Some(Command::Selftest(args)) => selftest::run(&args),
        Some(Command::Map(args)) => map::run(args, shown),
        Some(Command::Sim(args)) => sim::run(&args),
        Some(Command::Report(args)) => report::run(&args),
        Some(Command::Compare(args)) => compare::run(&args),
        Some(Command::Doctor(args)) => doctor::run(&args),
        Some(Command::Generate(args)) => generate::run(&args),
    };
    done.unwrap_or_else(|error| {
        progress::error(&format!("{error:#}"));
        if error.is::<UsageError>() { Exit::Usage } else { Exit::Failed }
    })
}

/// Writes to stdout. That nobody reads any more is no failure of the measurement.
fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

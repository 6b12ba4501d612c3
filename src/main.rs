//! Parse, dispatch, exit.

use std::io::Write;

use ttft::cli::{self, Command};
use ttft::cmd;
use ttft::exit::Exit;

fn main() -> Exit {
    let cli = cli::parse(std::env::args_os()).unwrap_or_else(|error| error.exit());
    let done = match &cli.command {
        Some(Command::Sim(args)) => cmd::sim::run(args),
        Some(Command::Compare(args)) => cmd::compare::run(args),
        _ => Err(anyhow::anyhow!("this build serves the simulated endpoint only: ttft sim")),
    };
    done.unwrap_or_else(|error| {
        // Without stderr there is nobody to tell.
        let _ = writeln!(std::io::stderr(), "ttft: {error:#}");
        Exit::Failed
    })
}

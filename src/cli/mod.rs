//! The command line, said once: parser, help, man page and completions come from these definitions.
//!
//! Long flags are spelt with underscores; [`command`] adds the dashed spelling of each as an alias.

mod classic;
pub mod compare;
pub mod doctor;
pub mod load;
pub mod map;
pub mod parse;
pub mod rates;
pub mod report;
pub mod selftest;
mod session;
mod shown;
mod sim;
pub mod sizes;
pub mod slo;
pub mod tier;
pub mod verify;

use std::ffi::OsString;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

pub use classic::{FlushHow, PromptsArgs, RunArgs, SweepArgs};
pub use session::{
    Api, Color, ConnectionMode, EndpointArgs, OutputArgs, PaceArgs, Schema, SessionArgs, Stamps, TokenArgs,
};
pub use shown::shown;
pub use sim::SimArgs;

/// Measures time to first token, cold and on a cache hit, of any server that speaks the OpenAI API.
#[derive(Debug, Parser)]
#[command(
    name = "ttft",
    version,
    about = "Measures what a KV cache does for an LLM server: time to first token, cold and on a hit",
    after_help = "Exit codes: 0 ok or helps, 1 could not run, 2 usage, 3 no effect or a gate missed, 4 inconclusive or \
                  nothing measured, 130 interrupted.",
    args_conflicts_with_subcommands = true,
    args_override_self = true,
    rename_all = "snake_case"
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub run: RunArgs,
}

#[derive(Debug, Subcommand)]
#[command(rename_all = "snake_case")]
pub enum Command {
    /// The classic benchmark: a document cold, then again; the same as ttft without a command
    Run(RunArgs),
    /// The classic benchmark at several document sizes, each with its own log and all of them in one
    Sweep(SweepArgs),
    /// What a hit saves for each of several prompts, with a rating
    Prompts(PromptsArgs),
    /// Does the cache help? Randomised pairs, an interval, a control, and the proof
    Verify(verify::VerifyArgs),
    /// What the cache is worth under load: arrivals on a schedule, a known share of hits
    Load(Box<load::LoadArgs>),
    /// How far off this client's own times are, and the smallest effect that can be seen from here
    Selftest(selftest::SelftestArgs),
    /// The anatomy of a KV cache: block size, capacity, tiers, policy, lifetime, sharing, replicas
    Map(map::MapArgs),
    /// Serve the bundled simulated endpoint until Ctrl-C
    Sim(SimArgs),
    /// Show logs: text, Markdown, CSV, JSON, a page, a picture
    Report(report::ReportArgs),
    /// What changed from one log to another, with a gate
    Compare(compare::CompareArgs),
    /// One page on a server: what it tells, what is missing, and how to switch it on
    Doctor(doctor::DoctorArgs),
    /// Print a man page or a shell's completions
    Generate(GenerateArgs),
}

/// What to print.
#[derive(Debug, Args)]
pub struct GenerateArgs {
    #[arg(value_enum)]
    pub what: Generated,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Generated {
    Man,
    Bash,
    Zsh,
    Fish,
    Powershell,
}

/// The command line's definition, with the dashed spelling of every flag.
pub fn command() -> clap::Command {
    let command = Cli::command().mut_subcommand("verify", verify::defaults).mut_subcommand("map", map::defaults);
    with_dashes(command.mut_subcommand("load", load::defaults))
}

/// Parses a command line.
///
/// # Errors
/// clap's, which print themselves: usage, help and version.
pub fn parse(argv: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let matches = command().try_get_matches_from(argv)?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command()))
}

fn with_dashes(command: clap::Command) -> clap::Command {
    let command = command.mut_args(|arg| match arg.get_long().filter(|long| long.contains('_')) {
        Some(long) => {
            let dashed = long.replace('_', "-");
            arg.alias(dashed)
        }
        None => arg,
    });
    command.mut_subcommands(with_dashes)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::parse::{ApiKey, Tokens};
    use super::*;

    fn parsed(args: &str) -> RunArgs {
        let argv = std::iter::once("ttft").chain(args.split_whitespace()).map(|arg| match arg {
            "''" => OsString::new(),
            arg => OsString::from(arg),
        });
        let cli = parse(argv).unwrap_or_else(|error| panic!("{error}"));
        match cli.command {
            Some(Command::Run(run)) => run,
            None => cli.run,
            Some(other) => panic!("{other:?}"),
        }
    }

    fn file(path: &str) -> Option<Option<OsString>> {
        Some(Some(OsString::from(path)))
    }

    #[test]
    fn the_definitions_are_sound() {
        command().debug_assert();
    }

    #[test]
    fn the_document_has_three_forms() {
        assert_eq!(parsed("").context_file, None);
        assert_eq!(parsed("--context_file").context_file, Some(None));
        assert_eq!(parsed("-C --num_following 3").context_file, Some(None));
        assert_eq!(parsed("--context_file ''").context_file, file(""));
        assert_eq!(parsed("--context_file=").context_file, file(""));
        assert_eq!(parsed("-C war_and_peace.txt").context_file, file("war_and_peace.txt"));
    }

    #[test]
    fn a_port_may_stand_anywhere() {
        for args in ["8001", "-C war_and_peace.txt 8001", "8001 --num_following 2", "run 8001", "-F 8001"] {
            assert_eq!(parsed(args).session.port, Some(8001), "{args}");
        }
        assert_eq!(parsed("-C war_and_peace.txt 8001").context_file, file("war_and_peace.txt"));
    }

    #[test]
    fn both_spellings_mean_the_same_and_the_last_one_counts() {
        assert_eq!(parsed("--max-ctx-tokens 1000").max_ctx_tokens, Tokens(1_000));
        assert_eq!(parsed("--max_ctx_tokens 1k --max-ctx-tokens 2k").max_ctx_tokens, Tokens(2_000));
        assert_eq!(parsed("run --num-following=4").num_following, 4);
    }

    #[test]
    fn the_defaults_are_those_of_the_contract() {
        let run = parsed("");
        assert_eq!(run.session.endpoint.api_base, "http://localhost:8000/v1");
        assert_eq!(run.session.endpoint.api_key, ApiKey("EMPTY".to_owned()));
        assert_eq!(run.session.endpoint.model, None);
        assert_eq!((run.max_ctx_tokens, run.num_following, run.warmup), (Tokens(131_072), 1, 0));
        assert_eq!(run.prompt, "Summarize this text");
        assert_eq!(run.out, PathBuf::from("benchmark.jsonl"));
        assert_eq!((run.session.pace.gap.to_string(), run.session.pace.max_tokens), ("1s".to_owned(), 16));
        assert_eq!(run.session.endpoint.connection, ConnectionMode::Fresh);
        assert!(!run.flush_cache);
    }

    #[test]
    fn sim_takes_its_profile_behind_an_equals_sign_only() {
        assert_eq!(parsed("--sim").session.endpoint.sim.as_deref(), Some(""));
        assert_eq!(parsed("--sim=70b").session.endpoint.sim.as_deref(), Some("70b"));
        assert_eq!(parsed("--sim 8001").session.port, Some(8001));
    }
}

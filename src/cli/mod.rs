//! The command line, said once: parser, help, man page and completions come from these definitions.
//!
//! Long flags are spelt with underscores; [`command`] adds the dashed spelling of each as an alias.

mod classic;
pub mod compare;
pub mod doctor;
pub mod load;
pub mod map;
pub mod parse;
pub mod report;
pub mod selftest;
pub mod sizes;
pub mod verify;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use parse::{ApiKey, Budget, Header, Object, Span, Tokens};

pub use classic::{PromptsArgs, SweepArgs};

use crate::rng::Nonce;

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
    Load(load::LoadArgs),
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
    /// Throw-away documents sent first
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Run")]
    pub warmup: u64,
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
        self.flush.or(self.flush_cache.then_some(FlushHow::Filler)).filter(|_| self.num_following > 0)
    }
}

/// What every measuring command takes: the server, the pace, the tokens, the output.
#[derive(Debug, Clone, Args)]
#[command(rename_all = "snake_case")]
pub struct SessionArgs {
    /// Port on localhost, short for --api_base http://localhost:PORT/v1
    #[arg(value_name = "PORT", conflicts_with = "api_base")]
    pub port: Option<u16>,
    #[command(flatten)]
    pub pace: PaceArgs,
    #[command(flatten)]
    pub tokens: TokenArgs,
    #[command(flatten)]
    pub endpoint: EndpointArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// How requests follow each other.
#[derive(Debug, Clone, Args)]
#[command(rename_all = "snake_case")]
pub struct PaceArgs {
    /// Pause between requests
    #[arg(long, value_name = "TIME", default_value = "1s", help_heading = "Run")]
    pub gap: Span,
    /// Most tokens of each answer
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..), help_heading = "Run")]
    pub max_tokens: u64,
    /// Random number the generated text is made from, to repeat a run; without it a fresh one
    #[arg(long, value_name = "HEX", help_heading = "Run")]
    pub nonce: Option<Nonce>,
    /// Seed of whatever order and arrivals are random; without it the nonce decides
    #[arg(long, value_name = "N", help_heading = "Run")]
    pub seed: Option<u64>,
    /// Stop when so much has been spent: tokens, time, money
    #[arg(long, value_name = "200k,5m,2usd", help_heading = "Run")]
    pub budget: Option<Budget>,
    /// Price of a million prompt tokens, in US dollars
    #[arg(long, value_name = "USD", help_heading = "Run")]
    pub price_per_mtok: Option<f64>,
    /// Do not ask before a run that is large or goes to another machine
    #[arg(long, help_heading = "Run")]
    pub yes: bool,
}

/// How tokens are counted.
#[derive(Debug, Clone, Args)]
#[command(rename_all = "snake_case")]
pub struct TokenArgs {
    /// Count tokens with this tokenizer.json, instead of the server's /tokenize
    #[arg(long, value_name = "PATH", help_heading = "Document")]
    pub tokenizer: Option<PathBuf>,
    /// The model's context, where the server does not tell
    #[arg(long, value_name = "TOKENS", help_heading = "Document")]
    pub model_ctx: Option<Tokens>,
}

/// The server and how it is reached.
#[derive(Debug, Clone, Args)]
#[command(rename_all = "snake_case")]
pub struct EndpointArgs {
    /// URL of the OpenAI-style endpoint
    #[arg(long, value_name = "URL", default_value = "http://localhost:8000/v1", help_heading = "Server")]
    pub api_base: String,
    /// Key sent as a bearer token; env reads OPENAI_API_KEY, env:NAME another
    #[arg(long, value_name = "KEY", default_value = "EMPTY", hide_default_value = false, help_heading = "Server")]
    pub api_key: ApiKey,
    /// Model id; without it the first of /models
    #[arg(long, value_name = "ID", help_heading = "Server")]
    pub model: Option<String>,
    /// Use the bundled simulated endpoint instead of a server
    #[arg(long, value_name = "PROFILE", num_args = 0..=1, require_equals = true, default_missing_value = "", help_heading = "Server")]
    pub sim: Option<String>,
    /// API to speak; completions suits base models without a chat template
    #[arg(long, value_enum, default_value = "chat", help_heading = "Server")]
    pub endpoint: Api,
    /// One more header on every request
    #[arg(long, value_name = "NAME:VALUE", action = ArgAction::Append, help_heading = "Server")]
    pub header: Vec<Header>,
    /// JSON object merged into every request's body
    #[arg(long, value_name = "JSON", help_heading = "Server")]
    pub extra_body: Option<Object>,
    /// Longest wait for a token
    #[arg(long, value_name = "TIME", default_value = "10m", help_heading = "Server")]
    pub timeout: Span,
    /// Wait this long for a server that is still loading
    #[arg(long, value_name = "TIME", help_heading = "Server")]
    pub wait: Option<Span>,
    /// A connection per request, opened before the clock, or one for all
    #[arg(long, value_enum, default_value = "fresh", help_heading = "Server")]
    pub connection: ConnectionMode,
    /// Trust the certificates of this PEM file, and no others
    #[arg(long, value_name = "PEM", conflicts_with = "insecure", help_heading = "Server")]
    pub ca_file: Option<PathBuf>,
    /// Do not check the server's certificate
    #[arg(long, help_heading = "Server")]
    pub insecure: bool,
    /// Reach the server through this proxy's CONNECT; the environment's proxies are not used
    #[arg(long, value_name = "URL", help_heading = "Server")]
    pub proxy: Option<String>,
    /// Where receive stamps come from
    #[arg(long, value_enum, default_value = "kernel", help_heading = "Server")]
    pub stamps: Stamps,
}

/// What is written, and where.
#[derive(Debug, Clone, Args)]
#[command(rename_all = "snake_case")]
pub struct OutputArgs {
    /// Keys of the log: all, or the three of the classic schema
    #[arg(long, value_enum, default_value = "full", help_heading = "Output")]
    pub schema: Schema,
    /// Keep every request and answer in this folder
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub keep_wire: Option<PathBuf>,
    /// No progress and no notes on stderr
    #[arg(short, long, conflicts_with = "verbose", help_heading = "Output")]
    pub quiet: bool,
    /// Say more on stderr
    #[arg(short, long, help_heading = "Output")]
    pub verbose: bool,
    /// Colour on stderr
    #[arg(long, value_enum, default_value = "auto", help_heading = "Output")]
    pub color: Color,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Api {
    Chat,
    Completions,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ConnectionMode {
    Fresh,
    Reuse,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Stamps {
    Kernel,
    Read,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Schema {
    Full,
    Classic,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    Auto,
    Always,
    Never,
}

/// The simulated endpoint. Its texts are read by `sim`, which is no business of the command line.
#[derive(Debug, Args)]
#[command(rename_all = "snake_case", args_override_self = true)]
pub struct SimArgs {
    /// Port on 127.0.0.1; 0 picks a free one
    #[arg(long, value_name = "PORT", default_value_t = 8000)]
    pub port: u16,
    /// What it is like: a preset, and keys that change it, as in 7b,capacity=60k; list prints all
    #[arg(long, value_name = "PROFILE", default_value = "7b")]
    pub profile: String,
    /// The server it speaks like; list prints all
    #[arg(long, value_name = "NAME", default_value = "vllm")]
    pub flavor: String,
    /// What is wrong with it, as in stall, stall=5 or 429@2; list prints all
    #[arg(long, value_name = "NAME", action = ArgAction::Append)]
    pub fault: Vec<String>,
    /// Log of what really happened, one line of JSON per request
    #[arg(long, value_name = "FILE")]
    pub truth: Option<PathBuf>,
    /// Decides noise and routing
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
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

/// The command line as it may be shown and logged: the values of secrets are `***`.
pub fn shown(argv: &[OsString]) -> Vec<String> {
    let mut secret_follows = false;
    argv.iter().map(|arg| shown_arg(&arg.to_string_lossy(), &mut secret_follows)).collect()
}

fn shown_arg(arg: &str, secret_follows: &mut bool) -> String {
    if std::mem::take(secret_follows) {
        return "***".to_owned();
    }
    let (flag, value) = arg.split_once('=').map_or((arg, None), |(flag, value)| (flag, Some(value)));
    match flag.replace('-', "_").as_str() {
        "__api_key" | "__header" => match value {
            Some(_) => format!("{flag}=***"),
            None => {
                *secret_follows = true;
                arg.to_owned()
            }
        },
        _ => without_userinfo(arg),
    }
}

/// Userinfo and query of a URL are secrets too.
fn without_userinfo(arg: &str) -> String {
    let Some((before, after)) = arg.split_once("://") else { return arg.to_owned() };
    let end = after.find('/').unwrap_or(after.len());
    let host = after[..end].rfind('@').map_or(after[..end].to_owned(), |at| format!("***@{}", &after[at + 1..end]));
    let path = &after[end..];
    let path = path.find('?').map_or(path.to_owned(), |at| format!("{}?***", &path[..at]));
    format!("{before}://{host}{path}")
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn secrets_are_not_shown() {
        let argv =
            "ttft --api_key sk-1 --api-key=sk-2 --header A:sk-3 --header=B:sk-4 --api_base https://u:sk-5@h/v1?k=sk-6";
        let shown = shown(&argv.split(' ').map(OsString::from).collect::<Vec<_>>()).join(" ");
        assert!(!shown.contains("sk-"), "{shown}");
        assert!(shown.ends_with("--api_base https://***@h/v1?***"), "{shown}");
    }
}

//! The flags that every measuring command has: the server, the pace, the tokens, the output.

use std::path::PathBuf;

use clap::{ArgAction, Args, ValueEnum};

use super::parse::{ApiKey, Budget, Header, Object, Span, Tokens};
use crate::rng::Nonce;

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
    /// LMCache's own server, whose counters are read as well, such as http://localhost:8080
    #[arg(long, value_name = "URL", help_heading = "Server")]
    pub lmcache_url: Option<String>,
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

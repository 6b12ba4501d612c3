//! The arguments of `ttft map`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::SessionArgs;
use super::parse::{ApiKey, Span, Tokens};
use super::report::Format;

/// The anatomy of a KV cache: block size, capacity, tiers, policy, lifetime, sharing, replicas.
#[derive(Debug, Args)]
#[command(rename_all = "snake_case", args_override_self = true)]
pub struct MapArgs {
    /// Tokens of each generated document; by the clock alone, longer ones are taken where they are needed
    #[arg(long, value_name = "TOKENS", default_value = "1k", help_heading = "Document")]
    pub context_tokens: Tokens,
    /// Most tokens to fill the cache with; a larger cache gets a lower bound
    #[arg(long, value_name = "TOKENS", default_value = "2M", help_heading = "Map")]
    pub max_fill_tokens: Tokens,
    /// Look for a lifetime of idle prompts up to this; the run takes as long
    #[arg(long, value_name = "TIME", help_heading = "Map")]
    pub ttl: Option<Span>,
    /// What may or may not keep prompts apart: a field of the body, the key (--other_api_key), the connection
    #[arg(long, value_enum, value_name = "FIELD,...", value_delimiter = ',', help_heading = "Map")]
    pub identities: Vec<Identity>,
    /// Another key, for the identity api_key: the key itself, env, or env:NAME
    #[arg(long, value_name = "KEY", help_heading = "Map")]
    pub other_api_key: Option<ApiKey>,
    /// Keep to one of several replicas by this
    #[arg(long, value_enum, help_heading = "Map")]
    pub pin: Option<Pin>,
    /// Parts to leave out
    #[arg(long, value_enum, value_name = "PART,...", value_delimiter = ',', help_heading = "Map")]
    pub skip: Vec<Part>,
    /// Bytes of keys and values of a token, to print GB and GB/s beside tokens
    #[arg(long, value_name = "BYTES", help_heading = "Map")]
    pub kv_bytes_per_token: Option<f64>,
    /// Go on where the log ends, with its documents and flags of this part; nothing is paid for twice
    #[arg(long, help_heading = "Map")]
    pub resume: bool,
    /// How the map is written
    #[arg(long, value_enum, default_value = "text", help_heading = "Output")]
    pub format: Written,
    /// Log, one line of JSON per request; cleared when the first request goes out
    #[arg(long, value_name = "LOG", default_value = "map.jsonl", help_heading = "Output")]
    pub out: PathBuf,
    #[command(flatten)]
    pub session: SessionArgs,
}

/// What may keep prompts apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Identity {
    User,
    CacheSalt,
    PromptCacheKey,
    ApiKey,
    Connection,
}

impl Identity {
    pub fn name(self) -> &'static str {
        match self {
            Identity::User => "user",
            Identity::CacheSalt => "cache_salt",
            Identity::PromptCacheKey => "prompt_cache_key",
            Identity::ApiKey => "api_key",
            Identity::Connection => "connection",
        }
    }
}

/// What keeps requests on one replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Pin {
    /// The header x-session-id
    Header,
    /// One connection
    Connection,
    /// The field prompt_cache_key
    PromptCacheKey,
}

impl Pin {
    pub fn name(self) -> &'static str {
        match self {
            Pin::Header => "header",
            Pin::Connection => "connection",
            Pin::PromptCacheKey => "prompt_cache_key",
        }
    }
}

/// A part of a map that can be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Part {
    Replicas,
    Semantics,
    Block,
    Fill,
    Tiers,
    Delay,
}

/// How a map is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Written {
    Text,
    Json,
    Markdown,
    Html,
}

impl Written {
    /// The same as a report's.
    pub fn format(self) -> Format {
        match self {
            Written::Text => Format::Text,
            Written::Json => Format::Json,
            Written::Markdown => Format::Markdown,
            Written::Html => Format::Html,
        }
    }
}

/// What `map` does otherwise than the classic run.
pub(super) fn defaults(map: clap::Command) -> clap::Command {
    map.mut_arg("gap", |gap| gap.default_value("0")).mut_arg("max_tokens", |tokens| tokens.default_value("4"))
}

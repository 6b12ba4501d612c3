//! The rows of the log. `docs/FORMAT.md` describes every key; `docs/row.schema.json` is held to these types by a test.
//!
//! A row begins with the three keys of the classic log, so that whatever reads those reads every log. `--schema classic`
//! writes nothing else.

use serde::{Deserialize, Serialize};

use crate::cli::slo::Slo;
use crate::clock::Nanos;
use crate::document::Origin;
use crate::evidence::Evidence;
use crate::load::knee::Reuse;
use crate::plan::cache_off::CacheOff;
use crate::plan::map::Design;
use crate::plan::prompts::Prompt;
use crate::rng::Nonce;
use crate::sample::{Sample, StampKind};
use crate::selftest::{Quality, smallest_effect_ns};
use crate::wire::lmcache::Status;
use crate::wire::metrics::Spans;

/// The version of the rows that are written here. It grows when a key changes its meaning or goes; a new key does not
/// change it.
pub const SCHEMA_VERSION: u32 = 1;

/// The budget of a session that might spend what it took.
pub const NO_BUDGET: &str = "none";

/// One request sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// 1 for the baseline, 2 and on for what follows.
    pub run_index: u64,
    /// Tokens of the document after truncation.
    pub context_tokens: u64,
    /// Seconds from the hand-over of the request to its first token; null for a request that failed.
    pub ttft_seconds: Option<f64>,
    /// [`SCHEMA_VERSION`] of the writer.
    pub schema: u32,
    /// Random; the same in all rows of a session.
    pub session: String,
    #[serde(flatten)]
    pub sample: Sample,
    /// What it found in the cache; null for a request that failed.
    #[serde(default)]
    pub evidence: Option<Evidence>,
    /// The flush between the row before and this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flush: Option<Flush>,
    /// What the server's own clocks counted from the first request under load to this one, where they were read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_spans: Option<Spans>,
    /// In the first row of a session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conditions: Option<Conditions>,
}

/// The row of the classic log.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ClassicRow {
    pub run_index: u64,
    pub context_tokens: u64,
    pub ttft_seconds: f64,
}

/// A line of a log, whoever wrote it.
#[derive(Debug, Clone, PartialEq)]
pub enum Line {
    Classic(ClassicRow),
    Full(Box<Row>),
}

/// Under what conditions a session measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Conditions {
    /// The command that measured: `run`, `sweep`, `verify`, ...
    pub command: String,
    /// Of this program.
    pub version: String,
    /// The command line; the values of secrets are `***`.
    pub argv: Vec<String>,
    /// The client's host name.
    pub host: Option<String>,
    /// The wall clock at the session's start, RFC 3339.
    pub started_at: String,
    /// The base URL without userinfo and query.
    pub endpoint: String,
    /// `chat` or `completions`.
    pub api: String,
    pub model: String,
    /// What the server says it is, where it does.
    pub server: Option<String>,
    /// The model's context in tokens and where that was found.
    pub model_ctx: Option<u64>,
    pub model_ctx_from: Option<String>,
    pub document: Option<DocumentNote>,
    /// `fresh` or `reuse`.
    pub connection: String,
    /// Where receive stamps are taken from.
    pub stamps: StampKind,
    pub nonce: Nonce,
    pub prompt: Option<String>,
    /// The prompts that are compared, which a row's `prompt` numbers from 0.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prompts: Vec<Prompt>,
    pub max_tokens: u64,
    /// What might be spent at most, as it was asked for; [`NO_BUDGET`] where nothing was. `None` where the log does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<String>,
    /// When a session that measures pairs was to stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleNote>,
    /// Cold requests of an earlier session with the cache off, which this one's are compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_off: Option<CacheOff>,
    /// What a session that maps a cache was to find.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map: Option<MapNote>,
    /// What each request of a session under load had to keep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slo: Option<SloNote>,
    /// What was asked of a session under load.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<LoadNote>,
    /// The error of this very client as measured before the run; null where it was not.
    pub selftest: Option<SelfTest>,
}

/// A document as the log keeps it: everything but its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentNote {
    #[serde(flatten)]
    pub origin: Origin,
    pub context_tokens: u64,
    pub asked_tokens: u64,
    /// What counted the tokens.
    pub counted_by: String,
}

/// The rule of a session that measures pairs, from which its verdict is computed again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RuleNote {
    /// The last look.
    pub max_pairs: u64,
    /// The half width of the interval that was asked for: 0.05 is 5 %.
    pub precision: f64,
    /// The share of the ratio's logarithm that was as good where that is more; 0 where it was not.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub of_effect: f64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(share: &f64) -> bool {
    *share == 0.0
}

/// What a session that maps a cache was to find, from which its map is computed again, and what it may be compared with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MapNote {
    #[serde(flatten)]
    pub design: Design,
    /// Bytes of keys and values of a token, by the user's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kv_bytes_per_token: Option<f64>,
    /// By the server's own word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said_block_size: Option<u64>,
    /// Of the engine's own cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said_capacity_tokens: Option<u64>,
    /// Of host memory behind it, where the engine itself fills that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said_host_tokens: Option<u64>,
    /// What LMCache's own server says of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said_lmcache: Option<Status>,
    /// llama.cpp's slots, and the context of each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said_slots: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said_slot_tokens: Option<u64>,
    /// Whether the engine's metrics page has LMCache's metrics.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub says_lmcache: bool,
    /// What counted the words' tokens; `None` where nothing could, and the answers' usage alone has to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words_counted_by: Option<String>,
    /// Words that are more than one token to it, and stand in no document.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub words_left_out: Vec<String>,
    /// Where prompts are sent as token ids: that of each word of the list, 0 for one that is left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub word_ids: Vec<u32>,
}

/// What each request of a session under load had to keep, and how many of them had to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SloNote {
    #[serde(flatten)]
    pub slo: Slo,
    /// 0.99 is 99 %.
    pub share: f64,
}

/// What was asked of a session under load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoadNote {
    /// What is asked: `mix`, `chat`, ... and how.
    pub workload: String,
    /// When: `poisson at 2`, `closed loop of 4`, ...
    pub arrivals: String,
    pub seed: u64,
    /// Which part of the one schedule this session sends.
    pub shard: ShardNote,
    /// Processors that the client may use.
    pub processors: u64,
    /// The steps and ramps of its rate, where it changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub legs: Vec<LegNote>,
    /// Which part of a search for the knee this session is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<LevelNote>,
}

/// A stretch of time in which the rate goes in a straight line.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LegNote {
    /// Requests a second.
    pub from: f64,
    pub to: f64,
    /// `None` in a last one that has no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
}

/// A burst or a level of a search for the knee.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LevelNote {
    /// What requests may find of each other's prompts.
    pub reuse: Reuse,
    /// Requests under way at once, in the burst.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub streams: Option<u64>,
    /// Requests a second, at a level, and their share of what the burst got through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_second: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of_ceiling: Option<f64>,
}

/// A part of a schedule: `index` from 0 of `count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardNote {
    pub index: u64,
    pub count: u64,
    /// How many of them have anything to send, the first ones; all of them where it is not said. The others leave no log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub senders: Option<u64>,
}

/// How far off the client's own stamps were, against a server of known truth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SelfTest {
    /// Requests at once; 1 where the log does not say.
    #[serde(default = "one_stream")]
    pub streams: u64,
    pub samples: u64,
    /// |reported TTFT - truth|.
    pub median_error_ns: u64,
    pub p99_error_ns: u64,
}

fn one_stream() -> u64 {
    1
}

impl SelfTest {
    pub fn of(streams: u64, quality: &Quality) -> SelfTest {
        SelfTest {
            streams,
            samples: (quality.requests - quality.lost) as u64,
            median_error_ns: quality.median_ns.round() as u64,
            p99_error_ns: quality.p99_ns.round() as u64,
        }
    }

    /// The smallest difference of two times that this client can tell from its own error.
    pub fn smallest_effect_ns(&self) -> Nanos {
        smallest_effect_ns(self.p99_error_ns as f64).round() as Nanos
    }
}

/// What stood between two measured requests to empty the cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flush {
    /// Filler requests sent, and how many of them failed.
    pub requests: u64,
    pub failed: u64,
    /// Tokens of all fillers together.
    pub filler_tokens: u64,
    /// The reset endpoint that answered 200.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset: Option<String>,
    /// What became of a document that was known to be cached, where one was looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Flushed>,
    #[serde(flatten)]
    pub achieved: Flushed,
}

/// What a flush achieved, by the server's own word about the request after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "achieved", rename_all = "snake_case")]
pub enum Flushed {
    /// No more than the template was cached.
    Evicted,
    StillCached {
        cached_tokens: u64,
        prompt_tokens: u64,
    },
    /// The server shows no evidence, or the request after the flush failed.
    Unknown,
}

impl Flush {
    /// A reset that answered 200 at `path`, by what it achieved.
    pub fn reset(path: &str, achieved: Flushed) -> Flush {
        let reset = Some(path.to_owned());
        Flush { requests: 0, failed: 0, filler_tokens: 0, reset, canary: None, achieved }
    }
}

impl Row {
    /// Whether `--schema classic` has a line for it, and which.
    pub fn classic(&self) -> Option<ClassicRow> {
        let Row { run_index, context_tokens, .. } = *self;
        self.ttft_seconds.map(|ttft_seconds| ClassicRow { run_index, context_tokens, ttft_seconds })
    }
}

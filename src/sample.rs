//! One request, measured: what [`crate::plan`] asked for and what the wire showed.

use serde::{Deserialize, Serialize};

use crate::clock::Nanos;
use crate::plan::map::Stage;
use crate::plan::{Arm, ColdBy, Role};
use crate::stats::histogram::Histogram;
use crate::wire::chat::{ServerMetrics, Timings, Usage};
use crate::wire::metrics::Counters;

/// One request as it went.
///
/// All stamps are nanoseconds from the session's start on the monotonic clock; `None` means the moment did not come, or
/// was not seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Numbers the request within its session, from 1. A dot on a chart carries it, and it finds the line in the log.
    pub trial: u64,
    pub arm: Arm,
    pub role: Role,
    #[serde(flatten)]
    pub place: Place,
    #[serde(flatten)]
    pub outcome: Outcome,
    #[serde(flatten)]
    pub stamps: Stamps,
    /// Where the receive stamps come from; `None` when nothing was received.
    #[serde(default)]
    pub stamp: Option<StampKind>,
    /// Events that carried generated text.
    #[serde(default)]
    pub token_events: u64,
    /// Of those, how many shared a read with a later one, so that their stamps are upper bounds.
    #[serde(default)]
    pub shared_reads: u64,
    /// Whether the first token is among them.
    #[serde(default)]
    pub first_token_shared: bool,
    /// The gaps between token events in nanoseconds, each rounded to ten binary digits; empty where the moments of the
    /// events themselves are kept.
    #[serde(default, skip_serializing_if = "Histogram::is_empty")]
    pub itl_counts: Histogram,
    /// The system's clock was stepped while it was under way, so that some of its stamps are the reader's and not the
    /// kernel's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub clock_stepped: bool,
    #[serde(default)]
    pub usage: Option<Usage>,
    #[serde(default)]
    pub timings: Option<Timings>,
    /// How long the request took inside the server, where it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_metrics: Option<ServerMetrics>,
    /// What the server's counters moved by around this request, where they were read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counters: Option<Counters>,
    #[serde(default)]
    pub finish_reason: Option<String>,
    /// The generated text, where a command compares answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// Bytes of the request's body.
    pub body_bytes: u64,
    /// What a server refused and how the request was changed to suit it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub adapted: Vec<String>,
}

impl Sample {
    /// Prompt tokens that came from a cache, by the server's own word: in the answer, else by its counters.
    pub fn cached_tokens(&self) -> Option<u64> {
        self.answered_cached_tokens().or_else(|| self.counted_cached_tokens())
    }

    /// As the answer itself says.
    pub fn answered_cached_tokens(&self) -> Option<u64> {
        self.usage.and_then(|u| u.cached_tokens).or(self.timings.and_then(|t| t.cache_n))
    }

    /// As the counters say, when no other request moved them.
    pub fn counted_cached_tokens(&self) -> Option<u64> {
        self.counters?.cached_of(self.prompt_tokens()?)
    }

    /// Whether the counters moved by more than this request.
    pub fn has_company(&self) -> bool {
        let queried = self.counters.and_then(|counters| counters.queried_tokens);
        queried.zip(self.prompt_tokens()).is_some_and(|(queried, own)| queried > own)
    }

    /// The prompt's length in tokens, by the server's own word.
    pub fn prompt_tokens(&self) -> Option<u64> {
        let by_timings = || self.timings.and_then(|t| Some(t.cache_n? + t.prompt_n?));
        self.usage.and_then(|u| u.prompt_tokens).or_else(by_timings)
    }

    /// The longest gap between two token events; `None` where there are not two.
    pub fn longest_gap_ns(&self) -> Option<Nanos> {
        let kept = self.stamps.chunk_ns.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).max();
        kept.or_else(|| self.itl_counts.max())
    }

    /// The time to first token; `None` unless the request went well.
    pub fn ttft_ns(&self) -> Option<Nanos> {
        let sent = self.stamps.sent_ns.filter(|_| self.outcome.is_ok())?;
        self.stamps.first_token_ns?.checked_sub(sent)
    }
}

/// Where a request stands in the design of a command that measures pairs; all `None` elsewhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Place {
    /// The generated document it carried: within a session, equal numbers are equal bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<u64>,
    /// The pair it was measured in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pair: Option<u64>,
    /// Which of the session's prompts it asked, from 0; only where several are compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<u64>,
    /// How much of the document, in percent, was a prefix of one sent before; only where that share is the question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared_percent: Option<u8>,
    /// The part of a map that it was sent for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// Tokens of other documents since this one was last sent; only where that distance is the question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reuse_tokens: Option<u64>,
    /// The size that its document was asked for; only where pairs are measured at several sizes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked_tokens: Option<u64>,
    /// Tokens at its beginning that earlier requests of the schedule had there too, which an endless cache finds; only
    /// under load.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reusable_tokens: Option<u64>,
    /// By what a cold document of its session is cold; `None` where its text is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cold_by: Option<ColdBy>,
    /// The tier of the cache that is to answer it; only where fillers come before it for that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<u8>,
    /// Whether it asked the server to leave its cache alone.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cache_off: bool,
}

/// The moments of a request, in nanoseconds from the session's start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stamps {
    /// When the load began, from which its schedule counts (`load` only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_ns: Option<Nanos>,
    /// When the schedule asked for it (`load` only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due_ns: Option<Nanos>,
    /// The dial began; `None` on a connection that was open already.
    pub dial_ns: Option<Nanos>,
    /// TCP was up.
    pub connect_ns: Option<Nanos>,
    /// TLS was up; `None` without TLS.
    pub tls_ns: Option<Nanos>,
    /// The request was handed to the open connection: the start of TTFT.
    pub sent_ns: Option<Nanos>,
    /// The kernel took the request's last byte.
    pub sent_end_ns: Option<Nanos>,
    /// The response's first byte.
    pub first_byte_ns: Option<Nanos>,
    /// The first event of the stream, whatever it carried.
    pub first_event_ns: Option<Nanos>,
    /// The first event that named a role.
    pub role_ns: Option<Nanos>,
    /// The first event that carried generated text: the end of TTFT.
    pub first_token_ns: Option<Nanos>,
    /// The first event that carried visible content (not reasoning).
    pub first_content_ns: Option<Nanos>,
    pub last_token_ns: Option<Nanos>,
    pub end_ns: Option<Nanos>,
    /// Processor time that the client had used by then, from when the first measured request was handed over (`load` only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_cpu_ns: Option<Nanos>,
    /// Every event that carried generated text, where kept.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub chunk_ns: Vec<Nanos>,
}

impl Stamps {
    /// How late the client was: from the scheduled moment to the hand-over, but a server that is slow to accept is not the
    /// client's lag.
    pub fn lag_ns(&self) -> Option<Nanos> {
        let due = self.due_ns?;
        let accepted = self.tls_ns.or(self.connect_ns);
        match (self.dial_ns, accepted) {
            (Some(dial), _) if dial >= due => Some(dial - due),
            (Some(_), None) => Some(0),
            (Some(_), Some(accepted)) if accepted > due => Some(0),
            _ => Some(self.sent_ns?.saturating_sub(due)),
        }
    }
}

/// Who stamped the arrivals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StampKind {
    /// The kernel, when the segment came in.
    Kernel,
    /// The reader thread, when it read.
    Read,
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", content = "detail", rename_all = "snake_case")]
pub enum Outcome {
    /// The stream ended as it should, with at least one token.
    Ok,
    /// No connection: `phase` is `resolve`, `connect`, `proxy` or `tls`.
    Unreachable { phase: String, message: String },
    /// 200, but no event stream.
    NotAStream { content_type: Option<String> },
    /// The server says the prompt does not fit its context.
    TooLong { status: u16, message: String },
    /// Any other status than 200.
    Rejected { status: u16, message: String },
    /// An error event inside the stream.
    ServerError { message: String },
    /// `--timeout` passed without a token; `phase` is `first_token`, `next_token` or `end`.
    Timeout { phase: String },
    /// The stream ended without a finish reason or `[DONE]`.
    Truncated,
    /// The stream ended as it should and carried no text.
    NoToken,
    /// The connection broke; `phase` is `send`, `first_token` or `stream`.
    Reset { phase: String, message: String },
    /// What came was not HTTP, or not what the stream's grammar allows.
    Malformed { message: String },
    /// The user stopped the run.
    Interrupted,
}

impl Outcome {
    /// The outcome's name in a log.
    pub fn name(&self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::Unreachable { .. } => "unreachable",
            Outcome::NotAStream { .. } => "not_a_stream",
            Outcome::TooLong { .. } => "too_long",
            Outcome::Rejected { .. } => "rejected",
            Outcome::ServerError { .. } => "server_error",
            Outcome::Timeout { .. } => "timeout",
            Outcome::Truncated => "truncated",
            Outcome::NoToken => "no_token",
            Outcome::Reset { .. } => "reset",
            Outcome::Malformed { .. } => "malformed",
            Outcome::Interrupted => "interrupted",
        }
    }

    pub fn is_ok(&self) -> bool {
        matches!(self, Outcome::Ok)
    }
}

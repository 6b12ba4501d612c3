//! Public traces of requests to language models.
//!
//! | format | file | times | what is known of a prompt |
//! |---|---|---|---|
//! | Mooncake | JSON lines | ms | an id for each 512 tokens; equal ids have equal beginnings |
//! | Qwen-Bailian | JSON lines with `chat_id` | s | an id for each 16 tokens, by the block alone |
//! | Weka | JSON with `requests` | s, from the session's start | an id for each 64 tokens, within the session |
//! | Azure | CSV | date and time | its length |
//! | BurstGPT | CSV | s | its length |
//! | ShareGPT | a JSON list | none | its text |
//!
//! A prompt is rebuilt from its ids: equal ids are equal tokens, so that it finds in a cache what its original found,
//! as far as whole blocks at its beginning go. Where only a length is known, no prompt has anything in common with another.

mod json;
mod replay;
mod table;

pub use replay::Replay;

use std::fmt;
use std::sync::Arc;

use crate::clock::Nanos;
use crate::wire::body::Message;

/// Where a trace is from, by its form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Mooncake,
    QwenBailian,
    Weka,
    Azure,
    BurstGpt,
    ShareGpt,
}

/// The requests of a trace, in the order of their times.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    pub format: Format,
    /// Tokens that an id stands for.
    pub block_tokens: u64,
    pub records: Vec<Record>,
    /// Requests that are no use: failures, and texts without a question or an answer.
    pub skipped: u64,
}

/// What one user asked at one time: a request, or a conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// From the trace's first request.
    pub at_ns: Option<Nanos>,
    /// Tokens of the answer.
    pub output_tokens: Option<u64>,
    pub asked: Asked,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Asked {
    Blocks {
        ids: Box<[u64]>,
        tokens: u64,
    },
    Length(u64),
    /// User and assistant in turn, the user first.
    Conversation(Arc<[Message]>),
}

/// A file is no trace that is known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TraceError {
    #[error("it holds no request")]
    Empty,
    #[error("line {line} is no request of a trace: {reason}")]
    Line { line: usize, reason: String },
    #[error("its columns are {0:?}, and a time and the tokens of prompt and answer are looked for")]
    Columns(String),
}

impl Trace {
    /// Reads a trace, at most `most` requests of it. `block_tokens` replaces what the format says of its blocks.
    ///
    /// # Errors
    /// [`TraceError`].
    pub fn parse(bytes: &[u8], most: Option<usize>, block_tokens: Option<u64>) -> Result<Trace, TraceError> {
        let most = most.unwrap_or(usize::MAX);
        let mut trace = match bytes.trim_ascii_start().first() {
            None => return Err(TraceError::Empty),
            Some(b'{' | b'[') => json::parse(bytes, most)?,
            Some(_) => table::parse(bytes, most)?,
        };
        // A stable sort: requests of one moment stay in the file's order.
        trace.records.sort_by_key(|record| record.at_ns);
        trace.records.truncate(most);
        let Some(first) = trace.records.first() else { return Err(TraceError::Empty) };
        let begin = first.at_ns.unwrap_or(0);
        for record in &mut trace.records {
            record.at_ns = record.at_ns.map(|at| at - begin);
        }
        trace.block_tokens = block_tokens.unwrap_or(trace.block_tokens).max(1);
        Ok(trace)
    }

    /// Whether its requests have times.
    pub fn is_timed(&self) -> bool {
        self.records.iter().all(|record| record.at_ns.is_some())
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Mooncake => "Mooncake",
            Format::QwenBailian => "Qwen-Bailian",
            Format::Weka => "Weka",
            Format::Azure => "Azure",
            Format::BurstGpt => "BurstGPT",
            Format::ShareGpt => "ShareGPT",
        })
    }
}

/// Nanoseconds of a number of seconds; what is no time is before all others.
fn nanos(seconds: f64) -> Nanos {
    (seconds.max(0.0) * 1e9).round() as Nanos
}

#[cfg(test)]
mod tests;

//! One event of an OpenAI stream, read for what it proves.
//!
//! Servers agree on the outline and on little else: a role comes alone or with every chunk, `content` is absent, null
//! or "", usage comes with choices or without, an error is an object, a string or a list. [`parse`] takes all of them
//! and never fails; what cannot be read is itself a finding, [`Delta::malformed`].
//!
//! The first token is the first chunk that carries generated text: content, reasoning, a refusal, a tool call, or the
//! `text` of a completion. Headers, comments, roles, empty content, usage, progress and filter notes prove none.

mod error;
mod lax;
mod shape;
mod usage;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

pub use error::ServerError;
pub use usage::{ServerMetrics, Timings, Usage};

/// What one event says. Borrows from the event's bytes where it can.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Delta<'a> {
    /// The mark of the stream's end, `[DONE]`.
    pub done: bool,
    /// Why the event is no chunk: not JSON, not UTF-8, not an object.
    pub malformed: Option<String>,
    pub choices: Vec<Choice<'a>>,
    /// `None` for a usage that says nothing (Ollama sends zeros with every chunk). Fold later ones in with
    /// [`Usage::absorb`].
    pub usage: Option<Usage>,
    pub timings: Option<Timings>,
    pub metrics: Option<ServerMetrics>,
    pub progress: Option<Progress>,
    /// Whether a content filter left a note on the prompt or on a choice (Azure).
    pub filtered: bool,
    pub error: Option<ServerError>,
}

/// One of the answers a chunk belongs to; there is one unless the request asked for several.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice<'a> {
    pub index: u64,
    pub role: Option<Cow<'a, str>>,
    /// `content`, or the `text` of a completion. Empty when absent.
    pub content: Cow<'a, str>,
    /// `reasoning` or `reasoning_content`.
    pub reasoning: Cow<'a, str>,
    pub refusal: Cow<'a, str>,
    /// Whether a part of a tool call came.
    pub tool_call: bool,
    /// Absent, null and "" (TGI) are all `None`.
    pub finish_reason: Option<Cow<'a, str>>,
    /// Whether a content filter left a note on it (Azure).
    pub filtered: bool,
}

/// How far llama.cpp's prefill has come (`return_progress`), in tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    #[serde(default, deserialize_with = "lax::count")]
    pub total: Option<u64>,
    #[serde(default, deserialize_with = "lax::count")]
    pub cache: Option<u64>,
    #[serde(default, deserialize_with = "lax::count")]
    pub processed: Option<u64>,
    #[serde(default, deserialize_with = "lax::figure")]
    pub time_ms: Option<f64>,
}

impl Choice<'_> {
    /// Whether this is something a user would see: anything generated but reasoning.
    pub fn is_visible(&self) -> bool {
        !self.content.is_empty() || !self.refusal.is_empty() || self.tool_call
    }

    /// Whether this proves a generated token.
    pub fn is_token(&self) -> bool {
        self.is_visible() || !self.reasoning.is_empty()
    }
}

impl Delta<'_> {
    /// Whether the event proves a generated token, visible or not.
    pub fn is_token(&self) -> bool {
        self.choices.iter().any(Choice::is_token)
    }

    /// Whether the event carries output a user would see.
    pub fn is_visible(&self) -> bool {
        self.choices.iter().any(Choice::is_visible)
    }

    pub fn names_role(&self) -> bool {
        self.choices.iter().any(|choice| choice.role.is_some())
    }

    pub fn finish_reason(&self) -> Option<&str> {
        self.choices.iter().find_map(|choice| choice.finish_reason.as_deref())
    }
}

/// Reads the data of one event of a stream.
///
/// A whole answer in one event (vLLM's beam search) is read like a chunk.
pub fn parse(data: &[u8]) -> Delta<'_> {
    // TensorRT-LLM puts a space behind every payload.
    let data = data.trim_ascii();
    if data == b"[DONE]" {
        return Delta { done: true, ..Delta::default() };
    }
    match serde_json::from_slice::<shape::Chunk<'_>>(data) {
        Ok(chunk) => {
            let error = if chunk.hints_at_an_error() { ServerError::parse(data) } else { None };
            Delta { error, ..chunk.into() }
        }
        Err(error) => {
            let not_utf8 = std::str::from_utf8(data).err();
            let reason = not_utf8.map(|at| format!("byte {} of an event is not UTF-8", at.valid_up_to()));
            Delta { malformed: Some(reason.unwrap_or_else(|| error.to_string())), ..Delta::default() }
        }
    }
}

/// Reads the body of an answer that was not streamed. One with neither choices nor an error is malformed.
pub fn parse_whole(body: &[u8]) -> Delta<'_> {
    let mut delta = parse(body);
    if delta.done || (delta.malformed.is_none() && delta.choices.is_empty() && delta.error.is_none()) {
        delta.malformed = Some("the answer has no choices".to_owned());
    }
    delta
}

#[cfg(test)]
mod flavours;
#[cfg(test)]
mod tests;

//! Traces in JSON: values one after the other, or one list of them.

use serde::Deserialize;

use super::{Asked, Format, Record, Trace, TraceError, nanos};
use crate::wire::body::{Message, Role};

/// A value of any of the formats; which fields it has tells the format.
#[derive(Debug, Deserialize)]
struct Value {
    timestamp: Option<f64>,
    input_length: Option<u64>,
    output_length: Option<u64>,
    hash_ids: Option<Vec<u64>>,
    chat_id: Option<i64>,
    block_size: Option<u64>,
    requests: Option<Vec<Inner>>,
    conversations: Option<Vec<Said>>,
}

/// A request within a session; one of a subagent has requests of its own, on the same clock.
#[derive(Debug, Deserialize)]
struct Inner {
    #[serde(default)]
    t: f64,
    #[serde(rename = "in")]
    input: Option<u64>,
    out: Option<u64>,
    #[serde(default)]
    hash_ids: Vec<u64>,
    #[serde(default)]
    requests: Vec<Inner>,
}

#[derive(Debug, Deserialize)]
struct Said {
    from: String,
    value: String,
}

pub(super) fn parse(bytes: &[u8], most: usize) -> Result<Trace, TraceError> {
    let unread = |error: serde_json::Error| TraceError::Line { line: error.line(), reason: error.to_string() };
    let mut reader = Reader { trace: None, sessions: 0 };
    if bytes.trim_ascii_start().starts_with(b"[") {
        for (at, value) in serde_json::from_slice::<Vec<Value>>(bytes).map_err(unread)?.into_iter().enumerate() {
            reader.take(value, at + 1)?;
            if reader.is_full(most) {
                break;
            }
        }
    } else {
        let values = serde_json::Deserializer::from_slice(bytes).into_iter::<Value>();
        for (value, line) in values.zip(1..) {
            reader.take(value.map_err(unread)?, line)?;
            if reader.is_full(most) {
                break;
            }
        }
    }
    reader.trace.ok_or(TraceError::Empty)
}

struct Reader {
    trace: Option<Trace>,
    sessions: u64,
}

impl Reader {
    /// Whether no later value can be among the first `most`. Sessions overlap, so that all of them are read.
    fn is_full(&self, most: usize) -> bool {
        self.trace.as_ref().is_some_and(|trace| trace.format != Format::Weka && trace.records.len() >= most)
    }

    fn take(&mut self, value: Value, line: usize) -> Result<(), TraceError> {
        let (format, block_tokens) = match &value {
            Value { conversations: Some(_), .. } => (Format::ShareGpt, 1),
            Value { requests: Some(_), .. } => (Format::Weka, value.block_size.unwrap_or(64)),
            Value { chat_id: Some(_), .. } => (Format::QwenBailian, 16),
            _ => (Format::Mooncake, 512),
        };
        let trace = self.trace.get_or_insert_with(|| Trace { format, block_tokens, records: Vec::new(), skipped: 0 });
        if trace.format != format {
            let reason = format!("it is of the form of {format}, and those before of {}", trace.format);
            return Err(TraceError::Line { line, reason });
        }
        if let Some(said) = value.conversations {
            match conversation(said) {
                Some(record) => trace.records.push(record),
                None => trace.skipped += 1,
            }
            return Ok(());
        }
        if let Some(requests) = value.requests {
            self.sessions += 1;
            add_session(trace, requests, self.sessions - 1);
            return Ok(());
        }
        let Some(tokens) = value.input_length else {
            return Err(TraceError::Line { line, reason: "it has no input_length".to_owned() });
        };
        let second = if format == Format::Mooncake { 1e3 } else { 1.0 };
        trace.records.push(Record {
            at_ns: value.timestamp.map(|at| nanos(at / second)),
            output_tokens: value.output_length,
            asked: match value.hash_ids {
                Some(ids) => Asked::Blocks { ids: ids.into(), tokens },
                None => Asked::Length(tokens),
            },
        });
        Ok(())
    }
}

/// Ids are those of the session, so that equal ones of two sessions are made different.
fn add_session(trace: &mut Trace, requests: Vec<Inner>, session: u64) {
    for Inner { t, input, out, hash_ids, requests } in requests {
        if let Some(tokens) = input {
            let apart = session.wrapping_mul(0xD6E8_FEB8_6659_FD93);
            let ids = hash_ids.into_iter().map(|id| id ^ apart).collect();
            let asked = Asked::Blocks { ids, tokens };
            trace.records.push(Record { at_ns: Some(nanos(t)), output_tokens: out, asked });
        }
        add_session(trace, requests, session);
    }
}

/// From the user's first word to the last one that was answered; `None` for what is no conversation.
fn conversation(said: Vec<Said>) -> Option<Record> {
    let mut messages: Vec<Message> = Vec::new();
    for Said { from, value } in said {
        let role = match from.as_str() {
            "human" | "user" => Role::User,
            "gpt" | "assistant" | "chatgpt" | "bing" | "bard" => Role::Assistant,
            _ => continue,
        };
        let is_next = messages.last().map_or(role == Role::User, |last| last.role != role);
        if is_next && !value.trim().is_empty() {
            messages.push(Message { role, content: value });
        }
    }
    if messages.last().is_some_and(|last| last.role == Role::User) {
        messages.pop();
    }
    let record = Record { at_ns: None, output_tokens: None, asked: Asked::Conversation(messages.into()) };
    matches!(&record.asked, Asked::Conversation(messages) if !messages.is_empty()).then_some(record)
}

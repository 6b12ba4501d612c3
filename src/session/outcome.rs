//! How a request ended, from what came back and why we stopped waiting.

use std::io;

use crate::net::{Ending, Exchange};
use crate::sample::Outcome;
use crate::wire::http1::Head;
use crate::wire::refusal::{Refusal, classify, too_long};

/// Why a wait ended before the answer did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    Interrupted,
    /// No first token in time.
    FirstToken,
    /// No further token in time.
    NextToken,
    /// The stream said `[DONE]`, or the upload failed, and nothing more came.
    Done,
}

/// The outcome of an exchange.
pub fn of(exchange: &Exchange, upload: Option<&io::Error>, stop: Option<Stop>) -> Outcome {
    match stop {
        Some(Stop::Interrupted) => return Outcome::Interrupted,
        Some(Stop::FirstToken) => return Outcome::Timeout { phase: "first_token".to_owned() },
        Some(Stop::NextToken) => return Outcome::Timeout { phase: "next_token".to_owned() },
        Some(Stop::Done) | None => {}
    }
    let Some(head) = &exchange.head else {
        return match (&exchange.ending, upload) {
            (Ending::Malformed(message), _) => Outcome::Malformed { message: message.clone() },
            (_, Some(error)) => Outcome::Reset { phase: "send".to_owned(), message: error.to_string() },
            (ending, None) => Outcome::Reset { phase: "first_token".to_owned(), message: ending.to_string() },
        };
    };
    if head.status != 200 {
        return refused(head, &exchange.body);
    }
    if !head.is_event_stream() {
        return Outcome::NotAStream { content_type: head.content_type().map(str::to_owned) };
    }
    of_stream(exchange)
}

fn refused(head: &Head, body: &[u8]) -> Outcome {
    let status = head.status;
    let refused = classify(status, body);
    let more =
        [head.location().map(|url| format!("moved to {url}")), head.retry_after().map(|t| format!("Retry-After: {t}"))];
    let said = std::iter::once(refused.message).filter(|message| !message.is_empty());
    let message = said.chain(more.into_iter().flatten()).collect::<Vec<_>>().join(", ");
    match refused.refusal {
        Refusal::TooLong { .. } => Outcome::TooLong { status, message },
        _ => Outcome::Rejected { status, message },
    }
}

fn of_stream(exchange: &Exchange) -> Outcome {
    if let Some(error) = &exchange.error {
        let message = error.message.clone();
        return if too_long(error).is_some() {
            Outcome::TooLong { status: 200, message }
        } else {
            Outcome::ServerError { message }
        };
    }
    if let Some(message) = &exchange.malformed {
        return Outcome::Malformed { message: message.clone() };
    }
    let is_finished = exchange.done || exchange.finish_reason.is_some();
    let has_token = exchange.arrivals.token_events > 0;
    match &exchange.ending {
        Ending::Malformed(message) => Outcome::Malformed { message: message.clone() },
        _ if is_finished && has_token => Outcome::Ok,
        _ if is_finished => Outcome::NoToken,
        Ending::Complete if !has_token => Outcome::NoToken,
        Ending::Broken(message) => {
            let phase = if has_token { "stream" } else { "first_token" };
            Outcome::Reset { phase: phase.to_owned(), message: message.clone() }
        }
        Ending::Complete | Ending::Closed(_) | Ending::Abandoned => Outcome::Truncated,
    }
}

//! One request and what came back, with the moment of each thing that matters.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::reader::Read;
use crate::clock::Stamp;
use crate::stats::histogram::Histogram;
use crate::wire::chat::{self, Delta, ServerError, ServerMetrics, Timings, Usage};
use crate::wire::http1::{Head, Method, Part, ResponseDecoder};
use crate::wire::sse;

/// Most bytes kept of an answer that is no event stream, and of the text of one that is.
const KEPT_BYTES: usize = 16 * 1024 * 1024;

/// What came back for one request.
#[derive(Debug, Default)]
pub struct Exchange {
    pub head: Option<Head>,
    pub arrivals: Arrivals,
    pub usage: Option<Usage>,
    pub timings: Option<Timings>,
    pub metrics: Option<ServerMetrics>,
    pub finish_reason: Option<String>,
    /// The generated text, reasoning included, in the order it came.
    pub text: String,
    /// An error event inside the stream.
    pub error: Option<ServerError>,
    /// A `[DONE]` was seen.
    pub done: bool,
    /// The first event that was no JSON, as far as it can be told.
    pub malformed: Option<String>,
    /// The body of an answer that is no event stream.
    pub body: Vec<u8>,
    pub ending: Ending,
    /// Every byte of the answer, where that was asked for.
    pub wire: Vec<u8>,
}

/// The moments of an answer. `None`: it did not come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arrivals {
    pub first_byte: Option<Stamp>,
    pub first_event: Option<Stamp>,
    pub role: Option<Stamp>,
    pub first_token: Option<Stamp>,
    pub first_content: Option<Stamp>,
    pub last_token: Option<Stamp>,
    pub end: Option<Stamp>,
    /// Every token event, where that was asked for.
    pub chunks: Vec<Stamp>,
    /// The gaps between token events, in nanoseconds, where their moments are not kept.
    pub gaps: Histogram,
    pub token_events: u64,
    /// Token events that something followed within the same read: their stamps are upper bounds.
    pub shared_reads: u64,
    pub first_token_shared: bool,
    /// Whether the kernel stamped the read that this measurement rests on (the first token's, else the first byte's).
    pub kernel_stamped: Option<bool>,
    /// Some of them are the clock's at the read, because the system's clock was stepped.
    pub clock_stepped: bool,
}

/// How an exchange came to its end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Ending {
    /// The answer ended as HTTP wants it.
    Complete,
    /// The server closed the connection in the middle.
    Closed(String),
    /// The connection broke.
    Broken(String),
    /// What came is not HTTP, or not an event stream.
    Malformed(String),
    /// We stopped waiting.
    #[default]
    Abandoned,
}

impl std::fmt::Display for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Ending::Complete => f.write_str("the answer is complete"),
            Ending::Closed(reason) | Ending::Broken(reason) | Ending::Malformed(reason) => f.write_str(reason),
            Ending::Abandoned => f.write_str("nobody waited any longer"),
        }
    }
}

/// What is to be kept of an answer.
#[derive(Debug, Clone, Copy, Default)]
pub struct Keep {
    pub token_times: bool,
    pub wire: bool,
    /// The generated text.
    pub text: bool,
}

/// The moment of the latest token of a request under way, for whoever waits with a deadline.
#[derive(Debug, Clone, Default)]
pub struct Pulse(Arc<AtomicU64>);

impl Pulse {
    /// `None` before the first token.
    pub fn latest(&self) -> Option<Stamp> {
        Some(self.0.load(Ordering::Relaxed)).filter(|&ns| ns > 0).map(Stamp)
    }

    fn beat(&self, at: Stamp) {
        self.0.store(at.0, Ordering::Relaxed);
    }
}

/// An exchange that is being received.
#[derive(Debug)]
pub(super) struct Incoming {
    http: ResponseDecoder,
    body: Body,
    keep: Keep,
    pulse: Pulse,
    exchange: Exchange,
}

/// What a read brought about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Progress {
    pub first_token: Option<Stamp>,
    pub done: bool,
    pub ended: bool,
}

#[derive(Debug)]
enum Body {
    Whole,
    Events(sse::Decoder),
}

impl Incoming {
    pub(super) fn new(method: Method, keep: Keep, pulse: Pulse) -> Incoming {
        let exchange = Exchange::default();
        Incoming { http: ResponseDecoder::new(method), body: Body::Whole, keep, pulse, exchange }
    }

    /// Takes in what a read brought: `plain` is its bytes, decrypted.
    pub(super) fn take(&mut self, read: &Read, plain: &[u8]) -> Progress {
        let before = (self.exchange.arrivals.first_token, self.exchange.done);
        let at = read.kernel_at.unwrap_or(read.at);
        let arrivals = &mut self.exchange.arrivals;
        arrivals.clock_stepped |= read.clock_stepped;
        if arrivals.first_byte.is_none() && !plain.is_empty() {
            arrivals.first_byte = Some(at);
            arrivals.kernel_stamped = Some(read.kernel_at.is_some());
        }
        if self.keep.wire {
            self.exchange.wire.extend_from_slice(plain);
        }
        self.decode(at, plain);
        let arrivals = &mut self.exchange.arrivals;
        if before.0.is_none() && arrivals.first_token.is_some() {
            arrivals.kernel_stamped = Some(read.kernel_at.is_some());
        }
        self.progress(before)
    }

    /// The connection ended: at its peer's will, or because it broke.
    pub(super) fn disconnect(&mut self, at: Stamp, broken: Option<String>) -> Progress {
        let before = (self.exchange.arrivals.first_token, self.exchange.done);
        let mut reading = Reading::new(&mut self.exchange, &self.pulse, self.keep, at);
        if let Body::Events(decoder) = &mut self.body {
            let _ = decoder.finish(&mut |item| reading.note(item));
        }
        drop(reading);
        let complete = self.http.eof(&mut |_| {});
        self.exchange.ending = match (broken, complete) {
            (Some(reason), _) => Ending::Broken(reason),
            (None, Ok(())) => Ending::Complete,
            (None, Err(reason)) => Ending::Closed(reason.to_string()),
        };
        self.exchange.arrivals.end = Some(at);
        Progress { ended: true, ..self.progress(before) }
    }

    /// What came so far.
    pub(super) fn finish(self) -> Exchange {
        self.exchange
    }

    /// Whether another request may follow on the same connection.
    pub(super) fn keeps_alive(&self) -> bool {
        self.exchange.ending == Ending::Complete && self.exchange.head.as_ref().is_some_and(Head::keeps_alive)
    }

    fn decode(&mut self, at: Stamp, plain: &[u8]) {
        let Incoming { http, body, keep, pulse, exchange } = self;
        let mut reading = Reading::new(exchange, pulse, *keep, at);
        let mut broken = None;
        let mut ended = false;
        let result = http.push(plain, &mut |part| match part {
            Part::Head(head) => {
                if head.is_event_stream() && head.status == 200 {
                    *body = Body::Events(sse::Decoder::new());
                }
                reading.exchange.head = Some(head.clone());
            }
            Part::Body(bytes) => match body {
                Body::Events(decoder) => {
                    broken = decoder.push(bytes, &mut |item| reading.note(item)).err().or(broken.take());
                }
                Body::Whole => reading.keep_body(bytes),
            },
            Part::End => {
                if let Body::Events(decoder) = body {
                    let _ = decoder.finish(&mut |item| reading.note(item));
                }
                ended = true;
            }
        });
        drop(reading);
        let malformed = result.err().map(|error| error.to_string()).or(broken.map(|error| error.to_string()));
        if let Some(reason) = malformed {
            exchange.ending = Ending::Malformed(reason);
            exchange.arrivals.end = Some(at);
        } else if ended {
            exchange.ending = Ending::Complete;
            exchange.arrivals.end = Some(at);
        }
    }

    fn progress(&self, (first_token, done): (Option<Stamp>, bool)) -> Progress {
        let now = &self.exchange;
        Progress {
            first_token: now.arrivals.first_token.filter(|_| first_token.is_none()),
            done: now.done && !done,
            ended: now.ending != Ending::Abandoned,
        }
    }
}

/// The events of one read. Dropping it settles which of them shared the read.
struct Reading<'a> {
    exchange: &'a mut Exchange,
    pulse: &'a Pulse,
    keep: Keep,
    at: Stamp,
    events: u64,
    tokens: u64,
    /// The number of the last event that carried a token, counted from 1 within the read.
    last_token: u64,
    /// The same of the exchange's very first token, when it is in this read.
    first_token: Option<u64>,
}

impl Reading<'_> {
    fn new<'a>(exchange: &'a mut Exchange, pulse: &'a Pulse, keep: Keep, at: Stamp) -> Reading<'a> {
        Reading { exchange, pulse, keep, at, events: 0, tokens: 0, last_token: 0, first_token: None }
    }

    fn keep_body(&mut self, bytes: &[u8]) {
        let room = KEPT_BYTES.saturating_sub(self.exchange.body.len());
        self.exchange.body.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn note(&mut self, item: sse::Item<'_>) {
        // A comment carries nothing, but its bytes came later than those of an event before it.
        self.events += 1;
        let sse::Item::Event(event) = item else { return };
        let delta = chat::parse(event.data);
        let arrivals = &mut self.exchange.arrivals;
        arrivals.first_event.get_or_insert(self.at);
        if delta.names_role() {
            arrivals.role.get_or_insert(self.at);
        }
        if delta.is_visible() {
            arrivals.first_content.get_or_insert(self.at);
        }
        if delta.is_token() {
            self.note_token();
        }
        self.absorb(&delta, event.unterminated);
    }

    fn note_token(&mut self) {
        let arrivals = &mut self.exchange.arrivals;
        if arrivals.first_token.is_none() {
            arrivals.first_token = Some(self.at);
            self.first_token = Some(self.events);
        }
        let gap = arrivals.last_token.and_then(|last| self.at.since(last));
        match gap.filter(|_| !self.keep.token_times) {
            Some(gap) => arrivals.gaps.add(gap),
            None if self.keep.token_times => arrivals.chunks.push(self.at),
            None => {}
        }
        arrivals.last_token = Some(self.at);
        arrivals.token_events += 1;
        self.tokens += 1;
        self.last_token = self.events;
        self.pulse.beat(self.at);
    }

    fn absorb(&mut self, delta: &Delta<'_>, unterminated: bool) {
        let exchange = &mut *self.exchange;
        for choice in &delta.choices {
            if self.keep.text && exchange.text.len() < KEPT_BYTES {
                exchange.text.extend([&*choice.reasoning, &*choice.content, &*choice.refusal]);
            }
        }
        if let Some(reason) = delta.finish_reason() {
            exchange.finish_reason = Some(reason.to_owned());
        }
        if let Some(usage) = &delta.usage {
            exchange.usage.get_or_insert_default().absorb(usage);
        }
        exchange.timings = delta.timings.or(exchange.timings);
        exchange.metrics = delta.metrics.or(exchange.metrics);
        if exchange.error.is_none() {
            exchange.error.clone_from(&delta.error);
        }
        // An event that the end of the stream cut short is a truncation, which the end itself tells.
        if exchange.malformed.is_none() && !unterminated {
            exchange.malformed.clone_from(&delta.malformed);
        }
        exchange.done |= delta.done;
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        let exact = u64::from(self.tokens > 0 && self.last_token == self.events);
        self.exchange.arrivals.shared_reads += self.tokens - exact;
        if let Some(first) = self.first_token {
            self.exchange.arrivals.first_token_shared = first < self.events;
        }
    }
}

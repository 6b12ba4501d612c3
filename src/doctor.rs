//! What there is to say about an endpoint, from what was seen of it: each line is ok, missing or wrong, and says what to
//! do. Nothing here asks anything; the command does.
//!
//! A reset is never tried: it would empty the cache of a server that others may use.

mod advice;
mod place;
mod proof;
#[cfg(test)]
mod tests;

use std::fmt;

pub use advice::Engine;

use crate::buffering;
use crate::sample::Sample;

/// Longer than this between two moments of a stream, and they are apart.
const APART_NS: u64 = 5_000_000;

/// What was seen of an endpoint.
#[derive(Debug, Clone)]
pub struct Seen {
    pub url: String,
    /// The addresses of its host, or of the proxy, in the order they are tried, and whether somebody listens there.
    pub addresses: Vec<(std::net::SocketAddr, bool)>,
    /// The proxy that `--proxy` names.
    pub proxy: Option<String>,
    /// The environment's proxy variables that are set.
    pub proxy_variables: Vec<String>,
    pub models: usize,
    pub model: String,
    pub context: Option<(u64, &'static str)>,
    pub engine: Option<Engine>,
    /// Who counts the tokens; `None` where they are guessed.
    pub tokenizer: Option<String>,
    pub has_counters: bool,
    /// Whether the engine looks for prompts outside itself; `None` where it does not tell.
    pub asks_outside: Option<bool>,
    /// Whether the engine's reset is there; `None` where that cannot be seen without trying it.
    pub has_reset: Option<bool>,
    pub document_tokens: u64,
    /// A new document, and the same again on the same connection.
    pub cold: Sample,
    pub replay: Sample,
}

/// A line of the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub state: State,
    pub about: &'static str,
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Ok,
    Missing,
    Wrong,
}

use State::{Missing, Ok, Wrong};

/// The page.
pub fn page(seen: &Seen) -> Vec<Line> {
    let mut page = Page(Vec::new());
    page.place(seen);
    page.stream(seen);
    page.connection(seen);
    page.proof(seen);
    page.0
}

struct Page(Vec<Line>);

impl Page {
    fn say(&mut self, state: State, about: &'static str, text: impl Into<String>) {
        self.0.push(Line { state, about, text: text.into() });
    }

    fn stream(&mut self, seen: &Seen) {
        let cold = &seen.cold;
        if !cold.outcome.is_ok() {
            let message = format!("a request ended as {}; ttft run says more about it", cold.outcome.name());
            return self.say(Wrong, "stream", message);
        }
        self.say(Ok, "stream", "an event stream with a first token and an end");
        let stamps = &cold.stamps;
        let before_token = |moment: Option<u64>| stamps.first_token_ns?.checked_sub(moment?);
        match before_token(stamps.first_byte_ns) {
            Some(ns) if ns > APART_NS => {
                self.say(
                    Ok,
                    "headers",
                    format!("{:.0} ms before the first token: they prove nothing", ns as f64 / 1e6),
                );
            }
            _ => self.say(Ok, "headers", "together with the first token"),
        }
        match (stamps.role_ns, before_token(stamps.role_ns)) {
            (Some(_), Some(ns)) if ns > APART_NS => self.say(
                Ok,
                "role chunk",
                format!(
                    "{:.0} ms before the first token: a client that stops its clock there measures too little",
                    ns as f64 / 1e6
                ),
            ),
            (Some(_), _) => self.say(Ok, "role chunk", "together with the first token"),
            (None, _) => self.say(Ok, "role chunk", "none"),
        }
        match buffering::is_buffered(cold) {
            None => {
                self.say(Missing, "buffering", "too few tokens or too quick to tell; more --max_tokens would show it")
            }
            Some(true) => self.say(Wrong, "buffering", buffering::ALARM),
            Some(false) => self.say(Ok, "buffering", "tokens arrive as they are made"),
        }
    }

    fn connection(&mut self, seen: &Seen) {
        if !seen.cold.outcome.is_ok() {
            return;
        }
        let replay = &seen.replay;
        match (replay.outcome.is_ok(), replay.stamps.dial_ns) {
            (false, None) => {
                let text = format!(
                    "a second request on a connection ended as {}; keep --connection fresh",
                    replay.outcome.name()
                );
                self.say(Wrong, "keep-alive", text);
            }
            (false, Some(_)) => {
                self.say(Wrong, "keep-alive", format!("unknown: a second request ended as {}", replay.outcome.name()));
            }
            (true, None) => self.say(Ok, "keep-alive", "a second request went over the same connection"),
            (true, Some(_)) => {
                self.say(Missing, "keep-alive", "the server closes after an answer; use --connection fresh")
            }
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Ok => "ok",
            Missing => "missing",
            Wrong => "wrong",
        })
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<8}{:<14}{}", self.state, self.about, self.text)
    }
}

//! What there is to say about an endpoint, from what was seen of it: each line is ok, missing or wrong, and says what to
//! do. Nothing here asks anything; the command does.
//!
//! A reset is never tried: it would empty the cache of a server that others may use.

mod advice;

use std::fmt;

pub use advice::Engine;

use crate::buffering;
use crate::evidence::{Evidence, Found, Reported};
use crate::sample::Sample;

/// Longer than this between two moments of a stream, and they are apart.
const APART_NS: u64 = 5_000_000;

/// What was seen of an endpoint.
#[derive(Debug, Clone)]
pub struct Seen {
    pub url: String,
    /// The addresses of its host, in the order they are tried.
    pub addresses: Vec<std::net::SocketAddr>,
    /// The environment's proxy variables that are set.
    pub proxy_variables: Vec<String>,
    pub models: usize,
    pub model: String,
    pub context: Option<(u64, &'static str)>,
    pub engine: Option<Engine>,
    /// Who counts the tokens; `None` where they are guessed.
    pub tokenizer: Option<String>,
    pub has_counters: bool,
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

    fn place(&mut self, seen: &Seen) {
        self.say(Ok, "reachable", seen.url.clone());
        let shown: Vec<String> = seen.addresses.iter().map(|address| address.ip().to_string()).collect();
        let both = seen.addresses.iter().any(|a| a.is_ipv6()) && seen.addresses.iter().any(|a| a.is_ipv4());
        let trap = if both {
            ": IPv6 and IPv4. A client that tries the one nobody listens on first may lose time there; ttft dials before \
             its clock. Name 127.0.0.1 to be sure"
        } else {
            ""
        };
        self.say(Ok, "addresses", format!("{}{trap}", shown.join(", ")));
        match seen.proxy_variables.as_slice() {
            [] => self.say(Ok, "proxy", "no proxy variable is set"),
            set => self.say(
                Ok,
                "proxy",
                format!("{} set and not used; other clients may use it. --proxy goes through one", set.join(", ")),
            ),
        }
        match seen.models {
            0 => self.say(Missing, "models", format!("no list; {} is taken from --model", seen.model)),
            1 => self.say(Ok, "models", seen.model.clone()),
            more => self.say(Ok, "models", format!("{more}, of which {} is asked; --model names another", seen.model)),
        }
        match seen.context {
            Some((tokens, source)) => self.say(Ok, "context", format!("{tokens} tokens, by {source}")),
            None => self.say(Missing, "context", "the server does not tell; give it with --model_ctx"),
        }
        match &seen.tokenizer {
            Some(name) => self.say(Ok, "tokenizer", name.clone()),
            None => self.say(
                Missing,
                "tokenizer",
                "none found, lengths are guessed; give a tokenizer.json with --tokenizer",
            ),
        }
        match seen.engine {
            Some(engine) => self.say(Ok, "looks like", engine.name()),
            None => self.say(Missing, "looks like", "no engine that ttft knows by its list of models or its answers"),
        }
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

    fn proof(&mut self, seen: &Seen) {
        let (cold, replay) =
            (Evidence::of(&seen.cold, seen.document_tokens), Evidence::of(&seen.replay, seen.document_tokens));
        if let Some(cold) = &cold {
            match seen.cold.usage.and_then(|usage| usage.prompt_tokens) {
                Some(tokens) => self.say(Ok, "usage", format!("{tokens} prompt tokens counted")),
                None => self.say(Missing, "usage", "the server ignores stream_options.include_usage"),
            }
            if matches!(cold.found, Found::Hit | Found::Partial) {
                let text = "a new document is counted as cached: the count cannot be believed";
                self.say(Wrong, "cached_tokens", text);
                return self.counters(seen, replay.as_ref());
            }
        }
        if let Some(replay) = &replay {
            match (replay.reported, replay.cached_tokens) {
                (Reported::Absent, _) => {
                    self.say(Missing, "cached_tokens", Engine::switch_on_cached_tokens(seen.engine))
                }
                (Reported::Contradicted, _) => {
                    self.say(
                        Wrong,
                        "cached_tokens",
                        "the answer's count and another disagree; ttft verify shows which",
                    );
                }
                (Reported::Reported, Some(cached)) => self.say(Ok, "cached_tokens", format!("{cached} on a replay")),
                (Reported::Reported, None) => {}
            }
        }
        self.counters(seen, replay.as_ref());
    }

    fn counters(&mut self, seen: &Seen, replay: Option<&Evidence>) {
        match (seen.has_counters, replay) {
            (true, Some(replay)) if replay.has_company => {
                self.say(
                    Wrong,
                    "counters",
                    "others use this server now: counters prove nothing, and times are theirs too",
                );
            }
            (true, _) => self.say(Ok, "counters", "/metrics counts the prefix cache"),
            (false, _) => self.say(Missing, "counters", Engine::switch_on_counters(seen.engine)),
        }
        if let Some(replay) = replay {
            let (state, text) = match replay.found {
                Found::Hit => (Ok, "a replay at once hits"),
                Found::Partial => (Ok, "a replay at once hits in part"),
                Found::Cold => (
                    Missing,
                    "a replay at once misses: no cache, a store that takes time, or several replicas; ttft verify tells",
                ),
                Found::Unknown => (Missing, "nothing shows whether a replay hits; ttft verify goes by the clock"),
            };
            self.say(state, "hit", text);
        }
        self.say(Ok, "reset", Engine::reset(seen.engine));
        if let Some(forms) = Engine::lmcache(seen.engine) {
            match replay.and_then(|replay| replay.external_cached_tokens).filter(|tokens| *tokens > 0) {
                Some(tokens) => self.say(Ok, "outer tier", format!("{tokens} tokens of a replay came from one")),
                None => self.say(Missing, "outer tier", forms),
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

//! What can be wrong with a server: one table, from which the help, the docs and the parser are made.
//!
//! ```text
//! fault = name ["=" number] ["@" nth]      stall, stall=5, 429@2
//! ```
//! The number means what the table says; `@2` lets it happen on the second completion request only. Dashes and
//! underscores are the same.

use std::fmt;
use std::str::FromStr;

use super::cache::TierSpec;
use super::fleet::Routing;
use super::profile::{Isolate, Profile};

/// One thing that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    pub kind: FaultKind,
    /// Its number, where it has one.
    pub number: u64,
    /// The completion request that it happens on, from 1; `None` for all.
    pub only: Option<u64>,
}

/// A row of the table.
pub struct FaultInfo {
    pub kind: FaultKind,
    pub name: &'static str,
    /// What happens; `N` is the fault's number.
    pub about: &'static str,
    /// The number where none is given; `None` for faults without.
    pub default: Option<u64>,
}

/// The faults of a server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl Faults {
    /// The number of fault `kind` if it happens on the `nth` completion request.
    pub fn number(&self, kind: FaultKind, nth: u64) -> Option<u64> {
        self.0.iter().find(|fault| fault.kind == kind && fault.only.is_none_or(|only| only == nth)).map(|f| f.number)
    }

    /// Whether fault `kind` happens on the `nth` completion request.
    pub fn has(&self, kind: FaultKind, nth: u64) -> bool {
        self.number(kind, nth).is_some()
    }

    /// Makes the changes to `profile` that some faults are.
    pub fn apply(&self, profile: &mut Profile) {
        for fault in &self.0 {
            match fault.kind {
                FaultKind::AsyncStore => {
                    let late = |tier: &mut TierSpec| tier.write_back_ns = fault.number * 1_000_000;
                    profile.cache.tiers.iter_mut().for_each(late);
                }
                FaultKind::ReplicaFlip => {
                    profile.replicas = fault.number as usize;
                    profile.routing = Routing::RoundRobin;
                }
                FaultKind::SaltIgnored => profile.isolate = Isolate::Nothing,
                _ => {}
            }
        }
    }
}

impl FromIterator<Fault> for Faults {
    fn from_iter<I: IntoIterator<Item = Fault>>(faults: I) -> Faults {
        Faults(faults.into_iter().collect())
    }
}

/// A fault's text was wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    #[error("there is no fault {0:?}; `ttft sim --help` lists them")]
    Name(String),
    #[error("{0:?} is not a number for the fault {1}")]
    Number(String, &'static str),
    #[error("the fault {0} takes no number")]
    NoNumber(&'static str),
}

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Fault, FaultError> {
        let (rest, nth) = text.split_once('@').map_or((text, None), |(rest, nth)| (rest, Some(nth)));
        let (name, number) = rest.split_once('=').map_or((rest, None), |(name, number)| (name, Some(number)));
        let name = name.replace('-', "_");
        let info = FAULTS.iter().find(|info| info.name == name).ok_or(FaultError::Name(name))?;
        let read = |text: &str| text.parse().map_err(|_| FaultError::Number(text.to_owned(), info.name));
        let number = match (number, info.default) {
            (Some(text), Some(_)) => read(text)?,
            (Some(_), None) => return Err(FaultError::NoNumber(info.name)),
            (None, default) => default.unwrap_or(1),
        };
        Ok(Fault { kind: info.kind, number, only: nth.map(read).transpose()? })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(info) = FAULTS.iter().find(|info| info.kind == self.kind) {
            f.write_str(info.name)?;
            if info.default.is_some_and(|default| default != self.number) {
                write!(f, "={}", self.number)?;
            }
        }
        self.only.map_or(Ok(()), |nth| write!(f, "@{nth}"))
    }
}

/// Makes the kinds and the table of one list.
macro_rules! faults {
    ($($kind:ident $name:literal $(= $default:literal)?: $about:literal,)+) => {
        /// The kinds of faults; [`FAULTS`] says what each is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum FaultKind { $(#[doc = concat!("`", $name, "`")] $kind,)+ }

        /// Every fault there is.
        pub const FAULTS: &[FaultInfo] =
            &[$(FaultInfo { kind: FaultKind::$kind, name: $name, about: $about, default: faults!(@ $($default)?) },)+];
    };
    (@ $default:literal) => { Some($default) };
    (@) => { None };
}

faults! {
    // The answer is not a stream.
    Unauthorized "401": "401: the API key is wrong",
    Forbidden "403": "403: the API key may not use the model",
    NoV1 "404_v1": "404 for every path under /v1, as when the base URL should not have it",
    RateLimited "429" = 7: "429 with Retry-After: N seconds",
    RateLimitedUntil "429_date" = 7: "429 with Retry-After: the date N seconds from now",
    Loading "loading" = 3: "503 to the first N requests of any kind, while the model loads",
    HtmlBadGateway "html_502": "502 with a page of HTML, as a proxy gives",
    Overloaded "503": "503: the server is overloaded",
    JsonInsteadOfStream "json_instead_of_stream": "200 with one JSON object although a stream was asked for",
    Redirect301 "redirect_301": "301 to the same path with a slash behind it",
    Redirect307 "redirect_307": "307 to the same path with a slash behind it",
    TooLong "too_long" = 8: "prompt and answer over N tokens are refused, whatever the list of models says",
    RefuseStreamOptions "refuse_stream_options": "400 to a request with stream_options",
    RefuseMaxTokens "refuse_max_tokens": "400 to max_tokens: it wants max_completion_tokens",
    RefuseTemperature "refuse_temperature": "400 to a request with temperature",
    RefuseIds "refuse_ids": "400 to a prompt of token ids",
    NoModels "no_models": "404 for the list of models",
    NoTokenize "no_tokenize": "404 for the tokenizer",
    LongWords "long_words": "a k within a word begins another token, so that some common words are two",
    NoMetrics "no_metrics": "404 for the counters",
    // The stream says something else than tokens.
    EmptyStream "empty_stream": "200 and a stream without a byte",
    RoleOnly "role_only": "a stream of a role, a finish reason and [DONE]",
    ErrorEvent "error_event" = 0: "an error event after N tokens, and the stream ends without [DONE]",
    ErrorEventDone "error_event_done" = 0: "an error event after N tokens, then [DONE]",
    EofNoFinish "eof_no_finish" = 3: "the stream ends properly after N tokens, without finish reason and [DONE]",
    Cut "cut" = 3: "the connection is closed in the middle of the stream, after N tokens",
    Rst "rst" = 3: "the connection is reset after N tokens",
    NoDone "no_done": "a finish reason, but no [DONE]",
    NoUsage "no_usage": "no usage, asked for or not",
    Unterminated "unterminated": "the last event lacks its blank line",
    ReasoningOnly "reasoning_only": "reasoning tokens and never content",
    ReasoningFirst "reasoning_first" = 3: "N reasoning tokens, then content",
    ToolCallsOnly "tool_calls_only": "a tool call and never content",
    EmptyFirstTokens "empty_first_tokens" = 2: "the first N tokens show no text",
    BadUtf8 "bad_utf8": "every token has a byte that is not UTF-8",
    StreamInterval "stream_interval" = 4: "after the first token, N tokens in an event",
    EarlyRole "early_role" = 400: "the role comes N ms before the first token (or at once, if that is sooner)",
    // How the stream is framed and delivered.
    Crlf "crlf": "lines end with CR LF",
    LoneCr "lone_cr": "lines end with CR",
    NoSpace "no_space": "no space after `data:`",
    Multiline "multiline": "the JSON of an event is spread over several data lines",
    Bom "bom": "the stream begins with a byte order mark",
    Comments "comments": "a comment line before every event",
    ByteByByte "byte_by_byte": "every byte is written by itself, in the middle of characters too",
    Buffered "buffered": "all events in one write at the end, as behind a buffering proxy",
    UntilClose "until_close": "no chunked encoding: the stream ends with the connection",
    Nagle "nagle": "Nagle's algorithm stays on",
    SlowHeaders "slow_headers" = 300: "the response's head comes N ms late",
    Stall "stall" = 3: "nothing more comes after N tokens, and the connection stays open",
    RstOnReuse "rst_on_reuse": "a second request on a connection meets a reset",
    DiesAfter "dies_after" = 3: "the server stops at the request after the Nth",
    // The cache is not what it seems.
    TruncatesPrompt "truncates_prompt" = 1024: "only the last N tokens of a longer prompt are used, and nobody is told",
    ReplicaFlip "replica_flip" = 2: "N replicas take turns, each with a cache of its own",
    AsyncStore "async_store" = 2000: "what was computed can be hit N ms later only",
    SaltIgnored "salt_ignored": "cache_salt is accepted and has no effect",
    ResetLies "reset_lies": "the reset says success and resets nothing",
    CachedTokensNull "cached_tokens_null": "cached tokens are never reported",
    CachedTokensMax "cached_tokens_max": "all but the last token are reported as cached, always",
    HitChangesAnswer "hit_changes_answer": "the answer is another one when the prompt was cached",
    ConfigLies "config_lies" = 2: "the server says that its cache holds N times what it does",
    ForeignTraffic "foreign_traffic" = 1000: "between two requests others use N tokens, which the counters show",
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> Result<Fault, FaultError> {
        text.parse()
    }

    #[test]
    fn a_fault_is_read_with_its_number_and_its_turn() {
        let read = |text| fault(text).map(|fault| (fault.kind, fault.number, fault.only));
        assert_eq!(read("stall"), Ok((FaultKind::Stall, 3, None)));
        assert_eq!(read("stall=5"), Ok((FaultKind::Stall, 5, None)));
        assert_eq!(read("json-instead-of-stream@2"), Ok((FaultKind::JsonInsteadOfStream, 1, Some(2))));
        assert_eq!(read("429=60@3"), Ok((FaultKind::RateLimited, 60, Some(3))));
    }

    #[test]
    fn every_fault_prints_as_what_is_read_as_it() {
        for info in FAULTS {
            assert_eq!(fault(info.name).unwrap().to_string(), info.name);
        }
        assert_eq!(fault("stall=5@2").unwrap().to_string(), "stall=5@2");
    }

    #[test]
    fn a_fault_that_is_none_is_refused() {
        assert_eq!(fault("stal"), Err(FaultError::Name("stal".to_owned())));
        assert_eq!(fault("crlf=2"), Err(FaultError::NoNumber("crlf")));
        assert_eq!(fault("stall=x"), Err(FaultError::Number("x".to_owned(), "stall")));
    }

    #[test]
    fn a_fault_of_one_turn_happens_then_and_only_then() {
        let faults = Faults::from_iter([fault("stall=5@2").unwrap()]);
        assert_eq!([1, 2, 3].map(|nth| faults.number(FaultKind::Stall, nth)), [None, Some(5), None]);
    }
}

//! What a stream says, moment by moment: the chunks of one answer in the words of its flavour.
//!
//! The script knows nothing of time and nothing of framing. Its text is made of common words that the prompt decides,
//! so that the same prompt has the same answer.

use serde_json::{Value, json};

use super::account::{Account, Cached};
use super::call::{Call, Kind};
use super::engine::Plan;
use super::faults::{FaultKind, Faults};
use super::flavor::{Flavor, Opening, Shape};
use super::framing::Event;
use super::profile::Profile;
use super::prompt::mix;

/// The chunks of one answer.
pub(super) struct Script {
    flavor: Flavor,
    shape: Shape,
    kind: Kind,
    /// The chunk up to its choices.
    head: String,
    include_usage: bool,
    continuous_usage: bool,
    cached_tokens_details: bool,
    account: Account,
    /// Whether the prefill's progress is told.
    pub tells_progress: bool,
    /// How many tokens the answer has.
    pub tokens: u64,
    finish: &'static str,
    /// Decides the words.
    seed: u64,
    twists: Twists,
}

/// The fields that say of a chunk which answer it belongs to.
pub(super) struct Title<'a> {
    pub model: &'a str,
    /// Numbers the answer.
    pub nth: u64,
    pub created: u64,
}

/// What faults do to the text.
struct Twists {
    reasoning: u64,
    empty: u64,
    tool_calls: bool,
    bad_utf8: bool,
    multibyte: bool,
    no_usage: bool,
}

impl Script {
    /// The answer to `call`, the `nth` of its server.
    pub fn new(flavor: Flavor, call: &Call, title: Title, profile: &Profile, faults: &Faults) -> Script {
        let Title { model, nth, created } = title;
        let answer_tokens = profile.answer_tokens;
        let has = |kind| faults.has(kind, nth);
        let number = |kind| faults.number(kind, nth).unwrap_or(0);
        let most = call.max_tokens.unwrap_or(u64::MAX);
        let runs_on = most <= answer_tokens || call.ignore_eos && most < u64::MAX;
        let whole = if runs_on { most } else { answer_tokens };
        let tokens = if has(FaultKind::RoleOnly) { 0 } else { whole };
        let (id, object) = match call.kind {
            Kind::Chat => (format!("chatcmpl-{nth:016x}"), "chat.completion.chunk"),
            Kind::Completions => (format!("cmpl-{nth:016x}"), "text_completion"),
        };
        Script {
            flavor,
            shape: flavor.shape(),
            kind: call.kind,
            head: format!(
                r#"{{"id":{},"object":"{object}","created":{created},"model":{},"choices":["#,
                json!(if flavor == Flavor::Tgi { "" } else { &id }),
                json!(model)
            ),
            include_usage: call.include_usage && !has(FaultKind::NoUsage),
            continuous_usage: call.continuous_usage && matches!(flavor, Flavor::Vllm | Flavor::TrtLlm),
            cached_tokens_details: call.cached_tokens_details,
            account: Account {
                flavor,
                tokens,
                request_metrics: profile.request_metrics,
                cached: Cached::new(faults, nth),
            },
            tells_progress: call.return_progress && flavor == Flavor::LlamaCpp,
            tokens,
            finish: if runs_on { "length" } else { "stop" },
            seed: call.ids.iter().fold(0, |seed, id| mix(seed, (*id).into())),
            twists: Twists {
                reasoning: if has(FaultKind::ReasoningOnly) { u64::MAX } else { number(FaultKind::ReasoningFirst) },
                empty: number(FaultKind::EmptyFirstTokens),
                tool_calls: has(FaultKind::ToolCallsOnly),
                bad_utf8: has(FaultKind::BadUtf8),
                multibyte: has(FaultKind::ByteByByte),
                no_usage: has(FaultKind::NoUsage),
            },
        }
    }

    /// How its flavour streams.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Makes it another answer than the prompt decides.
    pub fn stray(&mut self) {
        self.seed = mix(self.seed, 1);
    }

    /// What is said before the prefill.
    pub fn at_open(&self) -> Vec<Event> {
        let filter = || {
            let results = r#"{"prompt_index":0,"content_filter_results":{}}"#;
            data(format!(
                r#"{{"id":"","object":"","created":0,"model":"","prompt_filter_results":[{results}],"choices":[]}}"#
            ))
        };
        let role = || self.chunk(r#""role":"assistant","content":"""#, None, None);
        match (self.kind, self.shape.opening) {
            (Kind::Completions, _) | (_, Opening::Nothing) => Vec::new(),
            (_, Opening::Role) => vec![role()],
            (_, Opening::FilterThenRole) => vec![filter(), role()],
        }
    }

    /// The chunk that introduces the first token, where there is one.
    pub fn at_first(&self, plan: &Plan) -> Option<Event> {
        let role = self.shape.role.filter(|_| self.kind == Kind::Chat)?;
        let usage = self.continuous_usage.then(|| self.account.running(plan, 0));
        Some(self.chunk(role, None, usage.as_ref()))
    }

    /// llama.cpp's word of how many tokens have been computed.
    pub fn progress(&self, plan: &Plan, computed: u64) -> Event {
        let (total, cached) = (plan.prompt_tokens, plan.found.total());
        let progress = json!({"total": total, "cache": cached, "processed": cached + computed});
        let chunk = self.chunk(self.shape.role.unwrap_or_default(), None, None);
        with_field(chunk, "prompt_progress", &progress)
    }

    /// The chunk of tokens `begin..end`.
    pub fn tokens(&self, begin: u64, end: u64, plan: &Plan) -> Event {
        let text: String = (begin..end).filter(|nth| *nth >= self.twists.empty).map(|nth| self.word(nth)).collect();
        let is_last = end == self.tokens;
        let closes = is_last && self.shape.finish_delta.is_none();
        let tgi_closes = closes && self.flavor == Flavor::Tgi && self.kind == Kind::Completions;
        let usage = match (self.flavor, self.kind) {
            _ if self.twists.no_usage => None,
            (Flavor::Ollama, Kind::Completions) if self.include_usage => Some(json!(
                {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
            )),
            _ if tgi_closes => Some(self.account.usage(plan)),
            _ if self.continuous_usage => Some(self.account.running(plan, end)),
            _ => None,
        };
        let text = if self.twists.multibyte { text.replace('e', "é") } else { text };
        let chunk = self.chunk(&self.delta(begin, &text), closes.then_some(self.finish), usage.as_ref());
        match chunk {
            Event::Data(bytes) if self.twists.bad_utf8 => Event::Data(spoil(bytes, &text)),
            chunk => chunk,
        }
    }

    /// What is said after the last token, but for `[DONE]`.
    pub fn at_end(&self, plan: &Plan) -> Vec<Event> {
        let mut events = Vec::new();
        // A stream without tokens still says why it ends.
        let finish_delta = self.shape.finish_delta.or((self.tokens == 0).then_some(""));
        let says_usage = self.include_usage && !(self.flavor == Flavor::Tgi && self.kind == Kind::Completions);
        if let Some(delta) = finish_delta {
            let finish = if self.tokens == 0 { "stop" } else { self.finish };
            let delta = if self.kind == Kind::Completions { r#""text":"""# } else { delta };
            let chunk = self.chunk(delta, Some(finish), None);
            let tells_times = !says_usage && self.flavor == Flavor::LlamaCpp;
            events.push(if tells_times { self.with_times(chunk, plan) } else { chunk });
        }
        if self.flavor == Flavor::Sglang && self.cached_tokens_details {
            let [device, host, storage, _] = plan.found.tokens;
            let details = json!({"device": device, "host": host, "storage": storage});
            events.push(data(format!(r#"{}],"sglext":{{"cached_tokens_details":{details}}}}}"#, self.head)));
        }
        if says_usage {
            let usage = format!("{}{}],\"usage\":{}}}", self.head, self.shape.usage_choices, self.account.usage(plan));
            events.push(self.with_times(data(usage), plan));
        }
        events
    }

    /// `[DONE]`.
    pub fn done(&self) -> Event {
        data("[DONE]".to_owned())
    }

    /// An error in the middle of the stream.
    pub fn error(&self) -> Event {
        data(json!({"error": {"message": "the engine failed", "type": "InternalServerError", "param": null, "code": 500}}).to_string())
    }

    /// The whole answer as one object, for a request that asked for no stream.
    pub fn whole(&self, plan: &Plan) -> Value {
        let text: String = (self.twists.empty..self.tokens).map(|nth| self.word(nth)).collect();
        let mut head: Value = serde_json::from_str(&format!("{}]}}", self.head)).unwrap_or_default();
        let choice = match self.kind {
            Kind::Chat if self.twists.reasoning >= self.tokens => {
                json!({"message": {"role": "assistant", "content": null, self.shape.reasoning: text}})
            }
            Kind::Chat => json!({"message": {"role": "assistant", "content": text}}),
            Kind::Completions => json!({"text": text}),
        };
        head["choices"] = json!([choice]);
        head["choices"][0]["index"] = json!(0);
        head["choices"][0]["finish_reason"] = json!(self.finish);
        if self.kind == Kind::Chat {
            head["object"] = json!("chat.completion");
        }
        if !self.twists.no_usage {
            head["usage"] = self.account.usage(plan);
        }
        if let Some((field, times)) = self.account.times(plan) {
            head[field] = times;
        }
        head
    }

    fn with_times(&self, chunk: Event, plan: &Plan) -> Event {
        match self.account.times(plan) {
            Some((field, times)) => with_field(chunk, field, &times),
            None => chunk,
        }
    }

    /// One chunk. `delta` is the inside of a delta, or of a choice for completions.
    fn chunk(&self, delta: &str, finish: Option<&str>, usage: Option<&Value>) -> Event {
        let Script { head, shape, .. } = self;
        let finish = match finish {
            Some(finish) => format!("\"{finish}\""),
            None if self.flavor == Flavor::Tgi && self.kind == Kind::Completions => "\"\"".to_owned(),
            None => shape.unfinished.to_owned(),
        };
        let choice = match self.kind {
            Kind::Chat => format!(r#""delta":{{{delta}}}"#),
            Kind::Completions => delta.to_owned(),
        };
        let usage = usage.map_or_else(|| shape.each_chunk.to_owned(), |usage| format!(",\"usage\":{usage}"));
        data(format!(r#"{head}{{"index":0,{choice}{},"finish_reason":{finish}}}]{usage}}}"#, shape.each_choice))
    }

    /// The inside of the delta with `text`, whose first token is the `nth`.
    fn delta(&self, nth: u64, text: &str) -> String {
        let text = json!(text);
        match self.kind {
            Kind::Completions => format!(r#""text":{text}"#),
            Kind::Chat if self.twists.tool_calls => {
                let start = if nth == 0 { r#""id":"call_0","type":"function","# } else { "" };
                let name = if nth == 0 { r#""name":"look_up","# } else { "" };
                format!(r#""tool_calls":[{{"index":0,{start}"function":{{{name}"arguments":{text}}}}}]"#)
            }
            Kind::Chat if nth < self.twists.reasoning => format!(r#""{}":{text}"#, self.shape.reasoning),
            Kind::Chat => format!(r#"{}"content":{text}"#, self.shape.each_delta),
        }
    }

    fn word(&self, nth: u64) -> &'static str {
        WORDS[(mix(self.seed, nth) % WORDS.len() as u64) as usize]
    }
}

fn data(text: String) -> Event {
    Event::Data(text.into_bytes())
}

/// Adds a field to a chunk.
fn with_field(event: Event, name: &str, value: &Value) -> Event {
    match event {
        Event::Data(mut bytes) => {
            bytes.pop();
            bytes.extend(format!(",\"{name}\":{value}}}").bytes());
            Event::Data(bytes)
        }
        comment => comment,
    }
}

/// Puts a byte that is no UTF-8 into the text of a chunk.
fn spoil(mut bytes: Vec<u8>, text: &str) -> Vec<u8> {
    let found = bytes.windows(text.len().max(1)).position(|window| window == text.as_bytes());
    if let Some(last) = found.map(|at| at + text.len() - 1) {
        bytes[last] = 0xFF;
    }
    bytes
}

/// One token each.
const WORDS: [&str; 32] = [
    " river", " under", " paper", " light", " stone", " green", " table", " voice", " house", " water", " night",
    " field", " bread", " cloud", " train", " plant", " music", " glass", " storm", " chair", " ocean", " clock",
    " bridge", " sugar", " horse", " metal", " round", " quiet", " north", " world", " small", " early",
];

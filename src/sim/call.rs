//! What a client asked for: the body of a completion request, read, checked and tokenized.

use std::borrow::Cow;

use serde::Deserialize;

use super::prompt::mix;
use super::tokenizer::{self, TokenId, Words};

/// Which endpoint was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Chat,
    Completions,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Chat => "chat",
            Kind::Completions => "completions",
        }
    }
}

/// A completion request.
#[derive(Debug)]
pub(super) struct Call {
    pub kind: Kind,
    pub model: Option<String>,
    pub ids: Vec<TokenId>,
    pub max_tokens: Option<u64>,
    /// Whether `max_tokens` itself was used, and not its successor `max_completion_tokens`.
    pub says_max_tokens: bool,
    pub says_temperature: bool,
    pub says_stream_options: bool,
    /// Whether the prompt came as token ids.
    pub says_ids: bool,
    pub ignore_eos: bool,
    pub stream: bool,
    pub include_usage: bool,
    /// Usage on every chunk.
    pub continuous_usage: bool,
    /// SGLang's question after the tiers that were hit.
    pub cached_tokens_details: bool,
    /// llama.cpp's wish to be told how far the prefill is.
    pub return_progress: bool,
    /// llama.cpp's `cache_prompt`.
    pub cache_prompt: bool,
    pub salt: Option<u64>,
    pub user: Option<u64>,
    pub prompt_cache_key: Option<u64>,
}

/// Why a body is no request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CallError {
    /// Not JSON, or a field of the wrong type.
    Malformed(String),
    Missing(&'static str),
    NoOutput,
}

#[derive(Deserialize)]
struct Body<'a> {
    model: Option<String>,
    #[serde(borrow)]
    messages: Option<Vec<Message<'a>>>,
    #[serde(borrow)]
    prompt: Option<PromptField<'a>>,
    max_tokens: Option<u64>,
    max_completion_tokens: Option<u64>,
    temperature: Option<f64>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    ignore_eos: Option<bool>,
    return_cached_tokens_details: Option<bool>,
    return_progress: Option<bool>,
    cache_prompt: Option<bool>,
    cache_salt: Option<String>,
    user: Option<String>,
    prompt_cache_key: Option<String>,
}

#[derive(Deserialize)]
struct StreamOptions {
    include_usage: Option<bool>,
    continuous_usage_stats: Option<bool>,
}

/// A chat message.
#[derive(Deserialize)]
pub(super) struct Message<'a> {
    role: String,
    #[serde(borrow)]
    content: Option<Content<'a>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content<'a> {
    Text(#[serde(borrow)] Cow<'a, str>),
    Parts(Vec<Part>),
}

#[derive(Deserialize)]
struct Part {
    #[serde(default)]
    text: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum PromptField<'a> {
    Text(#[serde(borrow)] Cow<'a, str>),
    Ids(Vec<TokenId>),
    Batch(Vec<String>),
}

impl Call {
    /// Reads a body. `template_tokens` is the length of what the chat template puts before the first message.
    /// `words` says how words are cut into tokens.
    pub fn read(kind: Kind, body: &[u8], template_tokens: u64, words: Words) -> Result<Call, CallError> {
        let body: Body = serde_json::from_slice(body).map_err(|error| CallError::Malformed(error.to_string()))?;
        let says_ids = kind == Kind::Completions && matches!(body.prompt, Some(PromptField::Ids(_)));
        let ids = match kind {
            Kind::Chat => chat_ids(&body.messages.ok_or(CallError::Missing("messages"))?, template_tokens, words),
            Kind::Completions => prompt_ids(body.prompt.ok_or(CallError::Missing("prompt"))?, template_tokens, words),
        };
        let max_tokens = body.max_tokens.or(body.max_completion_tokens);
        if max_tokens == Some(0) {
            return Err(CallError::NoOutput);
        }
        let options = body.stream_options.as_ref();
        let named = |text: Option<String>| text.map(|text| name(&text));
        Ok(Call {
            kind,
            model: body.model,
            ids,
            max_tokens,
            says_max_tokens: body.max_tokens.is_some(),
            says_temperature: body.temperature.is_some(),
            says_stream_options: options.is_some(),
            says_ids,
            ignore_eos: body.ignore_eos.unwrap_or(false),
            stream: body.stream.unwrap_or(false),
            include_usage: options.is_some_and(|options| options.include_usage.unwrap_or(true)),
            continuous_usage: options.is_some_and(|options| options.continuous_usage_stats.unwrap_or(false)),
            cached_tokens_details: body.return_cached_tokens_details.unwrap_or(false),
            return_progress: body.return_progress.unwrap_or(false),
            cache_prompt: body.cache_prompt.unwrap_or(true),
            salt: named(body.cache_salt),
            user: named(body.user),
            prompt_cache_key: named(body.prompt_cache_key),
        })
    }
}

/// A number for a name; never 0, which is nobody's.
pub(super) fn name(text: &str) -> u64 {
    text.bytes().fold(mix(0, text.len() as u64), |state, byte| mix(state, byte.into())) | 1
}

/// The tokens of a chat: what the template begins with, every message between its header and its end, and the header
/// of the answer.
///
/// ```text
/// template{template_tokens} (start role end_header content end)... start assistant end_header
/// ```
pub(super) fn chat_ids(messages: &[Message], template_tokens: u64, words: Words) -> Vec<TokenId> {
    let mut ids: Vec<TokenId> = beginning(template_tokens).collect();
    for message in messages {
        header(&message.role, &mut ids);
        match &message.content {
            Some(Content::Text(text)) => words.encode_into(text, &mut ids),
            Some(Content::Parts(parts)) => parts.iter().for_each(|part| words.encode_into(&part.text, &mut ids)),
            None => {}
        }
        ids.push(tokenizer::special("end"));
    }
    header("assistant", &mut ids);
    ids
}

fn header(role: &str, ids: &mut Vec<TokenId>) {
    ids.extend(["start", role, "end_header"].map(tokenizer::special));
}

pub(super) fn beginning(tokens: u64) -> impl Iterator<Item = TokenId> {
    (0..tokens).map(|nth| tokenizer::special(&format!("template {nth}")))
}

/// The tokens of a plain prompt. Text gets the one token that begins every text, ids are taken as they are.
fn prompt_ids(prompt: PromptField, template_tokens: u64, words: Words) -> Vec<TokenId> {
    let texts = match prompt {
        PromptField::Ids(ids) => return ids,
        PromptField::Text(text) => vec![text],
        PromptField::Batch(texts) => texts.into_iter().map(Cow::Owned).collect(),
    };
    let mut ids: Vec<TokenId> = beginning(template_tokens.min(1)).collect();
    texts.iter().for_each(|text| words.encode_into(text, &mut ids));
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chat(body: &str) -> Result<Call, CallError> {
        Call::read(Kind::Chat, body.as_bytes(), 1, Words::default())
    }

    #[test]
    fn a_chat_is_its_words_and_a_fixed_number_of_tokens() {
        let call = chat(r#"{"messages":[{"role":"user","content":"river under paper"}]}"#).unwrap();
        assert_eq!(call.ids.len(), 1 + 3 + 3 + 1 + 3);
        let parts = chat(r#"{"messages":[{"role":"user","content":[{"type":"text","text":"river under paper"}]}]}"#);
        assert_eq!(parts.unwrap().ids, call.ids);
    }

    #[test]
    fn two_chats_share_the_template_and_the_words_they_have_in_common() {
        let of = |text: &str| chat(&format!(r#"{{"messages":[{{"role":"user","content":"{text}"}}]}}"#)).unwrap().ids;
        let (one, other) = (of("river under paper"), of("river under stone"));
        assert_eq!(one.iter().zip(&other).take_while(|(a, b)| a == b).count(), 1 + 3 + 2);
    }

    #[test]
    fn ids_are_taken_as_they_are() {
        let call = |body: &str| Call::read(Kind::Completions, body.as_bytes(), 1, Words::default()).unwrap();
        let read = |body: &str| call(body).ids;
        assert_eq!(read(r#"{"prompt":[5,6,7]}"#), [5, 6, 7]);
        assert_eq!([r#"{"prompt":[5]}"#, r#"{"prompt":"a"}"#].map(|body| call(body).says_ids), [true, false]);
        let text = read(r#"{"prompt":"river under"}"#);
        assert_eq!(read(&format!(r#"{{"prompt":{text:?}}}"#)), text);
    }

    #[test]
    fn usage_comes_when_it_is_asked_for() {
        let asked = |options: &str| {
            let call = chat(&format!(r#"{{"messages":[],"stream":true{options}}}"#)).unwrap();
            (call.include_usage, call.continuous_usage)
        };
        assert_eq!(asked(""), (false, false));
        assert_eq!(asked(r#","stream_options":{"include_usage":true}"#), (true, false));
        assert_eq!(asked(r#","stream_options":{"include_usage":false}"#), (false, false));
        assert_eq!(asked(r#","stream_options":{"continuous_usage_stats":true}"#), (true, true));
    }

    #[test]
    fn a_body_that_is_no_request_is_told_apart() {
        assert!(matches!(chat("{"), Err(CallError::Malformed(_))));
        assert!(matches!(chat(r#"{"messages":[],"temperature":"hot"}"#), Err(CallError::Malformed(_))));
        assert_eq!(chat("{}").unwrap_err(), CallError::Missing("messages"));
        assert_eq!(chat(r#"{"messages":[],"max_tokens":0}"#).unwrap_err(), CallError::NoOutput);
    }
}

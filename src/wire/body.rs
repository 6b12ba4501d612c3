//! Request bodies, serialised once: chat and completions.
//!
//! ```text
//! {"model", "messages" | "prompt", "max_tokens", "temperature": 0, "stream", "stream_options", ...extra}
//! ```
//!
//! What a server refused is left out or renamed by [`Adapted`], in the open; what the user asked for in `--extra_body`
//! comes last and replaces a field of ours that bears the same name.

use std::borrow::Cow;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value, json};

use super::refusal::{Parameter, Refusal};

/// What every request of a session has in common.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    pub model: &'a str,
    pub max_tokens: u64,
    /// A stream is asked to end with its usage.
    pub stream: bool,
    pub adapted: Adapted,
    /// The user's own fields.
    pub extra: Option<&'a Map<String, Value>>,
}

/// One message of a chat.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Message {
    pub role: Role,
    pub content: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    System,
    User,
    Assistant,
}

/// What a completion continues.
#[derive(Debug, Clone, Copy, serde::Serialize)]
#[serde(untagged)]
pub enum Prompt<'a> {
    Text(&'a str),
    /// Token ids, for an exact length.
    Tokens(&'a [u32]),
}

/// How requests were changed to suit a server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Adapted {
    pub without_stream_options: bool,
    pub without_temperature: bool,
    pub max_completion_tokens: bool,
    /// A prompt that is token ids goes out as the text they are of.
    pub without_ids: bool,
}

/// A document handed over in a conversation: the user gives it in a fenced block, the assistant acknowledges, the user
/// asks.
#[derive(Debug, Clone, Copy)]
pub struct Conversation<'a> {
    /// A line before everything else, so that no earlier request shares the first block.
    pub nonce: Option<&'a str>,
    pub document: &'a str,
    pub prompt: &'a str,
}

const ACKNOWLEDGEMENT: &str = "Thank you, I have the document.";

impl Request<'_> {
    /// The body for `/chat/completions`.
    pub fn chat(&self, messages: &[Message]) -> Vec<u8> {
        self.encode("messages", &messages)
    }

    /// The body for `/completions`.
    pub fn completion(&self, prompt: Prompt<'_>) -> Vec<u8> {
        self.encode("prompt", &prompt)
    }

    fn encode(&self, name: &'static str, input: &impl Serialize) -> Vec<u8> {
        serde_json::to_vec(&Fields { request: self, name, input }).expect("strings and numbers always serialise")
    }
}

struct Fields<'a, T> {
    request: &'a Request<'a>,
    /// `messages` or `prompt`.
    name: &'static str,
    input: &'a T,
}

impl<T: Serialize> Serialize for Fields<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Request { model, max_tokens, stream, adapted, extra } = *self.request;
        let mut map = serializer.serialize_map(None)?;
        let is_ours = |name: &str| !extra.is_some_and(|extra| extra.contains_key(name));
        if is_ours("model") {
            map.serialize_entry("model", model)?;
        }
        if is_ours(self.name) {
            map.serialize_entry(self.name, self.input)?;
        }
        let limit = if adapted.max_completion_tokens { "max_completion_tokens" } else { "max_tokens" };
        if is_ours(limit) {
            map.serialize_entry(limit, &max_tokens)?;
        }
        if !adapted.without_temperature && is_ours("temperature") {
            map.serialize_entry("temperature", &0)?;
        }
        if is_ours("stream") {
            map.serialize_entry("stream", &stream)?;
        }
        if stream && !adapted.without_stream_options && is_ours("stream_options") {
            map.serialize_entry("stream_options", &json!({ "include_usage": true }))?;
        }
        for (name, value) in extra.into_iter().flatten() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl Adapted {
    /// Changes what can be changed to suit a refusal. `false` when nothing can, or it was changed already: the same
    /// refusal twice is final.
    pub fn suit(&mut self, refusal: &Refusal) -> bool {
        let field = match refusal {
            Refusal::Parameter(Parameter::StreamOptions) => &mut self.without_stream_options,
            Refusal::Parameter(Parameter::Temperature) => &mut self.without_temperature,
            Refusal::Parameter(Parameter::MaxTokens) => &mut self.max_completion_tokens,
            _ => return false,
        };
        !std::mem::replace(field, true)
    }

    /// The same for a refusal of a prompt of token ids, where a server says no more than that it cannot read the body.
    pub fn suit_ids(&mut self, refusal: &Refusal) -> bool {
        let is_refused = matches!(refusal, Refusal::Other | Refusal::Parameter(Parameter::Other(_)));
        is_refused && !std::mem::replace(&mut self.without_ids, true)
    }

    /// The changes by name, as the log lists them.
    pub fn names(&self) -> Vec<String> {
        let changes = [
            (self.without_stream_options, "stream_options dropped"),
            (self.max_completion_tokens, "max_tokens -> max_completion_tokens"),
            (self.without_temperature, "temperature dropped"),
            (self.without_ids, IDS_AS_TEXT),
        ];
        changes.iter().filter(|(made, _)| *made).map(|(_, name)| (*name).to_owned()).collect()
    }
}

/// How the log names it that a prompt of token ids went out as text.
pub const IDS_AS_TEXT: &str = "prompt of token ids -> text";

/// Something that is said to a model.
pub trait Say {
    fn messages(&self) -> Cow<'_, [Message]>;
    /// The same for a model without a chat template.
    fn text(&self) -> Cow<'_, str>;

    /// The same as tokens, for a model without a chat template, where they are known.
    fn ids(&self) -> Option<&[u32]> {
        None
    }
}

/// One user's message, with its tokens where they are known.
#[derive(Debug, Clone, Copy)]
pub struct Exactly<'a> {
    pub text: &'a str,
    pub ids: Option<&'a [u32]>,
}

impl Say for Exactly<'_> {
    fn messages(&self) -> Cow<'_, [Message]> {
        Cow::Owned(vec![Message { role: Role::User, content: self.text.to_owned() }])
    }

    fn text(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.text)
    }

    fn ids(&self) -> Option<&[u32]> {
        self.ids
    }
}

impl Say for Conversation<'_> {
    /// Without a document there is the prompt alone.
    fn messages(&self) -> Cow<'_, [Message]> {
        let prompt = Message { role: Role::User, content: self.prompt.to_owned() };
        if self.document.is_empty() {
            return Cow::Owned(vec![prompt]);
        }
        Cow::Owned(vec![
            Message { role: Role::User, content: self.hand_over() },
            Message { role: Role::Assistant, content: ACKNOWLEDGEMENT.to_owned() },
            prompt,
        ])
    }

    fn text(&self) -> Cow<'_, str> {
        if self.document.is_empty() {
            return Cow::Borrowed(self.prompt);
        }
        Cow::Owned(format!("{}\n\n{}\n", self.hand_over(), self.prompt))
    }
}

impl Say for &[Message] {
    fn messages(&self) -> Cow<'_, [Message]> {
        Cow::Borrowed(self)
    }

    fn text(&self) -> Cow<'_, str> {
        match self {
            [only] => Cow::Borrowed(&only.content),
            several => several.iter().map(|message| format!("{}\n\n", message.content)).collect(),
        }
    }
}

impl Conversation<'_> {
    fn hand_over(&self) -> String {
        let nonce = self.nonce.map(|nonce| format!("{nonce}\n")).unwrap_or_default();
        format!("{nonce}Here is a document:\n```\n{}\n```", self.document)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONVERSATION: Conversation<'_> =
        Conversation { nonce: None, document: "line \"1\"\r\nline 2", prompt: "这个文档主要讲了什么？" };

    fn request(adapted: Adapted, extra: Option<&Map<String, Value>>) -> Request<'_> {
        Request { model: "m", max_tokens: 16, stream: true, adapted, extra }
    }

    fn read(body: &[u8]) -> Value {
        serde_json::from_slice(body).unwrap()
    }

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_chat_hands_over_the_document_and_asks() {
        let body = read(&request(Adapted::default(), None).chat(&CONVERSATION.messages()));
        let messages = body["messages"].as_array().unwrap();
        let roles: Vec<&Value> = messages.iter().map(|message| &message["role"]).collect();
        assert_eq!(roles, ["user", "assistant", "user"]);
        assert!(messages[0]["content"].as_str().unwrap().ends_with("\n```\nline \"1\"\r\nline 2\n```"));
        assert_eq!(messages[2]["content"], CONVERSATION.prompt);
        let rest: Map<_, _> = object(body.clone()).into_iter().filter(|(name, _)| name != "messages").collect();
        let expected = json!({"model": "m", "max_tokens": 16, "temperature": 0, "stream": true,
            "stream_options": {"include_usage": true}});
        assert_eq!(Value::Object(rest), expected);
    }

    #[test]
    fn a_nonce_is_the_very_first_text() {
        let conversation = Conversation { nonce: Some("a1b2"), ..CONVERSATION };
        assert!(conversation.messages()[0].content.starts_with("a1b2\n"));
        assert!(conversation.text().starts_with("a1b2\n") && conversation.text().ends_with("？\n"));
    }

    #[test]
    fn a_completion_takes_text_or_token_ids() {
        let request = Request { stream: false, ..request(Adapted::default(), None) };
        assert_eq!(read(&request.completion(Prompt::Text("a")))["prompt"], "a");
        let body = read(&request.completion(Prompt::Tokens(&[1, 2])));
        assert_eq!(body["prompt"], json!([1, 2]));
        assert_eq!(body["stream"], false);
        assert!(body.get("stream_options").is_none(), "only a stream has options");
    }

    #[test]
    fn extra_fields_come_last_and_replace_ours_without_repeating_them() {
        let extra = object(json!({"temperature": 0.7, "cache_prompt": false, "stream_options": null}));
        let body = String::from_utf8(request(Adapted::default(), Some(&extra)).completion(Prompt::Text("a"))).unwrap();
        assert_eq!(body.matches("temperature").count(), 1, "{body}");
        let read = read(body.as_bytes());
        assert_eq!(read["temperature"], 0.7);
        assert_eq!(read["cache_prompt"], false);
        assert_eq!(read["stream_options"], Value::Null);
    }

    #[test]
    fn an_adaptation_is_made_once_and_named() {
        let mut adapted = Adapted::default();
        let refused = [Parameter::MaxTokens, Parameter::Temperature, Parameter::StreamOptions].map(Refusal::Parameter);
        for refusal in &refused {
            assert!(adapted.suit(refusal));
            assert!(!adapted.suit(refusal), "the same refusal twice is final");
        }
        assert!(!adapted.suit(&Refusal::Loading));
        let body = object(read(&request(adapted, None).completion(Prompt::Text("a"))));
        let names: Vec<&str> = body.keys().map(String::as_str).collect();
        assert_eq!(names, ["max_completion_tokens", "model", "prompt", "stream"]);
        let listed = ["stream_options dropped", "max_tokens -> max_completion_tokens", "temperature dropped"];
        assert_eq!(adapted.names(), listed);
    }

    #[test]
    fn tokens_that_are_refused_go_out_as_text_once() {
        let mut adapted = Adapted::default();
        assert!(!adapted.suit_ids(&Refusal::Loading) && !adapted.suit_ids(&Refusal::TooLarge));
        assert!(adapted.suit_ids(&Refusal::Other) && !adapted.suit_ids(&Refusal::Other));
        assert_eq!(adapted.names(), ["prompt of token ids -> text"]);
    }
}

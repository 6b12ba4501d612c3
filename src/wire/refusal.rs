//! What an answer other than 200 means, from its status and body.
//!
//! Servers tell a prompt that is too long in words only, so known phrases are looked for, each with its numbers
//! (vLLM three generations of them, SGLang, llama.cpp, TGI, OpenAI). A phrase that nobody listed is
//! [`Refusal::Other`] with the server's own message, never a guess.

use super::chat::ServerError;

/// An answer other than 200.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub status: u16,
    pub refusal: Refusal,
    /// In the server's words, one line; may be empty.
    pub message: String,
}

/// What was refused, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The prompt does not fit. The numbers are `None` where the server does not tell them, or tells a bound.
    TooLong {
        n_prompt_tokens: Option<u64>,
        n_ctx: Option<u64>,
    },
    /// The body is beyond what the server, or a proxy before it, takes (413).
    TooLarge,
    Parameter(Parameter),
    /// With the models there are, where told.
    UnknownModel {
        known: Vec<String>,
    },
    /// The key is missing or wrong, or not enough (401, 403).
    Unauthorized,
    /// No such path (404, 405).
    NotFound,
    /// The address is elsewhere (3xx); the `Location` header says where.
    Moved,
    /// Too many requests (429); a `Retry-After` header may say when to come again.
    Overloaded,
    /// The model is still being loaded (503).
    Loading,
    /// The server, or one behind it, failed (5xx).
    ServerFailed,
    Other,
}

/// A field of the request that the server does not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parameter {
    StreamOptions,
    MaxTokens,
    Temperature,
    Other(String),
}

/// Reads a refusal.
pub fn classify(status: u16, body: &[u8]) -> Refused {
    let error = ServerError::parse(body).unwrap_or_else(|| ServerError { message: plain(body), ..Default::default() });
    let refusal = too_long(&error).unwrap_or_else(|| match status {
        300..=399 => Refusal::Moved,
        401 | 403 => Refusal::Unauthorized,
        413 => Refusal::TooLarge,
        429 => Refusal::Overloaded,
        503 if says(&error.message, "loading") => Refusal::Loading,
        500.. => Refusal::ServerFailed,
        _ => unknown_model(&error)
            .or_else(|| parameter(&error).map(Refusal::Parameter))
            .unwrap_or(if matches!(status, 404 | 405) { Refusal::NotFound } else { Refusal::Other }),
    });
    Refused { status, refusal, message: one_line(&error.message) }
}

/// [`Refusal::TooLong`] if that is what the error says, inside a stream or out of it. `#` stands for a number.
pub fn too_long(error: &ServerError) -> Option<Refusal> {
    const LIMITS: [&str; 9] = [
        "maximum context length is # tokens",
        "maximum model length of #",
        "longer than the model's context length (# tokens",
        "available context size (# tokens",
        "exceeds the maximum allowed length (# tokens",
        "`inputs` must have less than # tokens",
        "`max_new_tokens` must be <= #",
        "context length of only # tokens",
        "context window of # tokens",
    ];
    const PROMPTS: [&str; 8] = [
        "prompt contains # input tokens",
        "(# in the messages",
        "(# in your prompt",
        "messages resulted in # tokens",
        "prompt (length #)",
        "request (# tokens)",
        "Given: #",
        "input (# tokens)",
    ];
    const WORDS: [&str; 3] =
        ["context size has been exceeded", "input is too long", "exceeds the maximum allowed length"];

    let told = |phrases: &[&str]| phrases.iter().find_map(|phrase| number_in(&error.message, phrase));
    let n_ctx = error.n_ctx.or_else(|| told(&LIMITS));
    let named = error.code.as_deref() == Some("context_length_exceeded")
        || error.kind.as_deref() == Some("exceed_context_size_error")
        || WORDS.iter().any(|words| says(&error.message, words));
    let n_prompt_tokens = error.n_prompt_tokens.or_else(|| told(&PROMPTS));
    (named || n_ctx.is_some()).then_some(Refusal::TooLong { n_prompt_tokens, n_ctx })
}

/// "The model `x` does not exist", with vLLM's "Valid aliases: a, b."
fn unknown_model(error: &ServerError) -> Option<Refusal> {
    let message = &error.message;
    let denied = ["not exist", "not found", "not available", "invalid model"].iter().any(|words| says(message, words));
    let about_model = error.param.as_deref() == Some("model") || says(message, "model");
    if error.code.as_deref() != Some("model_not_found") && !(denied && about_model) {
        return None;
    }
    let listed = message.split_once("Valid aliases: ").map(|(_, names)| names.trim_end_matches('.'));
    let known = listed.into_iter().flat_map(|names| names.split(", ")).map(str::to_owned).collect();
    Some(Refusal::UnknownModel { known })
}

/// A field that is not supported at all, as opposed to one with a wrong value.
fn parameter(error: &ServerError) -> Option<Parameter> {
    const VERBS: [&str; 8] = [
        "unsupported parameter",
        "unsupported value",
        "unknown parameter",
        "unrecognized",
        "not supported",
        "does not support",
        "not permitted",
        "extra_forbidden",
    ];
    if !VERBS.iter().any(|verb| says(&error.message, verb)) {
        return None;
    }
    let named = error.param.as_deref().map(|param| param.strip_prefix("body.").unwrap_or(param));
    let words = || error.message.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let ours = ["stream_options", "max_tokens", "temperature"];
    let name = named.or_else(|| words().find(|word| ours.contains(word))).or_else(|| quoted(&error.message))?;
    Some(match name.split('.').next().unwrap_or(name) {
        "stream_options" => Parameter::StreamOptions,
        "max_tokens" => Parameter::MaxTokens,
        "temperature" => Parameter::Temperature,
        other => Parameter::Other(other.to_owned()),
    })
}

fn quoted(text: &str) -> Option<&str> {
    text.split(['\'', '`', '"']).nth(1)
}

/// Whether the words, given in lower case, stand in the text in any case.
fn says(text: &str, words: &str) -> bool {
    text.to_ascii_lowercase().contains(words)
}

/// The number at `#` in the first place where the rest of the phrase stands.
fn number_in(text: &str, phrase: &str) -> Option<u64> {
    let (before, after) = phrase.split_once('#')?;
    text.match_indices(before).find_map(|(at, _)| {
        let rest = &text[at + before.len()..];
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, rest) = rest.split_at(digits);
        rest.starts_with(after).then(|| number.parse().ok())?
    })
}

/// A body that is not a JSON error: of a page its title, of text the text.
fn plain(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let lower = text.to_ascii_lowercase();
    if !lower.contains("<html") && !lower.trim_start().starts_with("<!doctype") {
        return text.trim().to_owned();
    }
    let title = lower.find("<title>").and_then(|at| {
        let start = at + "<title>".len();
        let length = lower[start..].find("</title>")?;
        Some(text[start..start + length].trim().to_owned())
    });
    match title {
        Some(title) if !title.is_empty() => format!("an HTML page titled {title:?}"),
        _ => "an HTML page".to_owned(),
    }
}

/// Whitespace runs become one space, and a long text is cut.
fn one_line(text: &str) -> String {
    const LONGEST: usize = 400;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("{}...", &line[..cut]),
        None => line,
    }
}

#[cfg(test)]
mod tests;

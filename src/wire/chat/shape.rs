//! Chunks as they are written, and what they come to.
//!
//! A chat chunk has `choices[].delta`, a completion's has `choices[].text`, a whole chat answer `choices[].message`.

use std::borrow::Cow;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use super::usage::{ServerMetrics, Timings, Usage};
use super::{Choice, Delta, Progress, lax};

#[derive(Deserialize)]
pub(super) struct Chunk<'a> {
    #[serde(borrow)]
    choices: Option<Vec<Choice<'a>>>,
    usage: Option<UsageShape>,
    timings: Option<Timings>,
    metrics: Option<ServerMetrics>,
    sglext: Option<SglExt>,
    prompt_progress: Option<Progress>,
    #[serde(default, deserialize_with = "lax::presence")]
    prompt_filter_results: bool,
    #[serde(default, deserialize_with = "lax::text", borrow)]
    object: Cow<'a, str>,
    #[serde(default, deserialize_with = "lax::presence")]
    error: bool,
    #[serde(default, deserialize_with = "lax::presence")]
    detail: bool,
}

#[derive(Deserialize)]
struct ChoiceShape<'a> {
    #[serde(default, deserialize_with = "lax::count")]
    index: Option<u64>,
    #[serde(borrow)]
    delta: Option<Message<'a>>,
    #[serde(borrow)]
    message: Option<Message<'a>>,
    #[serde(default, deserialize_with = "lax::text", borrow)]
    text: Cow<'a, str>,
    #[serde(default, deserialize_with = "lax::text", borrow)]
    finish_reason: Cow<'a, str>,
    #[serde(default, deserialize_with = "lax::presence")]
    content_filter_results: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Message<'a> {
    #[serde(deserialize_with = "lax::text", borrow)]
    role: Cow<'a, str>,
    #[serde(deserialize_with = "lax::text", borrow)]
    content: Cow<'a, str>,
    #[serde(deserialize_with = "lax::text", borrow)]
    reasoning: Cow<'a, str>,
    #[serde(deserialize_with = "lax::text", borrow)]
    reasoning_content: Cow<'a, str>,
    #[serde(deserialize_with = "lax::text", borrow)]
    refusal: Cow<'a, str>,
    tool_calls: Option<Vec<IgnoredAny>>,
    /// The older form of one tool call.
    #[serde(deserialize_with = "lax::presence")]
    function_call: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct UsageShape {
    #[serde(deserialize_with = "lax::count")]
    prompt_tokens: Option<u64>,
    #[serde(deserialize_with = "lax::count")]
    completion_tokens: Option<u64>,
    #[serde(deserialize_with = "lax::count")]
    prompt_cache_hit_tokens: Option<u64>,
    #[serde(deserialize_with = "lax::count")]
    prompt_cache_miss_tokens: Option<u64>,
    prompt_tokens_details: Option<PromptDetails>,
    completion_tokens_details: Option<CompletionDetails>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PromptDetails {
    #[serde(deserialize_with = "lax::count")]
    cached_tokens: Option<u64>,
    #[serde(deserialize_with = "lax::count")]
    local_cached_tokens: Option<u64>,
    #[serde(deserialize_with = "lax::count")]
    external_cached_tokens: Option<u64>,
    #[serde(deserialize_with = "lax::count")]
    created_cache_tokens: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct CompletionDetails {
    #[serde(deserialize_with = "lax::count")]
    reasoning_tokens: Option<u64>,
}

/// SGLang's extension, with a request's `return_cached_tokens_details`.
#[derive(Deserialize)]
struct SglExt {
    cached_tokens_details: Option<Tiers>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Tiers {
    #[serde(deserialize_with = "lax::count")]
    device: Option<u64>,
    #[serde(deserialize_with = "lax::count")]
    host: Option<u64>,
    #[serde(deserialize_with = "lax::count")]
    storage: Option<u64>,
}

impl Chunk<'_> {
    /// Whether it has the look of an error, which is then read apart: errors are rare and of many shapes.
    pub(super) fn hints_at_an_error(&self) -> bool {
        let empty = self.choices.as_ref().is_none_or(Vec::is_empty);
        self.error || (empty && (self.detail || self.object == "error"))
    }
}

impl<'a> From<Chunk<'a>> for Delta<'a> {
    fn from(chunk: Chunk<'a>) -> Delta<'a> {
        let choices = chunk.choices.unwrap_or_default();
        let filtered = chunk.prompt_filter_results || choices.iter().any(|choice| choice.filtered);
        let mut usage = chunk.usage.map(Usage::from).unwrap_or_default();
        if let Some(tiers) = chunk.sglext.and_then(|ext| ext.cached_tokens_details) {
            usage.device_cached_tokens = tiers.device;
            usage.host_cached_tokens = tiers.host;
            usage.storage_cached_tokens = tiers.storage;
        }
        Delta {
            choices,
            usage: usage.is_said().then_some(usage),
            timings: chunk.timings,
            metrics: chunk.metrics,
            progress: chunk.prompt_progress,
            filtered,
            ..Delta::default()
        }
    }
}

impl<'a> From<ChoiceShape<'a>> for Choice<'a> {
    fn from(choice: ChoiceShape<'a>) -> Choice<'a> {
        let message = choice.delta.or(choice.message).unwrap_or_default();
        Choice {
            index: choice.index.unwrap_or_default(),
            role: some(message.role),
            content: some(message.content).unwrap_or(choice.text),
            reasoning: some(message.reasoning).unwrap_or(message.reasoning_content),
            refusal: message.refusal,
            tool_call: message.function_call || message.tool_calls.is_some_and(|calls| !calls.is_empty()),
            finish_reason: some(choice.finish_reason),
            filtered: choice.content_filter_results,
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Choice<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Choice<'a>, D::Error> {
        ChoiceShape::deserialize(from).map(Choice::from)
    }
}

impl From<UsageShape> for Usage {
    fn from(usage: UsageShape) -> Usage {
        let details = usage.prompt_tokens_details.unwrap_or_default();
        // DeepSeek's own names, for servers that give no details.
        let missed = usage.prompt_cache_miss_tokens;
        let hit = || usage.prompt_cache_hit_tokens.or_else(|| usage.prompt_tokens?.checked_sub(missed?));
        Usage {
            // No prompt has 0 tokens; Ollama counts one so that it had cached.
            prompt_tokens: usage.prompt_tokens.filter(|count| *count > 0),
            completion_tokens: usage.completion_tokens,
            cached_tokens: details.cached_tokens.or_else(hit),
            reasoning_tokens: usage.completion_tokens_details.and_then(|details| details.reasoning_tokens),
            local_cached_tokens: details.local_cached_tokens,
            external_cached_tokens: details.external_cached_tokens,
            created_cache_tokens: details.created_cache_tokens,
            ..Usage::default()
        }
    }
}

fn some(text: Cow<'_, str>) -> Option<Cow<'_, str>> {
    (!text.is_empty()).then_some(text)
}

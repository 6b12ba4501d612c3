//! The servers that the simulated endpoint can speak like, and what tells them apart.
//!
//! A `Shape` says how a flavour streams; `refusal` says no in its words. What a flavour leaves out (a tokenizer,
//! counters) is a 404 as it is there. The facts are from the servers' own code and manuals: the `entrypoints/openai`
//! of vLLM and SGLang, llama.cpp's `tools/server`, TGI's `router`, TensorRT-LLM's `serve`, Ollama's `openai` package,
//! the API references of OpenAI, Azure and DeepSeek, and issues of LiteLLM; vLLM's and llama.cpp's were checked against
//! recorded answers of both. No flavour is all of its server.

use std::fmt;
use std::str::FromStr;

pub(super) mod refusal;

/// A server to be spoken like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Flavor {
    #[default]
    Vllm,
    Sglang,
    LlamaCpp,
    Tgi,
    TrtLlm,
    Ollama,
    OpenAi,
    Azure,
    DeepSeek,
    LiteLlm,
}

/// Every flavour with its name and what is peculiar to it.
pub const FLAVORS: [(Flavor, &str, &str); 10] = [
    (Flavor::Vllm, "vllm", "role with the first token, finish reason with the last, usage, [DONE]"),
    (Flavor::Sglang, "sglang", "headers after the first token, finish reason apart, no cached tokens when cold"),
    (Flavor::LlamaCpp, "llamacpp", "role with null content, pings, timings"),
    (Flavor::Tgi, "tgi", "role on every chunk, no cached tokens"),
    (Flavor::TrtLlm, "trtllm", "a space after every line of data, content and reasoning both empty"),
    (Flavor::Ollama, "ollama", "role on every chunk, silent truncation, no cached tokens"),
    (Flavor::OpenAi, "openai", "role before any token, null usage on every chunk, padding"),
    (Flavor::Azure, "azure", "a filter's verdict before the role, without choices"),
    (Flavor::DeepSeek, "deepseek", "comments while waiting, cache hits and misses"),
    (Flavor::LiteLlm, "litellm", "usage on a chunk that has choices"),
];

impl fmt::Display for Flavor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = FLAVORS.iter().find(|(flavor, ..)| flavor == self).map_or("", |(_, name, _)| name);
        f.write_str(name)
    }
}

/// There is no such flavour.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no flavour {0:?}; there are {known}", known = FLAVORS.map(|(_, name, _)| name).join(", "))]
pub struct FlavorError(String);

impl FromStr for Flavor {
    type Err = FlavorError;

    fn from_str(text: &str) -> Result<Flavor, FlavorError> {
        let found = FLAVORS.iter().find(|(_, name, _)| *name == text);
        found.map(|(flavor, ..)| *flavor).ok_or_else(|| FlavorError(text.to_owned()))
    }
}

/// How a flavour streams. The fragments are JSON as it stands in the chunk.
pub(super) struct Shape {
    /// The header `server`.
    pub server: Option<&'static str>,
    /// Whether the response's head waits for the first token.
    pub late_headers: bool,
    /// What is said before anything is computed: whole chunks, `{choices}` and `{role}` being the flavour's own.
    pub opening: Opening,
    /// The delta that introduces the first token.
    pub role: Option<&'static str>,
    /// What every delta begins with.
    pub each_delta: &'static str,
    /// What every choice ends with.
    pub each_choice: &'static str,
    /// What every chunk ends with, where there is no usage.
    pub each_chunk: &'static str,
    /// The delta of the chunk that carries the finish reason; `None` when the last token's does.
    pub finish_delta: Option<&'static str>,
    /// The finish reason of chunks that have none.
    pub unfinished: &'static str,
    /// The choices of the chunk that carries usage.
    pub usage_choices: &'static str,
    /// The field for tokens of reasoning.
    pub reasoning: &'static str,
    /// A comment that is sent while nothing else is, and how often, in seconds.
    pub ping: Option<(&'static str, u64)>,
    /// What follows the data on its line.
    pub after_data: &'static str,
}

/// What comes before the prefill.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    Nothing,
    Role,
    FilterThenRole,
}

const PLAIN: Shape = Shape {
    server: None,
    late_headers: false,
    opening: Opening::Nothing,
    role: Some(r#""role":"assistant","content":"""#),
    each_delta: "",
    each_choice: r#","logprobs":null"#,
    each_chunk: "",
    finish_delta: None,
    unfinished: "null",
    usage_choices: "",
    reasoning: "reasoning_content",
    ping: None,
    after_data: "",
};

impl Flavor {
    pub(super) fn shape(self) -> Shape {
        match self {
            Flavor::Vllm => Shape { server: Some("uvicorn"), reasoning: "reasoning", ..PLAIN },
            Flavor::Sglang => Shape {
                server: Some("uvicorn"),
                late_headers: true,
                each_choice: r#","logprobs":null,"matched_stop":null"#,
                each_chunk: r#","usage":null"#,
                finish_delta: Some(r#""role":null,"content":null"#),
                ..PLAIN
            },
            Flavor::LlamaCpp => Shape {
                server: Some("llama.cpp"),
                role: Some(r#""role":"assistant","content":null"#),
                each_choice: "",
                finish_delta: Some(""),
                ping: Some(("", 1)),
                ..PLAIN
            },
            Flavor::Tgi => Shape { role: None, each_delta: r#""role":"assistant","#, ..PLAIN },
            Flavor::TrtLlm => Shape {
                server: Some("uvicorn"),
                role: Some(r#""role":"assistant""#),
                each_delta: r#""reasoning_content":"","#,
                after_data: " ",
                ..PLAIN
            },
            Flavor::Ollama => Shape {
                late_headers: true,
                role: None,
                each_delta: r#""role":"assistant","#,
                each_choice: "",
                finish_delta: Some(r#""role":"assistant","content":"""#),
                reasoning: "reasoning",
                ..PLAIN
            },
            Flavor::OpenAi => Shape {
                opening: Opening::Role,
                role: None,
                each_chunk: r#","usage":null,"obfuscation":"k3Jx""#,
                finish_delta: Some(""),
                ..PLAIN
            },
            Flavor::Azure => Shape {
                opening: Opening::FilterThenRole,
                role: None,
                each_choice: r#","logprobs":null,"content_filter_results":{}"#,
                each_chunk: r#","usage":null"#,
                finish_delta: Some(""),
                ..PLAIN
            },
            Flavor::DeepSeek => Shape {
                opening: Opening::Role,
                role: None,
                finish_delta: Some(r#""content":"""#),
                ping: Some((" keep-alive", 1)),
                ..PLAIN
            },
            Flavor::LiteLlm => Shape {
                server: Some("uvicorn"),
                each_choice: "",
                finish_delta: Some(""),
                usage_choices: r#"{"index":0,"delta":{}}"#,
                ..PLAIN
            },
        }
    }

    /// Whether any model's name is served, by the one model there is.
    pub(super) fn serves_any_model(self) -> bool {
        matches!(self, Flavor::LlamaCpp | Flavor::Sglang | Flavor::Tgi)
    }

    /// Whether a prompt that does not fit is cut in silence.
    pub(super) fn truncates(self) -> bool {
        self == Flavor::Ollama
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flavour_is_read_by_the_name_it_prints() {
        for (flavor, name, _) in FLAVORS {
            assert_eq!((flavor.to_string().as_str(), name.parse()), (name, Ok(flavor)));
        }
        assert!("vLLM".parse::<Flavor>().unwrap_err().to_string().ends_with(
            "there are vllm, sglang, llamacpp, tgi, \
            trtllm, ollama, openai, azure, deepseek, litellm"
        ));
    }
}

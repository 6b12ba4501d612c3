//! How each flavour says no.

use serde_json::{Value, json};

use super::Flavor;
use crate::sim::call::CallError;

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sim) enum Problem {
    Body(CallError),
    UnknownModel {
        model: String,
        known: Vec<String>,
    },
    TooLong {
        prompt_tokens: u64,
        max_tokens: u64,
        context: u64,
    },
    /// A parameter, or the only value of it that was ever sent.
    Unsupported {
        parameter: &'static str,
    },
    Unauthorized,
    Forbidden,
    RateLimited,
    Overloaded,
    Loading,
    NotFound,
}

/// The status and the body with which `flavor` says it.
pub(in crate::sim) fn refusal(flavor: Flavor, problem: &Problem) -> (u16, Value) {
    match problem {
        Problem::Body(error) => bad_body(flavor, error),
        Problem::UnknownModel { model, known } => unknown_model(flavor, model, known),
        Problem::TooLong { prompt_tokens, max_tokens, context } => {
            too_long(flavor, *prompt_tokens, *max_tokens, *context)
        }
        Problem::Unsupported { parameter } => {
            let message = match *parameter {
                "temperature" => "Unsupported value: 'temperature' does not support 0 with this model.".to_owned(),
                "max_tokens" => "Unsupported parameter: 'max_tokens' is not supported with this model. Use \
                    'max_completion_tokens' instead."
                    .to_owned(),
                _ => format!("Unsupported parameter: '{parameter}' is not supported with this model."),
            };
            (400, openai(&message, "invalid_request_error", json!(parameter), json!("unsupported_parameter")))
        }
        Problem::Unauthorized if flavor == Flavor::Vllm => (401, json!({"error": "Unauthorized"})),
        Problem::Unauthorized => {
            let message = "Incorrect API key provided.";
            (401, openai(message, "invalid_request_error", Value::Null, json!("invalid_api_key")))
        }
        Problem::Forbidden => {
            let message = "The API key may not use this model.";
            (403, openai(message, "permission_error", Value::Null, json!("forbidden")))
        }
        Problem::RateLimited if flavor == Flavor::Tgi => {
            (429, json!({"error": "Model is overloaded", "error_type": "overloaded"}))
        }
        Problem::RateLimited => {
            (429, openai("Rate limit reached for requests.", "requests", Value::Null, json!("rate_limit_exceeded")))
        }
        Problem::Overloaded => {
            (503, openai("The server is overloaded or not ready yet.", "server_error", Value::Null, json!(503)))
        }
        Problem::Loading => {
            (503, json!({"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}}))
        }
        Problem::NotFound if flavor == Flavor::LlamaCpp => {
            (404, json!({"error": {"message": "File Not Found", "type": "not_found_error", "code": 404}}))
        }
        Problem::NotFound => (404, json!({"detail": "Not Found"})),
    }
}

fn openai(message: &str, kind: &str, param: Value, code: Value) -> Value {
    json!({"error": {"message": message, "type": kind, "param": param, "code": code}})
}

fn bad_body(flavor: Flavor, error: &CallError) -> (u16, Value) {
    let message = match error {
        CallError::Malformed(detail) => format!("JSON decode error: {detail}"),
        CallError::Missing(field) if flavor == Flavor::LlamaCpp => format!("'{field}' is required"),
        CallError::Missing(field) => format!("1 validation error: {{'type': 'missing', 'loc': 'body.{field}'}}"),
        CallError::NoOutput => "max_tokens must be at least 1, got 0. (parameter=max_tokens, value=0)".to_owned(),
    };
    let param = match error {
        CallError::Malformed(_) => json!("body"),
        CallError::Missing(field) => json!(format!("body.{field}")),
        CallError::NoOutput => json!("max_tokens"),
    };
    match (flavor, error) {
        (Flavor::LlamaCpp, CallError::Malformed(_)) => {
            (500, json!({"error": {"code": 500, "message": message, "type": "server_error"}}))
        }
        (Flavor::LlamaCpp, _) => {
            (400, json!({"error": {"code": 400, "message": message, "type": "invalid_request_error"}}))
        }
        (Flavor::Tgi, _) => (422, json!({"error": message, "error_type": "validation"})),
        _ => (400, openai(&message, "BadRequestError", param, json!(400))),
    }
}

fn unknown_model(flavor: Flavor, model: &str, known: &[String]) -> (u16, Value) {
    match flavor {
        Flavor::Ollama => {
            let message = format!("model \"{model}\" not found, try pulling it first");
            (404, openai(&message, "api_error", Value::Null, Value::Null))
        }
        Flavor::OpenAi | Flavor::Azure | Flavor::DeepSeek => {
            let message = format!("The model `{model}` does not exist or you do not have access to it.");
            (404, openai(&message, "invalid_request_error", Value::Null, json!("model_not_found")))
        }
        _ => {
            let message = format!("The model `{model}` does not exist. Valid aliases: {}.", known.join(", "));
            (404, openai(&message, "NotFoundError", json!("model"), json!(404)))
        }
    }
}

fn too_long(flavor: Flavor, prompt: u64, answer: u64, context: u64) -> (u16, Value) {
    match flavor {
        Flavor::Sglang => {
            let message =
                format!("The input ({prompt} tokens) is longer than the model's context length ({context} tokens).");
            let kind = "BadRequestError";
            (400, json!({"object": "error", "message": message, "type": kind, "param": null, "code": 400}))
        }
        Flavor::LlamaCpp => {
            let message = format!(
                "request ({prompt} tokens) exceeds the available context size ({context} tokens), try increasing it"
            );
            let kind = "exceed_context_size_error";
            (
                400,
                json!({"error": {"code": 400, "message": message, "type": kind, "n_prompt_tokens": prompt, "n_ctx": context}}),
            )
        }
        Flavor::Tgi => {
            let message =
                format!("Input validation error: `inputs` must have less than {context} tokens. Given: {prompt}");
            (422, json!({"error": message, "error_type": "validation"}))
        }
        Flavor::OpenAi | Flavor::Azure | Flavor::DeepSeek => {
            let message = format!(
                "This model's maximum context length is {context} tokens. However, your messages resulted in {prompt} \
                 tokens. Please reduce the length of the messages."
            );
            (400, openai(&message, "invalid_request_error", json!("messages"), json!("context_length_exceeded")))
        }
        _ => {
            let message = format!(
                "This model's maximum context length is {context} tokens. However, you requested {answer} output tokens \
                 and your prompt contains {prompt} input tokens, for a total of {} tokens. Please reduce the length of \
                 the input prompt or the number of requested output tokens. (parameter=input_tokens, value={prompt})",
                prompt + answer
            );
            (400, openai(&message, "BadRequestError", json!("input_tokens"), json!(400)))
        }
    }
}

//! What a server says when it fails, in an event of the stream or as the body of a refusal:
//!
//! | who | shape |
//! |---|---|
//! | OpenAI, vLLM, llama.cpp | `{"error": {"message", "type", "param", "code": int, string or null}}` |
//! | TGI, Ollama | `{"error": "text", "error_type"}` |
//! | SGLang, older vLLM | `{"object": "error", "message", "type", "param", "code"}` |
//! | FastAPI | `{"detail": "text"}` or `{"detail": [{"loc", "msg"}]}` |
//! | gateways | `{"message": "text"}`, or any of these as the first of a list |

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An error in the server's words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServerError {
    pub message: String,
    /// `type`, or TGI's `error_type`.
    pub kind: Option<String>,
    /// A name or a number, as text.
    pub code: Option<String>,
    /// The parameter it is about.
    pub param: Option<String>,
    /// llama.cpp, when a prompt is too long: how long it is, in tokens,
    pub n_prompt_tokens: Option<u64>,
    /// and how long it may be.
    pub n_ctx: Option<u64>,
}

impl ServerError {
    /// The error that a JSON text holds; `None` when it is not JSON or names none.
    pub fn parse(json: &[u8]) -> Option<ServerError> {
        let json: Value = serde_json::from_slice(json).ok()?;
        let json = json.get(0).unwrap_or(&json);
        match &json["error"] {
            error @ Value::Object(fields) if !fields.is_empty() => Some(ServerError::of(error)),
            Value::String(message) if !message.is_empty() => {
                Some(ServerError { message: message.clone(), kind: text(&json["error_type"]), ..ServerError::of(json) })
            }
            _ if json["message"].is_string() => Some(ServerError::of(json)),
            _ => Some(ServerError { message: details(&json["detail"])?, ..ServerError::default() }),
        }
    }

    fn of(fields: &Value) -> ServerError {
        ServerError {
            message: text(&fields["message"]).unwrap_or_else(|| fields.to_string()),
            kind: text(&fields["type"]),
            code: text(&fields["code"]),
            param: text(&fields["param"]),
            n_prompt_tokens: fields["n_prompt_tokens"].as_u64(),
            n_ctx: fields["n_ctx"].as_u64(),
        }
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// `body.temperature: Input should be a number`, for each entry.
fn details(detail: &Value) -> Option<String> {
    let Value::Array(entries) = detail else { return text(detail) };
    let entry = |entry: &Value| {
        let place: Vec<String> = entry["loc"].as_array()?.iter().filter_map(text).collect();
        Some(format!("{}: {}", place.join("."), text(&entry["msg"])?))
    };
    let entries: Vec<String> = entries.iter().filter_map(entry).collect();
    (!entries.is_empty()).then(|| entries.join("; "))
}

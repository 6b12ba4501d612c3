//! How long a model's context is, read from what servers and model folders say about themselves.
//!
//! | answer to | field | who |
//! |---|---|---|
//! | `GET /v1/models` | `data[].max_model_len` | vLLM, SGLang |
//! | | `data[].meta.n_ctx` | llama.cpp, per slot; `n_ctx_train` is what the model could do and not what is served |
//! | | `data[].context_length`, `context_window`, `max_context_length` | OpenRouter, Groq, LM Studio and Mistral |
//! | `GET /props` | `default_generation_settings.n_ctx` | llama.cpp, per slot |
//! | `GET /info` | `max_total_tokens`, else `max_input_tokens` or `max_input_length` | TGI |
//! | `tokenizer_config.json` | `model_max_length` | Hugging Face; a number beyond all models means unknown |

use serde_json::Value;

/// More than any model has. `transformers` writes 10^30 where it does not know.
const ABSURD: u64 = 1 << 30;

/// The context of `model` in an answer of `/v1/models`.
pub fn from_models(body: &[u8], model: &str) -> Option<u64> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let entry = answer["data"].as_array()?.iter().find(|entry| entry["id"] == model)?;
    let fields = ["/max_model_len", "/meta/n_ctx", "/context_length", "/context_window", "/max_context_length"];
    fields.iter().find_map(|field| tokens(entry.pointer(field)?))
}

/// The context in an answer of llama.cpp's `/props`.
pub fn from_props(body: &[u8]) -> Option<u64> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    tokens(&answer["default_generation_settings"]["n_ctx"])
}

/// llama.cpp's slots in an answer of its `/props`.
pub fn slots(body: &[u8]) -> Option<u64> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    answer["total_slots"].as_u64().filter(|slots| *slots > 0)
}

/// The context in an answer of TGI's `/info`.
pub fn from_info(body: &[u8]) -> Option<u64> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    ["max_total_tokens", "max_input_tokens", "max_input_length"].iter().find_map(|field| tokens(&answer[field]))
}

/// The context in a `tokenizer_config.json`.
pub fn from_tokenizer_config(body: &[u8]) -> Option<u64> {
    let config: Value = serde_json::from_slice(body).ok()?;
    tokens(&config["model_max_length"])
}

fn tokens(value: &Value) -> Option<u64> {
    value.as_u64().filter(|tokens| (1..ABSURD).contains(tokens))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_context_is_that_of_the_model_asked_for() {
        let body = br#"{"data":[{"id":"a","max_model_len":4096},{"id":"b","max_model_len":16384}]}"#;
        assert_eq!(from_models(body, "b"), Some(16384));
        assert_eq!(from_models(body, "c"), None);
    }

    #[test]
    fn llama_cpp_serves_n_ctx_and_not_what_the_model_was_trained_for() {
        let body = br#"{"data":[{"id":"g","meta":{"n_ctx":16384,"n_ctx_train":32768}}]}"#;
        assert_eq!(from_models(body, "g"), Some(16384));
        assert_eq!(from_models(br#"{"data":[{"id":"g","meta":{"n_ctx_train":32768}}]}"#, "g"), None);
        assert_eq!(from_props(br#"{"default_generation_settings":{"n_ctx":8192},"total_slots":2}"#), Some(8192));
        assert_eq!(slots(br#"{"default_generation_settings":{"n_ctx":8192},"total_slots":2}"#), Some(2));
    }

    #[test]
    fn tgi_counts_prompt_and_answer_or_the_prompt_alone() {
        assert_eq!(from_info(br#"{"max_input_length":3000,"max_total_tokens":4096}"#), Some(4096));
        assert_eq!(from_info(br#"{"max_input_tokens":3000}"#), Some(3000));
    }

    #[test]
    fn a_sentinel_is_not_a_length() {
        assert_eq!(from_tokenizer_config(br#"{"model_max_length":131072}"#), Some(131_072));
        assert_eq!(from_tokenizer_config(br#"{"model_max_length":1000000000000000019884624838656}"#), None);
        assert_eq!(from_tokenizer_config(br#"{"model_max_length":2147483647}"#), None);
        assert_eq!(from_tokenizer_config(br#"{"model_max_length":null}"#), None);
    }

    #[test]
    fn what_is_not_json_says_nothing() {
        for read in [from_props, from_info, from_tokenizer_config] {
            assert_eq!(read(b"<html>"), None);
        }
        assert_eq!(from_models(b"[]", "m"), None);
    }
}

//! The endpoints beside completions: what a flavour tells of itself, its tokenizer, its counters and its reset.

use hyper::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::cache::TIERS;
use super::call::{self, Message};
use super::engine::Engine;
use super::faults::{FaultKind, Faults};
use super::flavor::Flavor;
use super::tokenizer::{TokenId, Words};
use super::{lmcache, metrics};

/// A request beside completions.
pub(super) struct Query<'a> {
    pub method: &'a Method,
    pub path: &'a str,
    pub query: &'a str,
    pub body: &'a [u8],
}

/// What it is answered with.
pub(super) enum Found {
    Json(Value),
    Text(String),
    Empty,
    /// Refused, with a status.
    Refused(u16, Value),
}

/// Answers `query`, or `None` when the flavour has no such endpoint.
pub(super) fn find(
    flavor: Flavor,
    faults: &Faults,
    models: &[String],
    engine: &mut Engine,
    query: &Query,
) -> Option<Found> {
    let has = |kind| faults.has(kind, 0);
    let reset_works = !has(FaultKind::ResetLies);
    let claimed = faults.number(FaultKind::ConfigLies, 0).unwrap_or(1);
    let is_post = query.method == Method::POST;
    match (query.path, flavor) {
        // The path is there, and the method is not.
        ("/reset_prefix_cache", Flavor::Vllm) | ("/flush_cache", Flavor::Sglang) if query.method == Method::OPTIONS => {
            Some(Found::Refused(405, json!({"detail": "Method Not Allowed"})))
        }
        ("/v1/models", _) if !has(FaultKind::NoModels) => Some(Found::Json(model_list(flavor, models, engine))),
        ("/health", Flavor::LlamaCpp) => Some(Found::Json(json!({"status": "ok"}))),
        ("/health", _) => Some(Found::Empty),
        ("/metrics", _) if !has(FaultKind::NoMetrics) => metrics::page(flavor, engine, claimed).map(Found::Text),
        ("/lmcache/status", Flavor::Vllm) => lmcache::status(engine, claimed).map(Found::Json),
        ("/tokenize" | "/v1/tokenize", _) if is_post && !has(FaultKind::NoTokenize) => {
            tokenize(flavor, engine, Words { part_at_k: has(FaultKind::LongWords) }, query)
        }
        ("/version", Flavor::Vllm) => Some(Found::Json(json!({"version": "0.0.0-sim"}))),
        ("/reset_prefix_cache", Flavor::Vllm) if is_post => {
            Some(Found::Json(reset_vllm(engine, query.query, reset_works)))
        }
        ("/flush_cache", Flavor::Sglang) => Some(flush_sglang(engine, reset_works)),
        ("/get_model_info", Flavor::Sglang) => {
            Some(Found::Json(json!({"model_path": models[0], "is_generation": true})))
        }
        ("/get_server_info", Flavor::Sglang) => {
            let page_size = engine.profile.cache.tiers.first().map(|tier| tier.block_tokens);
            let total = claimed * engine.capacity_tokens();
            Some(Found::Json(json!({"model_path": models[0], "page_size": page_size, "max_total_num_tokens": total})))
        }
        ("/props", Flavor::LlamaCpp) => {
            let slots = engine.profile.slots;
            let n_ctx = engine.profile.context_tokens;
            let props = json!({"default_generation_settings": {"n_ctx": n_ctx}, "total_slots": slots, "model_alias": models[0]});
            Some(Found::Json(props))
        }
        (path, Flavor::LlamaCpp) if path.starts_with("/slots/") && is_post => {
            let message = "This server does not support slots action. Start it with `--slot-save-path`";
            Some(Found::Refused(
                501,
                json!({"error": {"code": 501, "message": message, "type": "not_supported_error"}}),
            ))
        }
        ("/info", Flavor::Tgi) => {
            let total = engine.profile.context_tokens;
            Some(Found::Json(json!({"model_id": models[0], "max_input_tokens": total - 1, "max_total_tokens": total})))
        }
        ("/api/version", Flavor::Ollama) => Some(Found::Json(json!({"version": "0.0.0-sim"}))),
        ("/", Flavor::Ollama) => Some(Found::Text("Ollama is running".to_owned())),
        _ => None,
    }
}

fn model_list(flavor: Flavor, models: &[String], engine: &Engine) -> Value {
    let context = engine.profile.context_tokens;
    let entry = |id: &String| match flavor {
        Flavor::Vllm => {
            json!({"id": id, "object": "model", "created": 0, "owned_by": "vllm", "root": id, "parent": null, "max_model_len": context})
        }
        Flavor::Sglang => {
            json!({"id": id, "object": "model", "created": 0, "owned_by": "sglang", "root": id, "max_model_len": context})
        }
        Flavor::LlamaCpp => {
            json!({"id": id, "object": "model", "created": 0, "owned_by": "llamacpp", "meta": {"n_ctx": context, "n_ctx_train": context}})
        }
        Flavor::TrtLlm => json!({"id": id, "object": "model", "created": 0, "owned_by": "tensorrt_llm"}),
        Flavor::Ollama => json!({"id": id, "object": "model", "created": 0, "owned_by": "library"}),
        _ => json!({"id": id, "object": "model", "created": 0, "owned_by": "ttft-sim"}),
    };
    json!({"object": "list", "data": models.iter().map(entry).collect::<Vec<_>>()})
}

#[derive(Deserialize)]
struct TokenizeBody<'a> {
    prompt: Option<String>,
    content: Option<String>,
    inputs: Option<String>,
    #[serde(borrow)]
    messages: Option<Vec<Message<'a>>>,
    add_special_tokens: Option<bool>,
}

fn tokenize(flavor: Flavor, engine: &Engine, words: Words, query: &Query) -> Option<Found> {
    let refused = |message: String| {
        Found::Refused(400, json!({"error": {"message": message, "type": "BadRequestError", "code": 400}}))
    };
    let body: TokenizeBody = match serde_json::from_slice(query.body) {
        Ok(body) => body,
        Err(error) => return Some(refused(error.to_string())),
    };
    let text = match flavor {
        Flavor::LlamaCpp => body.content,
        Flavor::Tgi => body.inputs,
        Flavor::Vllm | Flavor::Sglang => body.prompt,
        _ => return None,
    };
    let (context, template) = (engine.profile.context_tokens, engine.profile.template_tokens);
    let ids = match (&body.messages, text) {
        (Some(messages), _) if flavor == Flavor::Vllm => call::chat_ids(messages, template, words),
        (_, Some(text)) => {
            let begins = matches!(flavor, Flavor::Vllm | Flavor::Sglang) && body.add_special_tokens.unwrap_or(true);
            let template = if begins { template.min(1) } else { 0 };
            let mut ids: Vec<TokenId> = call::beginning(template).collect();
            words.encode_into(&text, &mut ids);
            ids
        }
        _ => return Some(refused("there is nothing to tokenize".to_owned())),
    };
    Some(Found::Json(match flavor {
        Flavor::LlamaCpp => json!({"tokens": ids}),
        Flavor::Tgi => ids.iter().map(|id| json!({"id": id})).collect(),
        _ => json!({"count": ids.len(), "max_model_len": context, "tokens": ids}),
    }))
}

/// Blocks in use cannot be freed, so a running request makes it fail. Lower tiers stay unless they are named.
fn reset_vllm(engine: &mut Engine, query: &str, works: bool) -> Value {
    let is_idle = engine.lengths().0 == 0;
    if is_idle && works {
        engine.clear(if query.contains("reset_external=true") { TIERS } else { 1 });
    }
    json!({"success": is_idle})
}

fn flush_sglang(engine: &mut Engine, works: bool) -> Found {
    if engine.lengths() != (0, 0) {
        return Found::Refused(400, json!("Cache not flushed because there are pending requests."));
    }
    if works {
        engine.clear(1);
    }
    Found::Text("Cache flushed.\n".to_owned())
}

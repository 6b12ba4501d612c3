//! The server with no fault: times, counts, the cache, and the endpoints beside completions.

use serde_json::{Value, json};
use ttft::clock::Nanos;

use super::raw::{self, chat, connect, exchange, get, post, request, sim};

const MS: Nanos = 1_000_000;
const TEMPLATE: u64 = 8;

/// `tokens` tokens of text that no other `id` shares.
fn text(id: usize, tokens: usize) -> String {
    let first = [" alpha", " gamma", " delta", " omega"][id];
    std::iter::once(first).chain(std::iter::repeat_n(" river", tokens - 1)).collect()
}

fn counter(page: &str, name: &str) -> f64 {
    let line = page.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name} in {page}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn a_prompt_has_as_many_tokens_as_words_and_a_replay_hits_its_blocks() {
    let sim = sim("instant", "vllm", &[]);
    let body = chat(&text(0, 1_000), 4);
    let [cold, hit] = [0, 1].map(|_| post(&sim, "/v1/chat/completions", &body).usage());
    assert_eq!(cold["prompt_tokens"], 1_000 + TEMPLATE);
    assert_eq!(cold["completion_tokens"], 4);
    assert_eq!(cold["prompt_tokens_details"]["cached_tokens"], 0);
    assert_eq!(hit["prompt_tokens_details"]["cached_tokens"], 992);
    let other = post(&sim, "/v1/chat/completions", &chat(&text(1, 1_000), 4)).usage();
    assert_eq!(other["prompt_tokens_details"]["cached_tokens"], 0);
}

#[test]
fn a_token_is_an_event_and_an_event_is_written_by_itself() {
    let sim = sim("instant,decode=1ms", "vllm", &[]);
    let answer = post(&sim, "/v1/chat/completions", &chat(&text(0, 10), 20));
    let events = answer.text().matches("data: ").count();
    assert_eq!(answer.text().matches("\"content\":\" ").count(), 20);
    // What is handed to hyper at once is a chunk of the body; that each is written at once, the stamps show.
    assert_eq!(answer.chunk_bodies().len(), events);
    let truth = &sim.truth()[0];
    assert_eq!(truth.token_events, 20);
    assert!(truth.last_write_ns.unwrap() - truth.planned_first_ns.unwrap() >= 19 * MS);
}

#[test]
fn a_connection_serves_one_request_after_the_other() {
    let sim = sim("instant", "vllm", &[]);
    let mut connection = connect(&sim);
    let sent = request("POST", "/v1/chat/completions", "", &chat(&text(0, 100), 2).to_string());
    for _ in 0..3 {
        assert!(exchange(&mut connection, &sent).complete);
    }
    assert!(sim.truth().iter().all(|truth| truth.connection == 1));
}

#[test]
fn an_idle_connection_is_closed_after_its_time() {
    let sim = sim("instant,keep_alive=50ms,base=120ms", "vllm", &[]);
    let mut connection = connect(&sim);
    let sent = request("POST", "/v1/chat/completions", "", &chat(&text(0, 100), 2).to_string());
    // Longer than an idle connection may live, but not idle.
    assert!(exchange(&mut connection, &sent).complete);
    let mut rest = Vec::new();
    std::io::Read::read_to_end(&mut connection, &mut rest).unwrap();
    assert!(rest.is_empty());
}

#[test]
fn an_answer_without_a_stream_says_the_same() {
    let sim = sim("instant", "vllm", &[]);
    let mut body = chat(&text(0, 100), 5);
    let streamed: String = post(&sim, "/v1/chat/completions", &body)
        .chunks()
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str().map(str::to_owned))
        .collect();
    body["stream"] = json!(false);
    let whole = post(&sim, "/v1/chat/completions", &body).json();
    assert_eq!(whole["choices"][0]["message"]["content"], streamed);
    assert_eq!(whole["choices"][0]["finish_reason"], "length");
    assert_eq!(whole["usage"]["prompt_tokens"], 100 + TEMPLATE);
}

#[test]
fn a_prompt_of_ids_is_the_text_that_they_came_from() {
    let sim = sim("instant", "vllm", &[]);
    let tokenized = post(&sim, "/tokenize", &json!({"prompt": text(0, 200)})).json();
    assert_eq!(tokenized["count"], 201);
    let ask = |prompt: &Value| {
        let body =
            json!({"prompt": prompt, "max_tokens": 2, "stream": true, "stream_options": {"include_usage": true}});
        post(&sim, "/v1/completions", &body).usage()
    };
    assert_eq!(ask(&json!(text(0, 200)))["prompt_tokens"], 201);
    assert_eq!(ask(&tokenized["tokens"])["prompt_tokens_details"]["cached_tokens"], 192);
}

#[test]
fn the_tokenizer_counts_a_chat_with_its_template() {
    let sim = sim("instant", "vllm", &[]);
    let messages = &chat(&text(0, 300), 1)["messages"];
    assert_eq!(post(&sim, "/tokenize", &json!({"messages": messages})).json()["count"], 300 + TEMPLATE);
}

#[test]
fn usage_is_given_when_asked_for_only() {
    let sim = sim("instant", "vllm", &[]);
    let mut body = chat(&text(0, 10), 2);
    body.as_object_mut().unwrap().remove("stream_options");
    assert_eq!(post(&sim, "/v1/chat/completions", &body).usage(), Value::Null);
    body["stream_options"] = json!({"include_usage": true, "continuous_usage_stats": true});
    let chunks = post(&sim, "/v1/chat/completions", &body).chunks();
    assert!(chunks.iter().all(|chunk| chunk["usage"]["prompt_tokens"].is_u64()), "{chunks:?}");
}

#[test]
fn the_models_have_names_and_others_are_refused_with_them() {
    let sim = sim("instant,context=32k", "vllm", &[]);
    let list = get(&sim, "/v1/models").json();
    assert_eq!(list["data"][0]["id"], "ttft-sim/instant");
    assert_eq!(list["data"][0]["max_model_len"], 32_000);
    let mut body = chat("hello", 1);
    body["model"] = json!("01-ai/Yi-34B-200K");
    assert_eq!(post(&sim, "/v1/chat/completions", &body).chunks()[0]["model"], "01-ai/Yi-34B-200K");
    body["model"] = json!("nobody/knows-it");
    let refused = post(&sim, "/v1/chat/completions", &body);
    assert_eq!(refused.status, 404);
    let message = refused.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("`nobody/knows-it` does not exist") && message.contains("ttft-sim/instant"), "{message}");
}

#[test]
fn the_counters_count_tokens_by_where_they_came_from() {
    let sim = sim("instant,capacity=2k,tier2=100k", "vllm", &[]);
    for id in [0, 1, 2, 0] {
        post(&sim, "/v1/chat/completions", &chat(&text(id, 1_500), 2));
    }
    let page = get(&sim, "/metrics").text();
    assert_eq!(counter(&page, "vllm:prefix_cache_queries_total"), 4.0 * 1_508.0);
    assert_eq!(counter(&page, "vllm:prefix_cache_hits_total"), 0.0);
    assert_eq!(counter(&page, "vllm:external_prefix_cache_hits_total"), 1_504.0);
    assert_eq!(counter(&page, "vllm:generation_tokens_total"), 8.0);
    assert!(page.contains("vllm:cache_config_info{block_size=\"16\",enable_prefix_caching=\"True\""), "{page}");
    assert_eq!(sim.truth()[3].hit_tokens, [0, 1_504, 0, 0]);
}

#[test]
fn a_reset_empties_the_first_tier_and_with_a_word_all() {
    let sim = sim("instant,tier2=1m", "vllm", &[]);
    let cached = || {
        post(&sim, "/v1/chat/completions", &chat(&text(0, 500), 1)).usage()["prompt_tokens_details"]["cached_tokens"]
            .clone()
    };
    let hits = || get(&sim, "/metrics").text();
    assert_eq!(cached(), 0);
    assert_eq!(post(&sim, "/reset_prefix_cache", &json!({})).json(), json!({"success": true}));
    assert_eq!(cached(), 496);
    assert_eq!(counter(&hits(), "vllm:external_prefix_cache_hits_total"), 496.0);
    post(&sim, "/reset_prefix_cache?reset_external=true", &json!({}));
    assert_eq!(cached(), 0);
}

#[test]
fn a_salt_keeps_two_users_apart() {
    let sim = sim("instant", "vllm", &[]);
    let cached = |salt: &str| {
        let mut body = chat(&text(0, 500), 1);
        body["cache_salt"] = json!(salt);
        post(&sim, "/v1/chat/completions", &body).usage()["prompt_tokens_details"]["cached_tokens"].as_u64().unwrap()
    };
    assert_eq!([cached("a"), cached("b"), cached("a"), cached("b")], [0, 0, 496, 496]);
}

#[test]
fn a_body_of_half_a_megabyte_is_taken() {
    let sim = sim("instant", "vllm", &[]);
    let answer = post(&sim, "/v1/chat/completions", &chat(&text(0, 100_000), 1));
    assert_eq!(answer.usage()["prompt_tokens"], 100_000 + TEMPLATE);
}

#[test]
fn the_truth_is_a_line_of_json_for_each_request() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("truth.jsonl");
    let config = ttft::sim::server::SimConfig {
        profile: "instant".parse().unwrap(),
        truth: Some(path.clone()),
        ..Default::default()
    };
    let sim = ttft::sim::server::Sim::start(config).unwrap();
    for id in 0..2 {
        raw::post(&sim, "/v1/chat/completions", &chat(&text(id, 100), 1));
    }
    let expected = sim.truth();
    drop(sim);
    let text = std::fs::read_to_string(path).unwrap();
    let lines: Vec<ttft::sim::server::Truth> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines, expected);
}

#[test]
fn a_dropped_server_is_gone() {
    let sim = sim("instant", "vllm", &[]);
    let mut connection = connect(&sim);
    drop(sim);
    assert_eq!(exchange(&mut connection, &request("GET", "/health", "", "")).status, 0);
}

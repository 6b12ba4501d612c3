//! Every flavour, byte for byte: its stream cold and on a hit, its other endpoints, and how it says no.

use std::fmt::Write;

use serde_json::{Value, json};
use ttft::sim::flavor::{FLAVORS, Flavor};
use ttft::sim::server::Sim;

use super::raw::{Answer, chat, get, post, sim};

/// What would differ from run to run is left out: the time of creation and the date.
pub fn settled(text: &str) -> String {
    let mut settled = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(r#""created":"#) {
        let (before, after) = rest.split_at(at + r#""created":"#.len());
        settled += before;
        settled += "0";
        rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
    }
    settled + rest
}

/// The lines of the head that say something of the flavour.
fn head(answer: &Answer) -> String {
    let told = |line: &&str| !line.starts_with("date") && !line.starts_with("content-length") && !line.is_empty();
    answer.head.lines().filter(told).collect::<Vec<_>>().join("\n")
}

fn transcript(sim: &Sim) -> String {
    let mut out = String::new();
    let mut say = |title: &str, answer: &Answer, with_head: bool| {
        let head = if with_head { head(answer) } else { format!("{}", answer.status) };
        writeln!(out, "== {title}\n{head}\n{}", settled(&answer.text()).trim_end()).unwrap();
    };
    let text = " river under paper light stone green table voice house water night field".repeat(4);
    let prompt = chat(&text, 3);
    say("chat, cold", &post(sim, "/v1/chat/completions", &prompt), true);
    say("chat, hit", &post(sim, "/v1/chat/completions", &prompt), false);
    let mut whole = prompt.clone();
    whole["stream"] = json!(false);
    say("chat, no stream", &post(sim, "/v1/chat/completions", &whole), true);
    let mut silent = prompt;
    silent.as_object_mut().unwrap().remove("stream_options");
    say("chat, no usage asked for", &post(sim, "/v1/chat/completions", &silent), false);
    let completion =
        json!({"prompt": text, "max_tokens": 2, "stream": true, "stream_options": {"include_usage": true}});
    say("completions", &post(sim, "/v1/completions", &completion), false);
    say("models", &get(sim, "/v1/models"), false);
    for path in ["/health", "/version", "/get_server_info", "/props", "/info", "/api/version"] {
        say(path, &get(sim, path), false);
    }
    let tokenize = json!({"prompt": "river under", "content": "river under", "inputs": "river under"});
    say("/tokenize", &post(sim, "/tokenize", &tokenize), false);
    for path in ["/reset_prefix_cache", "/flush_cache", "/slots/0?action=erase"] {
        say(path, &post(sim, path, &json!({})), false);
    }
    say("too long", &post(sim, "/v1/chat/completions", &chat(&" river".repeat(600), 9)), false);
    let mut unknown = chat("river", 1);
    unknown["model"] = json!("nobody");
    say("unknown model", &post(sim, "/v1/chat/completions", &unknown), false);
    say("no messages", &post(sim, "/v1/chat/completions", &json!({})), false);
    say("not JSON", &post(sim, "/v1/chat/completions", &Value::Null), false);
    out
}

#[test]
fn every_flavour_speaks_as_it_is_known_to() {
    for (flavor, name, _) in FLAVORS {
        let sim = sim("instant,context=512", name, &[]);
        insta::assert_snapshot!(format!("flavor_{name}"), transcript(&sim));
        let page = get(&sim, "/metrics");
        let has_counters = matches!(flavor, Flavor::Vllm | Flavor::Sglang | Flavor::LlamaCpp | Flavor::Tgi);
        assert_eq!(page.status, if has_counters { 200 } else { 404 }, "{name}");
        if has_counters {
            insta::assert_snapshot!(format!("metrics_{name}"), page.text());
        }
    }
}

#[test]
fn pings_come_while_a_client_waits() {
    for (name, ping) in [("llamacpp", ":\n\n"), ("deepseek", ": keep-alive\n\n")] {
        let sim = sim("instant,base=1200ms", name, &[]);
        let answer = post(&sim, "/v1/chat/completions", &chat("river", 1));
        let text = answer.text();
        assert_eq!(text.matches(ping).count(), 1, "{text}");
        assert!(text.find(ping) < text.find("\"content\":\" "), "{text}");
    }
}

#[test]
fn llamacpp_can_be_told_not_to_look_into_its_cache() {
    let sim = sim("instant", "llamacpp", &[]);
    let mut body = chat(&" river".repeat(100), 1);
    let cached = |body: &Value| {
        post(&sim, "/v1/chat/completions", body).usage()["prompt_tokens_details"]["cached_tokens"].clone()
    };
    cached(&body);
    assert_eq!(cached(&body), 96);
    body["cache_prompt"] = json!(false);
    assert_eq!(cached(&body), 0);
}

#[test]
fn sglang_tells_the_tiers_when_asked() {
    let sim = sim("instant,capacity=1k,tier2=1m", "sglang", &[]);
    let mut body = chat(&" river".repeat(800), 1);
    body["return_cached_tokens_details"] = json!(true);
    post(&sim, "/v1/chat/completions", &body);
    post(&sim, "/v1/chat/completions", &chat(&" stone".repeat(1_500), 1));
    let chunks = post(&sim, "/v1/chat/completions", &body).chunks();
    let details = chunks.iter().find_map(|chunk| chunk.get("sglext")).unwrap();
    assert_eq!(details["cached_tokens_details"], json!({"device": 0, "host": 800, "storage": 0}));
}

#[test]
fn vllm_tells_its_own_times_when_they_are_on() {
    let sim = sim("instant,base=60ms,decode=2ms,request_metrics=on", "vllm", &[]);
    let chunks = post(&sim, "/v1/chat/completions", &chat("river", 3)).chunks();
    let metrics = &chunks.last().unwrap()["metrics"];
    assert_eq!(metrics, &json!({"time_to_first_token_ms": 60.0, "queue_time_ms": 0.0, "mean_itl_ms": 2.0}));
}

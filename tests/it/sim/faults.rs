//! Every fault, byte for byte, and what bytes alone do not show.

use std::fmt::Write;
use std::io::{ErrorKind, Read, Write as _};
use std::time::Duration;

use serde_json::json;
use ttft::clock::Nanos;
use ttft::sim::faults::FAULTS;
use ttft::sim::server::Sim;

use super::flavors::settled;
use super::raw::{Answer, chat, connect, exchange, get, post, request, sim};

const MS: Nanos = 1_000_000;

fn faulty(fault: &str) -> Sim {
    sim("instant", "vllm", &[fault])
}

fn ask(sim: &Sim) -> Answer {
    post(sim, "/v1/chat/completions", &chat(" river under paper", 5))
}

fn cached(answer: &Answer) -> serde_json::Value {
    answer.usage()["prompt_tokens_details"]["cached_tokens"].clone()
}

/// All of an answer that is the same in every run; the words of the prompt decide those of the answer.
fn transcript(answer: &Answer) -> String {
    let told = |line: &&str| !line.starts_with("date") && !line.is_empty();
    let head: Vec<&str> = answer.head.lines().filter(told).collect();
    // Escaped, so that line ends and broken characters can be seen; a line of the wire is a line here.
    let body = settled(&answer.body.escape_ascii().to_string().replace("\\\"", "\""))
        .replace("\\n", "\\n\n")
        .replace("\\r\n", "\\r");
    let end = match (answer.error, answer.complete) {
        (Some(error), _) => format!("{error:?}"),
        (None, true) => "complete".to_owned(),
        (None, false) => "cut off".to_owned(),
    };
    format!("{}\n{body}\n-- {end}\n", head.join("\n"))
}

/// Faults that the bytes of a first answer do not show; each has a test of its own below.
const SILENT: [&str; 19] = [
    "no_models",
    "refuse_ids",
    "no_tokenize",
    "long_words",
    "no_metrics",
    "early_role",
    "buffered",
    "nagle",
    "slow_headers",
    "rst_on_reuse",
    "dies_after",
    "truncates_prompt",
    "replica_flip",
    "async_store",
    "salt_ignored",
    "reset_lies",
    "hit_changes_answer",
    "config_lies",
    "foreign_traffic",
];

fn first_answer(fault: Option<&str>) -> Answer {
    let sim = sim("instant", "vllm", fault.as_slice());
    let mut connection = connect(&sim);
    // Where nothing more will come there is no use in waiting long, and elsewhere the machine may be busy.
    let patience = if fault == Some("stall") { 3 } else { 60 };
    connection.set_read_timeout(Some(Duration::from_secs(patience))).unwrap();
    exchange(&mut connection, &request("POST", "/v1/chat/completions", "", &chat(" river under paper", 5).to_string()))
}

#[test]
fn every_fault_puts_these_bytes_on_the_wire_or_is_silent() {
    let honest = transcript(&first_answer(None));
    insta::assert_snapshot!("fault_none", honest);
    for info in FAULTS {
        let answer = first_answer(Some(info.name));
        let date = answer.header("retry-after").filter(|after| after.ends_with(" GMT")).unwrap_or("no date");
        let text = transcript(&answer).replace(date, "a date");
        assert_eq!(text == honest, SILENT.contains(&info.name), "{}", info.name);
        if text == honest {
            continue;
        }
        insta::with_settings!({ description => info.about, omit_expression => true }, {
            insta::assert_snapshot!(format!("fault_{}", info.name), text);
        });
    }
}

#[test]
fn the_table_of_faults_is_what_help_and_docs_print() {
    let table = FAULTS.iter().fold(String::new(), |mut table, info| {
        let number = info.default.map_or(String::new(), |default| format!("={default}"));
        writeln!(table, "{}{number}: {}", info.name, info.about).unwrap();
        table
    });
    insta::assert_snapshot!(table);
}

#[test]
fn a_fault_can_wait_for_its_turn() {
    let sim = faulty("429@2");
    assert_eq!([0, 1, 2].map(|_| ask(&sim).status), [200, 429, 200]);
}

#[test]
fn a_wrong_key_is_refused_on_every_path_under_v1() {
    let sim = faulty("401");
    assert_eq!([get(&sim, "/v1/models").status, ask(&sim).status, get(&sim, "/health").status], [401, 401, 200]);
}

#[test]
fn without_v1_there_is_nothing_under_it() {
    let sim = faulty("404_v1");
    assert_eq!([get(&sim, "/v1/models").status, ask(&sim).status, get(&sim, "/health").status], [404, 404, 200]);
}

#[test]
fn a_loading_server_refuses_its_first_requests_of_any_kind() {
    let sim = faulty("loading=2");
    assert_eq!([get(&sim, "/v1/models").status, ask(&sim).status, ask(&sim).status], [503, 503, 200]);
}

#[test]
fn a_refused_parameter_can_be_left_out() {
    for (fault, parameter) in [
        ("refuse_stream_options", "stream_options"),
        ("refuse_max_tokens", "max_tokens"),
        ("refuse_temperature", "temperature"),
    ] {
        let sim = faulty(fault);
        let mut body = chat("river", 2);
        let refused = post(&sim, "/v1/chat/completions", &body);
        assert_eq!((refused.status, &refused.json()["error"]["param"]), (400, &json!(parameter)));
        body.as_object_mut().unwrap().remove(parameter);
        body["max_completion_tokens"] = json!(2);
        assert_eq!(post(&sim, "/v1/chat/completions", &body).status, 200, "{fault}");
    }
}

#[test]
fn what_is_missing_is_missing() {
    for (fault, path) in [("no_models", "/v1/models"), ("no_metrics", "/metrics")] {
        assert_eq!(get(&faulty(fault), path).status, 404);
    }
    assert_eq!(post(&faulty("no_tokenize"), "/tokenize", &json!({"prompt": "river"})).status, 404);
}

#[test]
fn byte_by_byte_means_a_chunk_for_every_byte() {
    let answer = ask(&faulty("byte_by_byte"));
    assert!(answer.raw.starts_with(b"1\r\nd\r\n1\r\na\r\n"));
    // A chunk of one byte is six bytes, and the end is five.
    assert_eq!(answer.raw.len(), answer.body.len() * 6 + 5);
    assert!(answer.text().contains('é'), "a character of two bytes is among them");
}

#[test]
fn slow_headers_are_slow() {
    assert!(ask(&faulty("slow_headers=80")).head_ns >= 80 * MS);
}

#[test]
fn tokens_share_events_after_the_first() {
    let answer = post(&faulty("stream_interval=4"), "/v1/chat/completions", &chat("river", 10));
    let words = |chunk: &serde_json::Value| {
        chunk["choices"][0]["delta"]["content"].as_str().map(|t| t.split_whitespace().count())
    };
    let counts: Vec<usize> = answer.chunks().iter().filter_map(words).filter(|count| *count > 0).collect();
    assert_eq!(counts, [1, 4, 4, 1]);
    assert_eq!(answer.usage()["completion_tokens"], 10);
}

#[test]
fn a_stall_keeps_the_connection_open() {
    let sim = faulty("stall=2");
    let mut connection = connect(&sim);
    connection.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
    let answer = exchange(&mut connection, &request("POST", "/v1/chat/completions", "", &chat("river", 5).to_string()));
    assert_eq!(answer.error, Some(ErrorKind::WouldBlock));
    assert_eq!(answer.text().matches("\"content\":\" ").count(), 2);
}

#[test]
fn a_used_connection_meets_a_reset_and_a_new_one_does_not() {
    let sim = faulty("rst_on_reuse");
    let sent = request("POST", "/v1/chat/completions", "", &chat("river", 2).to_string());
    let mut connection = connect(&sim);
    assert!(exchange(&mut connection, &sent).complete);
    let again = exchange(&mut connection, &sent);
    assert_eq!((again.status, again.error), (0, Some(ErrorKind::ConnectionReset)));
    assert!(exchange(&mut connect(&sim), &sent).complete);
}

#[test]
fn a_server_that_dies_takes_its_connections_along() {
    let sim = sim("instant", "vllm", &["dies_after=1"]);
    let mut idle = connect(&sim);
    assert_eq!(ask(&sim).status, 200);
    assert_eq!(ask(&sim).status, 0);
    // Whether by an end or by a reset depends on what had been read.
    assert!(matches!(idle.read(&mut [0; 8]), Ok(0) | Err(_)));
    assert!(idle.write_all(b"GET / HTTP/1.1\r\n\r\n").is_err() || matches!(idle.read(&mut [0; 8]), Ok(0) | Err(_)));
}

#[test]
fn a_truncated_prompt_shows_in_the_usage_alone() {
    let sim = faulty("truncates_prompt=100");
    let answer = post(&sim, "/v1/chat/completions", &chat(&" river".repeat(500), 2));
    assert_eq!((answer.status, &answer.usage()["prompt_tokens"]), (200, &json!(100)));
}

#[test]
fn replicas_take_turns() {
    let sim = sim("instant", "vllm", &["replica_flip=3"]);
    let hits =
        [0; 6].map(|_| cached(&post(&sim, "/v1/chat/completions", &chat(&" river".repeat(100), 1))).as_u64().unwrap());
    assert_eq!(hits, [0, 0, 0, 96, 96, 96]);
}

#[test]
fn an_ignored_salt_lets_others_hit() {
    let salted = |sim: &Sim, salt: &str| {
        let mut body = chat(&" river".repeat(100), 1);
        body["cache_salt"] = json!(salt);
        cached(&post(sim, "/v1/chat/completions", &body))
    };
    let (honest, lying) = (sim("instant", "vllm", &[]), faulty("salt_ignored"));
    assert_eq!([salted(&honest, "a"), salted(&honest, "b")], [0, 0]);
    assert_eq!([salted(&lying, "a"), salted(&lying, "b")], [0, 96]);
}

#[test]
fn a_reset_that_lies_says_success_and_resets_nothing() {
    let sim = faulty("reset_lies");
    let ask = || cached(&post(&sim, "/v1/chat/completions", &chat(&" river".repeat(100), 1)));
    ask();
    assert_eq!(post(&sim, "/reset_prefix_cache", &json!({})).json(), json!({"success": true}));
    assert_eq!(ask(), 96);
}

#[test]
fn cached_tokens_can_be_hidden_or_invented() {
    assert_eq!(cached(&ask(&faulty("cached_tokens_null"))), json!(null));
    assert_eq!(cached(&ask(&faulty("cached_tokens_max"))), 10);
}

#[test]
fn a_hit_can_change_the_answer() {
    let words = |sim: &Sim| {
        post(sim, "/v1/chat/completions", &chat(&" river".repeat(100), 4))
            .text()
            .split("\"content\":")
            .skip(2)
            .map(|rest| rest[..6].to_owned())
            .collect::<Vec<_>>()
    };
    let (honest, lying) = (sim("instant", "vllm", &[]), faulty("hit_changes_answer"));
    let (cold, hit) = (words(&honest), words(&honest));
    assert_eq!(cold, hit);
    assert_eq!(words(&lying), cold);
    assert_ne!(words(&lying), cold);
}

#[test]
fn the_traffic_of_others_moves_the_counters() {
    let sim = faulty("foreign_traffic=1000");
    let tokens = ask(&sim).usage()["prompt_tokens"].as_u64().unwrap();
    let page = get(&sim, "/metrics").text();
    let queries = page.lines().find(|line| line.starts_with("vllm:prefix_cache_queries_total")).unwrap();
    assert!(queries.ends_with(&format!(" {}", 1_000 + tokens)), "{queries}");
}

#[test]
fn token_ids_may_be_refused_where_text_is_taken() {
    let sim = faulty("refuse_ids");
    let ask =
        |prompt: serde_json::Value| post(&sim, "/v1/completions", &json!({"prompt": prompt, "max_tokens": 2})).status;
    assert_eq!([ask(json!([1, 2, 3])), ask(json!("river under paper"))], [400, 200]);
}

#[test]
fn words_with_a_k_may_be_two_tokens_to_the_answers_and_the_tokenizer() {
    let [usual, longer] = [sim("instant", "vllm", &[]), faulty("long_words")].map(|sim| {
        let answer = post(&sim, "/v1/chat/completions", &chat(" book river keep", 2));
        let tokenized = post(&sim, "/tokenize", &json!({"prompt": " book river keep"})).json();
        (answer.usage()["prompt_tokens"].as_u64().unwrap(), tokenized["count"].as_u64().unwrap())
    });
    assert_eq!(longer, (usual.0 + 1, usual.1 + 1));
}

#[test]
fn what_the_server_says_of_its_size_may_be_too_much() {
    let blocks = |fault| {
        let page = get(&faulty(fault), "/metrics").text();
        let config = page.lines().find(|line| line.starts_with("vllm:cache_config_info{")).unwrap().to_owned();
        config.split("num_gpu_blocks=\"").nth(1).unwrap().split('"').next().unwrap().parse::<u64>().unwrap()
    };
    assert_eq!(blocks("config_lies=3"), 3 * blocks("no_usage"));
}

#[test]
fn a_context_that_is_smaller_than_it_says_takes_what_fits_it() {
    let sim = faulty("too_long=100");
    assert_eq!(get(&sim, "/v1/models").json()["data"][0]["max_model_len"], 1 << 20);
    let ask = |words: usize| post(&sim, "/v1/chat/completions", &chat(&" river".repeat(words), 2)).status;
    assert_eq!([ask(90), ask(91)], [200, 400]);
}

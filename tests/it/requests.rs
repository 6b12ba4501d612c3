//! How requests go out: on which connections, to which API, stamped by whom, waiting for how long, and what is never shown.

use std::process::Command;

use serde_json::Value;
use ttft::sim::server::{Sim, SimConfig};

use super::bench::{Bench, Printed, TTFT};

/// A server that speaks like `flavor`.
fn like(flavor: &str, profile: &str, fault: Option<&str>) -> Bench {
    let config = SimConfig {
        profile: profile.parse().unwrap(),
        flavor: flavor.parse().unwrap(),
        faults: fault.into_iter().map(|fault| fault.parse().unwrap()).collect(),
        ..SimConfig::default()
    };
    Bench { sim: Sim::start(config).unwrap(), folder: tempfile::tempdir().unwrap() }
}

fn connections(bench: &Bench) -> Vec<u64> {
    bench.sim.truth().iter().map(|truth| truth.connection).collect()
}

#[test]
fn a_request_has_a_connection_of_its_own_or_all_share_one() {
    let fresh = Bench::new("instant", &[], 0);
    fresh.measure("--max_ctx_tokens 200 --num_following 2");
    assert!(connections(&fresh).windows(2).all(|pair| pair[0] < pair[1]), "{:?}", connections(&fresh));
    assert!(fresh.rows("benchmark.jsonl").iter().all(|row| row["connect_ns"].is_u64()));
    let reuse = Bench::new("instant", &[], 0);
    reuse.measure("--max_ctx_tokens 200 --num_following 2 --connection reuse");
    assert!(connections(&reuse).windows(2).all(|pair| pair[0] == pair[1]), "{:?}", connections(&reuse));
    let rows = reuse.rows("benchmark.jsonl");
    assert!(rows[0]["connect_ns"].is_u64() && rows[1]["connect_ns"].is_null(), "nothing was dialled: {}", rows[1]);
}

#[test]
fn a_connection_that_its_server_closed_while_it_was_idle_is_dialled_anew() {
    let bench = Bench::new("instant,keep_alive=20ms", &[], 0);
    let url = bench.sim.base_url();
    let args = "--max_ctx_tokens 200 --num_following 2 --connection reuse --gap 500ms --api_base";
    let printed = bench.ttft(&args.split(' ').chain([url.as_str()]).collect::<Vec<_>>());
    assert_eq!(printed.code, Some(0), "{}", printed.stderr);
    let rows = bench.rows("benchmark.jsonl");
    assert!(rows.iter().all(|row| row["outcome"] == "ok" && row["connect_ns"].is_u64()), "{rows:?}");
}

#[test]
fn a_request_that_breaks_is_a_row_and_is_not_sent_again() {
    let bench = Bench::new("instant", &["rst_on_reuse"], 0);
    let printed = bench.measure("--max_ctx_tokens 200 --num_following 3 --connection reuse");
    assert_eq!(printed.code, Some(1), "{}", printed.stderr);
    let rows = bench.rows("benchmark.jsonl");
    assert_eq!(rows.len(), 4);
    assert!(rows.iter().any(|row| row["outcome"] == "reset" && row["ttft_seconds"].is_null()), "{rows:?}");
    // What the server never saw it did not log, and nothing was sent twice.
    assert!(bench.requests() <= rows.len(), "{} for {} rows", bench.requests(), rows.len());
}

#[test]
fn a_base_model_is_asked_for_completions() {
    let bench = Bench::new("instant", &[], 0);
    let printed = bench.measure("--max_ctx_tokens 200 --endpoint completions");
    assert_eq!(printed.code, Some(0), "{}", printed.stderr);
    assert!(bench.sim.truth().iter().all(|truth| truth.endpoint == "completions"));
    assert_eq!(bench.rows("benchmark.jsonl")[0]["conditions"]["api"], "completions");
}

#[test]
fn the_stamps_are_the_kernel_s_or_the_clock_s_at_the_read_and_the_row_says_which() {
    for source in ["kernel", "read"] {
        let bench = Bench::new("instant", &[], 0);
        bench.measure(&format!("--max_ctx_tokens 200 --stamps {source}"));
        let rows = bench.rows("benchmark.jsonl");
        assert!(rows.iter().all(|row| row["stamp"] == source), "{}", rows[0]);
        assert_eq!(rows[0]["conditions"]["stamps"], source);
    }
}

#[test]
fn a_kernel_that_refuses_its_stamps_is_no_failure_and_the_samples_say_so() {
    let bench = Bench::new("instant", &[], 0);
    let refuse = "-f -qq -o trace.txt -e trace=setsockopt -e inject=setsockopt:error=ENOPROTOOPT";
    let url = bench.sim.base_url();
    let mut command = Command::new("strace");
    command.args(refuse.split(' ')).arg(TTFT).args(["--max_ctx_tokens", "200", "--gap", "0", "--api_base", &url]);
    let output = command.current_dir(&bench.folder).output().unwrap_or_else(|error| {
        panic!("this test needs the program strace, of Debian's package of that name, to refuse the stamps: {error}")
    });
    let printed = Printed::of(output);
    assert_eq!(printed.code, Some(0), "{}", printed.stderr);
    let trace = bench.text("trace.txt");
    assert!(trace.contains("SO_TIMESTAMPING") && trace.contains("ENOPROTOOPT"), "they were refused: {trace}");
    assert!(printed.stderr.contains("this system stamps nothing it receives"), "{}", printed.stderr);
    let rows = bench.rows("benchmark.jsonl");
    assert_eq!((rows.len(), &rows[0]["conditions"]["stamps"]), (2, &"read".into()));
    assert!(rows.iter().all(|row| row["stamp"] == "read" && row["outcome"] == "ok"), "{}", rows[0]);
}

#[test]
fn a_timeout_counts_tokens_and_not_the_comments_that_keep_a_connection_alive() {
    let bench = like("deepseek", "instant,base=5s", None);
    let printed = bench.measure("--max_ctx_tokens 200 --num_following 0 --timeout 600ms");
    assert_eq!(printed.code, Some(1), "{}", printed.stderr);
    let row = &bench.rows("benchmark.jsonl")[0];
    assert_eq!((&row["outcome"], &row["detail"]["phase"]), (&Value::from("timeout"), &Value::from("first_token")));
    assert!(row["first_byte_ns"].is_u64() && row["first_token_ns"].is_null(), "bytes came, and no token: {row}");
}

#[test]
fn what_a_reasoning_model_refuses_is_left_out_openly_before_anything_is_measured() {
    let refused = ["refuse_max_tokens", "refuse_temperature", "refuse_stream_options"];
    let bench = Bench::new("instant", &refused, 0);
    let printed = bench.measure("--max_ctx_tokens 200 --keep_wire wire");
    assert_eq!(printed.code, Some(0), "{}", printed.stderr);
    let rows = bench.rows("benchmark.jsonl");
    assert_eq!(rows.len(), 2);
    for row in &rows {
        let adapted = row["adapted"].as_array().expect("what was changed").len();
        assert_eq!((&row["outcome"], adapted), (&Value::from("ok"), refused.len()), "{row}");
    }
    let request = bench.text("wire/trial-1.request");
    assert!(request.contains("\"max_completion_tokens\":16") && !request.contains("temperature"), "{request}");
    // Each refusal came on a connection of its own, and the one that is measured has another.
    let dialled = rows[0]["dial_ns"].as_u64().zip(rows[0]["sent_ns"].as_u64());
    assert!(dialled.is_some_and(|(dialled, sent)| dialled < sent), "{}", rows[0]);
}

#[test]
fn the_user_s_own_fields_are_in_every_body() {
    let bench = Bench::new("instant", &[], 0);
    let url = bench.sim.base_url();
    let printed = bench.ttft(&[
        "--api_base",
        &url,
        "--max_ctx_tokens",
        "200",
        "--gap",
        "0",
        "--keep_wire",
        "wire",
        "--max_tokens",
        "5",
        "--extra_body",
        r#"{"cache_prompt": false}"#,
    ]);
    assert_eq!(printed.code, Some(0), "{}", printed.stderr);
    for trial in 1..=2 {
        let request = bench.text(&format!("wire/trial-{trial}.request"));
        assert!(request.contains("\"cache_prompt\":false") && request.contains("\"max_tokens\":5"), "{request}");
    }
    assert!(bench.sim.truth().iter().all(|truth| truth.completion_tokens == 5));
}

#[test]
fn secrets_are_shown_nowhere() {
    const SECRETS: [&str; 4] = ["sk-verysecret", "hush-token", "pass-phrase", "version-of-azure"];
    for fault in [None, Some("401"), Some("error_event")] {
        let bench = like("vllm", "instant", fault);
        let host = bench.sim.addr();
        let url = format!("http://me:pass-phrase@{host}/v1?api-version=version-of-azure");
        let Printed { stdout, stderr, .. } = bench.ttft(&[
            "--api_base",
            &url,
            "--api_key",
            "sk-verysecret",
            "--header",
            "X-Token:hush-token",
            "--max_ctx_tokens",
            "200",
            "--gap",
            "0",
            "-v",
            "--keep_wire",
            "wire",
        ]);
        let wire = std::fs::read_dir(bench.path("wire")).map(|files| files.flatten().map(|file| file.path()));
        let kept =
            wire.into_iter().flatten().map(|path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned());
        let all =
            [stdout, stderr, bench.text("benchmark.jsonl")].into_iter().chain(kept).collect::<Vec<_>>().join("\n");
        for secret in SECRETS {
            assert!(!all.contains(secret), "{fault:?}: {secret} is in {all}");
        }
        let page = bench.report(&["--format", "json", "benchmark.jsonl"]);
        assert!(SECRETS.iter().all(|secret| !page.contains(secret)), "{page}");
    }
}

//! `ttft load` as a user meets it: schedules, workloads whose hit share is known, traces, shards. No test here compares
//! times.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use ttft::clock::{Clock, Monotonic};

use super::bench::{Bench, Printed, cached, prompt};

/// Answers at once and forgets nothing.
const ENDLESS: &str = "instant,capacity=100m";
const NONCE: &str = "000102030405060708090a0b0c0d0e0f";

fn load(args: &str) -> (Bench, Printed) {
    let bench = Bench::new(ENDLESS, &[], 0);
    let printed = bench.measure(&format!("load {args}"));
    // A client that was kept from its schedule by other tests says so, which is no matter here.
    let is_fine = printed.code == Some(0) || printed.stdout.contains("the run is void");
    assert!(is_fine, "{args}: {}{}", printed.stdout, printed.stderr);
    (bench, printed)
}

fn measured(bench: &Bench, log: &str) -> Vec<Value> {
    let mut rows = bench.rows(log);
    rows.retain(|row| row["role"] == "measure");
    rows.sort_by_key(|row| row["trial"].as_u64());
    rows
}

/// What decides a request, by its trial: when it was due, what it was meant to find, which document it had.
fn schedule(rows: &[Value]) -> BTreeMap<u64, (Option<u64>, String, Value)> {
    let of = |row: &Value| {
        let due = row["due_ns"].as_u64().zip(row["start_ns"].as_u64()).map(|(due, start)| due - start);
        (row["trial"].as_u64().expect("a trial"), (due, row["arm"].to_string(), row["document"].clone()))
    };
    rows.iter().map(of).collect()
}

#[test]
fn constant_arrivals_are_a_ruler_and_steps_follow_each_other() {
    let (bench, printed) = load("--rate 20:1s,60:1s --arrivals constant --hit_share 0% --context_tokens 50");
    let due: Vec<u64> = schedule(&measured(&bench, "load.jsonl")).values().map(|of| of.0.expect("due")).collect();
    assert_eq!(due.len(), 80);
    assert_eq!(due[..3], [0, 50_000_000, 100_000_000]);
    assert!(due[20..].windows(2).all(|pair| (16_000_000..17_000_000).contains(&(pair[1] - pair[0]))), "{due:?}");
    assert!(printed.says("lag behind the schedule: p99 ") && printed.says("; the client used "), "{}", printed.stdout);
}

#[test]
fn a_seed_and_a_nonce_repeat_a_run() {
    let args = format!("--rate 400 --burstiness 0.5 --requests 60 --context_tokens 50 --seed 5 --nonce {NONCE}");
    let of = || schedule(&measured(&load(&args).0, "load.jsonl"));
    assert_eq!(of(), of());
}

fn share(rows: &[Value], part: impl Fn(&Value) -> u64, whole: impl Fn(&Value) -> u64) -> f64 {
    rows.iter().map(part).sum::<u64>() as f64 / rows.iter().map(whole).sum::<u64>() as f64
}

/// The share of tokens that the schedule lets a cache find, and the one it found by the server's word.
fn shares(rows: &[Value]) -> (f64, f64) {
    let count = |key: &'static str| move |row: &Value| row[key].as_u64().expect("a count");
    (share(rows, count("reusable_tokens"), count("context_tokens")), share(rows, cached, prompt))
}

#[test]
fn every_workload_finds_in_an_endless_cache_what_it_says() {
    for (args, requests) in [
        ("--workload mix --hit_share 30%", 40),
        ("--workload classic", 40),
        ("--workload shared_prefix --documents 5", 40),
        ("--workload chat --turns 4 --think 0s", 40),
        ("--workload long_doc_qa --documents 5 --questions 3 --order random", 15),
        ("--workload rag --documents 9 --retrieved 3", 40),
    ] {
        let length = if requests == 40 { "--requests 40" } else { "" };
        let (bench, printed) = load(&format!("--concurrency 1 {args} {length} --context_tokens 3000 --seed 2"));
        let rows = measured(&bench, "load.jsonl");
        assert_eq!(rows.len(), requests, "{args}");
        let (intended, achieved) = shares(&rows);
        assert!(intended > 0.1 && (intended - achieved).abs() < 0.03, "{args}: {intended} asked, {achieved} found");
        assert!(printed.says("an endless prefix cache would find "), "{}", printed.stdout);
    }
}

#[test]
fn the_turns_of_a_conversation_follow_each_other() {
    let (bench, _) = load("--rate 40 --workload chat --turns 3 --think 20ms --requests 30 --context_tokens 200");
    let rows = measured(&bench, "load.jsonl");
    assert_eq!(rows.len(), 30);
    for turns in rows.chunks(3) {
        let stamps: Vec<(u64, u64)> =
            turns.iter().map(|row| (row["sent_ns"].as_u64().unwrap(), row["end_ns"].as_u64().unwrap())).collect();
        assert!(stamps.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{stamps:?}");
    }
}

/// A trace in the form of Mooncake's: a common first block, conversations that grow, prompts of their own.
fn mooncake() -> String {
    let mut lines = String::new();
    for at in 0..120_u64 {
        let (conversation, turn) = (at % 12, at / 12);
        let own = 1_000 * (conversation + 1);
        let ids: Vec<u64> = std::iter::once(0).chain((0..=turn).map(|block| own + block)).collect();
        let length = 512 * (ids.len() as u64 - 1) + 17 + at;
        // The last block is not full, so that it is another one in the next turn.
        let ids: Vec<u64> = ids[..ids.len() - 1].iter().copied().chain([1_000_000 + at]).collect();
        lines += &serde_json::json!({
            "timestamp": at * 400, "input_length": length, "output_length": 3, "hash_ids": ids,
        })
        .to_string();
        lines.push('\n');
    }
    lines
}

#[test]
fn a_trace_finds_in_an_endless_cache_what_its_ids_say() {
    let bench = Bench::new(ENDLESS, &[], 0);
    std::fs::write(bench.path("trace.jsonl"), mooncake()).expect("a file");
    let printed = bench.measure("load --trace trace.jsonl --time_scale 30");
    let rows = measured(&bench, "load.jsonl");
    assert_eq!(rows.len(), 120, "{}{}", printed.stdout, printed.stderr);
    let (intended, achieved) = shares(&rows);
    assert!(intended > 0.5 && (intended - achieved).abs() < 0.01, "{intended} by the ids, {achieved} found");
    let last = schedule(&rows).values().next_back().and_then(|of| of.0).expect("due");
    assert_eq!(last, 119 * 400 * 1_000_000 / 30, "thirty times as fast");
    assert!(rows.iter().all(|row| row["usage"]["completion_tokens"] == 3), "answers are as long as recorded");
}

#[test]
fn a_trace_without_times_needs_a_rate_and_an_unknown_one_is_named() {
    let bench = Bench::new(ENDLESS, &[], 0);
    let text = r#"[{"id": "a", "conversations": [{"from": "human", "value": "Hi there"}, {"from": "gpt", "value": "Hello"}]}]"#;
    std::fs::write(bench.path("share.json"), text).expect("a file");
    std::fs::write(bench.path("other.json"), "{\"a\": 1}").expect("a file");
    let untimed = bench.measure("load --trace share.json");
    assert_eq!(untimed.code, Some(2), "{}", untimed.stderr);
    assert!(untimed.stderr.contains("has no times"), "{}", untimed.stderr);
    assert_eq!(bench.measure("load --trace share.json --concurrency 1").code, Some(0));
    let unknown = bench.measure("load --trace other.json");
    assert_eq!(unknown.code, Some(1), "{}", unknown.stderr);
    assert!(unknown.stderr.contains("known are Mooncake, "), "{}", unknown.stderr);
    assert_eq!(bench.requests(), 1);
}

fn shard(bench: &Bench, index: usize, more: &str) -> Child {
    let url = bench.sim.base_url();
    let args = format!("load --rate 60 --requests 90 --context_tokens 100 --seed 4 --nonce {NONCE} {more}");
    let shard = format!("{index}/4");
    let args = args.split_whitespace().chain(["--shard", &shard, "--api_base", &url]);
    let mut command = bench.command(&args.collect::<Vec<_>>());
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program")
}

#[test]
fn four_shards_are_together_the_one_run() {
    let (whole, _) = load(&format!("--rate 60 --requests 90 --context_tokens 100 --seed 4 --nonce {NONCE}"));
    let bench = Bench::new(ENDLESS, &[], 0);
    let shards: Vec<Child> = (0..4).map(|index| shard(&bench, index, "--barrier start")).collect();
    for mut shard in shards {
        // Void or not, what was sent is in the log.
        assert!(matches!(shard.wait().expect("an end").code(), Some(0 | 4)));
    }
    let logs: Vec<String> = (0..4).map(|index| format!("load-{index}.jsonl")).collect();
    let rows: Vec<Value> = logs.iter().flat_map(|log| measured(&bench, log)).collect();
    assert_eq!(rows.len(), 90);
    assert_eq!(
        schedule(&rows),
        schedule(&measured(&whole, "load.jsonl")),
        "the same schedule on one shard and on four"
    );
    let sent: Vec<String> = bench.sim.truth().into_iter().filter_map(|truth| truth.request_id).collect();
    assert_eq!((sent.len(), sent.iter().collect::<BTreeSet<_>>().len()), (94, 94), "each request once, and each prime");
    let names: Vec<&str> = logs.iter().map(String::as_str).collect();
    let concatenated: String = logs.iter().map(|log| bench.text(log)).collect();
    std::fs::write(bench.path("all.jsonl"), concatenated).expect("a file");
    let told = bench.report(&names);
    assert_eq!(told, bench.report(&["all.jsonl"]));
    assert!(!told.contains("are missing") && !told.contains("several rates"), "{told}");
    assert!(bench.report(&names[..3]).contains("the logs of shard 3 are missing"));
    // What is left of the barrier is of an earlier run.
    assert_eq!(shard(&bench, 0, "--barrier start").wait().expect("an end").code(), Some(1));
}

#[test]
fn shards_need_a_nonce_and_a_start_that_is_to_come() {
    let bench = Bench::new(ENDLESS, &[], 0);
    for (args, said) in [
        ("--shard 0/2", "the same --nonce"),
        ("--shard 2/2", "a shard is i/n"),
        ("--start_at 2020-01-01T00:00:00Z", "has passed"),
        ("--start_at soon", "is no moment"),
    ] {
        let printed = bench.measure(&format!("load --rate 5 --requests 5 {args}"));
        assert_eq!(printed.code, Some(2), "{args}: {}", printed.stderr);
        assert!(printed.stderr.contains(said), "{args}: {}", printed.stderr);
    }
    assert_eq!(bench.requests(), 0);
}

#[test]
fn a_flag_that_the_workload_has_no_use_for_is_refused() {
    let bench = Bench::new(ENDLESS, &[], 0);
    for args in ["--turns 3", "--workload chat --hit_share 50%", "--workload rag --documents 2 --retrieved 3"] {
        let printed = bench.measure(&format!("load --rate 5 {args}"));
        assert_eq!(printed.code, Some(2), "{args}: {}", printed.stderr);
    }
    for args in [
        "",
        "--rate 5 --concurrency 2",
        "--rate 0",
        "--rate 5 --arrivals constant --burstiness 2",
        "--loops 2 --rate 3",
    ] {
        assert_eq!(bench.measure(&format!("load {args}")).code, Some(2), "{args}");
    }
}

#[test]
fn what_a_server_refuses_is_left_out_and_every_request_has_one_row() {
    let bench = Bench::new(ENDLESS, &["refuse_max_tokens"], 0);
    let args = "load --concurrency 4 --requests 30 --hit_share 0% --context_tokens 50 --no_selftest";
    let printed = bench.measure(args);
    let rows = measured(&bench, "load.jsonl");
    let trials: BTreeSet<u64> = rows.iter().filter_map(|row| row["trial"].as_u64()).collect();
    assert_eq!((rows.len(), trials.len()), (30, 30), "{}", printed.stderr);
    let is_adapted = |row: &Value| row["adapted"] == serde_json::json!(["max_tokens -> max_completion_tokens"]);
    assert!(rows.iter().all(|row| row["outcome"] == "ok" && is_adapted(row)), "{rows:?}");
}

#[test]
fn an_answer_that_stands_still_is_given_up_and_holds_up_no_other() {
    let bench = Bench::new(ENDLESS, &["stall=0@5"], 0);
    let args = "load --concurrency 2 --requests 20 --hit_share 0% --context_tokens 50 --no_selftest --timeout 5s";
    let printed = bench.measure(args);
    let rows = measured(&bench, "load.jsonl");
    let of = |outcome: &str| rows.iter().filter(|row| row["outcome"] == outcome).count();
    assert_eq!((of("ok"), of("timeout")), (19, 1), "{}", printed.stderr);
    // The other stream went on meanwhile.
    let end = |row: &&Value| row["end_ns"].as_u64();
    let last = rows.iter().filter(|row| row["outcome"] == "ok").filter_map(|row| end(&row)).max().expect("an end");
    let stalled = rows.iter().find(|row| row["outcome"] == "timeout").expect("one");
    assert!(last < stalled["sent_ns"].as_u64().expect("it was sent") + 5_000_000_000, "{rows:?}");
}

#[test]
fn ctrl_c_ends_a_run_under_load_with_the_report_of_what_was_done() {
    let bench = Bench::new("instant,base=20ms", &[], 0);
    let url = bench.sim.base_url();
    let args = ["load", "--rate", "50", "--requests", "5000", "--context_tokens", "50", "--api_base", &url];
    let child = bench.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program");
    let deadline = Monotonic.now().after(Duration::from_secs(60));
    while std::fs::read_to_string(bench.path("load.jsonl")).unwrap_or_default().lines().count() < 30 {
        assert!(Monotonic.now() < deadline, "thirty rows");
        Monotonic.sleep_until(Monotonic.now().after(Duration::from_millis(5)));
    }
    kill_process(Pid::from_child(&child), Signal::INT).expect("it is ours");
    let printed = Printed::of(child.wait_with_output().expect("an end"));
    assert_eq!(printed.code, Some(130), "{}", printed.stderr);
    assert!(printed.stderr.contains("4 documents are cached first, then 5000 requests go out"), "{}", printed.stderr);
    assert_eq!(printed.stdout, bench.report(&["load.jsonl"]), "a full report");
    assert!(printed.says("ttft_from_due has a median of"), "{}", printed.stdout);
    let rows = bench.rows("load.jsonl");
    assert!(rows.iter().all(|row| row["outcome"] == "ok" || row["outcome"] == "interrupted"), "{rows:?}");
    let sent = rows.iter().filter(|row| row["sent_ns"].is_u64()).count();
    assert!(sent < 2_500 && sent >= bench.requests(), "every request that was sent has its row");
}

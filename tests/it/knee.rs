//! `ttft load --find_knee` as a user meets it. What a busy machine makes of the client's own lag is no matter here: levels
//! that it voids end their arm, and the report says so.

use std::collections::HashSet;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use ttft::clock::{Clock, Monotonic};
use ttft::load::knee::SHARES;

use super::bench::{Bench, Printed};

/// One prefill after the other: 80 ms cold, 20 ms on a hit, so that it takes 20 requests a second of the usual mix and
/// 12.5 without a cache.
const QUEUE: &str = "instant,capacity=100m,base=20ms,per_token=60us,prefill=serial";
const ARGS: &str = "--find_knee --context_tokens 1000 --max_tokens 1 --requests 20 --streams 8 --seed 3";

/// The rows of each session of the log, in the order they were sent, and what was asked of it.
fn sessions(bench: &Bench) -> Vec<(Value, Vec<Value>)> {
    let mut sessions: Vec<(Value, Vec<Value>)> = Vec::new();
    for row in bench.rows("load.jsonl") {
        let level = row["conditions"]["load"]["level"].clone();
        if !level.is_null() {
            sessions.push((level, Vec::new()));
        }
        sessions.last_mut().expect("the first row has conditions").1.push(row);
    }
    sessions
}

fn measured(rows: &[Value]) -> Vec<&Value> {
    rows.iter().filter(|row| row["role"] == "measure").collect()
}

/// The shares of the ceiling that an arm was asked for.
fn shares(sessions: &[(Value, Vec<Value>)], reuse: &str) -> Vec<f64> {
    sessions
        .iter()
        .filter(|(level, _)| level["reuse"] == reuse)
        .filter_map(|(level, _)| level["of_ceiling"].as_f64())
        .collect()
}

#[test]
fn a_burst_and_six_levels_find_the_knee() {
    let bench = Bench::new(QUEUE, &[], 0);
    let printed = bench.measure(&format!("load {ARGS}"));
    assert_eq!(printed.stdout, bench.report(&["load.jsonl"]), "the block is the report of the log");
    let is_found = printed.says("The knee lies between ");
    assert_eq!(printed.code, Some(if is_found { 0 } else { 4 }), "{}{}", printed.stdout, printed.stderr);
    let sessions = sessions(&bench);
    let (burst, rows) = &sessions[0];
    assert_eq!((&burst["reuse"], &burst["streams"]), (&Value::from("usual"), &Value::from(8)));
    assert_eq!((rows.len(), measured(rows).len()), (104, 100), "four documents are cached first");
    assert!(printed.says("A burst of 8 streams got "), "{}", printed.stdout);
    let shares = shares(&sessions, "usual");
    assert!(shares == SHARES || printed.says("the run is void"), "{shares:?}: {}", printed.stdout);
    assert_eq!(shares, SHARES[..shares.len()]);
    let mut new = HashSet::new();
    for (level, rows) in &sessions {
        let of = measured(rows);
        assert_eq!((rows.len(), of.len()), if level["streams"].is_null() { (24, 20) } else { (104, 100) });
        let mut arms: Vec<(u64, bool)> =
            of.iter().map(|row| (row["trial"].as_u64().expect("a number"), row["arm"] == "hit")).collect();
        arms.sort_unstable();
        assert!(arms.chunks(10).all(|ten| ten.iter().filter(|(_, is_hit)| *is_hit).count() == 5), "half of every ten");
        for row in of {
            assert_eq!(
                row["evidence"]["found"], row["arm"],
                "the sim keeps all, and nothing new was sent before: {row}"
            );
            assert!(row["arm"] == "hit" || new.insert(row["document"].clone()), "no document is new twice");
        }
        if let Some(per_second) = level["per_second"].as_f64() {
            let ceiling = per_second / level["of_ceiling"].as_f64().expect("a share");
            assert!((5.0..40.0).contains(&ceiling), "{ceiling} a second");
        }
    }
    let ids: HashSet<_> = bench.sim.truth().into_iter().map(|truth| truth.request_id).collect();
    assert_eq!(ids.len(), sessions.iter().map(|(_, rows)| rows.len()).sum::<usize>(), "each request once");
}

#[test]
fn an_slo_is_looked_for_with_the_cache_and_without_it() {
    let bench = Bench::new(QUEUE, &[], 0);
    let printed = bench.measure(&format!("load {ARGS} --slo ttft:300ms --slo_share 70%"));
    assert_eq!(printed.stdout, bench.report(&["load.jsonl"]), "the block is the report of the log");
    let is_told = printed.says("The cache is worth ");
    assert!(
        is_told || printed.says("What the cache is worth in requests a second cannot be told: "),
        "{}",
        printed.stdout
    );
    assert_eq!(printed.code, Some(if is_told { 0 } else { 4 }), "{}{}", printed.stdout, printed.stderr);
    let sessions = sessions(&bench);
    let (usual, nothing) = (shares(&sessions, "usual"), shares(&sessions, "nothing"));
    assert_eq!(usual[..usual.len().min(6)], SHARES[..usual.len().min(6)]);
    assert_eq!(nothing.first(), Some(&0.8), "without the cache there is no knee to look for");
    let apart: Vec<&Value> =
        sessions.iter().filter(|(level, _)| level["reuse"] == "nothing").flat_map(|(_, rows)| rows).collect();
    assert!(apart.len() >= 120 && apart.iter().all(|row| row["role"] == "measure"), "nothing is cached first");
    assert!(apart.iter().all(|row| row["reusable_tokens"] == 0 && row["evidence"]["found"] == "cold"));
    assert!(printed.says(&format!("by the server's count {0} of {0} were cold", apart.len())), "{}", printed.stdout);
    // Beside the first, an arm has its own ceiling, and the load is as long.
    let tokens = |reuse: &str| {
        let (_, rows) = sessions.iter().find(|(level, _)| level["reuse"] == reuse).expect("a burst");
        measured(rows).iter().map(|row| row["context_tokens"].as_u64().expect("a length")).sum::<u64>()
    };
    assert_eq!(tokens("usual"), tokens("nothing"));
}

#[test]
fn ctrl_c_ends_a_search_with_the_report_of_what_was_done() {
    let bench = Bench::new(QUEUE, &[], 0);
    let url = bench.sim.base_url();
    let args = format!("load {ARGS} --api_base {url}");
    let mut command = bench.command(&args.split(' ').collect::<Vec<_>>());
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program");
    let deadline = Monotonic.now().after(Duration::from_secs(120));
    while std::fs::read_to_string(bench.path("load.jsonl")).unwrap_or_default().lines().count() < 112 {
        assert!(Monotonic.now() < deadline, "a level has begun");
        Monotonic.sleep_until(Monotonic.now().after(Duration::from_millis(5)));
    }
    kill_process(Pid::from_child(&child), Signal::INT).expect("it is ours");
    let printed = Printed::of(child.wait_with_output().expect("an end"));
    assert_eq!(printed.code, Some(130), "{}", printed.stderr);
    assert_eq!(printed.stdout, bench.report(&["load.jsonl"]), "a full report");
    assert!(printed.says("A burst of 8 streams got "), "{}", printed.stdout);
    assert!(bench.requests() < 104 + 6 * 24, "it stopped");
}

#[test]
fn a_budget_ends_a_search_and_what_was_measured_is_reported() {
    let bench = Bench::new(QUEUE, &[], 0);
    let printed = bench.measure(&format!("load {ARGS} --budget 20k"));
    assert_eq!(printed.code, Some(4), "{}{}", printed.stdout, printed.stderr);
    assert!(printed.stderr.contains("the budget of tokens is spent"), "{}", printed.stderr);
    assert_eq!(printed.stdout, bench.report(&["load.jsonl"]), "a full report");
    assert!(bench.requests() < 40);
}

#[test]
fn what_cannot_be_searched_with_is_refused_before_anything_is_sent() {
    let bench = Bench::new(QUEUE, &[], 0);
    for args in [
        "--find_knee --rate 3",
        "--find_knee --concurrency 3",
        "--find_knee --shard 0/2",
        "--find_knee --workload long_doc_qa",
        "--find_knee --slo ttft:1s --slo_share 100%",
        "--rate 3 --streams 4",
    ] {
        let printed = bench.measure(&format!("load {args}"));
        assert_eq!(printed.code, Some(2), "{args}: {}", printed.stderr);
    }
    assert_eq!(bench.requests(), 0);
    // More than a million tokens in a pipe.
    let large = bench.measure("load --find_knee --context_tokens 2k");
    assert_eq!((large.code, bench.requests()), (Some(2), 0), "{}", large.stderr);
    assert!(large.stderr.contains("this sends up to 1,4"), "{}", large.stderr);
}

//! `ttft map` as a user meets it: the program against the simulated endpoint, over sockets.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use ttft::clock::{Clock, Monotonic};

use super::bench::{Bench, Printed};

/// Prefills quickly, so that a fill takes seconds; what is cached is told.
const QUICK: &str = "7b,template=20,base=1ms,per_token=2us,quadratic=0ns,decode=0ns,noise=0.03,jitter=0ns";
const FLAGS: &str = "map --yes --max_fill_tokens 300k";

fn bench(more: &str) -> Bench {
    Bench::new(&format!("{QUICK},{more}"), &[], 1)
}

fn properties(bench: &Bench) -> Value {
    let report: Value = bench.report(&["map.jsonl", "--format", "json"]).parse().expect("JSON");
    let map = report["maps"][0].clone();
    let schema = include_str!("../../docs/map.schema.json").parse().expect("JSON");
    jsonschema::validator_for(&schema)
        .expect("a schema")
        .validate(&map)
        .unwrap_or_else(|error| panic!("{error}: {map}"));
    map
}

#[test]
fn a_hidden_cache_of_60k_tokens_is_mapped_and_its_report_says_the_same() {
    let bench = bench("capacity=60k,block_size=16");
    let printed = bench.measure(FLAGS);
    assert_eq!(printed.code, Some(0), "{}{}", printed.stdout, printed.stderr);
    assert!(printed.stderr.contains("prompts of other users are pushed out"), "{}", printed.stderr);
    assert!(printed.says("The cache holds 60,000 tokens, in blocks of 16; who leaves: LRU"), "{}", printed.stdout);
    assert_eq!(bench.report(&["map.jsonl"]), printed.stdout);
    let map = properties(&bench);
    assert_eq!(map["capacity_tokens"]["value"], 60_000);
    assert_eq!(map["capacity_tokens"]["interval"][0], 60_000.0);
    assert_eq!((&map["block_size"]["value"], &map["replicas"]["value"]), (&16.into(), &1.into()));
    assert_eq!((&map["policy"]["value"], &map["semantics"]["value"]), (&"lru".into(), &"prefix".into()));
    let rows = bench.rows("map.jsonl");
    assert_eq!(rows.len(), bench.requests());
    let figure = bench.ttft(&["report", "map.jsonl", "--figure", "reuse"]);
    assert!(figure.stdout.starts_with("<svg"), "{}", figure.stderr);
}

#[test]
fn a_map_that_was_killed_goes_on_and_pays_for_nothing_twice() {
    let bench = bench("capacity=30k,block_size=64");
    let url = bench.sim.base_url();
    let nonce = "00112233445566778899aabbccddeeff";
    let args = ["map", "--yes", "--skip", "tiers", "--context_tokens", "512", "--nonce", nonce, "--api_base", &url];
    let mut command = bench.command(&args);
    let mut killed = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program");
    for _ in 0..12_000 {
        if bench.requests() >= 150 {
            break;
        }
        Monotonic.sleep_until(Monotonic.now().after(Duration::from_millis(5)));
    }
    killed.kill().expect("a kill");
    killed.wait().expect("an end");
    let before = bench.text("map.jsonl").lines().count();
    assert!(before > 50, "{before}");
    let resumed = Printed::of(bench.command(&[&args[..], &["--resume"]].concat()).output().expect("the program"));
    assert_eq!(resumed.code, Some(0), "{}{}", resumed.stdout, resumed.stderr);
    assert!(resumed.says("29,952 tokens, in blocks of 64"), "{}", resumed.stdout);
    let rows = bench.rows("map.jsonl");
    let sessions: std::collections::HashSet<&str> = rows.iter().filter_map(|row| row["session"].as_str()).collect();
    assert_eq!(sessions.len(), 1);
    // The kill may have cost the row of a request that was under way.
    assert!(bench.requests() <= rows.len() + 1, "{} requests, {} rows", bench.requests(), rows.len());
    assert_eq!(bench.report(&["map.jsonl"]), resumed.stdout);
    // One that nobody killed sends as many requests, but for what noise decides, and finds the same.
    let whole = self::bench("capacity=30k,block_size=64");
    whole.measure(&format!("map --yes --skip tiers --context_tokens 512 --nonce {nonce}"));
    assert!(rows.len().abs_diff(whole.requests()) <= 10, "{} rows, {} requests", rows.len(), whole.requests());
    for property in ["block_size", "semantics", "capacity_tokens", "policy", "replicas", "min_prefix_tokens"] {
        assert_eq!(properties(&bench)[property]["value"], properties(&whole)[property]["value"], "{property}");
    }
}

const ONLY_SHARING: &str = "map --yes --skip replicas,semantics,block,fill,tiers,delay --context_tokens 512";

#[test]
fn who_shares_with_whom_is_told_for_keys_and_fields_and_no_key_is_shown() {
    let bench = bench("capacity=60k,isolate=key");
    let printed = bench.measure(&format!("{ONLY_SHARING} --identities api_key,user --other_api_key sk-other-1234"));
    let sharing = properties(&bench)["sharing"].clone();
    assert_eq!(sharing["value"], "user", "{sharing} {}", printed.stderr);
    assert!(
        sharing["evidence"].as_str().is_some_and(|said| said.contains("kept apart by another api_key")),
        "{sharing}"
    );
    assert!(!(bench.text("map.jsonl") + &printed.stdout + &printed.stderr).contains("sk-other-1234"));
}

#[test]
fn a_cache_of_one_connection_is_told_from_one_of_all() {
    for (isolate, shared) in [("connection", "none"), ("nothing", "connection")] {
        let bench = bench(&format!("capacity=60k,isolate={isolate}"));
        bench.measure(&format!("{ONLY_SHARING} --connection reuse --identities connection"));
        assert_eq!(properties(&bench)["sharing"]["value"], shared, "{isolate}");
    }
}

#[test]
fn another_key_has_to_be_named() {
    let bench = bench("capacity=60k");
    let printed = bench.measure(&format!("{ONLY_SHARING} --identities api_key"));
    assert_eq!(printed.code, Some(2), "{}", printed.stderr);
    assert!(printed.stderr.contains("--other_api_key") && bench.requests() == 0, "{}", printed.stderr);
}

#[test]
fn a_budget_ends_with_a_bound() {
    let bench = bench("capacity=200k,block_size=16");
    let printed = bench.measure(&format!("{FLAGS} --skip semantics,block,replicas --budget 100k"));
    assert_eq!(printed.code, Some(0), "{}{}", printed.stdout, printed.stderr);
    assert!(printed.stderr.contains("the budget of tokens is spent"), "{}", printed.stderr);
    assert!(printed.says("The cache holds at least"), "{}", printed.stdout);
    let map = properties(&bench);
    assert_eq!(map["capacity_tokens"]["interval"][1], Value::Null);
}

#[test]
fn a_large_map_asks_first_and_sends_nothing() {
    let bench = bench("capacity=600k");
    let printed = bench.measure("map --price_per_mtok 2");
    assert_eq!(printed.code, Some(2), "{}", printed.stderr);
    assert!(printed.stderr.contains("prompt tokens") && printed.stderr.contains("usd"), "{}", printed.stderr);
    assert_eq!(bench.requests(), 0);
}

#[test]
fn without_a_cache_nothing_is_identified() {
    let bench = bench("hit=off");
    let printed = bench.measure(FLAGS);
    assert_eq!(printed.code, Some(4), "{}{}", printed.stdout, printed.stderr);
    assert!(printed.says("The cache's capacity was not identified."), "{}", printed.stdout);
}

#[test]
fn replicas_are_told_and_a_pin_keeps_to_one() {
    let bench = bench("capacity=30k,block_size=16,replicas=2,routing=header");
    let alone = bench.measure(&format!("{FLAGS} --context_tokens 512"));
    assert!(alone.says("keep to one with --pin"), "{}", alone.stdout);
    let pinned = bench.measure(&format!("{FLAGS} --context_tokens 512 --pin header"));
    assert!(pinned.says("The cache holds 30,000 tokens, in blocks of 16"), "{}", pinned.stdout);
    assert_eq!(properties(&bench)["replicas"]["value"], 2);
}

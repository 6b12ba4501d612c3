//! `ttft map` over sockets against a server with hidden parameters: what it finds, and within three minutes.

use serde_json::Value;
use ttft::clock::{Clock, Monotonic};

use super::alone;
use super::bench::Bench;

/// 25,000 tokens a second.
const SERVER: &str = "7b,base=10ms,per_token=40us,quadratic=0ns,noise=0.05,outliers=0.05,block_size=16";
const MOST_NS: u64 = 180_000_000_000;
/// How far a capacity and a reach may be off.
const CAPACITY: f64 = 0.02;
const REACH: f64 = 0.05;

fn map(profile: &str, faults: &[&str]) -> Value {
    let bench = Bench::new(&format!("{SERVER},{profile}"), faults, 3);
    let began = Monotonic.now();
    let printed = bench.measure("map --yes --max_fill_tokens 600k");
    let took = Monotonic.now().since(began).expect("time goes on");
    assert_eq!(printed.code, Some(0), "{}{}", printed.stdout, printed.stderr);
    assert!(took < MOST_NS, "{} s: {}", took / 1_000_000_000, printed.stderr);
    let report: Value = bench.report(&["map.jsonl", "--format", "json"]).parse().expect("JSON");
    report["maps"][0].clone()
}

fn is_near(found: &Value, truth: f64, tolerance: f64) -> bool {
    found.as_f64().is_some_and(|found| (found / truth - 1.0).abs() <= tolerance)
}

#[test]
fn a_cache_of_60k_tokens_is_found_by_the_clock_alone() {
    let _alone = alone();
    let map = map("capacity=60k", &["cached_tokens_null"]);
    assert!(is_near(&map["capacity_tokens"]["value"], 60_000.0, CAPACITY), "{map}");
    assert_eq!(map["policy"]["value"], "lru", "{map}");
    assert_eq!(map["replicas"]["value"], 1, "{map}");
    let block = &map["block_size"]["value"];
    assert!(block.is_null() || *block == 16, "what the clock cannot tell is not claimed: {map}");
}

#[test]
fn a_cache_of_60k_tokens_is_found_to_the_token_by_what_is_counted() {
    let _alone = alone();
    let map = map("capacity=60k,policy=lru", &[]);
    assert_eq!(map["capacity_tokens"]["value"], 60_000, "{map}");
    assert_eq!(map["block_size"]["value"], 16, "{map}");
    assert_eq!(map["policy"]["value"], "lru", "{map}");
}

#[test]
fn a_second_tier_that_is_hardly_quicker_than_computing_is_found_with_its_reach() {
    let _alone = alone();
    let map = map("capacity=60k,tier2=200k,tier2_load=25us,tier2_latency=1ms", &[]);
    let tiers = map["tiers"]["value"].as_array().expect("tiers");
    assert_eq!(tiers.len(), 2, "{map}");
    assert!(is_near(&tiers[0]["reach_tokens"], 60_000.0, REACH), "{map}");
    assert!(is_near(&tiers[1]["reach_tokens"], 200_000.0, REACH), "{map}");
}

#[test]
fn a_second_tier_is_found_by_the_clock_alone() {
    let _alone = alone();
    let map = map("capacity=60k,tier2=200k,tier2_load=8us,tier2_latency=1ms", &["cached_tokens_null"]);
    let tiers = map["tiers"]["value"].as_array().expect("tiers");
    assert_eq!(tiers.len(), 2, "{map}");
    assert!(is_near(&tiers[0]["reach_tokens"], 60_000.0, REACH), "{map}");
    assert!(is_near(&tiers[1]["reach_tokens"], 200_000.0, REACH), "{map}");
}

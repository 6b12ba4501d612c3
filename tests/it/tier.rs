//! `--tier`: fillers between a document and its replay, so that a lower tier answers. The truth is the server's own log.

use super::bench::verify::{QUICK, verify};
use super::bench::{Bench, Printed};

/// An upper tier of 4,000 tokens, and a lower one with room for everything, or little more than none.
fn bench(lower: &str) -> Bench {
    Bench::new(&format!("{QUICK},capacity=4000,tier2={lower},tier2_load=20us"), &[], 0)
}

fn tier_2(bench: &Bench, more: &[&str]) -> Printed {
    verify(bench, &[&["--tier", "2", "--tier_tokens", "4000", "--max_pairs", "10"], more].concat())
}

/// The tokens that each measured replay found in the two tiers.
fn found_by_replays(bench: &Bench) -> Vec<(u64, u64)> {
    let truths = bench.sim.truth();
    let trial = |row: &serde_json::Value| format!("ttft-{}", row["trial"]);
    let rows = bench.rows("verify.jsonl");
    let replays = rows.iter().filter(|row| row["role"] == "measure" && row["arm"] == "hit");
    replays
        .map(|row| {
            let truth = truths.iter().find(|truth| truth.request_id == Some(trial(row))).expect("the server knows it");
            (truth.hit_tokens[0], truth.hit_tokens.get(1).copied().unwrap_or(0))
        })
        .collect()
}

#[test]
fn measured_replays_come_from_the_lower_tier_by_the_servers_own_log() {
    let bench = bench("1M");
    let told = tier_2(&bench, &[]);
    let found = found_by_replays(&bench);
    assert!(found.len() >= 10, "{}{}", told.stdout, told.stderr);
    assert!(found.iter().all(|(upper, lower)| *upper < 100 && *lower > 500), "{found:?}");
    assert!(told.says("tier 2: replays came behind"), "{}", told.stdout);
    assert!(told.says("from outside the engine"), "{}", told.stdout);
    let rows = bench.rows("verify.jsonl");
    let fillers: Vec<_> = rows.iter().filter(|row| row["role"] == "evict").map(|row| &row["document"]).collect();
    assert!(!fillers.is_empty());
    assert!(
        rows.iter().all(|row| row["arm"] != "hit" || !fillers.contains(&&row["document"])),
        "no filler is replayed"
    );
    assert!(rows.iter().all(|row| (row["tier"] == 2) <= (row["arm"] == "hit")));
}

#[test]
fn without_the_fillers_the_upper_tier_answers() {
    let bench = bench("1M");
    verify(&bench, &["--max_pairs", "10"]);
    let found = found_by_replays(&bench);
    assert!(found.iter().all(|(upper, lower)| *upper > 500 && *lower == 0), "{found:?}");
}

#[test]
fn fillers_that_are_too_few_are_named() {
    let told = verify(&bench("1M"), &["--tier", "2", "--tier_tokens", "100", "--max_pairs", "10"]);
    assert!(told.says("came from the engine's own memory and not from tier 2"), "{}", told.stdout);
}

#[test]
fn a_tier_that_is_not_there_is_named_and_nothing_is_measured() {
    let bench = Bench::new(&format!("{QUICK},capacity=4000"), &[], 0);
    let told = tier_2(&bench, &[]);
    assert_eq!(told.code, Some(4), "{}", told.stdout);
    assert!(told.says("no tier 2 reaches that far"), "{}", told.stdout);
    assert!(bench.rows("verify.jsonl").iter().all(|row| row["role"] != "measure"));
}

#[test]
fn a_map_says_how_far_the_tiers_reach() {
    let bench = bench("1M");
    let map = |tiers: serde_json::Value| serde_json::json!({ "report": 1, "maps": [{ "tiers": { "value": tiers } }] });
    let reach = |tokens: u64| serde_json::json!({ "reach_tokens": tokens });
    std::fs::write(bench.path("map.json"), map(serde_json::json!([reach(4_000), reach(900_000)])).to_string()).unwrap();
    let told = verify(&bench, &["--tier", "2", "--map", "map.json", "--max_pairs", "10"]);
    let found = found_by_replays(&bench);
    assert!(
        !found.is_empty() && found.iter().all(|(upper, lower)| *upper < 100 && *lower > 500),
        "{found:?}{}",
        told.stderr
    );
    for (tiers, said) in [
        (serde_json::json!([reach(4_000)]), "knows 1 tier of the cache, so there is no tier 2 to measure"),
        (serde_json::json!([reach(4_000), reach(4_300)]), "nothing fits between"),
        (serde_json::Value::Null, "knows no tiers of the cache"),
    ] {
        std::fs::write(bench.path("map.json"), map(tiers).to_string()).unwrap();
        let told = verify(&bench, &["--tier", "2", "--map", "map.json"]);
        assert_eq!(told.code, Some(2), "{}", told.stderr);
        assert!(told.stderr.contains(said), "{}", told.stderr);
    }
}

#[test]
fn the_classic_runs_flush_leaves_the_document_in_the_lower_tier() {
    let bench = Bench::new("instant,capacity=4000,tier2=1M", &[], 0);
    let told = bench.measure("--tier 2 --tier_tokens 4000 --max_ctx_tokens 1000");
    assert_eq!(told.code, Some(0), "{}", told.stderr);
    assert!(told.stderr.contains("came from outside the engine's own memory, as tier 2 does"), "{}", told.stderr);
    let truths = bench.sim.truth();
    let replay = truths.last().unwrap();
    assert!(replay.hit_tokens[0] < 100 && replay.hit_tokens[1] > 900, "{:?}", replay.hit_tokens);
    let rows = bench.rows("benchmark.jsonl");
    assert_eq!(
        (rows.len(), rows[1]["arm"].as_str(), rows[1]["flush"]["achieved"].as_str()),
        (2, Some("hit"), Some("still_cached"))
    );
    let fillers = rows[1]["flush"]["filler_tokens"].as_u64().unwrap();
    assert!((4_800..5_500).contains(&fillers), "{fillers}");
}

#[test]
fn the_classic_run_says_when_no_tier_reaches_that_far() {
    let bench = Bench::new("instant,capacity=4000", &[], 0);
    let told = bench.measure("--tier 2 --tier_tokens 4000 --max_ctx_tokens 1000");
    assert!(told.stderr.contains("evicted from every tier: no tier 2 reaches over"), "{}", told.stderr);
}

#[test]
fn a_tier_needs_to_know_how_far_those_above_it_reach() {
    let bench = Bench::new("instant", &[], 0);
    assert_eq!(bench.measure("--tier 2").code, Some(2));
    assert_eq!(bench.measure("--tier_tokens 4000").code, Some(2));
    assert_eq!(bench.measure("--tier 2 --tier_tokens 4000 --flush reset").code, Some(2));
    assert_eq!(verify(&bench, &["--tier", "2", "--tier_tokens", "4000", "--cold", "reset"]).code, Some(2));
}

//! A flush says what it achieved, and is believed only with proof.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use ttft::sim::server::{Sim, SimConfig};

fn sim(profile: &str, faults: &[&str]) -> Sim {
    let mut config = SimConfig { profile: profile.parse().unwrap(), ..SimConfig::default() };
    config.faults = faults.iter().map(|fault| fault.parse().unwrap()).collect();
    Sim::start(config).unwrap()
}

/// What stdout and stderr said, and the rows.
fn run(folder: &Path, sim: &Sim, more: &[&str]) -> (String, Vec<Value>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ttft"));
    command.current_dir(folder).args(["--api_base", &sim.base_url(), "--max_ctx_tokens", "1000", "--gap", "0"]);
    let output = command.args(more).output().unwrap();
    let log = std::fs::read_to_string(folder.join("benchmark.jsonl")).unwrap();
    let rows = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (String::from_utf8([output.stdout, output.stderr].concat()).unwrap(), rows)
}

#[test]
fn a_reset_that_works_is_proved_by_a_canary() {
    let (folder, sim) = (tempfile::tempdir().unwrap(), sim("instant", &[]));
    let (said, rows) = run(folder.path(), &sim, &["--flush", "reset"]);
    assert!(said.contains("answered 200, and a document known to be cached came back cold"), "{said}");
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[1]["flush"]["achieved"], "evicted");
    assert_eq!(rows[1]["flush"]["canary"]["achieved"], "evicted");
    assert_eq!(rows[1]["evidence"]["found"], "cold");
}

#[test]
fn a_reset_that_lies_is_caught() {
    let (folder, sim) = (tempfile::tempdir().unwrap(), sim("instant", &["reset_lies"]));
    let (said, rows) = run(folder.path(), &sim, &["--flush", "reset"]);
    assert!(said.contains("answered 200 and reset nothing"), "{said}");
    assert!(said.contains("still cached: "), "{said}");
    assert_eq!(rows[1]["flush"]["achieved"], "still_cached");
}

#[test]
fn without_a_count_a_reset_is_unknown() {
    let (folder, sim) = (tempfile::tempdir().unwrap(), sim("instant", &["cached_tokens_null", "no_metrics"]));
    let (said, rows) = run(folder.path(), &sim, &["--flush", "reset"]);
    assert!(said.contains("unknown (this server shows no evidence)"), "{said}");
    assert_eq!(
        (&rows[1]["flush"]["achieved"], &rows[1]["evidence"]["reported"]),
        (&"unknown".into(), &"absent".into())
    );
}

#[test]
fn fillers_go_on_until_the_canary_is_gone() {
    let (folder, sim) = (tempfile::tempdir().unwrap(), sim("instant,capacity=50k", &[]));
    let (said, rows) = run(folder.path(), &sim, &["--flush", "until_evicted"]);
    assert!(said.contains("came back cold"), "{said}");
    let flush = &rows[1]["flush"];
    assert_eq!((&flush["achieved"], &flush["canary"]["achieved"]), (&"evicted".into(), &"evicted".into()));
    let requests = flush["requests"].as_u64().unwrap();
    assert!((1..32).contains(&requests), "{flush}");
}

#[test]
fn the_counters_prove_what_the_answer_leaves_out() {
    let (folder, sim) = (tempfile::tempdir().unwrap(), sim("instant", &["cached_tokens_null"]));
    let (_, rows) = run(folder.path(), &sim, &[]);
    assert_eq!((&rows[0]["evidence"]["found"], &rows[0]["evidence"]["proof"]), (&"cold".into(), &"counters".into()));
    assert_eq!((&rows[1]["evidence"]["found"], &rows[1]["evidence"]["proof"]), (&"hit".into(), &"counters".into()));
}

#[test]
fn counters_that_others_moved_prove_nothing() {
    let (folder, sim) = (tempfile::tempdir().unwrap(), sim("instant", &["cached_tokens_null", "foreign_traffic"]));
    let (_, rows) = run(folder.path(), &sim, &[]);
    assert_eq!(rows[1]["evidence"]["found"], "unknown");
    assert_eq!(rows[1]["evidence"]["has_company"], true);
}

#[test]
fn a_server_that_counts_everything_as_cached_has_no_cold_run() {
    let (folder, sim) = (tempfile::tempdir().unwrap(), sim("instant", &["cached_tokens_max"]));
    let (said, rows) = run(folder.path(), &sim, &[]);
    assert!(said.contains("run 1 is not cold"), "{said}");
    assert_eq!(rows[0]["evidence"]["reported"], "contradicted", "the counters say otherwise");
}

#[test]
fn a_warm_document_and_a_second_run_of_the_same_command_are_not_cold() {
    let (folder, sim) = (tempfile::tempdir().unwrap(), sim("instant", &[]));
    for more in [&["-C"][..], &["--nonce", "00112233445566778899aabbccddeeff"]] {
        let (said, _) = run(folder.path(), &sim, more);
        assert!(!said.contains("not cold"), "{said}");
        let (said, rows) = run(folder.path(), &sim, more);
        assert!(said.contains("run 1 is not cold"), "{said}");
        assert!(said.contains("Run 1 found the document in the cache"), "{said}");
        assert!(!said.contains("than cold"), "a warm run is nothing to compare a hit with: {said}");
        assert_eq!(rows[0]["evidence"]["found"], "hit");
    }
}

//! Verdicts of `ttft verify` that rest on times: the program against the simulated endpoint, over sockets.

use ttft::sim::server::{Sim, SimConfig};

use super::alone;
use super::bench::Bench;
use super::bench::verify::{QUICK, quick, verify};

#[test]
fn a_cache_that_helps_is_found_with_proof_and_the_report_of_the_log_says_the_same() {
    let _alone = alone();
    let bench = quick(&[]);
    let told = verify(&bench, &[]);
    assert_eq!(told.code, Some(0), "{}{}", told.stdout, told.stderr);
    assert!(told.stdout.starts_with("HELPS "), "{}", told.stdout);
    assert!(told.says("hit proof the server's count:") && !told.says("Grade C"), "{}", told.stdout);
    assert!(told.says("A/A control passed"), "{}", told.stdout);
    assert_eq!(bench.ttft(&["report", "verify.jsonl"]).stdout, told.stdout);
}

#[test]
fn five_runs_without_a_cache_never_help() {
    let _alone = alone();
    let bench = Bench::new(&format!("{QUICK},hit=off"), &[], 0);
    for run in 1..=5 {
        let told = verify(&bench, &[]);
        assert!(matches!(told.code, Some(3 | 4)), "run {run}: {:?} {}", told.code, told.stdout);
        assert!(told.stdout.starts_with("NO MATERIAL EFFECT") || told.stdout.starts_with("INCONCLUSIVE"), "run {run}");
        // Nothing hit, by the server's count.
        assert!(told.says("on a replay") && !told.says("on a hit"), "run {run}: {}", told.stdout);
    }
}

#[test]
fn what_answers_leave_out_the_counters_prove() {
    let _alone = alone();
    let told = verify(&quick(&["cached_tokens_null"]), &[]);
    assert_eq!(told.code, Some(0), "{}", told.stdout);
    assert!(told.says("hit proof the server's counters:"), "{}", told.stdout);
}

#[test]
fn without_any_count_there_is_timing_and_a_lower_grade() {
    let _alone = alone();
    let told = verify(&quick(&["cached_tokens_null", "no_metrics"]), &[]);
    assert_eq!(told.code, Some(0), "{}", told.stdout);
    assert!(told.says("Grade B: timing alone") && told.says("--enable-prompt-tokens-details"), "{}", told.stdout);
}

#[test]
fn the_same_documents_twice_are_caught() {
    let _alone = alone();
    let bench = quick(&[]);
    let nonce = ["--nonce", "00112233445566778899aabbccddeeff"];
    assert_eq!(verify(&bench, &nonce).code, Some(0));
    let told = verify(&bench, &nonce);
    assert_eq!(told.code, Some(4), "{}", told.stdout);
    assert!(told.says("Cold is not cold"), "{}", told.stdout);
}

#[test]
fn partial_hits_are_measured_share_by_share() {
    let _alone = alone();
    let bench = quick(&[]);
    let told = verify(&bench, &["--shared", "0,50,100"]);
    assert_eq!(told.code, Some(0), "{}", told.stdout);
    assert!(told.says("TTFT by the share of the document that was seen before"), "{}", told.stdout);
    let figure = bench.report(&["verify.jsonl", "--figure", "shared_percent"]);
    assert!(figure.contains("<svg") && figure.contains("100 %"), "{figure}");
}

#[test]
fn an_expected_ratio_is_a_gate() {
    let _alone = alone();
    let bench = quick(&[]);
    assert_eq!(verify(&bench, &["--expect", "1.5x"]).code, Some(0));
    assert_eq!(verify(&bench, &["--expect", "50x"]).code, Some(3));
}

/// Storing costs a quarter of what computing does.
fn storing(more: &str, flavor: &str) -> Bench {
    let profile = format!("{QUICK},store=15us{more}").parse().expect("a profile");
    let config = SimConfig { profile, flavor: flavor.parse().expect("a flavour"), ..SimConfig::default() };
    Bench { sim: Sim::start(config).expect("a server"), folder: tempfile::tempdir().expect("a folder") }
}

#[test]
fn a_store_penalty_is_measured_beside_cold_with_the_cache_off() {
    let _alone = alone();
    let told = verify(&storing("", "llamacpp"), &["--cache_off", r#"{"cache_prompt":false}"#]);
    assert_eq!(told.code, Some(0), "{}{}", told.stdout, told.stderr);
    assert!(told.says("Store penalty 1.") && told.says("1 reuse pays it back."), "{}", told.stdout);
}

#[test]
fn fields_that_switch_no_cache_off_are_seen_through() {
    let _alone = alone();
    let told = verify(&storing("", "vllm"), &["--cache_off", r#"{"cache_prompt":false}"#]);
    assert!(told.says("so they switch nothing off"), "{}", told.stdout);
}

#[test]
fn a_store_penalty_is_measured_against_an_earlier_log_with_the_cache_off() {
    let _alone = alone();
    let off = storing(",hit=off", "vllm");
    verify(&off, &["--out", "off.jsonl"]);
    let on = storing("", "vllm");
    let log = off.path("off.jsonl");
    let told = verify(&on, &["--cache_off_log", log.to_str().expect("a path")]);
    assert!(told.says("Store penalty 1.") && told.says("off.jsonl); 1 reuse pays it back."), "{}", told.stdout);
    assert_eq!(on.ttft(&["report", "verify.jsonl"]).stdout, told.stdout, "the log is enough to say it again");
    let own = on.path("verify.jsonl");
    let told = verify(&on, &["--cache_off_log", own.to_str().expect("a path"), "--out", "second.jsonl"]);
    assert_eq!(told.code, Some(2), "{}", told.stderr);
    assert!(told.stderr.contains("was measured with the cache on: request"), "{}", told.stderr);
}

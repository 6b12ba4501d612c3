//! `ttft verify` as a user meets it: the program against the simulated endpoint, over sockets. What is here holds however
//! busy the machine is; the verdicts that rest on times are in `tests/timed`.

use super::bench::Bench;
use super::bench::verify::{QUICK, quick, verify};

#[test]
fn a_server_that_counts_everything_as_cached_is_caught() {
    let told = verify(&quick(&["cached_tokens_max"]), &[]);
    assert_eq!(told.code, Some(4), "{}", told.stdout);
    assert!(told.says("Cold is not cold: 2 new documents came out of the cache"), "{}", told.stdout);
}

#[test]
fn other_clients_on_the_counters_are_named() {
    let told = verify(&quick(&["foreign_traffic"]), &[]);
    assert!(told.says("others use this server"), "{}", told.stdout);
}

#[test]
fn a_cache_that_changes_answers_is_named() {
    // To the simulated server a cached template is a hit already.
    let told = verify(&Bench::new(&QUICK.replace("template=20", "template=0"), &["hit_changes_answer"], 0), &[]);
    assert!(told.says("got another answer from the cache"), "{}", told.stdout);
}

#[test]
fn replicas_show_in_the_share_of_replays_that_hit() {
    let told = verify(&Bench::new(&format!("{QUICK},replicas=3,routing=random"), &[], 0), &[]);
    assert!(told.says("several replicas behind the endpoint"), "{}", told.stdout);
    assert!(told.says("Grade C"), "{}", told.stdout);
}

#[test]
fn a_spent_budget_ends_the_run_and_is_no_verdict_before_the_first_look() {
    let told = verify(&quick(&[]), &["--budget", "10k"]);
    assert_eq!(told.code, Some(4), "{}", told.stdout);
    assert!(told.stderr.contains("the budget of tokens is spent"), "{}", told.stderr);
    assert!(told.says("The run ended after") && told.says("its first look is at 10"), "{}", told.stdout);
}

#[test]
fn a_large_run_through_a_pipe_asks_for_consent() {
    let bench = quick(&[]);
    let told = verify(&bench, &["--context_tokens", "8k", "--max_pairs", "160"]);
    assert_eq!(told.code, Some(2), "{}", told.stderr);
    assert!(told.stderr.contains("say --yes"), "{}", told.stderr);
    assert!(std::fs::read(bench.path("verify.jsonl")).unwrap().is_empty(), "nothing was sent");
}

#[test]
fn a_proxy_that_buffers_lowers_the_grade() {
    let told = verify(&quick(&["buffered"]), &[]);
    assert!(
        told.says("streams all tokens arrived at once") && told.says("Grade C: buffered streams"),
        "{}",
        told.stdout
    );
    let honest = verify(&quick(&[]), &[]);
    assert!(!honest.says("arrived at once"), "{}", honest.stdout);
}

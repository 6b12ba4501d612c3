//! `ttft verify` as a user meets it: the program against the simulated endpoint, over sockets. What is here holds however
//! busy the machine is; the verdicts that rest on times are in `tests/timed`.

use ttft::sim::server::{Sim, SimConfig};

use super::bench::verify::{QUICK, quick, verify};
use super::bench::{Bench, TTFT, cached, prompt};

#[test]
fn a_server_that_counts_everything_as_cached_is_caught() {
    let told = verify(&quick(&["cached_tokens_max"]), &[]);
    assert_eq!(told.code, Some(4), "{}", told.stdout);
    assert!(told.says("Cold is not cold: 2 new documents came out of the cache"), "{}", told.stdout);
    assert!(told.stdout.starts_with("INCONCLUSIVE: cold is not cold, so nothing can be said"), "{}", told.stdout);
    assert!(
        told.says("cold proof refuted: ") && told.says("hit proof none: no replay was measured"),
        "{}",
        told.stdout
    );
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

#[test]
fn a_reset_that_works_is_proved_by_the_canary_and_each_cold_request_has_its_reset_in_the_log() {
    let bench = quick(&[]);
    let told = verify(&bench, &["--cold", "reset", "--max_pairs", "10"]);
    assert!(told.says("the reset: a document cached before it had 0 of "), "{}", told.stdout);
    assert!(!told.says("cold is not cold"), "{}", told.stdout);
    let rows = bench.rows("verify.jsonl");
    let measured: Vec<_> = rows.iter().filter(|row| row["role"] == "measure").collect();
    assert!(measured.len() >= 40, "{}", told.stdout);
    for row in measured {
        assert_eq!(row["flush"]["achieved"] == "evicted", row["arm"] != "hit", "{row}");
        assert_eq!(cached(row) < 100, row["arm"] != "hit", "{row}");
    }
}

#[test]
fn a_reset_that_lies_is_caught() {
    let bench = quick(&["reset_lies"]);
    let told = verify(&bench, &["--cold", "reset"]);
    assert_eq!(told.code, Some(4), "{}", told.stdout);
    assert!(told.says("the reset said success and the canary was still a hit: "), "{}", told.stdout);
    assert!(bench.rows("verify.jsonl").iter().all(|row| row["role"] != "measure"), "nothing is measured without proof");
}

#[test]
fn a_reset_that_leaves_a_lower_tier_as_it_is_is_caught() {
    let profile = format!("{QUICK},tier2=1M").parse().expect("a profile");
    let config = SimConfig { profile, flavor: "sglang".parse().expect("a flavour"), ..SimConfig::default() };
    let bench = Bench { sim: Sim::start(config).expect("a server"), folder: tempfile::tempdir().expect("a folder") };
    let told = verify(&bench, &["--cold", "reset"]);
    assert_eq!(told.code, Some(4), "{}", told.stdout);
    assert!(told.says("the reset said success and the canary was still a hit: "), "{}", told.stdout);
}

#[test]
fn a_server_without_a_reset_is_named_and_so_are_those_that_have_one() {
    let config = SimConfig {
        profile: QUICK.parse().expect("a profile"),
        flavor: "llamacpp".parse().expect("a flavour"),
        ..SimConfig::default()
    };
    let bench = Bench { sim: Sim::start(config).expect("a server"), folder: tempfile::tempdir().expect("a folder") };
    let told = verify(&bench, &["--cold", "reset"]);
    assert_eq!(told.code, Some(1), "{}", told.stdout);
    assert!(told.stderr.contains("--cold reset: no reset endpoint answers; those of vLLM (with "), "{}", told.stderr);
}

#[test]
fn a_salt_that_works_makes_one_text_cold() {
    let bench = quick(&[]);
    let told = verify(&bench, &["--cold", "salt", "--max_pairs", "10"]);
    assert!(told.says("cache_salt: cached text with another salt had 0 of "), "{}", told.stdout);
    for row in bench.rows("verify.jsonl").iter().filter(|row| row["role"] == "measure") {
        assert_eq!(cached(row) < 100, row["arm"] != "hit", "{row}");
    }
}

#[test]
fn a_salt_that_is_ignored_is_caught() {
    let told = verify(&quick(&["salt_ignored"]), &["--cold", "salt"]);
    assert_eq!(told.code, Some(4), "{}", told.stdout);
    assert!(told.says("the server took cache_salt, and 2 documents with a salt of their own"), "{}", told.stdout);
}

#[test]
fn without_evidence_neither_salt_nor_reset_is_believed() {
    for how in ["salt", "reset"] {
        let told = verify(&quick(&["cached_tokens_null", "no_metrics"]), &["--cold", how]);
        assert_eq!(told.code, Some(4), "{}", told.stdout);
        assert!(told.says("is not known: this server shows no evidence"), "{}", told.stdout);
    }
}

#[test]
fn a_second_run_of_the_same_command_is_as_cold_as_the_first() {
    let bench = quick(&[]);
    for _ in 0..2 {
        let told = verify(&bench, &["--max_pairs", "10"]);
        assert!(!told.says("not cold"), "{}", told.stdout);
        let rows = bench.rows("verify.jsonl");
        assert!(rows.iter().filter(|row| row["arm"] != "hit").all(|row| cached(row) < 100));
    }
}

#[test]
fn a_new_question_about_a_cached_document_hits_all_but_the_question() {
    let bench = quick(&[]);
    let told = verify(&bench, &["--same_document_new_question", "--max_pairs", "10", "--keep_wire", "wire"]);
    let rows = bench.rows("verify.jsonl");
    let hits: Vec<_> = rows.iter().filter(|row| row["role"] == "measure" && row["arm"] == "hit").collect();
    assert!(hits.len() >= 10, "{}{}", told.stdout, told.stderr);
    let asks_anew = |row: &serde_json::Value| {
        let sent = bench.text(&format!("wire/trial-{}.request", row["trial"]));
        sent.contains("come up more than once")
    };
    for hit in hits {
        assert!(asks_anew(hit), "{hit}");
        assert!((500..prompt(hit) - 5).contains(&cached(hit)), "{hit}");
        assert_eq!(hit["answer"], serde_json::Value::Null, "answers to two questions are not compared");
    }
    assert!(rows.iter().filter(|row| row["arm"] == "cold").all(|row| !asks_anew(row)));
}

#[test]
fn on_a_terminal_the_interval_so_far_is_marked_as_not_final() {
    let bench = quick(&[]);
    let port = bench.sim.addr().port();
    let line = format!("{TTFT} verify {port} --gap 0 --context_tokens 600 --quick --max_pairs 20");
    let mut command = std::process::Command::new("script");
    command.args(["-qec", &line, "/dev/null"]).current_dir(&bench.folder).env("TERM", "xterm");
    let output = command.stdin(std::process::Stdio::null()).output().expect("script, which every Debian has");
    let seen = String::from_utf8_lossy(&output.stdout);
    assert!(seen.contains("of 10 pairs, not final: ") && seen.contains("next look in "), "{seen}");
    assert!(seen.contains("Why it may be believed"), "{seen}");
}

//! `ttft verify` as a user meets it: the program against the simulated endpoint, over sockets.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;
use ttft::sim::faults::Fault;
use ttft::sim::server::{Sim, SimConfig};

/// 46 ms cold and 11 ms on a hit for 600 tokens, so that a run takes a few seconds.
const QUICK: &str = "7b,template=20,base=10ms,per_token=60us,quadratic=0ns,decode=2ms,noise=0.02,outliers=0";

/// A server, and a folder for its logs.
struct Bench {
    sim: Sim,
    folder: TempDir,
}

/// How a run ended and what it said.
struct Told {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Bench {
    fn new(profile: &str, faults: &[&str]) -> Bench {
        let profile = profile.parse().unwrap();
        let faults = faults.iter().map(|fault| fault.parse::<Fault>().unwrap()).collect();
        let sim = Sim::start(SimConfig { profile, faults, ..SimConfig::default() }).unwrap();
        Bench { sim, folder: TempDir::new().unwrap() }
    }

    fn quick(faults: &[&str]) -> Bench {
        Bench::new(QUICK, faults)
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("verify.jsonl")
    }

    fn verify(&self, more: &[&str]) -> Told {
        let port = self.sim.addr().port().to_string();
        let usual = ["verify", &port, "--gap", "0", "--context_tokens", "600", "--quick", "--max_pairs", "20"];
        self.ttft(&[&usual, more].concat())
    }

    fn ttft(&self, args: &[&str]) -> Told {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ttft"));
        let output = command.args(args).current_dir(self.folder.path()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Told { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl Told {
    /// Whether a text was said, however its lines are broken.
    fn says(&self, text: &str) -> bool {
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        words(&self.stdout).contains(&words(text))
    }
}

#[test]
fn a_cache_that_helps_is_found_with_proof_and_the_report_of_the_log_says_the_same() {
    let bench = Bench::quick(&[]);
    let told = bench.verify(&[]);
    assert_eq!(told.code, Some(0), "{}{}", told.stdout, told.stderr);
    assert!(told.stdout.starts_with("HELPS "), "{}", told.stdout);
    assert!(told.says("hit proof the server's count:") && !told.says("Grade C"), "{}", told.stdout);
    assert!(told.says("A/A control passed"), "{}", told.stdout);
    assert_eq!(bench.ttft(&["report", "verify.jsonl"]).stdout, told.stdout);
}

#[test]
fn five_runs_without_a_cache_never_help() {
    let bench = Bench::new(&format!("{QUICK},hit=off"), &[]);
    for run in 1..=5 {
        let told = bench.verify(&[]);
        assert!(matches!(told.code, Some(3 | 4)), "run {run}: {:?} {}", told.code, told.stdout);
        assert!(told.stdout.starts_with("NO MATERIAL EFFECT") || told.stdout.starts_with("INCONCLUSIVE"), "run {run}");
    }
}

#[test]
fn what_answers_leave_out_the_counters_prove() {
    let told = Bench::quick(&["cached_tokens_null"]).verify(&[]);
    assert_eq!(told.code, Some(0), "{}", told.stdout);
    assert!(told.says("hit proof the server's counters:"), "{}", told.stdout);
}

#[test]
fn without_any_count_there_is_timing_and_a_lower_grade() {
    let told = Bench::quick(&["cached_tokens_null", "no_metrics"]).verify(&[]);
    assert_eq!(told.code, Some(0), "{}", told.stdout);
    assert!(told.says("Grade B: timing alone") && told.says("--enable-prompt-tokens-details"), "{}", told.stdout);
}

#[test]
fn a_server_that_counts_everything_as_cached_is_caught() {
    let told = Bench::quick(&["cached_tokens_max"]).verify(&[]);
    assert_eq!(told.code, Some(4), "{}", told.stdout);
    assert!(told.says("Cold is not cold: 2 new documents came out of the cache"), "{}", told.stdout);
}

#[test]
fn the_same_documents_twice_are_caught() {
    let bench = Bench::quick(&[]);
    let nonce = ["--nonce", "00112233445566778899aabbccddeeff"];
    assert_eq!(bench.verify(&nonce).code, Some(0));
    let told = bench.verify(&nonce);
    assert_eq!(told.code, Some(4), "{}", told.stdout);
    assert!(told.says("Cold is not cold"), "{}", told.stdout);
}

#[test]
fn other_clients_on_the_counters_are_named() {
    let told = Bench::quick(&["foreign_traffic"]).verify(&[]);
    assert!(told.says("others use this server"), "{}", told.stdout);
}

#[test]
fn a_cache_that_changes_answers_is_named() {
    // To the simulated server a cached template is a hit already.
    let told = Bench::new(&QUICK.replace("template=20", "template=0"), &["hit_changes_answer"]).verify(&[]);
    assert!(told.says("got another answer from the cache"), "{}", told.stdout);
}

#[test]
fn replicas_show_in_the_share_of_replays_that_hit() {
    let told = Bench::new(&format!("{QUICK},replicas=3,routing=random"), &[]).verify(&[]);
    assert!(told.says("several replicas behind the endpoint"), "{}", told.stdout);
    assert!(told.says("Grade C"), "{}", told.stdout);
}

#[test]
fn partial_hits_are_measured_share_by_share() {
    let told = Bench::quick(&[]).verify(&["--shared", "0,50,100"]);
    assert_eq!(told.code, Some(0), "{}", told.stdout);
    assert!(told.says("TTFT by the share of the document that was seen before"), "{}", told.stdout);
}

#[test]
fn an_expected_ratio_is_a_gate() {
    let bench = Bench::quick(&[]);
    assert_eq!(bench.verify(&["--expect", "1.5x"]).code, Some(0));
    assert_eq!(bench.verify(&["--expect", "50x"]).code, Some(3));
}

#[test]
fn a_spent_budget_ends_the_run_and_is_no_verdict_before_the_first_look() {
    let told = Bench::quick(&[]).verify(&["--budget", "10k"]);
    assert_eq!(told.code, Some(4), "{}", told.stdout);
    assert!(told.stderr.contains("the budget of tokens is spent"), "{}", told.stderr);
    assert!(told.says("The run ended after") && told.says("its first look is at 10"), "{}", told.stdout);
}

#[test]
fn a_large_run_through_a_pipe_asks_for_consent() {
    let bench = Bench::quick(&[]);
    let told = bench.verify(&["--context_tokens", "8k", "--max_pairs", "160"]);
    assert_eq!(told.code, Some(2), "{}", told.stderr);
    assert!(told.stderr.contains("say --yes"), "{}", told.stderr);
    assert!(std::fs::read(bench.log()).unwrap().is_empty(), "nothing was sent");
}

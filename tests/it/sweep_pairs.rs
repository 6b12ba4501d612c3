//! `ttft sweep --verify` as a user meets it: the break-even length of a simulated disk, an interrupt, a refusal.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use ttft::clock::{Clock, Monotonic};

use super::bench::{Bench, Printed};

/// 10 ms and 20 us a token cold; a hit takes 40 ms before it loads: it pays from 2,000 tokens on.
const DISK: &str = "instant,base=10ms,per_token=20us,latency=40ms,min_prefix=64,noise=0.02";
const SWEEP: &str = "sweep --verify --pairs 5 --max_tokens 1 --context_sizes 250,500,1k,2k,4k,8k";

/// The number behind the first `before` in what was printed.
fn number(printed: &Printed, before: &str) -> u64 {
    let words = printed.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    let rest = words.split_once(before).unwrap_or_else(|| panic!("no {before:?} in {words}")).1;
    let digits: String = rest.chars().take_while(|c| c.is_ascii_digit() || *c == ',').filter(|c| *c != ',').collect();
    digits.parse().unwrap_or_else(|_| panic!("{before:?} is followed by no number in {words}"))
}

/// The session and the number of a row's pair.
fn pair_of(row: &Value) -> (String, u64) {
    (row["session"].to_string(), row["pair"].as_u64().unwrap_or(0))
}

/// Whole pairs of a cold and a hit of each size in a log.
fn pairs(bench: &Bench) -> BTreeMap<u64, usize> {
    let mut members: BTreeMap<(String, u64, u64), usize> = BTreeMap::new();
    let rows = bench.rows("all_ttft_results.jsonl");
    let controls: BTreeSet<_> = rows.iter().filter(|row| row["arm"] == "unseen").map(pair_of).collect();
    for row in rows.iter().filter(|row| !controls.contains(&pair_of(row))) {
        if let (Some(pair), Some(asked), true) =
            (row["pair"].as_u64(), row["asked_tokens"].as_u64(), row["ttft_seconds"].is_number())
        {
            *members.entry((row["session"].to_string(), pair, asked)).or_default() += 1;
        }
    }
    let mut pairs = BTreeMap::new();
    for ((_, _, asked), _) in members.into_iter().filter(|(_, members)| *members == 2) {
        *pairs.entry(asked).or_default() += 1;
    }
    pairs
}

fn five_each() -> BTreeMap<u64, usize> {
    [250, 500, 1_000, 2_000, 4_000, 8_000].map(|asked| (asked, 5)).into()
}

#[test]
fn the_break_even_of_a_disk_is_found_and_said_with_its_interval_and_its_proof() {
    let bench = Bench::new(DISK, &[], 1);
    let printed = bench.measure(SWEEP);
    assert_eq!(printed.code, Some(0), "{}{}", printed.stdout, printed.stderr);
    let found = number(&printed, "A hit pays from ");
    assert!((1_300..3_000).contains(&found), "{}", printed.stdout);
    assert!(printed.says("tokens on, 90 % interval ") && printed.says("proved from "), "{}", printed.stdout);
    assert!(printed.says("A hit hurts from 2"), "{}", printed.stdout);
    assert!(printed.says("Prefill computes "), "{}", printed.stdout);
    assert!(printed.says("Grade ") && printed.says("A/A control passed"), "{}", printed.stdout);
    assert!(printed.says("hit proof the server's count: 30 of 30 replays hit"), "{}", printed.stdout);
    assert!(printed.says("; no budget connection one a request, opened before its clock;"), "{}", printed.stdout);
    assert_eq!(printed.stdout, bench.report(&["all_ttft_results.jsonl"]));
    assert_eq!(pairs(&bench), five_each());
    for format in ["markdown", "html"] {
        let page = bench.report(&["all_ttft_results.jsonl", "--format", format]);
        assert!(page.contains("A hit pays from"), "{format}");
    }
    let figure = bench.report(&["all_ttft_results.jsonl", "--figure", "ttft"]);
    assert!(figure.contains("break-even") && figure.contains("<path"), "{figure}");
}

#[test]
fn an_interrupted_sweep_is_continued_where_it_stopped() {
    let bench = Bench::new("instant", &[], 1);
    let cut = bench.measure(&format!("{SWEEP} --budget 60k"));
    assert!(cut.stderr.contains("--resume goes on from here"), "{}", cut.stderr);
    assert!(cut.says("; budget 60k connection"), "{}", cut.stdout);
    let before: usize = pairs(&bench).values().sum();
    assert!((1..30).contains(&before), "{before}");
    // What a kill leaves of a line.
    let log = bench.path("all_ttft_results.jsonl");
    let mut text = bench.text("all_ttft_results.jsonl");
    text.push_str(r#"{"run_index":99,"context_"#);
    std::fs::write(&log, text).unwrap();
    let resumed = bench.measure(&format!("{SWEEP} --resume"));
    assert_eq!(resumed.code, Some(0), "{}{}", resumed.stdout, resumed.stderr);
    assert!(resumed.stderr.contains("pairs are there already"), "{}", resumed.stderr);
    assert!(resumed.says("budget of 2 sessions: 60k, none connection"), "{}", resumed.stdout);
    assert_eq!(pairs(&bench), five_each());
    let requests = bench.requests();
    let again = bench.measure(&format!("{SWEEP} --resume"));
    assert_eq!((again.code, bench.requests()), (Some(0), requests), "nothing is left to measure: {}", again.stderr);
    assert_eq!(again.stdout, resumed.stdout);
}

/// Requests that are answered before one that never is.
const ANSWERED: usize = 25;

/// A disk on which no sweep comes further than [`ANSWERED`] requests, however late it is stopped; once stopped, the next
/// one does.
fn stalling() -> Bench {
    Bench::new(DISK, &[&format!("stall=0@{}", ANSWERED + 1)], 1)
}

/// The sweep, begun and stopped by `stop` when some of its pairs are there.
fn stopped(bench: &Bench, stop: impl FnOnce(&mut Child)) -> Option<i32> {
    let url = bench.sim.base_url();
    let args = SWEEP.split(' ').chain(["--gap", "5ms", "--api_base", &url]);
    let mut command = bench.command(&args.collect::<Vec<_>>());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program");
    let deadline = Monotonic.now().after(Duration::from_secs(60));
    // Stopped before the one that stalls, it would leave that one to the next.
    while bench.requests() < ANSWERED || bench.sim.under_way() == 0 {
        assert!(Monotonic.now() < deadline, "{} requests", bench.requests());
        Monotonic.sleep_until(Monotonic.now().after(Duration::from_millis(2)));
    }
    stop(&mut child);
    child.wait().expect("an end").code()
}

/// Resumes and checks that every pair is there, in the log of all and in that of its size.
fn resumed_is_whole(bench: &Bench) {
    let before = pairs(bench).values().sum::<usize>();
    assert!(before < 30, "{before} pairs");
    let resumed = bench.measure(&format!("{SWEEP} --resume"));
    assert_eq!(resumed.code, Some(0), "{}{}", resumed.stdout, resumed.stderr);
    assert_eq!(pairs(bench), five_each());
    assert!(resumed.says("A hit pays"), "{}", resumed.stdout);
    let rows = bench.rows("all_ttft_results.jsonl");
    for asked in [250, 500, 1_000, 2_000, 4_000, 8_000] {
        let part = bench.rows(&format!("ttft_{asked}.jsonl"));
        let times = |rows: &[Value]| rows.iter().map(|row| row["ttft_seconds"].clone()).collect::<Vec<_>>();
        let mine: Vec<Value> = rows.iter().filter(|row| row["asked_tokens"] == asked).cloned().collect();
        assert_eq!(times(&part), times(&mine), "{asked}");
        assert!(part[0]["conditions"]["model"].is_string(), "a log by itself says how it came to be");
    }
}

#[test]
fn after_ctrl_c_the_rest_alone_is_measured() {
    let bench = stalling();
    let code = stopped(&bench, |child| kill_process(Pid::from_child(child), Signal::INT).expect("a signal"));
    assert_eq!(code, Some(130));
    assert!(bench.path("ttft_250.jsonl").exists(), "what an interrupt leaves is there by size too");
    resumed_is_whole(&bench);
}

#[test]
fn after_a_kill_the_rest_alone_is_measured() {
    let bench = stalling();
    let code = stopped(&bench, |child| child.kill().expect("a kill"));
    assert_eq!(code, None, "killed by a signal");
    resumed_is_whole(&bench);
}

#[test]
fn rows_of_three_keys_hold_no_pairs_and_are_refused() {
    let bench = Bench::new("instant", &[], 1);
    let printed = bench.measure("sweep --verify --schema classic");
    assert_eq!(printed.code, Some(2), "{}", printed.stderr);
    assert!(printed.stderr.contains("leave --schema classic out"), "{}", printed.stderr);
    assert_eq!(bench.requests(), 0);
}

#[test]
fn a_log_of_another_server_model_or_command_is_not_continued() {
    let bench = Bench::new("instant", &[], 1);
    let small = "sweep --verify --pairs 1 --context_sizes 100 --resume";
    assert_eq!(bench.measure(&small.replace(" --resume", "")).code, Some(0));
    let kept = bench.text("all_ttft_results.jsonl");
    let model = bench.measure(&format!("{small} --pairs 2 --model another"));
    assert!(model.stderr.contains("was measured with"), "{}", model.stderr);
    let prompt = bench.measure(&format!("{small} --pairs 2 --prompt Why"));
    assert!(prompt.stderr.contains("holds another --prompt"), "{}", prompt.stderr);
    let other = Bench::new("instant", &[], 2);
    std::fs::write(other.path("all_ttft_results.jsonl"), &kept).unwrap();
    let server = other.measure(&format!("{small} --pairs 2"));
    assert!(server.stderr.contains("was measured with"), "{}", server.stderr);
    let plain = other.measure("sweep --context_sizes 100,200 --resume");
    assert!(plain.stderr.contains("was measured with"), "{}", plain.stderr);
    assert_eq!([model.code, prompt.code, server.code, plain.code], [Some(2); 4]);
    assert_eq!(bench.text("all_ttft_results.jsonl"), kept, "the log is as it was");
    let classic = Bench::new("instant", &[], 3);
    classic.measure("sweep --context_sizes 100");
    let mixed = classic.measure(small);
    assert!(mixed.stderr.contains("holds a sweep without --verify"), "{}", mixed.stderr);
}

#[test]
fn a_server_that_counts_everything_as_cached_has_no_break_even() {
    let bench = Bench::new("instant", &["cached_tokens_max"], 1);
    let printed = bench.measure(SWEEP);
    assert_eq!(printed.code, Some(4), "{}", printed.stdout);
    assert!(printed.says("cold is not cold"), "{}", printed.stdout);
}

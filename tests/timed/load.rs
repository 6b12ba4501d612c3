//! `ttft load` against the simulated endpoint, whose own truth is the expected value.

use std::process::Command;

use super::alone;
use super::bench::{Bench, Printed};

/// A server with one slot, so that requests queue: 40 ms cold, 5 ms on a hit.
const QUEUE: &str = "instant,base=5ms,per_token=35us,slots=1,prefill=serial";
/// The same with 20 ms cold, for the many requests that a p99 needs.
const QUICK: &str = "instant,base=5ms,per_token=15us,slots=1,prefill=serial";

fn load(bench: &Bench, args: &str) -> Printed {
    bench.measure(&format!("load {args}"))
}

#[test]
fn the_mix_is_exact_and_every_request_is_counted_from_its_due_time() {
    let _alone = alone();
    let bench = Bench::new(QUEUE, &[], 0);
    let told = load(&bench, "--rate 20 --requests 60 --hit_share 50% --context_tokens 1000 --max_tokens 2 --seed 3");
    assert!(told.code == Some(0) || told.stdout.contains("void"), "{}{}", told.stdout, told.stderr);
    let rows = bench.rows("load.jsonl");
    let (primes, measured): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row["role"] == "prime");
    assert_eq!((primes.len(), measured.len()), (4, 60));
    for first in (5..=64).step_by(10) {
        let ten = measured.iter().filter(|row| (first..first + 10).contains(&row["trial"].as_u64().expect("a number")));
        let hits: Vec<bool> = ten.map(|row| row["evidence"]["found"] == "hit").collect();
        assert_eq!((hits.len(), hits.iter().filter(|hit| **hit).count()), (10, 5), "of ten exactly half hit");
    }
    for row in &measured {
        let stamp = |key: &str| row[key].as_u64().unwrap_or_else(|| panic!("{key}: {row}"));
        assert!(stamp("due_ns") <= stamp("sent_ns") && stamp("sent_ns") < stamp("first_token_ns"), "{row}");
    }
    // Whatever the client measured, the server saw as many requests, each once.
    let truths = bench.sim.truth();
    let ids: std::collections::HashSet<_> = truths.iter().map(|truth| truth.request_id.clone()).collect();
    assert_eq!((truths.len(), ids.len()), (64, 64));
    assert!(told.stdout.contains("50 % of the requests were meant to hit, 50 % did"), "{}", told.stdout);
    assert_eq!(told.stdout, bench.report(&["load.jsonl"]), "the block is the report of the log");
}

#[test]
fn the_tail_is_the_servers_own_where_a_closed_loop_shows_its_own_concurrency() {
    let _alone = alone();
    // All cold at 90 % of what one slot of 20 ms serves.
    let bench = Bench::new(QUICK, &[], 0);
    let args = "--hit_share 0% --context_tokens 1000 --max_tokens 1 --seed 11 --requests 480";
    let told = load(&bench, &format!("--rate 45 {args} --out open.jsonl"));
    let tail = |mut values: Vec<f64>| {
        values.sort_unstable_by(f64::total_cmp);
        values[((values.len() - 1) as f64 * 0.99) as usize]
    };
    let truths = bench.sim.truth();
    let own = tail(truths.iter().map(|truth| truth.ttft_ns().expect("a token was written") as f64 / 1e6).collect());
    let from = |key: &str, log: &str| -> Vec<f64> {
        let rows = bench.rows(log);
        let of = |row: &serde_json::Value| {
            (row["first_token_ns"].as_u64().expect("answered") - row[key].as_u64().expect("a stamp")) as f64 / 1e6
        };
        rows.iter().map(of).collect()
    };
    let ours = tail(from("due_ns", "open.jsonl"));
    assert!((0.99..1.10).contains(&(ours / own)), "p99 {ours} ms, the server's own {own} ms\n{}", told.stdout);
    let closed = load(&bench, &format!("--concurrency 4 {args} --out closed.jsonl"));
    assert_eq!(closed.code, Some(0), "{}{}", closed.stdout, closed.stderr);
    assert!(closed.stdout.contains("a closed loop measures its own concurrency"), "{}", closed.stdout);
    // Four streams on one slot of 20 ms wait for each other, whatever the arrivals are: far from what users meet.
    let closed = tail(from("sent_ns", "closed.jsonl"));
    assert!((70.0..160.0).contains(&closed) && closed < 0.5 * own, "{closed} ms in a closed loop, {own} ms in truth");
}

#[test]
fn an_slo_that_is_missed_is_an_exit_code_of_its_own() {
    let _alone = alone();
    let bench = Bench::new(QUEUE, &[], 0);
    let args = "--concurrency 1 --requests 20 --hit_share 0% --context_tokens 1000 --max_tokens 3 --slo";
    let kept = load(&bench, &format!("{args} ttft:30s,itl:30s,e2e:1m"));
    assert_eq!(kept.code, Some(0), "{}{}", kept.stdout, kept.stderr);
    assert!(kept.says("The SLO asks for 99 %: kept."), "{}", kept.stdout);
    // A cold request takes 40 ms.
    let missed = load(&bench, &format!("{args} ttft:10ms"));
    assert_eq!(missed.code, Some(3), "{}{}", missed.stdout, missed.stderr);
    assert!(missed.says("0 % of the requests kept ttft:10ms"), "{}", missed.stdout);
    assert_eq!(missed.stdout, bench.report(&["load.jsonl"]), "the block is the report of the log");
}

#[test]
fn a_wrong_flag_is_an_error_of_usage() {
    for args in [
        &["load"][..],
        &["load", "--rate", "0"],
        &["load", "--rate", "1", "--concurrency", "2"],
        &["load", "--rate", "1", "--hit_share", "55%"],
        &["load", "--rate", "1", "--slo", "latency:1s"],
        &["load", "--rate", "0.001", "--duration", "1s", "--seed", "1", "--sim"],
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let output = Command::new(env!("CARGO_BIN_EXE_ttft")).args(args).current_dir(&folder).output();
        let output = output.expect("the program");
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

//! The stopwatch against the truth: one stream at a time, the client's TTFT less the server's.

use serde_json::Value;
use ttft::sim::server::Truth;

use super::alone;
use super::bench::Bench;

const REQUESTS: usize = 250;

/// What the program promises with kernel stamps, of the amount of the error.
const MOST_MEDIAN_MS: f64 = 0.05;
const MOST_P99_MS: f64 = 0.2;

/// Whatever else runs on the machine can only lengthen a measurement, and so only break the promise. So it is kept when
/// one of several rounds keeps it; a stopwatch that is itself too slow keeps it in none.
const ROUNDS: usize = 10;

/// The client's TTFT less the server's, in milliseconds. The two clocks are one, so that nothing else is in it than the
/// way to the server's kernel, and from its write to the client's kernel.
fn error_ms(row: &Value, truths: &[Truth]) -> f64 {
    let id = format!("ttft-{}", row["trial"]);
    let truth = truths.iter().find(|truth| truth.request_id.as_deref() == Some(&id)).expect("the server saw it");
    let stamp = |key: &str| row[key].as_u64().expect("it was measured");
    let measured = stamp("first_token_ns") - stamp("sent_ns");
    (measured as f64 - truth.ttft_ns().expect("a token was written") as f64) / 1e6
}

/// The errors of one run, sorted.
fn errors_ms() -> Vec<f64> {
    let bench = Bench::new("instant,base=4ms,decode=1ms", &[], 0);
    let follow = (REQUESTS - 1).to_string();
    let told = bench.measure(&format!("--max_ctx_tokens 500 --max_tokens 3 --num_following {follow}"));
    assert_eq!(told.code, Some(0), "{}", told.stderr);
    let (rows, truths) = (bench.rows("benchmark.jsonl"), bench.sim.truth());
    assert_eq!((rows.len(), truths.len()), (REQUESTS, REQUESTS));
    assert!(rows.iter().all(|row| row["stamp"] == "kernel"), "this kernel stamps what it receives");
    let mut errors: Vec<f64> = rows.iter().map(|row| error_ms(row, &truths)).collect();
    errors.sort_unstable_by(f64::total_cmp);
    errors
}

#[test]
#[expect(clippy::print_stdout, reason = "the errors are what the test is for, whether it passes or not")]
fn the_time_to_first_token_is_the_servers_own_within_a_twentieth_of_a_millisecond() {
    let _alone = alone();
    let mut is_kept = false;
    for round in 1..=ROUNDS {
        let errors = errors_ms();
        let at = |share: f64| errors[((REQUESTS - 1) as f64 * share).round() as usize];
        println!(
            "round {round}, TTFT less the server's own in ms, {REQUESTS} requests: \
             min {:+.4} p10 {:+.4} median {:+.4} p90 {:+.4} p99 {:+.4} max {:+.4}",
            at(0.0),
            at(0.1),
            at(0.5),
            at(0.9),
            at(0.99),
            at(1.0)
        );
        // The clock starts before a write and stops after one, so it is never short and these are amounts too.
        assert!(at(0.0) >= 0.0, "{} ms", at(0.0));
        is_kept = at(0.5) <= MOST_MEDIAN_MS && at(0.99) <= MOST_P99_MS;
        if is_kept {
            break;
        }
    }
    assert!(is_kept, "no round has a median of {MOST_MEDIAN_MS} ms and 99 % within {MOST_P99_MS} ms");
}

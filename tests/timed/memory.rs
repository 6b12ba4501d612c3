//! What a run under load holds in memory, looked at from outside: nothing more for each request while it measures.

use std::process::Stdio;

use super::alone;
use super::bench::Bench;

#[path = "../../benches/shared/resident.rs"]
mod resident;

/// Every window of the dashboard and every pool is full by then.
const EARLY: usize = 6_000;
const ALL: usize = 26_000;

#[test]
fn memory_does_not_grow_with_the_number_of_requests() {
    let _alone = alone();
    let bench = Bench::new("instant", &[], 0);
    let url = bench.sim.base_url();
    let line = format!(
        "load --concurrency 16 --requests {ALL} --hit_share 0% --context_tokens 1 --max_tokens 1 --gap 0 --no_selftest -q"
    );
    let args: Vec<&str> = line.split_whitespace().chain(["--api_base", &url]).collect();
    let mut child = bench.command(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program");
    let seen = resident::watch(&mut child, &bench.path("load.jsonl"), EARLY, ALL);
    let times = (seen.seconds, seen.closing_seconds);
    // Sixty bytes kept of each request would be seen.
    let grown_bytes = (seen.measuring_mb - seen.early_mb) * 1024.0 * 1024.0 / (ALL - EARLY) as f64;
    assert!(grown_bytes < 60.0, "{grown_bytes:.1} bytes a request: {seen:?}, {times:?}");
    // The report of so many rows keeps their figures alone.
    let bytes = (seen.peak_mb - seen.measuring_mb) * 1024.0 * 1024.0 / ALL as f64;
    assert!(bytes < 400.0, "{bytes:.1} bytes a row for the report: {seen:?}");
}

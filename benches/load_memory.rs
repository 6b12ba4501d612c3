//! What a long run under load holds in memory, and how fast it can be.
//!
//! `cargo bench --bench load_memory -- [REQUESTS] [STREAMS]`, 1,000,000 and 16 if not said. The program sends the shortest
//! requests there are to a server that answers at once, and its resident memory is looked at from outside: with 10,000
//! rows in the log, from there until the last row is written, and over the closing report, which reads the log again and
//! may take 64 bytes a row for it. The server runs in this program.

#![expect(clippy::print_stdout, reason = "what a bench finds is its output")]

use std::process::{Command, Stdio};

use ttft::sim::server::{Sim, SimConfig};

#[path = "shared/resident.rs"]
mod resident;

const EARLY: usize = 10_000;
/// Memory while it measures, over that with 10,000 rows. It is what glibc keeps for each thread, which fills slowly and has
/// a bound: with `GLIBC_TUNABLES=glibc.malloc.tcache_count=0` it is 1.00.
const MOST_GROWTH: f64 = 1.15;
const MOST_BYTES_A_ROW: f64 = 64.0;
const LEAST_REQUESTS_PER_SECOND: f64 = 5_000.0;

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|text| text.parse::<usize>().ok());
    let mut number = |default| numbers.next().unwrap_or(default);
    let (requests, streams) = (number(1_000_000), number(16));
    let sim = Sim::start(SimConfig { profile: "instant".parse().expect("a profile"), ..SimConfig::default() });
    let sim = sim.expect("a server");
    let folder = tempfile::tempdir().expect("a folder");
    let line = format!(
        "load --concurrency {streams} --requests {requests} --hit_share 0% --context_tokens 1 --max_tokens 1 --gap 0 \
         --yes --no_selftest -q --out log.jsonl"
    );
    let mut command = Command::new(env!("CARGO_BIN_EXE_ttft"));
    command.args(line.split_whitespace()).args(["--api_base", &sim.base_url()]).current_dir(&folder);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("the program");
    let seen = resident::watch(&mut child, &folder.path().join("log.jsonl"), EARLY, requests);
    let rate = (requests - EARLY) as f64 / seen.seconds;
    println!("{requests} requests in {streams} streams, {:.0} a second", rate);
    println!("MB after {EARLY} rows {:.1}, at most until the last {:.1}", seen.early_mb, seen.measuring_mb);
    println!("MB at most with the closing report of {:.1} s: {:.1}", seen.closing_seconds, seen.peak_mb);
    let bytes_a_row = (seen.peak_mb - seen.measuring_mb) * 1024.0 * 1024.0 / requests as f64;
    let kept = [
        says("requests a second", rate, rate >= LEAST_REQUESTS_PER_SECOND),
        says("memory while measuring, of that after 10,000 rows", seen.measuring_mb / seen.early_mb, {
            seen.measuring_mb <= MOST_GROWTH * seen.early_mb
        }),
        says("bytes a row for the report", bytes_a_row, bytes_a_row <= MOST_BYTES_A_ROW),
    ];
    std::process::exit(i32::from(kept.contains(&false)));
}

fn says(what: &str, found: f64, is_kept: bool) -> bool {
    println!("  {what}: {found:.2}, {}", if is_kept { "kept" } else { "MISSED" });
    is_kept
}

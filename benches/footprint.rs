//! What the program costs before it measures anything: its size, the time to its help, its memory in a classic run of
//! 131,072 tokens, with and without a tokenizer.
//!
//! `cargo bench --bench footprint`. Beside it stands what a client in Python starts from: `python3` that has imported
//! argparse, json, ssl and urllib.request and has done nothing yet. Peaks are `VmHWM` of `/proc/PID/status`, read every
//! millisecond until the process ends.

#![expect(clippy::print_stdout, reason = "what a bench finds is its output")]

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ttft::clock::{Clock, Monotonic};
use ttft::sim::server::{Sim, SimConfig};

#[path = "shared/vocabulary.rs"]
mod vocabulary;

use vocabulary::{VOCABULARY, tokenizer_of};

const TTFT: &str = env!("CARGO_BIN_EXE_ttft");
const PYTHON: [&str; 3] = ["python3", "-c", "import argparse, json, ssl, urllib.request"];

const STARTS: usize = 100;
const MOST_HELP_MS: f64 = 10.0;
const MOST_BINARY_MB: f64 = 25.0;
const MOST_RUN_MB: f64 = 40.0;
const MOST_RUN_WITH_TOKENIZER_MB: f64 = 250.0;

fn main() {
    let rival = Command::new(PYTHON[0]).arg("--version").output().is_ok();
    println!("{:<46} {:>9} {:>9} {:>9}", "", "ttft", "limit", "python3");
    let binary_mb = std::fs::metadata(TTFT).expect("the program").len() as f64 / 1e6;
    line("size of the program, MB", binary_mb, MOST_BINARY_MB, None);
    let help = median_start_ms(&[TTFT, "--help"]);
    line("ttft --help, median ms", help, MOST_HELP_MS, rival.then(|| median_start_ms(&PYTHON)));
    let python = rival.then(|| peak_mb(quiet(&PYTHON).spawn().expect("it was there before")));
    line("peak MB, 131,072 tokens, no tokenizer", run_mb(&[]), MOST_RUN_MB, python);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tokenizer.json");
    std::fs::write(&path, tokenizer_of(VOCABULARY)).expect("a file");
    let with_tokenizer = run_mb(&["--tokenizer", path.to_str().expect("text")]);
    line("peak MB, 131,072 tokens, 151,643 in the vocabulary", with_tokenizer, MOST_RUN_WITH_TOKENIZER_MB, None);
}

fn line(what: &str, ours: f64, limit: f64, rival: Option<f64>) {
    let rival = rival.map_or(String::new(), |rival| format!("{rival:>9.1} = {:.2}x", rival / ours));
    println!("{what:<46} {ours:>9.1} {limit:>9.0} {rival}");
    assert!(ours <= limit, "{what}: {ours} is more than {limit}");
}

fn quiet(command: &[&str]) -> Command {
    let mut child = Command::new(command[0]);
    child.args(&command[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    child
}

/// From the start of a process to its end.
fn median_start_ms(command: &[&str]) -> f64 {
    let mut times: Vec<u64> = (0..STARTS)
        .map(|_| {
            let start = Monotonic.now();
            assert!(quiet(command).status().expect("a process").success(), "{command:?}");
            Monotonic.now().since(start).expect("time goes on")
        })
        .collect();
    times.sort_unstable();
    times[STARTS / 2] as f64 / 1e6
}

/// The peak of a classic run of the whole 131,072 tokens, against a server that counts no tokens.
fn run_mb(more: &[&str]) -> f64 {
    let folder = tempfile::tempdir().expect("a folder");
    let profile = "instant,context=200k".parse().expect("a profile");
    let faults = ["no_tokenize"].iter().map(|fault| fault.parse().expect("a fault")).collect();
    let sim = Sim::start(SimConfig { profile, faults, ..SimConfig::default() }).expect("a server");
    let url = sim.base_url();
    let mut run = quiet(&[TTFT, "--api_base", &url, "--max_ctx_tokens", "131072", "--gap", "0"]);
    let child = run.args(more).current_dir(&folder).env("HF_HUB_OFFLINE", "1").spawn().expect("the program");
    let peak = peak_mb(child);
    let truths = sim.truth();
    assert!(truths.len() == 2 && truths.iter().all(|truth| truth.prompt_tokens > 100_000), "it was measured");
    peak
}

/// The highest resident memory a process has until it ends.
fn peak_mb(mut child: Child) -> f64 {
    let status = format!("/proc/{}/status", child.id());
    let mut peak_kb = 0.0_f64;
    while child.try_wait().expect("it is ours").is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let now = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        peak_kb = peak_kb.max(now.unwrap_or(0.0));
        Monotonic.sleep_until(Monotonic.now().after(Duration::from_millis(1)));
    }
    peak_kb / 1024.0
}

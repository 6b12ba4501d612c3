//! How far off each client's times are, and what it costs, against one server of known truth, in the same minute.
//!
//! `cargo bench --bench accuracy`, or `-- single prompt streams spread minute` for some of the scenarios; the last one, of a
//! minute for each client, runs only when it is named. The clients are this
//! program with the kernel's stamps, the same with `--stamps read` (what a client with a clock in user space can do at
//! best), and, where they are installed, the OpenAI SDK (`TTFT_BENCH_PYTHON` names a Python that has it, else `python3` is
//! tried) and oha, which knows nothing of tokens and shows what the same requests cost.
//!
//! An error is a client's time to first token less the server's own, on the same clock: from the receipt of the request's
//! last segment to the write of the first token. Every client has a server of its own, which runs in this program, so that
//! a client's processor time and memory are its own. What else the machine did meanwhile is in the figures: the load is
//! printed, and a busy machine says more of itself than of the clients.

#![expect(clippy::print_stdout, reason = "what a bench finds is its output")]

mod client;
mod process;
mod score;

use client::{CLIENTS, Client};
use score::Score;
use ttft::sim::server::{Sim, SimConfig};

/// What the clients are asked to do.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    pub name: &'static str,
    pub about: &'static str,
    pub profile: &'static str,
    pub requests: usize,
    pub streams: Streams,
    /// Tokens of the prompt, of five bytes each.
    pub prompt_tokens: usize,
    pub max_tokens: usize,
    promises: &'static [Promise],
}

/// How requests follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Streams {
    One,
    /// All at once.
    AtOnce,
    /// So many a second, whatever became of those before.
    Rate(usize),
}

/// What this program promises with the kernel's stamps.
#[derive(Debug, Clone, Copy)]
pub enum Promise {
    MedianMs(f64),
    P99Ms(f64),
    EventsPerSecond(f64),
    MegaBytes(f64),
    /// Of oha's processor time for the same requests.
    CpuOfOha(f64),
    NothingLost,
}

use Promise::{CpuOfOha, EventsPerSecond, MedianMs, MegaBytes, NothingLost, P99Ms};

/// Runs only when it is named.
const LONG: Scenario = Scenario {
    name: "minute",
    about: "1,000 streams of 3,000 tokens, 20 ms apart: a minute",
    profile: "instant,base=20ms,decode=20ms,answer=3000",
    requests: 1_000,
    streams: Streams::AtOnce,
    prompt_tokens: 20,
    max_tokens: 3_000,
    promises: &[MedianMs(0.05), P99Ms(1.0), EventsPerSecond(48e3), MegaBytes(64.0), CpuOfOha(1.5), NothingLost],
};

const SCENARIOS: [Scenario; 5] = [
    Scenario {
        name: "single",
        about: "1 stream, 500 requests",
        profile: "instant,base=4ms,decode=1ms",
        requests: 500,
        streams: Streams::One,
        prompt_tokens: 500,
        max_tokens: 3,
        promises: &[MedianMs(0.05), P99Ms(0.2), NothingLost],
    },
    Scenario {
        name: "prompt",
        about: "1 stream, 60 prompts of 480 kB",
        profile: "instant,base=4ms,decode=1ms",
        requests: 60,
        streams: Streams::One,
        prompt_tokens: 96_000,
        max_tokens: 3,
        promises: &[MedianMs(0.3), P99Ms(0.6), NothingLost],
    },
    Scenario {
        name: "streams",
        about: "1,000 streams of 100 tokens, 20 ms apart",
        profile: "instant,base=20ms,decode=20ms",
        requests: 1_000,
        streams: Streams::AtOnce,
        prompt_tokens: 20,
        max_tokens: 100,
        promises: &[MedianMs(0.05), P99Ms(1.0), EventsPerSecond(48e3), MegaBytes(64.0), CpuOfOha(1.5), NothingLost],
    },
    Scenario {
        name: "spread",
        about: "4,000 streams of 20 tokens, 200 ms apart, arriving over 2 s",
        profile: "instant,base=200ms,decode=200ms",
        requests: 4_000,
        streams: Streams::Rate(2_000),
        prompt_tokens: 20,
        max_tokens: 20,
        promises: &[NothingLost],
    },
    LONG,
];

fn main() {
    let named: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let is_asked = |scenario: &&Scenario| match named.is_empty() {
        true => scenario.name != LONG.name,
        false => named.iter().any(|name| name == scenario.name),
    };
    let mut missed = 0;
    for scenario in SCENARIOS.iter().filter(is_asked) {
        println!("\n{} (load {})", scenario.about, load());
        println!("{}", score::HEAD);
        let scores: Vec<(Client, Score)> =
            CLIENTS.into_iter().filter_map(|client| Some((client, perform(client, scenario)?))).collect();
        let ours = &scores[0].1;
        for (client, score) in &scores {
            println!("{}", score.line(client.name(), ours));
        }
        let oha_cpu_s = scores.iter().find(|(client, _)| *client == Client::Oha).map(|(_, score)| score.cpu_s);
        for promise in scenario.promises {
            missed += usize::from(!says(*promise, ours, oha_cpu_s));
        }
    }
    std::process::exit(i32::from(missed > 0));
}

/// What `client` makes of `scenario`; `None` where it is not installed, or has no such mode.
fn perform(client: Client, scenario: &Scenario) -> Option<Score> {
    let profile = scenario.profile.parse().expect("a profile");
    let sim = Sim::start(SimConfig { profile, ..SimConfig::default() }).expect("a server");
    let folder = tempfile::tempdir().expect("a folder");
    let (used, seen) = client.run(scenario, &sim.base_url(), folder.path())?;
    Some(Score::of(used, &seen, &sim.truth(), scenario))
}

/// Prints whether a promise is kept. One that could not be measured is said and not held against anybody.
fn says(promise: Promise, ours: &Score, oha_cpu_s: Option<f64>) -> bool {
    let (what, found, is_kept) = match promise {
        MedianMs(most) => (format!("|error|, median ms <= {most}"), ours.median_ms, ours.median_ms <= Some(most)),
        P99Ms(most) => (format!("|error|, p99 ms <= {most}"), ours.p99_ms, ours.p99_ms <= Some(most)),
        EventsPerSecond(least) => (format!("events/s >= {least}"), ours.events_per_s, ours.events_per_s >= Some(least)),
        MegaBytes(most) => (format!("peak MB <= {most}"), Some(ours.peak_mb), ours.peak_mb <= most),
        CpuOfOha(most) => {
            let share = oha_cpu_s.map(|oha| ours.cpu_s / oha);
            (format!("CPU of oha's <= {most}x"), share, share.is_some_and(|share| share <= most))
        }
        NothingLost => ("requests lost = 0".to_owned(), ours.lost.map(|lost| lost as f64), ours.lost == Some(0)),
    };
    let Some(found) = found else {
        println!("  {what}: not measured");
        return true;
    };
    println!("  {what}: {found:.3}, {}", if is_kept { "kept" } else { "MISSED" });
    is_kept
}

/// What else the machine does: processes that want a processor, of the last minute, and how many processors there are.
fn load() -> String {
    let average = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let minute = average.split(' ').next().unwrap_or("?");
    let processors = std::thread::available_parallelism().map_or(0, |n| n.get());
    format!("{minute} on {processors} processors")
}

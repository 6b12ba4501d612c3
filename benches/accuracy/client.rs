//! The clients: how each is asked for a scenario, and what it says of each request.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::process::{self, Used};
use super::{Scenario, Streams};

const TTFT: &str = env!("CARGO_BIN_EXE_ttft");
const SDK: &str = include_str!("openai_sdk.py");

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    Kernel,
    Read,
    OpenAiSdk,
    Oha,
}

/// This program first: the others are measured against it.
pub const CLIENTS: [Client; 4] = [Client::Kernel, Client::Read, Client::OpenAiSdk, Client::Oha];

/// One request as its client saw it, on the monotonic clock's scale or one that is only shifted.
#[derive(Debug, Clone)]
pub struct Seen {
    pub request_id: String,
    /// `None` where it failed.
    pub ttft_ns: Option<u64>,
    pub sent_ns: u64,
    pub last_ns: u64,
    pub events: u64,
    /// Events, and whether the first is among them, whose stamp is an upper bound; `None` where the client does not say.
    pub shared: Option<(u64, bool)>,
}

impl Client {
    pub fn name(self) -> &'static str {
        match self {
            Client::Kernel => "ttft",
            Client::Read => "ttft --stamps read",
            Client::OpenAiSdk => "openai SDK",
            Client::Oha => "oha",
        }
    }

    /// What it used, and what it saw (nothing, where it does not say).
    pub fn run(self, scenario: &Scenario, url: &str, folder: &Path) -> Option<(Used, Vec<Seen>)> {
        match self {
            Client::Kernel => ttft(scenario, url, folder, "kernel"),
            Client::Read => ttft(scenario, url, folder, "read"),
            Client::OpenAiSdk => openai_sdk(scenario, url, folder),
            Client::Oha => oha(scenario, url).map(|used| (used, Vec::new())),
        }
    }
}

fn quiet(program: &str) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn ttft(scenario: &Scenario, url: &str, folder: &Path, stamps: &str) -> Option<(Used, Vec<Seen>)> {
    let (requests, tokens) = (scenario.requests, scenario.prompt_tokens);
    let how = match scenario.streams {
        Streams::One => format!("run --max_ctx_tokens {tokens} --num_following {}", requests - 1),
        Streams::AtOnce => format!("load --concurrency {requests}"),
        Streams::Rate(rate) => format!("load --rate {rate}"),
    };
    let more = match scenario.streams {
        Streams::One => String::new(),
        _ => format!(" --requests {requests} --hit_share 0% --context_tokens {tokens} --no_selftest"),
    };
    let usual = format!(" --gap 0 --yes -q --max_tokens {} --out log.jsonl --stamps {stamps}", scenario.max_tokens);
    let mut command = quiet(TTFT);
    let line = how + &more + &usual;
    let args = line.split_whitespace().chain(["--api_base", url]);
    let used = process::run(command.args(args).current_dir(folder).env("HF_HUB_OFFLINE", "1"))?;
    let log = std::fs::read_to_string(folder.join("log.jsonl")).ok()?;
    let seen = log.lines().filter_map(|line| line.parse().ok()).map(|row: Value| {
        let stamp = |key: &str| row[key].as_u64();
        Seen {
            request_id: format!("ttft-{}", row["trial"]),
            ttft_ns: row["ttft_seconds"].as_f64().map(|seconds| (seconds * 1e9) as u64),
            sent_ns: stamp("sent_ns").unwrap_or(0),
            last_ns: stamp("last_token_ns").unwrap_or(0),
            events: stamp("token_events").unwrap_or(0),
            shared: stamp("shared_reads").zip(row["first_token_shared"].as_bool()),
        }
    });
    Some((used, seen.collect()))
}

/// The SDK as its manual shows it, with retries off.
fn openai_sdk(scenario: &Scenario, url: &str, folder: &Path) -> Option<(Used, Vec<Seen>)> {
    let python = std::env::var("TTFT_BENCH_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    if !quiet(&python).args(["-c", "import openai"]).status().is_ok_and(|status| status.success()) {
        return None;
    }
    let rate = if let Streams::Rate(rate) = scenario.streams { rate } else { 0 };
    let streams = if scenario.streams == Streams::One { 1 } else { scenario.requests };
    let numbers = [scenario.requests, streams, rate, scenario.prompt_tokens, scenario.max_tokens];
    let mut command = quiet(&python);
    command.args(["-c", SDK, url]).args(numbers.map(|number| number.to_string()));
    let log = folder.join("sdk.jsonl");
    let used = process::run(command.arg(&log))?;
    let text = std::fs::read_to_string(&log).ok()?;
    let seen = text.lines().filter_map(|line| line.parse().ok()).map(|row: Value| Seen {
        request_id: row["id"].as_str().unwrap_or_default().to_owned(),
        ttft_ns: row["ttft_ns"].as_u64(),
        sent_ns: row["sent_ns"].as_u64().unwrap_or(0),
        last_ns: row["last_ns"].as_u64().unwrap_or(0),
        events: row["events"].as_u64().unwrap_or(0),
        shared: None,
    });
    Some((used, seen.collect()))
}

/// The same requests, all at once, by a client that reads answers without looking into them.
fn oha(scenario: &Scenario, url: &str) -> Option<Used> {
    let requests = scenario.requests.to_string();
    let streams = if scenario.streams == Streams::One { "1" } else { &requests };
    let body = serde_json::json!({
        "model": "ttft-sim/instant", "stream": true, "temperature": 0, "max_tokens": scenario.max_tokens,
        "stream_options": {"include_usage": true},
        "messages": [{"role": "user", "content": " word".repeat(scenario.prompt_tokens)}],
    });
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("body.json");
    std::fs::write(&file, body.to_string()).expect("a file");
    let mut command = quiet("oha");
    command.args(["--no-tui", "-n", &requests, "-c", streams, "-m", "POST", "-T", "application/json", "-D"]).arg(&file);
    if let Streams::Rate(rate) = scenario.streams {
        command.args(["-q", &rate.to_string()]);
    }
    process::run(command.arg(format!("{url}/chat/completions")))
}

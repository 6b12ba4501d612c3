//! Logs of a server that is known by its formula.

use std::path::Path;

use rand::RngExt;

use super::data::{Data, Named};
use crate::evidence::Evidence;
use crate::plan::{Arm, Role};
use crate::record::{Conditions, Reading, Row, SCHEMA_VERSION};
use crate::rng;
use crate::sample::{Outcome, Place, Sample, StampKind, Stamps};
use crate::wire::chat::Usage;

const MS: f64 = 1e6;

/// A request to a server that computes `20 ms + 80 µs n + 2 ns n²` cold, and loads a hit in `30 ms + 10 µs n`; `speed`
/// divides either.
pub fn row(run_index: u64, context_tokens: u64, arm: Arm, speed: f64) -> Row {
    let n = context_tokens as f64;
    let cost = if arm == Arm::Hit { 30.0 * MS + 10e3 * n } else { 20.0 * MS + 80e3 * n + 2.0 * n * n };
    let sent = 1_000_000_000 * (run_index - 1) + 2_000_000;
    let first = sent + (cost / speed) as u64;
    let token = |i: u64| first + i * 20_000_000;
    let stamps = Stamps {
        dial_ns: Some(sent - 1_200_000),
        connect_ns: Some(sent - 900_000),
        sent_ns: Some(sent),
        sent_end_ns: Some(sent + 300_000 + context_tokens * 40),
        first_byte_ns: Some(first - 2_000_000),
        first_event_ns: Some(first - 2_000_000),
        first_token_ns: Some(first),
        last_token_ns: Some(token(15)),
        end_ns: Some(token(15) + 100_000),
        chunk_ns: (0..16).map(token).collect(),
        ..Stamps::default()
    };
    let usage = Usage {
        prompt_tokens: Some(context_tokens + 20),
        completion_tokens: Some(16),
        cached_tokens: Some(if arm == Arm::Hit { context_tokens / 16 * 16 } else { 0 }),
        ..Usage::default()
    };
    let sample = Sample {
        trial: run_index,
        arm,
        role: Role::Measure,
        place: Place::default(),
        outcome: Outcome::Ok,
        stamps,
        stamp: Some(StampKind::Kernel),
        token_events: 16,
        shared_reads: 0,
        first_token_shared: false,
        itl_counts: Default::default(),
        clock_stepped: false,
        usage: Some(usage),
        timings: None,
        server_metrics: None,
        counters: None,
        finish_reason: Some("length".into()),
        answer: None,
        body_bytes: context_tokens * 5,
        adapted: Vec::new(),
    };
    Row {
        run_index,
        context_tokens,
        ttft_seconds: sample.ttft_ns().map(|ns| ns as f64 / 1e9),
        schema: SCHEMA_VERSION,
        session: "5e55109".into(),
        evidence: Evidence::of(&sample, context_tokens),
        sample,
        flush: None,
        server_spans: None,
        conditions: None,
    }
}

/// The row as it is when the request failed.
pub fn failed(row: Row, outcome: Outcome) -> Row {
    Row { ttft_seconds: None, sample: Sample { outcome, ..row.sample }, ..row }
}

/// Ten lengths, both arms, `repeats` times, with noise and outliers.
pub fn sweep(name: &str, repeats: usize, hit_speed: f64) -> Vec<Row> {
    let mut noise = Noise(rng::stream(7, name));
    let mut rows = Vec::new();
    for _ in 0..repeats {
        for tokens in [50, 128, 256, 512, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000] {
            for (arm, speed) in [(Arm::Cold, 1.0), (Arm::Hit, hit_speed)] {
                rows.push(row(rows.len() as u64 + 1, tokens, arm, speed * noise.next()));
            }
        }
    }
    rows
}

/// Pairs and as many controls as there are pairs, up to ten, at one length.
pub fn pairs(count: u64, hit_speed: f64) -> Vec<Row> {
    let mut noise = Noise(rng::stream(7, "pairs"));
    let mut rows = Vec::new();
    for pair in 0..count + count.min(10) {
        let (other, speed) = if pair < count { (Arm::Hit, hit_speed) } else { (Arm::Unseen, 1.0) };
        for (arm, speed) in [(Arm::Cold, 1.0), (other, speed)] {
            let mut row = row(rows.len() as u64 + 1, 8_000, arm, speed * noise.next());
            row.sample.place = Place { document: Some(rows.len() as u64), pair: Some(pair), ..Place::default() };
            rows.push(row);
        }
    }
    rows
}

/// Twenty pairs, ten of them the control's, with noise that repeats.
pub fn verify(hit_speed: f64) -> Vec<Row> {
    let of = |pair: u64, slot: u64| {
        let other = if pair.is_multiple_of(2) { Arm::Hit } else { Arm::Unseen };
        let arm = if slot == 0 { Arm::Cold } else { other };
        let number = 2 * pair + slot;
        let noise = 1.0 + 0.01 * ((number * 7 % 11) as f64 - 5.0);
        let mut row = row(number + 1, 4_096, arm, noise * if arm == Arm::Hit { hit_speed } else { 1.0 });
        row.sample.place = Place { document: Some(2 * pair), pair: Some(pair), ..Place::default() };
        row
    };
    (0..20).flat_map(|pair| [of(pair, 0), of(pair, 1)]).collect()
}

/// A session of load at this rate: Poisson arrivals at one server that takes 40 ms a request, or 20 on every other one,
/// which hits. It keeps up to 33 requests a second.
pub fn load(session: &str, per_second: f64, requests: u64) -> Vec<Row> {
    let mut random = rng::stream(7, session);
    let (mut due, mut free) = (0.0, 0.0_f64);
    let mut rows = Vec::new();
    for number in 1..=requests {
        due += -(1.0 - random.random::<f64>()).ln() / per_second * 1e9;
        let arm = if number.is_multiple_of(2) { Arm::Hit } else { Arm::Cold };
        let service = if arm == Arm::Hit { 20.0 * MS } else { 40.0 * MS };
        free = free.max(due) + service;
        let mut row = row(number, 2_000, arm, 1.0);
        let sample = &mut row.sample;
        let (sent, first) = (due as u64 + 20_000, free as u64 + 20_000);
        sample.stamps = Stamps {
            due_ns: Some(due as u64),
            sent_ns: Some(sent),
            sent_end_ns: Some(sent + 80_000),
            first_byte_ns: Some(first),
            first_event_ns: Some(first),
            first_token_ns: Some(first),
            last_token_ns: Some(first + 10_000_000),
            end_ns: Some(first + 10_100_000),
            ..Stamps::default()
        };
        row.ttft_seconds = sample.ttft_ns().map(|ns| ns as f64 / 1e9);
        row.session = session.into();
        row.conditions = (number == 1).then(|| conditions("load"));
        rows.push(row);
    }
    rows
}

/// What a session of this command says of itself.
pub fn conditions(command: &str) -> Conditions {
    let known = serde_json::json!({
        "command": command, "version": "0", "argv": [], "host": null, "started_at": "", "endpoint": "http://10.0.0.7/v1",
        "api": "chat", "model": "llama", "server": null, "model_ctx": null, "model_ctx_from": null, "document": null,
        "connection": "fresh", "stamps": "kernel", "nonce": "00000000000000000000000000000000", "prompt": null,
        "max_tokens": 4, "selftest": null,
    });
    serde_json::from_value(known).expect("conditions")
}

/// Factors around 1: 4 % and, once in 30, half as much again.
struct Noise(rand_chacha::ChaCha8Rng);

impl Noise {
    fn next(&mut self) -> f64 {
        let outlier = if self.0.random::<f64>() < 1.0 / 30.0 { 0.5 } else { 0.0 };
        1.0 / (1.0 + 0.1 * (self.0.random::<f64>() + self.0.random::<f64>() - 1.0) + outlier)
    }
}

pub fn jsonl(rows: &[Row]) -> String {
    rows.iter().map(|row| serde_json::to_string(row).expect("a row is JSON") + "\n").collect()
}

/// The same rows with the three keys alone.
pub fn classic(rows: &[Row]) -> String {
    let lines = rows.iter().filter_map(Row::classic);
    lines.map(|row| serde_json::to_string(&row).expect("a row is JSON") + "\n").collect()
}

/// The logs, each under its label, as they are read back.
pub fn data(logs: &[(&str, String)]) -> Data {
    let named = |(label, text): &(&str, String)| {
        let path = format!("{label}.jsonl");
        let reading = Reading::parse(Path::new(&path), text.as_bytes()).expect("a log");
        Named { label: (logs.len() > 1).then(|| (*label).into()), path, reading }
    };
    Data::of(logs.iter().map(named).collect())
}

/// A log of these rows alone.
pub fn only(rows: &[Row]) -> Data {
    data(&[("benchmark", jsonl(rows))])
}

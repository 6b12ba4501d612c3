//! Rows of a server that is known by its formula.

use rand::RngExt;

use super::data::{Data, Entry, Log};
use crate::plan::{Arm, Role};
use crate::rng;
use crate::sample::{Outcome, Place, Sample, StampKind, Stamps};
use crate::wire::chat::Usage;

const MS: f64 = 1e6;

/// A row of a server that computes `20 ms + 80 µs n + 2 ns n²` cold, and loads a hit in `30 ms + 10 µs n`.
/// `speed` divides the time.
pub fn entry(row: usize, tokens: u64, arm: Arm, speed: f64) -> Entry {
    let n = tokens as f64;
    let ttft = match arm {
        Arm::Hit => 30.0 * MS + 10e3 * n,
        _ => 20.0 * MS + 80e3 * n + 2.0 * n * n,
    } / speed;
    let sent = 1_000_000_000 * row as u64 + 2_000_000;
    let first = sent + ttft as u64;
    let stamps = Stamps {
        dial_ns: Some(sent - 1_200_000),
        connect_ns: Some(sent - 900_000),
        sent_ns: Some(sent),
        sent_end_ns: Some(sent + 300_000 + n as u64 * 40),
        first_byte_ns: Some(first - 2_000_000),
        first_event_ns: Some(first - 2_000_000),
        first_token_ns: Some(first),
        last_token_ns: Some(first + 15 * 20_000_000),
        end_ns: Some(first + 15 * 20_000_000 + 100_000),
        chunk_ns: (0..16).map(|i| first + i * 20_000_000).collect(),
        ..Stamps::default()
    };
    let sample = Sample {
        trial: row as u64 + 1,
        arm,
        role: Role::Measure,
        place: Place::default(),
        outcome: Outcome::Ok,
        stamps,
        stamp: Some(StampKind::Kernel),
        token_events: 16,
        shared_reads: 0,
        first_token_shared: false,
        usage: Some(Usage {
            prompt_tokens: Some(tokens + 20),
            completion_tokens: Some(16),
            cached_tokens: Some(if arm == Arm::Hit { tokens / 16 * 16 } else { 0 }),
            ..Usage::default()
        }),
        timings: None,
        finish_reason: Some("length".into()),
        answer: None,
        body_bytes: tokens * 5,
        adapted: Vec::new(),
    };
    let mut value = serde_json::to_value(&sample).unwrap();
    value["run_index"] = (row + 1).into();
    value["context_tokens"] = tokens.into();
    value["ttft_seconds"] = (ttft / 1e9).into();
    Entry {
        line: row + 1,
        row,
        raw: value.to_string(),
        session: 0,
        run_index: row as u64 + 1,
        context_tokens: tokens,
        arm,
        role: Role::Measure,
        ttft_ns: Some(ttft as u64),
        sample: Some(sample),
    }
}

/// Ten lengths, both arms, `repeats` times, with noise and outliers; rows numbered from `first`.
pub fn sweep(label: &str, repeats: usize, hit_speed: f64, first: usize) -> Log {
    let mut rng = rng::stream(7, label);
    let mut log = Log { label: label.into(), path: format!("{label}.jsonl"), ..Log::default() };
    for _ in 0..repeats {
        for tokens in [50, 128, 256, 512, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000] {
            for arm in [Arm::Cold, Arm::Hit] {
                let outlier = if rng.random::<f64>() < 0.03 { 0.5 } else { 0.0 };
                let noise = 0.1 * (rng.random::<f64>() + rng.random::<f64>() - 1.0) + outlier;
                let speed = if arm == Arm::Hit { hit_speed } else { 1.0 };
                let line = log.entries.len() + 1;
                log.entries.push(Entry { line, ..entry(first + line - 1, tokens, arm, speed / (1.0 + noise)) });
            }
        }
    }
    log
}

/// One log of these rows, unnamed.
pub fn only(entries: Vec<Entry>) -> Data {
    Data { logs: vec![Log { path: "benchmark.jsonl".into(), entries, ..Log::default() }] }
}

/// The row as it is when the request failed.
pub fn failed(entry: Entry, outcome: Outcome) -> Entry {
    let sample = entry.sample.map(|sample| Sample { outcome, ..sample });
    Entry { ttft_ns: None, sample, ..entry }
}

/// The row as three keys tell it.
pub fn classic(entry: Entry) -> Entry {
    Entry { sample: None, ..entry }
}

/// Twenty pairs, ten of them the control's, with noise that repeats.
pub fn verify(hit_speed: f64) -> Log {
    let pair = |number: u64| {
        let other = if number.is_multiple_of(2) { Arm::Hit } else { Arm::Unseen };
        let speed = |arm| if arm == Arm::Hit { hit_speed } else { 1.0 };
        [Arm::Cold, other].into_iter().enumerate().map(move |(slot, arm)| {
            let row = 2 * number as usize + slot;
            let noise = 1.0 + 0.01 * ((row * 7 % 11) as f64 - 5.0);
            let mut entry = entry(row, 4_096, arm, speed(arm) * noise);
            let sample = entry.sample.as_mut().expect("a full row");
            sample.place = Place { document: Some(2 * number), pair: Some(number), shared_percent: None };
            entry
        })
    };
    Log {
        label: "verify".into(),
        path: "verify.jsonl".into(),
        entries: (0..20).flat_map(pair).collect(),
        ..Log::default()
    }
}

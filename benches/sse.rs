//! What decoding one 225-byte event costs, beside a naive splitter in the same run: `cargo bench --bench sse`.
//!
//! The rival is what clients tend to write: gather text, look for a blank line, take `data: ` from the front of each
//! line, keep the payload. It accepts LF alone. Times are the best of many passes, so that a busy machine matters
//! little; the ratio is the figure to quote.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::hint::black_box;

use ttft::clock::{Clock, Monotonic};
use ttft::wire::{chat, sse};

const EVENTS: usize = 2_000;
const PASSES: usize = 300;
const EVENT_BYTES: usize = 225;

fn main() {
    let event = event();
    let stream = event.repeat(EVENTS);
    println!("{EVENTS} events of {EVENT_BYTES} bytes, best of {PASSES} passes, ns per event");
    println!("{:<24}{:>10}{:>10}{:>8}", "bytes per read", "sse", "naive", "ratio");
    for read in [EVENT_BYTES, 1_448, 16 * 1024, stream.len()] {
        let ours = best(|| decode(stream.as_bytes(), read));
        let naive = best(|| split(stream.as_bytes(), read));
        println!("{read:<24}{ours:>10.1}{naive:>10.1}{:>8.2}", ours / naive);
    }
    let data = event.trim_end().strip_prefix("data: ").expect("one event");
    let parsed = best(|| (0..EVENTS).filter(|_| chat::parse(black_box(data.as_bytes())).is_token()).count());
    println!("{:<24}{parsed:>10.1}", "chat::parse");
}

/// A chunk of a chat, padded to the size that servers' chunks have.
fn event() -> String {
    let chunk = |id: &str| {
        format!(
            r#"data: {{"id":"chatcmpl-{id}","object":"chat.completion.chunk","created":1795487850,"model":"m","choices":[{{"index":0,"delta":{{"content":" Document"}},"logprobs":null,"finish_reason":null}}]}}"#
        ) + "\n\n"
    };
    chunk(&"x".repeat(EVENT_BYTES - chunk("").len()))
}

/// Nanoseconds per event in the best pass; each pass must find every event.
fn best(mut pass: impl FnMut() -> usize) -> f64 {
    let time = |_| {
        let start = Monotonic.now();
        assert_eq!(black_box(pass()), EVENTS);
        Monotonic.now().since(start).expect("the clock is monotonic")
    };
    (0..PASSES).map(time).min().expect("at least one pass") as f64 / EVENTS as f64
}

fn decode(stream: &[u8], read: usize) -> usize {
    let (mut decoder, mut found) = (sse::Decoder::new(), 0);
    let mut out = |item: sse::Item<'_>| found += usize::from(matches!(black_box(item), sse::Item::Event(_)));
    for bytes in stream.chunks(read) {
        decoder.push(bytes, &mut out).expect("short events");
    }
    found
}

fn split(stream: &[u8], read: usize) -> usize {
    let (mut held, mut found) = (String::new(), 0);
    for bytes in stream.chunks(read) {
        held.push_str(std::str::from_utf8(bytes).expect("ASCII"));
        let mut rest = held.as_str();
        while let Some((event, behind)) = rest.split_once("\n\n") {
            for data in event.lines().filter_map(|line| line.strip_prefix("data: ")) {
                black_box(data.to_owned());
                found += 1;
            }
            rest = behind;
        }
        held = rest.to_owned();
    }
    found
}

//! The time from a log's bytes to its page, and the page's size.
//!
//! `cargo bench --bench report`. The log is the sweep in `tests/reports/`, its rows repeated in turn as often as needed.

#![expect(clippy::print_stdout, reason = "what a bench finds is its output")]

use std::path::Path;

use ttft::chart::png;
use ttft::clock::{Clock, Monotonic};
use ttft::record::Reading;
use ttft::report::data::{Data, Named};
use ttft::report::{Report, html, text};

const SWEEP: &str = include_str!("../tests/reports/sweep.jsonl");

/// Samples, and how many megabytes their page may have.
const SIZES: [(usize, f64); 4] = [(60, 3.0), (480, 3.0), (1_000, 3.0), (10_000, 15.0)];
const MOST_SECONDS: f64 = 1.0;

fn main() {
    println!(
        "{:>8} {:>10} {:>10} {:>10} {:>10} {:>10}",
        "samples", "read ms", "text ms", "page ms", "page MB", "png ms"
    );
    for (samples, most_megabytes) in SIZES {
        let log: String = SWEEP.lines().cycle().take(samples).map(|line| format!("{line}\n")).collect();
        let (data, read) = timed(|| read(&log));
        let (_, of_text) = timed(|| text::write(&Report::of(&data)));
        let (page, of_page) = timed(|| html::write(&Report::of(&data), &data));
        let svg = Report::of(&data).figures.first().expect("a figure").svg();
        let (_, of_png) = timed(|| png(&svg).expect("latin letters alone"));
        let megabytes = page.len() as f64 / 1e6;
        println!(
            "{samples:>8} {:>10.0} {:>10.0} {:>10.0} {megabytes:>10.2} {:>10.0}",
            read * 1e3,
            of_text * 1e3,
            of_page * 1e3,
            of_png * 1e3
        );
        assert!(megabytes <= most_megabytes, "the page of {samples} samples has more than {most_megabytes} MB");
        assert!(read + of_page <= MOST_SECONDS, "the page of {samples} samples takes more than {MOST_SECONDS} s");
    }
}

fn read(log: &str) -> Data {
    let reading = Reading::parse(Path::new("sweep.jsonl"), log.as_bytes()).expect("a log");
    Data::of(vec![Named { label: None, path: "sweep.jsonl".into(), reading }])
}

/// What `work` made, and the seconds it took.
fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let start = Monotonic.now();
    let made = work();
    let nanos = Monotonic.now().since(start).unwrap_or_default();
    (made, nanos as f64 / 1e9)
}

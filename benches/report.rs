//! What `ttft report` takes: the whole program, from its start to the written file, and the size of its page.
//!
//! `cargo bench --bench report`. The log is the sweep in `tests/reports/`, its rows repeated in turn as often as needed.
//! The bounds: a page in a second, of 3 MB for 1,000 samples and 15 MB for 10,000. Beside it, as a ratio, the least that
//! users do by hand today: python3 that parses the same log and takes the medians, without a picture.

#![expect(clippy::print_stdout, reason = "what a bench finds is its output")]

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use ttft::clock::{Clock, Monotonic};

const SWEEP: &str = include_str!("../tests/reports/sweep.jsonl");

/// Samples, and how many megabytes their page may have.
const SIZES: [(usize, f64); 4] = [(60, 3.0), (480, 3.0), (1_000, 3.0), (10_000, 15.0)];
const MOST_SECONDS: f64 = 1.0;

/// Of so many runs the median counts.
const RUNS: usize = 5;

const RIVAL: &str = "
import json, sys, statistics
groups = {}
for line in open(sys.argv[1]):
    row = json.loads(line)
    if row['ttft_seconds'] is not None:
        groups.setdefault((row['context_tokens'], row['arm']), []).append(row['ttft_seconds'])
for key in sorted(groups):
    print(*key, statistics.median(groups[key]))
";

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("sweep.jsonl");
    let [page, picture] = ["page.html", "ttft.png"].map(|name| folder.path().join(name));
    println!(
        "{:>8} {:>9} {:>9} {:>9} {:>9} {:>9} {:>10}",
        "samples", "log MB", "text ms", "page ms", "page MB", "png ms", "python ms"
    );
    for (samples, most_megabytes) in SIZES {
        let rows: String = SWEEP.lines().cycle().take(samples).map(|line| format!("{line}\n")).collect();
        fs::write(&log, &rows).expect("a log");
        let text = report(&log, &[]);
        let of_page = report(&log, &["--format".as_ref(), "html".as_ref(), "--save".as_ref(), page.as_ref()]);
        let png = ["--figure", "ttft", "--format", "png", "--save"].map(OsStr::new);
        let of_png = report(&log, &[&png[..], &[picture.as_os_str()]].concat());
        let by_hand = seconds(|| {
            let mut command = Command::new("python3");
            command.args(["-c", RIVAL]).arg(&log);
            command
        });
        let megabytes = fs::metadata(&page).expect("the page").len() as f64 / 1e6;
        println!(
            "{samples:>8} {:>9.2} {:>9.0} {:>9.0} {megabytes:>9.2} {:>9.0} {:>10}",
            rows.len() as f64 / 1e6,
            known(text) * 1e3,
            known(of_page) * 1e3,
            known(of_png) * 1e3,
            by_hand.map_or("-".to_owned(), |seconds| format!("{:.0}", seconds * 1e3)),
        );
        if let Some(by_hand) = by_hand {
            println!(
                "{:>8} the page takes {:.2} times what python3 takes for its medians; the bound is 1 s",
                "",
                known(of_page) / by_hand
            );
        }
        assert!(megabytes <= most_megabytes, "the page of {samples} samples has more than {most_megabytes} MB");
        for seconds in [text, of_page].map(known) {
            assert!(seconds <= MOST_SECONDS, "a report of {samples} samples takes more than {MOST_SECONDS} s");
        }
    }
}

fn known(seconds: Option<f64>) -> f64 {
    seconds.expect("the program that this bench is built with")
}

fn report(log: &Path, args: &[&OsStr]) -> Option<f64> {
    seconds(|| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ttft"));
        command.arg("report").arg(log).args(args);
        command
    })
}

/// The median time of a command; `None` where it cannot be run.
fn seconds(command: impl Fn() -> Command) -> Option<f64> {
    let run = |_| {
        let start = Monotonic.now();
        let status = command().stdout(Stdio::null()).status().ok()?;
        assert!(status.success(), "{:?} failed", command());
        Some(Monotonic.now().since(start).unwrap_or_default() as f64 / 1e9)
    };
    let mut times = (0..RUNS).map(run).collect::<Option<Vec<f64>>>()?;
    times.sort_by(f64::total_cmp);
    Some(times[RUNS / 2])
}

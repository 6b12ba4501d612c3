//! `ttft selftest`: how far off this client's own times are, measured against the bundled endpoint, whose truth is known;
//! and its short form, which other commands run before they measure.

mod referee;
mod round;

use std::time::Duration;

use super::print;
use super::setup::Setup;
use crate::cli::selftest::SelftestArgs;
use crate::clock::Monotonic;
use crate::exit::Exit;
use crate::net::StampSource;
use crate::record::SelfTest;
use crate::report::table::{Cell, Column, Table};
use crate::report::{Report, text, units};
use crate::selftest::Quality;
use crate::session::Interrupt;

use round::{Measured, Round};

/// Pairs of readings from which the clock's grain is told.
const READINGS: usize = 10_000;

/// Requests of each stream that are not counted.
const WARMUP: u64 = 10;

/// The short form: so many requests, whose server takes so long. A quarter of a second in all.
const SHORT_REQUESTS: u64 = 100;
const SHORT_WARMUP: u64 = 3;
const SHORT_DELAY: Duration = Duration::from_micros(500);

pub fn run(args: &SelftestArgs) -> anyhow::Result<Exit> {
    let interrupt = Interrupt::listen()?;
    let mut rows = Vec::new();
    for (streams, source) in
        [1, args.streams].into_iter().flat_map(|n| [(n, StampSource::Kernel), (n, StampSource::Read)])
    {
        let round = Round { streams, requests: args.requests, warmup: WARMUP, delay: args.delay.0, source };
        let Some(measured) = round.measure(&interrupt)? else { break };
        rows.push(Row { round, measured });
    }
    match rows.is_empty() {
        true => crate::progress::error("nothing was measured"),
        false => print(&text::write(&report(&rows))),
    }
    Ok(match (interrupt.is_set(), rows.is_empty()) {
        (true, _) => Exit::Interrupted,
        (false, true) => Exit::Inconclusive,
        (false, false) => Exit::Ok,
    })
}

/// The short form at so many `streams`, before a measurement and with the same stamps. The user's server has no part in it.
/// `None` where it could not be run, which is then said, and is no reason not to measure.
pub(super) fn short(streams: u64, setup: &Setup<'_>) -> Option<SelfTest> {
    let (source, voice) = (setup.opened.endpoint.stopwatch.source(), setup.voice);
    let round = Round { streams, requests: SHORT_REQUESTS, warmup: SHORT_WARMUP, delay: SHORT_DELAY, source };
    match round.measure(&setup.interrupt) {
        Ok(measured) => {
            let test = SelfTest::of(streams, &measured?.quality);
            voice.note(&format!(
                "selftest: this client's own error is {} (median), {} (99 % of times); effects below {} are not reported",
                units::time(test.median_error_ns),
                units::time(test.p99_error_ns),
                units::time(test.smallest_effect_ns())
            ));
            Some(test)
        }
        Err(error) => {
            voice.warn(&format!("the selftest could not be run: {error:#}; --no_selftest leaves it out"));
            None
        }
    }
}

/// One line of the table.
struct Row {
    round: Round,
    measured: Measured,
}

impl Row {
    fn cells(&self) -> Vec<Cell> {
        let Measured { quality, cpu_share } = self.measured;
        let Quality { requests, lost, median_ns, p99_ns, max_ns, unstamped, shared } = quality;
        vec![
            Cell::Count(self.round.streams),
            Cell::Words(stamps(self.round.source).into()),
            Cell::Count(requests as u64),
            Cell::Time(median_ns),
            Cell::Time(p99_ns),
            Cell::Time(max_ns),
            Cell::Count(lost as u64),
            match self.round.source {
                StampSource::Kernel => Cell::Count(unstamped as u64),
                StampSource::Read => Cell::Missing,
            },
            Cell::Share(shared as f64 / requests.max(1) as f64),
            Cell::Share(cpu_share),
        ]
    }
}

fn stamps(source: StampSource) -> &'static str {
    match source {
        StampSource::Kernel => "kernel",
        StampSource::Read => "read",
    }
}

fn report(rows: &[Row]) -> Report {
    let grain = Monotonic.grain(READINGS);
    // The line of kernel stamps stands first among those of equal streams.
    let seen = |row: &Row| match row.round.streams {
        1 => format!("{} at one stream", units::span(row.measured.quality.smallest_effect_ns())),
        n => format!("{} at {n} streams", units::span(row.measured.quality.smallest_effect_ns())),
    };
    let best: Vec<String> = rows.iter().filter(|row| row.round.source == StampSource::Kernel).map(seen).collect();
    Report {
        title: "ttft selftest".into(),
        findings: vec![format!(
            "Effects smaller than {} cannot be seen from this machine: twice the error that 99 % of times stay below.",
            best.join(", and than ")
        )],
        remarks: vec![format!(
            "The clock's grain is {}. The error is the client's TTFT less the server's, as an amount.",
            units::time(grain)
        )],
        maps: Vec::new(),
        claim: None,
        tables: vec![Table {
            name: "selftest",
            title: "Error of this client's TTFT, against a server of known truth".into(),
            is_detail: false,
            columns: vec![
                Column::number("streams", "streams"),
                Column::words("stamps", "stamps"),
                Column::number("requests", "n"),
                Column::number("median_error_ns", "median"),
                Column::number("p99_error_ns", "p99"),
                Column::number("max_error_ns", "max"),
                Column::number("lost", "lost"),
                Column::number("unstamped", "unstamped"),
                Column::number("shared", "shared"),
                Column::number("cpu_share", "CPU"),
            ],
            rows: rows.iter().map(Row::cells).collect(),
        }],
        figures: Vec::new(),
        conditions: Vec::new(),
    }
}

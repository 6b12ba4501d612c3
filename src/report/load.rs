//! A run under load: times from the scheduled moment, by what was found in the cache, and whether the client kept up.

use super::data::{Data, Entry};
use super::model::{label_column, labelled};
use super::table::{Cell, Column, Table};
use super::units;
use crate::clock::Nanos;
use crate::evidence::Found;
use crate::plan::{Arm, Role};
use crate::stats::{quantile, sorted};

/// The quantiles of the table, shown only where the sample can bound them.
const TAILS: [f64; 3] = [0.5, 0.9, 0.99];

/// A tail is shown when the largest of the sample lies above it with this confidence.
const CONFIDENCE: f64 = 0.95;

/// A schedule that the client missed by more than this share of the median TTFT, and by two milliseconds, shows the
/// client and not the server.
const VOID_SHARE: f64 = 0.05;
const VOID_NS: f64 = 2e6;
/// From here on it is worth a word.
const WARN_SHARE: f64 = 0.01;

/// The requests of a log that were sent under load: in an open loop, by their due times.
struct Load<'a> {
    measured: Vec<&'a Entry>,
}

/// How far behind its schedule the client was: the 99th percentile, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lag {
    pub p99_ns: f64,
    pub median_ttft_ns: f64,
}

impl Lag {
    /// Of the samples of an open loop; `None` for any other.
    pub fn of<'a>(entries: impl Iterator<Item = &'a Entry>) -> Option<Lag> {
        let measured: Vec<&Entry> = entries.filter(|entry| entry.role == Role::Measure).collect();
        let lags = sorted(&measured.iter().filter_map(|entry| lag(entry)).collect::<Vec<_>>());
        let times = sorted(&measured.iter().filter_map(|entry| from_due(entry)).collect::<Vec<_>>());
        Some(Lag { p99_ns: quantile::quantile(&lags, 0.99)?, median_ttft_ns: quantile::quantile(&times, 0.5)? })
    }

    /// Whether the run shows nothing about the server.
    pub fn is_void(self) -> bool {
        self.p99_ns > VOID_NS.max(VOID_SHARE * self.median_ttft_ns)
    }

    fn sentence(self) -> Option<String> {
        let said = |what| {
            format!(
                "the client was up to {} behind its schedule (99 % of requests), with a median TTFT of {}: {what}",
                units::span(self.p99_ns),
                units::span(self.median_ttft_ns)
            )
        };
        if self.is_void() {
            Some(said("this run is void; lower --rate, or run it from a quieter machine"))
        } else {
            (self.p99_ns > WARN_SHARE * self.median_ttft_ns).then(|| said("take the tails with care"))
        }
    }
}

impl<'a> Load<'a> {
    /// `None` for a log without a schedule or streams at once.
    fn of(data: &'a Data, log: usize) -> Option<Load<'a>> {
        let entries = &data.logs[log].entries;
        let is_load = data.logs[log]
            .conditions
            .iter()
            .any(|of| of.iter().any(|(key, value)| key == "command" && value == "load"));
        let measured = entries.iter().filter(|entry| entry.role == Role::Measure).collect();
        is_load.then_some(Load { measured })
    }

    /// The requests that were meant to hit, and those that did.
    fn hits(&self) -> (usize, usize) {
        let found = |entry: &&&Entry| entry.evidence.as_ref().is_some_and(|evidence| evidence.found == Found::Hit);
        (self.measured.iter().filter(|entry| entry.arm == Arm::Hit).count(), self.measured.iter().filter(found).count())
    }

    /// Requests a second from the first hand-over to the last.
    fn rate(&self) -> Option<f64> {
        let sent: Vec<Nanos> = self.measured.iter().filter_map(|entry| entry.sample.as_ref()?.stamps.sent_ns).collect();
        let span = sent.iter().max()?.checked_sub(*sent.iter().min()?).filter(|span| *span > 0)?;
        Some((sent.len() - 1) as f64 / (span as f64 / 1e9))
    }
}

/// From the scheduled moment where there is one, in nanoseconds.
fn from_due(entry: &Entry) -> Option<f64> {
    let ttft = entry.ttft_ns?;
    let stamps = &entry.sample.as_ref()?.stamps;
    let late = stamps.due_ns.map_or(Some(0), |due| stamps.sent_ns?.checked_sub(due))?;
    Some((ttft + late) as f64)
}

/// From the scheduled moment to the first thing done about it. A server that is slow to accept is not the client's lag.
fn lag(entry: &Entry) -> Option<f64> {
    let stamps = &entry.sample.as_ref()?.stamps;
    Some(stamps.dial_ns.or(stamps.sent_ns)?.saturating_sub(stamps.due_ns?) as f64)
}

/// A row for what was found, and one for all; empty where nothing was measured under load.
pub(super) fn table(data: &Data) -> Table {
    let mut columns = vec![
        Column::words("found", "found"),
        Column::number("samples", "n"),
        Column::number("ttft_from_due_p50_ns", "p50"),
        Column::number("ttft_from_due_p90_ns", "p90"),
        Column::number("ttft_from_due_p99_ns", "p99"),
        Column::number("ttft_p50_ns", "ttft p50"),
        Column::number("tpot_p50_ns", "tpot p50"),
        Column::number("e2e_latency_p50_ns", "e2e p50"),
    ];
    let rows = (0..data.logs.len()).filter_map(|log| Some((log, Load::of(data, log)?))).flat_map(|(log, load)| {
        let found = |entry: &Entry| entry.evidence.as_ref().map(|evidence| evidence.found);
        let kinds =
            [("hit", Found::Hit), ("partial", Found::Partial), ("cold", Found::Cold), ("unknown", Found::Unknown)];
        let mut rows: Vec<Vec<Cell>> = kinds
            .iter()
            .map(|(name, kind)| {
                (name, load.measured.iter().copied().filter(|e| found(e) == Some(*kind)).collect::<Vec<_>>())
            })
            .filter(|(_, entries)| !entries.is_empty())
            .map(|(name, entries)| row(name, &entries))
            .collect();
        let answered: Vec<&Entry> = load.measured.iter().copied().filter(|entry| entry.ttft_ns.is_some()).collect();
        rows.push(row("all", &answered));
        rows.into_iter().map(|row| labelled(data, log, row)).collect::<Vec<_>>()
    });
    let rows = rows.collect();
    label_column(data, &mut columns);
    let title = "Under load: ttft_from_due, from the scheduled moment on".into();
    Table { name: "load", title, is_detail: false, columns, rows }
}

fn row(name: &str, entries: &[&Entry]) -> Vec<Cell> {
    let due = sorted(&entries.iter().filter_map(|entry| from_due(entry)).collect::<Vec<_>>());
    let middle = |of: fn(&Entry) -> Option<f64>| {
        let values = sorted(&entries.iter().filter_map(|entry| of(entry)).collect::<Vec<_>>());
        Cell::known(quantile::quantile(&values, 0.5), Cell::Time)
    };
    let mut cells = vec![Cell::Words(name.to_owned()), Cell::Count(due.len() as u64)];
    cells.extend(TAILS.map(|p| {
        let carried = quantile::is_bounded_above(due.len(), p, CONFIDENCE);
        Cell::known(quantile::quantile(&due, p).filter(|_| carried), Cell::Time)
    }));
    cells.extend([middle(|entry| entry.ttft_ns.map(|ns| ns as f64)), middle(tpot), middle(e2e)]);
    cells
}

/// `(last_token - first_token) / (completion_tokens - 1)`, in nanoseconds.
fn tpot(entry: &Entry) -> Option<f64> {
    let sample = entry.sample.as_ref().filter(|_| entry.ttft_ns.is_some())?;
    let gaps = sample.usage?.completion_tokens?.checked_sub(1).filter(|gaps| *gaps > 0)?;
    let span = sample.stamps.last_token_ns?.checked_sub(sample.stamps.first_token_ns?)?;
    Some(span as f64 / gaps as f64)
}

fn e2e(entry: &Entry) -> Option<f64> {
    let stamps = &entry.sample.as_ref().filter(|_| entry.ttft_ns.is_some())?.stamps;
    Some(stamps.end_ns?.checked_sub(stamps.sent_ns?)? as f64)
}

/// What a reader must know of each run under load.
pub(super) fn remarks(data: &Data) -> Vec<String> {
    let loads = (0..data.logs.len()).filter_map(|log| Some((log, Load::of(data, log)?)));
    loads
        .flat_map(|(log, load)| {
            let (meant, found) = load.hits();
            let all = load.measured.len().max(1) as f64;
            let rate = load.rate().map_or(String::new(), |rate| format!("; {rate:.2} requests a second were sent"));
            let share = |n: usize| units::share(n as f64 / all);
            let mut said =
                vec![format!("{} of the requests were meant to hit, {} did{rate}.", share(meant), share(found))];
            let lag = Lag::of(data.logs[log].entries.iter());
            said.extend(lag.and_then(Lag::sentence));
            if lag.is_none() && !load.measured.is_empty() {
                said.push(
                    "a closed loop measures its own concurrency: the server's tail at a rate needs --rate.".into(),
                );
            }
            said
        })
        .collect()
}

//! A run under load: times from the scheduled moment, by what was found in the cache, and whether the client kept up.
//!
//! A quantile is shown only where the largest of the sample lies above it with 95 % confidence, and its interval only
//! where the sample's order bounds it on both sides. Gaps between tokens have no interval: those of one request are not
//! independent.

mod conduct;
mod levels;
pub(super) mod rates;
mod reuse;
mod server;
mod slo;
mod tally;

pub use levels::{Levels, Shown, answer};
pub use slo::Gate;
pub use tally::Tally;

use super::data::{Data, Entry};
use super::model::{label_column, labelled};
use super::table::{Cell, Column, Table};
use super::units;
use crate::clock::Nanos;
use crate::evidence::Found;
use crate::record::LoadNote;
use crate::stats::histogram::Histogram;
use crate::stats::{quantile, sorted};
use tally::{FOUND, Kind, TIMED, Timed};

/// The quantiles of the table.
const TAILS: [Tail; 5] = [
    Tail { p: 0.5, key: "p50_ns", head: "p50", interval: "p50_interval_95_ns", interval_head: "95 % of p50" },
    Tail { p: 0.9, key: "p90_ns", head: "p90", interval: "p90_interval_95_ns", interval_head: "95 % of p90" },
    Tail { p: 0.95, key: "p95_ns", head: "p95", interval: "p95_interval_95_ns", interval_head: "95 % of p95" },
    Tail { p: 0.99, key: "p99_ns", head: "p99", interval: "p99_interval_95_ns", interval_head: "95 % of p99" },
    Tail { p: 0.999, key: "p999_ns", head: "p99.9", interval: "p999_interval_95_ns", interval_head: "95 % of p99.9" },
];

const CONFIDENCE: f64 = 0.95;

struct Tail {
    p: f64,
    key: &'static str,
    head: &'static str,
    interval: &'static str,
    interval_head: &'static str,
}

impl Tail {
    /// Whether `n` values say anything of this quantile.
    fn is_carried(&self, n: usize) -> bool {
        quantile::is_bounded_above(n, self.p, CONFIDENCE)
    }
}

/// Whether a log was written by a search for the knee.
pub(super) fn is_search(data: &Data, log: usize) -> bool {
    data.logs[log].load.as_ref().is_some_and(|load| !load.levels.is_empty())
}

/// Whether a log was written under load.
pub(super) fn is_load(data: &Data, log: usize) -> bool {
    data.logs[log].load.is_some()
}

/// TTFT from the scheduled moment where there is one, in nanoseconds.
pub(super) fn from_due(entry: &Entry) -> Option<f64> {
    let sample = entry.sample.as_ref()?;
    Timed::TtftFromDue.of(sample).or_else(|| Timed::Ttft.of(sample))
}

/// A log that was written under load.
pub(super) struct Load<'a> {
    log: usize,
    tally: &'a Tally,
    asked: &'a [(usize, LoadNote)],
    /// Rows of which nothing but this is kept.
    digested: Option<usize>,
    /// Smaller differences cannot be told from the client's own error.
    smallest_effect_ns: Option<Nanos>,
}

impl Load<'_> {
    pub(super) fn all(data: &Data) -> Vec<Load<'_>> {
        let logs = data.logs.iter().enumerate();
        logs.filter_map(|(log, of)| {
            let (tally, asked) = (of.load.as_ref()?, &of.loads[..]);
            let digested = of.is_digested().then_some(of.rows);
            Some(Load { log, tally, asked, digested, smallest_effect_ns: of.smallest_effect_ns() })
        })
        .collect()
    }

    pub(super) fn log(&self) -> usize {
        self.log
    }

    /// What was found, most of it in one sentence; empty where nothing was answered. Of several logs with a row each in the
    /// tables only what no table says.
    pub(super) fn findings(&self, is_tabled: bool) -> Vec<String> {
        if !self.tally.levels.is_empty() {
            return self.tally.levels.findings();
        }
        let (timed, all) = self.tally.first_token();
        let Some(median) = quantile::quantile(&all, 0.5) else { return self.tally.goodput().into_iter().collect() };
        let interval = |p| {
            let known = quantile::interval(&all, p, CONFIDENCE);
            known.map(|i| format!(" (95 % interval {} to {})", units::span(i.low), units::span(i.high)))
        };
        let tail = TAILS.iter().rev().find(|tail| tail.p > 0.5 && tail.is_carried(all.len()));
        let tail = tail.and_then(|tail| {
            let at = units::span(quantile::quantile(&all, tail.p)?);
            Some(format!("; {} {at}{}", tail.head, interval(tail.p).unwrap_or_default()))
        });
        let rate = match (timed, self.tally.sent_rate()) {
            (Timed::TtftFromDue, Some(rate)) => format!("At {rate:.2} requests a second, "),
            _ => self.tally.in_flight().map_or(String::new(), |n| format!("With {n:.1} requests under way, ")),
        };
        let first = format!(
            "{rate}{} has a median of {}{}{}.",
            timed.name(),
            units::span(median),
            interval(0.5).unwrap_or_default(),
            tail.unwrap_or_default()
        );
        let first = (!is_tabled).then_some(first);
        let beside = self.hits_beside_cold(timed).filter(|_| !is_tabled || self.digested.is_some());
        first.into_iter().chain(beside).chain(self.tally.goodput()).collect()
    }

    fn hits_beside_cold(&self, timed: Timed) -> Option<String> {
        let median = |found| quantile::quantile(&sorted(self.tally.kind(found).times(timed)), 0.5);
        let (hit, cold) = (median(Found::Hit)?, median(Found::Cold)?);
        let at = |ns| units::span(ns);
        if self.smallest_effect_ns.is_some_and(|smallest| (cold - hit).abs() < smallest as f64) {
            return Some("Under this load hit and cold differ by less than can be seen from here.".into());
        }
        Some(format!(
            "Under this load a hit had its first token after {}, a cold request after {} (medians): {}.",
            at(hit),
            at(cold),
            units::ratio(cold / hit)
        ))
    }

    /// What a reader must know of it.
    pub(super) fn remarks(&self) -> Vec<String> {
        let tally = self.tally;
        if !tally.levels.is_empty() {
            return tally.levels.remarks().into_iter().chain(self.too_many()).collect();
        }
        let share = |n: u64| units::share(n as f64 / tally.measured.max(1) as f64);
        let (meant, did) = (share(tally.meant_hits), share(tally.kind(Found::Hit).answered));
        // What is not known to have hit is no miss.
        let unknown = tally.kind(Found::Unknown).answered;
        let did = match unknown {
            0 => format!("{did} did"),
            all if all == tally.answered() => "and nothing shows how many did".to_owned(),
            some => format!("{did} did, and of {} it is not known", share(some)),
        };
        let mut said = vec![format!("{meant} of the requests were meant to hit, {did}.")];
        said.extend(tally.reuse.sentence());
        said.extend(conduct::remarks(tally, self.asked));
        if tally.lags().is_empty() && tally.measured > 0 {
            said.push("a closed loop measures its own concurrency: the server's tail at a rate needs --rate.".into());
        }
        said.extend(server::remark(tally));
        said.extend(self.too_many());
        said
    }

    fn too_many(&self) -> Option<String> {
        self.digested.map(|rows| {
            let rows = units::count(rows as u64);
            format!("{rows} rows are too many for the other tables and figures; csv and html read them all.")
        })
    }
}

/// The tables of all runs under load.
pub(super) fn tables(data: &Data, loads: &[Load<'_>]) -> Vec<Table> {
    // The levels of a search have nothing in common but what the table of rates says of each.
    let loads: Vec<&Load<'_>> = loads.iter().filter(|load| load.tally.levels.is_empty()).collect();
    let loads = &loads[..];
    // Of several rates a terminal shows a row each.
    let is_detail = rates::is_tabled(data);
    let [times, server] = [times(data, loads), server::table(data, loads)].map(|table| Table { is_detail, ..table });
    vec![times, rates(data, loads), server]
}

/// A row for each metric and each thing found, and one for each kind of failure.
fn times(data: &Data, loads: &[&Load<'_>]) -> Table {
    let largest = loads.iter().map(|load| load.tally.answered()).max().unwrap_or(0) as usize;
    let tails: Vec<&Tail> = TAILS.iter().filter(|tail| tail.is_carried(largest)).collect();
    let mut columns = vec![
        Column::words("metric", "metric").whole(),
        Column::words("found", "found").whole(),
        Column::number("samples", "n"),
    ];
    columns.extend(tails.iter().map(|tail| {
        let column = Column::number(tail.key, tail.head);
        // A terminal has no room for it.
        if tail.p == 0.95 { column.detail() } else { column }
    }));
    columns.extend(tails.iter().map(|tail| {
        let column = Column::number(tail.interval, tail.interval_head);
        if tail.p == 0.5 { column } else { column.detail() }
    }));
    let rows = loads.iter().flat_map(|load| {
        let rows = rows(load.tally, &tails).into_iter();
        rows.map(|row| labelled(data, load.log, row)).collect::<Vec<_>>()
    });
    let rows = rows.collect();
    label_column(data, &mut columns);
    Table { name: "load", title: "Under load, by what was found".into(), is_detail: false, columns, rows }
}

fn rows(tally: &Tally, tails: &[&Tail]) -> Vec<Vec<Cell>> {
    let kinds: Vec<(&str, &Kind)> = FOUND.iter().map(|found| (found.name(), tally.kind(*found))).collect();
    let kinds: Vec<(&str, &Kind)> = kinds.into_iter().filter(|(_, kind)| kind.answered > 0).collect();
    let mut rows = Vec::new();
    for timed in TIMED {
        let mut of: Vec<(&str, Vec<f64>)> =
            kinds.iter().map(|(name, kind)| (*name, sorted(kind.times(timed)))).collect();
        if kinds.len() != 1 {
            of.push(("all", tally.all(timed)));
        }
        let of = of.into_iter().filter(|(_, times)| !times.is_empty());
        rows.extend(of.map(|(found, times)| row(timed.name(), found, &times, tails)));
        if timed == Timed::Ttft {
            let mut of: Vec<(&str, Histogram)> = kinds.iter().map(|(name, kind)| (*name, kind.itl.clone())).collect();
            if kinds.len() != 1 {
                of.push(("all", tally.all_itl()));
            }
            let of = of.into_iter().filter(|(_, gaps)| !gaps.is_empty());
            rows.extend(of.map(|(found, gaps)| itl_row(found, &gaps, tails)));
        }
    }
    let failures = tally.failures.iter();
    rows.extend(failures.map(|(outcome, n)| {
        let mut row = vec![Cell::Words("failed".into()), Cell::Words((*outcome).into()), Cell::Count(*n)];
        row.resize(3 + 2 * tails.len(), Cell::Missing);
        row
    }));
    rows
}

/// `times` grow.
fn row(metric: &str, found: &str, times: &[f64], tails: &[&Tail]) -> Vec<Cell> {
    let mut row = head(metric, found, times.len() as u64);
    let at = |tail: &&&Tail| tail.is_carried(times.len());
    row.extend(tails.iter().map(|tail| {
        let known = quantile::quantile(times, tail.p).filter(|_| at(&tail));
        Cell::known(known, Cell::Time)
    }));
    row.extend(tails.iter().map(|tail| {
        let known = quantile::interval(times, tail.p, CONFIDENCE);
        Cell::known(known, |interval| Cell::Times(interval.low, interval.high))
    }));
    row
}

fn itl_row(found: &str, gaps: &Histogram, tails: &[&Tail]) -> Vec<Cell> {
    let n = gaps.total();
    let mut row = head("itl", found, n);
    row.extend(
        tails.iter().map(|tail| Cell::known(gaps.quantile(tail.p).filter(|_| tail.is_carried(n as usize)), Cell::Time)),
    );
    row.resize(3 + 2 * tails.len(), Cell::Missing);
    row
}

fn head(metric: &str, found: &str, n: u64) -> Vec<Cell> {
    vec![Cell::Words(metric.into()), Cell::Words(found.into()), Cell::Count(n)]
}

/// How much was asked for and done, a second.
fn rates(data: &Data, loads: &[&Load<'_>]) -> Table {
    let mut columns = vec![
        Column::number("asked_per_second", "asked/s"),
        Column::number("sent_per_second", "sent/s"),
        Column::number("answered_per_second", "done/s"),
        Column::number("completion_tokens_per_second", "out tok/s"),
        Column::number("prompt_tokens_per_second", "in tok/s"),
        Column::number("cached_tokens_per_second", "cached/s"),
        Column::number("in_flight", "under way"),
    ];
    let rows = loads.iter().filter(|load| load.tally.measured > 0).map(|load| {
        let tally = load.tally;
        let a_second = |n: Option<u64>| Some(n? as f64 / tally.seconds()?);
        let cells = [
            tally.asked_rate(),
            tally.sent_rate(),
            a_second(Some(tally.answered())),
            a_second(tally.completion_tokens),
            a_second(tally.prompt_tokens),
            a_second(tally.cached_tokens),
            tally.in_flight(),
        ];
        labelled(data, load.log, cells.into_iter().map(|cell| Cell::known(cell, Cell::Number)).collect())
    });
    let rows = rows.collect();
    label_column(data, &mut columns);
    let title = "Throughput, from the first request sent to the last one's end".into();
    Table { name: "load_rates", title, is_detail: false, columns, rows }
}

#[cfg(test)]
mod tests;

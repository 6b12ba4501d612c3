//! Two logs against each other: what changed from the first to the second, arm by arm and length by length.
//!
//! The change is the ratio of the second log's times to the first's, by the Hodges-Lehmann shift of logarithms between
//! samples measured apart. With `k` arms and lengths each interval is at `1 - 0.05 / k`, so that all of them hold
//! together in 95 % of cases (Bonferroni). What no interval covers is a server that changed between the two runs for
//! reasons of its own.

use std::fmt;

use super::data::{Cell as Group, Data, Log, arm_name};
use super::model::Report;
use super::table::{Cell, Column, Table};
use super::{figures, units};
use crate::exit::Exit;
use crate::pairs;
use crate::plan::{Arm, Role};
use crate::sample::Sample;
use crate::stats::hodges_lehmann::shift_apart;
use crate::stats::{Estimate, robust};

/// The level at which all intervals hold together.
const ALPHA: f64 = 0.05;

/// What is measured under the same name must have been measured alike.
const ALIKE: [&str; 4] = ["stamps", "connection", "max_tokens", "prompt"];

/// The second log against the first.
#[derive(Debug, Clone)]
pub struct Compared {
    pub changes: Vec<Change>,
    pub mismatches: Vec<Mismatch>,
}

/// What became of one arm at one length.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    pub context_tokens: u64,
    pub arm: Arm,
    /// Median times to first token, in nanoseconds.
    pub before_ns: f64,
    pub after_ns: f64,
    /// How many times longer it takes in the second log.
    pub ratio: Estimate,
    pub samples: (usize, usize),
}

/// Why the logs cannot be compared, or with what reserve.
#[derive(Debug, Clone, PartialEq)]
pub enum Mismatch {
    OtherModel {
        before: String,
        after: String,
    },
    NothingInCommon,
    OtherCondition {
        key: &'static str,
        before: String,
        after: String,
    },
    /// A log whose cold documents are cold only by assertion.
    ColdUnverified {
        log: String,
    },
    ColdNotCold {
        log: String,
        requests: usize,
    },
}

impl Compared {
    /// Compares the second log of `data` with the first.
    ///
    /// # Panics
    /// Unless there are two.
    pub fn of(data: &Data) -> Compared {
        let [before, after] = data.logs.as_slice() else { panic!("a comparison is of two logs") };
        let cells = data.cells();
        let is_arm = |cell: &&Group| matches!(cell.arm, Arm::Cold | Arm::Hit);
        let twins: Vec<(&Group, &Group)> = cells
            .iter()
            .filter(|cell| cell.log == 0)
            .filter(is_arm)
            .filter_map(|cell| {
                let key = (1, cell.context_tokens, cell.arm);
                Some((cell, cells.iter().find(|other| (other.log, other.context_tokens, other.arm) == key)?))
            })
            .collect();
        let alpha = ALPHA / twins.len().max(1) as f64;
        let changes: Vec<Change> = twins.iter().filter_map(|(from, to)| Change::of(from, to, alpha)).collect();
        let mut mismatches = Vec::new();
        mismatches.extend(other_model(before, after));
        mismatches.extend(changes.is_empty().then_some(Mismatch::NothingInCommon));
        mismatches.extend(ALIKE.iter().filter_map(|key| other_condition(before, after, key)));
        mismatches.extend([before, after].into_iter().filter_map(cold_in_doubt));
        Compared { changes, mismatches }
    }

    /// Whether the logs say nothing about each other.
    pub fn is_void(&self) -> bool {
        self.mismatches.iter().any(|m| matches!(m, Mismatch::OtherModel { .. } | Mismatch::NothingInCommon))
    }

    /// The gate: whether the second log is slower than the first by more than `limit` (0.05 is 5 %) anywhere. It is
    /// missed where an interval lies above the limit as a whole, and undecided where one reaches above it.
    pub fn exit(&self, limit: Option<f64>) -> Exit {
        let Some(limit) = limit else { return if self.is_void() { Exit::Inconclusive } else { Exit::Ok } };
        let bounds = |of: fn(crate::stats::Interval) -> f64| {
            self.changes.iter().map(move |change| change.ratio.interval.map(of))
        };
        if self.is_void() {
            Exit::Inconclusive
        } else if bounds(|interval| interval.low).flatten().any(|low| low > 1.0 + limit) {
            Exit::Missed
        } else if bounds(|interval| interval.high).all(|high| high.is_some_and(|high| high <= 1.0 + limit)) {
            Exit::Ok
        } else {
            Exit::Inconclusive
        }
    }

    /// The comparison as a report, for every format.
    pub fn report(&self, data: &Data) -> Report {
        let whole = Report::of(data);
        let (before, after) = (&data.logs[0].label, &data.logs[1].label);
        let findings = match self.mismatches.first().filter(|_| self.is_void()) {
            Some(mismatch) => vec![format!("Not comparable: {mismatch}.")],
            None => {
                let changes = self.changes.iter().map(|change| change.sentence(before, after));
                changes.chain(self.store_penalties()).collect()
            }
        };
        let reserves = self.mismatches.iter().skip(usize::from(self.is_void())).map(|m| format!("{m}."));
        let apart = "The logs were measured apart: a server that changed in between for other reasons looks the same.";
        Report {
            title: format!("ttft: {after} against {before}"),
            findings,
            remarks: reserves.chain([apart.to_string()]).collect(),
            maps: Vec::new(),
            claim: None,
            tables: vec![self.table(before, after)],
            figures: figures::compared(data),
            conditions: whole.conditions,
        }
    }

    fn table(&self, before: &str, after: &str) -> Table {
        let rows = self.changes.iter().map(|change| {
            vec![
                Cell::Count(change.context_tokens),
                Cell::Words(arm_name(change.arm).into()),
                Cell::Time(change.before_ns),
                Cell::Time(change.after_ns),
                Cell::Ratio(change.ratio.value),
                Cell::known(change.ratio.interval, |i| Cell::Ratios(i.low, i.high)),
                Cell::Words(format!("{}+{}", change.samples.0, change.samples.1)),
            ]
        });
        Table {
            name: "change",
            title: format!("What changed from {before} to {after} (median TTFT)"),
            is_detail: false,
            columns: vec![
                Column::number("context_tokens", "tokens"),
                Column::words("arm", "arm"),
                Column::number("before_ns", "before"),
                Column::number("after_ns", "after"),
                Column::number("ratio", "after/before"),
                Column::number("ratio_interval", "interval"),
                Column::words("samples", "n"),
            ],
            rows: rows.collect(),
        }
    }

    /// Where cold became slower and a hit saves: what storing costs, and how many hits earn it back.
    fn store_penalties(&self) -> Vec<String> {
        let is_slower = |change: &&Change| {
            change.arm == Arm::Cold && change.ratio.interval.is_some_and(|interval| interval.low > 1.0)
        };
        let penalty = |cold: &Change| {
            let twin = |change: &&Change| change.arm == Arm::Hit && change.context_tokens == cold.context_tokens;
            let saved = cold.after_ns - self.changes.iter().find(twin)?.after_ns;
            let cost = cold.after_ns - cold.before_ns;
            (saved > 0.0 && cost > 0.0).then(|| {
                format!(
                    "If that is the price of storing: at {} tokens a cold request pays {} and a hit saves {}, so {:.2} \
                     hits a document earn it back.",
                    units::count(cold.context_tokens),
                    units::span(cost),
                    units::span(saved),
                    cost / saved
                )
            })
        };
        self.changes.iter().filter(is_slower).filter_map(penalty).collect()
    }
}

impl Change {
    fn of(before: &Group, after: &Group, alpha: f64) -> Option<Change> {
        let (from, to) = (before.times(), after.times());
        let logs = |times: &[f64]| times.iter().map(|time| time.ln()).collect::<Vec<_>>();
        let shift = shift_apart(&logs(&to), &logs(&from), alpha)?;
        Some(Change {
            context_tokens: before.context_tokens,
            arm: before.arm,
            before_ns: robust::median(&from)?,
            after_ns: robust::median(&to)?,
            ratio: Estimate { value: shift.value.exp(), interval: shift.interval.map(|i| i.map(f64::exp)) },
            samples: (from.len(), to.len()),
        })
    }

    fn sentence(&self, before: &str, after: &str) -> String {
        let place = format!("{} at {} tokens", arm_name(self.arm), units::count(self.context_tokens));
        let size = units::ratio(self.ratio.value);
        match self.ratio.interval {
            None => format!("{place}: {size} from {before} to {after}, with too few samples for an interval."),
            Some(i) => {
                let interval = format!("[{} to {}]", units::ratio(i.low), units::ratio(i.high));
                let word = match (i.low > 1.0, i.high < 1.0) {
                    (true, _) => "slower",
                    (_, true) => "quicker",
                    _ => "no change shown",
                };
                format!("{place}: {after} takes {size} {interval} as long as {before}; {word}.")
            }
        }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mismatch::OtherModel { before, after } => write!(f, "the models differ, {before} and {after}"),
            Mismatch::NothingInCommon => write!(f, "the logs have no arm at a common context length"),
            Mismatch::OtherCondition { key, before, after } => {
                write!(f, "The logs differ in {key}, {before} and {after}; measure both alike")
            }
            Mismatch::ColdUnverified { log } => {
                write!(f, "Cold is not proved in {log}: its server does not count cached tokens")
            }
            Mismatch::ColdNotCold { log, requests } => {
                write!(f, "{requests} cold requests of {log} came out of the cache; measure it with fresh documents")
            }
        }
    }
}

fn other_model(before: &Log, after: &Log) -> Option<Mismatch> {
    let (before, after) = (before.condition("model")?, after.condition("model")?);
    (before != after).then(|| Mismatch::OtherModel { before: before.into(), after: after.into() })
}

fn other_condition(before: &Log, after: &Log, key: &'static str) -> Option<Mismatch> {
    let (before, after) = (before.condition(key)?, after.condition(key)?);
    (before != after).then(|| Mismatch::OtherCondition { key, before: before.into(), after: after.into() })
}

fn cold_in_doubt(log: &Log) -> Option<Mismatch> {
    let samples: Vec<Sample> = log.entries.iter().filter_map(|entry| entry.sample.clone()).collect();
    if !samples.iter().any(|sample| sample.cached_tokens().is_some()) {
        return Some(Mismatch::ColdUnverified { log: log.label.clone() });
    }
    let not_cold = pairs::not_cold(&samples).into_iter().filter(|s| s.role == Role::Measure).count();
    (not_cold > 0).then(|| Mismatch::ColdNotCold { log: log.label.clone(), requests: not_cold })
}

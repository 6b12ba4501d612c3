//! Two logs against each other: what changed from the first to the second, arm by arm and length by length.
//!
//! The change is the ratio of the second log's times to the first's, by the estimator of `verify`, the Hodges-Lehmann
//! shift of logarithms, here between samples measured apart. What counts as cold and as a hit is decided by the evidence
//! (`verified`). With `k` arms and lengths each interval is at `1 - 0.05 / k`, so that all of them hold
//! together in 95 % of cases (Bonferroni). What no interval covers is a server that changed between the two runs for
//! reasons of its own.

mod mismatch;
mod verified;

use super::data::{Data, arm_name};
use super::model::Report;
use super::table::{Cell, Column, Table};
use super::verify::sentence;
use super::{figures, units};
use crate::exit::Exit;
use crate::plan::Arm;
use crate::stats::hodges_lehmann::shift_apart;
use crate::stats::{Estimate, robust};
pub use mismatch::Mismatch;
use verified::Counting;
pub use verified::Verified;

/// The level at which all intervals hold together.
const ALPHA: f64 = 0.05;

/// Conditions without which times say nothing about each other.
const ALIKE: [&str; 3] = ["stamps", "connection", "api"];

/// Conditions that may change a time a little.
const NOTED: [&str; 2] = ["max_tokens", "prompt"];

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
    /// The samples of both logs, and what is known of them.
    pub evidence: [Verified; 2],
}

/// An arm at a length that both logs have.
#[derive(Debug, Clone)]
struct Twin {
    context_tokens: u64,
    arm: Arm,
    evidence: [Verified; 2],
}

impl Compared {
    /// Compares the second log of `data` with the first.
    ///
    /// # Panics
    /// Unless there are two.
    pub fn of(data: &Data) -> Compared {
        let [before, after] = data.logs.as_slice() else { panic!("a comparison is of two logs") };
        let cells = data.cells();
        let is_compared = |arm: Arm| matches!(arm, Arm::Cold | Arm::Hit);
        let of = |log: usize| cells.iter().filter(move |cell| cell.log == log && is_compared(cell.arm));
        let twin = |log: usize, like: (u64, Arm)| of(log).find(|cell| (cell.context_tokens, cell.arm) == like);
        let counting = Counting::of(data);
        let twins: Vec<Twin> = of(0)
            .filter_map(|cell| {
                let (context_tokens, arm) = (cell.context_tokens, cell.arm);
                let other = twin(1, (context_tokens, arm))?;
                Some(Twin { context_tokens, arm, evidence: [counting.verified(cell), counting.verified(other)] })
            })
            .collect();
        let alpha = ALPHA / twins.len().max(1) as f64;
        let changes: Vec<Change> = twins.iter().filter_map(|twin| Change::of(twin, alpha)).collect();
        let lengths = [0, 1].map(|log| {
            let mut lengths: Vec<u64> = of(log).map(|cell| cell.context_tokens).collect();
            lengths.dedup();
            lengths
        });
        let mut mismatches = Mismatch::of_conditions(before, after);
        mismatches.extend(apart(&lengths, changes.is_empty()));
        mismatches.extend(Mismatch::of_evidence(&twins, before, after));
        // What voids comes first.
        mismatches.sort_by_key(|mismatch| !mismatch.is_void());
        Compared { changes, mismatches }
    }

    /// Whether the logs say nothing about each other.
    pub fn is_void(&self) -> bool {
        self.mismatches.iter().any(Mismatch::is_void)
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
        let (void, reserves): (Vec<_>, Vec<_>) = self.mismatches.iter().partition(|mismatch| mismatch.is_void());
        let findings = match void.is_empty() {
            false => void.iter().map(|mismatch| format!("Not comparable: {mismatch}.")).collect(),
            true => {
                let changes = self.changes.iter().map(|change| change.sentence(before, after));
                changes.chain(self.store_penalties()).collect()
            }
        };
        let reserves = reserves.iter().map(|mismatch| sentence(&mismatch.to_string()));
        let apart = "The logs were measured apart: a server that changed in between for other reasons looks the same.";
        Report {
            title: format!("ttft: {after} against {before}"),
            findings,
            remarks: reserves.chain([apart.to_string()]).collect(),
            maps: Vec::new(),
            claim: None,
            tables: if void.is_empty() { vec![self.table(before, after)] } else { Vec::new() },
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
                Cell::Words(change.evidence.each_ref().map(|of| of.times.len().to_string()).join("+")),
                Cell::Words(change.evidence.each_ref().map(|of| of.proved.to_string()).join("+")),
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
                Column::words("proved", "proved"),
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
    /// `None` where an arm has no sample that counts.
    fn of(twin: &Twin, alpha: f64) -> Option<Change> {
        let Twin { context_tokens, arm, evidence } = twin;
        let logs = evidence.each_ref().map(|of| of.times.iter().map(|time| time.ln()).collect::<Vec<_>>());
        let shift = shift_apart(&logs[1], &logs[0], alpha)?;
        Some(Change {
            context_tokens: *context_tokens,
            arm: *arm,
            before_ns: robust::median(&evidence[0].times)?,
            after_ns: robust::median(&evidence[1].times)?,
            ratio: Estimate { value: shift.value.exp(), interval: shift.interval.map(|i| i.map(f64::exp)) },
            evidence: evidence.clone(),
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

/// What the lengths of both logs leave out.
fn apart(lengths: &[Vec<u64>; 2], has_no_change: bool) -> Option<Mismatch> {
    let [before, after] = lengths;
    let alone = |one: &[u64], other: &[u64]| one.iter().copied().filter(|length| !other.contains(length)).collect();
    let mut lengths: Vec<u64> = alone(before, after);
    if lengths.len() == before.len() {
        return Some(Mismatch::OtherLengths { before: before.clone(), after: after.clone() });
    }
    if has_no_change {
        return Some(Mismatch::NothingInCommon);
    }
    lengths.extend(alone(after, before));
    lengths.sort_unstable();
    (!lengths.is_empty()).then_some(Mismatch::LengthsApart { lengths })
}

#[cfg(test)]
mod tests;

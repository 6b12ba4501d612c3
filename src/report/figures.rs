//! The figures a report can show, each from the rows alone.
//!
//! A figure that the rows do not hold (no pairs, no stamps, one length only) is left out, not drawn empty.

mod ecdf;
mod ladder;
mod load;
mod order;
mod pairs;
mod reuse;
mod shares;
mod tokens;
mod ttft;

pub(super) use ladder::typical;

use super::data::{Data, Entry, arm_name, arm_rank};
use super::fit::Curves;
use super::lengths::Sweep;
use super::map::Mapped;
use super::units;
use crate::chart::{Axis, Figure, Law, Mark, Series, Shape};
use crate::plan::Arm;

/// Every figure that `data` holds, in the order a page shows them.
pub fn all(data: &Data, curves: &Curves, mapped: &[Mapped]) -> Vec<Figure> {
    let figures = [
        load::rates(data),
        reuse::figure(data, mapped),
        ttft::logarithmic(data, curves),
        ttft::linear(data, curves),
        pairs::figure(data),
        shares::figure(data),
        load::distribution(data).or_else(|| ecdf::figure(data)),
        load::over_time(data).or_else(|| order::figure(data)),
        ladder::figure(data),
        tokens::figure(data),
    ];
    figures.into_iter().flatten().filter(|figure| !figure.is_empty()).collect()
}

/// The figures that show two logs against each other: one of all lengths, or the distributions at one.
pub fn compared(data: &Data) -> Vec<Figure> {
    let curves = Curves::of(data, &Sweep::all(data));
    let figures = [ttft::logarithmic(data, &curves), ecdf::figure(data)];
    figures.into_iter().flatten().filter(|figure| !figure.is_empty()).collect()
}

fn time_axis(label: &str, law: Law) -> Axis {
    let include = if law == Law::Linear { vec![0.0] } else { Vec::new() };
    Axis { label: label.into(), law, tick: units::time_tick, include }
}

/// How a log's arm looks. Alone, the arms have colours of their own; beside each other, the logs have the colours and a
/// hit is drawn open.
fn series(data: &Data, log: usize, arm: Arm, shapes: Vec<Shape>) -> Series {
    let (hue, open) = if data.is_labelled() { (log, arm != Arm::Cold) } else { (arm_rank(arm), false) };
    Series { name: data.series_name(log, arm), hue, open, shapes }
}

/// At which of several lengths a figure looks that can show only one; empty when there is no other.
fn at_length(data: &Data, length: u64) -> String {
    if data.lengths().len() > 1 { format!(" at {} tokens", units::count(length)) } else { String::new() }
}

fn mark(entry: &Entry, x: f64, y: f64) -> Mark {
    Mark { trial: entry.run_index, row: entry.row, x, y, title: title(entry) }
}

/// What a dot says of itself; the parts are separated by semicolons.
fn title(entry: &Entry) -> String {
    let arm = arm_name(entry.arm);
    let mut title = format!("trial {}, {arm}; {} tokens", entry.run_index, units::count(entry.context_tokens));
    if let Some(ns) = entry.ttft_ns {
        title += &format!("; TTFT {}", units::time(ns));
    }
    if let Some(cached) = entry.cached_tokens() {
        title += &format!("; {} cached", units::count(cached));
    }
    if let Some(evidence) = &entry.evidence {
        let proof = evidence.proof.map(|proof| format!(" by {}", proof.name())).unwrap_or_default();
        title += &format!("; found {}{proof}", evidence.found.name());
    }
    let due = entry.sample.as_ref().and_then(|sample| sample.stamps.due_ns);
    if let Some(from_due) = due.and_then(|_| super::load::from_due(entry)) {
        title += &format!("; {} from the scheduled moment", units::span(from_due));
    }
    title + &format!("; line {}", entry.line)
}

//! The share of requests that had their first token by a given time.

use super::super::data::{Cell, Data};
use super::super::units;
use super::{at_length, series, time_axis};
use crate::chart::{Axis, Figure, Law, Shape};
use crate::stats::sorted;

/// `None` when no arm has two samples.
pub(super) fn figure(data: &Data) -> Option<Figure> {
    let length = data.main_length()?;
    let cells: Vec<Cell> = data.cells().into_iter().filter(|cell| cell.context_tokens == length).collect();
    let series = |cell: &Cell| series(data, cell.log, cell.arm, vec![Shape::Steps(steps(cell))]);
    cells.iter().any(|cell| cell.entries.len() >= 2).then(|| Figure {
        name: "ecdf".into(),
        title: format!("Requests that had their first token by then{}", at_length(data, length)),
        caption: "Empirical distribution of TTFT; further left is sooner, steeper is steadier.".into(),
        x: time_axis("TTFT", Law::Log),
        y: Axis {
            label: "share of requests".into(),
            law: Law::Linear,
            tick: units::share_tick,
            include: vec![0.0, 1.0],
        },
        series: cells.iter().map(series).collect(),
        rules: Vec::new(),
    })
}

/// At each time, the share of times up to and including it; begins at 0.
fn steps(cell: &Cell) -> Vec<(f64, f64)> {
    let times = sorted(&cell.times());
    let share = |count: usize| count as f64 / times.len() as f64;
    let first = times.first().map(|time| (*time, 0.0));
    first.into_iter().chain(times.iter().enumerate().map(|(at, time)| (*time, share(at + 1)))).collect()
}

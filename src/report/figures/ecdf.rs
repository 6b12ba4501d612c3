//! The share of requests that had their first token by a given time.

use super::super::data::{Cell, Data};
use super::super::units;
use super::{at_length, series, time_axis};
use crate::chart::{Axis, Figure, Law, Series, Shape};
use crate::stats::sorted;

/// `None` when no arm has two samples.
pub(super) fn figure(data: &Data) -> Option<Figure> {
    let length = data.main_length()?;
    let cells: Vec<Cell> = data.cells().into_iter().filter(|cell| cell.context_tokens == length).collect();
    let series = |cell: &Cell| series(data, cell.log, cell.arm, vec![Shape::Steps(steps(cell.times()))]);
    let is_worth_it = cells.iter().any(|cell| cell.entries.len() >= 2);
    is_worth_it.then(|| of(cells.iter().map(series).collect(), &at_length(data, length)))
}

/// Of these series; `place` is what the title ends with.
pub(super) fn of(series: Vec<Series>, place: &str) -> Figure {
    Figure {
        name: "ecdf".into(),
        title: format!("Requests that had their first token by then{place}"),
        caption: "Empirical distribution of TTFT; further left is sooner, steeper is steadier.".into(),
        x: time_axis("TTFT", Law::Log),
        y: Axis {
            label: "share of requests".into(),
            law: Law::Linear,
            tick: units::share_tick,
            include: vec![0.0, 1.0],
        },
        series,
        rules: Vec::new(),
    }
}

/// At each time, the share of times up to and including it; begins at 0.
pub(super) fn steps(times: Vec<f64>) -> Vec<(f64, f64)> {
    let times = sorted(&times);
    let share = |count: usize| count as f64 / times.len() as f64;
    let first = times.first().map(|time| (*time, 0.0));
    first.into_iter().chain(times.iter().enumerate().map(|(at, time)| (*time, share(at + 1)))).collect()
}

//! Time to first token in the order the requests were sent: drift, outliers and first-call effects show here. The order
//! is that of the lines, since the trials of a log of several sessions begin anew in each.

use super::super::data::{Cell, Data};
use super::super::units;
use super::{mark, series, time_axis};
use crate::chart::{Axis, Figure, Law, Shape};

/// `None` below three samples, where there is no order to see.
pub(super) fn figure(data: &Data) -> Option<Figure> {
    let arms = data.arms();
    let samples: usize = arms.iter().flatten().map(|cell| cell.entries.len()).sum();
    let one = |cells: &Vec<Cell>| {
        let entries = cells.iter().flat_map(|cell| &cell.entries);
        let dots = entries.filter_map(|e| Some(mark(e, e.line as f64, e.ttft_ns? as f64)));
        series(data, cells[0].log, cells[0].arm, vec![Shape::Dots(dots.collect())])
    };
    (samples >= 3).then(|| Figure {
        name: "order".into(),
        title: "TTFT in the order of the requests".into(),
        caption: "A slope is drift; a lone high dot is an outlier.".into(),
        x: Axis { label: "line of the log".into(), law: Law::Linear, tick: units::count_tick, include: Vec::new() },
        y: time_axis("TTFT", Law::Log),
        series: arms.iter().map(one).collect(),
        rules: Vec::new(),
    })
}

//! Tokens over time for a typical cold and a typical hit request: after the first token both should climb alike.

use super::super::data::{Data, Entry};
use super::super::units;
use super::ladder::typical;
use super::{at_length, series, time_axis};
use crate::chart::{Axis, Figure, Law, Shape};
use crate::plan::Arm;

/// `None` where the log keeps no token stamps.
pub(super) fn figure(data: &Data) -> Option<Figure> {
    let drawn: Vec<_> = (0..data.logs.len())
        .flat_map(|log| [Arm::Cold, Arm::Hit].map(|arm| (log, arm)))
        .filter_map(|(log, arm)| Some(series(data, log, arm, vec![Shape::Steps(steps(typical(data, log, arm)?)?)])))
        .collect();
    let length = data.main_length()?;
    (!drawn.is_empty()).then(|| Figure {
        name: "tokens".into(),
        title: format!("Tokens over time{}", at_length(data, length)),
        caption: "Token events of the request with the median TTFT of each arm.".into(),
        x: time_axis("time since the request was sent", Law::Linear),
        y: Axis { label: "token events".into(), law: Law::Linear, tick: units::count_tick, include: vec![0.0] },
        series: drawn,
        rules: Vec::new(),
    })
}

/// How many token events had come by each moment; from the hand-over on.
fn steps(entry: &Entry) -> Option<Vec<(f64, f64)>> {
    let stamps = &entry.sample.as_ref()?.stamps;
    let sent = stamps.sent_ns?;
    let events = stamps.chunk_ns.iter().enumerate();
    let counted = events.map(|(at, ns)| (ns.saturating_sub(sent) as f64, (at + 1) as f64));
    (stamps.chunk_ns.len() >= 2).then(|| [(0.0, 0.0)].into_iter().chain(counted).collect())
}

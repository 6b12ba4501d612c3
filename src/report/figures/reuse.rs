//! Time to first token over the reuse distance: each plateau is a tier, and the last one is no hit.

use super::super::data::{Data, Entry};
use super::super::map::Mapped;
use super::super::units;
use super::{mark, time_axis};
use crate::chart::{Across, Axis, Figure, Law, Rule, Series, Shape};

/// `None` where no log maps a cache, or none came to look at distances.
pub(super) fn figure(data: &Data, mapped: &[Mapped]) -> Option<Figure> {
    let one = |log: usize| {
        let place = |entry: &Entry| entry.sample.as_ref()?.place.reuse_tokens;
        let entries = data.logs[log].entries.iter();
        let dots = entries.filter_map(|e| Some(mark(e, place(e)?.max(1) as f64, e.ttft_ns? as f64)));
        let name = if data.is_labelled() { data.logs[log].label.clone() } else { "replay".to_owned() };
        Series { name, hue: log, open: false, shapes: vec![Shape::Dots(dots.collect())] }
    };
    let rule = |log: usize, nth: usize, tokens: u64| {
        let whose = if data.is_labelled() { format!("{} ", data.logs[log].label) } else { String::new() };
        let label = format!("{whose}tier {} to {}", nth + 1, units::count(tokens));
        Rule { across: Across::X, at: tokens as f64, label }
    };
    let tiers = mapped.iter().flat_map(|mapped| {
        let tiers = mapped.map.tiers.value.iter().flatten().enumerate();
        tiers.map(move |(nth, tier)| rule(mapped.log, nth, tier.reach_tokens))
    });
    (!mapped.is_empty()).then(|| Figure {
        name: "reuse".into(),
        title: "Time to first token against reuse distance".into(),
        caption: "Each dot is a document sent again; the distance is what was sent in between, in tokens.".into(),
        x: Axis {
            label: "reuse distance in tokens".into(),
            law: Law::Log,
            tick: units::count_tick,
            include: Vec::new(),
        },
        y: time_axis("TTFT", Law::Log),
        series: mapped.iter().map(|mapped| one(mapped.log)).collect(),
        rules: tiers.collect(),
    })
}

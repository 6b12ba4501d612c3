//! Time to first token over the reuse distance: each plateau is a tier, and what lies above the last is no hit.

use super::super::data::{Data, Entry};
use super::super::map::Mapped;
use super::super::units;
use super::{mark, time_axis};
use crate::cachemap::Tier;
use crate::chart::{Across, Axis, Figure, Law, Rule, Series, Shape};
use crate::evidence::Found;
use crate::stats::robust;

/// The hue of what answers neither cold nor hit.
const TIERS: usize = 2;

/// What was found, its name and its hue.
const KINDS: [(Option<Found>, &str, usize); 5] = [
    (Some(Found::Hit), "hit", 1),
    (Some(Found::Partial), "partial hit", 3),
    (Some(Found::Cold), "no hit", 0),
    (Some(Found::Unknown), "unknown", 4),
    (None, "not judged", 5),
];

/// `None` where no log maps a cache, or none came to look at distances.
pub(super) fn figure(data: &Data, mapped: &[Mapped]) -> Option<Figure> {
    (!mapped.is_empty()).then(|| Figure {
        name: "reuse".into(),
        title: "Time to first token against reuse distance".into(),
        caption: "A dot is a document sent again after so many tokens of others; a level is a tier.".into(),
        x: Axis {
            label: "reuse distance in tokens".into(),
            law: Law::Log,
            tick: units::count_tick,
            include: Vec::new(),
        },
        y: time_axis("TTFT", Law::Log),
        series: mapped.iter().flat_map(|mapped| series(data, mapped)).collect(),
        rules: mapped.iter().flat_map(|mapped| rules(data, mapped)).collect(),
    })
}

/// The replays by what they found, and the levels. Beside other logs, a log has one colour.
fn series(data: &Data, mapped: &Mapped) -> Vec<Series> {
    let log = mapped.log;
    let replays: Vec<&Entry> = data.logs[log].entries.iter().filter(|entry| place(entry).is_some()).collect();
    let levels = levels(mapped, &replays).into_iter().map(|points| Shape::Line { points, dashed: false });
    let dots = |entries: &[&Entry]| {
        Shape::Dots(entries.iter().filter_map(|e| Some(mark(e, place(e)?, e.ttft_ns? as f64))).collect())
    };
    if data.is_labelled() {
        let shapes = [dots(&replays)].into_iter().chain(levels).collect();
        return vec![Series { name: data.logs[log].label.clone(), hue: log, open: false, shapes }];
    }
    let of = |(found, name, hue): (Option<Found>, &str, usize)| {
        let is_of = |entry: &&&Entry| entry.evidence.as_ref().map(|evidence| evidence.found) == found;
        let mine: Vec<&Entry> = replays.iter().filter(is_of).copied().collect();
        (!mine.is_empty()).then(|| Series { name: name.into(), hue, open: false, shapes: vec![dots(&mine)] })
    };
    let mut series: Vec<Series> = KINDS.into_iter().filter_map(of).collect();
    let levels: Vec<Shape> = levels.collect();
    if !levels.is_empty() {
        series.push(Series { name: "level".into(), hue: TIERS, open: false, shapes: levels });
    }
    series
}

/// The reuse distance of a replay that was answered.
fn place(entry: &Entry) -> Option<f64> {
    let distance = entry.sample.as_ref()?.place.reuse_tokens?;
    entry.ttft_ns.map(|_| distance.max(1) as f64)
}

/// Each tier from where the one above ends to where it ends itself, and what lies beyond the last.
fn levels(mapped: &Mapped, replays: &[&Entry]) -> Vec<Vec<(f64, f64)>> {
    let Some(tiers) = mapped.map.tiers.value.as_deref().filter(|tiers| !tiers.is_empty()) else { return Vec::new() };
    let nearest = replays.iter().filter_map(|entry| place(entry)).fold(f64::INFINITY, f64::min);
    let farthest = replays.iter().filter_map(|entry| place(entry)).fold(0.0, f64::max);
    let mut from = nearest;
    let mut levels = Vec::new();
    for tier in tiers {
        let to = tier.reach_tokens as f64;
        if from < to && tier.ttft_ns > 0 {
            levels.push(vec![(from, tier.ttft_ns as f64), (to, tier.ttft_ns as f64)]);
        }
        from = from.max(to);
    }
    let beyond = replays.iter().filter(|entry| place(entry).is_some_and(|place| place > from));
    let times: Vec<f64> = beyond.filter_map(|entry| entry.ttft_ns).map(|ns| ns as f64).collect();
    levels.extend(robust::median(&times).filter(|_| from < farthest).map(|ns| vec![(from, ns), (farthest, ns)]));
    levels
}

/// Where each tier ends.
fn rules(data: &Data, mapped: &Mapped) -> Vec<Rule> {
    let whose = if data.is_labelled() { format!("{} ", data.logs[mapped.log].label) } else { String::new() };
    let tiers = mapped.map.tiers.value.as_deref().unwrap_or_default();
    let one = |(nth, tier): (usize, &Tier)| {
        let reach = units::count(tier.reach_tokens);
        let label = match tiers.len() {
            1 => format!("{whose}reach {reach}"),
            _ => format!("{whose}tier {} to {reach}", nth + 1),
        };
        Rule { across: Across::X, at: tier.reach_tokens as f64, label }
    };
    tiers.iter().enumerate().map(one).collect()
}

//! The pairs of a verify run: each pair's ratio in order, and the interval as it narrowed from look to look.

use super::super::data::{Data, Entry, arm_name};
use super::super::units;
use super::super::verify::rule_of;
use crate::chart::{Across, Axis, Figure, Interval, Law, Mark, Rule, Series, Shape};
use crate::pairs::{self, Pair, Pairs};
use crate::sample::Sample;
use crate::stats::hodges_lehmann::{self, STRATUM};
use crate::stats::looks::Looks;

/// The hue of what is neither cold nor hit.
const RATIO: usize = 3;

/// `None` without two pairs.
pub(super) fn figure(data: &Data) -> Option<Figure> {
    let sessions =
        data.logs.iter().enumerate().flat_map(|(log, of)| of.sessions().into_iter().map(move |of| (log, of)));
    let series: Vec<Series> = sessions.filter_map(|(log, session)| one(data, log, &session)).collect();
    (!series.is_empty() && data.lengths().len() == 1).then(|| Figure {
        name: "pairs".into(),
        title: "Cold over hit, pair by pair".into(),
        caption: "Each dot is one pair; the band is the interval of the ratio at each look.".into(),
        x: Axis { label: "pair".into(), law: Law::Linear, tick: units::count_tick, include: vec![0.0] },
        y: Axis { label: "TTFT cold / TTFT hit".into(), law: Law::Log, tick: units::ratio_tick, include: vec![1.0] },
        series,
        rules: vec![Rule { across: Across::Y, at: 1.0, label: "no effect".into() }],
    })
}

fn one(data: &Data, log: usize, session: &[&Entry]) -> Option<Series> {
    let samples: Vec<Sample> = session.iter().filter_map(|entry| entry.sample.clone()).collect();
    let pairs = Pairs::of(&samples).measured;
    let dots = pairs.iter().enumerate().filter_map(|(at, pair)| dot(at, pair, session)).collect();
    let name = if data.is_labelled() { data.logs[log].label.clone() } else { "cold / hit".into() };
    // Alone it has neither arm's colour: a ratio belongs to both.
    let hue = if data.is_labelled() { log } else { RATIO };
    (pairs.len() >= 2).then(|| Series {
        name,
        hue,
        open: false,
        shapes: vec![Shape::Band(intervals(&pairs, &rule_of(&data.logs[log]).looks)), Shape::Dots(dots)],
    })
}

/// The mark of the pair's hit.
fn dot(at: usize, pair: &Pair, session: &[&Entry]) -> Option<Mark> {
    let (cold, hit) = (pair.cold.ttft_ns()?, pair.other.ttft_ns()?);
    let entry = session.iter().find(|entry| entry.run_index == pair.other.trial)?;
    let ratio = cold as f64 / hit as f64;
    let title = format!(
        "pair {}: {}; cold {} (trial {}); {} {} (trial {}); line {}",
        at + 1,
        units::ratio(ratio),
        units::time(cold),
        pair.cold.trial,
        arm_name(pair.other.arm),
        units::time(hit),
        pair.other.trial,
        entry.line
    );
    Some(Mark { trial: pair.other.trial, row: entry.row, x: (at + 1) as f64, y: ratio, title })
}

/// At each look the interval then, from the look before on.
fn intervals(pairs: &[Pair], looks: &Looks) -> Vec<Interval> {
    let (cold, hit) = pairs::logs(pairs);
    let mut band = Vec::new();
    let mut from = 0;
    for &size in looks.sizes().iter().filter(|size| **size <= pairs.len()) {
        let shift = hodges_lehmann::shift(&cold[..size], &hit[..size], STRATUM, looks.alpha());
        if let Some(interval) = shift.and_then(|shift| shift.interval) {
            let (low, high) = (interval.low.exp(), interval.high.exp());
            band.extend([from, size].map(|x| Interval { x: x as f64, low, high }));
        }
        from = size;
    }
    band
}

//! Time to first token against the share of the document that was seen before.

use std::collections::BTreeMap;

use super::super::data::{Data, Entry};
use super::{mark, time_axis};
use crate::chart::{Axis, Figure, Law, Series, Shape};
use crate::stats::robust;

/// The hue of what is neither all cold nor all hit.
const PARTIAL: usize = 3;

/// `None` below two shares.
pub(super) fn figure(data: &Data) -> Option<Figure> {
    let mut logs: BTreeMap<usize, BTreeMap<u8, Vec<&Entry>>> = BTreeMap::new();
    for (log, entry) in data.entries().filter(|(_, entry)| entry.ttft_ns.is_some()) {
        // A sweep without a nonce says of a cold how much was sent before; that is no curve.
        let is_asked = entry.sample.as_ref().is_some_and(|sample| sample.place.document.is_some());
        if let Some(percent) = entry.shared_percent().filter(|_| is_asked) {
            logs.entry(log).or_default().entry(percent).or_default().push(entry);
        }
    }
    logs.retain(|_, shares| shares.len() >= 2);
    (!logs.is_empty()).then(|| Figure {
        name: "shared_percent".into(),
        title: "Time to first token against the share that was seen before".into(),
        caption: "Each dot is one request; the line joins the medians.".into(),
        x: Axis {
            label: "shared_percent".into(),
            law: Law::Linear,
            tick: |percent, _| format!("{percent:.0} %"),
            include: vec![0.0, 100.0],
        },
        y: time_axis("TTFT", Law::Linear),
        series: logs.iter().map(|(log, shares)| one(data, *log, shares)).collect(),
        rules: Vec::new(),
    })
}

fn one(data: &Data, log: usize, shares: &BTreeMap<u8, Vec<&Entry>>) -> Series {
    let of = |(percent, entries): (&u8, &Vec<&Entry>)| {
        let x = f64::from(*percent);
        entries.iter().filter_map(|e| Some(mark(e, x, e.ttft_ns? as f64))).collect::<Vec<_>>()
    };
    let medians = shares.iter().filter_map(|(percent, entries)| {
        let times: Vec<f64> = entries.iter().filter_map(|entry| entry.ttft_ns).map(|ns| ns as f64).collect();
        Some((f64::from(*percent), robust::median(&times)?))
    });
    let points = medians.collect();
    let (name, hue) = match data.is_labelled() {
        true => (data.logs[log].label.clone(), log),
        false => ("TTFT".into(), PARTIAL),
    };
    let dots = shares.iter().flat_map(of).collect();
    Series { name, hue, open: false, shapes: vec![Shape::Dots(dots), Shape::Line { points, dashed: false }] }
}

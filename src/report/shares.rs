//! The partial-hit curve: what a hit is worth when only part of the prompt was seen before, as in real conversations.

use std::collections::BTreeMap;

use super::data::{Data, Entry};
use super::model::{label_column, labelled};
use super::table::{Cell, Column, Table};
use crate::stats::{quantile, robust, sorted};

/// A row for each share of each log; empty where none was measured.
pub fn table(data: &Data) -> Table {
    let mut points: BTreeMap<(usize, u8), Vec<&Entry>> = BTreeMap::new();
    for (log, entry) in data.entries().filter(|(_, entry)| entry.ttft_ns.is_some()) {
        if let Some(percent) = entry.shared_percent() {
            points.entry((log, percent)).or_default().push(entry);
        }
    }
    let mut columns = vec![
        Column::number("shared", "shared"),
        Column::number("samples", "n"),
        Column::number("ttft_p50_ns", "median"),
        Column::number("cached_share", "cached"),
        Column::number("ttft_p50_interval_95_ns", "95 % of median"),
    ];
    let rows = points.iter().map(|(&(log, percent), entries)| labelled(data, log, row(percent, entries))).collect();
    label_column(data, &mut columns);
    let title = "TTFT by the share of the document that was seen before".into();
    Table { name: "shares", title, is_detail: false, columns, rows }
}

fn row(percent: u8, entries: &[&Entry]) -> Vec<Cell> {
    let times = sorted(&entries.iter().filter_map(|entry| entry.ttft_ns).map(|ns| ns as f64).collect::<Vec<_>>());
    let cached = |entry: &&Entry| Some(entry.cached_tokens()? as f64 / entry.prompt_tokens()? as f64);
    let shares: Vec<f64> = entries.iter().filter_map(cached).collect();
    vec![
        Cell::Share(f64::from(percent) / 100.0),
        Cell::Count(times.len() as u64),
        Cell::known(robust::median(&times), Cell::Time),
        Cell::known(robust::median(&shares), Cell::Share),
        Cell::known(quantile::interval(&times, 0.5, 0.95), |i| Cell::Times(i.low, i.high)),
    ]
}

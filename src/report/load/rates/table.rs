//! The table of rates: a row for each, of each server and arm.

use super::{Rates, SHOWN, Step};
use crate::load::knee::Reuse;
use crate::report::data::Data;
use crate::report::table::{Cell, Column, Table};

/// Whether several logs have a row each in the table of rates, which then says the most of them.
pub(in crate::report) fn is_tabled(data: &Data) -> bool {
    data.is_labelled() && Rates::all(data).iter().any(|server| server.steps.len() >= 2)
}

/// A row for each rate; empty unless a server was measured at two, or its knee was searched for.
pub(in crate::report) fn table(data: &Data) -> Table {
    let servers = Rates::all(data);
    let is_several = servers.iter().any(|server| server.steps.len() >= 2 || server.arm.is_some());
    let mut columns = vec![
        Column::number("requests_per_second", "requests/s"),
        Column::number("samples", "n"),
        Column::number("failed", "failed"),
        Column::number("ttft_from_due_p50_ns", "p50"),
        Column::number("ttft_from_due_p90_ns", "p90"),
        Column::number("ttft_from_due_p99_ns", "p99"),
        Column::number("ttft_from_due_p50_interval_95_ns", "95 % of p50"),
    ];
    let has_limits = servers.iter().any(|server| server.steps.iter().any(|step| step.kept.is_some()));
    let is_search = servers.iter().any(|server| server.arm.is_some());
    if has_limits {
        columns
            .extend([Column::number("kept_share", "kept"), Column::number("kept_share_interval_95", "95 % of kept")]);
    }
    if is_search {
        columns.insert(1, Column::number("ceiling_share", "of burst"));
        // A terminal has no room for both intervals.
        let p50 = columns.iter_mut().find(|column| column.key == "ttft_from_due_p50_interval_95_ns");
        p50.into_iter().for_each(|column| *column = column.detail());
    }
    let row = |step: &Step| {
        let mut cells =
            vec![Cell::Number(step.per_second), Cell::Count(step.times.len() as u64), Cell::Count(step.failed as u64)];
        if is_search {
            cells.insert(1, Cell::known(step.of_ceiling, Cell::Share));
        }
        cells.extend(SHOWN.map(|(p, _)| Cell::known(step.quantile(p), Cell::Time)));
        cells.push(Cell::known(step.interval(0.5), |i| Cell::Times(i.low, i.high)));
        if has_limits {
            cells.push(Cell::known(step.kept, |kept| Cell::Share(kept.share())));
            cells.push(Cell::known(step.kept, |kept| Cell::Shares(kept.interval.low, kept.interval.high)));
        }
        cells
    };
    let is_named = servers.iter().any(|server| !server.server.is_empty());
    let has_arms = servers.iter().any(|server| server.arm == Some(Reuse::Nothing));
    let named = |server: &Rates, mut row: Vec<Cell>| {
        if has_arms {
            let arm = server.arm.map(|arm| if arm == Reuse::Usual { "with" } else { "without" });
            row.insert(0, Cell::known(arm, |arm| Cell::Words(arm.into())));
        }
        if is_named {
            row.insert(0, Cell::Words(server.server.clone()));
        }
        row
    };
    let rows = servers.iter().flat_map(|server| server.steps.iter().map(|step| named(server, row(step))));
    let rows = if is_several { rows.collect() } else { Vec::new() };
    if has_arms {
        columns.insert(0, Column::words("cache", "cache").whole());
    }
    if is_named {
        columns.insert(0, Column::words("server", "server"));
    }
    let title = "Load at several rates: ttft_from_due, from the scheduled moment on".into();
    Table { name: "rates", title, is_detail: false, columns, rows }
}

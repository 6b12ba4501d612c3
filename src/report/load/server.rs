//! Where the time to first token went inside the server, by its own clocks: for each request where the answer tells, else
//! on average over the run, from the histograms of its `/metrics`.

use super::tally::{Tally, Timed};
use super::{CONFIDENCE, Load};
use crate::report::data::Data;
use crate::report::model::{label_column, labelled};
use crate::report::table::{Cell, Column, Table};
use crate::stats::{quantile, sorted};

pub(super) fn table(data: &Data, loads: &[&Load<'_>]) -> Table {
    let mut columns = vec![
        Column::words("part", "part"),
        Column::number("requests", "n"),
        Column::number("mean_ns", "mean"),
        Column::number("p50_ns", "p50"),
        Column::number("p99_ns", "p99"),
        Column::words("told_by", "told by"),
    ];
    let rows = loads
        .iter()
        .flat_map(|load| rows(load.tally).into_iter().map(|row| labelled(data, load.log, row)).collect::<Vec<_>>());
    let rows = rows.collect();
    label_column(data, &mut columns);
    let title = "Inside the server, by its own clocks".into();
    Table { name: "load_server", title, is_detail: false, columns, rows }
}

fn rows(tally: &Tally) -> Vec<Vec<Cell>> {
    let told = &tally.server;
    let by_answer = [("queue", &told.queue), ("prefill", &told.prefill), ("rest", &told.rest)];
    let mut rows: Vec<Vec<Cell>> =
        by_answer.iter().filter(|(_, times)| !times.is_empty()).map(|(part, times)| of_answers(part, times)).collect();
    if rows.is_empty()
        && let Some(spans) = tally.spans()
    {
        let by_metrics = [("queue", spans.queue), ("prefill", spans.prefill), ("server ttft", spans.ttft)];
        let known = by_metrics.into_iter().filter_map(|(part, span)| Some((part, span?.requests, span?.mean()?)));
        rows.extend(known.map(|(part, requests, mean)| of_metrics(part, requests, mean)));
        // The client's mean is of the same requests only when nobody else's are among the server's.
        let ttft = tally.all(Timed::Ttft);
        let rest = spans.ttft.filter(|span| span.requests == ttft.len() as u64).and_then(|span| {
            let mean = ttft.iter().sum::<f64>() / ttft.len() as f64;
            Some(mean - span.mean()?)
        });
        rows.extend(rest.map(|rest| of_metrics("rest", ttft.len() as u64, rest)));
    }
    rows
}

fn of_answers(part: &str, times: &[f64]) -> Vec<Cell> {
    let times = sorted(times);
    let at = |p| {
        let carried = quantile::is_bounded_above(times.len(), p, CONFIDENCE);
        Cell::known(quantile::quantile(&times, p).filter(|_| carried), Cell::Time)
    };
    let mean = times.iter().sum::<f64>() / times.len() as f64;
    let n = Cell::Count(times.len() as u64);
    vec![Cell::Words(part.into()), n, Cell::Time(mean), at(0.5), at(0.99), Cell::Words("answers".into())]
}

fn of_metrics(part: &str, requests: u64, mean: f64) -> Vec<Cell> {
    let by = Cell::Words("/metrics".into());
    vec![Cell::Words(part.into()), Cell::Count(requests), Cell::Time(mean), Cell::Missing, Cell::Missing, by]
}

/// That the server's clocks counted requests which are not ours.
pub(super) fn remark(tally: &Tally) -> Option<String> {
    let spans = tally.spans()?;
    let counted = spans.ttft.or(spans.queue)?.requests;
    // A run that was stopped left requests behind that the server had begun.
    let ours = tally.sent();
    (counted > ours).then(|| {
        format!(
            "the server's own clocks counted {counted} requests while {ours} of these were sent: others use it too."
        )
    })
}

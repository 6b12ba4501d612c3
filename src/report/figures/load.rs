//! A run under load: the time to first token from the scheduled moment, against the rate, over the run, and as a
//! distribution.

use super::super::data::{Data, Entry};
use super::super::load::rates::{Rates, SHOWN};
use super::super::load::{from_due, is_load, is_search};
use super::super::units;
use super::{ecdf, mark, time_axis};
use crate::chart::{Across, Axis, Figure, Interval, Law, Mark, Rule, Series, Shape};
use crate::evidence::Found;
use crate::plan::Role;

/// Against the rate: the quantiles of each server, with the knee. `None` below two rates.
pub(super) fn rates(data: &Data) -> Option<Figure> {
    let servers = Rates::all(data);
    let is_alone = servers.len() == 1;
    let series =
        servers.iter().enumerate().flat_map(|(nth, server)| quantiles(server, &server.name(&servers), nth, is_alone));
    servers.iter().any(|server| server.steps.len() >= 2).then(|| Figure {
        name: "load".into(),
        title: "Time to first token against the rate of requests".into(),
        caption: match is_alone {
            true => "From the scheduled moment on, with 95 % intervals; beyond the knee requests queue up.".into(),
            false => "From the scheduled moment on; p50 solid, p99 dashed, with 95 % intervals.".into(),
        },
        x: Axis { label: "requests a second".into(), law: Law::Linear, tick: units::count_tick, include: vec![0.0] },
        y: time_axis("TTFT from the scheduled moment", Law::Log),
        series: series.collect(),
        rules: servers.iter().flat_map(|server| knee(server).into_iter().chain(limit(server, &servers))).collect(),
    })
}

/// Each quantile that the samples carry. Alone, quantiles have colours; beside each other, servers have, and the tail is
/// drawn open.
fn quantiles(server: &Rates, whose: &str, nth: usize, is_alone: bool) -> Vec<Series> {
    let shown = SHOWN.iter().enumerate().filter(|(_, (p, _))| is_alone || *p != 0.9);
    let one = |(place, (p, name)): (usize, &(f64, &str))| {
        let steps = || server.steps.iter().filter_map(|step| Some((step, step.quantile(*p)?)));
        let points: Vec<(f64, f64)> = steps().map(|(step, ns)| (step.per_second, ns)).collect();
        let band = steps().filter_map(|(step, _)| {
            let interval = step.interval(*p)?;
            Some(Interval { x: step.per_second, low: interval.low, high: interval.high })
        });
        let open = !is_alone && place > 0;
        let name = if is_alone { (*name).to_owned() } else { format!("{whose} {name}") };
        let line = Shape::Line { points: points.clone(), dashed: open };
        let shapes = vec![line, Shape::Knots(points.clone()), Shape::Band(band.collect())];
        (!points.is_empty()).then_some(Series { name, hue: if is_alone { place } else { nth }, open, shapes })
    };
    shown.filter_map(one).collect()
}

fn knee(server: &Rates) -> Option<Rule> {
    let knee = server.knee()?;
    let whose = if server.server.is_empty() { String::new() } else { format!("{} ", server.server) };
    let label = format!("{whose}knee {} to {}", units::number(knee.low), units::rate(knee.high));
    Some(Rule { across: Across::X, at: f64::midpoint(knee.low, knee.high), label })
}

/// The highest rate that keeps what was asked for.
fn limit(server: &Rates, all: &[Rates]) -> Option<Rule> {
    let at = server.limit?;
    let label = format!("SLO {} to {}", server.name(all), units::rate(at));
    Some(Rule { across: Across::X, at, label })
}

/// Over the run, by what was found in the cache: a server that cannot keep up shows as a slope. `None` unless all logs are
/// of load.
pub(super) fn over_time(data: &Data) -> Option<Figure> {
    let moment = |entry: &Entry| {
        let stamps = &entry.sample.as_ref()?.stamps;
        stamps.due_ns.or(stamps.sent_ns)
    };
    let begin = |log: usize, session: usize| {
        let of = data.logs[log].entries.iter().filter(|e| e.session == session && e.role == Role::Measure);
        of.filter_map(moment).min().unwrap_or_default()
    };
    let mut begins: Vec<Vec<u64>> = Vec::new();
    for (log, of) in data.logs.iter().enumerate() {
        let sessions = of.entries.last().map_or(0, |entry| entry.session + 1);
        begins.push((0..sessions).map(|session| begin(log, session)).collect());
    }
    let dot = |log: usize, entry: &Entry| -> Option<Mark> {
        let since = moment(entry)?.checked_sub(begins[log][entry.session])?;
        Some(mark(entry, since as f64, from_due(entry)?))
    };
    let series = by_what_was_found(data, &|log, entries| {
        vec![Shape::Dots(entries.iter().filter_map(|entry| dot(log, entry)).collect())]
    })?;
    Some(Figure {
        name: "order".into(),
        title: "TTFT from the scheduled moment, over the run".into(),
        caption: "A slope is a queue that grows; each dot is one request.".into(),
        x: time_axis("time since the first request was due", Law::Linear),
        y: time_axis("TTFT from the scheduled moment", Law::Log),
        series,
        rules: Vec::new(),
    })
}

/// The share of requests that had their first token by a given time, by what was found. `None` unless all logs are of
/// load.
pub(super) fn distribution(data: &Data) -> Option<Figure> {
    let steps = |entries: &[&Entry]| ecdf::steps(entries.iter().filter_map(|entry| from_due(entry)).collect());
    let series = by_what_was_found(data, &|_, entries| vec![Shape::Steps(steps(entries))])?;
    Some(Figure { x: time_axis("TTFT from the scheduled moment", Law::Log), ..ecdf::of(series, "") })
}

/// A series for what was found in one log, or for each of several.
fn by_what_was_found(data: &Data, shapes: &dyn Fn(usize, &[&Entry]) -> Vec<Shape>) -> Option<Vec<Series>> {
    // The levels of a search are not one distribution, and not one run.
    let is_run = |log: usize| is_load(data, log) && !is_search(data, log);
    if data.logs.is_empty() || !(0..data.logs.len()).all(is_run) {
        return None;
    }
    let measured = |log: usize| -> Vec<&Entry> {
        data.logs[log].entries.iter().filter(|e| e.role == Role::Measure && from_due(e).is_some()).collect()
    };
    let drawn = if data.is_labelled() {
        let one = |log: usize| {
            let name = data.logs[log].label.clone();
            Series { name, hue: log, open: false, shapes: shapes(log, &measured(log)) }
        };
        (0..data.logs.len()).map(one).collect()
    } else {
        let kinds =
            [("cold", Some(Found::Cold), 0), ("hit", Some(Found::Hit), 1), ("partial hit", Some(Found::Partial), 3)];
        let unknown = [("unknown", Some(Found::Unknown), 4), ("not judged", None, 4)];
        let all = measured(0);
        let one = |(name, found, hue): (&str, Option<Found>, usize)| {
            let mine = all.iter().copied().filter(|e| e.evidence.as_ref().map(|evidence| evidence.found) == found);
            let mine: Vec<&Entry> = mine.collect();
            (!mine.is_empty()).then(|| Series { name: name.into(), hue, open: false, shapes: shapes(0, &mine) })
        };
        kinds.into_iter().chain(unknown).filter_map(one).collect()
    };
    Some(drawn)
}

//! Load at several rates, one session or one log each: the times from the scheduled moment at each rate, and the knee.
//!
//! The knee lies between two neighbouring rates: the last at which p90 is at most twice what it is at the lowest rate, and
//! the first above it. Where too few requests were sent for a p90, the median takes its place.

use std::collections::BTreeMap;

use super::{Tally, from_due, is_load};
use crate::plan::Role;
use crate::report::data::{Data, Entry};
use crate::report::table::{Cell, Column, Table};
use crate::report::units;
use crate::stats::{Interval, quantile, sorted};

/// A server under load, at one rate or more.
#[derive(Debug)]
pub(in crate::report) struct Rates {
    /// What the reader called the server; empty where there is but one.
    pub name: String,
    /// By growing rate.
    pub steps: Vec<Step>,
}

/// What one rate did.
#[derive(Debug)]
pub(in crate::report) struct Step {
    /// Requests a second that the schedule asked for; in a closed loop, that were sent.
    pub per_second: f64,
    /// TTFT from the scheduled moment, in nanoseconds, sorted.
    times: Vec<f64>,
    failed: usize,
}

/// Between which rates TTFT begins to grow.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::report) struct Knee {
    pub low: f64,
    pub high: f64,
    /// p90 or the median at the lowest rate, in nanoseconds.
    pub base_ns: f64,
    pub base_per_second: f64,
    pub p: f64,
}

/// How many times its value at the lowest rate p90 has at the knee.
const GROWTH: f64 = 2.0;

/// The quantiles that a figure shows.
pub(in crate::report) const SHOWN: [(f64, &str); 3] = [(0.5, "p50"), (0.9, "p90"), (0.99, "p99")];

/// A tail is shown when the largest of the sample lies above it with this confidence.
const CONFIDENCE: f64 = 0.95;

impl Rates {
    /// One for each server that was measured under load.
    pub(in crate::report) fn all(data: &Data) -> Vec<Rates> {
        let mut servers: BTreeMap<String, (usize, Vec<Step>)> = BTreeMap::new();
        for log in (0..data.logs.len()).filter(|log| is_load(data, *log)) {
            let (_, steps) = servers.entry(key(data, log)).or_insert_with(|| (log, Vec::new()));
            let of = &data.logs[log];
            // Shards are one run at one rate, whatever part of it each sent.
            match of.load.as_ref().filter(|load| of.is_digested() || load.is_sharded) {
                Some(tally) => steps.extend(Step::digested(tally)),
                None => steps.extend(of.sessions().iter().filter_map(|session| Step::of(session))),
            }
        }
        let is_one = servers.len() == 1;
        let mut servers: Vec<_> = servers.into_iter().filter(|(_, (_, steps))| !steps.is_empty()).collect();
        servers.sort_by_key(|(_, (log, _))| *log);
        let of = |(key, (log, mut steps)): (String, (usize, Vec<Step>))| {
            steps.sort_by(|one, other| one.per_second.total_cmp(&other.per_second));
            let name = match (is_one, is_given(data, log)) {
                (true, _) => String::new(),
                (false, true) => key,
                (false, false) => data.logs[log].label.clone(),
            };
            Rates { name, steps }
        };
        servers.into_iter().map(of).collect()
    }

    /// `None` below three rates, or where nothing was answered at the lowest.
    pub(in crate::report) fn knee(&self) -> Option<Knee> {
        let first = self.steps.first().filter(|_| self.steps.len() >= 3)?;
        let carries = |p: &&f64| self.steps.iter().all(|step| step.quantile(**p).is_some());
        let p = *[0.9, 0.5].iter().find(carries)?;
        let base_ns = first.quantile(p)?;
        let is_grown = |step: &&Step| step.quantile(p).is_none_or(|ns| ns > GROWTH * base_ns);
        let above = self.steps.iter().position(|step| is_grown(&step))?;
        let low = self.steps[above.checked_sub(1)?].per_second;
        Some(Knee { low, high: self.steps[above].per_second, base_ns, base_per_second: first.per_second, p })
    }

    /// Where the knee is, or that there is none up to the highest rate; `None` with too few rates to say.
    pub(in crate::report) fn finding(&self) -> Option<String> {
        let whose = if self.name.is_empty() { String::new() } else { format!("{}: ", self.name) };
        let (first, last) = (self.steps.first()?, self.steps.last()?);
        let Some(Knee { low, high, base_ns, base_per_second, p }) = self.knee() else {
            let (base, top) = (first.quantile(0.5)?, last.quantile(0.5)?);
            return (self.steps.len() >= 3).then(|| {
                format!(
                    "{whose}No knee up to {}: the median from the scheduled moment is {} there, and {} at {}.",
                    units::rate(last.per_second),
                    units::span(top),
                    units::span(base),
                    units::rate(first.per_second)
                )
            });
        };
        let what = if p == 0.5 { "the median" } else { "p90" };
        Some(format!(
            "{whose}The knee lies between {} and {}: {what} from the scheduled moment grows to more than twice the {} \
             that it is at {}.",
            units::rate(low),
            units::rate(high),
            units::span(base_ns),
            units::rate(base_per_second)
        ))
    }
}

impl Step {
    /// Of one session; `None` where it has no two requests to make a rate of.
    fn of(session: &[&Entry]) -> Option<Step> {
        let measured: Vec<&&Entry> = session.iter().filter(|entry| entry.role == Role::Measure).collect();
        let moment = |entry: &&&Entry| {
            let stamps = &entry.sample.as_ref()?.stamps;
            stamps.due_ns.or(stamps.sent_ns)
        };
        let moments: Vec<u64> = measured.iter().filter_map(moment).collect();
        let span = moments.iter().max()?.checked_sub(*moments.iter().min()?).filter(|span| *span > 0)?;
        let times = sorted(&measured.iter().filter_map(|entry| from_due(entry)).collect::<Vec<_>>());
        Some(Step {
            per_second: (moments.len() - 1) as f64 / (span as f64 / 1e9),
            failed: measured.iter().filter(|entry| entry.failure().is_some()).count(),
            times,
        })
    }

    /// Of a log of which nothing but its figures is kept; its sessions are taken for one.
    fn digested(tally: &Tally) -> Option<Step> {
        let per_second = tally.asked_rate().or_else(|| tally.sent_rate())?;
        let failed = tally.failures.iter().map(|(_, n)| *n as usize).sum();
        Some(Step { per_second, times: tally.first_token().1, failed })
    }

    /// `None` where so few requests cannot carry it.
    pub(in crate::report) fn quantile(&self, p: f64) -> Option<f64> {
        let is_carried = p <= 0.5 || quantile::is_bounded_above(self.times.len(), p, CONFIDENCE);
        quantile::quantile(&self.times, p).filter(|_| is_carried)
    }

    pub(in crate::report) fn interval(&self, p: f64) -> Option<Interval> {
        quantile::interval(&self.times, p, CONFIDENCE)
    }
}

/// Logs of one server belong together: those of one name, else of one endpoint and model. A number is no server's name but
/// the rate of a log, and whoever names logs so means one server.
fn key(data: &Data, log: usize) -> String {
    let of = &data.logs[log];
    let said = |key| of.condition(key).unwrap_or_default();
    match (is_given(data, log), of.label == of.path) {
        (true, _) => of.label.clone(),
        (false, true) => format!("{} {}", said("endpoint"), said("model")),
        (false, false) => said("model").to_owned(),
    }
}

fn is_given(data: &Data, log: usize) -> bool {
    let of = &data.logs[log];
    of.label != of.path && of.label.parse::<f64>().is_err()
}

/// Whether several logs have a row each in the table of rates, which then says the most of them.
pub(in crate::report) fn is_tabled(data: &Data) -> bool {
    data.is_labelled() && Rates::all(data).iter().any(|server| server.steps.len() >= 2)
}

/// A row for each rate; empty unless a server was measured at two.
pub(in crate::report) fn table(data: &Data) -> Table {
    let servers = Rates::all(data);
    let is_several = servers.iter().any(|server| server.steps.len() >= 2);
    let mut columns = vec![
        Column::number("requests_per_second", "requests/s"),
        Column::number("samples", "n"),
        Column::number("failed", "failed"),
        Column::number("ttft_from_due_p50_ns", "p50"),
        Column::number("ttft_from_due_p90_ns", "p90"),
        Column::number("ttft_from_due_p99_ns", "p99"),
        Column::number("ttft_from_due_p50_interval_95_ns", "95 % of p50"),
    ];
    let row = |step: &Step| {
        let mut cells =
            vec![Cell::Number(step.per_second), Cell::Count(step.times.len() as u64), Cell::Count(step.failed as u64)];
        cells.extend(SHOWN.map(|(p, _)| Cell::known(step.quantile(p), Cell::Time)));
        cells.push(Cell::known(step.interval(0.5), |i| Cell::Times(i.low, i.high)));
        cells
    };
    let is_named = servers.len() > 1;
    let named = |name: &str, mut row: Vec<Cell>| {
        if is_named {
            row.insert(0, Cell::Words(name.to_owned()));
        }
        row
    };
    let rows = servers.iter().flat_map(|server| server.steps.iter().map(|step| named(&server.name, row(step))));
    let rows = if is_several { rows.collect() } else { Vec::new() };
    if is_named {
        columns.insert(0, Column::words("server", "server"));
    }
    let title = "Load at several rates: ttft_from_due, from the scheduled moment on".into();
    Table { name: "rates", title, is_detail: false, columns, rows }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::{data, jsonl, load, only};
    use crate::report::{Report, text};

    const RATES: [f64; 5] = [4.0, 10.0, 18.0, 26.0, 32.0];

    fn at(per_second: f64) -> String {
        jsonl(&load(&format!("load {per_second}"), per_second, 300))
    }

    fn one_log() -> Data {
        data(&[("load", RATES.map(at).concat())])
    }

    #[test]
    fn sessions_of_one_log_and_logs_named_by_their_rate_have_the_same_curve() {
        let labels = RATES.map(|rate| rate.to_string());
        let logs: Vec<(&str, String)> = labels.iter().map(String::as_str).zip(RATES.map(at)).collect();
        for data in [one_log(), data(&logs)] {
            let [server] = &Rates::all(&data)[..] else { panic!("one server") };
            let asked: Vec<f64> = server.steps.iter().map(|step| step.per_second).collect();
            assert_eq!(asked.len(), RATES.len());
            // A Poisson schedule of 300 requests is off by 6 %.
            assert!(asked.iter().zip(RATES).all(|(found, asked)| (found / asked - 1.0).abs() < 0.25), "{asked:?}");
            let knee = server.knee().expect("a server that takes 33 a second has one");
            assert!(knee.low > 9.0 && knee.high < 36.0, "{knee:?}");
            assert!(
                Report::of(&data).findings[0].starts_with("The knee lies between "),
                "{:?}",
                Report::of(&data).findings
            );
        }
    }

    #[test]
    fn servers_with_names_have_a_curve_each() {
        let quick = [4.0, 10.0].map(at);
        let logs = [("vllm", quick[0].clone()), ("vllm", quick[1].clone()), ("sglang", at(4.0)), ("sglang", at(10.0))];
        let data = data(&logs);
        let servers = Rates::all(&data);
        let names: Vec<(&str, usize)> = servers.iter().map(|of| (of.name.as_str(), of.steps.len())).collect();
        assert_eq!(names, [("vllm", 2), ("sglang", 2)]);
        assert_eq!(servers[0].knee(), None, "two rates are no curve");
        assert_eq!(table(&data).rows.len(), 4);
    }

    #[test]
    fn a_server_that_keeps_up_has_no_knee_and_a_single_rate_no_table() {
        let data = data(&[("load", [2.0, 3.0, 4.0].map(at).concat())]);
        assert!(Rates::all(&data)[0].finding().is_some_and(|said| said.starts_with("No knee up to ")));
        let single = only(&load("once", 4.0, 50));
        assert!(table(&single).rows.is_empty());
        assert!(Report::of(&single).figures.iter().all(|figure| figure.name != "load"));
    }

    #[test]
    fn a_tail_that_so_few_requests_cannot_carry_is_not_drawn() {
        let few = only(&[load("a", 4.0, 40), load("b", 8.0, 40)].concat());
        let figure = Report::of(&few).figures.into_iter().find(|figure| figure.name == "load").expect("two rates");
        let names: Vec<&str> = figure.series.iter().map(|series| series.name.as_str()).collect();
        assert_eq!(names, ["p50", "p90"]);
    }

    #[test]
    fn the_text_of_load_at_several_rates() {
        insta::assert_snapshot!(text::write(&Report::of(&one_log())));
    }
}

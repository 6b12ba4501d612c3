//! Load at several rates, one session, one leg of a session or one log each: the times from the scheduled moment at each
//! rate, and the knee.
//!
//! The knee lies between two neighbouring rates: the last at which p90 is at most twice what it is at the lowest rate, and
//! the first above it. Where too few requests were sent for a p90, the median takes its place.

mod table;

use std::collections::BTreeMap;

use super::levels::{Levels, with};
use super::{Tally, from_due, is_load};
use crate::load::knee::{Kept, Load, Measured, Reuse};
use crate::plan::Role;
use crate::record::LegNote;
use crate::report::data::{Data, Entry};
use crate::report::units;
use crate::stats::{Interval, quantile, sorted};
pub(in crate::report) use table::{is_tabled, table};

/// A server under load, at one rate or more.
#[derive(Debug)]
pub(in crate::report) struct Rates {
    /// What the reader called the server; empty where there is but one.
    pub server: String,
    /// The arm of a search for the knee, which says itself what was found.
    pub arm: Option<Reuse>,
    /// By growing rate.
    pub steps: Vec<Step>,
    /// The highest rate that keeps the limits that were asked for, in a search.
    pub limit: Option<f64>,
}

/// What one rate did.
#[derive(Debug)]
pub(in crate::report) struct Step {
    /// Requests a second that the schedule asked for; in a closed loop, that were sent.
    pub per_second: f64,
    /// TTFT from the scheduled moment, in nanoseconds, sorted.
    times: Vec<f64>,
    failed: usize,
    /// As a share of what a burst got through, in a search for the knee.
    of_ceiling: Option<f64>,
    /// How many kept the limits that were asked for, in a search.
    kept: Option<Kept>,
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
        let mut servers: BTreeMap<(String, Option<Reuse>), (usize, Vec<Step>)> = BTreeMap::new();
        for log in (0..data.logs.len()).filter(|log| is_load(data, *log)) {
            let of = &data.logs[log];
            let levels = of.load.as_ref().map(|load| &load.levels);
            let is_level = |session: usize| levels.is_some_and(|levels| levels.has(session));
            let mut add = |reuse: Option<Reuse>, steps: Vec<Step>| {
                servers.entry((key(data, log), reuse)).or_insert_with(|| (log, Vec::new())).1.extend(steps);
            };
            for (levels, reuse) in
                levels.into_iter().flat_map(|levels| levels.arms().into_iter().map(move |of| (levels, of)))
            {
                add(Some(reuse), Rates::of_levels(levels, reuse).steps);
            }
            // Shards are one run at one rate, whatever part of it each sent.
            let is_search = levels.is_some_and(|levels| !levels.is_empty());
            match of.load.as_ref().filter(|load| !is_search && (of.is_digested() || load.is_sharded)) {
                Some(tally) => add(None, Step::digested(tally).into_iter().collect()),
                None => {
                    let sessions = of.sessions().into_iter().filter(|session| !is_level(session[0].session));
                    let legs = |session: &[&Entry]| {
                        let note = of.loads.iter().find(|(number, _)| *number == session[0].session);
                        note.map_or(&[][..], |(_, note)| &note.legs)
                    };
                    let steps = sessions.flat_map(|session| by_leg(&session, legs(&session)));
                    add(None, steps.filter_map(|step| Step::of(&step)).collect());
                }
            }
        }
        let mut servers: Vec<_> = servers.into_iter().filter(|(_, (_, steps))| !steps.is_empty()).collect();
        servers.sort_by_key(|((_, reuse), (log, _))| (*log, *reuse));
        let is_one = servers.iter().all(|((key, _), _)| *key == servers[0].0.0);
        let of = |((key, reuse), (log, mut steps)): ((String, Option<Reuse>), (usize, Vec<Step>))| {
            steps.sort_by(|one, other| one.per_second.total_cmp(&other.per_second));
            let server = match (is_one, is_given(data, log)) {
                (true, _) => String::new(),
                (false, true) => key,
                (false, false) => data.logs[log].label.clone(),
            };
            let levels = reuse.and_then(|_| data.logs[log].load.as_ref()).map(|load| &load.levels);
            let limit = levels.zip(reuse).and_then(|(levels, reuse)| levels.limit(reuse)?.value);
            Rates { server, arm: reuse, steps, limit }
        };
        servers.into_iter().map(of).collect()
    }

    /// The levels of one arm of a search.
    pub(in crate::report) fn of_levels(levels: &Levels, reuse: Reuse) -> Rates {
        let mut steps: Vec<Step> =
            levels.rates(reuse).filter_map(|level| Step::of_level(level, levels.asked())).collect();
        steps.sort_by(|one, other| one.per_second.total_cmp(&other.per_second));
        Rates { server: String::new(), arm: Some(reuse), steps, limit: None }
    }

    /// What tells it from the others of `all`; empty where it is alone.
    pub(in crate::report) fn name(&self, all: &[Rates]) -> String {
        let arm = self.arm.filter(|_| all.len() > 1).map_or("", with);
        format!("{} {arm}", self.server).trim().to_owned()
    }

    /// `None` below three rates, or where nothing was answered at the lowest.
    pub(in crate::report) fn knee(&self) -> Option<Knee> {
        // Without the cache a search tries the rates that its limits need, and half the ceiling may not be one of them.
        let first = self.steps.first().filter(|_| self.steps.len() >= 3 && self.arm != Some(Reuse::Nothing))?;
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
        let whose = if self.server.is_empty() { String::new() } else { format!("{}: ", self.server) };
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
            of_ceiling: None,
            kept: None,
        })
    }

    /// Of a log of which nothing but its figures is kept; its sessions are taken for one.
    fn digested(tally: &Tally) -> Option<Step> {
        let per_second = tally.asked_rate().or_else(|| tally.sent_rate())?;
        let failed = tally.failures.iter().map(|(_, n)| *n as usize).sum();
        Some(Step { per_second, times: tally.first_token().1, failed, of_ceiling: None, kept: None })
    }

    fn of_level(level: &Measured, asked: Option<f64>) -> Option<Step> {
        let Load::Rate { per_second, of_ceiling } = level.of.load else { return None };
        let kept = asked.and_then(|asked| level.kept(asked));
        Some(Step { per_second, times: level.times(), failed: level.failed(), of_ceiling: Some(of_ceiling), kept })
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

/// The requests of a session by the leg of its rate in which they were due; all of them together where it never changes.
fn by_leg<'a>(session: &[&'a Entry], legs: &[LegNote]) -> Vec<Vec<&'a Entry>> {
    let ends = legs.iter().scan(0.0, |end, leg| {
        *end += leg.seconds.unwrap_or(f64::INFINITY);
        Some(*end)
    });
    let ends: Vec<f64> = ends.collect();
    let leg = |entry: &Entry| {
        let stamps = &entry.sample.as_ref()?.stamps;
        let seconds = stamps.due_ns?.saturating_sub(stamps.start_ns?) as f64 / 1e9;
        Some(ends.partition_point(|end| *end <= seconds))
    };
    let mut steps = vec![Vec::new(); legs.len().max(1)];
    for entry in session {
        let at = leg(entry).unwrap_or(0).min(steps.len() - 1);
        steps[at].push(*entry);
    }
    steps
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

#[cfg(test)]
mod tests;

//! Which requests kept the limits that were asked for, and how many a second they were: the goodput.
//!
//! A request that failed keeps nothing. One whose server does not tell what a limit needs is unknown, and keeps nothing
//! that could be counted on.

use super::CONFIDENCE;
use super::tally::Timed;
use crate::cli::slo::Slo;
use crate::record::SloNote;
use crate::report::units;
use crate::sample::Sample;
use crate::stats::proportion;

/// What became of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) kept: u64,
    pub(super) unknown: u64,
    pub(super) requests: u64,
}

/// Whether an SLO was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    Kept,
    Missed,
    /// For so many requests it is not known that either could be.
    Unknown,
}

impl Kept {
    pub(super) fn merge(&mut self, other: Kept) {
        self.kept += other.kept;
        self.unknown += other.unknown;
        self.requests += other.requests;
    }

    pub(super) fn take(&mut self, slo: &Slo, sample: &Sample) {
        self.requests += 1;
        match keeps(slo, sample) {
            Some(true) => self.kept += 1,
            Some(false) => {}
            None => self.unknown += 1,
        }
    }

    pub(super) fn gate(self, share: f64) -> Gate {
        let reaches = |kept: u64| kept as f64 >= share * self.requests as f64;
        match (reaches(self.kept), reaches(self.kept + self.unknown)) {
            _ if self.requests == 0 => Gate::Unknown,
            (true, _) => Gate::Kept,
            (false, true) => Gate::Unknown,
            (false, false) => Gate::Missed,
        }
    }

    pub(super) fn sentence(self, asked: &SloNote, seconds: Option<f64>) -> String {
        let share = units::share(self.kept as f64 / self.requests.max(1) as f64);
        let interval = proportion::interval(self.kept, self.requests, CONFIDENCE)
            .map(|i| format!(" (95 % interval {} to {})", units::share(i.low), units::share(i.high)));
        let goodput = seconds
            .map(|seconds| format!(", a goodput of {} requests a second", units::number(self.kept as f64 / seconds)));
        let asks = units::share(asked.share);
        let so = match self.gate(asked.share) {
            Gate::Kept => format!("The SLO asks for {asks}: kept."),
            Gate::Missed => format!("The SLO asks for {asks}: missed."),
            Gate::Unknown => format!("The SLO asks for {asks}: unknown, as {} requests do not tell.", self.unknown),
        };
        format!(
            "{share} of the requests kept {}{}{}. {so}",
            asked.slo,
            interval.unwrap_or_default(),
            goodput.unwrap_or_default()
        )
    }
}

/// `None` where it cannot be known. One limit that is broken decides, whatever the others are.
pub(super) fn keeps(slo: &Slo, sample: &Sample) -> Option<bool> {
    if sample.ttft_ns().is_none() {
        return Some(false);
    }
    let late = sample.stamps.due_ns.zip(sample.stamps.sent_ns).map_or(0, |(due, sent)| sent.saturating_sub(due)) as f64;
    // An answer of one token has no gap to be too long.
    let is_one = sample.token_events <= 1;
    let longest = || sample.longest_gap_ns().map(|ns| ns as f64).or(is_one.then_some(0.0));
    let limits = [
        (slo.ttft_ns, Timed::Ttft.of(sample).map(|ns| ns + late)),
        (slo.itl_ns, longest()),
        (slo.tpot_ns, Timed::Tpot.of(sample).or(is_one.then_some(0.0))),
        (slo.e2e_ns, Timed::E2eLatency.of(sample).map(|ns| ns + late)),
    ];
    let held = limits.into_iter().filter_map(|(limit, time)| Some((limit?, time)));
    let held: Vec<Option<bool>> = held.map(|(limit, time)| time.map(|time| time <= limit as f64)).collect();
    if held.contains(&Some(false)) { Some(false) } else { held.into_iter().collect::<Option<Vec<_>>>().map(|_| true) }
}

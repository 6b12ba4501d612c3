//! What a run under load has come to so far, and in its last seconds: a state without I/O, which somebody draws.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::clock::{Nanos, Stamp};
use crate::evidence::Found;
use crate::plan::Arm;
use crate::sample::Sample;
use crate::stats::{quantile, sorted};

/// What counts as the last seconds.
pub const WINDOW: Duration = Duration::from_secs(10);

/// Most requests of the window that are looked at; at a higher rate the window is shorter.
const MOST: usize = 4_096;

/// Columns of a history, a second each.
const SECONDS: usize = 60;

/// The state of a run.
#[derive(Debug, Clone)]
pub struct Board {
    started: Stamp,
    /// Requests in all, where that is known.
    pub total: Option<u64>,
    /// Requests a second that the schedule asks for; `None` in a closed loop.
    pub asked_rate: Option<f64>,
    pub sent: u64,
    pub ended: u64,
    /// Sent and not ended.
    pub under_way: u64,
    pub answered: u64,
    pub meant_hits: u64,
    pub hits: u64,
    /// Answered requests of which it is not known what they found.
    pub unknown: u64,
    /// By the outcome's name.
    pub failures: BTreeMap<&'static str, u64>,
    sends: VecDeque<Stamp>,
    tokens: VecDeque<First>,
    lags: VecDeque<(Stamp, Nanos)>,
    history: VecDeque<Second>,
}

/// A first token.
#[derive(Debug, Clone, Copy)]
struct First {
    at: Stamp,
    arm: Arm,
    ns: Nanos,
}

/// The mean times to first token of one second, by arm.
#[derive(Debug, Clone, Copy, Default)]
struct Second {
    number: u64,
    cold: Mean,
    hit: Mean,
}

#[derive(Debug, Clone, Copy, Default)]
struct Mean {
    sum: Nanos,
    n: u64,
}

/// The last seconds of one arm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recent {
    pub n: usize,
    pub p50_ns: f64,
    /// `None` where so few cannot carry it.
    pub p99_ns: Option<f64>,
}

impl Board {
    pub fn new(started: Stamp, total: Option<u64>, asked_rate: Option<f64>) -> Board {
        Board {
            started,
            total,
            asked_rate,
            sent: 0,
            ended: 0,
            under_way: 0,
            answered: 0,
            meant_hits: 0,
            hits: 0,
            unknown: 0,
            failures: BTreeMap::new(),
            sends: VecDeque::new(),
            tokens: VecDeque::new(),
            lags: VecDeque::new(),
            history: VecDeque::new(),
        }
    }

    /// A request was handed over; one that goes out again without what the server refused is another.
    pub fn note_sent(&mut self, at: Stamp) {
        self.sent += 1;
        self.under_way += 1;
        keep(&mut self.sends, at, at, |at| *at);
    }

    /// A first token came, so long after its request was due.
    pub fn note_first_token(&mut self, at: Stamp, arm: Arm, ns: Nanos) {
        keep(&mut self.tokens, First { at, arm, ns }, at, |first| first.at);
        let number = at.since(self.started).unwrap_or(0) / 1_000_000_000;
        if self.history.back().is_none_or(|last| last.number < number) {
            self.history.push_back(Second { number, ..Second::default() });
        }
        while self.history.front().is_some_and(|first| first.number + (SECONDS as u64) <= number) {
            self.history.pop_front();
        }
        if let Some(second) = self.history.back_mut() {
            let mean = if arm == Arm::Hit { &mut second.hit } else { &mut second.cold };
            (mean.sum, mean.n) = (mean.sum + ns, mean.n + 1);
        }
    }

    /// What was handed over is over.
    pub fn note_back(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }

    /// A request ended, whether it was handed over or not.
    pub fn note_ended(&mut self, at: Stamp, sample: &Sample, found: Option<Found>) {
        self.ended += 1;
        self.meant_hits += u64::from(sample.arm == Arm::Hit);
        if let Some(lag) = sample.stamps.lag_ns() {
            keep(&mut self.lags, (at, lag), at, |lag| lag.0);
        }
        if sample.ttft_ns().is_none() {
            *self.failures.entry(sample.outcome.name()).or_default() += 1;
            return;
        }
        self.answered += 1;
        self.hits += u64::from(found == Some(Found::Hit));
        self.unknown += u64::from(found.is_none_or(|found| found == Found::Unknown));
    }

    pub fn elapsed(&self, now: Stamp) -> Duration {
        self.started.until(now)
    }

    /// Requests sent a second, of late.
    pub fn sent_rate(&self, now: Stamp) -> Option<f64> {
        let first = self.sends.iter().find(|at| is_recent(**at, now))?;
        let n = self.sends.iter().filter(|at| is_recent(**at, now)).count();
        // The window begins with the run.
        let begin = self.started.max(if self.sends.len() == MOST { *first } else { window_of(now) });
        let span = now.since(begin).filter(|span| *span > 0)?;
        Some(n as f64 / (span as f64 / 1e9))
    }

    /// `None` when the arm had no first token of late.
    pub fn recent(&self, arm: Arm, now: Stamp) -> Option<Recent> {
        let mine = self.tokens.iter().filter(|first| first.arm == arm && is_recent(first.at, now));
        let times = sorted(&mine.map(|first| first.ns as f64).collect::<Vec<_>>());
        let p99_ns = quantile::quantile(&times, 0.99).filter(|_| quantile::is_bounded_above(times.len(), 0.99, 0.95));
        Some(Recent { n: times.len(), p50_ns: quantile::quantile(&times, 0.5)?, p99_ns })
    }

    /// The 99th percentile of the client's own lag of late, in nanoseconds.
    pub fn lag_p99(&self, now: Stamp) -> Option<f64> {
        let recent = self.lags.iter().filter(|(at, _)| is_recent(*at, now));
        quantile::quantile(&sorted(&recent.map(|(_, lag)| *lag as f64).collect::<Vec<_>>()), 0.99)
    }

    /// The mean time to first token of each of the last 60 seconds, the latest last; 0 for one without any, which a chart
    /// of bars shows as none.
    pub fn history(&self, arm: Arm) -> Vec<u64> {
        let Some(last) = self.history.back() else { return Vec::new() };
        let first = last.number.saturating_sub(SECONDS as u64 - 1);
        let mut means = vec![0; (last.number - first + 1) as usize];
        for second in &self.history {
            let mean = if arm == Arm::Hit { second.hit } else { second.cold };
            means[(second.number - first) as usize] = mean.sum.checked_div(mean.n).unwrap_or(0);
        }
        means
    }
}

fn window_of(now: Stamp) -> Stamp {
    Stamp(now.0.saturating_sub(WINDOW.as_nanos() as Nanos))
}

fn is_recent(at: Stamp, now: Stamp) -> bool {
    at >= window_of(now)
}

/// Adds `item`, and drops what is no longer recent.
fn keep<T>(items: &mut VecDeque<T>, item: T, now: Stamp, at: impl Fn(&T) -> Stamp) {
    items.push_back(item);
    while items.len() > MOST || items.front().is_some_and(|first| !is_recent(at(first), now)) {
        items.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(seconds: f64) -> Stamp {
        Stamp((seconds * 1e9) as Nanos)
    }

    #[test]
    fn the_last_seconds_forget_what_lies_before() {
        let mut board = Board::new(second(100.0), Some(400), Some(10.0));
        for nth in 0..400 {
            let at = second(100.0 + f64::from(nth) / 10.0);
            board.note_sent(at);
            let arm = if nth % 2 == 0 { Arm::Hit } else { Arm::Cold };
            board.note_first_token(at, arm, if nth < 200 { 1_000 } else { 5_000 });
        }
        let now = second(140.0);
        assert_eq!((board.sent, board.under_way), (400, 400));
        assert!((board.sent_rate(now).unwrap() - 10.0).abs() < 0.2, "{:?}", board.sent_rate(now));
        let hit = board.recent(Arm::Hit, now).unwrap();
        assert_eq!((hit.p50_ns, hit.p99_ns), (5_000.0, None));
        assert_eq!(board.recent(Arm::Hit, second(200.0)), None);
        let history = board.history(Arm::Cold);
        assert_eq!((history.len(), history[0], history[39]), (40, 1_000, 5_000));
    }

    #[test]
    fn a_fast_run_keeps_no_more_than_it_needs() {
        let mut board = Board::new(second(0.0), None, None);
        for nth in 0..100_000u32 {
            board.note_sent(Stamp(u64::from(nth) * 10_000));
        }
        assert_eq!(board.sends.len(), MOST);
        // 100,000 a second, seen through the last 4,096.
        assert!((board.sent_rate(Stamp(1_000_000_000)).unwrap() / 1e5 - 1.0).abs() < 0.01);
    }
}

//! What one level of a search came to: the ceiling by its burst, or the share of its requests that kept the limits.
//!
//! The ceiling is the rate of answers while every stream had a request under way: from the first end to the last
//! hand-over. Of an open loop the first fifth is left out, while the queue finds its length.

use super::{Level, Load};
use crate::clock::Nanos;
use crate::load::validity::{Conduct, Fault, faults};
use crate::stats::{Interval, proportion, quantile, robust, sorted, variance};

const CONFIDENCE: f64 = 0.95;

/// One in so many requests of a level is left out at its beginning.
const LEFT_OUT: usize = 5;

/// Answers that make a ceiling.
const FEWEST_ENDS: usize = 20;

/// Parts of a burst whose rates say how well the ceiling is known, and the 97.5 % quantile of Student's t for them.
const PARTS: usize = 10;
const T_OF_PARTS: f64 = 2.262;

/// What one request showed. Moments count from the start of its level.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Answer {
    /// `None` in a burst.
    pub due_ns: Option<Nanos>,
    pub sent_ns: Option<Nanos>,
    /// `None` for a request that failed.
    pub end_ns: Option<Nanos>,
    /// From the scheduled moment; `None` in a burst, and for a request that failed.
    pub ttft_from_due_ns: Option<Nanos>,
    /// How late the client was.
    pub lag_ns: Option<Nanos>,
    /// Processor time that the client had used by its end, since the level's first hand-over.
    pub cpu_ns: Option<Nanos>,
    /// Whether it kept the limits; `None` where that is not known, or there are none.
    pub kept: Option<bool>,
}

/// A level and its requests.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    pub of: Level,
    pub answers: Vec<Answer>,
    /// That the client may use.
    pub processors: u64,
}

/// What a server gets through.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ceiling {
    pub per_second: f64,
    /// 95 %, by the parts of the burst; `None` of too few.
    pub interval: Option<Interval>,
    /// Answers that it was counted from.
    pub ends: usize,
}

/// How many requests kept the limits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Kept {
    pub requests: u64,
    pub kept: u64,
    /// Of the share that keeps them; what is not known may have kept them or not.
    pub interval: Interval,
    pub standing: Standing,
}

/// Whether a rate keeps the limits for as many requests as have to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Kept,
    Missed,
    /// So few requests do not tell.
    Undecided,
}

impl Kept {
    pub fn share(&self) -> f64 {
        self.kept as f64 / self.requests.max(1) as f64
    }
}

impl Measured {
    /// The requests that count, in the order they were due.
    pub fn counted(&self) -> Vec<&Answer> {
        let mut all: Vec<&Answer> = self.answers.iter().filter(|answer| answer.due_ns.is_some()).collect();
        all.sort_by_key(|answer| answer.due_ns);
        all.split_off(all.len() / LEFT_OUT)
    }

    /// `None` for what is no burst, or one of which too little was answered.
    pub fn ceiling(&self) -> Option<Ceiling> {
        let last_sent = self.answers.iter().filter_map(|answer| answer.sent_ns).max()?;
        let mut ends: Vec<Nanos> = self.answers.iter().filter_map(|answer| answer.end_ns).collect();
        ends.sort_unstable();
        ends.retain(|end| *end <= last_sent);
        let (first, last) = (*ends.first()?, *ends.last()?);
        let spans = ends.len() - 1;
        if self.of.load != Load::Burst || ends.len() < FEWEST_ENDS || last == first {
            return None;
        }
        let per_second = spans as f64 / ((last - first) as f64 / 1e9);
        let part = spans / PARTS;
        let rates: Vec<f64> = (0..PARTS)
            .filter_map(|nth| ends[(nth + 1) * part].checked_sub(ends[nth * part]).filter(|span| *span > 0))
            .map(|span| part as f64 / (span as f64 / 1e9))
            .collect();
        let interval = (rates.len() == PARTS).then(|| {
            let half = T_OF_PARTS * (variance(&rates) / PARTS as f64).sqrt();
            Interval { low: (per_second - half).max(0.0), high: per_second + half }
        });
        Some(Ceiling { per_second, interval, ends: ends.len() })
    }

    /// Of the requests that count; `None` where there are none. `asked` is the share that has to keep the limits.
    pub fn kept(&self, asked: f64) -> Option<Kept> {
        let counted = self.counted();
        let requests = counted.len() as u64;
        let with = |unknown: bool| counted.iter().filter(|a| a.kept.unwrap_or(unknown)).count() as u64;
        let (kept, most) = (with(false), with(true));
        // Requests of one queue are late together. Their times tell so even where all of them kept the limits.
        let times: Vec<f64> = counted.iter().filter_map(|a| a.ttft_from_due_ns).map(|ns| ns as f64).collect();
        let missed: Vec<f64> = counted.iter().map(|a| f64::from(u8::from(a.kept != Some(true)))).collect();
        let effect = proportion::design_effect(&times).max(proportion::design_effect(&missed));
        let interval = |kept| proportion::interval_of_alike(kept, requests, effect, CONFIDENCE);
        let interval = Interval { low: interval(kept)?.low, high: interval(most)?.high };
        let standing = match interval {
            Interval { low, .. } if low >= asked => Standing::Kept,
            Interval { high, .. } if high < asked => Standing::Missed,
            _ => Standing::Undecided,
        };
        Some(Kept { requests, kept, interval, standing })
    }

    /// TTFT from the scheduled moment of the requests that count, growing, in nanoseconds.
    pub fn times(&self) -> Vec<f64> {
        let times: Vec<f64> =
            self.counted().iter().filter_map(|answer| answer.ttft_from_due_ns).map(|ns| ns as f64).collect();
        sorted(&times)
    }

    /// Of the requests that count.
    pub fn failed(&self) -> usize {
        self.counted().iter().filter(|answer| answer.end_ns.is_none()).count()
    }

    /// What is wrong with the client's conduct.
    pub fn faults(&self) -> Vec<Fault> {
        let lags = sorted(&self.answers.iter().filter_map(|a| a.lag_ns).map(|ns| ns as f64).collect::<Vec<_>>());
        let times: Vec<f64> = self.answers.iter().filter_map(|a| a.ttft_from_due_ns).map(|ns| ns as f64).collect();
        faults(&Conduct {
            lag_p99_ns: quantile::quantile(&lags, 0.99).map(|ns| ns as Nanos),
            median_ttft_ns: robust::median(&times).map(|ns| ns as Nanos),
            cpu_share: self.cpu_share(),
        })
    }

    pub fn is_void(&self) -> bool {
        self.faults().into_iter().any(Fault::is_void)
    }

    /// Processors in use from the first hand-over to the last end, as a share of them all.
    fn cpu_share(&self) -> Option<f64> {
        let first = self.answers.iter().filter_map(|answer| answer.sent_ns).min()?;
        let (last, used) = self.answers.iter().filter_map(|answer| answer.end_ns.zip(answer.cpu_ns)).max()?;
        let elapsed = last.checked_sub(first).filter(|elapsed| *elapsed > 0)?;
        Some(used as f64 / elapsed as f64 / self.processors.max(1) as f64)
    }
}

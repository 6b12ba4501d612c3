//! Which curves a report shows, and at which places they are drawn. What they say is `crate::fit`'s.

use super::data::{Cell, Data};
use super::lengths::Sweep;
use crate::fit::{BreakEven, Fitted};
use crate::plan::Arm;
use crate::stats::Interval;
use crate::stats::curve;

/// Places at which a curve is drawn.
const PLACES: usize = 60;

/// The curves of a report and where they cross.
#[derive(Debug, Clone, Default)]
pub struct Curves {
    pub drawn: Vec<Drawn>,
    /// Where a hit begins to pay, by log.
    pub break_evens: Vec<(usize, BreakEven)>,
}

/// The curve of one log and arm.
#[derive(Debug, Clone)]
pub struct Drawn {
    pub log: usize,
    pub arm: Arm,
    pub fitted: Fitted,
}

impl Curves {
    /// What can be fitted. Where pairs were measured at several lengths, the curves are theirs, so that a figure shows what
    /// the sentence beside it says.
    pub fn of(data: &Data, sweeps: &[Sweep]) -> Curves {
        let arms = data.arms();
        let drawn: Vec<Drawn> = arms.iter().filter_map(|cells| Drawn::of(cells, sweeps)).collect();
        let of = |log: usize, arm: Arm| drawn.iter().find(|of| (of.log, of.arm) == (log, arm)).map(|of| &of.fitted);
        let both = (0..data.logs.len()).filter_map(|log| Some((log, of(log, Arm::Cold)?, of(log, Arm::Hit)?)));
        let break_evens = both.filter_map(|(log, cold, hit)| Some((log, BreakEven::of(cold, hit)?))).collect();
        Curves { drawn, break_evens }
    }

    pub fn drawn(&self, log: usize, arm: Arm) -> Option<&Drawn> {
        self.drawn.iter().find(|drawn| (drawn.log, drawn.arm) == (log, arm))
    }

    pub fn break_even(&self, log: usize) -> Option<&BreakEven> {
        self.break_evens.iter().find(|(of, _)| *of == log).map(|(_, found)| found)
    }
}

impl Drawn {
    /// The fit of one log's arm at all its lengths.
    fn of(measured: &[Cell], sweeps: &[Sweep]) -> Option<Drawn> {
        let (log, arm) = (measured.first()?.log, measured.first()?.arm);
        let of_pairs = sweeps.iter().find(|sweep| sweep.log == log).and_then(|sweep| sweep.fitted(arm));
        let fitted = match of_pairs {
            Some(fitted) => fitted.clone(),
            None => {
                let cell = |of: &Cell| curve::Cell { x: of.context_tokens as f64, values: of.times() };
                Fitted::of(arm, &measured.iter().map(cell).collect::<Vec<_>>())?
            }
        };
        Some(Drawn { log, arm, fitted })
    }

    /// From the shortest to the longest length measured, evenly on a logarithmic axis.
    pub fn places(&self) -> Vec<f64> {
        let lengths = &self.fitted.lengths;
        let (from, to) = lengths.first().copied().zip(lengths.last().copied()).unwrap_or_default();
        (0..=PLACES).map(|at| from * (to / from).powf(at as f64 / PLACES as f64)).collect()
    }

    pub fn band(&self) -> Vec<Interval> {
        self.fitted.band(&self.places())
    }
}

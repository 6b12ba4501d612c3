//! TTFT as a function of context length, `a + b n + c n^2` cold and `a + b n` on a hit, and where a hit begins to pay.

use super::data::{Cell, Data};
use crate::plan::Arm;
use crate::rng;
use crate::stats::Interval;
use crate::stats::curve::{self, Crossing, Curve};

/// Resampling is the costly part; beyond this many samples a band is hardly wider than the line that is drawn.
const RESAMPLED: usize = 500;
/// Places at which a curve is drawn.
const PLACES: usize = 60;
/// The seed of the resampling, so that a report of a log is always the same report.
const SEED: u64 = 1;

/// The curves of a report and where they cross.
#[derive(Debug, Clone, Default)]
pub struct Curves {
    pub fits: Vec<Fit>,
    pub break_evens: Vec<BreakEven>,
}

/// The curve of one log and arm.
#[derive(Debug, Clone)]
pub struct Fit {
    pub log: usize,
    pub arm: Arm,
    pub curve: Curve,
    /// From the shortest to the longest length measured, evenly on a logarithmic axis.
    pub places: Vec<f64>,
    /// The pointwise 95 % interval at the places; empty where too many samples make it idle.
    pub band: Vec<Interval>,
    cells: Vec<curve::Cell>,
}

/// Where a hit begins to pay in one log.
#[derive(Debug, Clone)]
pub struct BreakEven {
    pub log: usize,
    pub at: Crossing,
    /// About 90 % of such intervals hold the true length (`stats::curve`); `None` where too many samples make it idle.
    pub interval: Option<(Crossing, Crossing)>,
    /// The shortest and the longest length measured.
    pub range: Interval,
}

impl Curves {
    /// What can be fitted: an arm needs one length more than its curve has coefficients, since through fewer anything
    /// fits.
    pub fn of(data: &Data) -> Curves {
        let arms = data.arms();
        let fits: Vec<Fit> = arms.iter().filter_map(|cells| Fit::of(cells)).collect();
        let of = |log: usize, arm: Arm| fits.iter().find(|fit| (fit.log, fit.arm) == (log, arm));
        let both = (0..data.logs.len()).filter_map(|log| of(log, Arm::Cold).zip(of(log, Arm::Hit)));
        let break_evens = both.filter_map(|(cold, hit)| BreakEven::of(cold, hit)).collect();
        Curves { fits, break_evens }
    }

    pub fn fit(&self, log: usize, arm: Arm) -> Option<&Fit> {
        self.fits.iter().find(|fit| (fit.log, fit.arm) == (log, arm))
    }
}

impl Fit {
    /// The fit of one log's arm at all its lengths.
    fn of(measured: &[Cell]) -> Option<Fit> {
        let (first, last) = (measured.first()?, measured.last()?);
        let degree = degree(first.arm);
        let cells: Vec<curve::Cell> =
            measured.iter().map(|cell| curve::Cell { x: cell.context_tokens as f64, values: cell.times() }).collect();
        if cells.len() <= degree + 1 {
            return None;
        }
        let (from, to) = (first.context_tokens as f64, last.context_tokens as f64);
        let places: Vec<f64> = (0..=PLACES).map(|at| from * (to / from).powf(at as f64 / PLACES as f64)).collect();
        let band = match samples(&cells) {
            0..=RESAMPLED => curve::band(&cells, degree, &places, &mut rng::stream(SEED, "band")),
            _ => Vec::new(),
        };
        Some(Fit { log: first.log, arm: first.arm, curve: Curve::fit(&cells, degree)?, places, band, cells })
    }
}

impl BreakEven {
    fn of(cold: &Fit, hit: &Fit) -> Option<BreakEven> {
        let is_shared = |x: &f64| hit.cells.iter().any(|cell| cell.x == *x);
        let lengths: Vec<f64> = cold.cells.iter().map(|cell| cell.x).filter(is_shared).collect();
        let range = Interval { low: *lengths.first()?, high: *lengths.last()? };
        let interval = (samples(&cold.cells) + samples(&hit.cells) <= RESAMPLED).then(|| {
            curve::crossing_interval(&cold.cells, &hit.cells, 1.0, range, &mut rng::stream(SEED, "break_even"))
        });
        let at = cold.curve.stays_above(&hit.curve, 1.0, range);
        Some(BreakEven { log: cold.log, at, interval: interval.flatten(), range })
    }

    /// The length, where it lies among those measured.
    pub fn tokens(&self) -> Option<f64> {
        match self.at {
            Crossing::At(tokens) => Some(tokens),
            Crossing::Below | Crossing::Above => None,
        }
    }
}

fn samples(cells: &[curve::Cell]) -> usize {
    cells.iter().map(|cell| cell.values.len()).sum()
}

/// Prefill computes attention over all pairs of tokens; a hit only loads what is stored.
fn degree(arm: Arm) -> usize {
    match arm {
        Arm::Cold | Arm::Unseen => 2,
        Arm::Hit => 1,
    }
}

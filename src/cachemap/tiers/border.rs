//! Where one level ends and the next begins.
//!
//! A look at distance `d` speaks for one of two levels: its logarithm lies around one of them, normally distributed, or is
//! late (one in fifteen, evenly over a factor of four). Before any look the border lies anywhere within the two levels;
//! after each it lies at `c` with the likelihood of all nearer looks being quick and all farther ones slow. The next look
//! goes to the middle of what is left (Horstein, *Sequential transmission using noiseless feedback*, 1963), until 99 % lie
//! within two documents. A look that misled is outvoted by later ones, which a halving is not.

use crate::cachemap::fill::Documents;
use crate::cachemap::lab::{Lab, Stop};
use crate::plan::map::Stage;

const LATE: f64 = 1.0 / 15.0;
/// The logarithm of how late.
const LATENESS: f64 = 1.4;
const MOST_LOOKS: usize = 32;
const PRECISE: f64 = 0.01;
/// What is outside of the interval on each side.
const OUTSIDE: f64 = 0.005;

/// Two levels, as logarithms, and the distances between which one gives way to the other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Border {
    pub fast: f64,
    pub slow: f64,
    pub sigma: f64,
    pub range: (u64, u64),
    /// A look that misses is on neither level.
    pub only_hits: bool,
}

/// A border's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Placed {
    pub low: u64,
    pub middle: u64,
    pub high: u64,
}

impl Border {
    /// Looks until the border is placed. All looks are added to `looks`, as distance and logarithm of the time.
    pub async fn find(
        &self,
        lab: &mut Lab,
        documents: &mut Documents,
        looks: &mut Vec<(u64, f64)>,
    ) -> Result<Placed, Stop> {
        let mut placed = self.placed(looks);
        for _ in 0..MOST_LOOKS {
            let precise = (2 * documents.usual()).max((PRECISE * placed.high as f64) as u64);
            if placed.high - placed.low <= precise {
                break;
            }
            let inside = documents.by_distance().into_iter().filter(|(at, _)| placed.low < *at && *at < placed.high);
            let Some((distance, document)) = inside.min_by_key(|(at, _)| at.abs_diff(placed.middle)) else { break };
            let seen = documents.look(lab, Stage::Tiers, document).await?;
            if self.only_hits && !lab.levels.is_hit(&seen) {
                continue;
            }
            looks.push((distance, seen.ttft.ln()));
            placed = self.placed(looks);
        }
        Ok(placed)
    }

    /// Where it lies by the looks so far.
    fn placed(&self, looks: &[(u64, f64)]) -> Placed {
        let (first, last) = self.range;
        let mut inside: Vec<(u64, f64)> = looks.iter().copied().filter(|(at, _)| first <= *at && *at <= last).collect();
        inside.sort_unstable_by_key(|(at, _)| *at);
        // Behind each look, how much likelier than before all of them.
        let mut likelihood = 0.0;
        let mut pieces = vec![(first, 0.0)];
        for (at, log) in inside {
            likelihood += self.for_fast(log);
            pieces.push((at, likelihood));
        }
        let most = pieces.iter().map(|(_, l)| *l).fold(f64::NEG_INFINITY, f64::max);
        let ends = pieces.iter().skip(1).map(|(at, _)| *at).chain([last]);
        let masses: Vec<(u64, u64, f64)> = pieces
            .iter()
            .zip(ends)
            .map(|((from, l), to)| (*from, to, (l - most).exp() * (to - from).max(1) as f64))
            .collect();
        let all: f64 = masses.iter().map(|(_, _, mass)| mass).sum();
        let at = |share: f64| {
            let mut rest = share * all;
            for (from, to, mass) in &masses {
                if rest <= *mass {
                    return from + ((to - from) as f64 * rest / mass) as u64;
                }
                rest -= mass;
            }
            last
        };
        Placed { low: at(OUTSIDE), middle: at(0.5), high: at(1.0 - OUTSIDE) }
    }

    /// The logarithm of how much likelier a look is on the fast level than on the slow one.
    fn for_fast(&self, log: f64) -> f64 {
        let density = |level: f64| {
            let z = (log - level) / self.sigma.max(0.01);
            let usual =
                (1.0 - LATE) * (-0.5 * z * z).exp() / (self.sigma.max(0.01) * (2.0 * std::f64::consts::PI).sqrt());
            let late = if log > level { LATE / LATENESS } else { 1e-3 };
            usual + late
        };
        (density(self.fast) / density(self.slow)).ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BORDER: Border = Border { fast: 1.0, slow: 2.0, sigma: 0.1, range: (0, 1_000), only_hits: false };

    #[test]
    fn the_border_lies_between_the_last_quick_and_the_first_slow_look() {
        let placed = BORDER.placed(&[(100, 1.0), (400, 1.1), (500, 1.9), (520, 2.1), (800, 2.0)]);
        assert!(390 <= placed.low && placed.high <= 510, "{placed:?}");
        assert!((440..=460).contains(&placed.middle), "{placed:?}");
    }

    #[test]
    fn a_late_answer_is_outvoted() {
        let looks = [(100, 1.0), (200, 2.1), (300, 1.0), (400, 0.95), (500, 2.0), (510, 2.1), (600, 2.05)];
        let placed = BORDER.placed(&looks);
        assert!(390 <= placed.low && placed.high <= 510, "{placed:?}");
    }

    #[test]
    fn without_a_look_it_lies_anywhere() {
        assert_eq!(BORDER.placed(&[]), Placed { low: 5, middle: 500, high: 995 });
    }
}

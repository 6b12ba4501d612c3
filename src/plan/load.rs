//! Arrivals under load: which request is due when, and what it is meant to find.
//!
//! The schedule is made before the run, from the seed alone. An open loop has Poisson arrivals: the gaps are exponential
//! and nobody waits for an answer, as users do not wait for each other. A closed loop has no due times: a request goes out
//! when one before it has ended, and so measures its own concurrency (Schroeder, Wierman and Harchol-Balter, *Open versus
//! closed*, 2006). The mix is stratified: of every ten requests in a row exactly so many are hits, in a shuffled order,
//! since a mix drawn one by one makes the load itself a matter of luck.

use rand::seq::SliceRandom;
use rand::{Rng, RngExt};

use super::Arm;
use crate::clock::Nanos;
use crate::rng::stream;

/// Requests among which the share of hits is exact.
pub const STRATUM: usize = 10;

/// What is to be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Design {
    /// Requests a second; `None` for a closed loop.
    pub rate: Option<f64>,
    pub requests: usize,
    /// Hits in every ten.
    pub hits_in_ten: usize,
    /// Documents that are cached before, and that hits come back to in turn. They have the numbers from 1.
    pub hot: u64,
    pub seed: u64,
}

/// One request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Arrival {
    /// From the start of the run; `None` in a closed loop.
    pub due_ns: Option<Nanos>,
    pub arm: Arm,
    /// Equal numbers are equal documents.
    pub document: u64,
}

impl Design {
    /// The whole schedule, in the order of its due times.
    pub fn arrivals(&self) -> Vec<Arrival> {
        let mut order = stream(self.seed, "load order");
        let mut gaps = stream(self.seed, "load arrivals");
        let (mut arrivals, mut due, mut hits, mut new) = (Vec::with_capacity(self.requests), 0.0, 0, self.hot);
        while arrivals.len() < self.requests {
            let mut arms = [Arm::Cold; STRATUM];
            arms[..self.hits_in_ten.min(STRATUM)].fill(Arm::Hit);
            arms.shuffle(&mut order);
            for arm in arms.into_iter().take(self.requests - arrivals.len()) {
                due += self.rate.map_or(0.0, |rate| exponential(&mut gaps) / rate);
                let document = match arm {
                    Arm::Hit => 1 + hits % self.hot.max(1),
                    _ => 1 + new,
                };
                match arm {
                    Arm::Hit => hits += 1,
                    _ => new += 1,
                }
                arrivals.push(Arrival { due_ns: self.rate.map(|_| (due * 1e9) as Nanos), arm, document });
            }
        }
        arrivals
    }
}

/// Of mean 1.
fn exponential(random: &mut impl Rng) -> f64 {
    // The draw is below 1, so that the logarithm is finite.
    -(1.0 - random.random::<f64>()).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn design(requests: usize) -> Design {
        Design { rate: Some(20.0), requests, hits_in_ten: 3, hot: 4, seed: 7 }
    }

    #[test]
    fn every_ten_have_exactly_their_share_of_hits_and_not_always_in_the_same_places() {
        let arrivals = design(500).arrivals();
        let mut orders = std::collections::HashSet::new();
        for ten in arrivals.chunks(STRATUM) {
            let hits: Vec<bool> = ten.iter().map(|arrival| arrival.arm == Arm::Hit).collect();
            assert_eq!(hits.iter().filter(|hit| **hit).count(), 3);
            orders.insert(hits);
        }
        assert!(orders.len() > 20, "{}", orders.len());
    }

    #[test]
    fn cold_documents_are_new_and_hits_come_back_to_each_hot_one() {
        let arrivals = design(200).arrivals();
        let of = |arm| arrivals.iter().filter(move |arrival| arrival.arm == arm).map(|arrival| arrival.document);
        let cold: std::collections::HashSet<u64> = of(Arm::Cold).collect();
        assert_eq!(cold.len(), of(Arm::Cold).count(), "no cold document comes twice");
        assert!(cold.iter().all(|document| *document > 4));
        for hot in 1..=4 {
            assert_eq!(of(Arm::Hit).filter(|document| *document == hot).count(), 15);
        }
    }

    #[test]
    fn arrivals_are_poisson() {
        // Counts in windows of a second: their variance is their mean. With 1,000 windows the ratio's standard deviation
        // is sqrt(2 / 999), 4.5 %.
        let arrivals = design(20_000).arrivals();
        let mut counts = vec![0.0; 1_001];
        for arrival in &arrivals {
            let second = arrival.due_ns.expect("an open loop has due times") / 1_000_000_000;
            if let Some(count) = counts.get_mut(second as usize) {
                *count += 1.0;
            }
        }
        let counts = &counts[..950];
        let mean = counts.iter().sum::<f64>() / counts.len() as f64;
        let variance = counts.iter().map(|n| (n - mean).powi(2)).sum::<f64>() / (counts.len() - 1) as f64;
        assert!((mean - 20.0).abs() < 0.6, "{mean} a second");
        assert!((variance / mean - 1.0).abs() < 0.2, "dispersion {}", variance / mean);
    }

    #[test]
    fn the_seed_alone_decides_and_a_closed_loop_has_the_same_mix() {
        assert_eq!(design(100).arrivals(), design(100).arrivals());
        assert_ne!(design(100).arrivals(), Design { seed: 8, ..design(100) }.arrivals());
        let closed = Design { rate: None, ..design(100) }.arrivals();
        assert!(closed.iter().all(|arrival| arrival.due_ns.is_none()));
        let mix =
            |arrivals: &[Arrival]| arrivals.iter().map(|arrival| (arrival.arm, arrival.document)).collect::<Vec<_>>();
        assert_eq!(mix(&closed), mix(&design(100).arrivals()));
    }
}

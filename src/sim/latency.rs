//! How long a simulated server takes.
//!
//! The time of a prefill of `n` tokens of which `h` were found in the cache, `m_t` of them in tier `t`:
//! ```text
//! base + per_token (n - h) + quadratic (n² - h²) + Σ_t [m_t > 0] (latency_t + load_t m_t)
//! ```
//! times `exp(noise)`, plus a floor of jitter. The noise is the sum of a normal deviate, an autoregressive state, a
//! drift in the number of requests, a penalty on the first request of a pair, and now and then an outlier that
//! multiplies by 2 to 4; the same as in `METHODOLOGY.md`.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::cache::{Match, TierSpec};
use crate::clock::Nanos;
use crate::rng;

/// The cost of computing, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    /// Paid by every request.
    pub base_ns: f64,
    /// Per computed token.
    pub per_token_ns: f64,
    /// Per computed pair of tokens.
    pub quadratic_ns: f64,
}

impl Cost {
    /// The exact time of a prefill of `tokens` tokens that found `found` in the cache of `tiers`.
    pub fn prefill(&self, tokens: u64, found: &Match, tiers: &[TierSpec]) -> Nanos {
        let (all, hit) = (tokens as f64, found.total() as f64);
        let compute = self.base_ns + self.per_token_ns * (all - hit) + self.quadratic_ns * (all * all - hit * hit);
        let load = tiers.iter().zip(found.tokens).filter(|(_, tokens)| *tokens > 0);
        let load: f64 =
            load.map(|(tier, tokens)| tier.latency_ns as f64 + tier.load_ns_per_token * tokens as f64).sum();
        (compute + load) as Nanos
    }
}

/// How far the truth strays from the formula. All zero: not at all.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct NoiseSpec {
    /// Standard deviation of the logarithm.
    pub sigma: f64,
    /// Share of requests that take 2 to 4 times as long.
    pub outliers: f64,
    /// Correlation of one request's slowness with the next one's.
    pub ar: f64,
    /// Standard deviation of that correlated part.
    pub ar_sigma: f64,
    /// Change of the logarithm from one request to the next.
    pub drift: f64,
    /// How much longer the first request of a pair takes, as a share.
    pub first_penalty: f64,
    /// Mean of an exponential delay that is always added.
    pub jitter_ns: f64,
}

/// A source of noise: a seed and a spec decide it.
#[derive(Debug)]
pub struct Noise {
    spec: NoiseSpec,
    rng: ChaCha8Rng,
    state: f64,
    requests: f64,
}

impl Noise {
    pub fn new(spec: NoiseSpec, seed: u64) -> Noise {
        Noise { spec, rng: rng::stream(seed, "latency"), state: 0.0, requests: 0.0 }
    }

    /// What the exact time `exact` comes out as for the next request.
    pub fn apply(&mut self, exact: Nanos, is_first_of_pair: bool) -> Nanos {
        let NoiseSpec { sigma, outliers, ar, ar_sigma, drift, first_penalty, jitter_ns } = self.spec;
        // Every number is drawn every time, so that the streams of two specs stay comparable.
        let (deviate, step) = (self.normal(), self.normal());
        let (is_outlier, factor) = (self.rng.random::<f64>() < outliers, self.rng.random_range(2.0..4.0_f64));
        let jitter = -jitter_ns * (1.0 - self.rng.random::<f64>()).ln();
        self.state = ar * self.state + (1.0 - ar * ar).max(0.0).sqrt() * ar_sigma * step;
        let mut log = sigma * deviate + self.state + drift * self.requests;
        if is_outlier {
            log += factor.ln();
        }
        if is_first_of_pair {
            log += first_penalty.ln_1p();
        }
        self.requests += 1.0;
        (exact as f64 * log.exp() + jitter) as Nanos
    }

    /// A standard normal deviate (Box and Muller 1958).
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.rng.random::<f64>()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.rng.random::<f64>()).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COST: Cost = Cost { base_ns: 25e6, per_token_ns: 80_000.0, quadratic_ns: 2.0 };

    fn draws(spec: NoiseSpec, count: usize) -> Vec<f64> {
        let mut noise = Noise::new(spec, 1);
        (0..count).map(|_| (noise.apply(1_000_000_000, false) as f64 / 1e9).ln()).collect()
    }

    fn deviation(logs: &[f64]) -> f64 {
        let mean = logs.iter().sum::<f64>() / logs.len() as f64;
        (logs.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / logs.len() as f64).sqrt()
    }

    #[test]
    fn a_cold_prefill_costs_what_the_formula_says() {
        // 25 ms + 0.08 ms * 4096 + 2e-6 ms * 4096^2 = 386.2 ms
        assert_eq!(COST.prefill(4_096, &Match::default(), &[]), 386_234_432);
    }

    #[test]
    fn a_hit_pays_for_the_rest_and_for_the_way_from_its_tier() {
        let disk = TierSpec { load_ns_per_token: 44_000.0, latency_ns: 10_000_000, ..TierSpec::default() };
        let tiers = [TierSpec::default(), disk];
        let hit = |tokens| COST.prefill(4_096, &Match { tokens }, &tiers);
        assert_eq!(hit([4_080, 0, 0, 0]), 25_000_000 + 16 * 80_000 + 2 * (4_096 * 4_096 - 4_080 * 4_080));
        assert_eq!(hit([0, 4_080, 0, 0]) - hit([4_080, 0, 0, 0]), 10_000_000 + 4_080 * 44_000);
    }

    #[test]
    fn without_noise_the_time_is_exact() {
        assert!(draws(NoiseSpec::default(), 10).iter().all(|log| *log == 0.0));
    }

    #[test]
    fn noise_has_the_spread_it_was_given() {
        let logs = draws(NoiseSpec { sigma: 0.05, ..NoiseSpec::default() }, 20_000);
        assert!((deviation(&logs) - 0.05).abs() < 0.002);
        let logs = draws(NoiseSpec { ar: 0.95, ar_sigma: 0.2, ..NoiseSpec::default() }, 200_000);
        assert!((deviation(&logs) - 0.2).abs() < 0.02);
        let next = logs.windows(2).map(|w| w[0] * w[1]).sum::<f64>() / logs.iter().map(|x| x * x).sum::<f64>();
        assert!((next - 0.95).abs() < 0.01);
    }

    #[test]
    fn outliers_come_as_often_as_asked_and_are_always_late() {
        let logs = draws(NoiseSpec { outliers: 0.05, ..NoiseSpec::default() }, 20_000);
        let late = logs.iter().filter(|log| **log > 0.0).count();
        assert!((900..1_100).contains(&late), "{late}");
        assert!(logs.iter().all(|log| *log == 0.0 || (2.0_f64.ln() - 1e-6..4.0_f64.ln()).contains(log)));
    }

    #[test]
    fn drift_and_the_first_of_a_pair_are_as_given() {
        let logs = draws(NoiseSpec { drift: 0.001, ..NoiseSpec::default() }, 401);
        assert!((logs[400] - 0.4).abs() < 1e-6);
        let mut noise = Noise::new(NoiseSpec { first_penalty: 0.08, ..NoiseSpec::default() }, 1);
        assert_eq!([true, false].map(|first| noise.apply(1_000, first)), [1_080, 1_000]);
    }

    #[test]
    fn a_seed_repeats_the_noise() {
        let spec = NoiseSpec { sigma: 0.1, outliers: 0.05, jitter_ns: 3e5, ..NoiseSpec::default() };
        assert_eq!(draws(spec, 50), draws(spec, 50));
    }
}

//! How far off the client's own times are: what it measured against what a server of known truth did.
//!
//! The error of a time to first token is the client's less the server's. It holds the way of the request to the server's
//! kernel and of the first token to the client's, both on one machine, and all that the client adds.

use crate::clock::Nanos;
use crate::sample::{Sample, StampKind};
use crate::stats::quantile::quantile;

/// A difference of two times is off by the errors of both.
const BOTH: f64 = 2.0;

/// One request: as measured, and in truth. `None` where it failed, or where the server knows nothing of it.
#[derive(Debug, Clone)]
pub struct Trial {
    pub sample: Sample,
    pub truth_ns: Option<Nanos>,
}

impl Trial {
    /// Measured less true, in nanoseconds.
    fn error_ns(&self) -> Option<f64> {
        Some(self.sample.ttft_ns()? as f64 - self.truth_ns? as f64)
    }
}

/// What a number of trials shows. Errors are amounts, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quality {
    pub requests: usize,
    /// Requests without a measurement or without a truth.
    pub lost: usize,
    pub median_ns: f64,
    pub p99_ns: f64,
    pub max_ns: f64,
    /// First tokens that the kernel did not stamp.
    pub unstamped: usize,
    /// First tokens that shared a read with a later one, so that their stamps are upper bounds.
    pub shared: usize,
}

impl Quality {
    /// `None` when no trial has an error.
    pub fn of(trials: &[Trial]) -> Option<Quality> {
        let mut errors: Vec<f64> = trials.iter().filter_map(Trial::error_ns).map(f64::abs).collect();
        errors.sort_unstable_by(f64::total_cmp);
        let count = |is: fn(&Sample) -> bool| trials.iter().filter(|trial| is(&trial.sample)).count();
        Some(Quality {
            requests: trials.len(),
            lost: trials.len() - errors.len(),
            median_ns: quantile(&errors, 0.5)?,
            p99_ns: quantile(&errors, 0.99)?,
            max_ns: *errors.last()?,
            unstamped: count(|sample| sample.stamp == Some(StampKind::Read)),
            shared: count(|sample| sample.first_token_shared),
        })
    }

    /// The smallest difference of two times that this client can tell from its own error, in nanoseconds.
    pub fn smallest_effect_ns(&self) -> f64 {
        smallest_effect_ns(self.p99_ns)
    }
}

/// The same from the error that 99 % of times stay below.
pub fn smallest_effect_ns(p99_ns: f64) -> f64 {
    BOTH * p99_ns
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(ttft_ns: u64, truth_ns: Option<u64>, stamp: &str) -> Trial {
        let row = serde_json::json!({
            "trial": 1, "arm": "cold", "role": "measure", "outcome": "ok", "body_bytes": 1,
            "sent_ns": 1_000, "first_token_ns": 1_000 + ttft_ns, "stamp": stamp,
        });
        Trial { sample: serde_json::from_value(row).unwrap(), truth_ns }
    }

    #[test]
    fn errors_are_amounts_whichever_way_they_go() {
        let trials = [trial(90, Some(100), "kernel"), trial(110, Some(100), "kernel"), trial(130, Some(100), "read")];
        let quality = Quality::of(&trials).unwrap();
        assert_eq!((quality.median_ns, quality.max_ns), (10.0, 30.0));
        assert_eq!((quality.requests, quality.lost, quality.unstamped), (3, 0, 1));
        assert_eq!(quality.smallest_effect_ns(), 2.0 * quality.p99_ns);
    }

    #[test]
    fn what_the_server_knows_nothing_of_is_lost_and_no_error_of_zero() {
        let quality = Quality::of(&[trial(90, Some(100), "kernel"), trial(5, None, "kernel")]).unwrap();
        assert_eq!((quality.lost, quality.median_ns), (1, 10.0));
        assert_eq!(Quality::of(&[trial(5, None, "kernel")]), None);
    }
}

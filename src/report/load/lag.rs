//! How far behind its schedule the client was. A schedule that was missed shows the client and not the server.

use crate::report::units;
use crate::sample::Sample;

/// A run is void when the client missed its schedule by more than this share of the median TTFT, and by more than
/// `VOID_NS`.
const VOID_SHARE: f64 = 0.05;
const VOID_NS: f64 = 2e6;
/// From here on it is worth a word.
const WARN_SHARE: f64 = 0.01;

/// The 99th percentile, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lag {
    pub p99_ns: f64,
    pub median_ttft_ns: f64,
}

impl Lag {
    /// Whether the run shows nothing about the server.
    pub fn is_void(self) -> bool {
        self.p99_ns > VOID_NS.max(VOID_SHARE * self.median_ttft_ns)
    }

    pub(super) fn sentence(self) -> Option<String> {
        let said = |what| {
            format!(
                "the client was up to {} behind its schedule (99 % of requests), with a median TTFT of {}: {what}",
                units::span(self.p99_ns),
                units::span(self.median_ttft_ns)
            )
        };
        if self.is_void() {
            Some(said("this run is void; lower --rate, or run it from a quieter machine"))
        } else {
            (self.p99_ns > WARN_SHARE * self.median_ttft_ns).then(|| said("take the tails with care"))
        }
    }
}

/// From the scheduled moment to the first thing done about it. A server that is slow to accept is not the client's lag.
pub(super) fn lag_ns(sample: &Sample) -> Option<f64> {
    let stamps = &sample.stamps;
    Some(stamps.dial_ns.or(stamps.sent_ns)?.saturating_sub(stamps.due_ns?) as f64)
}

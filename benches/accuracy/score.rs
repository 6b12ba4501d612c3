//! What a client saw, against what the server did.

use std::collections::HashMap;

use ttft::sim::server::Truth;
use ttft::stats::quantile::quantile;
use ttft::stats::sorted;

use super::Scenario;
use super::client::Seen;
use super::process::Used;

/// One line of the table. `None`: the client does not say.
#[derive(Debug, Clone, Copy)]
pub struct Score {
    /// Amounts of the error of the time to first token.
    pub median_ms: Option<f64>,
    pub p99_ms: Option<f64>,
    /// With its sign.
    signed_ms: Option<f64>,
    /// Token events a second, from the first request to the last token.
    pub events_per_s: Option<f64>,
    /// The same of the server.
    served_per_s: f64,
    pub cpu_s: f64,
    pub peak_mb: f64,
    /// Requests without a time, or with fewer token events than the server wrote.
    pub lost: Option<usize>,
    /// First tokens, and all, whose stamp is an upper bound.
    first_shared: Option<f64>,
    shared: Option<f64>,
}

pub const HEAD: &str = "client              |error| p50      |error| p99   signed p50   events/s  of sent    CPU s         \
                        peak MB       lost  shared 1st/all";

impl Score {
    pub fn of(used: Used, seen: &[Seen], truths: &[Truth], scenario: &Scenario) -> Score {
        let by_id: HashMap<&str, &Truth> =
            truths.iter().filter_map(|truth| Some((truth.request_id.as_deref()?, truth))).collect();
        let truth = |seen: &Seen| by_id.get(seen.request_id.as_str()).copied();
        let error_ms = |seen: &Seen| Some((seen.ttft_ns? as f64 - truth(seen)?.ttft_ns()? as f64) / 1e6);
        let signed = sorted(&seen.iter().filter_map(error_ms).collect::<Vec<_>>());
        let amounts = sorted(&signed.iter().map(|error| error.abs()).collect::<Vec<_>>());
        let is_whole =
            |seen: &&Seen| seen.ttft_ns.is_some() && truth(seen).is_some_and(|truth| truth.token_events == seen.events);
        let events: u64 = seen.iter().map(|seen| seen.events).sum();
        let span = |first: Option<u64>, last: Option<u64>| Some(last?.checked_sub(first?)? as f64 / 1e9);
        let seconds = span(seen.iter().map(|seen| seen.sent_ns).min(), seen.iter().map(|seen| seen.last_ns).max());
        let served = span(
            truths.iter().map(|truth| truth.received_ns).min(),
            truths.iter().filter_map(|truth| truth.last_write_ns).max(),
        );
        let written: u64 = truths.iter().map(|truth| truth.token_events).sum();
        let says_shared = !seen.is_empty() && seen.iter().all(|seen| seen.shared.is_some());
        let share = |count: u64, of: u64| says_shared.then(|| count as f64 / of.max(1) as f64);
        Score {
            median_ms: quantile(&amounts, 0.5),
            p99_ms: quantile(&amounts, 0.99),
            signed_ms: quantile(&signed, 0.5),
            events_per_s: seconds.map(|seconds| events as f64 / seconds),
            served_per_s: served.map_or(0.0, |seconds| written as f64 / seconds),
            cpu_s: used.cpu_s,
            peak_mb: used.peak_mb,
            lost: (!seen.is_empty()).then(|| scenario.requests - seen.iter().filter(is_whole).count()),
            first_shared: share(
                seen.iter().filter(|seen| seen.shared.is_some_and(|(_, first)| first)).count() as u64,
                seen.len() as u64,
            ),
            shared: share(seen.iter().filter_map(|seen| seen.shared).map(|(shared, _)| shared).sum(), events),
        }
    }

    /// The line of the table; in brackets, how many times `ours` it is.
    pub fn line(&self, name: &str, ours: &Score) -> String {
        let known = |value: Option<f64>, digits: usize| value.map_or("-".to_owned(), |x| format!("{x:.digits$}"));
        let times = |value: Option<f64>, ours: Option<f64>, digits: usize| match (value, ours) {
            (Some(x), Some(of)) if of > 0.0 => format!("{x:.digits$} = {:.2}x", x / of),
            _ => known(value, digits),
        };
        let share = |share: Option<f64>| share.map_or("-".to_owned(), |x| format!("{:.1}%", 100.0 * x));
        let of_sent = self.events_per_s.map(|rate| rate / self.served_per_s);
        format!(
            "{name:<18} {:>17} {:>17} {:>9} {:>10} {:>8} {:>14} {:>15} {:>6}  {}/{}",
            times(self.median_ms, ours.median_ms, 3),
            times(self.p99_ms, ours.p99_ms, 3),
            self.signed_ms.map_or("-".to_owned(), |x| format!("{x:+.3}")),
            known(self.events_per_s, 0),
            share(of_sent),
            times(Some(self.cpu_s), Some(ours.cpu_s), 2),
            times(Some(self.peak_mb), Some(ours.peak_mb), 1),
            self.lost.map_or("-".to_owned(), |lost| lost.to_string()),
            share(self.first_shared),
            share(self.shared),
        )
    }
}

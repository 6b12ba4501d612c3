//! Whether the client kept up: how late it was, and how busy. A late client shows itself and not the server.

use std::collections::BTreeSet;

use super::tally::{Tally, Timed};
use crate::clock::Nanos;
use crate::load::validity::{Conduct, faults};
use crate::record::LoadNote;
use crate::report::units;
use crate::sample::Sample;
use crate::stats::quantile;

impl Tally {
    /// How the client behaved of whom `asked` was asked, by session.
    pub fn conduct(&self, asked: &[(usize, LoadNote)]) -> Conduct {
        let quantile_of = |values: &[f64], p| quantile::quantile(values, p).map(|ns| ns as Nanos);
        let shares = self.busy().filter_map(|(session, busy)| {
            let (_, note) = asked.iter().find(|(of, _)| *of == session)?;
            Some(busy / note.processors.max(1) as f64)
        });
        Conduct {
            lag_p99_ns: quantile_of(&self.lags(), 0.99),
            median_ttft_ns: quantile_of(&self.all(Timed::TtftFromDue), 0.5),
            cpu_share: shares.reduce(f64::max),
        }
    }
}

/// What a reader is told of it, and what is wrong with it.
pub(super) fn remarks(tally: &Tally, asked: &[(usize, LoadNote)]) -> Vec<String> {
    let conduct = tally.conduct(asked);
    let lag = conduct.lag_p99_ns.zip(conduct.median_ttft_ns).map(|(lag, ttft)| {
        let share = units::share(lag as f64 / ttft.max(1) as f64);
        format!("lag behind the schedule: p99 {}, {share} of the median TTFT", units::span(lag as f64))
    });
    let cpu = conduct.cpu_share.map(|share| {
        let processors = asked.iter().map(|(_, note)| note.processors).max().unwrap_or(1);
        let whose = if processors == 1 { "its processor".to_owned() } else { format!("its {processors} processors") };
        format!("the client used {} of {whose}", units::share(share))
    });
    let said: Vec<String> = lag.into_iter().chain(cpu).collect();
    let first = (!said.is_empty()).then(|| format!("{}.", said.join("; ")));
    let faults = faults(&conduct).into_iter().map(|fault| format!("{fault}."));
    first.into_iter().chain(faults).chain(missing_shards(asked)).collect()
}

/// A run is known as a whole when each of its shards is there.
fn missing_shards(asked: &[(usize, LoadNote)]) -> Option<String> {
    let count = asked.iter().map(|(_, note)| note.shard.count).max()?;
    let found: BTreeSet<u64> = asked.iter().map(|(_, note)| note.shard.index).collect();
    let missing = (0..count).filter(|index| !found.contains(index)).map(|index| index.to_string());
    let missing: Vec<String> = missing.collect();
    (!missing.is_empty()).then(|| {
        format!("this is a part of a run of {count} shards: the logs of shard {} are missing.", missing.join(", "))
    })
}

/// From the scheduled moment to the first thing done about it. A server that is slow to accept is not the client's lag.
pub(super) fn lag_ns(sample: &Sample) -> Option<f64> {
    let stamps = &sample.stamps;
    Some(stamps.dial_ns.or(stamps.sent_ns)?.saturating_sub(stamps.due_ns?) as f64)
}

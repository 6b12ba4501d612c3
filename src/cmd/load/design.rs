//! From flags to the schedule of a run, and to what the log says of it.

use std::time::Duration;

use super::workload;
use crate::cli::load::{ArrivalsKind, LoadArgs};
use crate::cli::rates::{Leg, Rates};
use crate::clock::Nanos;
use crate::cmd::UsageError;
use crate::load::arrivals::{Arrivals, Extent, Gaps, Piece};
use crate::load::schedule::{Schedule, Timing};
use crate::load::shard::Shard;
use crate::record::{LegNote, LoadNote, ShardNote};

/// Without `--requests`, `--duration` and a rate that ends.
const REQUESTS: u64 = 100;

/// A run as the flags ask for it.
pub struct Design {
    pub schedule: Schedule,
    pub note: LoadNote,
}

impl Design {
    pub fn of(args: &LoadArgs, seed: u64, shard: Shard) -> anyhow::Result<Design> {
        let (workload, said) = workload::of(args, seed)?;
        let until_ns = args.duration.map(|span| nanos(span.0));
        let timing = match (&args.rate, args.concurrency) {
            (Some(rates), _) => Timing::Arrivals(arrivals(args, rates, seed, workload.turns())),
            (None, Some(_)) => Timing::Closed,
            (None, None) => Timing::Recorded { until_ns },
        };
        let is_endless = args.rate.as_ref().and_then(Rates::span).is_none();
        let requests = match (args.requests, args.duration) {
            (None, None) if is_endless => Some(workload.length().unwrap_or(REQUESTS)),
            (requests, _) => requests,
        };
        let mut note = LoadNote {
            workload: said,
            arrivals: named(args),
            seed,
            shard: ShardNote { index: shard.index(), count: shard.count(), senders: None },
            processors: processors(),
            legs: legs(args),
            level: None,
        };
        let whole = Schedule::new(timing, workload, requests);
        // A shard may well have nothing to send; the run may not.
        let senders = senders(&whole, shard.count());
        if senders == 0 {
            return Err(
                UsageError("the load is over before its first request; raise --duration or --rate".into()).into()
            );
        }
        note.shard.senders = Some(senders).filter(|senders| *senders < shard.count());
        Ok(Design { schedule: whole.of_shard(shard), note })
    }
}

/// How many of `shards` have a flow or a document to cache: both go round from the first shard on.
fn senders(whole: &Schedule, shards: u64) -> u64 {
    let flows = whole.clone().take(usize::try_from(shards).unwrap_or(usize::MAX)).count() as u64;
    if flows == 0 { 0 } else { flows.max(whole.workload.primes().len() as u64).min(shards) }
}

/// Arrivals of flows: the rate counts requests, of which a flow has `turns`.
fn arrivals(args: &LoadArgs, rates: &Rates, seed: u64, turns: f64) -> Arrivals {
    let gaps = gaps(args);
    let piece = |leg: &Leg| Piece {
        // The last rate holds for ever, whatever the length of its piece.
        seconds: leg.span.map_or(1.0, |span| span.0.as_secs_f64()),
        from: leg.from / turns,
        to: leg.to / turns,
    };
    let end = args.duration.or(rates.span().filter(|_| args.requests.is_none()));
    let extent = end.map_or(Extent::Requests(u64::MAX), |span| Extent::Span(nanos(span.0)));
    Arrivals::new(seed, gaps, rates.0.iter().map(piece).collect(), extent)
}

/// What the rate does, where it changes.
fn legs(args: &LoadArgs) -> Vec<LegNote> {
    let note = |leg: &Leg| LegNote { from: leg.from, to: leg.to, seconds: leg.span.map(|span| span.0.as_secs_f64()) };
    args.rate.iter().filter(|rates| rates.0.len() > 1).flat_map(|rates| rates.0.iter().map(note)).collect()
}

fn nanos(span: Duration) -> Nanos {
    span.as_nanos() as Nanos
}

fn named(args: &LoadArgs) -> String {
    let rates = match (&args.rate, args.concurrency) {
        (Some(rates), _) => rates,
        (None, Some(streams)) => return format!("closed loop of {streams}"),
        (None, None) => return format!("as recorded, {} times as fast", args.time_scale.unwrap_or(1.0)),
    };
    format!("{} at {rates} a second", kind(args))
}

/// How gaps vary.
pub fn gaps(args: &LoadArgs) -> Gaps {
    match (args.burstiness, args.arrivals) {
        (Some(shape), _) => Gaps::Gamma(shape),
        (None, ArrivalsKind::Poisson) => Gaps::Poisson,
        (None, ArrivalsKind::Constant) => Gaps::Constant,
    }
}

/// The same in words.
pub fn kind(args: &LoadArgs) -> String {
    match gaps(args) {
        Gaps::Gamma(shape) => format!("gamma of shape {shape}"),
        Gaps::Poisson => "poisson".to_owned(),
        Gaps::Constant => "constant".to_owned(),
    }
}

/// Processors that this process may use.
pub fn processors() -> u64 {
    std::thread::available_parallelism().map_or(1, |n| n.get() as u64)
}

//! Whether replays came from the tier that was to answer them.
//!
//! Where the server tells what came from outside the engine's own memory, that decides. Else the clock may: replays behind
//! the fillers that take longer than replays at once came from further down.

use crate::clock::Nanos;
use crate::evidence;
use crate::pairs::came_from_cache;
use crate::plan::{Arm, Role};
use crate::sample::Sample;
use crate::stats::rank;
use crate::stats::robust::median;

/// The level at which a difference in time is proof of another tier.
const ALPHA: f64 = 0.01;

/// What is known of the tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Below {
    /// From 2.
    pub tier: u8,
    /// Tokens of the fillers before a replay, as far as the server told.
    pub filler_tokens: u64,
    /// Measured replays behind them, and those of them that came from outside the engine's own memory; `None` where the
    /// server does not tell.
    pub replays: usize,
    pub outside: Option<usize>,
    /// The median times of these replays and of replays at once.
    pub below_ns: Option<Nanos>,
    pub near_ns: Option<Nanos>,
    /// Whether the former take longer, beyond chance.
    pub is_slower: bool,
    /// Whether no replay of the opening hit behind the fillers.
    pub is_out_of_reach: bool,
}

impl Below {
    /// `None` where any tier may answer.
    pub fn of(samples: &[Sample]) -> Option<Below> {
        let tier = samples.iter().find_map(|s| s.place.tier)?;
        let is_below = |s: &&Sample| s.place.tier.is_some() && s.ttft_ns().is_some();
        let measured: Vec<&Sample> = samples.iter().filter(is_below).filter(|s| s.role == Role::Measure).collect();
        let looked: Vec<&Sample> = samples.iter().filter(is_below).filter(|s| s.role == Role::Prime).collect();
        let missed = |s: &&Sample| came_from_cache(s) == Some(false);
        let is_near = |s: &&Sample| s.arm == Arm::Hit && s.role == Role::Prime && s.place.tier.is_none();
        let near = times(samples.iter().filter(is_near).filter(|s| !missed(s)));
        let below = times(measured.iter().copied());
        let outside = |s: &&&Sample| {
            evidence::external_cached_tokens(s).is_some_and(|outside| 2 * outside > s.cached_tokens().unwrap_or(0))
        };
        let is_told = samples.iter().any(|s| evidence::external_cached_tokens(s).is_some());
        Some(Below {
            tier,
            filler_tokens: filler_tokens(samples),
            replays: measured.len(),
            outside: is_told.then(|| measured.iter().filter(outside).count()),
            below_ns: median(&below).map(|ns| ns as Nanos),
            near_ns: median(&near).map(|ns| ns as Nanos),
            is_slower: rank::larger(&below, &near) < ALPHA,
            is_out_of_reach: measured.is_empty() && looked.len() >= 2 && looked.iter().all(missed),
        })
    }
}

/// The fillers come in rows; the median of what a row comes to.
fn filler_tokens(samples: &[Sample]) -> u64 {
    let rows = samples.chunk_by(|one, next| one.role == next.role).filter(|row| row[0].role == Role::Evict);
    let tokens: Vec<f64> = rows.map(|row| row.iter().filter_map(Sample::prompt_tokens).sum::<u64>() as f64).collect();
    median(&tokens).unwrap_or(0.0) as u64
}

fn times<'a>(samples: impl Iterator<Item = &'a Sample>) -> Vec<f64> {
    samples.filter_map(Sample::ttft_ns).map(|ns| ns as f64).collect()
}

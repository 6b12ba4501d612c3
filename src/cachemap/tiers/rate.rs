//! How quickly a tier loads: documents of two lengths, found in the same tier and with equally much left to compute.
//!
//! `(TTFT(long) - TTFT(short)) / (long - short)` is the time of a token; what the uppermost tier takes for one is taken off.

use crate::cachemap::fill::Documents;
use crate::cachemap::found::Tier;
use crate::cachemap::lab::{Lab, Stop};
use crate::plan::map::Stage;
use crate::stats::robust::{median, sigma};

/// Documents of each length in each tier.
const DOCUMENTS: usize = 8;
/// Standard errors of the median, of a 95 % interval.
const WIDE: f64 = 1.96 * 1.25;

pub(super) async fn measure(lab: &mut Lab, documents: &mut Documents, tiers: &mut [Tier]) -> Result<(), Stop> {
    // Half of a document, in whole blocks.
    let by = documents.usual() / 2 / documents.block * documents.block;
    if tiers.len() < 2 || by == 0 {
        return Ok(());
    }
    let reaches: Vec<(u64, u64)> = tiers.iter().map(|tier| tier.reach_interval).collect();
    let mut slopes = Vec::new();
    for nth in 0..tiers.len() {
        let nearest = nth.checked_sub(1).map_or(0, |above| reaches[above].1);
        slopes.push(slope(lab, documents, (nearest, reaches[nth].0), by).await?);
    }
    let Some(Some((above, above_error))) = slopes.first().copied() else { return Ok(()) };
    for (tier, slope) in tiers.iter_mut().zip(slopes).skip(1) {
        let Some((slope, error)) = slope else { continue };
        let (per_token, error) = (slope - above, error.hypot(above_error));
        if per_token > error {
            tier.load_tokens_per_s = Some(1e9 / per_token);
            tier.load_interval = Some((1e9 / (per_token + error), Some(1e9 / (per_token - error))));
        } else if per_token + error > 0.0 {
            tier.load_interval = Some((1e9 / (per_token + error), None));
        }
    }
    Ok(())
}

/// Nanoseconds for a token at these distances, and how far off that may be.
async fn slope(
    lab: &mut Lab,
    documents: &mut Documents,
    (near, far): (u64, u64),
    by: u64,
) -> Result<Option<(f64, f64)>, Stop> {
    let mut times = [Vec::new(), Vec::new()];
    for turn in 0..2 * DOCUMENTS {
        // What is looked for moves everything nearer than it farther away, so the nearest one that fits is the safest.
        let margin = documents.usual();
        let inside = documents.by_distance().into_iter().find(|(at, _)| *at > near + margin && at + 2 * margin < far);
        let Some((_, document)) = inside else { return Ok(None) };
        let seen = match turn % 2 {
            0 => documents.look(lab, Stage::Tiers, document).await?,
            _ => documents.look_shorter(lab, document, by).await?,
        };
        times[turn % 2].push(seen.ttft);
    }
    let [long, short] = times.each_ref().map(|times| median(times).unwrap_or(0.0));
    let [long_spread, short_spread] = times.each_ref().map(|times| sigma(times).unwrap_or(0.0));
    let error = WIDE * long_spread.hypot(short_spread) / (DOCUMENTS as f64).sqrt();
    Ok(Some(((long - short) / by as f64, error / by as f64)))
}

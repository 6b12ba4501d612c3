//! Block size by the clock: prompts that share `k` words with a document and end with equally many of their own.
//!
//! What is computed of such a prompt is its end and what the last shared block misses, so that the time is
//! `const + b ((k + o) mod B)`, a sawtooth. It is folded at every block size and phase that comes into question, and the fold
//! of the best correlation wins if its t value says that it is no accident. Attention over a longer prompt takes longer, so
//! that there is a trend as well; it is taken off both, or large blocks would follow it.

use rand::RngExt;

use super::Piece;
use super::found::{Confidence, Property};
use super::lab::{Lab, Stop};
use crate::plan::map::Stage;
use crate::rng;
use crate::stats::robust::{median, sigma};

/// Looks, by the number of probes.
const LOOKS: [usize; 4] = [100, 200, 400, 800];
/// A t value above which a fold is believed; the largest of thousands of accidental ones hardly gets there.
const BELIEVED: f64 = 4.8;
/// Words of the ends that are tried: below some length a prefill takes the same time whatever its length.
const ENDS: [u64; 5] = [8, 32, 64, 128, 256];
/// Prompts of each.
const OF_AN_END: usize = 9;
const SPAN_WORDS: u64 = 6_400;
const SIZES: [u64; 18] = [8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 528, 768, 1_024, 1_536, 1_600, 1_648];

pub(super) async fn find(lab: &mut Lab) -> Result<(), Stop> {
    lab.note(|map| map.give_up("min_prefix_tokens", "it is found from cached_tokens only"));
    if let Some(per_word) = lab.known(|map| map.tokens_per_word) {
        let why = format!("a word is {per_word:.2} tokens, so that shared lengths are not known to the token");
        lab.note(|map| map.give_up("block_size", why));
        return Ok(());
    }
    let mut random = rng::stream(lab.design.seed, "shares");
    let end = end_words(lab).await?;
    let long = SPAN_WORDS.min(lab.design.most_words.saturating_sub(end + 64));
    let document = lab.new_piece(64 + long);
    lab.store(Stage::Block, vec![document]).await?;
    lab.settle().await;
    let (mut shared, mut times) = (Vec::new(), Vec::new());
    for look in LOOKS {
        // Small blocks show within any span, large ones need a wide one; half of the probes go to each.
        while shared.len() < look {
            let span = if shared.len() % 2 == 0 { long.min(1_024) } else { long };
            let words = 64 + random.random_range(0..span);
            let pieces = vec![Piece { words, ..document }, lab.new_piece(end)];
            times.push(lab.measure(Stage::Block, pieces).await?.ttft);
            shared.push(words);
        }
        let Some(fold) = best_fold(&shared, &times).filter(Fold::is_believed) else { continue };
        let evidence = format!(
            "{} prompts that share 64 to {} words and end with {end} of their own; t = {:.1} at phase {}",
            shared.len(),
            64 + long,
            fold.t,
            fold.phase
        );
        let found = Property::found(fold.size, evidence, Confidence::B).within(fold.size as f64, fold.size as f64);
        lab.note(|map| map.block_size = found);
        return Ok(());
    }
    let why = format!("no sawtooth in {} prompts: blocks are smaller than the clock can see", shared.len());
    lab.note(|map| map.give_up("block_size", why));
    Ok(())
}

/// Words of the shortest end from which on every token more takes longer.
async fn end_words(lab: &mut Lab) -> Result<u64, Stop> {
    let mut times = Vec::new();
    for words in ENDS {
        let mut seen = Vec::new();
        for _ in 0..OF_AN_END {
            let pieces = vec![lab.new_piece(words)];
            seen.push(lab.store(Stage::Block, pieces).await?.ttft);
        }
        times.push(median(&seen).expect("some were measured"));
    }
    Ok(bend(&ENDS, &times))
}

/// Where times that are flat at first begin to rise: of the lengths but the last, that from which on a straight line leaves
/// the least of them unexplained, relative to the times.
fn bend(lengths: &[u64], times: &[f64]) -> u64 {
    let unexplained = |from: u64| {
        let points =
            || lengths.iter().zip(times).map(|(length, time)| ((*length).max(from) as f64, *time, time.powi(-2)));
        let weight: f64 = points().map(|(.., w)| w).sum();
        let (x, y) =
            points().fold((0.0, 0.0), |(x, y), (length, time, w)| (x + w * length / weight, y + w * time / weight));
        let (xx, xy) = points().fold((0.0, 0.0), |(xx, xy), (length, time, w)| {
            (xx + w * (length - x).powi(2), xy + w * (length - x) * (time - y))
        });
        let slope = (xy / xx).max(0.0);
        points().map(|(length, time, w)| w * (time - y - slope * (length - x)).powi(2)).sum::<f64>()
    };
    let candidates = lengths.split_last().map_or(lengths, |(_, all_but_last)| all_but_last);
    let least = candidates.iter().copied().min_by(|one, other| unexplained(*one).total_cmp(&unexplained(*other)));
    least.unwrap_or(lengths[0])
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Fold {
    size: u64,
    phase: u64,
    t: f64,
}

impl Fold {
    fn is_believed(&self) -> bool {
        self.t > BELIEVED
    }
}

/// The block size and phase whose sawtooth the times follow best.
fn best_fold(shared: &[u64], times: &[f64]) -> Option<Fold> {
    let (centre, spread) = (median(times)?, sigma(times)?);
    let lengths = Trend::of(shared);
    let clipped = times.iter().map(|t| t.clamp(centre - 3.0 * spread, centre + 3.0 * spread)).collect();
    let z = lengths.without(clipped);
    let reach = shared.iter().max()? - shared.iter().min()?;
    let sizes = SIZES.into_iter().filter(|size| 2 * size <= reach);
    sizes.filter_map(|size| best_phase(shared, &lengths, &z, size)).max_by(|x, y| x.t.total_cmp(&y.t))
}

/// Of one size, the phase that the times follow best.
fn best_phase(shared: &[u64], lengths: &Trend, z: &[f64], size: u64) -> Option<Fold> {
    // Of a large block, neighbouring phases look alike.
    let phases = (0..size).step_by((size / 64).max(1) as usize);
    let fold = |phase| {
        let teeth = lengths.without(shared.iter().map(|k| ((k + phase) % size) as f64).collect());
        Some(Fold { size, phase, t: t_value(&teeth, z)? })
    };
    phases.filter_map(fold).max_by(|x, y| x.t.total_cmp(&y.t))
}

/// The shared lengths, less their mean, along which a trend is taken off.
struct Trend(Vec<f64>);

impl Trend {
    fn of(shared: &[u64]) -> Trend {
        let mean = shared.iter().sum::<u64>() as f64 / shared.len() as f64;
        Trend(shared.iter().map(|k| *k as f64 - mean).collect())
    }

    /// What is left of `values` without their mean and their trend.
    fn without(&self, mut values: Vec<f64>) -> Vec<f64> {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let (mut kk, mut kv) = (0.0, 0.0);
        for (k, value) in self.0.iter().zip(&mut values) {
            *value -= mean;
            kk += k * k;
            kv += k * *value;
        }
        let slope = if kk > 0.0 { kv / kk } else { 0.0 };
        self.0.iter().zip(&mut values).for_each(|(k, value)| *value -= slope * k);
        values
    }
}

/// The t value of the slope of `z` over `x`, both without mean and trend.
fn t_value(x: &[f64], z: &[f64]) -> Option<f64> {
    let (mut xx, mut xz, mut zz) = (0.0, 0.0, 0.0);
    for (x, z) in x.iter().zip(z) {
        xx += x * x;
        xz += x * z;
        zz += z * z;
    }
    let slope = xz / xx;
    let rest = (zz - slope * xz).max(zz * 1e-12);
    (xx > 0.0 && zz > 0.0).then(|| slope / (rest / (z.len() as f64 - 3.0) / xx).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_bend_where_they_begin_to_rise() {
        assert_eq!(bend(&ENDS, &[26.2, 27.8, 30.5, 35.4, 46.0]), 8);
        assert_eq!(bend(&ENDS, &[35.0, 35.9, 34.8, 36.9, 46.5]), 128);
        assert_eq!(bend(&ENDS, &[30.0, 30.4, 29.8, 35.1, 45.6]), 64);
    }

    /// Prompts that share as many words as are drawn, against blocks of 64 at phase 11 and with a trend.
    fn prompts(tooth: f64, trend: f64) -> (Vec<u64>, Vec<f64>) {
        let mut random = rng::stream(1, "prompts");
        let shared: Vec<u64> = (0..200).map(|_| 64 + random.random_range(0..6_400)).collect();
        let time = |k: &u64| 100.0 + tooth * ((k + 11) % 64) as f64 + trend * *k as f64 + 1e-3 * (k % 7) as f64;
        let times = shared.iter().map(time).collect();
        (shared, times)
    }

    #[test]
    fn a_sawtooth_is_found_on_a_trend_and_a_trend_is_none() {
        let (shared, times) = prompts(0.1, 0.002);
        let fold = best_fold(&shared, &times).unwrap();
        assert_eq!((fold.size, fold.phase), (64, 11));
        assert!(fold.is_believed(), "{fold:?}");
        let (shared, times) = prompts(0.0, 0.002);
        let fold = best_fold(&shared, &times).unwrap();
        assert!(!fold.is_believed(), "{fold:?}");
    }
}

//! Block size by the clock: prompts that share `k` words with a document and end with equally many of their own.
//!
//! What is computed of such a prompt is its end and what the last shared block misses, so that the time is
//! `const + b ((k + o) mod B)`: a sawtooth without a trend. It is folded at every block size and phase that comes into
//! question, and the fold of the best correlation wins if its t value says that it is no accident.

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
        let Some(fold) = best_fold(&shared, &times).filter(|fold| fold.t > BELIEVED) else { continue };
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

/// Words of the end at which a few tokens more show most: the steepest relative slope of the time to first token.
async fn end_words(lab: &mut Lab) -> Result<u64, Stop> {
    let mut times = Vec::new();
    for words in ENDS {
        let mut seen = Vec::new();
        for _ in 0..5 {
            let pieces = vec![lab.new_piece(words)];
            seen.push(lab.store(Stage::Block, pieces).await?.ttft);
        }
        times.push(median(&seen).expect("five were measured"));
    }
    // Flat up to some length: the first end from which the next step is steep again, compared with the steepest step.
    let slopes: Vec<f64> = ENDS
        .windows(2)
        .zip(times.windows(2))
        .map(|(words, times)| (times[1] - times[0]) / (words[1] - words[0]) as f64 / times[0])
        .collect();
    let steepest = slopes.iter().copied().fold(0.0, f64::max);
    let first = slopes.iter().position(|slope| *slope > 0.4 * steepest).unwrap_or(0);
    Ok(ENDS[first])
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Fold {
    size: u64,
    phase: u64,
    t: f64,
}

/// The block size and phase whose sawtooth the times follow best.
fn best_fold(shared: &[u64], times: &[f64]) -> Option<Fold> {
    let (centre, spread) = (median(times)?, sigma(times)?);
    let clipped: Vec<f64> = times.iter().map(|t| t.clamp(centre - 3.0 * spread, centre + 3.0 * spread)).collect();
    let mean = clipped.iter().sum::<f64>() / clipped.len() as f64;
    let z: Vec<f64> = clipped.iter().map(|t| t - mean).collect();
    let reach = shared.iter().max()? - shared.iter().min()?;
    let folds = SIZES.into_iter().filter(|size| 2 * size <= reach).flat_map(|size| {
        // Of a large block, neighbouring phases look alike.
        (0..size).step_by((size / 64).max(1) as usize).map(move |phase| (size, phase))
    });
    folds
        .filter_map(|(size, phase)| Some(Fold { size, phase, t: t_value(shared, &z, size, phase)? }))
        .max_by(|x, y| x.t.total_cmp(&y.t))
}

/// The t value of the slope of `z` over `(k + phase) mod size`.
fn t_value(shared: &[u64], z: &[f64], size: u64, phase: u64) -> Option<f64> {
    let n = z.len() as f64;
    let teeth = shared.iter().map(|k| ((k + phase) % size) as f64);
    let mean = teeth.clone().sum::<f64>() / n;
    let (mut xx, mut xz, mut zz) = (0.0, 0.0, 0.0);
    for (tooth, z) in teeth.zip(z) {
        let x = tooth - mean;
        xx += x * x;
        xz += x * z;
        zz += z * z;
    }
    let slope = xz / xx;
    let rest = (zz - slope * xz).max(zz * 1e-12);
    (xx > 0.0 && zz > 0.0).then(|| slope / (rest / (n - 2.0) / xx).sqrt())
}

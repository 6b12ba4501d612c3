//! Replicas: a document that is sent again and again misses once on every server behind the address.
//!
//! Each send goes to one of `R` replicas. When `d` of them have the document, it meets a new one with probability
//! `(R - d)/R` and misses; else it hits, and seems to miss with a small probability (a late answer). The likelihood of a
//! document's whole sequence of hits and misses is a sum over `d`, carried forward from send to send, so that early
//! misses speak for replicas and late ones for noise. The number is the likeliest over all documents and over shares of
//! late answers; its interval holds the numbers within 1.92 of it. What goes round the replicas in turn, or always to the
//! same one, comes out right as well: all misses come first, or only one.

use super::found::Property;
use super::lab::{Lab, Stop};
use crate::plan::map::Stage;
use crate::plan::{Arm, Role};

/// Documents and sends of the first look, after which most servers are known to be one: of two replicas, one is never
/// seen with probability 2^-18.
const FIRST: (usize, usize) = (6, 4);
/// Of the second.
const SECOND: (usize, usize) = (8, 24);
/// Shares of sends that seem to miss although their replica has the document.
const FALSE_MISSES: [f64; 5] = [0.005, 0.02, 0.05, 0.08, 0.12];
/// Where answers count, none does but by an eviction.
const FALSE_MISSES_COUNTED: [f64; 1] = [0.005];
const MOST: u64 = 16;
/// Of the last sends of a document, no more may miss than this share.
const LAST: usize = 6;
const MOST_LATE: f64 = 0.2;

pub(super) async fn count(lab: &mut Lab) -> Result<(), Stop> {
    if !lab.levels.is_separable() {
        lab.note(|map| map.give_up("replicas", "one request does not tell a hit from a miss"));
        return Ok(());
    }
    let mut sequences = send(lab, FIRST).await?;
    let mut sends = FIRST.1;
    // Where the clock tells, a slow hit looks like a second replica.
    if sequences.iter().filter(|misses| count_of(misses) > 1).count() > usize::from(!lab.levels.exact) {
        sequences = send(lab, SECOND).await?;
        sends = SECOND.1;
        let late: usize = sequences.iter().map(|misses| count_of(&misses[sends - LAST..])).sum();
        if late as f64 > MOST_LATE * (SECOND.0 * LAST) as f64 {
            // Every replica has seen a document by then: what looks like a miss is noise, of which the rest must know.
            lab.levels.is_refuted = true;
            lab.note(|map| map.give_up("replicas", "documents seem to miss however often they are sent"));
            return Ok(());
        }
    }
    let false_misses: &[f64] = if lab.levels.exact { &FALSE_MISSES_COUNTED } else { &FALSE_MISSES };
    let (replicas, low, high) = likeliest(&sequences, false_misses);
    let evidence = format!(
        "{} documents, {sends} sends each on new connections, {} misses, by {}",
        sequences.len(),
        sequences.iter().map(|misses| count_of(misses)).sum::<usize>(),
        lab.levels.means()
    );
    let confidence = lab.levels.confidence();
    lab.note(|map| {
        map.replicas = Property::found(replicas, evidence, confidence).within(low as f64, high as f64);
    });
    if replicas > 1 && lab.design.pin.is_none() {
        return Err(Stop::Worthless(format!(
            "{replicas} replicas answer, and each sees a part of what is sent; keep to one with --pin"
        )));
    }
    Ok(())
}

fn count_of(misses: &[bool]) -> usize {
    misses.iter().filter(|is_miss| **is_miss).count()
}

/// Whether each send of each document missed. The first does by its nature.
async fn send(lab: &mut Lab, (documents, sends): (usize, usize)) -> Result<Vec<Vec<bool>>, Stop> {
    let mut sequences = Vec::with_capacity(documents);
    for _ in 0..documents {
        let piece = lab.new_piece(lab.levels.words);
        let mut misses = Vec::with_capacity(sends);
        for nth in 0..sends {
            let (arm, role) = if nth == 0 { (Arm::Cold, Role::Prime) } else { (Arm::Hit, Role::Measure) };
            let mut probe = lab.probe(Stage::Replicas, arm, role, vec![piece]);
            probe.is_pinned = false;
            let seen = lab.send(probe).await?;
            misses.push(nth == 0 || !lab.levels.is_near_hit(&seen));
            lab.settle().await;
        }
        sequences.push(misses);
    }
    Ok(sequences)
}

/// The likeliest number of replicas and the ends of its interval.
fn likeliest(sequences: &[Vec<bool>], false_misses: &[f64]) -> (u64, u64, u64) {
    let of_all = |replicas: u64, false_miss: f64| -> f64 {
        sequences.iter().map(|misses| likelihood(misses, replicas, false_miss).max(1e-300).ln()).sum()
    };
    let best_of =
        |replicas| false_misses.iter().map(|share| of_all(replicas, *share)).fold(f64::NEG_INFINITY, f64::max);
    let likelihoods: Vec<(u64, f64)> = (1..=MOST).map(|replicas| (replicas, best_of(replicas))).collect();
    let best = likelihoods.iter().map(|(_, l)| *l).fold(f64::NEG_INFINITY, f64::max);
    let near: Vec<u64> = likelihoods.iter().filter(|(_, l)| *l > best - 1.92).map(|(replicas, _)| *replicas).collect();
    let value = likelihoods.iter().find(|(_, l)| *l == best).map_or(1, |(replicas, _)| *replicas);
    (value, *near.first().unwrap_or(&value), *near.last().unwrap_or(&value))
}

/// Of one document's hits and misses.
fn likelihood(misses: &[bool], replicas: u64, false_miss: f64) -> f64 {
    let all = replicas as usize;
    // have[d]: that what was seen so far was seen and that d replicas have the document.
    let mut have = vec![0.0; all + 1];
    have[0] = 1.0;
    for is_miss in misses {
        let before = have.clone();
        for (d, now) in have.iter_mut().enumerate() {
            let has = d as f64 / all as f64;
            let stays = has * if *is_miss { false_miss } else { 1.0 - false_miss };
            let is_new = if *is_miss && d > 0 { 1.0 - (d - 1) as f64 / all as f64 } else { 0.0 };
            *now = before[d] * stays + if d > 0 { before[d - 1] * is_new } else { 0.0 };
        }
    }
    have.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequence(text: &str) -> Vec<bool> {
        text.chars().map(|c| c == 'm').collect()
    }

    #[test]
    fn early_misses_are_replicas() {
        assert_eq!(likeliest(&vec![sequence("mhhh"); 6], &FALSE_MISSES).0, 1);
        for (told, replicas) in [("mmhhhhhhhhhhhhhhhhhhhhhh", 2), ("mhmhhmhhhhhhhhhhhhhhhhhh", 3)] {
            let (value, low, high) = likeliest(&vec![sequence(told); 8], &FALSE_MISSES);
            assert_eq!(value, replicas, "{told}");
            assert!(low <= value && value <= high);
        }
    }

    #[test]
    fn late_misses_are_noise() {
        let told = ["mhhhhhhhhhhmhhhhhhhhhhhh", "mhhhhhhhhhhhhhhhhhmhhhhh", "mhhhhhhhhhhhhhhhhhhhhhhh"].map(sequence);
        assert_eq!(likeliest(&told, &FALSE_MISSES).0, 1);
    }

    #[test]
    fn probabilities_add_up() {
        for replicas in [1, 2, 5] {
            let all = (0..1_u32 << 6).map(|bits| (0..6).map(|nth| bits >> nth & 1 == 1).collect::<Vec<_>>());
            let sum: f64 = all.map(|misses| likelihood(&misses, replicas, 0.05)).sum();
            assert!((sum - 1.0).abs() < 1e-9, "{replicas}: {sum}");
        }
    }
}

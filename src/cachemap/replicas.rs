//! Replicas: a document that is sent again and again misses once on every server behind the address.
//!
//! With `R` replicas picked at random, `K` sends see `d` of them with probability
//! `C(R,d) sum_j (-1)^j C(d,j) ((d-j)/R)^K`; misses beyond those come with a small probability each. The number is the
//! one of highest likelihood over all documents; its interval holds those within 1.92 of it.

use super::found::Property;
use super::lab::{Lab, Stop};
use crate::plan::map::Stage;
use crate::plan::{Arm, Role};

/// Documents and sends of the first look, after which most servers are known to be one: of two replicas, one is never
/// seen with probability 2^-18.
const FIRST: (usize, usize) = (6, 4);
/// Of the second.
const SECOND: (usize, usize) = (8, 24);
/// A send that misses although its replica has the document.
const FALSE_MISS: f64 = 0.02;
const MOST: u64 = 16;
/// Of the last sends of a document, no more may miss than this share.
const LAST: usize = 6;
const MOST_LATE: f64 = 0.12;

/// How often a document missed, in all and among its last sends.
struct Misses {
    all: usize,
    late: usize,
}

pub(super) async fn count(lab: &mut Lab) -> Result<(), Stop> {
    if !lab.levels.is_separable() {
        lab.note(|map| map.give_up("replicas", "one request does not tell a hit from a miss"));
        return Ok(());
    }
    let mut misses = send(lab, FIRST).await?;
    let mut sends = FIRST.1;
    // Where the clock tells, a slow hit looks like a second replica.
    if misses.iter().filter(|of| of.all > 1).count() > usize::from(!lab.levels.exact) {
        misses = send(lab, SECOND).await?;
        sends = SECOND.1;
        let late: usize = misses.iter().map(|of| of.late).sum();
        if late as f64 > MOST_LATE * (SECOND.0 * LAST) as f64 {
            // Every replica has seen a document by then: what looks like a miss is noise, of which the rest must know.
            lab.levels.is_refuted = true;
            lab.note(|map| map.give_up("replicas", "documents seem to miss however often they are sent"));
            return Ok(());
        }
    }
    let misses: Vec<usize> = misses.iter().map(|of| of.all).collect();
    let (replicas, low, high) = likeliest(&misses, sends);
    let evidence = format!(
        "{} documents, {sends} sends each on new connections, {} misses, by {}",
        misses.len(),
        misses.iter().sum::<usize>(),
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

/// Misses of each document. The first send is one by its nature.
async fn send(lab: &mut Lab, (documents, sends): (usize, usize)) -> Result<Vec<Misses>, Stop> {
    let mut misses = Vec::with_capacity(documents);
    for _ in 0..documents {
        let piece = lab.new_piece(lab.levels.words);
        let mut missed = Misses { all: 0, late: 0 };
        for nth in 0..sends {
            let (arm, role) = if nth == 0 { (Arm::Cold, Role::Prime) } else { (Arm::Hit, Role::Measure) };
            let mut probe = lab.probe(Stage::Replicas, arm, role, vec![piece]);
            probe.is_pinned = false;
            let seen = lab.send(probe).await?;
            let has_missed = usize::from(nth == 0 || !lab.levels.is_near_hit(&seen));
            missed.all += has_missed;
            missed.late += if nth + LAST >= sends { has_missed } else { 0 };
            lab.settle().await;
        }
        misses.push(missed);
    }
    Ok(misses)
}

/// The likeliest number of replicas and the ends of its interval.
fn likeliest(misses: &[usize], sends: usize) -> (u64, u64, u64) {
    let likelihoods: Vec<f64> = (1..=MOST)
        .map(|replicas| misses.iter().map(|&missed| probability(missed, replicas, sends).max(1e-12).ln()).sum())
        .collect();
    let best = likelihoods.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let near: Vec<u64> = (1..).zip(&likelihoods).filter(|(_, l)| **l > best - 1.92).map(|(r, _)| r).collect();
    let value = (1..).zip(&likelihoods).find(|(_, l)| **l == best).map_or(1, |(r, _)| r);
    (value, *near.first().unwrap_or(&value), *near.last().unwrap_or(&value))
}

/// That `missed` of `sends` sends miss.
fn probability(missed: usize, replicas: u64, sends: usize) -> f64 {
    (1..=missed.min(sends))
        .map(|seen| {
            let more = missed - seen;
            let hits = sends - seen;
            occupancy(seen, replicas, sends)
                * choose(hits, more)
                * FALSE_MISS.powi(more as i32)
                * (1.0 - FALSE_MISS).powi((hits.saturating_sub(more)) as i32)
        })
        .sum()
}

/// That `sends` sends see `seen` of `replicas` replicas.
fn occupancy(seen: usize, replicas: u64, sends: usize) -> f64 {
    if seen as u64 > replicas {
        return 0.0;
    }
    let sum: f64 = (0..=seen)
        .map(|j| {
            let sign = if j % 2 == 0 { 1.0 } else { -1.0 };
            sign * choose(seen, j) * ((seen - j) as f64 / replicas as f64).powi(sends as i32)
        })
        .sum();
    choose(replicas as usize, seen) * sum.max(0.0)
}

fn choose(n: usize, k: usize) -> f64 {
    if k > n { 0.0 } else { (0..k).map(|i| (n - i) as f64 / (i + 1) as f64).product() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_misses_is_the_number_of_replicas() {
        assert_eq!(likeliest(&[1; 6], 4).0, 1);
        for replicas in 1..=6 {
            let (value, low, high) = likeliest(&[replicas; 8], 24);
            assert_eq!(value, replicas as u64);
            assert!(low <= value && value <= high);
        }
    }

    #[test]
    fn a_false_miss_is_no_replica() {
        assert_eq!(likeliest(&[1, 1, 2, 1, 1, 1], 4).0, 1);
    }

    #[test]
    fn probabilities_add_up() {
        for replicas in [1, 2, 5] {
            let sum: f64 = (0..=12).map(|missed| probability(missed, replicas, 12)).sum();
            assert!((sum - 1.0).abs() < 1e-9, "{replicas}: {sum}");
        }
    }
}

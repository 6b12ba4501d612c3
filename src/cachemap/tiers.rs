//! Tiers: plateaus of the time to first token over the reuse distance.
//!
//! The fill's own replays show whether there is more than one level. If so, documents at 64 distances are looked for,
//! from near to far and two at each, of which the quicker counts (outliers are late and never early). The logarithms are
//! cut into levels ([`segment`]). Where a level ends is then searched by its likelihood over all looks ([`border`]), and
//! how quickly a lower tier loads by documents of two lengths ([`rate`]).
//!
//! By the clock the slowest level is that of misses, and a tier that is hardly quicker is not told from it. Where answers
//! count, a miss is known to be one and is on no level; the lowest tier then ends, under LRU, where the capacity does.
//!
//! Where a level ends is its reach. Tiers that also hold what is above them end at their own size; tiers that hold only
//! what left the one above end at the sum. A client cannot tell which.

mod border;
mod rate;

use super::fill::{Documents, Filled};
use super::found::{Confidence, Property, Tier};
use super::lab::{Lab, Stop};
use super::policy::Policy;
use crate::plan::map::Stage;
use crate::stats::robust::{median, sigma_within};
use crate::stats::segment::{self, Segment};
use border::{Border, Placed};

const DISTANCES: usize = 64;
const MOST_LEVELS: usize = 6;
/// Neighbouring levels that differ by less are one.
const STEP: f64 = 0.12;

pub(super) async fn find(lab: &mut Lab, filled: Option<Filled>) -> Result<(), Stop> {
    let Some(Filled { mut documents }) = filled else { return Ok(()) };
    let step = STEP.max(2.5 * lab.levels.sigma);
    let mut hits: Vec<(u64, f64)> = lab.known(|map| {
        map.points.iter().filter(|point| point.is_hit).map(|point| (point.reuse_tokens, point.ttft_ns.ln())).collect()
    });
    hits.sort_unstable_by_key(|(distance, _)| *distance);
    let logs: Vec<f64> = hits.iter().map(|(_, log)| *log).collect();
    // The server may have become less quiet than it was at the opening.
    let step = step.max(2.5 * sigma_within(&logs, 5).unwrap_or(0.0));
    let levels = rising(segment::segments(&logs, MOST_LEVELS, step), step);
    if levels.len() <= 1 {
        one(lab, &logs);
        return Ok(());
    }
    let end = counted_end(lab);
    let only_hits = end.is_some();
    let Scan { points, mut looks } = Scan::of(lab, &mut documents, only_hits).await?;
    let logs: Vec<f64> = points.iter().map(|(_, log)| *log).collect();
    let levels = rising(segment::segments(&logs, MOST_LEVELS, step), step);
    let sigma = lab.levels.sigma.max(sigma_within(&logs, 5).unwrap_or(0.0));
    let usual = documents.usual();
    let mut tiers: Vec<Tier> = Vec::new();
    for pair in levels.windows(2) {
        let [level, next] = [pair[0], pair[1]];
        let range = (points[level.start].0, points[next.end - 1].0);
        let border = Border { fast: level.level, slow: next.level, sigma, range, only_hits };
        let Placed { low, middle, high } = border.find(lab, &mut documents, &mut looks).await?;
        tiers.push(Tier {
            reach_tokens: middle + usual,
            // At the border a document lies in two tiers.
            reach_interval: (low, high + 2 * usual),
            load_tokens_per_s: None,
            load_interval: None,
            ttft_ns: level.level.exp() as u64,
        });
    }
    tiers.extend(end.zip(levels.last()).map(|((reach_tokens, reach_interval), level)| Tier {
        reach_tokens,
        reach_interval,
        load_tokens_per_s: None,
        load_interval: None,
        ttft_ns: level.level.exp() as u64,
    }));
    rate::measure(lab, &mut documents, &mut tiers).await?;
    if tiers.is_empty() {
        lab.note(|map| map.give_up("tiers", "no level ends within the fill"));
        return Ok(());
    }
    let evidence = format!(
        "levels of {} replays over the reuse distance, documents of {} tokens",
        points.len(),
        lab.levels.tokens
    );
    lab.note(|map| map.tiers = Property::found(tiers, evidence, Confidence::B));
    Ok(())
}

/// The levels that may be tiers. What lies farther back is in no quicker tier, so a slow level before a quicker one is a
/// disturbance of the server: it goes to the quicker one, and so do levels that are then one.
fn rising(levels: Vec<Segment>, step: f64) -> Vec<Segment> {
    let mut rising: Vec<Segment> = Vec::new();
    for mut level in levels {
        while let Some(last) = rising.pop_if(|last| level.level < last.level + step) {
            // Of two on one level, the longer knows it better.
            let is_one = (level.level - last.level).abs() < step;
            let known =
                if is_one && last.end - last.start > level.end - level.start { last.level } else { level.level };
            level = Segment { start: last.start, level: known, ..level };
        }
        rising.push(level);
    }
    rising
}

/// Where the lowest tier ends, and within what, if the answers count: under LRU where the capacity does.
fn counted_end(lab: &Lab) -> Option<(u64, (u64, u64))> {
    let (policy, capacity, interval) =
        lab.known(|map| (map.policy.value, map.capacity_tokens.value, map.capacity_tokens.interval));
    let reach = capacity.filter(|_| lab.levels.exact && policy == Some(Policy::Lru))?;
    let (low, high) = interval?;
    Some((reach, (low as u64, high.unwrap_or(low) as u64)))
}

/// One level: the whole capacity.
fn one(lab: &Lab, logs: &[f64]) {
    let ttft_ns = median(logs).map_or(0, |log| log.exp() as u64);
    lab.note(|map| {
        let Some(reach_tokens) = map.capacity_tokens.value else {
            return map.give_up("tiers", "one level as far as the fill went");
        };
        let (low, high) = map.capacity_tokens.interval.unwrap_or_default();
        let reach_interval = (low as u64, high.unwrap_or(low) as u64);
        let tier = Tier { reach_tokens, reach_interval, load_tokens_per_s: None, load_interval: None, ttft_ns };
        let evidence = format!("{} hits on one level", logs.len());
        map.tiers = Property::found(vec![tier], evidence, map.capacity_tokens.confidence.unwrap_or(Confidence::C));
    });
}

/// Replays at distances in even ratios.
struct Scan {
    /// Of the quicker of two, the nearest first: distance and logarithm of the time.
    points: Vec<(u64, f64)>,
    /// All of them.
    looks: Vec<(u64, f64)>,
}

impl Scan {
    /// Of hits alone, where answers count.
    async fn of(lab: &mut Lab, documents: &mut Documents, only_hits: bool) -> Result<Scan, Stop> {
        let usual = documents.usual();
        let most = documents.total().saturating_sub(usual).max(2 * usual);
        let ratio = (most as f64 / usual as f64).powf(1.0 / (DISTANCES - 1) as f64);
        let mut scan = Scan { points: Vec::new(), looks: Vec::new() };
        let mut used = std::collections::HashSet::new();
        for nth in 0..DISTANCES {
            let wanted = (usual as f64 * ratio.powi(nth as i32)) as u64;
            let mut quicker: Option<(u64, f64)> = None;
            for _ in 0..2 {
                let all = documents.by_distance();
                let free = all.into_iter().filter(|(_, document)| !used.contains(document));
                let Some((distance, document)) = free.min_by_key(|(distance, _)| distance.abs_diff(wanted)) else {
                    break;
                };
                if distance.abs_diff(wanted) > (wanted / 8).max(2 * usual) {
                    break;
                }
                used.insert(document);
                let seen = documents.look(lab, Stage::Tiers, document).await?;
                if only_hits && !lab.levels.is_hit(&seen) {
                    continue;
                }
                let point = (distance, seen.ttft.ln());
                scan.looks.push(point);
                quicker = Some(quicker.filter(|quicker| quicker.1 <= point.1).unwrap_or(point));
            }
            scan.points.extend(quicker);
        }
        scan.points.sort_unstable_by_key(|(distance, _)| *distance);
        Ok(scan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_spell_between_quick_replays_is_no_tier() {
        let level = |start, end, level| Segment { start, end, level };
        let spell = vec![level(0, 20, 1.0), level(20, 24, 2.0), level(24, 40, 1.02), level(40, 60, 3.0)];
        assert_eq!(rising(spell, 0.12), [level(0, 40, 1.02), level(40, 60, 3.0)]);
        let tiers = vec![level(0, 20, 1.0), level(20, 40, 2.0), level(40, 60, 3.0)];
        assert_eq!(rising(tiers.clone(), 0.12), tiers);
    }
}

//! Tiers: plateaus of the time to first token over the reuse distance.
//!
//! The fill's own replays show whether there is more than one level. If so, documents at 64 distances are looked for,
//! from near to far and two at each, of which the quicker counts (outliers are late and never early). The logarithms are
//! cut into levels ([`segment`]), each cut is placed by majority, and then halved like the capacity's bracket.
//!
//! Where a level ends is its reach. Tiers that also hold what is above them end at their own size; tiers that hold only
//! what left the one above end at the sum. A client cannot tell which.

use super::fill::{Documents, Filled};
use super::found::{Confidence, Property, Tier};
use super::lab::{Lab, Stop};
use crate::plan::map::Stage;
use crate::stats::robust::{median, sigma_within};
use crate::stats::segment::{self, Segment};

const DISTANCES: usize = 64;
const MOST_LEVELS: usize = 6;
/// Neighbouring levels that differ by less are one.
const STEP: f64 = 0.12;
const PRECISE: f64 = 0.01;

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
    let levels = segment::segments(&logs, MOST_LEVELS, step);
    if levels.len() <= 1 {
        one(lab, &logs);
        return Ok(());
    }
    let points = scan(lab, &mut documents).await?;
    let logs: Vec<f64> = points.iter().map(|(_, log)| *log).collect();
    let levels = segment::segments(&logs, MOST_LEVELS, step);
    let mut tiers = Vec::new();
    for (nth, level) in levels.iter().enumerate() {
        let Some(next) = levels.get(nth + 1) else { break };
        let (low, high) = cut(lab, &mut documents, &points, level, next).await?;
        let usual = documents.usual();
        let first = levels[0].level.exp();
        let extra = (level.level.exp() - first) / 1e9;
        tiers.push(Tier {
            reach_tokens: u64::midpoint(low, high) + usual,
            // A neighbour may have misled the halving, and a document may be found in part.
            reach_interval: (low.saturating_sub(2 * usual), high + 3 * usual),
            load_tokens_per_s: (nth > 0 && extra > 0.0).then(|| lab.levels.tokens as f64 / extra),
            ttft_ns: level.level.exp() as u64,
        });
    }
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

/// One level: the whole capacity.
fn one(lab: &Lab, logs: &[f64]) {
    let ttft_ns = median(logs).map_or(0, |log| log.exp() as u64);
    lab.note(|map| {
        let Some(reach_tokens) = map.capacity_tokens.value else {
            return map.give_up("tiers", "one level as far as the fill went");
        };
        let (low, high) = map.capacity_tokens.interval.unwrap_or_default();
        let reach_interval = (low as u64, high.unwrap_or(low) as u64);
        let tier = Tier { reach_tokens, reach_interval, load_tokens_per_s: None, ttft_ns };
        let evidence = format!("{} hits on one level", logs.len());
        map.tiers = Property::found(vec![tier], evidence, map.capacity_tokens.confidence.unwrap_or(Confidence::C));
    });
}

/// Replays at distances in even ratios, as distances and logarithms of times, the nearest first.
async fn scan(lab: &mut Lab, documents: &mut Documents) -> Result<Vec<(u64, f64)>, Stop> {
    let usual = documents.usual();
    let most = documents.total().saturating_sub(usual).max(2 * usual);
    let ratio = (most as f64 / usual as f64).powf(1.0 / (DISTANCES - 1) as f64);
    let mut points = Vec::new();
    let mut used = std::collections::HashSet::new();
    for nth in 0..DISTANCES {
        let wanted = (usual as f64 * ratio.powi(nth as i32)) as u64;
        let mut quicker: Option<(u64, f64)> = None;
        for _ in 0..2 {
            let all = documents.by_distance();
            let free = all.into_iter().filter(|(_, document)| !used.contains(document));
            let Some((distance, document)) = free.min_by_key(|(distance, _)| distance.abs_diff(wanted)) else { break };
            if distance.abs_diff(wanted) > (wanted / 8).max(2 * usual) {
                break;
            }
            used.insert(document);
            let seen = documents.look(lab, Stage::Tiers, document).await?;
            let point = (distance, seen.ttft.ln());
            quicker = Some(quicker.filter(|quicker| quicker.1 <= point.1).unwrap_or(point));
        }
        points.extend(quicker);
    }
    points.sort_unstable_by_key(|(distance, _)| *distance);
    Ok(points)
}

/// The distances between which one level ends and the next begins.
async fn cut(
    lab: &mut Lab,
    documents: &mut Documents,
    points: &[(u64, f64)],
    level: &Segment,
    next: &Segment,
) -> Result<(u64, u64), Stop> {
    let border = f64::midpoint(level.level, next.level);
    let wrong = |at: usize| {
        let before = points[level.start..at].iter().filter(|point| point.1 > border).count();
        before + points[at..next.end].iter().filter(|point| point.1 < border).count()
    };
    let at = (level.start + 1..next.end).min_by_key(|&at| (wrong(at), at.abs_diff(level.end))).unwrap_or(level.end);
    let (mut low, mut high) = (points[at - 1].0, points[at].0);
    let usual = documents.usual();
    while high.saturating_sub(low) > usual.max((PRECISE * high as f64) as u64) {
        let middle = u64::midpoint(low, high);
        let Some((distance, document)) = between(documents, low, high, middle) else { break };
        if documents.look(lab, Stage::Tiers, document).await?.ttft.ln() < border {
            low = distance;
            continue;
        }
        // A late answer proves nothing until another document is late too.
        if let Some((other, neighbour)) = between(documents, low, high, distance)
            && other.abs_diff(distance) <= 2 * usual
            && documents.look(lab, Stage::Tiers, neighbour).await?.ttft.ln() < border
        {
            low = low.max(other);
            continue;
        }
        high = distance;
    }
    Ok((low, high))
}

fn between(documents: &Documents, low: u64, high: u64, to: u64) -> Option<(u64, usize)> {
    let inside = documents.by_distance().into_iter().filter(|(distance, _)| low < *distance && *distance < high);
    inside.min_by_key(|(distance, _)| distance.abs_diff(to))
}

//! Which caveats a session calls for.

use std::collections::BTreeMap;

use super::{Caveat, Claim, Trust, Verdict};
use crate::buffering;
use crate::pairs::{Control, Pairs, STORE_PAUSE_NS, came_from_cache};
use crate::plan::{Arm, Role};
use crate::sample::Sample;
use crate::stats::Estimate;
use crate::stats::looks::Rule;

/// More drift than this in a minute, and a long run may not describe one server.
const MUCH_DRIFT: f64 = 0.05;
/// More outliers than this, and something else keeps the server or this machine busy.
const MANY_OUTLIERS: f64 = 0.10;

/// All that apply, the gravest first.
pub(super) fn all(verdict: &Verdict, samples: &[Sample], pairs: &Pairs, rule: &Rule) -> Vec<Caveat> {
    let mut caveats = Vec::new();
    caveats.extend(of_cold(pairs));
    caveats.extend(cold_unproven(pairs, samples));
    caveats.extend(of_control(verdict.control.as_ref()));
    caveats.extend(tier(verdict));
    // Where it is known why nothing was measured, more of it would not help.
    let is_explained = caveats.iter().any(|c| c.is_void() || matches!(c, Caveat::OutOfReach { .. }));
    caveats.retain(|caveat| !(is_explained && matches!(caveat, Caveat::NoControl)));
    caveats.extend(size(verdict, pairs, rule).filter(|c| !(is_explained && matches!(c, Caveat::NoLook { .. }))));
    let failed = pairs.failed.len();
    caveats.extend((failed > 0).then_some(Caveat::Failed { requests: failed }));
    caveats.extend(count_against_clock(verdict, samples));
    caveats.extend(of_counters(samples));
    caveats.extend(answers(samples));
    caveats.extend(opening(samples));
    caveats.extend(of_noise(&verdict.trust));
    caveats.extend(buffered(samples));
    caveats
}

/// Streams whose tokens arrived all at once, where those are more than half.
pub(super) fn buffered(samples: &[Sample]) -> Option<Caveat> {
    let requests = buffering::streams(samples.iter().filter(|s| s.role == Role::Measure))?;
    Some(Caveat::Buffered { requests })
}

pub(super) fn of_cold(pairs: &Pairs) -> Option<Caveat> {
    let (first, documents, by) = (pairs.not_cold.first(), pairs.not_cold.len(), pairs.cold_by);
    if !pairs.is_cold_refuted() {
        return first.map(|_| Caveat::ColdDiscarded);
    }
    let of_first = first.and_then(|first| Some((first.cached_tokens()?, first.prompt_tokens()?)));
    let of_canary = || pairs.canary.and_then(|canary| Some((canary.cached_tokens?, canary.prompt_tokens?)));
    let (cached_tokens, prompt_tokens) = of_first.or_else(of_canary).unwrap_or_default();
    Some(Caveat::ColdIsNotCold { documents, cached_tokens, prompt_tokens, by })
}

fn cold_unproven(pairs: &Pairs, samples: &[Sample]) -> Option<Caveat> {
    let by = pairs.cold_unproven().filter(|_| !pairs.is_cold_refuted())?;
    Some(Caveat::ColdUnproven { by, is_counted: samples.iter().any(|s| s.cached_tokens().is_some()) })
}

pub(super) fn of_control(control: Option<&Control>) -> Option<Caveat> {
    match control {
        None => Some(Caveat::NoControl),
        Some(control) if control.is_passed() => None,
        Some(control) => control.shift.interval.map(|shift| Caveat::ControlFailed { ratio: shift.map(f64::exp) }),
    }
}

fn tier(verdict: &Verdict) -> Option<Caveat> {
    let below = verdict.below?;
    let (tier, replays) = (below.tier, below.replays);
    match below.outside {
        _ if below.is_out_of_reach => Some(Caveat::OutOfReach { tier, filler_tokens: below.filler_tokens }),
        _ if replays == 0 => None,
        // One in ten may be chance: a filler that failed, a block that stayed.
        Some(outside) => {
            let hits = verdict.trust.hits.unwrap_or(replays).min(replays);
            let upper = hits.saturating_sub(outside);
            (10 * upper > replays).then_some(Caveat::UpperTier { tier, replays: upper, of: replays })
        }
        None => (!below.is_slower).then_some(Caveat::TierUnproven { tier }),
    }
}

fn size(verdict: &Verdict, pairs: &Pairs, rule: &Rule) -> Option<Caveat> {
    let Some(comparison) = &verdict.comparison else {
        return Some(Caveat::NoLook { pairs: pairs.measured.len(), needed: rule.looks.sizes()[0] });
    };
    let (logs, enough) = (comparison.ratio.interval?.map(f64::ln), rule.enough(comparison.ratio.value.ln()));
    let is_wide = verdict.claim != Claim::NoMaterialEffect && logs.half_width() > enough;
    is_wide.then(|| Caveat::Imprecise { half_width: logs.half_width().exp_m1(), asked: enough.exp_m1() })
}

fn count_against_clock(verdict: &Verdict, samples: &[Sample]) -> Option<Caveat> {
    let (trust, claim) = (&verdict.trust, verdict.claim);
    match trust.hits {
        None => Some(Caveat::NotCounted),
        Some(0) if claim == Claim::Helps => Some(Caveat::SavedButNotCounted),
        Some(0) if !has_ever_hit(samples) => None,
        Some(hits) if hits < trust.replays => Some(Caveat::HitsMissed { hits, replays: trust.replays }),
        Some(_) => (claim == Claim::NoMaterialEffect).then_some(Caveat::CountedButNotSaved),
    }
}

/// What the counters add: whether they agree with the answers, and whether anyone else moved them.
pub(super) fn of_counters(samples: &[Sample]) -> Vec<Caveat> {
    let measured = || samples.iter().filter(|s| s.role == Role::Measure);
    let disagrees = |s: &&Sample| {
        s.answered_cached_tokens().zip(s.counted_cached_tokens()).is_some_and(|(answered, counted)| answered != counted)
    };
    let (disagreeing, company) = (measured().filter(disagrees).count(), measured().filter(|s| s.has_company()).count());
    let mut caveats = Vec::new();
    caveats.extend((disagreeing > 0).then_some(Caveat::CountsDisagree { requests: disagreeing }));
    caveats.extend((company > 0).then_some(Caveat::Company { requests: company }));
    caveats
}

fn has_ever_hit(samples: &[Sample]) -> bool {
    samples.iter().any(|s| s.arm == Arm::Hit && came_from_cache(s) == Some(true))
}

/// Compares what each document was answered cold with what it was answered on a hit.
fn answers(samples: &[Sample]) -> Option<Caveat> {
    let mut cold: BTreeMap<u64, &str> = BTreeMap::new();
    let (mut of, mut documents) = (0, 0);
    for sample in samples.iter().filter(|s| s.place.shared_percent.is_none()) {
        let (Some(document), Some(answer)) = (sample.place.document, sample.answer.as_deref()) else { continue };
        match (sample.arm, cold.get(&document)) {
            (Arm::Cold | Arm::Unseen, _) => {
                cold.insert(document, answer);
            }
            (Arm::Hit, Some(&before)) => {
                of += 1;
                documents += usize::from(before != answer);
            }
            (Arm::Hit, None) => {}
        }
    }
    (documents > 0).then_some(Caveat::AnswersDiffer { documents, of })
}

/// What the opening found, read from what it led to.
fn opening(samples: &[Sample]) -> Vec<Caveat> {
    let is_paired = |s: &Sample| s.place.pair.is_some();
    let first = samples.iter().position(is_paired).unwrap_or(samples.len());
    let last = samples.iter().rposition(is_paired).unwrap_or(first);
    let (before, among) = (&samples[..first], samples.get(first..=last).unwrap_or_default());
    // The same document again, missed at once and hit after a pause; and every measured request had one before it.
    let replays: Vec<&Sample> = before.iter().filter(|s| s.arm == Arm::Hit).collect();
    let came_late = replays.windows(2).any(|two| {
        two[0].place.document == two[1].place.document
            && (came_from_cache(two[0]), came_from_cache(two[1])) == (Some(false), Some(true))
    });
    let pause = |two: &[Sample]| two[1].stamps.sent_ns?.checked_sub(two[0].stamps.end_ns?);
    let all_paused = samples.windows(2).filter(|two| is_paired(&two[1])).all(|two| pause(two) >= Some(STORE_PAUSE_NS));
    // In a chain, a measured replay was a measured document before; with little room it was primed right before.
    let has_little_room = among.iter().any(|s| s.role == Role::Prime);
    let mut caveats = Vec::new();
    caveats.extend((came_late && all_paused).then_some(Caveat::StoresLate));
    caveats.extend(has_little_room.then_some(Caveat::LittleRoom));
    caveats
}

pub(super) fn of_noise(trust: &Trust) -> Vec<Caveat> {
    let is_drift = |d: &Estimate| d.value.abs() > MUCH_DRIFT && d.interval.is_some_and(|i| !i.contains(0.0));
    let drift = trust.drift_per_minute.filter(is_drift).map(|drift| drift.value);
    let outliers = trust.outlier_share.filter(|&share| share > MANY_OUTLIERS);
    let mut caveats = Vec::new();
    caveats.extend(drift.map(|per_minute| Caveat::Drift { per_minute }));
    caveats.extend(outliers.map(|share| Caveat::Outliers { share }));
    caveats
}

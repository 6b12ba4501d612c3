//! What a reader must know beside the claim. A caveat's `Display` is a sentence of advice.

use std::collections::BTreeMap;
use std::fmt;

use super::{Claim, Verdict};
use crate::pairs::{Pairs, STORE_PAUSE_NS, came_from_cache};
use crate::plan::{Arm, Role};
use crate::sample::Sample;
use crate::stats::looks::Rule;
use crate::stats::{Estimate, Interval};

/// More drift than this in a minute, and a long run may not describe one server.
const MUCH_DRIFT: f64 = 0.05;
/// More outliers than this, and something else keeps the server or this machine busy.
const MANY_OUTLIERS: f64 = 0.10;

/// A warning, with what to do about it.
#[derive(Debug, Clone, PartialEq)]
pub enum Caveat {
    /// New documents came out of the cache.
    ColdIsNotCold {
        documents: usize,
        cached_tokens: u64,
        prompt_tokens: u64,
    },
    /// One new document came out of the cache; its pair was measured again.
    ColdDiscarded,
    /// The A/A control found a difference where there is none.
    ControlFailed {
        ratio: Interval,
    },
    /// The A/A control was not run to its end.
    NoControl,
    /// The run ended before its first look.
    NoLook {
        pairs: usize,
        needed: usize,
    },
    /// Requests failed.
    Failed {
        requests: usize,
    },
    /// The server counts cached tokens where the clock sees nothing saved.
    CountedButNotSaved,
    /// The clock sees time saved where the server counts nothing cached.
    SavedButNotCounted,
    /// Replays missed.
    HitsMissed {
        hits: usize,
        replays: usize,
    },
    /// A document got another answer when it came from the cache.
    AnswersDiffer {
        documents: usize,
        of: usize,
    },
    /// The server does not count cached tokens.
    NotCounted,
    /// The interval is wider than was asked for.
    Imprecise {
        half_width: f64,
        asked: f64,
    },
    /// The cache has no room for three documents.
    LittleRoom,
    /// A replay right after its document misses, and one two seconds later hits.
    StoresLate,
    Drift {
        per_minute: f64,
    },
    Outliers {
        share: f64,
    },
    /// First tokens shared a read with later events.
    Buffered {
        requests: usize,
    },
}

impl Caveat {
    /// Whether nothing can be claimed in spite of a ratio.
    pub fn is_void(&self) -> bool {
        matches!(self, Caveat::ColdIsNotCold { .. } | Caveat::ControlFailed { .. })
    }

    /// The best grade that is possible with it; `None` when it does not matter for the grade.
    pub(super) fn lowers_to(&self) -> Option<char> {
        match self {
            Caveat::NotCounted | Caveat::Imprecise { .. } | Caveat::CountedButNotSaved => Some('B'),
            Caveat::LittleRoom
            | Caveat::StoresLate
            | Caveat::ColdDiscarded
            | Caveat::Drift { .. }
            | Caveat::Outliers { .. } => None,
            _ => Some('C'),
        }
    }

    /// The grade's reason, in a few words.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Caveat::ColdIsNotCold { .. } => "cold is not cold",
            Caveat::ColdDiscarded => "a cold document was discarded",
            Caveat::ControlFailed { .. } => "the A/A control failed",
            Caveat::NoControl => "the A/A control is incomplete",
            Caveat::NoLook { .. } => "too few pairs",
            Caveat::Failed { .. } => "requests failed",
            Caveat::CountedButNotSaved => "the server counts hits that save no time",
            Caveat::SavedButNotCounted => "the clock and the server's count disagree",
            Caveat::HitsMissed { .. } => "replays missed",
            Caveat::AnswersDiffer { .. } => "the cache changes answers",
            Caveat::NotCounted => "timing alone",
            Caveat::Imprecise { .. } => "less precise than asked",
            Caveat::LittleRoom => "little room in the cache",
            Caveat::StoresLate => "the store takes time",
            Caveat::Drift { .. } => "drift",
            Caveat::Outliers { .. } => "many outliers",
            Caveat::Buffered { .. } => "buffered streams",
        }
    }
}

impl fmt::Display for Caveat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |x: f64| 100.0 * x;
        match self {
            Caveat::ColdIsNotCold { documents, cached_tokens, prompt_tokens } => write!(
                f,
                "cold is not cold: {documents} new documents came out of the cache, one with {cached_tokens} of \
                 {prompt_tokens} prompt tokens; run without --nonce, and if it stays so, the server's count is wrong"
            ),
            Caveat::ColdDiscarded => {
                write!(f, "one new document came out of the cache; its pair was discarded and measured again")
            }
            Caveat::ControlFailed { ratio } => write!(
                f,
                "the A/A control failed twice: new documents differ from new documents by {:.2}x to {:.2}x, so this run \
                 shows nothing; run it again on a quieter server",
                ratio.low, ratio.high
            ),
            Caveat::NoControl => {
                write!(
                    f,
                    "the A/A control was not completed; allow a larger --budget to know that the method holds here"
                )
            }
            Caveat::NoLook { pairs, needed } => write!(
                f,
                "the run ended after {pairs} pairs and its first look is at {needed}; allow a larger --budget"
            ),
            Caveat::Failed { requests } => {
                write!(f, "{requests} requests failed; their rows in the log say why, and their pairs do not count")
            }
            Caveat::CountedButNotSaved => write!(
                f,
                "the server counts cached tokens, yet a hit is no quicker: loading them takes as long as computing them, \
                 or the count is wrong"
            ),
            Caveat::SavedButNotCounted => write!(
                f,
                "the server counts no cached tokens, yet replays are quicker: another layer in front of it caches, or \
                 its count is wrong"
            ),
            Caveat::HitsMissed { hits, replays } => write!(
                f,
                "only {hits} of {replays} replays hit: several replicas behind the endpoint, or other traffic in the \
                 cache; the ratio includes the misses, as users would see them"
            ),
            Caveat::AnswersDiffer { documents, of } => write!(
                f,
                "{documents} of {of} documents got another answer from the cache at temperature 0: the cache changes \
                 what the model says"
            ),
            Caveat::NotCounted => write!(
                f,
                "the server does not count cached tokens, so hits are proved by timing alone; start vLLM with \
                 --enable-prompt-tokens-details, SGLang with --enable-cache-report"
            ),
            Caveat::Imprecise { half_width, asked } => write!(
                f,
                "the interval is +-{:.1} % and +-{:.1} % was asked for; allow more --max_pairs or measure a quieter server",
                percent(*half_width),
                percent(*asked)
            ),
            Caveat::LittleRoom => write!(
                f,
                "a replay at once hit and two with two documents between missed, for want of room or for several \
                 replicas, so every replay followed its own prime at once; fewer --context_tokens would need less room"
            ),
            Caveat::StoresLate => write!(
                f,
                "a replay at once missed and one two seconds later hit: the store takes time, so every measured request \
                 waited two seconds"
            ),
            Caveat::Drift { per_minute } => write!(
                f,
                "cold changed by {:+.1} % a minute; the pairs cancel it, but the milliseconds are those of a moving server",
                percent(*per_minute)
            ),
            Caveat::Outliers { share } => write!(
                f,
                "{:.0} % of the times are far above their neighbours: something else keeps the server or this machine busy",
                percent(*share)
            ),
            Caveat::Buffered { requests } => write!(
                f,
                "{requests} first tokens arrived together with later ones: a proxy or gzip buffers the stream, and both \
                 times are upper bounds"
            ),
        }
    }
}

/// All that apply, the gravest first.
pub(super) fn of(verdict: &Verdict, samples: &[Sample], pairs: &Pairs, rule: &Rule) -> Vec<Caveat> {
    let mut caveats = Vec::new();
    caveats.extend(cold_is_not_cold(pairs));
    caveats.extend(control(verdict));
    caveats.extend(size(verdict, pairs, rule));
    let failed = pairs.failed.len();
    caveats.extend((failed > 0).then_some(Caveat::Failed { requests: failed }));
    caveats.extend(count_against_clock(verdict, samples));
    caveats.extend(answers(samples));
    caveats.extend(opening(samples));
    caveats.extend(noise(verdict));
    let buffered = samples.iter().filter(|s| s.role == Role::Measure && s.first_token_shared).count();
    caveats.extend((2 * buffered > verdict.trust.replays.max(1)).then_some(Caveat::Buffered { requests: buffered }));
    caveats
}

fn cold_is_not_cold(pairs: &Pairs) -> Option<Caveat> {
    let (first, documents) = (pairs.not_cold.first()?, pairs.not_cold.len());
    if !pairs.is_cold_refuted() {
        return Some(Caveat::ColdDiscarded);
    }
    Some(Caveat::ColdIsNotCold {
        documents,
        cached_tokens: first.cached_tokens().unwrap_or(0),
        prompt_tokens: first.prompt_tokens().unwrap_or(0),
    })
}

fn control(verdict: &Verdict) -> Option<Caveat> {
    match &verdict.control {
        None => Some(Caveat::NoControl),
        Some(control) if control.is_passed() => None,
        Some(control) => control.shift.interval.map(|shift| Caveat::ControlFailed { ratio: shift.map(f64::exp) }),
    }
}

fn size(verdict: &Verdict, pairs: &Pairs, rule: &Rule) -> Option<Caveat> {
    let Some(comparison) = &verdict.comparison else {
        return Some(Caveat::NoLook { pairs: pairs.measured.len(), needed: rule.looks.sizes()[0] });
    };
    let logs = comparison.ratio.interval?.map(f64::ln);
    let is_wide = verdict.claim != Claim::NoMaterialEffect && logs.half_width() > rule.precision;
    is_wide.then(|| Caveat::Imprecise { half_width: logs.half_width().exp_m1(), asked: rule.precision.exp_m1() })
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

fn noise(verdict: &Verdict) -> Vec<Caveat> {
    let is_drift = |d: &Estimate| d.value.abs() > MUCH_DRIFT && d.interval.is_some_and(|i| !i.contains(0.0));
    let drift = verdict.trust.drift_per_minute.filter(is_drift).map(|drift| drift.value);
    let outliers = verdict.trust.outlier_share.filter(|&share| share > MANY_OUTLIERS);
    let mut caveats = Vec::new();
    caveats.extend(drift.map(|per_minute| Caveat::Drift { per_minute }));
    caveats.extend(outliers.map(|share| Caveat::Outliers { share }));
    caveats
}

//! What a reader must know beside the claim. A caveat's `Display` is a sentence of advice.

use std::fmt;

use crate::buffering;
use crate::clock::Nanos;
use crate::plan::ColdBy;
use crate::stats::Interval;

/// A warning, with what to do about it.
#[derive(Debug, Clone, PartialEq)]
pub enum Caveat {
    /// New documents came out of the cache.
    ColdIsNotCold {
        documents: usize,
        cached_tokens: u64,
        prompt_tokens: u64,
        by: Option<ColdBy>,
    },
    /// Nothing proves that cold was made cold, and it was no new text.
    ColdUnproven {
        by: ColdBy,
        is_counted: bool,
    },
    /// One new document came out of the cache; its pair was measured again.
    ColdDiscarded,
    /// The A/A control found a difference where there is none.
    ControlFailed {
        ratio: Interval,
    },
    /// The A/A control was not run to its end.
    NoControl,
    /// The difference is below the client's own error.
    BelowFloor {
        floor_ns: Nanos,
    },
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
    /// The answers' count and the counters say different things of the same requests.
    CountsDisagree {
        requests: usize,
    },
    /// Others used the server during measured requests.
    Company {
        requests: usize,
    },
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
    /// Replays came from a tier above the one that was to answer.
    UpperTier {
        tier: u8,
        replays: usize,
        of: usize,
    },
    /// Nothing shows which tier answered.
    TierUnproven {
        tier: u8,
    },
    /// No tier holds a document behind the fillers.
    OutOfReach {
        tier: u8,
        filler_tokens: u64,
    },
    /// A replay right after its document misses, and one two seconds later hits.
    StoresLate,
    Drift {
        per_minute: f64,
    },
    Outliers {
        share: f64,
    },
    /// The tokens of streams arrived all at once.
    Buffered {
        requests: usize,
    },
}

impl Caveat {
    /// Whether nothing can be claimed in spite of a ratio.
    pub fn is_void(&self) -> bool {
        matches!(
            self,
            Caveat::ColdIsNotCold { .. }
                | Caveat::ColdUnproven { .. }
                | Caveat::ControlFailed { .. }
                | Caveat::BelowFloor { .. }
        )
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
            Caveat::ColdUnproven { .. } => "nothing proves that cold is cold",
            Caveat::ColdDiscarded => "a cold document was discarded",
            Caveat::ControlFailed { .. } => "the A/A control failed",
            Caveat::BelowFloor { .. } => "too small to be seen from here",
            Caveat::NoControl => "the A/A control is incomplete",
            Caveat::NoLook { .. } => "too few pairs",
            Caveat::Failed { .. } => "requests failed",
            Caveat::CountedButNotSaved => "the server counts hits that save no time",
            Caveat::SavedButNotCounted => "the clock and the server's count disagree",
            Caveat::CountsDisagree { .. } => "the server's counts disagree",
            Caveat::Company { .. } => "others used the server",
            Caveat::HitsMissed { .. } => "replays missed",
            Caveat::AnswersDiffer { .. } => "the cache changes answers",
            Caveat::NotCounted => "timing alone",
            Caveat::Imprecise { .. } => "less precise than asked",
            Caveat::LittleRoom => "little room in the cache",
            Caveat::UpperTier { .. } => "an upper tier answered",
            Caveat::TierUnproven { .. } => "which tier answered is not known",
            Caveat::OutOfReach { .. } => "no tier reaches behind the fillers",
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
            Caveat::ColdIsNotCold { cached_tokens, prompt_tokens, by: Some(ColdBy::Reset), .. } => write!(
                f,
                "cold is not cold: the reset said success and the canary was still a hit: {cached_tokens} of \
                 {prompt_tokens} prompt tokens; run without --cold reset"
            ),
            Caveat::ColdIsNotCold { documents, cached_tokens, prompt_tokens, by: Some(ColdBy::Salt) } => write!(
                f,
                "cold is not cold: the server took cache_salt, and {documents} documents with a salt of their own came \
                 out of the cache, one with {cached_tokens} of {prompt_tokens} prompt tokens; run without --cold salt"
            ),
            Caveat::ColdUnproven { by, is_counted } => {
                let (what, flag) = match by {
                    ColdBy::Salt => ("cache_salt kept documents apart", "salt"),
                    ColdBy::Reset => ("the reset emptied the cache", "reset"),
                };
                let why = match is_counted {
                    true => "no document was seen in the cache before",
                    false => "this server shows no evidence",
                };
                write!(f, "whether {what} is not known: {why}; run without --cold {flag}")
            }
            Caveat::ColdIsNotCold { documents, cached_tokens, prompt_tokens, by: None } => write!(
                f,
                "cold is not cold: {documents} new documents came out of the cache, one with {cached_tokens} of \
                 {prompt_tokens} prompt tokens; a repeated --nonce does that, and without one the server's count is wrong"
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
            Caveat::BelowFloor { floor_ns } => write!(
                f,
                "the difference is below {:.3} ms, twice this client's own error by its selftest: it cannot be seen from \
                 here; measure longer documents, or from a quieter machine",
                *floor_ns as f64 / 1e6
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
                write!(
                    f,
                    "{requests} of the measured requests failed; their rows in the log say why, and their pairs do not count"
                )
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
            Caveat::CountsDisagree { requests } => write!(
                f,
                "in {requests} requests the answer's cached_tokens is not what the server's counters moved by; one of \
                 them is wrong, and the clock decides"
            ),
            Caveat::Company { requests } => write!(
                f,
                "during {requests} measured requests the server's counters moved by more than our own: others use this \
                 server, and their prompts take room and time from ours"
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
            Caveat::UpperTier { tier, replays, of } => write!(
                f,
                "{replays} of {of} replays came from the engine's own memory and not from tier {tier}: the tiers above \
                 reach further than was said; raise --tier_tokens, or map the cache again"
            ),
            Caveat::TierUnproven { tier } => write!(
                f,
                "nothing shows that tier {tier} answered: the server does not tell its tiers, and replays behind the \
                 fillers are no slower than replays at once; raise --tier_tokens, or there is one tier"
            ),
            Caveat::OutOfReach { tier, filler_tokens } => write!(
                f,
                "no replay hit behind {filler_tokens} tokens of fillers, so no tier {tier} reaches that far and nothing was \
                 measured; is it switched on? A lower --tier_tokens asks for less"
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
            Caveat::Buffered { requests } => write!(f, "in {requests} streams {}", buffering::ALARM),
        }
    }
}

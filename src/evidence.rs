//! What one request found in the cache, and who says so.
//!
//! A server has up to three witnesses: the count in its answer, llama.cpp's timings, and its counters, when no other
//! request moved them. The first that speaks is believed; one that says otherwise is kept beside it. Where none speaks,
//! the clock may: [`Judge`] compares a request's time with those of the session before it, since one time proves nothing.

mod judge;

pub use judge::Judge;

use serde::{Deserialize, Serialize};

use crate::sample::Sample;

/// Tokens that the last, unfinished block of a cache may hold and that are computed on every hit: LMCache's chunk is the
/// largest that is usual.
const BLOCK: u64 = 256;

/// What a request found, and by which proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    pub found: Found,
    /// Who says so; `None` when nobody does, and `found` is unknown.
    pub proof: Option<Proof>,
    /// Prompt tokens that came from a cache, by that proof.
    pub cached_tokens: Option<u64>,
    /// What became of the count in the answer.
    #[serde(default)]
    pub reported: Reported,
    /// Of these, from the engine's own memory. `None` where the server does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_cached_tokens: Option<u64>,
    /// Of these, from outside the engine's own memory: LMCache, host memory, a disk. `None` where the server does not
    /// tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_cached_tokens: Option<u64>,
    /// What other witnesses say who do not agree.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contradicted: Vec<Witness>,
    /// How the clock contradicts the count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timing: Option<AgainstTiming>,
    /// Whether others moved the counters too, which then prove nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_company: bool,
}

/// What became of the count in the answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reported {
    Reported,
    /// Which is not 0.
    #[default]
    Absent,
    /// It is there, and another witness or the clock says otherwise.
    Contradicted,
}

/// A count that the clock contradicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgainstTiming {
    /// Counted as cold, in less than half the time of the quickest cold request.
    QuickForCold,
    /// Counted as a hit, in the time of a cold request, where hits take less than half.
    SlowForHit,
}

/// How much of the prompt came from a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// Half of it at least, and all of it but a tenth or a block of 256 tokens.
    Hit,
    /// Something of the document.
    Partial,
    /// Nothing but what stands around the document, such as the chat template.
    Cold,
    Unknown,
}

/// How it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// `cached_tokens` in the answer's usage, whatever the server calls it.
    CachedTokens,
    /// llama.cpp's `timings`.
    Timings,
    /// The server's counters, moved by this request alone.
    Counters,
    /// The clock, against the session's requests before.
    Timing,
}

/// What a witness counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Witness {
    pub proof: Proof,
    pub cached_tokens: u64,
}

impl Evidence {
    /// Of a request whose document has `document_tokens`; `None` for one that failed.
    pub fn of(sample: &Sample, document_tokens: u64) -> Option<Evidence> {
        if !sample.outcome.is_ok() {
            return None;
        }
        let (possible, impossible): (Vec<Witness>, Vec<Witness>) = witnesses(sample)
            .into_iter()
            .partition(|w| sample.prompt_tokens().is_none_or(|all| w.cached_tokens <= all));
        let believed = possible.first().copied();
        let cached_tokens = believed.map(|witness| witness.cached_tokens);
        let differs = possible.into_iter().filter(|witness| Some(witness.cached_tokens) != cached_tokens);
        let contradicted: Vec<Witness> = impossible.into_iter().chain(differs).collect();
        Some(Evidence {
            found: found(cached_tokens, sample.prompt_tokens(), document_tokens),
            proof: believed.map(|witness| witness.proof),
            cached_tokens,
            reported: match (sample.answered_cached_tokens(), contradicted.is_empty()) {
                (None, _) => Reported::Absent,
                (Some(_), true) => Reported::Reported,
                (Some(_), false) => Reported::Contradicted,
            },
            local_cached_tokens: local(sample),
            external_cached_tokens: external_cached_tokens(sample),
            contradicted,
            timing: None,
            has_company: sample.has_company(),
        })
    }
}

impl Found {
    /// The name in a log.
    pub fn name(self) -> &'static str {
        match self {
            Found::Hit => "hit",
            Found::Partial => "partial",
            Found::Cold => "cold",
            Found::Unknown => "unknown",
        }
    }
}

impl Proof {
    /// The name in a log.
    pub fn name(self) -> &'static str {
        match self {
            Proof::CachedTokens => "cached_tokens",
            Proof::Timings => "timings",
            Proof::Counters => "counters",
            Proof::Timing => "timing",
        }
    }
}

/// All that speak, the most trusted first.
fn witnesses(sample: &Sample) -> Vec<Witness> {
    let counts = [
        (Proof::CachedTokens, sample.usage.and_then(|usage| usage.cached_tokens)),
        (Proof::Timings, sample.timings.and_then(|timings| timings.cache_n)),
        (Proof::Counters, sample.counted_cached_tokens()),
    ];
    counts.into_iter().filter_map(|(proof, cached)| Some(Witness { proof, cached_tokens: cached? })).collect()
}

fn found(cached: Option<u64>, prompt: Option<u64>, document: u64) -> Found {
    match (cached, prompt) {
        (None, _) => Found::Unknown,
        (Some(0), _) => Found::Cold,
        // Something was cached, and nobody knows of how much.
        (Some(_), None) => Found::Partial,
        (Some(cached), Some(prompt)) => {
            let computed = prompt.saturating_sub(cached);
            // A guess at the document's length may be far too small.
            if cached <= prompt.saturating_sub(document).min(prompt / 2) {
                Found::Cold
            } else if cached >= prompt.div_ceil(2) && computed <= BLOCK.max(prompt / 10) {
                Found::Hit
            } else {
                Found::Partial
            }
        }
    }
}

/// Where the engine tells it apart from what came from elsewhere.
fn local(sample: &Sample) -> Option<u64> {
    let by_usage = sample.usage.and_then(|usage| usage.local_cached_tokens.or(usage.device_cached_tokens));
    let counted = || {
        let counters = sample.counters.filter(|counters| counters.external().is_some())?;
        sample.counted_cached_tokens().and(counters.local_cached_tokens)
    };
    by_usage.or_else(counted)
}

/// Prompt tokens that came from outside the engine's own memory; `None` where the server does not tell.
pub fn external_cached_tokens(sample: &Sample) -> Option<u64> {
    let by_usage = sample.usage.and_then(|usage| {
        let lower = [usage.host_cached_tokens, usage.storage_cached_tokens];
        usage.external_cached_tokens.or_else(|| lower.into_iter().flatten().reduce(|sum, tokens| sum + tokens))
    });
    // The counters are this request's only when they moved by its prompt.
    let counted = || sample.counted_cached_tokens().and(sample.counters?.external());
    by_usage.or_else(counted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence(more: serde_json::Value) -> Option<Evidence> {
        let mut row = serde_json::json!({
            "trial": 1, "arm": "cold", "role": "measure", "outcome": "ok", "body_bytes": 1,
        });
        row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Evidence::of(&serde_json::from_value(row).unwrap(), 2_000)
    }

    fn by_usage(cached: Option<u64>) -> Evidence {
        evidence(serde_json::json!({ "usage": { "prompt_tokens": 2_030, "cached_tokens": cached } })).unwrap()
    }

    #[test]
    fn absent_is_unknown_and_zero_is_cold() {
        assert_eq!((by_usage(None).found, by_usage(None).proof), (Found::Unknown, None));
        assert_eq!((by_usage(Some(0)).found, by_usage(Some(0)).proof), (Found::Cold, Some(Proof::CachedTokens)));
        assert_eq!(by_usage(Some(30)).found, Found::Cold, "the template and the question are no document");
    }

    #[test]
    fn a_hit_may_lack_its_last_block() {
        assert_eq!(by_usage(Some(2_029)).found, Found::Hit);
        assert_eq!(by_usage(Some(2_030 - 256)).found, Found::Hit);
        assert_eq!(by_usage(Some(2_030 - 257)).found, Found::Partial);
        assert_eq!(by_usage(Some(31)).found, Found::Partial);
    }

    #[test]
    fn the_answer_is_believed_and_a_counter_that_says_otherwise_is_kept() {
        let told = evidence(serde_json::json!({
            "usage": { "prompt_tokens": 2_030, "cached_tokens": 2_016 },
            "counters": { "queried_tokens": 2_030, "local_cached_tokens": 0, "external_cached_tokens": 1_792 },
        }))
        .unwrap();
        assert_eq!((told.found, told.proof), (Found::Hit, Some(Proof::CachedTokens)));
        assert_eq!(told.external_cached_tokens, Some(1_792));
        assert_eq!(told.contradicted, [Witness { proof: Proof::Counters, cached_tokens: 1_792 }]);
    }

    #[test]
    fn counters_that_others_moved_are_no_witness() {
        let told = evidence(serde_json::json!({
            "usage": { "prompt_tokens": 2_030 },
            "counters": { "queried_tokens": 9_999, "local_cached_tokens": 2_000, "external_cached_tokens": 7 },
        }))
        .unwrap();
        assert_eq!((told.found, told.proof, told.external_cached_tokens), (Found::Unknown, None, None));
    }

    #[test]
    fn llama_cpps_timings_speak_where_usage_is_silent() {
        let told = evidence(serde_json::json!({ "timings": { "cache_n": 2_029, "prompt_n": 1 } })).unwrap();
        assert_eq!((told.found, told.proof, told.cached_tokens), (Found::Hit, Some(Proof::Timings), Some(2_029)));
    }

    #[test]
    fn the_count_in_the_answer_is_reported_absent_or_contradicted() {
        assert_eq!(by_usage(Some(0)).reported, Reported::Reported);
        assert_eq!(by_usage(None).reported, Reported::Absent);
        let more_than_was_sent = by_usage(Some(2_031));
        assert_eq!((more_than_was_sent.found, more_than_was_sent.reported), (Found::Unknown, Reported::Contradicted));
    }

    #[test]
    fn a_request_that_failed_found_nothing_out() {
        assert_eq!(evidence(serde_json::json!({ "outcome": "truncated" })), None);
    }
}

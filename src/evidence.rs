//! What one request found in the cache, and who says so.
//!
//! A server has up to three witnesses: the count in its answer, llama.cpp's timings, and its counters, when no other
//! request moved them. The first that speaks is believed; one that says otherwise is kept beside it. What a session shows
//! by its times alone is the verdict's affair, since one time proves nothing.

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
    /// Of these, from outside the engine's own memory: LMCache, host memory, a disk. `None` where the server does not
    /// tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_cached_tokens: Option<u64>,
    /// What other witnesses say who do not agree.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contradicted: Vec<Witness>,
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
        let mut witnesses = witnesses(sample).into_iter();
        let believed = witnesses.next();
        let cached_tokens = believed.map(|witness| witness.cached_tokens);
        Some(Evidence {
            found: found(cached_tokens, sample.prompt_tokens(), document_tokens),
            proof: believed.map(|witness| witness.proof),
            cached_tokens,
            external_cached_tokens: external(sample),
            contradicted: witnesses.filter(|witness| Some(witness.cached_tokens) != cached_tokens).collect(),
        })
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
            if cached <= prompt.saturating_sub(document) {
                Found::Cold
            } else if cached >= prompt.div_ceil(2) && computed <= BLOCK.max(prompt / 10) {
                Found::Hit
            } else {
                Found::Partial
            }
        }
    }
}

fn external(sample: &Sample) -> Option<u64> {
    let by_usage = sample.usage.and_then(|usage| {
        let lower = [usage.host_cached_tokens, usage.storage_cached_tokens];
        usage.external_cached_tokens.or_else(|| lower.into_iter().flatten().reduce(|sum, tokens| sum + tokens))
    });
    // The counters are this request's only when they moved by its prompt.
    let counted = || sample.counted_cached_tokens().and(sample.counters?.external_cached_tokens);
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
    fn a_request_that_failed_found_nothing_out() {
        assert_eq!(evidence(serde_json::json!({ "outcome": "truncated" })), None);
    }
}

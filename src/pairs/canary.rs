//! The canary: a document that was seen in the cache and must be gone once it was made cold.
//!
//! A salt that the server takes, or a reset that answers success, proves nothing. What proves it is that the document is
//! not found any more, by no witness and in no tier: the count in the answer, the counters, the part that came from
//! outside the engine.

use super::{COINCIDENCE, came_from_cache, template_tokens};
use crate::plan::{Arm, ColdBy, Role};
use crate::sample::Sample;

/// Where an answer counts only what it found, a canary this many times slower than its replay is believed to be gone.
const CLEARLY_SLOWER: f64 = 1.5;

/// What became of the canary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Canary {
    pub by: ColdBy,
    pub is_gone: bool,
    /// The most that any witness found of it.
    pub cached_tokens: Option<u64>,
    pub prompt_tokens: Option<u64>,
}

impl Canary {
    /// The first of the session; `None` where cold is new text, or nobody could tell.
    pub fn of(samples: &[Sample]) -> Option<Canary> {
        let is_canary = |s: &&Sample| s.arm == Arm::Cold && s.role == Role::Prime && s.place.cold_by.is_some();
        samples.iter().filter(is_canary).find_map(|canary| {
            let by = canary.place.cold_by?;
            let ttft_ns = canary.ttft_ns()?;
            // With salts all documents are one text; a reset is proved by the very document that it was asked to forget.
            let was_seen = |s: &&Sample| {
                s.trial < canary.trial
                    && s.arm == Arm::Hit
                    && came_from_cache(s) == Some(true)
                    && (by == ColdBy::Salt || s.place.document == canary.place.document)
            };
            let seen_ns = samples.iter().rev().find(was_seen)?.ttft_ns()?;
            let limit = template_tokens(samples) + COINCIDENCE;
            let cached_tokens = most_cached(canary);
            let is_gone = match cached_tokens {
                Some(cached) => cached <= limit,
                None if ttft_ns as f64 > CLEARLY_SLOWER * seen_ns as f64 => true,
                None => return None,
            };
            Some(Canary { by, is_gone, cached_tokens, prompt_tokens: canary.prompt_tokens() })
        })
    }
}

/// The most that any witness counts.
fn most_cached(sample: &Sample) -> Option<u64> {
    let outside = sample.usage.and_then(|usage| usage.external_cached_tokens.or(usage.host_cached_tokens));
    [sample.answered_cached_tokens(), sample.counted_cached_tokens(), outside].into_iter().flatten().max()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(trial: u64, arm: &str, document: u64, by: &str, cached: Option<u64>) -> Sample {
        let row = serde_json::json!({
            "trial": trial, "arm": arm, "role": "prime", "document": document, "cold_by": by, "outcome": "ok",
            "body_bytes": 1, "sent_ns": 1_000, "first_token_ns": if cached.is_some() { 2_000 } else { 3_000 },
            "usage": { "prompt_tokens": 1_000, "cached_tokens": cached },
        });
        serde_json::from_value(row).unwrap()
    }

    fn is_gone(samples: &[Sample]) -> Option<bool> {
        Canary::of(samples).map(|canary| canary.is_gone)
    }

    #[test]
    fn a_reset_is_proved_by_the_document_that_was_seen_before_it() {
        let seen = [sample(1, "cold", 3, "reset", Some(0)), sample(2, "hit", 3, "reset", Some(960))];
        let with = |canary: Sample| is_gone(&[&seen[..], &[canary]].concat());
        assert_eq!(with(sample(3, "cold", 3, "reset", Some(16))), Some(true));
        assert_eq!(with(sample(3, "cold", 3, "reset", Some(960))), Some(false));
        assert_eq!(with(sample(3, "cold", 4, "reset", Some(0))), None, "another document was never there");
        assert_eq!(with(sample(3, "cold", 3, "reset", None)), Some(true), "no count, and as slow as no hit is");
        assert_eq!(is_gone(&[sample(1, "cold", 3, "reset", Some(0))]), None, "it was never seen");
    }

    #[test]
    fn a_salt_is_proved_by_any_document_since_all_are_one_text() {
        let seen = [sample(1, "cold", 3, "salt", Some(0)), sample(2, "hit", 3, "salt", Some(960))];
        let with = |canary: Sample| is_gone(&[&seen[..], &[canary]].concat());
        assert_eq!(with(sample(3, "cold", 4, "salt", Some(0))), Some(true));
        assert_eq!(with(sample(3, "cold", 4, "salt", Some(960))), Some(false));
    }
}

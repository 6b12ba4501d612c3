//! What was found, property by property, each with how sure it is.

use serde::Serialize;

use super::policy::Policy;

/// The map of a cache. What was not found has no value and stands in `not_identified`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CacheMap {
    /// Tokens in a block.
    pub block_size: Property<u64>,
    /// Tokens of the shortest prefix that is ever found.
    pub min_prefix_tokens: Property<u64>,
    /// What can be found again.
    pub semantics: Property<Semantics>,
    /// Tokens that can be found again, in whichever tier. An interval without a value is a bound.
    pub capacity_tokens: Property<u64>,
    /// The uppermost first.
    pub tiers: Property<Vec<Tier>>,
    /// Who has to leave when room is needed.
    pub policy: Property<Policy>,
    /// From the end of a request until it can be found.
    pub write_back_seconds: Property<f64>,
    /// How long an unused prompt can be found.
    pub ttl_seconds: Property<f64>,
    /// The identities that find what the usual one stored, `none` where no other does.
    pub sharing: Property<String>,
    /// Servers behind the address, each with a cache of its own.
    pub replicas: Property<u64>,
    pub not_identified: Property<Vec<Reason>>,
    /// Tokens of a word of the documents, where it is not one.
    #[serde(skip)]
    pub tokens_per_word: Option<f64>,
    /// Which words are one token, where the answers had to tell.
    #[serde(skip)]
    pub words: Option<Words>,
    /// Tokens that others stored in a second, where that moved what was found.
    #[serde(skip)]
    pub foreign_tokens_per_s: Option<f64>,
    /// What was measured over the reuse distance.
    #[serde(skip)]
    pub points: Vec<Point>,
}

/// One property.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Property<T> {
    pub value: Option<T>,
    /// From low to high; no high end where there is only a lower bound.
    pub interval: Option<(f64, Option<f64>)>,
    /// By what it was found, in words.
    pub evidence: String,
    /// `None` where there is nothing to be sure of.
    pub confidence: Option<Confidence>,
}

impl<T> Default for Property<T> {
    fn default() -> Property<T> {
        Property { value: None, interval: None, evidence: String::new(), confidence: None }
    }
}

impl<T> Property<T> {
    pub fn is_known(&self) -> bool {
        self.value.is_some()
    }

    pub(super) fn found(value: T, evidence: impl Into<String>, confidence: Confidence) -> Property<T> {
        Property { value: Some(value), interval: None, evidence: evidence.into(), confidence: Some(confidence) }
    }

    pub(super) fn within(self, low: f64, high: f64) -> Property<T> {
        Property { interval: Some((low, Some(high))), ..self }
    }

    /// Only bounds are known.
    pub(super) fn bound(low: f64, high: Option<f64>, evidence: impl Into<String>) -> Property<T> {
        let confidence = Some(Confidence::C);
        Property { value: None, interval: Some((low, high)), evidence: evidence.into(), confidence }
    }
}

/// How sure a property is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Confidence {
    /// By the server's own count, and the clock agrees.
    A,
    /// By the clock, or by a count that the clock does not confirm.
    B,
    /// A check failed, or only a bound is known.
    C,
}

/// What can be found again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Semantics {
    /// Any prefix of an earlier prompt.
    Prefix,
    /// Only what an earlier request ended with.
    RequestEnd,
    /// What requests ended with, and a prefix that two of them were seen to share.
    Units,
    /// Any part, wherever it stands.
    NonPrefix,
    /// Only a whole earlier prompt.
    Replay,
}

impl Semantics {
    pub fn name(self) -> &'static str {
        match self {
            Semantics::Prefix => "any prefix",
            Semantics::RequestEnd => "request ends",
            Semantics::Units => "request ends and common prefixes",
            Semantics::NonPrefix => "any part",
            Semantics::Replay => "whole prompts",
        }
    }
}

/// What the answers say of the words that documents are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Words {
    /// They count no tokens.
    Uncounted,
    /// All are one token, but these, of which some could not be checked.
    Checked { left_out: Vec<String> },
    /// Nearly all are more than one.
    TooFew,
}

impl Words {
    /// Those that stand in no document.
    pub fn left_out(&self) -> &[String] {
        match self {
            Words::Checked { left_out } => left_out,
            Words::Uncounted | Words::TooFew => &[],
        }
    }
}

/// A level of the time to first token over the reuse distance.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Tier {
    /// A prompt is found here, or above, within so many tokens of reuse distance.
    pub reach_tokens: u64,
    pub reach_interval: (u64, u64),
    /// Tokens loaded in a second; `null` for the tier that all others are measured against, and where it is too quick to
    /// be seen.
    pub load_tokens_per_s: Option<f64>,
    pub load_interval: Option<(f64, Option<f64>)>,
    /// The time to first token of a hit here.
    pub ttft_ns: u64,
}

/// A property that was not found, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    pub property: &'static str,
    pub why: String,
}

/// A replay at a known reuse distance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    pub reuse_tokens: u64,
    pub ttft_ns: f64,
    pub is_hit: bool,
}

impl CacheMap {
    /// Says why a property was not found, once.
    pub(super) fn give_up(&mut self, property: &'static str, why: impl Into<String>) {
        let reasons = self.not_identified.value.get_or_insert_default();
        if reasons.iter().all(|reason| reason.property != property) {
            reasons.push(Reason { property, why: why.into() });
        }
    }

    /// Gives a reason to all that has neither a value nor a reason.
    pub(super) fn close(&mut self, why: &str) {
        for property in self.unknown() {
            self.give_up(property, why);
        }
        self.not_identified.value.get_or_insert_default();
        self.not_identified.evidence = "what has no value, and why".to_owned();
    }

    /// The map of an experiment that did not come to its end.
    pub(super) fn cut_short(mut self) -> CacheMap {
        self.close("the run ended before its stage");
        self
    }

    fn unknown(&self) -> Vec<&'static str> {
        let known = [
            ("block_size", self.block_size.is_known()),
            ("min_prefix_tokens", self.min_prefix_tokens.is_known()),
            ("semantics", self.semantics.is_known()),
            ("capacity_tokens", self.capacity_tokens.is_known()),
            ("tiers", self.tiers.is_known()),
            ("policy", self.policy.is_known()),
            ("write_back_seconds", self.write_back_seconds.is_known()),
            ("ttl_seconds", self.ttl_seconds.is_known()),
            ("sharing", self.sharing.is_known()),
            ("replicas", self.replicas.is_known()),
        ];
        known.into_iter().filter(|(_, is_known)| !is_known).map(|(name, _)| name).collect()
    }
}

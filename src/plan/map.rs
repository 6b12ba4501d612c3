//! What a map of a cache is to find out, and the parts of its experiment.

use serde::{Deserialize, Serialize};

use crate::clock::Nanos;

/// A part of the experiment that maps a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    Words,
    Opening,
    Replicas,
    Semantics,
    Block,
    Fill,
    Tiers,
    Delay,
    Sharing,
    Ttl,
}

/// What is to be found out, and with what means. It stands in the log, from which the map is computed again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Design {
    /// Words of a document of the fill, about one token each. The clock may need longer ones and takes them.
    pub words: u64,
    /// The longest prompt, in words.
    pub most_words: u64,
    /// The fill gives up beyond so many tokens, and says what it has found until then.
    pub most_fill_tokens: u64,
    /// Decides which prefixes are shared, and nothing else.
    pub seed: u64,
    /// Whether the answers have to tell which words are one token, because no tokenizer does.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub check_words: bool,
    /// Stages that are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skip: Vec<Stage>,
    /// The longest time to live that is looked for; `None`: it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_ns: Option<Nanos>,
    /// Names of the identities beside the usual one: what of a request they change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identities: Vec<String>,
    /// How requests are kept on one replica, where they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<String>,
}

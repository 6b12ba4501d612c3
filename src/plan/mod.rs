//! What is to be measured, decided before anything is sent: options and a seed become trials in a fixed order.

pub mod cache_off;
pub mod filler;
pub mod map;
pub mod prompts;

use serde::{Deserialize, Serialize};

/// What a request is meant to find in the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arm {
    /// A document the server has not seen.
    Cold,
    /// A document the server has just seen.
    Hit,
    /// An A/A control: a document the server has not seen, in a slot where a hit would stand.
    Unseen,
}

/// By what a document is made new to a server that may have seen its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColdBy {
    /// The field `cache_salt` of the body, another for each document; the text is always the same.
    Salt,
    /// The server's reset endpoint, asked before each cold request; there is one document.
    Reset,
}

/// What a request is for. Statistics use [`Role::Measure`] only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A throw-away request that pays first-call costs.
    Warmup,
    /// Puts a document into the cache.
    Prime,
    /// Is measured.
    Measure,
    /// Pushes other documents out of the cache.
    Evict,
}

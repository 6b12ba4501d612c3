//! Cold requests that an earlier session measured with the cache off, as the log of the next one keeps them.

use serde::{Deserialize, Serialize};

use crate::clock::Nanos;

/// The earlier session, as far as it matters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheOff {
    pub path: String,
    pub started_at: String,
    /// The times to first token of its cold requests.
    pub cold_ns: Vec<Nanos>,
}

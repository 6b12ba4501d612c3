//! The simulated endpoint: a prefix cache, a latency model, a queue and faults, with a server in front.

pub mod cache;
pub mod fleet;
pub mod latency;
pub mod profile;
pub mod prompt;
pub mod queue;
mod socket;
mod tier;
mod timer;
pub mod tokenizer;
mod truth;

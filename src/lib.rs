//! `ttft` measures what a KV cache does for an LLM server.
//!
//! The crate is a straight line: bytes leave the socket with a receive stamp, become events, deltas, one
//! [`sample::Sample`] per request, one line of the log, one figure in a table, one dot on a chart. Each step is a
//! module, and a module imports only modules of a smaller number (`tests/layers.rs` holds the table to it).
//!
//! | no. | modules | touches the outside world |
//! |---|---|---|
//! | 0 | [`clock`], [`exit`], [`rng`], [`stats`], [`chart`], [`wire`] | `clock` alone |
//! | 1 | [`cli`], [`document`], [`sim`]'s models | no |
//! | 2 | [`plan`], [`net`] | `net` |
//! | 3 | [`sample`], [`load`], [`endpoint`], [`sim`]'s server and socket | `endpoint`, `sim` |
//! | 4 | [`tokens`], [`session`], [`evidence`], [`buffering`], [`selftest`] | `tokens`, `session` |
//! | 5 | [`pairs`], [`record`]'s schema, [`progress`] | `progress` |
//! | 5 | [`record`]'s log | `record` |
//! | 6 | [`verify`], [`cachemap`], [`verdict`], [`fit`], [`doctor`] | no |
//! | 7 | [`report`] | no |
//! | 8 | [`cmd`] | all of it; the only writer to stdout |
//!
//! Durations are `u64` nanoseconds on the monotonic clock until [`report`] turns them into text. A measurement that
//! was not taken is `None`, never 0, and a request that failed is an [`sample::Outcome`], never a log line.

pub mod buffering;
pub mod cachemap;
pub mod chart;
pub mod cli;
pub mod clock;
pub mod cmd;
pub mod doctor;
pub mod document;
pub mod endpoint;
pub mod evidence;
pub mod exit;
pub mod fit;
pub mod load;
pub mod net;
pub mod pairs;
pub mod plan;
pub mod progress;
pub mod record;
pub mod report;
pub mod rng;
pub mod sample;
pub mod selftest;
pub mod session;
pub mod sim;
pub mod stats;
pub mod tokens;
pub mod verdict;
pub mod verify;
pub mod wire;

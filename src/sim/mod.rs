//! The simulated endpoint: a prefix cache, a latency model, a queue and faults, with a server in front.
//!
//! The models are pure and know no clock; they are what the tests of the verdict and the map are run against, in
//! virtual time and without sockets. The server puts them behind HTTP and writes down the truth of every request.
//!
//! | room | is |
//! |---|---|
//! | [`tokenizer`], [`prompt`] | text to tokens, tokens to the keys of their prefixes |
//! | [`cache`], [`fleet`] | the prefix cache with its tiers and policies; replicas and the router before them |
//! | [`latency`], [`queue`] | how long a prefill takes; who may begin |
//! | [`profile`] | all parameters of a server in one line of text, with presets |
//! | [`flavor`], [`faults`] | whom the server speaks like; what is wrong with it |
//! | [`server`] | [`server::Sim`]: start one, ask for its truth, drop it |
//!
//! Within the server a request goes `service` (routes, checks) -> `call` (reads the body) -> `engine` (queue, cache,
//! latency: a plan) -> `stream` (plays the `script` of its flavour at the planned times, framed by `framing`) ->
//! `socket` (stamps the write) -> `truth`.

mod account;
pub mod cache;
mod call;
mod engine;
pub mod faults;
pub mod flavor;
pub mod fleet;
mod framing;
pub mod latency;
mod lmcache;
mod manner;
mod metrics;
pub mod profile;
pub mod prompt;
pub mod queue;
mod reply;
mod routes;
mod script;
pub mod server;
mod service;
mod socket;
mod stream;
mod timer;
pub mod tokenizer;
mod truth;

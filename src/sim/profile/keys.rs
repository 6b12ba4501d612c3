//! The table of a profile's keys: parser, printer and help are made of it.

use super::text::{Count, Off, Time, Word};
use super::{Isolate, Profile};
use crate::sim::cache::{Evict, Policy, Semantics, TierSpec};
use crate::sim::fleet::{By, Routing};

/// A key as help and docs show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyInfo {
    pub name: &'static str,
    pub about: &'static str,
    /// What its value is.
    pub wanted: &'static str,
}

/// Every key; the last ones are those of a tier, and stand for the first tier.
pub fn keys() -> impl Iterator<Item = KeyInfo> {
    KEYS.iter().map(Key::info).chain(TIER_KEYS.iter().map(Key::info))
}

/// A key of `T`: how it is shown, and how it is set (`None`: not a value for it).
pub(super) struct Key<T> {
    pub name: &'static str,
    pub about: &'static str,
    pub wanted: &'static str,
    pub show: fn(&T) -> String,
    pub set: fn(&mut T, &str) -> Option<()>,
}

impl<T> Key<T> {
    fn info(&self) -> KeyInfo {
        KeyInfo { name: self.name, about: self.about, wanted: self.wanted }
    }
}

/// A key whose value has the text form `$form` of the field `$field`.
macro_rules! key {
    ($name:literal, $form:ident, $($field:ident).+, $about:literal) => {
        Key {
            name: $name,
            about: $about,
            wanted: $form::<()>::WANTED,
            show: |of| $form(of.$($field).+.clone()).to_string(),
            set: |of, text| Some(of.$($field).+ = text.parse::<$form<_>>().ok()?.0),
        }
    };
}

/// A key with a word for each value.
macro_rules! words {
    ($name:literal, $($field:ident).+, $about:literal, $wanted:literal, $($word:literal => $value:expr),+ $(,)?) => {
        Key {
            name: $name,
            about: $about,
            wanted: $wanted,
            show: |of| [$(($value, $word)),+].iter().find(|(v, _)| *v == of.$($field).+).map_or("", |(_, w)| w).to_owned(),
            set: |of, text| Some(of.$($field).+ = [$(($value, $word)),+].into_iter().find(|(_, w)| *w == text)?.0),
        }
    };
}

pub(super) const KEYS: &[Key<Profile>] = &[
    key!("model", Word, model, "name of the model"),
    key!("context", Count, context_tokens, "longest prompt and answer together"),
    key!("template", Count, template_tokens, "tokens of the chat template before the first message"),
    key!("answer", Count, answer_tokens, "tokens of an answer that max_tokens does not cut"),
    words!("hit", hit, "whether the prefix cache is on", "on or off", "on" => true, "off" => false),
    words!("exclusive", cache.exclusive, "whether a lower tier holds only what left the upper one", "on or off",
        "on" => true, "off" => false),
    words!("semantics", cache.semantics, "what can be found again", "prefix, request_end, units or non_prefix",
        "prefix" => Semantics::Prefix, "request_end" => Semantics::RequestEnd, "units" => Semantics::Units,
        "non_prefix" => Semantics::NonPrefix),
    key!("min_prefix", Count, cache.min_prefix_tokens, "shortest prompt that is cached and hit that counts"),
    words!("isolate", isolate, "what must agree for two requests to share the cache",
        "nothing, salt, key, user, prompt_cache_key or connection",
        "nothing" => Isolate::Nothing, "salt" => Isolate::Salt, "key" => Isolate::Key, "user" => Isolate::User,
        "prompt_cache_key" => Isolate::PromptCacheKey, "connection" => Isolate::Connection),
    key!("replicas", Count, replicas, "servers behind the address, each with a cache of its own"),
    words!("routing", routing, "how a replica is picked",
        "round_robin, random, prefix, connection, prompt_cache_key or header",
        "round_robin" => Routing::RoundRobin, "random" => Routing::Random, "prefix" => Routing::Affinity(By::Prefix),
        "connection" => Routing::Affinity(By::Connection),
        "prompt_cache_key" => Routing::Affinity(By::PromptCacheKey), "header" => Routing::Affinity(By::Header)),
    key!("base", Time, cost.base_ns, "prefill time of every request"),
    key!("per_token", Time, cost.per_token_ns, "prefill time of a token"),
    key!("quadratic", Time, cost.quadratic_ns, "prefill time of a pair of tokens"),
    key!("store", Time, store_ns_per_token, "prefill time to store a computed token, where the cache is on"),
    key!("decode", Time, decode_ns, "time from one token of an answer to the next"),
    key!("slots", Count, slots, "requests that run at once"),
    words!("prefill", serial_prefill, "whether a prefill waits for the one before", "serial or parallel",
        "serial" => true, "parallel" => false),
    key!("noise", Word, noise.sigma, "standard deviation of the logarithm of the prefill time"),
    key!("outliers", Word, noise.outliers, "share of requests that take 2 to 4 times as long"),
    key!("ar", Word, noise.ar, "correlation of one request's slowness with the next one's"),
    key!("ar_noise", Word, noise.ar_sigma, "standard deviation of the correlated part"),
    key!("drift", Word, noise.drift, "change of the logarithm from one request to the next"),
    key!("first_penalty", Word, noise.first_penalty, "share by which every second request, from the first, is longer"),
    key!("jitter", Time, noise.jitter_ns, "mean of an exponential delay that is always added"),
    words!("request_metrics", request_metrics, "whether usage comes with the request's own times (vllm)", "on or off",
        "on" => true, "off" => false),
    key!("keep_alive", Off, keep_alive_ns, "how long an idle connection is kept"),
];

pub(super) const TIER_KEYS: &[Key<TierSpec>] = &[
    key!("capacity", Count, capacity_tokens, "tokens that the tier holds"),
    key!("block_size", Count, block_tokens, "tokens in a block"),
    words!("policy", policy, "who has to leave when room is needed", "lru, fifo, lfu, slru, no_admit or random",
        "lru" => Policy::Lru, "fifo" => Policy::Fifo, "lfu" => Policy::Lfu, "slru" => Policy::Slru,
        "no_admit" => Policy::NoAdmit, "random" => Policy::Random),
    words!("evict", evict, "what leaves at once", "tail or document",
        "tail" => Evict::TailFirst, "document" => Evict::Document),
    key!("load", Time, load_ns_per_token, "time to load a token from the tier"),
    key!("latency", Time, latency_ns, "time to begin loading from the tier"),
    key!("write_back", Time, write_back_ns, "time from the storing of a block until it can be hit"),
    key!("ttl", Off, ttl_ns, "how long an unused block can be hit"),
    words!("ttl_slides", ttl_slides, "whether a use starts the time to live again", "on or off",
        "on" => true, "off" => false),
];

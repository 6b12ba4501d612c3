//! What a simulated server is like: a preset by name, and keys that change it.
//!
//! ```text
//! profile = preset ["," key "=" value]...     7b,block_size=16,capacity=60k,noise=0.05
//! count   = integer ["k" | "m"]               60k is 60,000
//! time    = number ("ns" | "us" | "ms" | "s")
//! ```
//! Tiers below the first are made with `tier2=500k`, then `tier2_load=6.6us` and so on. [`Profile`] prints as the text
//! that makes it. [`PRESETS`] and [`keys`] describe all there is.

use std::fmt;
use std::str::FromStr;

use super::cache::{CacheSpec, TierSpec};
use super::fleet::Routing;
use super::latency::{Cost, NoiseSpec};
use crate::clock::Nanos;

mod keys;
mod presets;
mod text;

use keys::{KEYS, TIER_KEYS};
pub use keys::{KeyInfo, keys};
pub use presets::{PRESETS, Preset};
use text::Count;

/// A simulated server, but for its flavour and its faults.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// Which of [`PRESETS`] the rest began as.
    pub preset: &'static str,
    /// The name it serves its model under; the aliases of [`super::server::ALIASES`] come after it.
    pub model: String,
    pub context_tokens: u64,
    /// Tokens before the first message, shared by all prompts.
    pub template_tokens: u64,
    /// The length of an answer that no `max_tokens` cuts.
    pub answer_tokens: u64,
    /// Whether the prefix cache is switched on.
    pub hit: bool,
    pub cache: CacheSpec,
    /// What keeps requests from sharing the cache.
    pub isolate: Isolate,
    pub replicas: usize,
    pub routing: Routing,
    pub cost: Cost,
    /// Added for each computed token that is stored, before the first token of the answer.
    pub store_ns_per_token: f64,
    /// From one token of an answer to the next.
    pub decode_ns: Nanos,
    /// Requests that run at once.
    pub slots: usize,
    /// Whether a prefill waits for the one before it.
    pub serial_prefill: bool,
    pub noise: NoiseSpec,
    /// Whether vLLM's usage comes with the request's own times.
    pub request_metrics: bool,
    /// How long an idle connection is kept; `None` for ever.
    pub keep_alive_ns: Option<Nanos>,
}

/// What must be the same for two requests to share the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolate {
    Nothing,
    /// `cache_salt` in the body.
    Salt,
    /// The API key.
    Key,
    /// `user` in the body.
    User,
    PromptCacheKey,
    Connection,
}

impl Default for Profile {
    fn default() -> Profile {
        (PRESETS[0].make)()
    }
}

/// A profile's text was wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    #[error("there is no profile {0:?}; there are {known}", known = names(PRESETS.iter().map(|preset| preset.name)))]
    Preset(String),
    #[error("{0:?} is not of the form key=value")]
    NotAKey(String),
    #[error("a profile has no key {0:?}; it has {known}", known = names(keys().map(|key| key.name)))]
    Key(String),
    #[error("{key} cannot be {value:?}; it is {wanted}")]
    Value { key: String, value: String, wanted: &'static str },
    #[error("there is no tier {0} without the one above it")]
    Tier(usize),
}

fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

impl FromStr for Profile {
    type Err = ProfileError;

    fn from_str(text: &str) -> Result<Profile, ProfileError> {
        let mut parts = text.split(',').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let preset =
            PRESETS.iter().find(|preset| preset.name == name || name.is_empty() && preset.name == PRESETS[0].name);
        let mut profile = (preset.ok_or_else(|| ProfileError::Preset(name.to_owned()))?.make)();
        for part in parts.filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=').ok_or_else(|| ProfileError::NotAKey(part.to_owned()))?;
            profile.set(key.trim(), value.trim())?;
        }
        Ok(profile)
    }
}

impl fmt::Display for Profile {
    /// The preset and every key that differs from it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let preset =
            PRESETS.iter().find(|preset| preset.name == self.preset).map_or_else(Profile::default, |p| (p.make)());
        f.write_str(self.preset)?;
        for key in KEYS {
            let value = (key.show)(self);
            if value != (key.show)(&preset) {
                write!(f, ",{}={value}", key.name)?;
            }
        }
        for (nth, tier) in self.cache.tiers.iter().enumerate() {
            // A new tier begins as a copy of the first one's granularity.
            let begun = preset.cache.tiers.get(nth).cloned().unwrap_or_else(|| lower_tier(&self.cache.tiers[0]));
            let prefix = if nth == 0 { String::new() } else { format!("tier{}_", nth + 1) };
            if nth > 0 {
                write!(f, ",tier{}={}", nth + 1, Count(tier.capacity_tokens))?;
            }
            for key in TIER_KEYS.iter().filter(|key| nth == 0 || key.name != "capacity") {
                let value = (key.show)(tier);
                if value != (key.show)(&begun) {
                    write!(f, ",{prefix}{}={value}", key.name)?;
                }
            }
        }
        Ok(())
    }
}

impl Profile {
    /// Sets one key.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), ProfileError> {
        let wrong = |wanted| ProfileError::Value { key: key.to_owned(), value: value.to_owned(), wanted };
        if let Some(known) = KEYS.iter().find(|known| known.name == key) {
            return (known.set)(self, value).ok_or(wrong(known.wanted));
        }
        let (nth, name) = tier_of(key).unwrap_or((0, key));
        let known =
            TIER_KEYS.iter().find(|known| known.name == name).ok_or_else(|| ProfileError::Key(key.to_owned()))?;
        if nth == self.cache.tiers.len() && nth > 0 {
            self.cache.tiers.push(lower_tier(&self.cache.tiers[0]));
        }
        let tier = self.cache.tiers.get_mut(nth).ok_or(ProfileError::Tier(nth + 1))?;
        (known.set)(tier, value).ok_or(wrong(known.wanted))
    }
}

/// `tier2` and `tier2_load` are the second tier's capacity and load.
fn tier_of(key: &str) -> Option<(usize, &str)> {
    let (number, name) = key.strip_prefix("tier")?.split_at_checked(1)?;
    let number: usize = number.parse().ok()?;
    Some((number.checked_sub(1)?, if name.is_empty() { "capacity" } else { name.strip_prefix('_')? }))
}

fn lower_tier(first: &TierSpec) -> TierSpec {
    TierSpec { block_tokens: first.block_tokens, evict: first.evict, ..TierSpec::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::cache::Policy;
    use proptest::prelude::*;

    fn profile(text: &str) -> Profile {
        text.parse().unwrap()
    }

    fn error(text: &str) -> String {
        text.parse::<Profile>().unwrap_err().to_string()
    }

    #[test]
    fn a_preset_prints_as_its_name() {
        for preset in PRESETS {
            assert_eq!(profile(preset.name).to_string(), preset.name);
        }
        assert_eq!(Profile::default(), profile("7b"));
    }

    #[test]
    fn keys_change_what_they_name_and_print_in_one_order() {
        let text = "7b,hit=off,base=10ms,quadratic=1.5ns,noise=0.05,capacity=60k,block_size=32,ttl=5s,\
                    tier2=500k,tier2_load=6.6us,tier3=2m,tier3_policy=fifo";
        let profile = profile(text);
        assert_eq!(profile.to_string(), text);
        assert_eq!(profile.cache.tiers[0].capacity_tokens, 60_000);
        assert_eq!(profile.cache.tiers[1].block_tokens, 32);
        assert_eq!(profile.cache.tiers[1].load_ns_per_token, 6_600.0);
        assert!(!profile.hit);
    }

    #[test]
    fn what_is_wrong_is_said_with_what_would_be_right() {
        assert_eq!(error("13b"), "there is no profile \"13b\"; there are 7b, 70b, laptop, instant");
        assert_eq!(error("7b,slots"), "\"slots\" is not of the form key=value");
        assert_eq!(error("7b,hit=maybe"), "hit cannot be \"maybe\"; it is on or off");
        assert_eq!(error("7b,base=10"), "base cannot be \"10\"; it is a time such as 250ms");
        assert_eq!(error("7b,tier3=1k"), "there is no tier 3 without the one above it");
        assert!(error("7b,size=16").starts_with("a profile has no key \"size\"; it has model, context, "));
    }

    proptest! {
        #[test]
        fn every_profile_is_read_back_as_it_was_printed(
            preset in 0..PRESETS.len(),
            (capacity, block) in (1..u32::MAX, 1..4_096_u32),
            (load, base) in (0.0..1e7_f64, 0.0..1e9_f64),
            (sigma, ttl) in (0.0..1.0_f64, prop::option::of(1..u64::from(u32::MAX))),
            policy in prop::sample::select(vec![Policy::Lru, Policy::Fifo, Policy::Slru, Policy::NoAdmit]),
            tiers in 0..4_usize,
        ) {
            let mut profile = (PRESETS[preset].make)();
            profile.cost.base_ns = base;
            profile.noise.sigma = sigma;
            profile.cache.tiers[0].block_tokens = block.into();
            for _ in 0..tiers.saturating_sub(1) {
                let below = lower_tier(&profile.cache.tiers[0]);
                profile.cache.tiers.push(TierSpec { capacity_tokens: capacity.into(), load_ns_per_token: load, ..below });
            }
            let last = profile.cache.tiers.last_mut().unwrap();
            (last.ttl_ns, last.policy) = (ttl, policy);
            prop_assert_eq!(profile.to_string().parse::<Profile>(), Ok(profile));
        }
    }
}

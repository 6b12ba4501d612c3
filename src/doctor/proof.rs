//! What the endpoint shows of its cache.

use super::State::{Missing, Ok, Wrong};
use super::{Engine, Page, Seen};
use crate::evidence::{Evidence, Found, Reported};

impl Page {
    pub(super) fn proof(&mut self, seen: &Seen) {
        let (cold, replay) =
            (Evidence::of(&seen.cold, seen.document_tokens), Evidence::of(&seen.replay, seen.document_tokens));
        if let Some(cold) = &cold {
            match seen.cold.usage.and_then(|usage| usage.prompt_tokens) {
                Some(tokens) => self.say(Ok, "usage", format!("{tokens} prompt tokens counted")),
                None => self.say(
                    Missing,
                    "usage",
                    "none, though stream_options.include_usage asks for it; a proxy may drop it, and what a prompt has is \
                     then the client's own count",
                ),
            }
            if matches!(cold.found, Found::Hit | Found::Partial) {
                let text = "a new document is counted as cached: the count cannot be believed";
                self.say(Wrong, "cached_tokens", text);
                return self.counters(seen, replay.as_ref());
            }
        }
        if let Some(replay) = &replay {
            match (replay.reported, replay.cached_tokens) {
                (Reported::Absent, _) => {
                    self.say(Missing, "cached_tokens", Engine::switch_on_cached_tokens(seen.engine))
                }
                (Reported::Contradicted, _) => {
                    self.say(
                        Wrong,
                        "cached_tokens",
                        "the answer's count and another disagree; ttft verify shows which",
                    );
                }
                (Reported::Reported, Some(cached)) => self.say(Ok, "cached_tokens", format!("{cached} on a replay")),
                (Reported::Reported, None) => {}
            }
        }
        self.counters(seen, replay.as_ref());
    }

    fn counters(&mut self, seen: &Seen, replay: Option<&Evidence>) {
        match (seen.has_counters, replay) {
            (true, Some(replay)) if replay.has_company => {
                self.say(
                    Wrong,
                    "counters",
                    "others use this server now: counters prove nothing, and times are theirs too; come back when it is \
                     idle",
                );
            }
            (true, _) => self.say(Ok, "counters", "/metrics counts the prefix cache"),
            (false, _) => self.say(Missing, "counters", Engine::switch_on_counters(seen.engine)),
        }
        if let Some(replay) = replay {
            let (state, text) = match replay.found {
                Found::Hit => (Ok, "a replay at once hits"),
                Found::Partial => (Ok, "a replay at once hits in part"),
                Found::Cold => (
                    Missing,
                    "a replay at once misses: no cache, a store that takes time, or several replicas; ttft verify tells",
                ),
                Found::Unknown => (Missing, "nothing shows whether a replay hits; ttft verify goes by the clock"),
            };
            self.say(state, "hit", text);
        }
        let state = if seen.has_reset == Some(false) { Missing } else { Ok };
        self.say(state, "reset", Engine::reset(seen.engine, seen.has_reset));
        self.outer_tier(seen, replay);
    }

    fn outer_tier(&mut self, seen: &Seen, replay: Option<&Evidence>) {
        let Some(forms) = Engine::lmcache(seen.engine) else { return };
        let from_outside = replay.and_then(|replay| replay.external_cached_tokens).filter(|tokens| *tokens > 0);
        match (from_outside, seen.asks_outside) {
            (Some(tokens), _) => self.say(Ok, "outer tier", format!("{tokens} tokens of a replay came from one")),
            (None, Some(true)) => self.say(
                Ok,
                "outer tier",
                "the engine asks one; this replay was still in its own memory, so nothing is known of its speed",
            ),
            (None, Some(false)) => self.say(Missing, "outer tier", format!("the engine asks none; {forms}")),
            (None, None) => self.say(Missing, "outer tier", format!("the server does not tell of one; {forms}")),
        }
    }
}

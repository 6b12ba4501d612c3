//! How much of what a schedule lets a cache find was found.

use crate::evidence;
use crate::report::data::Entry;
use crate::report::units;

/// Of the answered requests of which it is known what an endless cache finds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Found {
    known: u64,
    reusable_tokens: u64,
    /// Tokens of the texts that were generated for them.
    tokens: u64,
    /// Those of whose prompts the server says how much was cached.
    told: u64,
    cached_tokens: u64,
    prompt_tokens: u64,
    /// Those that found something of their document.
    warm: u64,
}

impl Found {
    pub(super) fn take(&mut self, entry: &Entry) {
        let reusable = entry.sample.as_ref().and_then(|sample| sample.place.reusable_tokens);
        let Some(reusable) = reusable.filter(|_| entry.ttft_ns.is_some()) else { return };
        self.known += 1;
        self.reusable_tokens += reusable;
        self.tokens += entry.context_tokens;
        let cached = entry.evidence.as_ref().and_then(|evidence| evidence.cached_tokens);
        if let Some((cached, prompt)) = cached.zip(entry.prompt_tokens()) {
            self.told += 1;
            self.cached_tokens += cached;
            self.prompt_tokens += prompt;
            let found = entry.evidence.as_ref().map(|evidence| evidence.found);
            self.warm += u64::from(matches!(found, Some(evidence::Found::Hit | evidence::Found::Partial)));
        }
    }

    pub(super) fn merge(&mut self, other: Found) {
        self.known += other.known;
        self.reusable_tokens += other.reusable_tokens;
        self.tokens += other.tokens;
        self.told += other.told;
        self.cached_tokens += other.cached_tokens;
        self.prompt_tokens += other.prompt_tokens;
        self.warm += other.warm;
    }

    /// Of the answers that tell, how many were cold, and their number; `None` where none tells.
    pub(super) fn colds(&self) -> Option<(u64, u64)> {
        (self.told > 0).then(|| (self.told - self.warm, self.told))
    }

    /// The share of the prompt tokens that an endless prefix cache finds, beside the one that was found; `None` where the
    /// log does not say.
    pub(super) fn sentence(&self) -> Option<String> {
        let intended = share(self.reusable_tokens, self.tokens)?;
        let first = format!("an endless prefix cache would find {intended} of the prompt tokens");
        Some(match share(self.cached_tokens, self.prompt_tokens) {
            None => format!("{first}; the server does not say what this one found."),
            Some(found) if self.told == self.known => format!("{first}, and this one found {found}."),
            Some(found) => format!("{first}, and this one found {found}, by {} of {} answers.", self.told, self.known),
        })
    }
}

fn share(part: u64, whole: u64) -> Option<String> {
    (whole > 0).then(|| units::share(part as f64 / whole as f64))
}

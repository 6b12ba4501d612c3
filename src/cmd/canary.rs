//! A document that is known to be cached, and then is looked for: the only proof that something emptied the cache.

use super::counters::{Meter, metered};
use crate::document::{CountTokens, Document};
use crate::evidence::{Evidence, Found};
use crate::plan::{Arm, Role};
use crate::record::Flushed;
use crate::rng::Nonce;
use crate::sample::{Place, Sample};
use crate::session::{Ask, Session, Unwatched};
use crate::wire::body::Conversation;

/// Long enough for the caches that take nothing under 1,024 tokens.
const TOKENS: u64 = 1_500;

/// Two to put it, so that it is seen in the cache, and one to look for it.
pub const REQUESTS: u64 = 3;

/// A document of its own for every look: looking for one puts it back.
#[derive(Debug)]
pub struct Canary {
    document: Document,
    /// Whether it was seen in the cache.
    is_known: bool,
}

impl Canary {
    /// Makes one, at most `most` tokens long.
    pub fn make(nonce: Nonce, number: u64, most: u64, counter: &dyn CountTokens) -> anyhow::Result<Canary> {
        let document = Document::synthetic(nonce, &format!("canary-{number}"), TOKENS.min(most), counter)?;
        Ok(Canary { document, is_known: false })
    }

    /// Tokens that putting it and looking for it once send.
    pub fn tokens(&self) -> u64 {
        REQUESTS * self.document.context_tokens
    }

    /// Puts it into the cache and looks whether it is there.
    pub fn put(&mut self, session: &mut Session<'_>, meter: &mut Option<Meter<'_>>) {
        self.send(session, meter, Role::Prime);
        let evidence = Evidence::of(&self.send(session, meter, Role::Prime), self.document.context_tokens);
        self.is_known = evidence.is_some_and(|evidence| evidence.found == Found::Hit);
    }

    /// Whether it is gone; unknown when it was never seen in the cache, for then its absence proves nothing.
    pub fn look(&self, session: &mut Session<'_>, meter: &mut Option<Meter<'_>>) -> Flushed {
        if !self.is_known {
            return Flushed::Unknown;
        }
        let sample = self.send(session, meter, Role::Evict);
        let Some(evidence) = Evidence::of(&sample, self.document.context_tokens) else { return Flushed::Unknown };
        match (evidence.found, evidence.cached_tokens, sample.prompt_tokens()) {
            (Found::Cold, ..) => Flushed::Evicted,
            (Found::Hit | Found::Partial, Some(cached_tokens), Some(prompt_tokens)) => {
                Flushed::StillCached { cached_tokens, prompt_tokens }
            }
            _ => Flushed::Unknown,
        }
    }

    fn send(&self, session: &mut Session<'_>, meter: &mut Option<Meter<'_>>, role: Role) -> Sample {
        let conversation = Conversation { nonce: None, document: &self.document.text, prompt: "Continue." };
        let ask = Ask { arm: Arm::Hit, role, place: Place::default(), conversation, max_tokens: 2 };
        metered(meter, || session.perform(&ask, &mut Unwatched))
    }
}

//! The seed's flush: ten completions of one token on fillers of 100,000 characters, all different, so that the server's
//! cache has to make room for them. What it achieved shows in the request after it, and only there.

use crate::document::{CountTokens, Heuristic, filler};
use crate::endpoint::ContextFrom;
use crate::plan::{Arm, Role};
use crate::record::{Flush, Flushed};
use crate::rng::Nonce;
use crate::sample::{Place, Sample};
use crate::session::{Ask, Session, Watch};
use crate::wire::body::Conversation;

const FILLERS: u64 = 10;
const FILLER_CHARS: usize = 100_000;
/// Every word of a filler has at least four letters and a space.
const CHARS_PER_WORD: usize = 5;

/// The fillers of a flush, made before anything is sent.
#[derive(Debug)]
pub struct Fillers {
    texts: Vec<String>,
    pub tokens: u64,
}

impl Fillers {
    /// Makes them, cut to the model's context; where tokens cannot be counted, to a quarter of it.
    pub fn make(nonce: Nonce, context: Option<&ContextFrom>, counter: &dyn CountTokens) -> anyhow::Result<Fillers> {
        let is_guess = counter.name() == Heuristic.name();
        let limit = context.map(|context| match is_guess {
            true => context.tokens / 4,
            false => crate::document::tokens_to_send(u64::MAX, Some(context.tokens), 1),
        });
        let mut fillers = Fillers { texts: Vec::new(), tokens: 0 };
        for number in 1..=FILLERS {
            let mut text = filler(nonce, &format!("flush-{number}"), (FILLER_CHARS / CHARS_PER_WORD) as u64);
            text.truncate(FILLER_CHARS);
            let cut = counter.cut(&text, limit.unwrap_or(u64::MAX))?;
            text.truncate(cut.bytes);
            fillers.texts.push(text);
            fillers.tokens += cut.tokens;
        }
        Ok(fillers)
    }

    pub fn count(&self) -> usize {
        self.texts.len()
    }

    /// Sends them. The second value is the first failure.
    pub fn send(&self, session: &mut Session<'_>, watch: &mut dyn Watch) -> (Flush, Option<Sample>) {
        let mut flush = Flush { requests: 0, failed: 0, filler_tokens: self.tokens, achieved: Flushed::Unknown };
        let mut failure = None;
        for text in &self.texts {
            if session.is_interrupted() {
                break;
            }
            let conversation = Conversation { nonce: None, document: text, prompt: "Continue." };
            let ask = Ask { arm: Arm::Cold, role: Role::Evict, place: Place::default(), conversation, max_tokens: 1 };
            let sample = session.perform(&ask, watch);
            flush.requests += 1;
            // One token can be one that shows nothing; the prompt was read all the same.
            if !sample.outcome.is_ok() && sample.outcome != crate::sample::Outcome::NoToken {
                flush.failed += 1;
                failure.get_or_insert(sample);
            }
        }
        (flush, failure)
    }
}

/// What a flush achieved, by the request after it. A prompt is cold when no more of it was cached than stands before and
/// behind the document, `template_tokens`.
pub fn achieved(after: &Sample, template_tokens: u64) -> Flushed {
    match (after.cached_tokens().filter(|_| after.outcome.is_ok()), after.prompt_tokens()) {
        (Some(cached), _) if cached <= template_tokens => Flushed::Evicted,
        (Some(cached_tokens), Some(prompt_tokens)) => Flushed::StillCached { cached_tokens, prompt_tokens },
        _ => Flushed::Unknown,
    }
}

/// The same as a sentence.
pub fn sentence(flush: &Flush) -> String {
    match flush.achieved {
        Flushed::Evicted => "flush: evicted, run 2 found the document gone".to_owned(),
        Flushed::StillCached { cached_tokens, prompt_tokens } => {
            format!("flush: still cached: {cached_tokens} of {prompt_tokens} tokens; run 2 is a hit, not a cold run")
        }
        Flushed::Unknown => "flush: unknown (this server shows no evidence)".to_owned(),
    }
}

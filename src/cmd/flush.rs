//! The seed's flush: ten completions of one token on fillers of 100,000 characters, all different, so that the server's
//! cache has to make room for them. What it achieved shows in the request after it, and only there.

use std::time::Duration;

use super::canary::{self, Canary};
use super::consent::Spent;
use super::counters::Meter;
use crate::cli::{FlushHow, PaceArgs};
use crate::document::{CountTokens, Heuristic, filler};
use crate::endpoint::{ContextFrom, Endpoint, RESETS};
use crate::evidence;
use crate::plan::{Arm, Role};
use crate::record::{Flush, Flushed};
use crate::rng::Nonce;
use crate::sample::{Place, Sample};
use crate::session::{Ask, Session, Watch};
use crate::wire::body::Conversation;

/// The seed's number of fillers.
const FILLERS: u64 = 10;
/// The most that are sent until a canary is gone.
const MOST_FILLERS: u64 = 32;
/// A canary is looked for after 1, 2, 4, ... fillers.
const LOOKS: u64 = MOST_FILLERS.ilog2() as u64 + 1;
const FILLER_CHARS: usize = 100_000;
/// Every word of a filler has at least four letters and a space.
const CHARS_PER_WORD: usize = 5;

/// What a flush is to be.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    pub how: FlushHow,
    /// The tier that is to answer after it, and the tokens that push a document out of those above.
    pub tier: Option<(u8, u64)>,
    pub nonce: Nonce,
    pub document_tokens: u64,
    pub context: Option<&'a ContextFrom>,
}

/// The fillers of a flush, made before anything is sent.
#[derive(Debug)]
pub struct Fillers {
    how: FlushHow,
    pub tier: Option<u8>,
    texts: Vec<String>,
    canaries: Vec<Canary>,
    tokens: u64,
}

/// What a flush sends with.
pub struct Means<'m, 'a> {
    pub endpoint: &'a Endpoint,
    pub session: &'m mut Session<'a>,
    pub meter: &'m mut Option<Meter<'a>>,
    pub pace: &'m PaceArgs,
    pub spent: &'m mut Spent,
    pub watch: &'m mut dyn Watch,
}

/// What came of a flush.
pub struct Flushing {
    pub flush: Flush,
    /// The first filler that failed.
    pub failure: Option<Sample>,
    /// The part of the budget that had no room for another filler.
    pub budget_spent: Option<&'static str>,
}

impl Fillers {
    /// Makes them, cut to the model's context; where tokens cannot be counted, to a quarter of it.
    ///
    /// # Errors
    /// A tokenizer that fails.
    pub fn make(wanted: Wanted<'_>, counter: &dyn CountTokens) -> anyhow::Result<Fillers> {
        let Wanted { how, tier, nonce, document_tokens, context } = wanted;
        let is_guess = counter.name() == Heuristic.name();
        let limit = context.map(|context| match is_guess {
            true => context.tokens / 4,
            false => crate::document::tokens_to_send(u64::MAX, Some(context.tokens), 1),
        });
        let (count, looks) = match how {
            FlushHow::Filler => (FILLERS, 0),
            FlushHow::Reset => (0, 1),
            FlushHow::UntilEvicted => (MOST_FILLERS, LOOKS),
        };
        let canary = |number| Canary::make(nonce, number, document_tokens, counter);
        let canaries = (1..=looks).map(canary).collect::<anyhow::Result<_>>()?;
        let mut fillers = Fillers { how, tier: tier.map(|(tier, _)| tier), texts: Vec::new(), canaries, tokens: 0 };
        for number in 1.. {
            let left = match tier {
                Some((_, all)) => all.saturating_sub(fillers.tokens),
                None if number > count => 0,
                None => u64::MAX,
            };
            if left == 0 {
                break;
            }
            let mut text = filler(nonce, &format!("flush-{number}"), (FILLER_CHARS / CHARS_PER_WORD) as u64);
            text.truncate(FILLER_CHARS);
            let cut = counter.cut(&text, limit.unwrap_or(u64::MAX).min(left))?;
            text.truncate(cut.bytes);
            fillers.texts.push(text);
            fillers.tokens += cut.tokens.max(1);
        }
        Ok(fillers)
    }

    pub fn count(&self) -> usize {
        self.texts.len()
    }

    /// What is sent at most, in words.
    pub fn cost(&self) -> String {
        let (up_to, canaries) = (if self.how == FlushHow::UntilEvicted { "up to " } else { "" }, self.canaries.len());
        let canaries = match canaries as u64 * canary::REQUESTS {
            0 => None,
            requests => Some(format!("{requests} requests with documents to look for")),
        };
        let fillers = (self.count() > 0).then(|| format!("{up_to}{} fillers", self.count()));
        let parts: Vec<String> = fillers.into_iter().chain(canaries).collect();
        format!("the flush sends {}, {} tokens in all", parts.join(" and "), self.all_tokens())
    }

    /// Tokens of all fillers and canaries.
    pub fn all_tokens(&self) -> u64 {
        self.tokens + self.canaries.iter().map(Canary::tokens).sum::<u64>()
    }

    /// What is about to be done, for the console.
    pub fn announcement(&self) -> String {
        match self.how {
            FlushHow::Filler if self.tier.is_some() => format!(
                "(pushing the document out of the tiers above: {} fillers, {} tokens)",
                self.count(),
                self.tokens
            ),
            FlushHow::Filler => format!("(flushing the KV\u{2011}cache: {} filler completions)", self.count()),
            FlushHow::Reset => "(flushing the KV\u{2011}cache: the server's reset, and a canary)".to_owned(),
            FlushHow::UntilEvicted => {
                format!("(flushing the KV\u{2011}cache: fillers until a canary is gone, at most {})", self.count())
            }
        }
    }

    /// Sends them, as far as the budget goes.
    pub fn send(&mut self, means: &mut Means<'_, '_>) -> Flushing {
        let achieved = Flushed::Unknown;
        let flush = Flush { requests: 0, failed: 0, filler_tokens: self.tokens, reset: None, canary: None, achieved };
        let mut flushing = Flushing { flush, failure: None, budget_spent: None };
        for canary in &mut self.canaries {
            canary.put(means.session, means.meter);
        }
        means.spent.prompt_tokens += self.canaries.iter().map(Canary::tokens).sum::<u64>();
        if self.how == FlushHow::Reset {
            flushing.flush.reset = means.endpoint.reset().map(|reset| reset.path.to_owned());
            flushing.flush.canary = self.canaries.first().map(|canary| canary.look(means.session, means.meter));
        }
        self.fill(means, &mut flushing);
        let Flush { requests, filler_tokens, .. } = &mut flushing.flush;
        *filler_tokens = self.tokens * *requests / self.count().max(1) as u64;
        flushing
    }

    fn fill(&self, means: &mut Means<'_, '_>, flushing: &mut Flushing) {
        let each = self.tokens / self.count().max(1) as u64;
        let mut canaries = self.canaries.iter();
        for (text, sent) in self.texts.iter().zip(1_u64..) {
            if means.session.is_interrupted() {
                break;
            }
            means.spent.time = Duration::from_nanos(means.session.elapsed());
            flushing.budget_spent = means.spent.is_enough(each, means.pace);
            if flushing.budget_spent.is_some() {
                break;
            }
            means.spent.prompt_tokens += each;
            let conversation = Conversation { nonce: None, document: text, prompt: "Continue." };
            let ask = Ask { arm: Arm::Cold, role: Role::Evict, place: Place::default(), conversation, max_tokens: 1 };
            let sample = means.session.perform(&ask, means.watch);
            let flush = &mut flushing.flush;
            flush.requests += 1;
            // One token can be one that shows nothing; the prompt was read all the same.
            if !sample.outcome.is_ok() && sample.outcome != crate::sample::Outcome::NoToken {
                flush.failed += 1;
                flushing.failure.get_or_insert(sample);
            }
            let is_look = self.how == FlushHow::UntilEvicted && sent.is_power_of_two();
            if let Some(canary) = is_look.then(|| canaries.next()).flatten() {
                flush.canary = Some(canary.look(means.session, means.meter));
                // Without evidence no filler is ever known to be enough.
                let enough = if flush.canary == Some(Flushed::Unknown) {
                    sent >= FILLERS
                } else {
                    flush.canary == Some(Flushed::Evicted)
                };
                if enough {
                    break;
                }
            }
        }
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

/// What run 2 shows of the tier that was to answer it.
pub fn of_tier(tier: u8, flush: &Flush, after: &Sample) -> String {
    let outside = evidence::external_cached_tokens(after);
    match (flush.achieved, outside) {
        (Flushed::Unknown, _) => "flush: unknown (this server shows no evidence)".to_owned(),
        (Flushed::Evicted, _) => format!(
            "flush: evicted from every tier: no tier {tier} reaches over {} tokens of fillers, and run 2 is cold",
            flush.filler_tokens
        ),
        (Flushed::StillCached { cached_tokens, prompt_tokens }, Some(outside)) if 2 * outside > cached_tokens => {
            format!(
                "flush: {outside} of {prompt_tokens} tokens of run 2 came from outside the engine's own memory, as tier {tier} \
             does"
            )
        }
        (Flushed::StillCached { cached_tokens, prompt_tokens }, Some(_)) => format!(
            "flush: {cached_tokens} of {prompt_tokens} tokens of run 2 came from the engine's own memory and not from tier \
             {tier}: raise --tier_tokens"
        ),
        (Flushed::StillCached { cached_tokens, prompt_tokens }, None) => format!(
            "flush: {cached_tokens} of {prompt_tokens} tokens of run 2 came from the cache; this server does not tell from \
             which tier"
        ),
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

/// What a reset or a search for the end of the cache came to, before run 2 shows it; `None` for plain fillers.
pub fn of_canary(flush: &Flush) -> Option<String> {
    let (canary, fillers) = (flush.canary?, flush.requests);
    let left = match canary {
        Flushed::StillCached { cached_tokens, prompt_tokens } => {
            format!("a document known to be cached still has {cached_tokens} of {prompt_tokens} tokens there")
        }
        Flushed::Evicted => "a document known to be cached came back cold".to_owned(),
        Flushed::Unknown => "whether it emptied the cache is unknown (this server shows no evidence)".to_owned(),
    };
    Some(match (&flush.reset, fillers, canary) {
        (Some(path), _, Flushed::StillCached { .. }) => format!("reset: {path} answered 200 and reset nothing: {left}"),
        (Some(path), ..) => format!("reset: {path} answered 200, and {left}"),
        (None, 0, _) => format!("reset: {}", no_reset()),
        (None, _, _) => format!("until_evicted: after {fillers} fillers, {left}"),
    })
}

/// That there is no reset endpoint, and which ones are known.
pub fn no_reset() -> String {
    let known = RESETS.iter().map(|reset| match reset.needs {
        Some(needs) => format!("{} (with {needs})", reset.engine),
        None => reset.engine.to_owned(),
    });
    format!("no reset endpoint answers; those of {} are known", known.collect::<Vec<_>>().join(", "))
}

//! `ttft verify`: drives the machine of pairs against a server, and ends with the verdict on its log.

use std::time::Duration;

use anyhow::bail;

use super::consent::{Cost, Spent};
use super::counters::Meter;
use super::journal::{self, Journal};
use super::open::Opened;
use super::setup::Setup;
use super::{UsageError, advice, cache_off, flush, progress_of_pairs, selftest, tier};
use crate::cli::verify::{ColdHow, VerifyArgs};
use crate::clock::Nanos;
use crate::document::{CountTokens, Document};
use crate::exit::Exit;
use crate::pairs;
use crate::plan::{ColdBy, Role, filler};
use crate::progress::Voice;
use crate::record::{Flush, RuleNote, SelfTest};
use crate::rng::Nonce;
use crate::sample::{Outcome, Sample};
use crate::session::{Ask, Session, Unwatched};
use crate::stats::looks::Rule;
use crate::verdict::{self, Verdict};
use crate::verify::{Design, Probe, Step, Texts, Tier, Verify};
use crate::wire::body::Conversation;

/// Tokens beside the document: the template, the head line, the question.
const OVERHEAD: u64 = 200;

/// The half width that `--quick` is content with.
const QUICK: f64 = 0.10;

pub fn run(args: VerifyArgs, argv: Vec<String>) -> anyhow::Result<Exit> {
    let voice = Voice::new(&args.session.output);
    let cold_by = cold_by(&args)?;
    let log = journal::prepare(&args.out, &args.session.output)?;
    let setup = Setup::of(&args.session, voice)?;
    let counter = setup.counter()?;
    let specimen = Document::synthetic(setup.nonce, "specimen", args.context_tokens.0, &*counter)?;
    let prompt_tokens = specimen.context_tokens + OVERHEAD;
    fits(prompt_tokens + args.session.pace.max_tokens, &setup.opened)?;
    let most = most_filler_tokens(&setup, args.session.pace.max_tokens);
    let filler = match tier::fillers(&args.tier, specimen.context_tokens)? {
        Some((number, tokens)) => Some(Filler::make(number, filler::split(tokens, most), setup.nonce, &*counter)?),
        None => None,
    };
    let meter = setup.meter();
    let note = rule(&args);
    let design = Design {
        rule: verdict::rule(args.max_pairs as usize, note.precision, note.of_effect),
        shares: args.shared.clone(),
        asks_anew: args.same_document_new_question,
        cold_by,
        tier: filler.as_ref().map(|filler| filler.tier),
        cache_off: args.cache_off.is_some(),
        block_size: meter.as_ref().and_then(|meter| meter.block_size),
        seed: setup.seed("order"),
    };
    let (requests, fillers) = (design.usual_requests() as u64, design.usual_fillers() as u64);
    let filler_tokens = filler.as_ref().map_or(0, |filler| fillers * (filler.context_tokens + OVERHEAD));
    setup
        .ask_consent(Cost { requests: requests + fillers, prompt_tokens: requests * prompt_tokens + filler_tokens })?;
    let mut conditions = setup.conditions("verify", argv);
    conditions.prompt = Some(args.prompt.clone());
    conditions.rule = Some(note);
    if let Some(path) = &args.cache_off_log {
        conditions.cache_off = Some(cache_off::read(path, &conditions, specimen.context_tokens)?);
    }
    if !args.no_selftest {
        conditions.selftest = selftest::short(1, &setup);
    }
    let floor_ns = conditions.selftest.as_ref().map(SelfTest::smallest_effect_ns);
    let mut manner = setup.manner();
    manner.keep_token_times = false;
    // Answers to two questions cannot be compared.
    manner.keep_answers = !args.same_document_new_question;
    let words = specimen.text.split(' ').count() as u64;
    let mut run = Run {
        texts: Texts { nonce: setup.nonce, words, question: args.prompt.clone() },
        context_tokens: specimen.context_tokens,
        filler,
        rule: design.rule.clone(),
        floor_ns,
        machine: Verify::new(design),
        session: setup.session(manner),
        journal: Journal::new(log, conditions),
        samples: Vec::new(),
        reset: None,
        spent: Spent::default(),
        args: &args,
        opened: &setup.opened,
        meter,
        voice,
    };
    run.measure()?;
    run.finish()
}

/// When to stop. Nobody needs 50x to the twentieth part unless they say so: without `--precision`, and without a ratio to
/// decide on, a share of the ratio's logarithm is as good.
fn rule(args: &VerifyArgs) -> RuleNote {
    let usual = if args.quick { QUICK } else { verdict::PRECISION };
    let is_exact = args.precision.is_some() || args.expect.is_some();
    RuleNote {
        max_pairs: args.max_pairs,
        precision: args.precision.map_or(usual, |precision| precision.share()),
        of_effect: if is_exact { 0.0 } else { usual },
    }
}

/// What is to make cold what is no new text.
fn cold_by(args: &VerifyArgs) -> Result<Option<ColdBy>, UsageError> {
    let by = match args.cold {
        ColdHow::Nonce => return Ok(None),
        ColdHow::Salt => ColdBy::Salt,
        ColdHow::Reset => ColdBy::Reset,
    };
    if !args.shared.is_empty() {
        let said = "--shared needs documents of different texts, and with --cold salt or reset there is one; leave one of \
                    them out";
        return Err(UsageError(said.to_owned()));
    }
    if by == ColdBy::Reset && args.tier.tier.is_some() {
        return Err(UsageError("a reset empties the lower tiers too; give --tier without --cold reset".to_owned()));
    }
    Ok(Some(by))
}

/// What pushes documents out of the tiers above the one that is measured.
struct Filler {
    tier: Tier,
    texts: Texts,
    context_tokens: u64,
}

impl Filler {
    /// `count` fillers of `tokens` each, before every replay.
    fn make(
        number: u8,
        (count, tokens): (u64, u64),
        nonce: Nonce,
        counter: &dyn CountTokens,
    ) -> anyhow::Result<Filler> {
        let specimen = Document::synthetic(nonce, "filler", tokens, counter)?;
        let words = specimen.text.split(' ').count() as u64;
        Ok(Filler {
            tier: Tier { number, fillers: count as usize },
            texts: Texts { nonce, words, question: "Continue.".to_owned() },
            context_tokens: specimen.context_tokens,
        })
    }
}

/// The longest filler: what the model takes, and no more than a server computes in a while.
fn most_filler_tokens(setup: &Setup, max_tokens: u64) -> u64 {
    const LONG: u64 = 32_768;
    const UNKNOWN: u64 = 8_192;
    let fits = setup.context_tokens().map(|tokens| tokens.saturating_sub(OVERHEAD + max_tokens) / 10 * 9);
    fits.unwrap_or(UNKNOWN).min(LONG)
}

/// A run under way.
struct Run<'a> {
    args: &'a VerifyArgs,
    opened: &'a Opened,
    voice: Voice,
    machine: Verify,
    rule: Rule,
    /// Effects below it cannot be seen from here.
    floor_ns: Option<Nanos>,
    texts: Texts,
    context_tokens: u64,
    filler: Option<Filler>,
    session: Session<'a>,
    journal: Journal,
    meter: Option<Meter<'a>>,
    samples: Vec<Sample>,
    /// The reset that answered since the last request.
    reset: Option<&'static str>,
    spent: Spent,
}

impl Run<'_> {
    fn measure(&mut self) -> anyhow::Result<()> {
        self.journal.begin()?;
        let mut gauge = progress_of_pairs::Gauge::new(self.voice);
        while !self.session.is_interrupted() {
            match self.machine.next() {
                Step::Done => break,
                Step::Wait(span) => self.session.pause(Duration::from_nanos(span)),
                Step::Reset => self.reset()?,
                Step::Probe(probe) => {
                    self.spent.time = Duration::from_nanos(self.session.elapsed());
                    if let Some(what) = self.spent.is_enough(self.texts_of(&probe).1, &self.args.session.pace) {
                        gauge.clear();
                        self.voice
                            .warn(&format!("the budget of {what} is spent; the verdict is that of the last look"));
                        break;
                    }
                    self.perform(&probe)?;
                    gauge.show(&self.machine.progress(), self.session.elapsed());
                    self.session.pause(self.args.session.pace.gap.0);
                }
            }
        }
        Ok(())
    }

    /// Asks the server to empty its cache. What it answers is no proof; whether it can be asked is known the first time.
    fn reset(&mut self) -> anyhow::Result<()> {
        let answered = self.opened.endpoint.reset();
        if answered.is_none() {
            bail!("--cold reset: {}; run without --cold reset", flush::no_reset());
        }
        self.reset = answered.map(|reset| reset.path);
        self.session.pause(self.args.session.pace.gap.0);
        Ok(())
    }

    fn perform(&mut self, probe: &Probe) -> anyhow::Result<()> {
        let (texts, context_tokens) = self.texts_of(probe);
        let (head, document) = (texts.head(probe), texts.document(probe));
        let ask = Ask {
            arm: probe.arm,
            role: probe.role,
            place: probe.place,
            conversation: Conversation { nonce: Some(&head), document: &document, prompt: texts.question(probe) },
            max_tokens: self.args.session.pace.max_tokens,
        };
        self.session.manner_mut().extra = self.extra(probe);
        let mut sample = self.session.perform(&ask, &mut Unwatched);
        sample.counters = self.meter.as_mut().and_then(Meter::moved);
        let tokens = context_tokens + probe.padding_words;
        self.spent.prompt_tokens += sample.prompt_tokens().unwrap_or(tokens);
        self.machine.observe(&sample);
        self.samples.push(sample.clone());
        if !sample.outcome.is_ok() && sample.outcome != Outcome::Interrupted {
            let said = advice::failed(&sample.outcome, &self.opened.models);
            self.voice.warn(&format!("request {} failed: {said}", sample.trial));
        }
        let template_tokens = pairs::template_tokens(&self.samples);
        let flush = self.reset.take().map(|path| Flush::reset(path, flush::achieved(&sample, template_tokens)));
        self.journal.write(sample.trial, tokens, sample, flush)?;
        Ok(())
    }

    /// What a probe's document is made from, and its tokens.
    fn texts_of(&self, probe: &Probe) -> (Texts, u64) {
        match &self.filler {
            Some(filler) if probe.role == Role::Evict => (filler.texts.clone(), filler.context_tokens),
            _ => (self.texts.clone(), self.context_tokens),
        }
    }

    /// The user's fields of the body, those that switch the cache off, and the document's salt.
    fn extra(&self, probe: &Probe) -> Option<serde_json::Map<String, serde_json::Value>> {
        let users = self.args.session.endpoint.extra_body.as_ref();
        let off = self.args.cache_off.as_ref().filter(|_| probe.place.cache_off);
        let mut fields: serde_json::Map<_, _> =
            users.into_iter().chain(off).flat_map(|object| object.0.clone()).collect();
        fields.extend(self.texts.salt(probe).map(|salt| ("cache_salt".to_owned(), salt.into())));
        (!fields.is_empty()).then_some(fields)
    }

    fn finish(self) -> anyhow::Result<Exit> {
        self.journal.print_block(self.voice)?;
        let expected = self.args.expect.map(|ratio| ratio.0);
        Ok(match self.session.is_interrupted() {
            true => Exit::Interrupted,
            false => Verdict::of(&self.samples, &self.rule).seen_from(self.floor_ns).exit(expected),
        })
    }
}

fn fits(tokens: u64, opened: &Opened) -> anyhow::Result<()> {
    match &opened.context {
        Some(context) if tokens > context.tokens => bail!(
            "a prompt of {tokens} tokens does not fit the model's context of {} tokens ({}); lower --context_tokens",
            context.tokens,
            context.source
        ),
        _ => Ok(()),
    }
}

//! `ttft verify`: drives the machine of pairs against a server, and ends with the verdict on its log.

use std::time::Duration;

use anyhow::bail;

use super::consent::{Cost, Spent};
use super::counters::Meter;
use super::journal::{self, Journal};
use super::open::Opened;
use super::setup::Setup;
use super::{advice, progress_of_pairs, selftest};
use crate::cli::verify::VerifyArgs;
use crate::clock::Nanos;
use crate::document::Document;
use crate::exit::Exit;
use crate::progress::Voice;
use crate::record::{RuleNote, SelfTest};
use crate::sample::{Outcome, Sample};
use crate::session::{Ask, Session, Unwatched};
use crate::stats::looks::Rule;
use crate::verdict::{self, Verdict};
use crate::verify::{Design, Probe, Step, Texts, Verify};
use crate::wire::body::Conversation;

/// Tokens beside the document: the template, the head line, the question.
const OVERHEAD: u64 = 200;

/// The half width that `--quick` is content with.
const QUICK: f64 = 0.10;

pub fn run(args: VerifyArgs, argv: Vec<String>) -> anyhow::Result<Exit> {
    let voice = Voice::new(&args.session.output);
    let log = journal::prepare(&args.out, &args.session.output)?;
    let setup = Setup::of(&args.session, voice)?;
    let counter = setup.counter()?;
    let specimen = Document::synthetic(setup.nonce, "specimen", args.context_tokens.0, &*counter)?;
    let prompt_tokens = specimen.context_tokens + OVERHEAD;
    fits(prompt_tokens + args.session.pace.max_tokens, &setup.opened)?;
    let meter = setup.meter();
    let precision = if args.quick { QUICK } else { args.precision.share() };
    let design = Design {
        rule: verdict::rule(args.max_pairs as usize, precision),
        shares: args.shared.clone(),
        asks_anew: args.same_document_new_question,
        block_size: meter.as_ref().and_then(|meter| meter.block_size),
        seed: setup.seed("order"),
    };
    let requests = design.usual_requests() as u64;
    setup.ask_consent(Cost { requests, prompt_tokens: requests * prompt_tokens })?;
    let mut conditions = setup.conditions("verify", argv);
    conditions.prompt = Some(args.prompt.clone());
    conditions.rule = Some(RuleNote { max_pairs: args.max_pairs, precision });
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
        rule: design.rule.clone(),
        floor_ns,
        machine: Verify::new(design),
        session: setup.session(manner),
        journal: Journal::new(log, conditions),
        samples: Vec::new(),
        spent: Spent::default(),
        args: &args,
        opened: &setup.opened,
        meter,
        voice,
    };
    run.measure()?;
    run.finish()
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
    session: Session<'a>,
    journal: Journal,
    meter: Option<Meter<'a>>,
    samples: Vec<Sample>,
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
                Step::Probe(probe) => {
                    self.spent.time = Duration::from_nanos(self.session.elapsed());
                    if let Some(what) = self.spent.is_enough(self.context_tokens, &self.args.session.pace) {
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

    fn perform(&mut self, probe: &Probe) -> anyhow::Result<()> {
        let (head, document) = (self.texts.head(probe), self.texts.document(probe));
        let ask = Ask {
            arm: probe.arm,
            role: probe.role,
            place: probe.place,
            conversation: Conversation { nonce: Some(&head), document: &document, prompt: self.texts.question(probe) },
            max_tokens: self.args.session.pace.max_tokens,
        };
        let mut sample = self.session.perform(&ask, &mut Unwatched);
        sample.counters = self.meter.as_mut().and_then(Meter::moved);
        let tokens = self.context_tokens + probe.padding_words;
        self.spent.prompt_tokens += sample.prompt_tokens().unwrap_or(tokens);
        self.machine.observe(&sample);
        self.samples.push(sample.clone());
        if !sample.outcome.is_ok() && sample.outcome != Outcome::Interrupted {
            let said = advice::failed(&sample.outcome, &self.opened.models);
            self.voice.warn(&format!("request {} failed: {said}", sample.trial));
        }
        self.journal.write(sample.trial, tokens, sample, None)?;
        Ok(())
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

//! `ttft sweep --verify`: drives the machine of pairs at several lengths, and ends with the break-even length.

use std::collections::BTreeMap;
use std::time::Duration;

use super::earlier::Earlier;
use super::parts;
use crate::cli::{Schema, SweepArgs};
use crate::cmd::consent::{Cost, Spent};
use crate::cmd::counters::Meter;
use crate::cmd::journal::{self, Journal};
use crate::cmd::open::Opened;
use crate::cmd::setup::Setup;
use crate::cmd::{UsageError, advice};
use crate::document::{CountTokens, Document, tokens_to_send};
use crate::exit::Exit;
use crate::progress::{Bar, Voice};
use crate::report::lengths::Sweep;
use crate::report::units;
use crate::sample::Outcome;
use crate::session::{Ask, Manner, Session, Unwatched};
use crate::verify::lengths::{Design, Length, Lengths};
use crate::verify::{Probe, Texts};
use crate::wire::body::Conversation;

pub fn run(args: &SweepArgs, argv: Vec<String>, voice: Voice) -> anyhow::Result<Exit> {
    if args.session.output.schema == Schema::Classic {
        return Err(UsageError("--verify needs the rows in full; leave --schema classic out".to_owned()).into());
    }
    let log = journal::prepare(&args.out, &args.session.output)?;
    let setup = Setup::of(&args.session, voice)?;
    let counter = setup.counter()?;
    let mut conditions = setup.conditions("sweep", argv);
    conditions.prompt = Some(args.prompt.clone());
    let before = if args.resume { Earlier::read(&args.out, &setup.opened, &conditions)? } else { Earlier::nothing() };
    let sizes = sizes(args, &setup, &*counter, &before)?;
    let meter = setup.meter();
    let design = Design {
        lengths: sizes.values().map(|size| size.length).collect(),
        controls: before.controls_lacking,
        block_size: meter.as_ref().and_then(|meter| meter.block_size),
        seed: setup.seed("order"),
    };
    let manner = Manner { keep_token_times: false, ..setup.manner() };
    let cost = cost(&design, &sizes);
    setup.ask_consent(cost)?;
    let run = Run {
        bar: Bar::new(voice, cost.prompt_tokens),
        journal: Journal::new(if args.resume { before.continue_log(log)? } else { log }, conditions),
        session: setup.session(manner),
        machine: Lengths::new(design),
        spent: Spent::default(),
        opened: &setup.opened,
        args,
        sizes,
        meter,
        voice,
    };
    run.measure()
}

/// A size to measure.
struct Size {
    length: Length,
    /// Tokens of its documents, without what is added to leave a block's boundary.
    context_tokens: u64,
    texts: Texts,
}

/// The sizes that fit the model, with the pairs that each still needs.
fn sizes(
    args: &SweepArgs,
    setup: &Setup<'_>,
    counter: &dyn CountTokens,
    before: &Earlier,
) -> anyhow::Result<BTreeMap<u64, Size>> {
    let (context, voice) = (setup.context_tokens(), setup.voice);
    // What an earlier session sent is in the cache, so a repeated --nonce must not make it again.
    let nonce =
        if before.sessions > 0 { setup.nonce.derive(&format!("resumed {}", before.sessions)) } else { setup.nonce };
    let mut sizes = BTreeMap::new();
    for &asked in &args.context_sizes.0 {
        let tokens = units::count(asked);
        if let Some(context) = context.filter(|context| asked > *context) {
            voice.note(&format!("{tokens} tokens are skipped: the model's context has {}", units::count(context)));
            continue;
        }
        let limit = tokens_to_send(asked, context, args.session.pace.max_tokens);
        if limit < asked {
            let limit = units::count(limit);
            voice.note(&format!("of {tokens} tokens, {limit} are sent, so that they fit the model with a margin"));
        }
        let there = before.pairs.get(&asked).copied().unwrap_or(0);
        let pairs = (args.pairs as usize).saturating_sub(there);
        if there > 0 {
            voice.note(&format!("{tokens} tokens: {there} pairs are there already, {pairs} to measure"));
        }
        let specimen = Document::synthetic(nonce, "specimen", limit, counter)?;
        let words = specimen.text.split(' ').count() as u64;
        let texts = Texts { nonce, words, question: args.prompt.clone() };
        let length = Length { asked_tokens: asked, pairs };
        sizes.insert(asked, Size { length, context_tokens: specimen.context_tokens, texts });
    }
    Ok(sizes)
}

fn cost(design: &Design, sizes: &BTreeMap<u64, Size>) -> Cost {
    let control = design.control_tokens().filter(|_| !sizes.is_empty());
    let requests = |asked: u64, size: &Size| {
        let controls = if Some(asked) == control { 2 * design.controls } else { 0 };
        (size.length.usual_requests() + controls) as u64
    };
    Cost {
        requests: sizes.iter().map(|(asked, size)| requests(*asked, size)).sum(),
        prompt_tokens: sizes.iter().map(|(asked, size)| requests(*asked, size) * size.context_tokens).sum(),
    }
}

/// A run under way.
struct Run<'a> {
    args: &'a SweepArgs,
    opened: &'a Opened,
    voice: Voice,
    sizes: BTreeMap<u64, Size>,
    machine: Lengths,
    session: Session<'a>,
    journal: Journal,
    meter: Option<Meter<'a>>,
    spent: Spent,
    bar: Bar,
}

impl Run<'_> {
    fn measure(mut self) -> anyhow::Result<Exit> {
        while !self.session.is_interrupted() {
            let Some(probe) = self.machine.next() else { break };
            self.spent.time = Duration::from_nanos(self.session.elapsed());
            let size = &self.sizes[&asked(&probe)];
            if let Some(what) = self.spent.is_enough(size.context_tokens, &self.args.session.pace) {
                self.warn(&format!("the budget of {what} is spent; --resume goes on from here"));
                break;
            }
            let (pairs, of) = self.machine.progress();
            self.bar.show(format!("{pairs} of {of} pairs"));
            self.perform(&probe)?;
            self.session.pause(self.args.session.pace.gap.0);
        }
        self.finish()
    }

    fn perform(&mut self, probe: &Probe) -> anyhow::Result<()> {
        let Size { context_tokens, texts, .. } = &self.sizes[&asked(probe)];
        let (head, document) = (texts.head(probe), texts.document(probe));
        let ask = Ask {
            arm: probe.arm,
            role: probe.role,
            place: probe.place,
            conversation: Conversation { nonce: Some(&head), document: &document, prompt: texts.question(probe) },
            max_tokens: self.args.session.pace.max_tokens,
        };
        self.journal.begin()?;
        let mut sample = self.session.perform(&ask, &mut Unwatched);
        sample.counters = self.meter.as_mut().and_then(Meter::moved);
        let tokens = context_tokens + probe.padding_words;
        self.bar.advance(*context_tokens);
        self.spent.prompt_tokens += sample.prompt_tokens().unwrap_or(tokens);
        self.machine.observe(&sample);
        if !sample.outcome.is_ok() && sample.outcome != Outcome::Interrupted {
            let said = advice::failed(&sample.outcome, &self.opened.models);
            self.warn(&format!("{} tokens, request {} failed: {said}", units::count(asked(probe)), sample.trial));
        }
        self.journal.write(sample.trial, tokens, sample, None)?;
        Ok(())
    }

    fn warn(&self, text: &str) {
        self.bar.aside(|| self.voice.warn(text));
    }

    fn finish(self) -> anyhow::Result<Exit> {
        drop(self.bar);
        if self.spent.prompt_tokens == 0 && !self.args.resume {
            return Ok(if self.session.is_interrupted() { Exit::Interrupted } else { Exit::Inconclusive });
        }
        let data = self.journal.print_block(self.voice)?;
        // What an interrupt leaves is of use too.
        parts::write(self.journal.path())?;
        let sweeps = Sweep::all(&data);
        let is_known = sweeps.iter().any(|sweep| sweep.has_pairs() && !sweep.is_void());
        Ok(match (self.session.is_interrupted(), is_known) {
            (true, _) => Exit::Interrupted,
            (false, true) => Exit::Ok,
            (false, false) => Exit::Inconclusive,
        })
    }
}

/// The size of a probe's document.
fn asked(probe: &Probe) -> u64 {
    probe.place.asked_tokens.expect("every probe of the machine names its size")
}

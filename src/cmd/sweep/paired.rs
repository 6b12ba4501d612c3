//! `ttft sweep --verify`: drives the machine of pairs at several lengths, and ends with the break-even length.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::path::Path;
use std::time::Duration;

use anyhow::Context;

use super::merged::refuse_others;
use crate::cli::SweepArgs;
use crate::cmd::consent::{Cost, Spent};
use crate::cmd::counters::Meter;
use crate::cmd::journal::{self, Journal};
use crate::cmd::open::Opened;
use crate::cmd::setup::Setup;
use crate::cmd::{UsageError, advice};
use crate::document::{CountTokens, Document, tokens_to_send};
use crate::exit::Exit;
use crate::pairs::Pairs;
use crate::progress::{Bar, Voice};
use crate::record::{Conditions, Line, Log, Reading};
use crate::report::units;
use crate::sample::{Outcome, Sample};
use crate::session::{Ask, Manner, Session, Unwatched};
use crate::verify::lengths::{Design, Length, Lengths};
use crate::verify::{Probe, Texts};
use crate::wire::body::Conversation;

pub fn run(args: &SweepArgs, argv: Vec<String>, voice: Voice) -> anyhow::Result<Exit> {
    let log = journal::prepare(&args.out, &args.session.output)?;
    let setup = Setup::of(&args.session, voice)?;
    let counter = setup.counter()?;
    let mut conditions = setup.conditions("sweep", argv);
    conditions.prompt = Some(args.prompt.clone());
    let before = if args.resume { Earlier::read(&args.out, &setup.opened, &conditions)? } else { Earlier::default() };
    let sizes = sizes(args, &setup, &*counter, &before)?;
    setup.ask_consent(cost(&sizes))?;
    let meter = setup.meter();
    let design = Design {
        lengths: sizes.values().map(|size| size.length).collect(),
        block_size: meter.as_ref().and_then(|meter| meter.block_size),
        seed: setup.seed("order"),
    };
    let manner = Manner { keep_token_times: false, ..setup.manner() };
    let run = Run {
        bar: Bar::new(voice, cost(&sizes).prompt_tokens),
        journal: Journal::new(if args.resume { before.continue_log(log)? } else { log }, conditions),
        session: setup.session(manner),
        machine: Lengths::new(design),
        samples: Vec::new(),
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
    let (context, nonce, voice) = (setup.context_tokens(), setup.nonce, setup.voice);
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

fn cost(sizes: &BTreeMap<u64, Size>) -> Cost {
    let requests = |size: &Size| size.length.usual_requests() as u64;
    Cost {
        requests: sizes.values().map(requests).sum(),
        prompt_tokens: sizes.values().map(|size| requests(size) * size.context_tokens).sum(),
    }
}

/// What an interrupted sweep left in its log.
#[derive(Default)]
struct Earlier {
    /// The pairs that count, by size.
    pairs: BTreeMap<u64, usize>,
    /// Bytes of the log up to the end of its last whole line.
    whole_bytes: u64,
}

impl Earlier {
    /// # Errors
    /// [`UsageError`] where the log cannot be continued.
    fn read(path: &Path, opened: &Opened, now: &Conditions) -> anyhow::Result<Earlier> {
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let reading = Reading::parse(path, &bytes)?;
        refuse_others(&reading, path, opened)?;
        let mut sessions: Vec<(String, Vec<Sample>)> = Vec::new();
        for logged in reading.lines {
            let Line::Full(row) = logged.line else { return Err(unlike(path, "rows of three keys")) };
            if row.sample.place.asked_tokens.is_none() {
                return Err(unlike(path, "a sweep without --verify"));
            }
            if let Some(then) = &row.conditions {
                let is_alike = (&then.api, &then.prompt, then.max_tokens) == (&now.api, &now.prompt, now.max_tokens);
                if !is_alike {
                    return Err(unlike(path, "another --prompt, --max_tokens or --endpoint"));
                }
            }
            match sessions.last_mut().filter(|(session, _)| *session == row.session) {
                Some((_, samples)) => samples.push(row.sample),
                None => sessions.push((row.session, vec![row.sample])),
            }
        }
        let mut pairs = BTreeMap::new();
        for (_, samples) in &sessions {
            for pair in Pairs::of(samples).measured {
                *pairs.entry(pair.cold.place.asked_tokens.unwrap_or(0)).or_default() += 1;
            }
        }
        let whole_bytes = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at as u64 + 1);
        Ok(Earlier { pairs, whole_bytes })
    }

    /// The log, to be written behind its last whole line: what a kill left of a line is no row.
    fn continue_log(&self, log: Log) -> anyhow::Result<Log> {
        let file = OpenOptions::new().write(true).open(log.path());
        file.and_then(|file| file.set_len(self.whole_bytes))
            .with_context(|| format!("cannot continue {}", log.path().display()))?;
        Ok(log.append()?)
    }
}

fn unlike(path: &Path, what: &str) -> anyhow::Error {
    UsageError(format!("--resume: {} holds {what}; name another --out", path.display())).into()
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
    samples: Vec<Sample>,
    spent: Spent,
    bar: Bar,
}

impl Run<'_> {
    fn measure(mut self) -> anyhow::Result<Exit> {
        self.journal.begin()?;
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
        let mut sample = self.session.perform(&ask, &mut Unwatched);
        sample.counters = self.meter.as_mut().and_then(Meter::moved);
        let tokens = context_tokens + probe.padding_words;
        self.bar.advance(*context_tokens);
        self.spent.prompt_tokens += sample.prompt_tokens().unwrap_or(tokens);
        self.machine.observe(&sample);
        self.samples.push(sample.clone());
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
        self.journal.print_block(self.voice)?;
        let pairs = Pairs::of(&self.samples);
        let is_there = self.machine.progress().1 == 0 && self.args.resume;
        Ok(match (self.session.is_interrupted(), pairs.is_cold_refuted(), pairs.measured.is_empty() && !is_there) {
            (true, ..) => Exit::Interrupted,
            (_, true, _) | (_, _, true) => Exit::Inconclusive,
            _ => Exit::Ok,
        })
    }
}

/// The size of a probe's document.
fn asked(probe: &Probe) -> u64 {
    probe.place.asked_tokens.expect("every probe of the machine names its size")
}

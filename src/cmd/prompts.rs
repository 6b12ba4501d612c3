//! `ttft prompts`: several prompts about one document, each cold and on a hit, with a rating of what the hit saves.

use std::time::Duration;

use anyhow::Context;

use super::advice;
use super::consent::{Cost, Spent};
use super::counters::{self, Meter};
use super::document::Source;
use super::journal::{self, Journal};
use super::open::Opened;
use super::setup::Setup;
use crate::cli::PromptsArgs;
use crate::document::{Document, tokens_to_send};
use crate::exit::Exit;
use crate::plan::prompts::{Prompt, Question, questions};
use crate::plan::{Arm, Role};
use crate::progress::{Bar, Voice};
use crate::rng::Nonce;
use crate::sample::{Outcome, Place, Sample};
use crate::session::{Ask, Session, Unwatched};
use crate::wire::body::Conversation;

/// Failed requests in a row before the run is given up.
const FAILURES_IN_A_ROW: usize = 3;

pub fn run(args: PromptsArgs, argv: Vec<String>) -> anyhow::Result<Exit> {
    let voice = Voice::new(&args.session.output);
    let prompts = prompts(&args)?;
    // The recommended prompts are about FFmpeg, so that is what they ask about when nothing else is named.
    let source = Source::read(Some(args.context_file.as_ref().unwrap_or(&None)))?;
    let log = journal::prepare(&args.out, &args.session.output)?;
    let setup = Setup::of(&args.session, voice)?;
    let counter = setup.counter()?;
    let asked = tokens_to_send(args.max_ctx_tokens.0, setup.context_tokens(), args.session.pace.max_tokens);
    let document = source.make(setup.nonce, asked, &*counter)?;
    let questions = questions(prompts.len(), args.pairs, setup.seed("order"));
    let requests = questions.len() as u64;
    let prompt_tokens = requests * document.context_tokens;
    setup.ask_consent(Cost { requests, prompt_tokens })?;
    let mut conditions = setup.conditions("prompts", argv);
    conditions.document = Some(journal::note(&document));
    conditions.prompts = prompts.clone();
    let mut table = Table {
        args: &args,
        opened: &setup.opened,
        voice,
        prompts,
        document,
        nonce: setup.nonce,
        session: setup.session(setup.manner()),
        journal: Journal::new(log, conditions),
        bar: Bar::new(voice, requests),
        meter: setup.meter(),
        spent: Spent::default(),
        failures: 0,
        measured: 0,
    };
    table.measure(&questions)?;
    table.finish()
}

fn prompts(args: &PromptsArgs) -> anyhow::Result<Vec<Prompt>> {
    let Some(path) = &args.prompts_file else { return Ok(Prompt::recommended()) };
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the prompts in {}; --prompts_file wants a text file", path.display()))?;
    Prompt::parse(&text).with_context(|| format!("cannot use {}", path.display()))
}

/// A table under way.
struct Table<'a> {
    args: &'a PromptsArgs,
    opened: &'a Opened,
    voice: Voice,
    prompts: Vec<Prompt>,
    document: Document,
    nonce: Nonce,
    session: Session<'a>,
    journal: Journal,
    bar: Bar,
    meter: Option<Meter<'a>>,
    spent: Spent,
    /// Failed requests since the last that went well.
    failures: usize,
    /// Measured requests that went well.
    measured: usize,
}

impl Table<'_> {
    fn measure(&mut self, questions: &[Question]) -> anyhow::Result<()> {
        self.journal.begin()?;
        for (at, question) in questions.iter().enumerate() {
            if at > 0 {
                self.session.pause(self.args.session.pace.gap.0);
            }
            if self.session.is_interrupted() || self.is_enough() {
                break;
            }
            self.bar.show(self.prompts[question.prompt].prompt.clone());
            let sample = self.perform(question, at == 0);
            self.bar.advance(1);
            self.note(&sample);
            self.journal.write(sample.trial, self.document.context_tokens, sample, None)?;
        }
        Ok(())
    }

    fn perform(&mut self, question: &Question, is_first: bool) -> Sample {
        let line = (!self.args.no_nonce).then(|| self.nonce.derive(&format!("document {}", question.document)));
        let line = line.map(|nonce| nonce.to_string());
        let ask = Ask {
            arm: question.arm,
            role: question.role,
            place: Place {
                document: Some(question.document),
                pair: question.pair,
                prompt: Some(question.prompt as u64),
                // Without a nonce they are all one document.
                shared_percent: (self.args.no_nonce && question.arm == Arm::Cold && !is_first).then_some(100),
                ..Place::default()
            },
            conversation: Conversation {
                nonce: line.as_deref(),
                document: &self.document.text,
                prompt: &self.prompts[question.prompt].prompt,
            },
            max_tokens: self.args.session.pace.max_tokens,
        };
        let sample = counters::metered(&mut self.meter, || self.session.perform(&ask, &mut Unwatched));
        self.spent.prompt_tokens += sample.prompt_tokens().unwrap_or(self.document.context_tokens);
        self.spent.time = Duration::from_nanos(self.session.elapsed());
        sample
    }

    /// Counts what became of a request, and says what became of one that failed.
    fn note(&mut self, sample: &Sample) {
        match &sample.outcome {
            Outcome::Ok => {
                self.failures = 0;
                self.measured += usize::from(sample.role == Role::Measure);
            }
            Outcome::Interrupted => {}
            failed => {
                self.failures += 1;
                let said = advice::failed(failed, &self.opened.models);
                self.warn(&format!("request {} failed: {said}", sample.trial));
            }
        }
    }

    /// Whether there is no use in going on.
    fn is_enough(&self) -> bool {
        if self.failures >= FAILURES_IN_A_ROW {
            self.warn(&format!("{FAILURES_IN_A_ROW} requests in a row failed, so the rest is left out"));
            return true;
        }
        let spent = self.spent.is_enough(self.document.context_tokens, &self.args.session.pace);
        if let Some(what) = spent {
            self.warn(&format!("the budget of {what} is spent; prompts without all their pairs may stay undecided"));
        }
        spent.is_some()
    }

    fn warn(&self, text: &str) {
        self.bar.aside(|| self.voice.warn(text));
    }

    fn finish(self) -> anyhow::Result<Exit> {
        drop(self.bar);
        self.journal.print_block(self.voice)?;
        Ok(match (self.session.is_interrupted(), self.measured) {
            (true, _) => Exit::Interrupted,
            (false, 0) => Exit::Inconclusive,
            (false, _) => Exit::Ok,
        })
    }
}

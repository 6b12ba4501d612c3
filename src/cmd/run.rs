//! `ttft` and `ttft run`: the classic benchmark. One document, sent once and then again.

use std::time::Duration;

use super::consent::Spent;
use super::counters::{self, Meter};
use super::document::Source;
use super::flush::{self, Fillers, Flushing, Means};
use super::journal::{self, Journal};
use super::open::Opened;
use super::setup::Setup;
use super::{UsageError, advice, print, tier};
use crate::cli::{FlushHow, RunArgs};
use crate::document::{CountTokens, Document, Origin, tokens_to_send};
use crate::evidence::Evidence;
use crate::exit::Exit;
use crate::plan::{Arm, Role};
use crate::progress::{Spinner, Voice};
use crate::record::Flush;
use crate::report::ladder;
use crate::rng::Nonce;
use crate::sample::{Outcome, Place, Sample};
use crate::session::{Ask, Session};
use crate::wire::body::Conversation;
use crate::wire::refusal::{Refusal, classify};

/// A document is cut at most so often to suit a server that says it is too long.
const CUTS: usize = 3;

pub fn run(args: RunArgs, argv: Vec<String>) -> anyhow::Result<Exit> {
    let voice = Voice::new(&args.session.output);
    if args.tier.tier.is_some() && args.flush.is_some_and(|how| how != FlushHow::Filler) {
        let said = "--tier needs fillers, and --flush reset and until_evicted empty every tier; leave --flush out";
        return Err(UsageError(said.to_owned()).into());
    }
    let source = Source::read(args.context_file.as_ref())?;
    let log = journal::prepare(&args.out, &args.session.output)?;
    let setup = Setup::of(&args.session, voice)?;
    let (opened, nonce) = (&setup.opened, setup.nonce);
    let counter = setup.counter()?;
    let asked = tokens_to_send(args.max_ctx_tokens.0, setup.context_tokens(), args.session.pace.max_tokens);
    let document = source.make(nonce, asked, &*counter)?;
    let mut conditions = setup.conditions("run", argv);
    conditions.document = Some(journal::note(&document));
    conditions.prompt = Some(args.prompt.clone());
    say_document(&document, &args, voice);
    let tier = tier::fillers(&args.tier, document.context_tokens)?;
    let wanted = |how| flush::Wanted {
        how,
        tier,
        nonce,
        document_tokens: document.context_tokens,
        context: opened.context.as_ref(),
    };
    let make = |how| Fillers::make(wanted(how), &*counter);
    let fillers = args.flushes().map(make).transpose()?;
    if let Some(fillers) = &fillers {
        say_cost(fillers, &args, voice);
    }
    let session = setup.session(setup.manner());
    let journal = Journal::new(log, conditions);
    let meter = setup.meter();
    let mut run = Run {
        args: &args,
        opened,
        meter,
        voice,
        session,
        journal,
        document,
        fillers,
        spent: Spent::default(),
        failed: false,
    };
    run.warm_up(nonce, &*counter)?;
    run.measure(&source, nonce, &*counter)?;
    run.finish()
}

/// A classic run under way.
struct Run<'a> {
    args: &'a RunArgs,
    opened: &'a Opened,
    meter: Option<Meter<'a>>,
    voice: Voice,
    session: Session<'a>,
    journal: Journal,
    document: Document,
    fillers: Option<Fillers>,
    spent: Spent,
    failed: bool,
}

impl Run<'_> {
    /// Throw-away documents, none of them measured and none of them the one that will be.
    fn warm_up(&mut self, nonce: Nonce, counter: &dyn CountTokens) -> anyhow::Result<()> {
        for number in 1..=self.args.warmup {
            if self.session.is_interrupted() {
                return Ok(());
            }
            let name = format!("warmup-{number}");
            let document = Document::synthetic(nonce, &name, self.document.context_tokens, counter)?;
            let sample = self.perform(Arm::Cold, Role::Warmup, &document.text);
            if !sample.outcome.is_ok() {
                self.voice.warn(&format!("warm-up {number}: {}", advice::failed(&sample.outcome, &self.opened.models)));
            }
            self.session.pause(self.args.session.pace.gap.0);
        }
        Ok(())
    }

    fn measure(&mut self, source: &Source, nonce: Nonce, counter: &dyn CountTokens) -> anyhow::Result<()> {
        self.journal.begin()?;
        print("=== Run 1: baseline TTFT ===\n");
        let mut first = self.perform_document(Arm::Cold);
        for _ in 0..CUTS {
            let Some(limit) = fitting(&first.outcome, &self.document, self.args.session.pace.max_tokens) else { break };
            let change =
                format!("body cut from {} to {limit} tokens: the prompt was too long", self.document.context_tokens);
            self.voice.warn(&change);
            self.session.note_change(change);
            self.document = source.make(nonce, limit, counter)?;
            first = self.perform_document(Arm::Cold);
        }
        let template_tokens = first.prompt_tokens().map_or(0, |all| all.saturating_sub(self.document.context_tokens));
        self.doubt_cold(&first, template_tokens);
        self.record(1, first, None)?;
        let mut flush = self.flush();
        for index in 2..=self.args.num_following.saturating_add(1) {
            if self.session.is_interrupted() || self.is_spent(index) {
                break;
            }
            self.session.pause(self.args.session.pace.gap.0);
            let is_after_flush = flush.is_some();
            let title = if is_after_flush { "TTFT post\u{2011}flush" } else { "TTFT continued" };
            print(&format!("\n=== Run {index}: {title} ===\n"));
            let tier = self.fillers.as_ref().and_then(|fillers| fillers.tier);
            let sample = self.perform_document(if is_after_flush && tier.is_none() { Arm::Cold } else { Arm::Hit });
            if let Some(flush) = &mut flush {
                flush.achieved = flush::achieved(&sample, template_tokens);
                self.voice
                    .note(&tier.map_or_else(|| flush::sentence(flush), |tier| flush::of_tier(tier, flush, &sample)));
            }
            self.record(index, sample, flush.take())?;
        }
        Ok(())
    }

    /// The fillers between run 1 and run 2, where they are asked for.
    fn flush(&mut self) -> Option<Flush> {
        let Some(fillers) = &mut self.fillers else {
            print("(no KV\u{2011}cache flush requested)\n");
            return None;
        };
        if self.session.is_interrupted() {
            return None;
        }
        print(&format!("{}\n", fillers.announcement()));
        let mut spinner = Spinner::new(self.voice);
        let Flushing { flush, failure, budget_spent } = fillers.send(&mut Means {
            endpoint: &self.opened.endpoint,
            session: &mut self.session,
            meter: &mut self.meter,
            pace: &self.args.session.pace,
            spent: &mut self.spent,
            watch: &mut spinner,
        });
        drop(spinner);
        if let Some(what) = budget_spent {
            self.voice.warn(&format!("the budget of {what} is spent after {} fillers", flush.requests));
        }
        if let Some(said) = flush::of_canary(&flush) {
            self.voice.note(&said);
        }
        if let Some(failure) = failure {
            let said = advice::failed(&failure.outcome, &self.opened.models);
            self.voice.warn(&format!("{} of {} fillers failed: {said}", flush.failed, flush.requests));
        }
        Some(flush)
    }

    fn perform_document(&mut self, arm: Arm) -> Sample {
        let text = std::mem::take(&mut self.document.text);
        let sample = self.perform(arm, Role::Measure, &text);
        self.document.text = text;
        sample
    }

    fn perform(&mut self, arm: Arm, role: Role, document: &str) -> Sample {
        let conversation = Conversation { nonce: None, document, prompt: &self.args.prompt };
        let ask =
            Ask { arm, role, place: Place::default(), conversation, max_tokens: self.args.session.pace.max_tokens };
        let sample = counters::metered(&mut self.meter, || self.session.perform(&ask, &mut Spinner::new(self.voice)));
        self.spent.prompt_tokens += sample.prompt_tokens().unwrap_or(self.document.context_tokens);
        self.spent.time = Duration::from_nanos(self.session.elapsed());
        sample
    }

    fn record(&mut self, index: u64, sample: Sample, flush: Option<Flush>) -> anyhow::Result<()> {
        match sample.ttft_ns() {
            Some(ns) => print(&format!("TTFT_{index} = {:.3}s\n", ns as f64 / 1e9)),
            None => {
                self.failed = true;
                print(&format!("TTFT_{index} = none\n"));
                if sample.outcome != Outcome::Interrupted {
                    let said = advice::failed(&sample.outcome, &self.opened.models);
                    crate::progress::error(&format!("run {index} failed: {said}"));
                }
            }
        }
        if self.args.ladder {
            print(&ladder::text(index, &sample));
        }
        self.journal.write(index, self.document.context_tokens, sample, flush)?;
        Ok(())
    }

    /// Whether the budget has no room for one more request, which is then said.
    fn is_spent(&mut self, index: u64) -> bool {
        self.spent.time = Duration::from_nanos(self.session.elapsed());
        let spent = self.spent.is_enough(self.document.context_tokens, &self.args.session.pace);
        if let Some(what) = spent {
            self.voice.warn(&format!("the budget of {what} is spent: the requests from run {index} on are left out"));
        }
        spent.is_some()
    }

    /// Warns when "cold" is not to be believed.
    fn doubt_cold(&self, first: &Sample, template_tokens: u64) {
        let evidence = Evidence::of(first, self.document.context_tokens);
        match evidence.and_then(|evidence| evidence.cached_tokens) {
            Some(cached) if cached > template_tokens => self.voice.warn(&format!(
                "run 1 is not cold: {cached} of its {} prompt tokens came from the cache",
                first.prompt_tokens().map_or("?".to_owned(), |all| all.to_string())
            )),
            Some(_) => {}
            None if !matches!(self.document.origin, Origin::Synthetic { .. }) => self.voice.warn(
                "whether run 1 is cold is not known: the server may have seen this file before and does not say what it \
                 had cached",
            ),
            None if self.args.session.pace.nonce.is_some() => {
                self.voice.warn("whether run 1 is cold is not known: a repeated --nonce makes a text that was sent before");
            }
            None => {}
        }
    }

    fn finish(self) -> anyhow::Result<Exit> {
        print("\n");
        self.journal.print_block(self.voice)?;
        Ok(match (self.session.is_interrupted(), self.failed) {
            (true, _) => Exit::Interrupted,
            (false, true) => Exit::Failed,
            (false, false) => Exit::Ok,
        })
    }
}

/// The length that would fit, when the server says that this one does not.
fn fitting(outcome: &Outcome, document: &Document, max_tokens: u64) -> Option<u64> {
    let Outcome::TooLong { status, message } = outcome else { return None };
    let (prompt, context) = match classify(*status, message.as_bytes()).refusal {
        Refusal::TooLong { n_prompt_tokens, n_ctx } => (n_prompt_tokens, n_ctx),
        _ => (None, None),
    };
    let now = document.context_tokens;
    // The server counts by its own measure: what it counts for all of the prompt sets the scale.
    let by_server =
        |tokens: u64| prompt.map_or(tokens, |all| (tokens as u128 * now as u128 / all.max(1) as u128) as u64);
    let limit = context.map_or(now / 2, |context| by_server(tokens_to_send(u64::MAX, Some(context), max_tokens)));
    Some(limit.min(now / 10 * 9)).filter(|limit| *limit > 0)
}

fn say_document(document: &Document, args: &RunArgs, voice: Voice) {
    let whole = document.asked_tokens.min(args.max_ctx_tokens.0);
    if document.context_tokens < whole && !matches!(document.origin, Origin::Synthetic { .. }) {
        voice.note(&format!(
            "the document has {} tokens, fewer than the {whole} asked for, and is sent whole",
            document.context_tokens
        ));
    }
    if document.asked_tokens < args.max_ctx_tokens.0 {
        voice.note(&format!(
            "the document is cut to {} tokens, so that it fits the model with a margin",
            document.asked_tokens
        ));
    }
}

fn say_cost(fillers: &Fillers, args: &RunArgs, voice: Voice) {
    let usd = |price: f64| format!(", about {:.2} usd", price * fillers.all_tokens() as f64 / 1e6);
    let price = args.session.pace.price_per_mtok.map(usd);
    voice.note(&format!("{}{}", fillers.cost(), price.unwrap_or_default()));
}

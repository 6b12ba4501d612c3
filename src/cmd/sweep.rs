//! `ttft sweep`: the classic benchmark at several document sizes, each with a log of its own, and all of them in one.

mod earlier;
mod merged;
mod paired;
mod parts;

use super::advice;
use super::consent::{Cost, Spent};
use super::counters::{self, Meter};
use super::document::Source;
use super::journal::{self, Journal};
use super::setup::Setup;
use crate::cli::SweepArgs;
use crate::clock::{Clock, Monotonic, Stamp};
use crate::document::{CountTokens, Document, Origin, tokens_to_send};
use crate::exit::Exit;
use crate::plan::{Arm, Role};
use crate::progress::{Bar, Voice};
use crate::report::units;
use crate::sample::{Outcome, Place, Sample};
use crate::session::{Ask, Session, Unwatched};
use crate::wire::body::Conversation;
use merged::Merged;

pub fn run(args: SweepArgs, argv: Vec<String>) -> anyhow::Result<Exit> {
    let voice = Voice::new(&args.session.output);
    let source = Source::read(args.context_file.as_ref())?;
    if args.verify {
        return paired::run(&args, argv, voice);
    }
    let merged = Merged::prepare(&args)?;
    let setup = Setup::of(&args.session, voice)?;
    let counter = setup.counter()?;
    if args.resume {
        merged.refuse_others(&setup.opened)?;
    }
    let sizes = sizes(&args, &setup, &merged)?;
    setup.ask_consent(cost(&sizes, &args))?;
    let bar = Bar::new(voice, sizes.iter().map(|size| size.work(args.num_following)).sum());
    let sweep = Sweep {
        args: &args,
        argv,
        setup: &setup,
        voice,
        source,
        counter: &*counter,
        merged,
        bar,
        meter: setup.meter(),
        started: Monotonic.now(),
        spent: Spent::default(),
        longest: 0,
        has_failed: false,
        has_measured: false,
    };
    sweep.all(&sizes)
}

/// A size that was asked for and fits the model.
#[derive(Debug, Clone, Copy)]
struct Size {
    asked: u64,
    /// Tokens to send, which a margin may have made fewer.
    limit: u64,
}

impl Size {
    /// How long it takes for a progress bar, in tokens of cold prefill: a hit is taken for a tenth of a cold, and what
    /// every request takes besides for 500 tokens.
    fn work(self, num_following: u64) -> u64 {
        self.limit + 500 + num_following * (self.limit / 10 + 500)
    }
}

/// The sizes that the model's context has room for, without those that a resumed sweep has.
fn sizes(args: &SweepArgs, setup: &Setup<'_>, merged: &Merged) -> anyhow::Result<Vec<Size>> {
    let (context, voice) = (setup.context_tokens(), setup.voice);
    let mut sizes = Vec::new();
    for &asked in &args.context_sizes.0 {
        let tokens = units::count(asked);
        if let Some(context) = context.filter(|context| asked > *context) {
            voice.note(&format!("{tokens} tokens are skipped: the model's context has {}", units::count(context)));
        } else if args.resume && merged.has(asked, 1 + args.num_following, &setup.opened.model)? {
            voice.note(&format!("{tokens} tokens are there already"));
        } else {
            sizes.push(Size { asked, limit: tokens_to_send(asked, context, args.session.pace.max_tokens) });
        }
    }
    Ok(sizes)
}

fn cost(sizes: &[Size], args: &SweepArgs) -> Cost {
    let each = 1 + args.num_following;
    let prompt_tokens = each * sizes.iter().map(|size| size.limit).sum::<u64>();
    Cost { requests: each * sizes.len() as u64, prompt_tokens }
}

/// A sweep under way.
struct Sweep<'a> {
    args: &'a SweepArgs,
    argv: Vec<String>,
    setup: &'a Setup<'a>,
    voice: Voice,
    source: Source,
    counter: &'a dyn CountTokens,
    merged: Merged,
    bar: Bar,
    meter: Option<Meter<'a>>,
    started: Stamp,
    spent: Spent,
    /// Tokens of the longest document sent.
    longest: u64,
    has_failed: bool,
    has_measured: bool,
}

/// One size under way.
struct Point<'a> {
    size: Size,
    document: Document,
    /// What stands before the document, so that no other size shares its beginning.
    nonce_line: Option<String>,
    session: Session<'a>,
    journal: Journal,
}

/// How a size ended.
#[derive(PartialEq, Eq)]
enum Ended {
    Whole,
    /// The server takes no more, or the document has no more: larger sizes need not be tried.
    AtTheLimit,
    Interrupted,
}

impl<'a> Sweep<'a> {
    fn all(mut self, sizes: &[Size]) -> anyhow::Result<Exit> {
        let mut limit = u64::MAX;
        for size in sizes {
            if size.asked > limit {
                self.note(&format!("{} tokens are skipped for the same reason", units::count(size.asked)));
                continue;
            }
            self.spent.time =
                Monotonic.now().since(self.started).map(std::time::Duration::from_nanos).unwrap_or_default();
            if let Some(what) = self.spent.is_enough(size.limit, &self.args.session.pace) {
                self.note(&format!("the budget of {what} is spent before {} tokens", units::count(size.asked)));
                break;
            }
            match self.one(*size)? {
                Ended::Whole => {}
                Ended::AtTheLimit => limit = size.asked,
                Ended::Interrupted => break,
            }
            self.bar.advance(size.work(self.args.num_following));
        }
        self.finish()
    }

    /// Measures one size and adds its log to the log of all.
    fn one(&mut self, size: Size) -> anyhow::Result<Ended> {
        self.bar.show(format!("{} tokens", units::count(size.asked)));
        let mut point = self.point(size)?;
        self.merged.begin()?;
        point.journal.begin()?;
        let ended = self.measure(&mut point)?;
        if ended != Ended::Interrupted {
            self.merged.add(point.journal.path())?;
        }
        let is_whole = point.document.context_tokens < size.limit && !is_made(&point.document);
        if ended == Ended::Whole && is_whole {
            self.note(&format!("the document has no more than {} tokens", units::count(point.document.context_tokens)));
            return Ok(Ended::AtTheLimit);
        }
        Ok(ended)
    }

    fn point(&self, size: Size) -> anyhow::Result<Point<'a>> {
        let nonce = self.setup.nonce;
        let nonce = if self.args.no_nonce { nonce } else { nonce.derive(&format!("sweep {}", size.asked)) };
        let document = self.source.make(nonce, size.limit, self.counter)?;
        if size.limit < size.asked {
            let (limit, asked) = (units::count(size.limit), units::count(size.asked));
            self.note(&format!("of {asked} tokens, {limit} are sent, so that they fit the model with a margin"));
        }
        let log = journal::prepare(&self.merged.of_size(size.asked), &self.args.session.output)?;
        let mut conditions = self.setup.conditions("sweep", self.argv.clone());
        conditions.document = Some(journal::note(&document));
        conditions.prompt = Some(self.args.prompt.clone());
        Ok(Point {
            size,
            document,
            nonce_line: (!self.args.no_nonce).then(|| nonce.to_string()),
            session: self.setup.session(self.setup.manner()),
            journal: Journal::new(log, conditions),
        })
    }

    fn measure(&mut self, point: &mut Point<'a>) -> anyhow::Result<Ended> {
        for index in 1..=1 + self.args.num_following {
            if self.longest > 0 {
                point.session.pause(self.args.session.pace.gap.0);
            }
            let (arm, place) =
                if index == 1 { (Arm::Cold, self.place(&point.document)) } else { (Arm::Hit, Place::default()) };
            let sample = self.perform(point, arm, place);
            if arm == Arm::Cold {
                self.doubt_cold(point, &sample);
            }
            let outcome = sample.outcome.clone();
            point.journal.write(index, point.document.context_tokens, sample, None)?;
            match outcome {
                Outcome::Ok => self.has_measured = true,
                Outcome::Interrupted => return Ok(Ended::Interrupted),
                Outcome::TooLong { .. } => {
                    self.warn_of(point, &outcome);
                    return Ok(Ended::AtTheLimit);
                }
                _ => {
                    self.has_failed = true;
                    self.warn_of(point, &outcome);
                }
            }
        }
        Ok(Ended::Whole)
    }

    fn perform(&mut self, point: &mut Point<'a>, arm: Arm, place: Place) -> Sample {
        let Document { text, context_tokens, .. } = &point.document;
        let conversation =
            Conversation { nonce: point.nonce_line.as_deref(), document: text, prompt: &self.args.prompt };
        let max_tokens = self.args.session.pace.max_tokens;
        let ask = Ask { arm, role: Role::Measure, place, conversation, max_tokens };
        let sample = counters::metered(&mut self.meter, || point.session.perform(&ask, &mut Unwatched));
        self.spent.prompt_tokens += sample.prompt_tokens().unwrap_or(*context_tokens);
        self.longest = self.longest.max(*context_tokens);
        sample
    }

    /// Without a nonce, all sizes are beginnings of one text, and a cold has in common with those before what they had.
    fn place(&self, document: &Document) -> Place {
        let shared = (100 * self.longest.min(document.context_tokens)).checked_div(document.context_tokens);
        let shared_percent = shared.filter(|percent| self.args.no_nonce && *percent > 0).map(|percent| percent as u8);
        Place { shared_percent, ..Place::default() }
    }

    fn doubt_cold(&self, point: &Point, sample: &Sample) {
        let size = units::count(point.size.asked);
        let beside = sample.prompt_tokens().map(|all| all.saturating_sub(point.document.context_tokens));
        if let Some(percent) = sample.place.shared_percent {
            self.note(&format!("{size} tokens: the cold is partial, up to {percent} % of it was sent before"));
        } else if let Some(cached) = sample.cached_tokens().filter(|cached| Some(*cached) > beside) {
            self.warn(&format!("{size} tokens: run 1 is not cold, {cached} of its tokens came from the cache"));
        }
    }

    fn warn_of(&self, point: &Point, outcome: &Outcome) {
        let said = advice::failed(outcome, &self.setup.opened.models);
        self.warn(&format!("{} tokens: {said}", units::count(point.size.asked)));
    }

    fn note(&self, text: &str) {
        self.bar.aside(|| self.voice.note(text));
    }

    fn warn(&self, text: &str) {
        self.bar.aside(|| self.voice.warn(text));
    }

    fn finish(self) -> anyhow::Result<Exit> {
        drop(self.bar);
        let path = self.merged.path();
        if self.has_measured || self.args.resume {
            journal::print_block(path)?;
        }
        self.voice.done(&format!("all results are in {}", path.display()));
        self.voice.note(&journal::whereabouts(path));
        Ok(match (self.setup.interrupt.is_set(), self.has_failed, self.has_measured || self.args.resume) {
            (true, ..) => Exit::Interrupted,
            (_, true, _) => Exit::Failed,
            (_, _, false) => Exit::Inconclusive,
            _ => Exit::Ok,
        })
    }
}

fn is_made(document: &Document) -> bool {
    matches!(document.origin, Origin::Synthetic { .. })
}

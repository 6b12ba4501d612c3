//! `ttft load`: many requests under way at once, on a schedule that is made before the run.
//!
//! A thread for each request under way: it makes the body ahead of time, waits for the scheduled moment, and takes the
//! session that has been idle longest, with its connection. Samples go to the log as they finish.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, Scope};
use std::time::Duration;

use anyhow::Context;

use super::consent::{Cost, Spent};
use super::counters::Clocks;
use super::journal::{self, Journal};
use super::open::Opened;
use super::setup::Setup;
use super::{UsageError, advice};
use crate::cli::load::LoadArgs;
use crate::clock::{Clock, Monotonic, Nanos, Stamp};
use crate::document::{Document, filler};
use crate::exit::Exit;
use crate::plan::load::{Arrival, Design};
use crate::plan::{Arm, Role};
use crate::progress::{Bar, Voice};
use crate::record::SloNote;
use crate::report::load::{Gate, Lag, Tally};
use crate::rng::Nonce;
use crate::sample::{Outcome, Place, Sample};
use crate::session::{Ask, Interrupt, Manner, Session, Unwatched};
use crate::wire::body::Conversation;

/// Without `--requests` and `--duration`.
const REQUESTS: u64 = 100;

/// A request's thread begins so long before the request is due, to make its body and to be awake.
const AHEAD: Duration = Duration::from_millis(200);

/// How often a wait looks up to see whether the run is over. It delays no request: those wait in threads of their own.
const LOOK_UP: Duration = Duration::from_millis(50);

/// Stack of a request's thread. Thousands may be under way.
const STACK: usize = 256 * 1024;

/// Share of the client's processors above which its own times are not to be believed.
const BUSY: f64 = 0.7;

pub fn run(args: LoadArgs, argv: Vec<String>) -> anyhow::Result<Exit> {
    let voice = Voice::new(&args.session.output);
    let log = journal::prepare(&args.out, &args.session.output)?;
    let setup = Setup::of(&args.session, voice)?;
    let counter = setup.counter()?;
    let specimen = Document::synthetic(setup.nonce, "specimen", args.context_tokens.0, &*counter)?;
    let design = Design {
        rate: args.rate,
        requests: requests(&args)?,
        hits_in_ten: args.hit_share.0,
        hot: args.hot_documents,
        seed: setup.seed("order"),
    };
    let primes = if args.hit_share.0 > 0 { design.hot } else { 0 };
    let all = design.requests as u64 + primes;
    setup.ask_consent(Cost { requests: all, prompt_tokens: all * specimen.context_tokens })?;
    let mut conditions = setup.conditions("load", argv);
    conditions.prompt = Some(args.prompt.clone());
    conditions.slo = args.slo.map(|slo| SloNote { slo, share: args.slo_share.share() });
    let mut manner = setup.manner();
    manner.keep_token_times = args.token_times;
    let words = specimen.text.split(' ').count() as u64;
    let texts = Texts { nonce: setup.nonce, words, prompt: args.prompt.clone() };
    let crew = Crew {
        opened: &setup.opened,
        manner,
        max_tokens: args.session.pace.max_tokens,
        interrupt: setup.interrupt.clone(),
        is_enough: AtomicBool::new(false),
        texts,
        started: Monotonic.now(),
        idle: Mutex::default(),
    };
    let mut book = Book {
        args: &args,
        crew: &crew,
        voice,
        context_tokens: specimen.context_tokens,
        journal: Journal::new(log, conditions),
        bar: Bar::new(voice, all),
        spent: Spent::default(),
        answered: 0,
    };
    book.journal.begin()?;
    for document in 1..=primes {
        if !crew.is_over() {
            book.take(crew.perform(document, Role::Prime, Arrival { due_ns: None, arm: Arm::Cold, document }, None))?;
        }
    }
    let cpu_share = book.measure(&design.arrivals(), primes)?;
    book.finish(cpu_share)
}

fn requests(args: &LoadArgs) -> anyhow::Result<usize> {
    let requests = match (args.requests, args.duration.zip(args.rate)) {
        (Some(requests), _) => requests,
        (None, Some((duration, rate))) => (duration.0.as_secs_f64() * rate).round() as u64,
        (None, None) => REQUESTS,
    };
    match usize::try_from(requests) {
        Ok(requests) if requests > 0 => Ok(requests),
        _ => Err(UsageError("--duration is too short for a single request at this --rate".into()).into()),
    }
}

/// What the documents are made from: all of it from the nonce and the document's number, its first characters included.
struct Texts {
    nonce: Nonce,
    /// Words in a document, about one token each.
    words: u64,
    prompt: String,
}

impl Texts {
    fn head(&self, document: u64) -> String {
        self.nonce.derive(&format!("load {document}")).to_string()
    }

    fn document(&self, document: u64) -> String {
        filler(self.nonce, &format!("load {document}"), self.words)
    }
}

/// What all requests under way share.
struct Crew<'a> {
    opened: &'a Opened,
    manner: Manner,
    max_tokens: u64,
    interrupt: Interrupt,
    /// The budget is spent.
    is_enough: AtomicBool,
    texts: Texts,
    /// All stamps count from here.
    started: Stamp,
    /// Sessions that wait for a request. The longest idle goes first, so that no connection is left to go stale.
    idle: Mutex<VecDeque<Session<'a>>>,
}

impl<'a> Crew<'a> {
    /// Performs one request, at `due` where there is such a moment.
    fn perform(&self, trial: u64, role: Role, arrival: Arrival, due: Option<Stamp>) -> Sample {
        let (head, document) = (self.texts.head(arrival.document), self.texts.document(arrival.document));
        let ask = Ask {
            arm: arrival.arm,
            role,
            place: Place { document: Some(arrival.document), ..Place::default() },
            conversation: Conversation { nonce: Some(&head), document: &document, prompt: &self.texts.prompt },
            max_tokens: self.max_tokens,
        };
        if let Some(due) = due {
            Monotonic.sleep_until(due);
        }
        let mut session = self.session();
        let mut sample = session.perform_as(trial, &ask, &mut Unwatched);
        self.idle().push_back(session);
        sample.stamps.due_ns = due.and_then(|due| due.since(self.started));
        sample
    }

    fn session(&self) -> Session<'a> {
        let waiting = self.idle().pop_front();
        let (endpoint, interrupt) = (&self.opened.endpoint, self.interrupt.clone());
        waiting.unwrap_or_else(|| Session::starting(endpoint, self.manner.clone(), interrupt, self.started))
    }

    fn idle(&self) -> MutexGuard<'_, VecDeque<Session<'a>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether no further request is to go out.
    fn is_over(&self) -> bool {
        self.interrupt.is_set() || self.is_enough.load(Ordering::Relaxed)
    }

    /// Waits until `moment`; shorter when the run is over.
    fn wait(&self, moment: Stamp) {
        while !self.is_over() && Monotonic.now() < moment {
            Monotonic.sleep_until(moment.min(Monotonic.now().after(LOOK_UP)));
        }
    }

    /// An open loop: each request at its moment, whatever became of those before.
    fn open_loop<'s>(
        &'s self,
        scope: &'s Scope<'s, '_>,
        arrivals: impl Iterator<Item = (u64, Arrival, Nanos)>,
        done: &Sender<Sample>,
    ) -> anyhow::Result<()> {
        let origin = Monotonic.now().after(AHEAD);
        for (trial, arrival, due_ns) in arrivals {
            let ahead = due_ns.saturating_sub(AHEAD.as_nanos() as Nanos);
            self.wait(origin.after(Duration::from_nanos(ahead)));
            if self.is_over() {
                break;
            }
            let (due, done) = (origin.after(Duration::from_nanos(due_ns)), done.clone());
            // That nobody reads any more means that the log could not be written, which has been said.
            let work = move || drop(done.send(self.perform(trial, Role::Measure, arrival, Some(due))));
            let thread = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work);
            thread.with_context(|| format!("cannot start a thread for request {trial}; lower --rate"))?;
        }
        Ok(())
    }

    /// A closed loop: one of `streams`, which sends its next request when the last has ended, and `gap` has passed.
    fn closed_loop(&self, arrivals: &[Arrival], next: &AtomicUsize, first: u64, gap: Duration, done: &Sender<Sample>) {
        while !self.is_over() {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(arrival) = arrivals.get(at) else { break };
            let sample = self.perform(first + at as u64, Role::Measure, *arrival, None);
            if done.send(sample).is_err() {
                break;
            }
            self.wait(Monotonic.now().after(gap));
        }
    }
}

/// Where samples go as they finish.
struct Book<'a> {
    args: &'a LoadArgs,
    crew: &'a Crew<'a>,
    voice: Voice,
    context_tokens: u64,
    journal: Journal,
    bar: Bar,
    spent: Spent,
    /// Measured requests that were answered.
    answered: u64,
}

impl Book<'_> {
    /// The client's processor time as a share of the processors' that it may use.
    fn measure(&mut self, arrivals: &[Arrival], primes: u64) -> anyhow::Result<f64> {
        let clocks = Clocks::find(&self.crew.opened.endpoint);
        let mut left = arrivals.len();
        let (began, cpu) = (Monotonic.now(), Monotonic.cpu());
        let (crew, gap, first, next) = (self.crew, self.args.session.pace.gap.0, primes + 1, AtomicUsize::new(0));
        thread::scope(|scope| {
            let (done, samples) = mpsc::channel();
            let due = (first..).zip(arrivals).filter_map(|(trial, of)| Some((trial, *of, of.due_ns?)));
            let pacer = match self.args.concurrency {
                None => {
                    let done = done.clone();
                    Some(scope.spawn(move || crew.open_loop(scope, due, &done)))
                }
                Some(streams) => {
                    for _ in 0..streams {
                        let (done, next) = (done.clone(), &next);
                        scope.spawn(move || crew.closed_loop(arrivals, next, first, gap, &done));
                    }
                    None
                }
            };
            // The last thread to end closes the channel.
            drop(done);
            for sample in samples {
                left -= 1;
                if left == 0
                    && let Some(moved) = clocks.as_ref().and_then(Clocks::moved)
                {
                    self.journal.note_spans(moved);
                }
                self.take(sample)?;
            }
            pacer.map_or(Ok(()), |pacer| pacer.join().expect("the pacer does not panic"))
        })?;
        let elapsed = Monotonic.now().since(began).unwrap_or(1).max(1) as f64;
        let processors = thread::available_parallelism().map_or(1.0, |n| n.get() as f64);
        Ok((Monotonic.cpu() - cpu) as f64 / elapsed / processors)
    }

    fn take(&mut self, sample: Sample) -> anyhow::Result<()> {
        self.bar.advance(1);
        self.spent.prompt_tokens += sample.prompt_tokens().unwrap_or(self.context_tokens);
        self.spent.time = Duration::from_nanos(Monotonic.now().since(self.crew.started).unwrap_or(0));
        if let Some(what) = self.spent.is_enough(self.context_tokens, &self.args.session.pace)
            && !self.crew.is_enough.swap(true, Ordering::Relaxed)
        {
            self.warn(&format!("the budget of {what} is spent; what is under way is waited for"));
        }
        match &sample.outcome {
            Outcome::Ok => self.answered += u64::from(sample.role == Role::Measure),
            Outcome::Interrupted => {}
            failed => {
                let said = advice::failed(failed, &self.crew.opened.models);
                self.warn(&format!("request {} failed: {said}", sample.trial));
            }
        }
        Ok(self.journal.write(sample.trial, self.context_tokens, sample, None)?)
    }

    fn warn(&self, text: &str) {
        self.bar.aside(|| self.voice.warn(text));
    }

    fn finish(self, cpu_share: f64) -> anyhow::Result<Exit> {
        let Book { crew, voice, journal, bar, answered, .. } = self;
        drop(bar);
        let path = journal.path();
        let data = journal::print_block(path)?;
        let is_busy = cpu_share > BUSY;
        let busy = format!("the client used {:.0} % of its processors", 100.0 * cpu_share);
        match is_busy {
            true => {
                voice.warn(&format!("{busy}, so that this run is void; lower --rate, or run it from a larger machine"))
            }
            false => voice.note(&busy),
        }
        voice.note(&format!("log: {0}; ttft report {0} prints this again", path.display()));
        let is_void = is_busy || data.logs[0].load.as_ref().and_then(Tally::lag).is_some_and(Lag::is_void);
        let gate = data.logs[0].load.as_ref().and_then(Tally::gate);
        Ok(match (crew.interrupt.is_set(), answered > 0 && !is_void, gate) {
            (true, ..) => Exit::Interrupted,
            (false, true, None | Some(Gate::Kept)) => Exit::Ok,
            (false, true, Some(Gate::Missed)) => Exit::Missed,
            (false, ..) => Exit::Inconclusive,
        })
    }
}

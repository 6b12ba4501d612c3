//! `ttft load`: many requests under way at once, on a schedule that is made before the run. Samples go to the log as they
//! finish.

mod crew;
mod design;
mod gate;
mod shards;
mod workload;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use super::consent::{Cost, Spent};
use super::counters::Clocks;
use super::journal::{self, Journal};
use super::setup::Setup;
use super::{advice, selftest};
use crate::cli::load::LoadArgs;
use crate::cli::rates::Rates;
use crate::clock::{Clock, Monotonic, Stamp};
use crate::document::Document;
use crate::evidence::Evidence;
use crate::exit::Exit;
use crate::load::prompt::Texts;
use crate::load::schedule::{Schedule, Turn};
use crate::load::validity::{self, Fault};
use crate::plan::Role;
use crate::progress::Voice;
use crate::progress::board::Board;
use crate::progress::live::Dashboard;
use crate::record::SloNote;
use crate::report::load::{self, Tally};
use crate::report::units;
use crate::sample::Outcome;
use crew::{Crew, Done, When, lock};
use design::Design;
use gate::Gate;

/// Streams at once in the selftest before the run.
const SELFTEST_STREAMS: u64 = 8;

pub fn run(args: LoadArgs, argv: Vec<String>) -> anyhow::Result<Exit> {
    let voice = Voice::new(&args.session.output);
    let shard = shards::in_force(&args, voice)?;
    let log = journal::prepare(&shards::log_of(&args.out, shard), &args.session.output)?;
    let setup = Setup::of(&args.session, voice)?;
    let Design { schedule, note } = Design::of(&args, setup.seed("order"), shard)?;
    let gate = Gate::of(args.start_at.as_deref(), args.barrier.as_deref(), shard, setup.nonce)?;
    let counter = setup.counter()?;
    let specimen = Document::synthetic(setup.nonce, "specimen", args.context_tokens.0, &*counter)?;
    if !matches!(gate, Gate::Open) {
        shards::compare_clocks(&setup.opened.endpoint, voice);
    }
    let primes: Vec<(u64, Turn)> = (1..).zip(schedule.workload.primes()).collect();
    let (size, primed) = (schedule.size(), primes.len() as u64);
    let primes: Vec<(u64, Turn)> = primes.into_iter().filter(|(trial, _)| shard.keeps(trial - 1)).collect();
    let all = size.requests + primes.len() as u64;
    let prime_tokens: u64 = primes.iter().map(|(_, prime)| prime.prompt.tokens()).sum();
    setup.ask_consent(Cost { requests: all, prompt_tokens: size.tokens + prime_tokens })?;
    let mut conditions = setup.conditions("load", argv);
    conditions.prompt = Some(args.prompt.clone());
    conditions.slo = args.slo.map(|slo| SloNote { slo, share: args.slo_share.share() });
    conditions.load = Some(note);
    if !args.no_selftest {
        conditions.selftest = selftest::short(SELFTEST_STREAMS, &setup);
    }
    let mut manner = setup.manner();
    manner.keep_token_times = args.token_times;
    manner.look_up = crew::PATIENT;
    let words_per_token = specimen.text.split(' ').count() as f64 / specimen.context_tokens.max(1) as f64;
    let head_tokens = counter.count(&format!("{}\n", setup.nonce))?;
    let asked_rate = args.rate.as_ref().and_then(Rates::steady).map(|rate| rate / shard.count() as f64);
    let crew = Crew {
        opened: &setup.opened,
        manner,
        max_tokens: args.session.pace.max_tokens,
        interrupt: setup.interrupt.clone(),
        texts: Texts { nonce: setup.nonce, words_per_token, head_tokens, prompt: args.prompt.clone() },
        started: Monotonic.now(),
        is_enough: AtomicBool::new(false),
        origin: OnceLock::new(),
        cpu_before: OnceLock::new(),
        primes: primed,
        idle: Mutex::default(),
        adapted: Mutex::default(),
        board: Mutex::new(Board::new(Monotonic.now(), Some(size.requests), asked_rate)),
    };
    voice.note(&match primes.len() {
        0 => format!("{} requests go out", size.requests),
        primes => format!("{primes} documents are cached first, then {} requests go out", size.requests),
    });
    let mut book = Book {
        args: &args,
        crew: &crew,
        voice,
        journal: Journal::new(log, conditions),
        dashboard: Dashboard::new(voice, units::span),
        spent: Spent::default(),
        answered: 0,
    };
    book.journal.begin()?;
    for (trial, prime) in &primes {
        if !crew.is_over() {
            book.take(crew.perform(*trial, Role::Prime, prime, When::Now))?;
        }
    }
    let start = gate.pass(&crew, voice)?;
    book.measure(schedule, start)?;
    book.finish(size.requests)
}

/// Where samples go as they finish.
struct Book<'a> {
    args: &'a LoadArgs,
    crew: &'a Crew<'a>,
    voice: Voice,
    journal: Journal,
    dashboard: Dashboard,
    spent: Spent,
    /// Measured requests that were answered.
    answered: u64,
}

impl Book<'_> {
    fn measure(&mut self, schedule: Schedule, start: Option<Stamp>) -> anyhow::Result<()> {
        let clocks = Clocks::find(&self.crew.opened.endpoint);
        let mut left = schedule.size().requests;
        let (crew, gap) = (self.crew, self.args.session.pace.gap.0);
        let shared = Mutex::new(schedule.clone());
        thread::scope(|scope| {
            let (done, samples) = mpsc::channel();
            let pacer = match self.args.concurrency {
                None => {
                    let done = done.clone();
                    Some(scope.spawn(move || crew.open_loop(scope, schedule, start, &done)))
                }
                Some(streams) => {
                    let streams = schedule.shard.part_of(streams);
                    let begin = crew.begin(start, streams);
                    for _ in 0..streams {
                        let (done, shared) = (done.clone(), &shared);
                        scope.spawn(move || crew.closed_loop(shared, streams, begin, gap, &done));
                    }
                    None
                }
            };
            // The last thread to end closes the channel.
            drop(done);
            loop {
                match samples.recv_timeout(self.dashboard.patience()) {
                    Ok(done) => {
                        left -= 1;
                        if left == 0
                            && let Some(moved) = clocks.as_ref().and_then(Clocks::moved)
                        {
                            self.journal.note_spans(moved);
                        }
                        self.take(done)?;
                    }
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => break,
                }
                self.dashboard.show(&lock(&crew.board));
            }
            pacer.map_or(Ok(()), |pacer| pacer.join().expect("the pacer does not panic"))
        })
    }

    fn take(&mut self, done: Done) -> anyhow::Result<()> {
        let Done { sample, tokens } = done;
        if sample.outcome == Outcome::Interrupted && sample.stamps.sent_ns.is_none() {
            // It did not go out, and what was not sent has no row.
            return Ok(());
        }
        if sample.role == Role::Measure {
            let found = Evidence::of(&sample, tokens).map(|evidence| evidence.found);
            lock(&self.crew.board).note_ended(Monotonic.now(), &sample, found);
        }
        self.spent.prompt_tokens += sample.prompt_tokens().unwrap_or(tokens);
        self.spent.time = Duration::from_nanos(Monotonic.now().since(self.crew.started).unwrap_or(0));
        if let Some(what) = self.spent.is_enough(tokens, &self.args.session.pace)
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
        Ok(self.journal.write(sample.trial, tokens, sample, None)?)
    }

    fn warn(&self, text: &str) {
        self.dashboard.aside(|| self.voice.warn(text));
    }

    /// `asked` is the number of measured requests that this shard was to send.
    fn finish(self, asked: u64) -> anyhow::Result<Exit> {
        let Book { crew, voice, journal, dashboard, answered, .. } = self;
        drop(dashboard);
        let data = journal.print_block(voice)?;
        let log = &data.logs[0];
        let faults = log.load.as_ref().map(|load| validity::faults(&load.conduct(&log.loads))).unwrap_or_default();
        let is_void = faults.into_iter().any(Fault::is_void);
        let slo = log.load.as_ref().and_then(Tally::gate);
        Ok(match (crew.interrupt.is_set(), (answered > 0 || asked == 0) && !is_void, slo) {
            (true, ..) => Exit::Interrupted,
            (false, true, None | Some(load::Gate::Kept)) => Exit::Ok,
            (false, true, Some(load::Gate::Missed)) => Exit::Missed,
            (false, ..) => Exit::Inconclusive,
        })
    }
}

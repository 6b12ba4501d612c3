//! `ttft load`: many requests under way at once, on a schedule that is made before the run. Samples go to the log as they
//! finish.

mod crew;
mod design;
mod gate;
mod knee;
mod pacer;
mod senders;
mod shards;
mod traffic;
mod workload;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Mutex, OnceLock};
use std::thread::{self, Scope};
use std::time::Duration;

use super::consent::{Cost, Spent};
use super::counters::Clocks;
use super::journal::{self, Journal};
use super::setup::Setup;
use super::{UsageError, advice, selftest};
use crate::cli::load::LoadArgs;
use crate::cli::rates::Rates;
use crate::clock::{Clock, Monotonic, Stamp};
use crate::document::Document;
use crate::evidence::Evidence;
use crate::exit::Exit;
use crate::load::knee::Answer;
use crate::load::prompt::Texts;
use crate::load::schedule::{Schedule, Turn};
use crate::load::validity::{self, Fault};
use crate::net::{News, raise_descriptor_limit};
use crate::plan::Role;
use crate::progress::Voice;
use crate::progress::board::Board;
use crate::progress::live::Dashboard;
use crate::record::{Conditions, LoadNote, SelfTest, SloNote};
use crate::report::load::{self, Tally};
use crate::report::units;
use crate::sample::Outcome;
use crate::session::Manner;
use crate::wire::body::Adapted;
use crew::{Crew, Done, lock};
use design::Design;
use gate::Gate;
use pacer::{Closed, Pacer, Word};
use traffic::{Landed, Traffic};

/// How often the requests under way are looked after, which may take too long or are to be given up.
const LOOK_AFTER: Duration = Duration::from_millis(100);

/// Streams at once in the selftest before the run.
const SELFTEST_STREAMS: u64 = 8;

pub fn run(args: LoadArgs, argv: Vec<String>) -> anyhow::Result<Exit> {
    let voice = Voice::new(&args.session.output);
    if args.streams.is_some() && !args.find_knee {
        return Err(UsageError("--streams is a flag of --find_knee; leave it out".into()).into());
    }
    raise_descriptor_limit();
    let shard = shards::in_force(&args, voice)?;
    let log = journal::prepare(&shards::log_of(&args.out, shard), &args.session.output)?;
    let setup = Setup::of(&args.session, voice)?;
    if args.find_knee {
        if shard.count() > 1 {
            let said = "--find_knee runs on one machine, and the launcher names several; start it once";
            return Err(UsageError(said.into()).into());
        }
        return knee::run(&args, argv, &setup, log);
    }
    let Design { schedule, note } = Design::of(&args, setup.seed("order"), shard)?;
    let gate = Gate::of(args.start_at.as_deref(), args.barrier.as_deref(), shard, setup.nonce)?;
    let mut ground = Ground::of(&args, &setup)?;
    if !matches!(gate, Gate::Open) {
        shards::compare_clocks(&setup.opened.endpoint, voice);
    }
    let primes: Vec<(u64, Turn)> = (1..).zip(schedule.workload.primes()).collect();
    let (size, primed) = (schedule.size(), primes.len() as u64);
    let primes: Vec<(u64, Turn)> = primes.into_iter().filter(|(trial, _)| shard.keeps(trial - 1)).collect();
    let all = size.requests + primes.len() as u64;
    let prime_tokens: u64 = primes.iter().map(|(_, prime)| prime.prompt.tokens()).sum();
    setup.ask_consent(Cost { requests: all, prompt_tokens: size.tokens + prime_tokens })?;
    ground.test();
    let asked_rate = args.rate.as_ref().and_then(Rates::steady).map(|rate| rate / shard.count() as f64);
    voice.note(&match primes.len() {
        0 => format!("{} requests go out", size.requests),
        primes => format!("{primes} documents are cached first, then {} requests go out", size.requests),
    });
    let mut book = Book::new(&args, voice, Journal::new(log, ground.conditions(argv, note)));
    book.journal.begin()?;
    let crew = ground.crew(&book, primed, Board::new(Monotonic.now(), Some(size.requests), asked_rate));
    book.prime(&crew, &primes)?;
    let start = gate.pass(&crew, voice)?;
    if size.requests == 0 && primes.is_empty() {
        voice.note("this shard has nothing to send, so that it leaves no log; the others' logs are the whole run");
        book.journal.discard()?;
        return Ok(Exit::Ok);
    }
    book.measure(&crew, schedule, args.concurrency, start)?;
    book.finish(size.requests, crew.interrupt.is_set())
}

/// What all sessions of a run stand on.
struct Ground<'a> {
    args: &'a LoadArgs,
    setup: &'a Setup<'a>,
    manner: Manner,
    texts: Texts,
    selftest: Option<SelfTest>,
    adapted: Mutex<Adapted>,
}

impl<'a> Ground<'a> {
    fn of(args: &'a LoadArgs, setup: &'a Setup<'a>) -> anyhow::Result<Ground<'a>> {
        let counter = setup.counter()?;
        let specimen = Document::synthetic(setup.nonce, "specimen", args.context_tokens.0, &*counter)?;
        let words_per_token = specimen.text.split(' ').count() as f64 / specimen.context_tokens.max(1) as f64;
        let head_tokens = counter.count(&format!("{}\n", setup.nonce))?;
        let mut manner = setup.manner();
        manner.keep_token_times = args.token_times;
        let texts = Texts { nonce: setup.nonce, words_per_token, head_tokens, prompt: args.prompt.clone() };
        Ok(Ground { args, setup, manner, texts, selftest: None, adapted: Mutex::default() })
    }

    /// Measures the client's own error, unless it is not to be.
    fn test(&mut self) {
        if !self.args.no_selftest {
            self.selftest = selftest::short(SELFTEST_STREAMS, self.setup);
        }
    }

    /// Of a session of which this was asked.
    fn conditions(&self, argv: Vec<String>, note: LoadNote) -> Conditions {
        let mut conditions = self.setup.conditions("load", argv);
        conditions.prompt = Some(self.args.prompt.clone());
        conditions.slo = self.args.slo.map(|slo| SloNote { slo, share: self.args.slo_share.share() });
        conditions.load = Some(note);
        conditions.selftest.clone_from(&self.selftest);
        conditions
    }

    /// Those who send the requests of one session, behind `primes` others.
    fn crew(&self, book: &Book<'_>, primes: u64, board: Board) -> Crew<'_> {
        Crew {
            opened: &self.setup.opened,
            manner: self.manner.clone(),
            max_tokens: self.args.session.pace.max_tokens,
            interrupt: self.setup.interrupt.clone(),
            texts: self.texts.clone(),
            started: Monotonic.now(),
            is_enough: AtomicBool::new(book.is_spent),
            origin: OnceLock::new(),
            cpu_before: OnceLock::new(),
            primes,
            idle: Mutex::default(),
            adapted: &self.adapted,
            board: Mutex::new(board),
        }
    }
}

/// Where samples go as they finish.
struct Book<'a> {
    args: &'a LoadArgs,
    voice: Voice,
    journal: Journal,
    dashboard: Dashboard,
    began: Stamp,
    spent: Spent,
    /// The budget is spent.
    is_spent: bool,
    /// Measured requests that were answered.
    answered: u64,
    /// What the requests of a level showed, in a search for the knee.
    answers: Vec<Answer>,
}

impl<'a> Book<'a> {
    fn new(args: &'a LoadArgs, voice: Voice, journal: Journal) -> Book<'a> {
        Book {
            args,
            voice,
            journal,
            dashboard: Dashboard::new(voice, units::span),
            began: Monotonic.now(),
            spent: Spent::default(),
            is_spent: false,
            answered: 0,
            answers: Vec::new(),
        }
    }

    fn prime(&mut self, crew: &Crew<'_>, primes: &[(u64, Turn)]) -> anyhow::Result<()> {
        for (trial, prime) in primes {
            if !crew.is_over() {
                self.take(crew, crew.prime(*trial, prime))?;
            }
        }
        Ok(())
    }

    /// In a closed loop where there are `streams`, else when requests are due.
    fn measure(
        &mut self,
        crew: &Crew<'_>,
        schedule: Schedule,
        streams: Option<u64>,
        start: Option<Stamp>,
    ) -> anyhow::Result<()> {
        let clocks = Clocks::find(&crew.opened.endpoint);
        let gap = self.args.session.pace.gap.0;
        let closed = streams.map(|streams| Closed { streams: schedule.shard.part_of(streams), gap });
        let ((news, heard), (words, told)) = (mpsc::channel(), mpsc::channel());
        let traffic = Traffic::new(crew, news);
        thread::scope(|scope| {
            let pacer = Pacer::new(&traffic, schedule, closed, start, told);
            let pacer = scope.spawn(move || pacer.run(scope));
            let heard = self.hear(scope, &traffic, &heard, &words);
            if heard.is_err() {
                // Without a log nothing more is to go out.
                crew.is_enough.store(true, Ordering::Relaxed);
            }
            let paced = pacer.join().expect("the pacer does not panic");
            traffic.close();
            heard.and(paced)
        })?;
        if let Some(moved) = clocks.as_ref().and_then(Clocks::moved) {
            self.journal.note_spans(moved)?;
        }
        Ok(())
    }

    /// Hears of all requests until the last one has ended.
    fn hear<'s>(
        &mut self,
        scope: &'s Scope<'s, '_>,
        traffic: &'s Traffic<'_, '_>,
        heard: &Receiver<News>,
        words: &Sender<Word>,
    ) -> anyhow::Result<()> {
        let mut look = Monotonic.now().after(LOOK_AFTER);
        while !traffic.is_over() {
            let patience = self.dashboard.patience().min(Monotonic.now().until(look));
            // The traffic itself tells news, so that a timeout is the one reason to hear none.
            match heard.recv_timeout(patience).ok().and_then(|news| traffic.hear(news)) {
                Some(Landed::Over(done, leg)) => {
                    self.take(traffic.crew, *done)?;
                    // The pacer may have gone already, since the run is over.
                    let _ = words.send(pacer::follow(leg));
                }
                Some(Landed::Again(leg)) => traffic.send(scope, leg)?,
                None => {}
            }
            if Monotonic.now() >= look {
                traffic.look_after();
                look = Monotonic.now().after(LOOK_AFTER);
            }
            self.dashboard.show(&lock(&traffic.crew.board));
        }
        Ok(())
    }

    fn take(&mut self, crew: &Crew<'_>, done: Done) -> anyhow::Result<()> {
        let Done { sample, tokens } = done;
        if sample.outcome == Outcome::Interrupted && sample.stamps.sent_ns.is_none() {
            // It did not go out, and what was not sent has no row.
            return Ok(());
        }
        if sample.role == Role::Measure {
            let found = Evidence::of(&sample, tokens).map(|evidence| evidence.found);
            lock(&crew.board).note_ended(Monotonic.now(), &sample, found);
            if self.args.find_knee {
                self.answers.push(load::answer(&sample, self.args.slo.as_ref()));
            }
        }
        self.spent.prompt_tokens += sample.prompt_tokens().unwrap_or(tokens);
        self.spent.time = Duration::from_nanos(Monotonic.now().since(self.began).unwrap_or(0));
        if let Some(what) = self.spent.is_enough(tokens, &self.args.session.pace)
            && !std::mem::replace(&mut self.is_spent, true)
        {
            crew.is_enough.store(true, Ordering::Relaxed);
            self.warn(&format!("the budget of {what} is spent; what is under way is waited for"));
        }
        match &sample.outcome {
            Outcome::Ok => self.answered += u64::from(sample.role == Role::Measure),
            Outcome::Interrupted => {}
            failed => {
                let said = advice::failed(failed, &crew.opened.models);
                self.warn(&format!("request {} failed: {said}", sample.trial));
            }
        }
        Ok(self.journal.write(sample.trial, tokens, sample, None)?)
    }

    fn warn(&self, text: &str) {
        self.dashboard.aside(|| self.voice.warn(text));
    }

    /// `asked` is the number of measured requests that this shard was to send.
    fn finish(self, asked: u64, is_interrupted: bool) -> anyhow::Result<Exit> {
        let Book { voice, journal, dashboard, answered, .. } = self;
        drop(dashboard);
        let data = journal.print_block(voice)?;
        let log = &data.logs[0];
        let faults = log.load.as_ref().map(|load| validity::faults(&load.conduct(&log.loads))).unwrap_or_default();
        let is_void = faults.into_iter().any(Fault::is_void);
        let slo = log.load.as_ref().and_then(Tally::gate);
        Ok(match (is_interrupted, (answered > 0 || asked == 0) && !is_void, slo) {
            (true, ..) => Exit::Interrupted,
            (false, true, None | Some(load::Gate::Kept)) => Exit::Ok,
            (false, true, Some(load::Gate::Missed)) => Exit::Missed,
            (false, ..) => Exit::Inconclusive,
        })
    }
}

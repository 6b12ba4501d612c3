//! Those who send under load: a thread for each flow under way.
//!
//! A thread makes its request's body ahead of time, waits for the scheduled moment, and takes the session that has been
//! idle longest, with its connection.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, Scope};
use std::time::Duration;

use anyhow::Context;

use crate::clock::{Clock, Monotonic, Nanos, Stamp};
use crate::cmd::open::Opened;
use crate::load::prompt::Texts;
use crate::load::schedule::{Flow, Schedule, Turn};
use crate::plan::{Arm, Role};
use crate::progress::board::Board;
use crate::sample::{Place, Sample};
use crate::session::{Ask, Interrupt, Manner, Session, Unwatched, Watch};
use crate::wire::body::Adapted;

/// A flow's thread begins so long before its request is due, to make its body and to be awake.
const AHEAD: Duration = Duration::from_millis(200);

/// And so much longer for each of the streams that begin at once: threads and connections of them all are made first.
const AHEAD_OF_A_STREAM: Duration = Duration::from_micros(500);

/// How often a wait looks up to see whether the run is over. It delays no request: those wait in threads of their own.
const LOOK_UP: Duration = Duration::from_millis(50);

/// How often a request under way looks up: each does so on a thread of its own.
pub const PATIENT: Duration = Duration::from_secs(1);

/// Stack of a flow's thread. Thousands may be under way.
const STACK: usize = 256 * 1024;

/// What all requests under way share.
pub struct Crew<'a> {
    pub opened: &'a Opened,
    pub manner: Manner,
    pub max_tokens: u64,
    pub interrupt: Interrupt,
    pub texts: Texts,
    /// All stamps count from here.
    pub started: Stamp,
    /// The budget is spent.
    pub is_enough: AtomicBool,
    /// The schedule counts from here; not known before it begins.
    pub origin: OnceLock<Stamp>,
    /// Processor time used before the first measured request was handed over.
    pub cpu_before: OnceLock<Nanos>,
    /// Trials before the first of the schedule.
    pub primes: u64,
    /// Sessions that wait for a request. The longest idle goes first, so that no connection is left to go stale.
    pub idle: Mutex<VecDeque<Session<'a>>>,
    /// What the server refused, so that no session has to find it out again.
    pub adapted: Mutex<Adapted>,
    pub board: Mutex<Board>,
}

/// When a request goes out.
#[derive(Debug, Clone, Copy)]
pub enum When {
    Now,
    /// At this moment, for which all was made ready, and from which no time counts: streams that begin together.
    Ready(Stamp),
    /// At this moment of the schedule, from which its time counts.
    Due(Stamp),
}

impl When {
    fn moment(self) -> Option<Stamp> {
        match self {
            When::Now => None,
            When::Ready(moment) | When::Due(moment) => Some(moment),
        }
    }

    fn due(self) -> Option<Stamp> {
        match self {
            When::Due(moment) => Some(moment),
            When::Now | When::Ready(_) => None,
        }
    }
}

/// A request that ended.
pub struct Done {
    pub sample: Sample,
    /// Tokens of the text that was generated for it.
    pub tokens: u64,
}

impl<'a> Crew<'a> {
    /// Performs one request.
    pub fn perform(&self, trial: u64, role: Role, turn: &Turn, when: When) -> Done {
        let due = when.due();
        let messages = self.texts.messages(&turn.prompt);
        let ask = Ask {
            arm: turn.arm,
            role,
            place: Place { document: turn.document, reusable_tokens: Some(turn.reusable_tokens), ..Place::default() },
            conversation: &messages[..],
            max_tokens: turn.max_tokens.map_or(self.max_tokens, |most| most.min(self.max_tokens)),
        };
        let mut session = self.session();
        let mut told = Told { crew: self, arm: turn.arm, due, late: 0, is_under_way: false };
        let watch: &mut dyn Watch = if role == Role::Measure { &mut told } else { &mut Unwatched };
        let mut sample = session.perform_at(when.moment(), trial, &ask, watch);
        *lock(&self.adapted) = session.adapted();
        self.idle().push_back(session);
        let since = |stamp: Stamp| stamp.since(self.started);
        sample.stamps.start_ns = self.origin.get().copied().and_then(since);
        sample.stamps.due_ns = due.and_then(since);
        sample.stamps.client_cpu_ns = self.cpu_before.get().map(|before| Monotonic.cpu().saturating_sub(*before));
        Done { sample, tokens: turn.prompt.tokens() }
    }

    fn session(&self) -> Session<'a> {
        let waiting = self.idle().pop_front();
        let (endpoint, interrupt) = (&self.opened.endpoint, self.interrupt.clone());
        waiting.unwrap_or_else(|| {
            let mut session = Session::starting(endpoint, self.manner.clone(), interrupt, self.started);
            session.adapt(*lock(&self.adapted));
            session
        })
    }

    fn idle(&self) -> MutexGuard<'_, VecDeque<Session<'a>>> {
        lock(&self.idle)
    }

    /// Whether no further request is to go out.
    pub fn is_over(&self) -> bool {
        self.interrupt.is_set() || self.is_enough.load(Ordering::Relaxed)
    }

    /// Waits until `moment`; shorter when the run is over.
    pub fn wait(&self, moment: Stamp) {
        while !self.is_over() && Monotonic.now() < moment {
            Monotonic.sleep_until(moment.min(Monotonic.now().after(LOOK_UP)));
        }
    }

    /// The schedule's start: far enough ahead for all that begin then to be ready.
    pub fn begin(&self, at: Option<Stamp>, streams: u64) -> Stamp {
        *self.origin.get_or_init(|| at.unwrap_or_else(|| Monotonic.now().after(ahead(streams))))
    }

    /// An open loop: each flow at its moment, whatever became of those before.
    pub fn open_loop<'s>(
        &'s self,
        scope: &'s Scope<'s, '_>,
        schedule: Schedule,
        start: Option<Stamp>,
        done: &Sender<Done>,
    ) -> anyhow::Result<()> {
        let origin = self.begin(start, 1);
        for flow in schedule {
            let due = origin.after(Duration::from_nanos(flow.due_ns.unwrap_or(0)));
            self.wait(before(due, 1));
            if self.is_over() {
                break;
            }
            let (done, number) = (done.clone(), flow.number);
            let thread = thread::Builder::new()
                .stack_size(STACK)
                .spawn_scoped(scope, move || self.follow(&flow, When::Due(due), &done));
            thread.with_context(|| format!("cannot start a thread for request {number}; lower --rate"))?;
        }
        Ok(())
    }

    /// A closed loop: one of several streams, which takes its next flow when the last has ended, and `gap` has passed.
    /// All `streams` send their first at `start`, as one burst.
    pub fn closed_loop(
        &self,
        schedule: &Mutex<Schedule>,
        streams: u64,
        start: Stamp,
        gap: Duration,
        done: &Sender<Done>,
    ) {
        self.wait(before(start, streams));
        let mut when = When::Ready(start);
        while !self.is_over() {
            let Some(flow) = lock(schedule).next() else { break };
            self.follow(&flow, std::mem::replace(&mut when, When::Now), done);
            self.wait(Monotonic.now().after(gap));
        }
    }

    /// One request after the other, each a time to think after the end of the one before.
    fn follow(&self, flow: &Flow, first: When, done: &Sender<Done>) {
        let mut when = first;
        for (turn, number) in flow.turns.iter().zip(flow.first..) {
            let ended = self.perform(1 + self.primes + number, Role::Measure, turn, when);
            // That nobody reads any more means that the log could not be written, which has been said.
            if done.send(ended).is_err() {
                break;
            }
            let Some(next) = flow.turns.get((number - flow.first + 1) as usize) else { break };
            let moment = Monotonic.now().after(Duration::from_nanos(next.think_ns));
            let is_scheduled = when.due().is_some();
            self.wait(if is_scheduled { before(moment, 1) } else { moment });
            if self.is_over() {
                break;
            }
            when = if is_scheduled { When::Due(moment) } else { When::Now };
        }
    }
}

/// Tells the board how a request goes.
struct Told<'a, 's> {
    crew: &'a Crew<'s>,
    arm: Arm,
    due: Option<Stamp>,
    /// How long after its scheduled moment it was handed over.
    late: Nanos,
    is_under_way: bool,
}

impl Watch for Told<'_, '_> {
    fn sent(&mut self) {
        let now = Monotonic.now();
        self.crew.cpu_before.get_or_init(|| Monotonic.cpu());
        self.is_under_way = true;
        self.late = self.due.and_then(|due| now.since(due)).unwrap_or(0);
        lock(&self.crew.board).note_sent(now);
    }

    fn first_token(&mut self, ttft: Nanos) {
        lock(&self.crew.board).note_first_token(Monotonic.now(), self.arm, ttft + self.late);
    }

    fn ended(&mut self) {
        if std::mem::take(&mut self.is_under_way) {
            lock(&self.crew.board).note_back();
        }
    }
}

/// What a thread held that panicked is as good as before: nothing is left half done.
pub fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// When to be at work for what so many streams send then.
fn before(due: Stamp, streams: u64) -> Stamp {
    Stamp(due.0.saturating_sub(ahead(streams).as_nanos() as Nanos))
}

/// What so many streams need to be ready.
fn ahead(streams: u64) -> Duration {
    AHEAD + AHEAD_OF_A_STREAM * u32::try_from(streams).unwrap_or(u32::MAX)
}

//! What all requests of a load share: the sessions that send them, and how they are counted.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use crate::clock::{Clock, Monotonic, Nanos, Stamp};
use crate::cmd::open::Opened;
use crate::load::prompt::{Texts, Unwritten};
use crate::load::schedule::Turn;
use crate::plan::Role;
use crate::progress::board::Board;
use crate::sample::{Place, Sample};
use crate::session::{Ask, Interrupt, Manner, Session, Unwatched};
use crate::wire::body::Adapted;

/// How often a wait looks up to see whether the run is over. It delays no request: those wait in threads of their own.
pub const LOOK_UP: Duration = Duration::from_millis(50);

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
    pub adapted: &'a Mutex<Adapted>,
    pub board: Mutex<Board>,
}

/// A request that ended.
pub struct Done {
    pub sample: Sample,
    /// Tokens of the text that was generated for it.
    pub tokens: u64,
}

impl<'a> Crew<'a> {
    /// Performs one request before the schedule begins.
    pub fn prime(&self, trial: u64, turn: &Turn) -> Done {
        let mut session = self.session();
        let sample = session.perform_as(trial, &self.ask(Role::Prime, turn), &mut Unwatched);
        *lock(self.adapted) = session.adapted();
        self.release(session);
        self.done(sample, turn, None)
    }

    pub fn ask<'t>(&'t self, role: Role, turn: &'t Turn) -> Ask<Unwritten<'t>> {
        Ask {
            arm: turn.arm,
            role,
            place: Place { document: turn.document, reusable_tokens: Some(turn.reusable_tokens), ..Place::default() },
            conversation: Unwritten { texts: &self.texts, prompt: &turn.prompt },
            max_tokens: turn.max_tokens.map_or(self.max_tokens, |most| most.min(self.max_tokens)),
        }
    }

    /// A request that ended, with the moments that its session does not know.
    pub fn done(&self, mut sample: Sample, turn: &Turn, due: Option<Stamp>) -> Done {
        let since = |stamp: Stamp| stamp.since(self.started);
        sample.stamps.start_ns = self.origin.get().copied().and_then(since);
        sample.stamps.due_ns = due.and_then(since);
        sample.stamps.client_cpu_ns = self.cpu_before.get().map(|before| Monotonic.cpu().saturating_sub(*before));
        Done { sample, tokens: turn.prompt.tokens() }
    }

    /// A session for one request. It leaves out from the start what the server refused to another.
    pub fn session(&self) -> Session<'a> {
        let waiting = lock(&self.idle).pop_front();
        let (endpoint, interrupt) = (&self.opened.endpoint, self.interrupt.clone());
        let mut session =
            waiting.unwrap_or_else(|| Session::starting(endpoint, self.manner.clone(), interrupt, self.started));
        session.adapt(*lock(self.adapted));
        session
    }

    /// Its request has ended.
    pub fn release(&self, session: Session<'a>) {
        lock(&self.idle).push_back(session);
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

    /// The schedule's start, `ahead` from now where nobody gives one: all that begins then has to be ready.
    pub fn begin(&self, at: Option<Stamp>, ahead: Duration) -> Stamp {
        *self.origin.get_or_init(|| at.unwrap_or_else(|| Monotonic.now().after(ahead)))
    }
}

/// What a thread held that panicked is as good as before: nothing is left half done.
pub fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

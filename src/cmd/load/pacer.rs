//! When legs go out: the flows of the schedule at their moments, later turns after their time to think, and in a closed
//! loop the next flow when one has ended.

use std::collections::BTreeMap;
use std::sync::mpsc::Receiver;
use std::thread::Scope;
use std::time::Duration;

use super::crew::LOOK_UP;
use super::traffic::{Leg, Traffic, When};
use crate::clock::{Clock, Monotonic, Nanos, Stamp};
use crate::load::schedule::{Flow, Schedule};

/// A leg's thread has it so long before it is due, to make its body and to be awake.
const AHEAD: Duration = Duration::from_millis(200);

/// And so much longer for each of the streams that begin at once: threads and connections of them all are made first.
const AHEAD_OF_A_STREAM: Duration = Duration::from_micros(500);

/// What a flow does when a leg of it has ended.
pub enum Word {
    /// It goes on.
    Next {
        leg: Leg,
        at: Stamp,
    },
    Ended,
}

/// So many flows at once, each followed by the next one after a gap.
#[derive(Debug, Clone, Copy)]
pub struct Closed {
    pub streams: u64,
    pub gap: Duration,
}

pub struct Pacer<'t, 'c, 'a> {
    traffic: &'t Traffic<'c, 'a>,
    schedule: Schedule,
    /// `None`: each flow at its moment, whatever became of those before.
    closed: Option<Closed>,
    words: Receiver<Word>,
    /// The schedule counts from here.
    origin: Stamp,
    /// By when they go to a thread, and by their number.
    waiting: BTreeMap<(Stamp, u64), Leg>,
    /// Flows that have not ended.
    flows: u64,
}

/// What follows a leg that has ended.
pub fn follow(leg: Leg) -> Word {
    let Leg { flow, turn, when } = leg;
    match flow.turns.get(turn + 1) {
        None => Word::Ended,
        Some(next) => {
            let moment = Monotonic.now().after(Duration::from_nanos(next.think_ns));
            let (when, at) = match when.due() {
                Some(_) => (When::Due(moment), before(moment, 1)),
                None => (When::Now, moment),
            };
            Word::Next { leg: Leg { flow, turn: turn + 1, when }, at }
        }
    }
}

impl<'t, 'c, 'a> Pacer<'t, 'c, 'a> {
    /// Without a `start` it begins when the first request can be ready.
    pub fn new(
        traffic: &'t Traffic<'c, 'a>,
        schedule: Schedule,
        closed: Option<Closed>,
        start: Option<Stamp>,
        words: Receiver<Word>,
    ) -> Pacer<'t, 'c, 'a> {
        let origin = traffic.crew.begin(start, ahead(closed.map_or(1, |closed| closed.streams)));
        Pacer { traffic, schedule, closed, words, origin, waiting: BTreeMap::new(), flows: 0 }
    }

    /// Works until all flows have ended, or the run is over.
    ///
    /// # Errors
    /// When a leg cannot be sent for want of a thread.
    pub fn run<'s>(mut self, scope: &'s Scope<'s, '_>) -> anyhow::Result<()>
    where
        't: 's,
    {
        let paced = self.pace(scope);
        self.traffic.note_last();
        paced
    }

    fn pace<'s>(&mut self, scope: &'s Scope<'s, '_>) -> anyhow::Result<()>
    where
        't: 's,
    {
        match self.closed {
            // All streams send their first as one burst.
            Some(Closed { streams, .. }) => {
                let at = before(self.origin, streams);
                (0..streams).for_each(|_| self.draw(at, When::Ready(self.origin)));
            }
            // One flow is looked ahead.
            None => self.draw_due(),
        }
        while !self.traffic.crew.is_over() {
            while let Ok(word) = self.words.try_recv() {
                self.hear(word);
            }
            let now = Monotonic.now();
            let Some(&(at, number)) = self.waiting.keys().next() else {
                if self.flows == 0 {
                    break;
                }
                self.listen(LOOK_UP);
                continue;
            };
            if at > now {
                self.listen(now.until(at).min(LOOK_UP));
                continue;
            }
            let Some(leg) = self.waiting.remove(&(at, number)) else { continue };
            if self.closed.is_none() && leg.turn == 0 {
                self.draw_due();
            }
            self.traffic.send(scope, leg)?;
        }
        Ok(())
    }

    fn listen(&mut self, patience: Duration) {
        if let Ok(word) = self.words.recv_timeout(patience) {
            self.hear(word);
        }
    }

    fn hear(&mut self, word: Word) {
        match word {
            Word::Next { leg, at } => {
                self.waiting.insert((at, leg.number()), leg);
            }
            Word::Ended => {
                self.flows -= 1;
                if let Some(closed) = self.closed {
                    self.draw(Monotonic.now().after(closed.gap), When::Now);
                }
            }
        }
    }

    /// The schedule's next flow, if there is one, goes to a thread `at` that moment.
    fn draw(&mut self, at: Stamp, when: When) {
        if let Some(flow) = self.schedule.next() {
            self.wait(flow, at, when);
        }
    }

    /// The same at its own moment.
    fn draw_due(&mut self) {
        if let Some(flow) = self.schedule.next() {
            let due = self.origin.after(Duration::from_nanos(flow.due_ns.unwrap_or(0)));
            self.wait(flow, before(due, 1), When::Due(due));
        }
    }

    fn wait(&mut self, flow: Flow, at: Stamp, when: When) {
        self.flows += 1;
        self.waiting.insert((at, flow.first), Leg { flow, turn: 0, when });
    }
}

/// When to be at work for what so many streams send then.
fn before(due: Stamp, streams: u64) -> Stamp {
    Stamp(due.0.saturating_sub(ahead(streams).as_nanos() as Nanos))
}

/// What so many streams need to be ready.
fn ahead(streams: u64) -> Duration {
    AHEAD + AHEAD_OF_A_STREAM * u32::try_from(streams).unwrap_or(u32::MAX)
}

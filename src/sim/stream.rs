//! The body of an answer: a script played at the times that the engine plans.
//!
//! hyper polls it for frames. Every event is a frame of its own, and after each the body is pending once, which makes
//! hyper write what it has: so an event is a write, as it is with the servers this stands for.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame};

use super::engine::{Engine, Plan};
use super::faults::Faults;
use super::framing::{Event, Framing};
use super::manner::{Break, Manner};
use super::script::Script;
use super::socket::{Mark, Turn};
use super::timer::{Alarm, Timer};
use super::truth::Record;
use crate::clock::{Clock, Monotonic, Stamp};

/// A request's place in the engine; it is given up when this is dropped.
pub(super) struct Ticket {
    pub engine: Arc<Mutex<Engine>>,
    pub id: u64,
}

impl Ticket {
    fn engine(&self) -> MutexGuard<'_, Engine> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.engine().ended(self.id, Monotonic.now());
    }
}

/// An answer that is being given.
pub(super) struct Answer {
    ticket: Ticket,
    script: Script,
    framing: Framing,
    manner: Manner,
    turn: Turn,
    record: Arc<Record>,
    step: Step,
    plan: Option<Plan>,
    /// What is to be said during the prefill, and when.
    cues: VecDeque<(Stamp, Cue)>,
    out: VecDeque<Piece>,
    framed: bool,
    /// Whether hyper has yet to write what it was given.
    unwritten: bool,
    alarm: Alarm,
    ping: Option<Ping>,
    /// Whether the connection breaks where the stream ends.
    aborts: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Open,
    /// Waiting for the engine to begin.
    Queued,
    /// Saying what is to be said before the first token.
    Prefill,
    /// How many tokens have been sent.
    Token(u64),
    Broken(Break),
    Closed,
}

/// What is sent while nothing else is.
struct Ping {
    text: &'static str,
    every: Duration,
    next: Stamp,
    alarm: Alarm,
}

#[derive(Debug, Clone, Copy)]
enum Cue {
    Role,
    /// This many of the tokens to be computed have been.
    Progress(u64),
}

/// Bytes that are written together, and the moment they are planned for if they are a token.
struct Piece {
    bytes: Bytes,
    planned: Option<Stamp>,
}

/// What an answer needs of the server it is given by.
pub(super) struct Stage {
    pub turn: Turn,
    pub record: Arc<Record>,
    pub timer: Arc<Timer>,
}

impl Answer {
    /// The answer to the `nth` completion request.
    pub fn new(ticket: Ticket, script: Script, stage: Stage, faults: &Faults, nth: u64) -> Answer {
        let manner = Manner::new(faults, nth);
        let framing = Framing::new(faults, nth, script.shape().after_data);
        let ping = script.shape().ping.map(|(text, seconds)| {
            let every = Duration::from_secs(seconds);
            Ping { text, every, next: Monotonic.now().after(every), alarm: Alarm::new(stage.timer.clone()) }
        });
        Answer {
            ticket,
            script,
            framing,
            manner,
            alarm: Alarm::new(stage.timer),
            turn: stage.turn,
            record: stage.record,
            step: if manner.empty { Step::Closed } else { Step::Open },
            plan: None,
            cues: VecDeque::new(),
            out: VecDeque::new(),
            framed: false,
            unwritten: false,
            ping,
            aborts: false,
        }
    }

    /// Waits for the first token, so that the head can be sent with it.
    pub async fn until_first(&mut self) {
        if self.step != Step::Closed {
            poll_fn(|cx| self.poll_first(cx)).await;
        }
    }

    /// Waits for the last token and gives the whole answer as one object, whose write is the write of its tokens.
    pub async fn whole(mut self) -> serde_json::Value {
        let plan = poll_fn(|cx| self.poll_first(cx)).await;
        self.ticket.engine().prefilled(self.ticket.id, plan.first);
        let end = self.due(&plan, self.script.tokens.saturating_sub(1));
        poll_fn(|cx| self.alarm.poll_until(end, cx)).await;
        self.count(self.script.tokens);
        self.turn.wire.mark(Mark { record: self.record.clone(), planned: end });
        self.script.whole(&plan)
    }

    fn poll_plan(&mut self, cx: &mut Context) -> Poll<Plan> {
        if let Some(plan) = self.plan {
            return Poll::Ready(plan);
        }
        let plan = ready!(self.ticket.engine().poll_plan(self.ticket.id, cx));
        self.plan = Some(plan);
        self.record.note(|truth| {
            truth.replica = plan.replica;
            truth.started_ns = Some(plan.started.0);
            truth.planned_first_ns = Some(plan.first.0);
            truth.prompt_tokens = plan.prompt_tokens;
            truth.hit_tokens = plan.found.tokens.to_vec();
        });
        if self.manner.hit_changes_answer && plan.found.total() > 0 {
            self.script.stray();
        }
        Poll::Ready(plan)
    }

    /// Ready when the first token is due.
    fn poll_first(&mut self, cx: &mut Context) -> Poll<Plan> {
        let plan = ready!(self.poll_plan(cx));
        ready!(self.alarm.poll_until(plan.first, cx));
        Poll::Ready(plan)
    }

    /// When token `nth` is due.
    fn due(&self, plan: &Plan, nth: u64) -> Stamp {
        Stamp(plan.first.0 + plan.gap * nth)
    }

    fn count(&self, tokens: u64) {
        self.ticket.engine().counters.completion_tokens += tokens;
        self.record.note(|truth| truth.completion_tokens += tokens);
    }

    /// Goes as far as the time allows, putting pieces out; `Ready` when it is to be asked again.
    fn poll_step(&mut self, cx: &mut Context) -> Poll<()> {
        match self.step {
            Step::Open => {
                self.script.at_open().iter().for_each(|event| self.say(event, None));
                self.step = Step::Queued;
            }
            Step::Queued => {
                let plan = ready!(self.poll_plan(cx));
                self.cues = self.cues_of(&plan);
                self.step = Step::Prefill;
            }
            Step::Prefill => {
                let plan = ready!(self.poll_plan(cx));
                match self.cues.front().copied() {
                    Some((at, cue)) => {
                        ready!(self.alarm.poll_until(at, cx));
                        self.cues.pop_front();
                        self.say_cue(cue, &plan);
                    }
                    None => {
                        ready!(self.poll_first(cx));
                        self.ticket.engine().prefilled(self.ticket.id, plan.first);
                        if self.manner.early_role.is_none() {
                            self.say_cue(Cue::Role, &plan);
                        }
                        self.step = Step::Token(0);
                    }
                }
            }
            Step::Token(nth) => return self.poll_token(nth, cx),
            Step::Broken(how) => return self.poll_broken(how),
            Step::Closed => {}
        }
        Poll::Ready(())
    }

    fn poll_token(&mut self, nth: u64, cx: &mut Context) -> Poll<()> {
        let plan = ready!(self.poll_plan(cx));
        if let Some((_, how)) = self.manner.breaks.filter(|(after, _)| nth >= *after) {
            self.step = Step::Broken(how);
            return Poll::Ready(());
        }
        if nth == self.script.tokens {
            self.say_end(&plan);
            self.step = Step::Closed;
            return Poll::Ready(());
        }
        let stop = self.manner.breaks.map_or(u64::MAX, |(after, _)| after);
        let together = if nth == 0 { 1 } else { self.manner.tokens_per_event };
        let end = (nth + together).min(self.script.tokens).min(stop);
        let due = self.due(&plan, end - 1);
        ready!(self.alarm.poll_until(due, cx));
        let event = self.script.tokens(nth, end, &plan);
        self.say(&event, Some(due));
        self.count(end - nth);
        self.step = Step::Token(end);
        Poll::Ready(())
    }

    fn poll_broken(&mut self, how: Break) -> Poll<()> {
        match how {
            Break::Stall => return Poll::Pending,
            Break::Error | Break::ErrorDone => self.say(&self.script.error(), None),
            Break::Eof => {}
            Break::Cut => self.aborts = true,
            Break::Rst => {
                self.aborts = true;
                self.turn.wire.reset();
            }
        }
        if how == Break::ErrorDone {
            self.say(&self.script.done(), None);
        }
        self.step = Step::Closed;
        Poll::Ready(())
    }

    /// Ready when a ping was put out.
    fn poll_ping(&mut self, cx: &mut Context) -> Poll<()> {
        let Some(ping) = &mut self.ping else { return Poll::Pending };
        ready!(ping.alarm.poll_until(ping.next, cx));
        ping.next = ping.next.after(ping.every);
        let comment = Event::Comment(ping.text);
        self.say(&comment, None);
        Poll::Ready(())
    }

    fn cues_of(&self, plan: &Plan) -> VecDeque<(Stamp, Cue)> {
        let mut cues = VecDeque::new();
        if self.script.tells_progress {
            let computed = plan.prompt_tokens - plan.found.total();
            let half = Stamp(plan.started.0.midpoint(plan.first.0));
            cues.extend([(plan.started, Cue::Progress(0)), (half, Cue::Progress(computed / 2))]);
        }
        if let Some(early) = self.manner.early_role {
            cues.push_back((Stamp(plan.first.0.saturating_sub(early.as_nanos() as u64)), Cue::Role));
        }
        cues
    }

    fn say_cue(&mut self, cue: Cue, plan: &Plan) {
        let event = match cue {
            Cue::Role => self.script.at_first(plan),
            Cue::Progress(computed) => Some(self.script.progress(plan, computed)),
        };
        if let Some(event) = event {
            self.say(&event, None);
        }
    }

    fn say_end(&mut self, plan: &Plan) {
        let mut events = self.script.at_end(plan);
        if !self.manner.no_done {
            events.push(self.script.done());
        }
        let last = if self.manner.unterminated { events.pop() } else { None };
        events.iter().for_each(|event| self.say(event, None));
        if let Some(last) = last {
            let bytes = self.framing.frame_unterminated(&last).into();
            self.out.push_back(Piece { bytes, planned: None });
        }
    }

    fn say(&mut self, event: &Event, planned: Option<Stamp>) {
        let bytes: Bytes = self.framing.frame(event, !self.framed).into();
        self.framed = true;
        if self.manner.byte_by_byte {
            let last = bytes.len() - 1;
            let pieces = (0..bytes.len()).map(|at| (at, bytes.slice(at..=at)));
            self.out.extend(pieces.map(|(at, bytes)| Piece { bytes, planned: planned.filter(|_| at == last) }));
        } else {
            self.out.push_back(Piece { bytes, planned });
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        loop {
            if self.unwritten {
                self.unwritten = false;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let holds_back = self.manner.buffered && self.step != Step::Closed;
            if let Some(piece) = self.out.pop_front_if(|_| !holds_back) {
                if let Some(planned) = piece.planned {
                    self.turn.wire.mark(Mark { record: self.record.clone(), planned });
                }
                self.unwritten = !self.manner.buffered || self.out.is_empty();
                return Poll::Ready(Some(Ok(Frame::data(piece.bytes))));
            }
            if self.step == Step::Closed {
                let broken = || Err(io::Error::other("the fault asks for it"));
                return Poll::Ready(std::mem::take(&mut self.aborts).then(broken));
            }
            if self.poll_step(cx).is_pending() {
                ready!(self.poll_ping(cx));
            }
        }
    }
}

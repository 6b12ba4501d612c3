//! A request between its hand-over and the end of its answer, without a thread that waits for it.

use std::sync::mpsc::Sender;

use super::attempt::Attempt;
use super::outcome::Stop;
use super::{AFTER_DONE, AFTER_FAILED_UPLOAD, Ask, Session, Watch};
use crate::clock::{Clock, Monotonic, Stamp};
use crate::net::{Connection, Event, Exchange, News, Sent};
use crate::sample::Sample;
use crate::wire::body::Say;

/// A request that was handed over, and its answer still to come.
#[derive(Debug)]
pub struct Flight {
    pub(super) connection: Connection,
    pub(super) sent: Sent,
    pub(super) attempt: Attempt,
    /// What was sent, where the wire is kept.
    pub(super) request: Option<Vec<u8>>,
    /// When to give it up though nothing is amiss: all that matters has come.
    pub(super) done_by: Option<Stamp>,
    /// Why it was given up.
    pub(super) stop: Option<Stop>,
}

/// What an answer that has ended leads to.
#[derive(Debug)]
pub enum Landing {
    Over(Box<Sample>),
    /// The server refused a parameter, and the request is to go out again without it.
    Again,
}

impl Flight {
    pub(super) fn new(connection: Connection, sent: Sent, attempt: Attempt, request: Option<Vec<u8>>) -> Flight {
        let done_by = sent.end.is_err().then(|| Monotonic.now().after(AFTER_FAILED_UPLOAD));
        Flight { connection, sent, attempt, request, done_by, stop: None }
    }

    /// Takes in what became of it; at its end, what came back.
    pub fn hear(&mut self, event: Event, watch: &mut dyn Watch) -> Option<Box<Exchange>> {
        match event {
            Event::FirstToken(at) => watch.first_token(at.since(self.sent.at).unwrap_or(0)),
            Event::Done => self.done_by = Some(Monotonic.now().after(AFTER_DONE)),
            Event::End(exchange) => return Some(exchange),
        }
        None
    }
}

impl Session<'_> {
    /// Hands a request over at a moment and under a number that the caller gives, and waits for nothing: its news go to
    /// `news` under that number, and with the end comes [`Session::land`]. All is ready before the moment: the body is
    /// written and the connection open. What did not go out is a sample at once.
    pub fn leave_at<S: Say>(
        &mut self,
        due: Option<Stamp>,
        trial: u64,
        ask: &Ask<S>,
        news: &Sender<News>,
        watch: &mut dyn Watch,
    ) -> Result<Flight, Box<Sample>> {
        self.trials = trial;
        self.due = due;
        self.hand_over(ask, trial, news, watch).map_err(|attempt| Box::new(self.sample(ask, *attempt)))
    }

    /// Whether to give a request up that is under way; its end comes at once then.
    pub fn look_after(&self, flight: &mut Flight) {
        if flight.stop.is_none() {
            flight.stop = self.stop(&flight.sent, flight.done_by);
            if flight.stop.is_some() {
                flight.connection.abandon();
            }
        }
    }

    /// What its answer makes of a request. `ask` is what it was sent with.
    pub fn land<S: Say>(&mut self, ask: &Ask<S>, flight: Flight, exchange: Exchange) -> Landing {
        let attempt = self.ended(flight, exchange);
        let sends_ids = self.ids_of(ask).is_some();
        match self.suits(&attempt, sends_ids) {
            true => Landing::Again,
            false => Landing::Over(Box::new(self.sample(ask, attempt))),
        }
    }
}

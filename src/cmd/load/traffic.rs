//! The requests under way. Each is a few kilobytes in a table and has no thread: whoever sent it has gone on to the next,
//! and one thread hears of them all.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::thread::Scope;

use super::crew::{Crew, Done, lock};
use super::senders::Senders;
use crate::clock::{Clock, Monotonic, Nanos, Stamp};
use crate::load::schedule::{Flow, Turn};
use crate::net::{Event, Exchange, FlightId, News};
use crate::plan::{Arm, Role};
use crate::sample::Sample;
use crate::session::{Flight, Landing, Session, Watch};

/// One request of a flow.
#[derive(Debug)]
pub struct Leg {
    pub flow: Flow,
    /// Which of the flow's, from 0.
    pub turn: usize,
    pub when: When,
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

    pub fn due(self) -> Option<Stamp> {
        match self {
            When::Due(moment) => Some(moment),
            When::Now | When::Ready(_) => None,
        }
    }
}

impl Leg {
    pub fn turn(&self) -> &Turn {
        &self.flow.turns[self.turn]
    }

    /// Among the requests of the whole run, from 0.
    pub fn number(&self) -> u64 {
        self.flow.first + self.turn as u64
    }
}

/// What became of a leg.
pub enum Landed {
    Over(Box<Done>, Leg),
    /// It is to be sent again, without a parameter that the server refused.
    Again(Leg),
}

/// What is on its way.
pub struct Traffic<'c, 'a> {
    pub crew: &'c Crew<'a>,
    news: Sender<News>,
    table: Mutex<HashMap<FlightId, Entry<'c, 'a>>>,
    senders: Senders,
    /// No leg follows but those of the table.
    is_last: AtomicBool,
}

enum Entry<'c, 'a> {
    /// It is being sent; its answer may be quicker than the end of that.
    Leaving(Vec<Event>),
    Aloft(Box<Aloft<'c, 'a>>),
}

struct Aloft<'c, 'a> {
    session: Session<'a>,
    leg: Leg,
    told: Told<'c, 'a>,
    /// What was heard before it was entered.
    early: Vec<Event>,
    /// What did not go out is over.
    flight: Result<Flight, Box<Sample>>,
}

impl<'c, 'a> Traffic<'c, 'a> {
    /// What becomes of the requests is told to `news`, and is to be handed to [`Traffic::hear`].
    pub fn new(crew: &'c Crew<'a>, news: Sender<News>) -> Traffic<'c, 'a> {
        let (table, senders, is_last) = Default::default();
        Traffic { crew, news, table, senders, is_last }
    }

    /// Has a leg sent at its moment.
    ///
    /// # Errors
    /// When the system has no thread left for it.
    pub fn send<'s>(&'s self, scope: &'s Scope<'s, '_>, leg: Leg) -> anyhow::Result<()> {
        let id = self.id(&leg);
        lock(&self.table).insert(id, Entry::Leaving(Vec::new()));
        self.senders.take(scope, self, leg).inspect_err(|_| {
            lock(&self.table).remove(&id);
        })
    }

    /// Sends a leg on the thread that calls.
    pub fn leave(&self, leg: Leg) {
        let (crew, id) = (self.crew, self.id(&leg));
        let mut session = crew.session();
        let mut told = Told { crew, arm: leg.turn().arm, due: leg.when.due(), late: 0, is_under_way: false };
        let ask = crew.ask(Role::Measure, leg.turn());
        let flight = session.leave_at(leg.when.moment(), id, &ask, &self.news, &mut told);
        let mut table = lock(&self.table);
        let mut early = match table.remove(&id) {
            Some(Entry::Leaving(early)) => early,
            _ => Vec::new(),
        };
        // An end was heard of too early, or there is none to come: what has to be done about it is done by who hears.
        let end = match (&flight, early.last()) {
            (Ok(_), Some(Event::End(_))) => early.pop(),
            (Ok(_), _) => None,
            (Err(_), _) => Some(Event::End(Box::default())),
        };
        table.insert(id, Entry::Aloft(Box::new(Aloft { session, leg, told, early, flight })));
        drop(table);
        if let Some(event) = end {
            self.tell(News { flight: id, event });
        }
    }

    /// Takes in news; at the end of a leg, what became of it.
    pub fn hear(&self, News { flight, event }: News) -> Option<Landed> {
        let mut table = lock(&self.table);
        let exchange = match table.get_mut(&flight)? {
            Entry::Leaving(early) => {
                early.push(event);
                return None;
            }
            Entry::Aloft(aloft) => aloft.hear(event)?,
        };
        let Some(Entry::Aloft(aloft)) = table.remove(&flight) else { return None };
        drop(table);
        Some(self.land(*aloft, *exchange))
    }

    fn land(&self, aloft: Aloft<'c, 'a>, exchange: Exchange) -> Landed {
        let (crew, Aloft { mut session, leg, mut told, flight, .. }) = (self.crew, aloft);
        told.ended();
        let landing = match flight {
            Ok(flight) => session.land(&crew.ask(Role::Measure, leg.turn()), flight, exchange),
            Err(sample) => Landing::Over(sample),
        };
        if matches!(landing, Landing::Again) {
            *lock(crew.adapted) = session.adapted();
        }
        crew.release(session);
        match landing {
            Landing::Again => Landed::Again(leg),
            Landing::Over(sample) => Landed::Over(Box::new(crew.done(*sample, leg.turn(), leg.when.due())), leg),
        }
    }

    /// Gives up what has taken too long, and everything when the user stops.
    pub fn look_after(&self) {
        for entry in lock(&self.table).values_mut() {
            if let Entry::Aloft(aloft) = entry
                && let Ok(flight) = &mut aloft.flight
            {
                aloft.session.look_after(flight);
            }
        }
    }

    /// No further leg follows.
    pub fn note_last(&self) {
        self.is_last.store(true, Ordering::Release);
        // Whoever hears looks up.
        self.tell(News { flight: FlightId::MAX, event: Event::Done });
    }

    /// Whether nothing is under way, and nothing follows.
    pub fn is_over(&self) -> bool {
        self.is_last.load(Ordering::Acquire) && lock(&self.table).is_empty()
    }

    /// Lets the threads go that wait for a leg.
    pub fn close(&self) {
        self.senders.close();
    }

    fn id(&self, leg: &Leg) -> FlightId {
        1 + self.crew.primes + leg.number()
    }

    fn tell(&self, news: News) {
        // Nobody hears any more when the log cannot be written, which has been said.
        let _ = self.news.send(news);
    }
}

impl Aloft<'_, '_> {
    fn hear(&mut self, event: Event) -> Option<Box<Exchange>> {
        let mut events = std::mem::take(&mut self.early).into_iter().chain([event]);
        events.find_map(|event| match (&mut self.flight, event) {
            (Ok(flight), event) => flight.hear(event, &mut self.told),
            (Err(_), Event::End(exchange)) => Some(exchange),
            (Err(_), _) => None,
        })
    }
}

/// Tells the board how a request goes.
struct Told<'c, 'a> {
    crew: &'c Crew<'a>,
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

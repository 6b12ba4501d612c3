//! Sends what is to be measured, one request after the other, and turns what comes back into samples.
//!
//! A session has one endpoint, one clock and one start: all stamps of its samples count from there. It never repeats a
//! request behind anyone's back. The one thing it may do is to leave out a parameter that the server refused: then the
//! request goes out again on a new connection with its clock started anew, and the sample lists the change.

mod attempt;
mod flight;
mod interrupt;
mod outcome;
mod wire;

use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use attempt::Attempt;
pub use flight::{Flight, Landing};
pub use interrupt::Interrupt;
pub use outcome::Stop;

use crate::clock::{Clock, Monotonic, Nanos, Stamp};
use crate::endpoint::Endpoint;
use crate::net::{Connection, Exchange, FlightId, Keep, News, Outgoing, Sent};
use crate::plan::{Arm, Role};
use crate::sample::{Outcome, Place, Sample, StampKind};
use crate::wire::body::{self, Adapted, Prompt, Say};
use crate::wire::http1::{Connection as Wish, Method};

/// How often a wait looks up to see whether the user wants to stop. It delays no stamp: those are taken elsewhere.
const LOOK_UP: Duration = Duration::from_millis(50);
/// A stream that said `[DONE]` is given this long to end.
const AFTER_DONE: Duration = Duration::from_secs(2);
/// An unfinished upload is given this long to bring the answer that explains it.
const AFTER_FAILED_UPLOAD: Duration = Duration::from_secs(2);
/// A reused connection that was idle for longer is dialled anew before the clock: servers close theirs after five.
const IDLE: Duration = Duration::from_secs(4);
/// The longest step of a dial.
const DIAL: Duration = Duration::from_secs(10);

/// How a session sends.
#[derive(Debug, Clone)]
pub struct Manner {
    pub model: String,
    /// What the `x-request-id` of its requests begins with; the number of the trial follows.
    pub name: String,
    /// `/chat/completions`, else `/completions`.
    pub chat: bool,
    /// The user's own fields of the body.
    pub extra: Option<serde_json::Map<String, serde_json::Value>>,
    /// More headers, for one part of a session.
    pub headers: Vec<(String, String)>,
    /// One connection for all requests.
    pub reuse: bool,
    /// The longest wait for a token.
    pub timeout: Duration,
    pub keep_answers: bool,
    pub keep_token_times: bool,
    /// Where every request and answer is kept.
    pub keep_wire: Option<PathBuf>,
}

/// A request to perform.
#[derive(Debug, Clone, Copy)]
pub struct Ask<S> {
    pub arm: Arm,
    pub role: Role,
    pub place: Place,
    pub conversation: S,
    pub max_tokens: u64,
}

/// Is told how a request goes, as it goes.
pub trait Watch {
    /// The request was handed over.
    fn sent(&mut self) {}
    /// Its first token arrived.
    fn first_token(&mut self, _ttft: Nanos) {}
    /// It is over.
    fn ended(&mut self) {}
}

/// Nobody watches.
pub struct Unwatched;

impl Watch for Unwatched {}

/// A running session.
#[derive(Debug)]
pub struct Session<'a> {
    endpoint: &'a Endpoint,
    manner: Manner,
    interrupt: Interrupt,
    started: Stamp,
    adapted: Adapted,
    /// Every change made to suit the server, in words.
    changes: Vec<String>,
    trials: u64,
    /// When the next request is to go out; `None` for at once.
    due: Option<Stamp>,
    flights: FlightId,
    open: Option<Connection>,
    news: (Sender<News>, Receiver<News>),
}

impl<'a> Session<'a> {
    pub fn new(endpoint: &'a Endpoint, manner: Manner, interrupt: Interrupt) -> Session<'a> {
        Session::starting(endpoint, manner, interrupt, Monotonic.now())
    }

    /// One of several that run side by side, whose stamps all count from `started`.
    pub fn starting(endpoint: &'a Endpoint, manner: Manner, interrupt: Interrupt, started: Stamp) -> Session<'a> {
        Session {
            endpoint,
            manner,
            interrupt,
            started,
            adapted: Adapted::default(),
            changes: Vec::new(),
            trials: 0,
            due: None,
            flights: 0,
            open: None,
            news: mpsc::channel(),
        }
    }

    /// Performs one request and returns what was measured; a failure is a sample too.
    pub fn perform<S: Say>(&mut self, ask: &Ask<S>, watch: &mut dyn Watch) -> Sample {
        self.trials += 1;
        let attempt = loop {
            let attempt = self.attempt(ask, watch);
            watch.ended();
            let sends_ids = self.ids_of(ask).is_some();
            if !self.suits(&attempt, sends_ids) {
                break attempt;
            }
        };
        self.sample(ask, attempt)
    }

    /// The same under a number that the caller gives, where several sessions share one count of trials.
    pub fn perform_as<S: Say>(&mut self, trial: u64, ask: &Ask<S>, watch: &mut dyn Watch) -> Sample {
        self.trials = trial.saturating_sub(1);
        self.perform(ask, watch)
    }

    /// Whether the server refused what can be left out, or tokens that can be sent as text; it is, from now on.
    fn suits(&mut self, attempt: &Attempt, sends_ids: bool) -> bool {
        let refusal = attempt.refusal();
        !self.interrupt.is_set()
            && refusal
                .is_some_and(|refusal| self.adapted.suit(&refusal) || sends_ids && self.adapted.suit_ids(&refusal))
    }

    /// What was left out of its requests to suit the server so far.
    pub fn adapted(&self) -> Adapted {
        self.adapted
    }

    /// Leaves out from the first request on what the server refused before.
    pub fn adapt(&mut self, adapted: Adapted) {
        self.adapted = adapted;
    }

    /// How it sends from now on.
    pub fn manner_mut(&mut self) -> &mut Manner {
        &mut self.manner
    }

    /// Notes a change that a command made to suit the server; later samples list it.
    pub fn note_change(&mut self, change: String) {
        self.changes.push(change);
    }

    /// Waits between requests; shorter when the user wants to stop.
    pub fn pause(&self, span: Duration) {
        let deadline = Monotonic.now().after(span);
        while !self.interrupt.is_set() && Monotonic.now() < deadline {
            Monotonic.sleep_until(deadline.min(Monotonic.now().after(LOOK_UP)));
        }
    }

    pub fn is_interrupted(&self) -> bool {
        self.interrupt.is_set()
    }

    /// Since the session began.
    pub fn elapsed(&self) -> Nanos {
        Monotonic.now().since(self.started).unwrap_or(0)
    }

    fn attempt<S: Say>(&mut self, ask: &Ask<S>, watch: &mut dyn Watch) -> Attempt {
        self.flights += 1;
        let news = self.news.0.clone();
        match self.hand_over(ask, self.flights, &news, watch) {
            Ok(flight) => self.wait(flight, watch),
            Err(attempt) => *attempt,
        }
    }

    /// Sends a request, when it is due. An attempt that is over before is returned.
    fn hand_over<S: Say>(
        &mut self,
        ask: &Ask<S>,
        id: FlightId,
        news: &Sender<News>,
        watch: &mut dyn Watch,
    ) -> Result<Flight, Box<Attempt>> {
        let body = self.body(ask);
        let mut attempt = Box::new(Attempt {
            dialled: None,
            sent: None,
            exchange: Exchange::default(),
            outcome: Outcome::Interrupted,
            body_bytes: body.len() as u64,
        });
        if self.interrupt.is_set() {
            return Err(attempt);
        }
        let request = self.request(&body);
        drop(body);
        let Some(mut connection) = self.still_open().or_else(|| self.dial(&mut attempt)) else { return Err(attempt) };
        if let Some(due) = self.due.take() {
            Monotonic.sleep_until(due);
            if self.interrupt.is_set() {
                return Err(attempt);
            }
            if !connection.is_alive() {
                // Its server closed it while we waited; that it has to be dialled anew is this request's own time.
                drop(connection);
                connection = match self.dial(&mut attempt) {
                    Some(connection) => connection,
                    None => return Err(attempt),
                };
            }
        }
        let keep = Keep {
            token_times: self.manner.keep_token_times,
            wire: self.manner.keep_wire.is_some(),
            text: self.manner.keep_answers,
        };
        let outgoing = Outgoing { flight: id, method: Method::Post, bytes: &request, keep };
        let sent = connection.send(&outgoing, news.clone());
        watch.sent();
        // A prompt may be megabytes, and thousands may be under way.
        let request = self.manner.keep_wire.is_some().then_some(request);
        Ok(Flight::new(connection, sent, *attempt, request))
    }

    /// What became of a request whose answer has ended.
    fn ended(&mut self, flight: Flight, exchange: Exchange) -> Attempt {
        let Flight { mut connection, sent, mut attempt, request, stop, .. } = flight;
        attempt.exchange = exchange;
        attempt.outcome = self.hidden(outcome::of(&attempt.exchange, sent.end.as_ref().err(), stop));
        attempt.sent = Some(sent);
        if let Some((folder, request)) = self.manner.keep_wire.as_ref().zip(request) {
            let kept = wire::keep(folder, self.trials, &self.endpoint.secrets, &request, &attempt.exchange.wire);
            if let Err(error) = kept {
                self.changes.push(format!("the wire could not be kept in {}: {error}", folder.display()));
                self.manner.keep_wire = None;
            }
        }
        if self.manner.reuse && connection.is_alive() {
            connection.idle_since = Monotonic.now();
            self.open = Some(connection);
        }
        attempt
    }

    fn body<S: Say>(&self, ask: &Ask<S>) -> Vec<u8> {
        let request = body::Request {
            model: &self.manner.model,
            max_tokens: ask.max_tokens,
            stream: true,
            adapted: self.adapted,
            extra: self.manner.extra.as_ref(),
        };
        match self.ids_of(ask) {
            _ if self.manner.chat => request.chat(&ask.conversation.messages()),
            Some(ids) => request.completion(Prompt::Tokens(ids)),
            None => request.completion(Prompt::Text(&ask.conversation.text())),
        }
    }

    /// The prompt's tokens, where it is to be sent as these.
    fn ids_of<'b, S: Say>(&self, ask: &'b Ask<S>) -> Option<&'b [u32]> {
        ask.conversation.ids().filter(|_| !self.manner.chat && !self.adapted.without_ids)
    }

    fn request(&self, body: &[u8]) -> Vec<u8> {
        let target = self.endpoint.base.api(if self.manner.chat { "chat/completions" } else { "completions" });
        let id = format!("{}-{}", self.manner.name, self.trials);
        let mut more = vec![("x-request-id", id.as_str()), ("Accept", "text/event-stream")];
        more.extend(self.manner.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let wish = if self.manner.reuse { Wish::KeepAlive } else { Wish::Close };
        self.endpoint.encode(Method::Post, &target, &more, Some(body), wish)
    }

    /// The open connection, where one is to be reused and its server has not closed it since.
    fn still_open(&mut self) -> Option<Connection> {
        let open = if self.manner.reuse { self.open.take() } else { None };
        open.filter(|connection| connection.is_alive() && Monotonic.now() < connection.idle_since.after(IDLE))
    }

    /// A new connection, with the moments of its dial in the attempt; without one the attempt is over.
    fn dial(&self, attempt: &mut Attempt) -> Option<Connection> {
        match self.endpoint.open(DIAL) {
            Ok(connection) => {
                attempt.dialled = Some(connection.dialled);
                Some(connection)
            }
            Err(error) => {
                attempt.outcome = Outcome::Unreachable { phase: error.phase().to_owned(), message: error.to_string() };
                None
            }
        }
    }

    /// Waits for the end of the request under way.
    fn wait(&mut self, mut flight: Flight, watch: &mut dyn Watch) -> Attempt {
        loop {
            match self.news.1.recv_timeout(LOOK_UP) {
                Ok(news) if news.flight != self.flights => {}
                Ok(news) => {
                    if let Some(exchange) = flight.hear(news.event, watch) {
                        return self.ended(flight, *exchange);
                    }
                }
                Err(RecvTimeoutError::Timeout) => self.look_after(&mut flight),
                Err(RecvTimeoutError::Disconnected) => return self.ended(flight, Exchange::default()),
            }
        }
    }

    /// Whether to stop waiting now, and why.
    fn stop(&self, sent: &Sent, done_by: Option<Stamp>) -> Option<Stop> {
        let now = Monotonic.now();
        if self.interrupt.is_set() {
            return Some(Stop::Interrupted);
        }
        if done_by.is_some_and(|deadline| now >= deadline) {
            return Some(Stop::Done);
        }
        let latest = sent.pulse.latest();
        let deadline = latest.unwrap_or(sent.at).after(self.manner.timeout);
        (now >= deadline).then_some(if latest.is_some() { Stop::NextToken } else { Stop::FirstToken })
    }

    fn hidden(&self, outcome: Outcome) -> Outcome {
        let hide = |text: String| self.endpoint.secrets.hide(&text);
        match outcome {
            Outcome::TooLong { status, message } => Outcome::TooLong { status, message: hide(message) },
            Outcome::Rejected { status, message } => Outcome::Rejected { status, message: hide(message) },
            Outcome::ServerError { message } => Outcome::ServerError { message: hide(message) },
            Outcome::Malformed { message } => Outcome::Malformed { message: hide(message) },
            other => other,
        }
    }

    fn sample<S>(&self, ask: &Ask<S>, attempt: Attempt) -> Sample {
        let stamps = attempt.stamps(self.started);
        let Attempt { exchange, outcome, body_bytes, .. } = attempt;
        let arrivals = &exchange.arrivals;
        let adapted = self.changes.iter().cloned().chain(self.adapted.names()).collect();
        Sample {
            trial: self.trials,
            arm: ask.arm,
            role: ask.role,
            place: ask.place,
            outcome,
            stamps,
            stamp: arrivals.kernel_stamped.map(|kernel| if kernel { StampKind::Kernel } else { StampKind::Read }),
            token_events: arrivals.token_events,
            shared_reads: arrivals.shared_reads,
            itl_counts: exchange.arrivals.gaps.clone(),
            first_token_shared: arrivals.first_token_shared,
            clock_stepped: arrivals.clock_stepped,
            usage: exchange.usage,
            timings: exchange.timings,
            server_metrics: exchange.metrics,
            counters: None,
            finish_reason: exchange.finish_reason.map(|reason| self.endpoint.secrets.hide(&reason)),
            answer: self.manner.keep_answers.then(|| self.endpoint.secrets.hide(&exchange.text)),
            body_bytes,
            adapted,
        }
    }
}

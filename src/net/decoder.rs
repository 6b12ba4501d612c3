//! The decoder: one thread that turns what the reader received into exchanges, while they are in flight.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};

use super::exchange::{Exchange, Incoming, Progress};
use super::reader::{ConnectionId, Read};
use super::tls;
use crate::clock::{Clock, Monotonic, Stamp};

/// Numbers a request, as its sender chose.
pub type FlightId = u64;

/// Something happened to a request under way.
#[derive(Debug)]
pub struct News {
    pub flight: FlightId,
    pub event: Event,
}

#[derive(Debug)]
pub enum Event {
    /// Its first token arrived.
    FirstToken(Stamp),
    /// `[DONE]` arrived; the end of the HTTP answer is still to come.
    Done,
    /// It is over.
    End(Box<Exchange>),
}

/// A connection as the two threads share it.
#[derive(Debug, Default)]
pub(super) struct Line {
    pub tls: Option<Mutex<tls::Session>>,
    /// No further request can go out on it.
    pub dead: AtomicBool,
}

/// What the decoder is told.
#[derive(Debug)]
pub(super) enum Message {
    Open {
        connection: ConnectionId,
        line: Arc<Line>,
    },
    /// A request is about to go out.
    Expect {
        connection: ConnectionId,
        flight: Box<Flight>,
    },
    Read(Read),
    /// Nobody waits any more: hand out what came so far.
    Abandon {
        connection: ConnectionId,
    },
    Close {
        connection: ConnectionId,
    },
}

/// A request under way.
#[derive(Debug)]
pub(super) struct Flight {
    pub id: FlightId,
    pub incoming: Incoming,
    pub news: Sender<News>,
}

impl Flight {
    fn tell(&self, event: Event) {
        // Nobody listens when the session has ended, and then nobody needs to know.
        let _ = self.news.send(News { flight: self.id, event });
    }

    fn report(&self, progress: Progress) {
        if let Some(at) = progress.first_token {
            self.tell(Event::FirstToken(at));
        }
        if progress.done && !progress.ended {
            self.tell(Event::Done);
        }
    }

    fn end(self) {
        let Flight { id, incoming, news } = self;
        let _ = news.send(News { flight: id, event: Event::End(Box::new(incoming.finish())) });
    }
}

#[derive(Debug)]
struct Track {
    line: Arc<Line>,
    flight: Option<Box<Flight>>,
}

/// Decodes until nobody can send any more.
pub(super) fn run(messages: &Receiver<Message>) {
    let mut tracks: HashMap<ConnectionId, Track> = HashMap::new();
    let mut plain = Vec::new();
    for message in messages {
        match message {
            Message::Open { connection, line } => {
                tracks.insert(connection, Track { line, flight: None });
            }
            Message::Expect { connection, flight } => expect(&mut tracks, connection, flight),
            Message::Read(read) => {
                if let Some(track) = tracks.get_mut(&read.connection) {
                    track.read(&read, &mut plain);
                }
            }
            Message::Abandon { connection } => {
                if let Some(flight) = tracks.get_mut(&connection).and_then(|track| track.flight.take()) {
                    flight.end();
                }
            }
            Message::Close { connection } => {
                tracks.remove(&connection);
            }
        }
    }
}

fn expect(tracks: &mut HashMap<ConnectionId, Track>, connection: ConnectionId, mut flight: Box<Flight>) {
    match tracks.get_mut(&connection) {
        // Its end was read before, and nothing more is read of it.
        Some(track) if track.line.dead.load(Ordering::Acquire) => {
            flight.incoming.disconnect(Monotonic.now(), None);
            flight.end();
        }
        Some(track) => track.flight = Some(flight),
        // The connection was closed before its request went out.
        None => flight.end(),
    }
}

impl Track {
    fn read(&mut self, read: &Read, plain: &mut Vec<u8>) {
        let progress = match &read.bytes {
            Err(error) => self.disconnect(read.at, Some(error.to_string())),
            Ok(bytes) if bytes.is_empty() => self.disconnect(read.at, None),
            Ok(bytes) => self.receive(read, bytes, plain),
        };
        if progress.ended
            && let Some(flight) = self.flight.take()
        {
            if !flight.incoming.keeps_alive() {
                self.line.dead.store(true, Ordering::Release);
            }
            flight.end();
        }
    }

    fn receive(&mut self, read: &Read, bytes: &[u8], plain: &mut Vec<u8>) -> Progress {
        let bytes = match &self.line.tls {
            None => bytes,
            Some(session) => {
                plain.clear();
                let mut session = session.lock().unwrap_or_else(PoisonError::into_inner);
                if let Err(error) = session.open(bytes, plain) {
                    drop(session);
                    return self.disconnect(read.at, Some(error.to_string()));
                }
                plain
            }
        };
        match &mut self.flight {
            Some(flight) => {
                let progress = flight.incoming.take(read, bytes);
                flight.report(progress);
                progress
            }
            None => {
                // Bytes nobody asked for: whatever is on this connection, it is not in step with us.
                if !bytes.is_empty() {
                    self.line.dead.store(true, Ordering::Release);
                }
                Progress::default()
            }
        }
    }

    fn disconnect(&mut self, at: Stamp, broken: Option<String>) -> Progress {
        self.line.dead.store(true, Ordering::Release);
        match &mut self.flight {
            Some(flight) => {
                let progress = flight.incoming.disconnect(at, broken);
                flight.report(progress);
                progress
            }
            None => Progress::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::net::{Keep, Pulse};
    use crate::wire::http1::Method;

    #[test]
    fn a_request_on_a_connection_that_was_closed_while_idle_ends_at_once() {
        let (connection, line) = (ConnectionId(1), Arc::<Line>::default());
        let mut tracks = HashMap::from([(connection, Track { line, flight: None })]);
        let closed = Read { connection, at: Stamp(1), kernel_at: None, clock_stepped: false, bytes: Ok(Vec::new()) };
        tracks.get_mut(&connection).expect("it is open").read(&closed, &mut Vec::new());
        let (news, heard) = mpsc::channel();
        let incoming = Incoming::new(Method::Post, Keep::default(), Pulse::default());
        expect(&mut tracks, connection, Box::new(Flight { id: 7, incoming, news }));
        assert!(matches!(heard.try_recv(), Ok(News { flight: 7, event: Event::End(_) })));
    }
}

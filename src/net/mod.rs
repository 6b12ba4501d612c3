//! The stopwatch: sockets, and the moments at which bytes cross them.
//!
//! ```text
//! caller  -> open, send ---------------------> socket
//!                                                |
//! reader  <- epoll, recvmsg + kernel stamp ------+       waits and receives, parses nothing
//!    |
//!    v  Read { connection, at, kernel_at, bytes }
//! decoder -> TLS -> HTTP/1.1 -> event stream -> deltas   tells the caller: first token, done, end
//! ```
//!
//! The caller writes its request itself, on a blocking socket, so that a slow upload is its own affair. There is no pool,
//! no retry, no redirect, and no proxy that was not asked for.

use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::clock::{Clock, Monotonic, Stamp};
use crate::wire::http1::Method;

mod decoder;
mod dial;
mod exchange;
mod reader;
pub mod stamp;
mod tls;

pub use decoder::{Event, FlightId, News};
pub use dial::{DialError, Dialled, Proxy, Route, Target};
pub use exchange::{Arrivals, Ending, Exchange, Keep, Pulse};
pub use tls::Trust;

use decoder::{Flight, Line, Message};
use exchange::Incoming;
use reader::{ConnectionId, Reader};

/// Lets this process have as many sockets as it may: thousands of streams need more than the 1,024 of a usual shell.
pub fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    // Refused, the old limit stands, and whoever needs more finds out.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// Where receive stamps are to come from (`--stamps`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StampSource {
    /// The kernel, where it gives any.
    Kernel,
    /// The clock at the read.
    Read,
}

/// The reader and the decoder. Dropping it stops the reader; the decoder ends with the last connection.
#[derive(Debug)]
pub struct Stopwatch {
    reader: Reader,
    messages: Sender<Message>,
    sentinel: Option<stamp::Sentinel>,
    next: AtomicU64,
}

/// An open connection. Dropping it closes it.
#[derive(Debug)]
pub struct Connection {
    id: ConnectionId,
    socket: Arc<TcpStream>,
    line: Arc<Line>,
    reader: Arc<reader::Shared>,
    messages: Sender<Message>,
    pub dialled: Dialled,
    /// When the last request on it ended, for whoever reuses it.
    pub idle_since: Stamp,
}

/// A request ready to be handed over.
#[derive(Debug)]
pub struct Outgoing<'a> {
    pub flight: FlightId,
    pub method: Method,
    /// Head and body.
    pub bytes: &'a [u8],
    pub keep: Keep,
}

/// A request that was handed over.
#[derive(Debug)]
pub struct Sent {
    /// Just before the first byte was handed to the kernel.
    pub at: Stamp,
    /// Just after the last byte was; or why it was not.
    pub end: io::Result<Stamp>,
    pub pulse: Pulse,
}

impl Stopwatch {
    /// Starts the two threads, and with [`StampSource::Kernel`] waits until the kernel stamps.
    ///
    /// # Errors
    /// When the system has no thread, epoll or eventfd left. A kernel without stamps is no error.
    pub fn start(source: StampSource) -> io::Result<Stopwatch> {
        let sentinel = match source {
            StampSource::Kernel => stamp::Sentinel::open().ok(),
            StampSource::Read => None,
        };
        let (sender, receiver) = mpsc::channel();
        let reader = Reader::start(sender.clone())?;
        std::thread::Builder::new().name("decoder".to_owned()).spawn(move || decoder::run(&receiver))?;
        Ok(Stopwatch { reader, messages: sender, sentinel, next: AtomicU64::new(0) })
    }

    /// Where receive stamps come from as things are.
    pub fn source(&self) -> StampSource {
        if self.sentinel.is_some() { StampSource::Kernel } else { StampSource::Read }
    }

    /// Opens a connection, blocking for at most `limit` a step.
    ///
    /// # Errors
    /// [`DialError`]: refused, no TLS, and so on. Nothing is tried twice.
    pub fn open(&self, route: &Route, limit: Duration) -> Result<Connection, DialError> {
        let (socket, session, dialled) = route.dial(self.sentinel.is_some(), limit)?;
        let unwatched = |reason| DialError::Connect { target: route.target.to_string(), reason };
        let id = ConnectionId(self.next.fetch_add(1, Ordering::Relaxed));
        let line = Arc::new(Line { tls: session.map(Mutex::new), dead: false.into() });
        let connection = Connection {
            id,
            socket: Arc::new(socket),
            line: line.clone(),
            reader: self.reader.shared(),
            messages: self.messages.clone(),
            dialled,
            idle_since: Monotonic.now(),
        };
        connection.tell(Message::Open { connection: id, line });
        connection.reader.watch(id, connection.socket.clone()).map_err(unwatched)?;
        Ok(connection)
    }
}

impl Connection {
    /// Whether a request may still go out on it, as far as is known.
    pub fn is_alive(&self) -> bool {
        !self.line.dead.load(Ordering::Acquire)
    }

    /// Hands a request over. What becomes of it is told to `news`, ending with exactly one [`Event::End`], unless the
    /// stopwatch is dropped before. A failure to write shows in [`Sent::end`], and the end comes all the same: a server
    /// that answers early and closes is heard.
    pub fn send(&mut self, outgoing: &Outgoing<'_>, news: Sender<News>) -> Sent {
        let pulse = Pulse::default();
        let incoming = Incoming::new(outgoing.method, outgoing.keep, pulse.clone());
        let flight = Box::new(Flight { id: outgoing.flight, incoming, news });
        self.tell(Message::Expect { connection: self.id, flight });
        let sealed = match &self.line.tls {
            None => Ok(None),
            Some(session) => session.lock().unwrap_or_else(PoisonError::into_inner).seal(outgoing.bytes).map(Some),
        };
        let at = Monotonic.now();
        let end = sealed.and_then(|sealed| {
            (&*self.socket).write_all(sealed.as_deref().unwrap_or(outgoing.bytes))?;
            Ok(Monotonic.now())
        });
        if end.is_err() {
            self.line.dead.store(true, Ordering::Release);
        }
        Sent { at, end, pulse }
    }

    /// Stops waiting for the request under way: its [`Event::End`] comes at once, with what had arrived.
    pub fn abandon(&mut self) {
        self.line.dead.store(true, Ordering::Release);
        self.tell(Message::Abandon { connection: self.id });
    }

    fn tell(&self, message: Message) {
        // Fails only when the decoder is gone, and then the stopwatch is being dropped.
        let _ = self.messages.send(message);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.reader.unwatch(self.id);
        self.tell(Message::Close { connection: self.id });
    }
}

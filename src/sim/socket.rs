//! The accepted connection as hyper sees it: every read and every write passes here, and here they are stamped.
//!
//! A stamp taken where a body is handed to hyper would be too early by whatever hyper and the runtime do until the
//! bytes are written; so what is to be stamped is left with the [`Wire`] as a [`Mark`] and stamped just before the
//! write.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

use super::truth::Record;
use crate::clock::{BothClocks, Clock, Monotonic, ReceiveClock, Stamp};
use crate::net::stamp;

/// The connection.
pub(super) struct Socket {
    stream: TcpStream,
    wire: Arc<Wire>,
    clock: ReceiveClock,
}

/// What the connection and the requests on it know of each other.
pub(super) struct Wire {
    /// Numbers the connection, from 1.
    pub connection: u64,
    received_ns: AtomicU64,
    marks: Mutex<Vec<Mark>>,
    reset: AtomicBool,
    begun: AtomicU64,
    in_flight: AtomicU64,
    idle_ns: AtomicU64,
}

/// A request's turn on its connection, from its head to the end of its answer.
pub(super) struct Turn {
    pub wire: Arc<Wire>,
    /// Numbers the request on its connection, from 1.
    pub nth: u64,
}

impl Turn {
    pub fn begin(wire: Arc<Wire>) -> Turn {
        wire.in_flight.fetch_add(1, Ordering::Relaxed);
        let nth = wire.begun.fetch_add(1, Ordering::Relaxed) + 1;
        Turn { wire, nth }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.wire.idle_ns.store(Monotonic.now().0, Ordering::Relaxed);
        self.wire.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A token that goes out with the next write.
pub(super) struct Mark {
    pub record: Arc<Record>,
    pub planned: Stamp,
}

impl Wire {
    pub fn new(connection: u64) -> Wire {
        Wire {
            connection,
            received_ns: AtomicU64::default(),
            marks: Mutex::default(),
            reset: AtomicBool::default(),
            begun: AtomicU64::default(),
            in_flight: AtomicU64::default(),
            idle_ns: AtomicU64::new(Monotonic.now().0),
        }
    }

    /// Since when no request is on the connection; `None` while one is.
    pub fn idle_since(&self) -> Option<Stamp> {
        let is_idle = self.in_flight.load(Ordering::Relaxed) == 0;
        is_idle.then(|| Stamp(self.idle_ns.load(Ordering::Relaxed)))
    }

    /// When the last bytes were received.
    pub fn received(&self) -> Stamp {
        Stamp(self.received_ns.load(Ordering::Relaxed))
    }

    /// Asks for a stamp of the next write.
    pub fn mark(&self, mark: Mark) {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner).push(mark);
    }

    /// Makes the connection end with a reset and not with a FIN when it is dropped.
    pub fn reset(&self) {
        self.reset.store(true, Ordering::Relaxed);
    }

    fn stamp_marks(&self) {
        let mut marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        if !marks.is_empty() {
            let now = Monotonic.now();
            marks.drain(..).for_each(|mark| mark.record.wrote(now, mark.planned));
        }
    }
}

impl Socket {
    /// Where the kernel gives no receive stamps, the clock at the read has to do.
    pub fn new(stream: TcpStream, wire: Arc<Wire>) -> Socket {
        let _ = stamp::enable(&stream);
        Socket { stream, wire, clock: ReceiveClock::starting(BothClocks::read()) }
    }

    /// Reads what is there and keeps when it was received.
    fn receive(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let received = self.stream.try_io(Interest::READABLE, || stamp::receive(&self.stream, into))?;
        let now = BothClocks::read();
        let at = received.kernel_wall_ns.and_then(|wall_ns| self.clock.convert(now, wall_ns));
        self.wire.received_ns.store(at.unwrap_or(now.at).0, Ordering::Relaxed);
        Ok(received.len)
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.stream.poll_read_ready(cx))?;
            match self.receive(into.initialize_unfilled()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                read => return Poll::Ready(read.map(|read| into.advance(read))),
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.wire.stamp_marks();
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.wire.reset.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.wire.reset.load(Ordering::Relaxed) {
            // A connection that cannot be reset is closed, which is all that is left to do with it.
            let _ = rustix::net::sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO));
        }
    }
}

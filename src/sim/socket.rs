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

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::truth::Record;
use crate::clock::{Clock, Monotonic, Stamp};

/// The connection.
pub(super) struct Socket {
    stream: TcpStream,
    wire: Arc<Wire>,
}

/// What the connection and the requests on it know of each other.
#[derive(Default)]
pub(super) struct Wire {
    received_ns: AtomicU64,
    marks: Mutex<Vec<Mark>>,
    reset: AtomicBool,
    /// Requests that came on this connection.
    pub requests: AtomicU64,
    /// Numbers the connection.
    pub connection: u64,
}

/// A token that goes out with the next write.
pub(super) struct Mark {
    pub record: Arc<Record>,
    pub planned: Stamp,
}

impl Wire {
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
    pub fn new(stream: TcpStream, wire: Arc<Wire>) -> Socket {
        Socket { stream, wire }
    }

    /// Reads what is there and stamps it.
    fn receive(&self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.try_read(into)?;
        self.wire.received_ns.store(Monotonic.now().0, Ordering::Relaxed);
        Ok(read)
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
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

//! Kernel receive stamps: the moment a segment came in, not the moment somebody read it.
//!
//! Linux stamps a TCP segment in software when it is received and hands the stamp over with the bytes, as a control
//! message of `recvmsg` (`SO_TIMESTAMPING`, kernel documentation "networking/timestamping"). What to know of it:
//!
//! * The stamp is `CLOCK_REALTIME`; [`crate::clock::ReceiveClock`] carries it over to the monotonic clock.
//! * Segments that wait unread are merged, and the merged one carries the LAST segment's stamp. A stamp is exact for
//!   what came last in a read and an upper bound for everything before it.
//! * Stamping is switched on asynchronously when the first socket asks for it, so that the first stamps of a process can
//!   be missing. A [`Sentinel`] waits for the switch and keeps it on.
//! * Only receive stamps are asked for. Transmit stamps set EPOLLERR on the socket and stall event-loop writers; the
//!   clock just before the write is within 3 µs of them.
//!
//! This file holds the only `unsafe` of the crate: no safe crate exposes this control message.
#![allow(unsafe_code)]

use std::io;
use std::mem;
use std::net::UdpSocket;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use crate::clock::{Clock, Monotonic};

/// How long the kernel may take to switch stamping on. It was seen to take up to a few milliseconds.
const SWITCH_ON: Duration = Duration::from_millis(250);

/// What one receive yielded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// Bytes received; 0 at the end of the stream.
    pub len: usize,
    /// The kernel's stamp of the last segment among them, nanoseconds since 1970 on the wall clock.
    pub kernel_wall_ns: Option<u64>,
}

/// Asks the kernel to stamp what this socket receives.
///
/// # Errors
/// When the system has no such stamps; the socket works on without them.
pub fn enable(socket: impl AsFd) -> io::Result<()> {
    let flags: libc::c_uint = libc::SOF_TIMESTAMPING_RX_SOFTWARE | libc::SOF_TIMESTAMPING_SOFTWARE;
    // SAFETY: the descriptor is borrowed and so open for the whole call; the option's value is a live `c_uint` and its
    // true size is given.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_TIMESTAMPING,
            (&raw const flags).cast(),
            mem::size_of_val(&flags) as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Receives what is there into `buffer`, without waiting.
///
/// # Errors
/// `WouldBlock` when nothing is there, and whatever the connection died of.
pub fn receive(socket: impl AsFd, buffer: &mut [u8]) -> io::Result<Received> {
    loop {
        match receive_once(socket.as_fd(), buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

fn receive_once(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Received> {
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // Room for the three timespecs of SCM_TIMESTAMPING and to spare; u64 for the alignment that headers need.
    let mut control = [0u64; 16];
    // SAFETY: `msghdr` is a plain C struct for which all zeroes is a valid value.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = mem::size_of_val(&control) as _;
    // SAFETY: `message` points at one iovec over `buffer` and at `control`, both live and exclusively borrowed for the
    // call, each with its true length.
    let len = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_DONTWAIT) };
    let len = usize::try_from(len).map_err(|_| io::Error::last_os_error())?;
    Ok(Received { len, kernel_wall_ns: stamp_of(&message) })
}

/// The software stamp among the control messages of a received message.
fn stamp_of(message: &libc::msghdr) -> Option<u64> {
    // SAFETY: `message` was filled in by a successful recvmsg, and its control buffer is still alive.
    let mut header = unsafe { libc::CMSG_FIRSTHDR(message) };
    while !header.is_null() {
        // SAFETY: CMSG_FIRSTHDR and CMSG_NXTHDR return null or a header that lies wholly inside the control buffer.
        let (level, kind) = unsafe { ((*header).cmsg_level, (*header).cmsg_type) };
        if level == libc::SOL_SOCKET && kind == libc::SCM_TIMESTAMPING {
            // SAFETY: a control message of this kind carries three timespecs, of which the first is the software
            // stamp; the read does not assume alignment.
            let time = unsafe { libc::CMSG_DATA(header).cast::<libc::timespec>().read_unaligned() };
            let whole = u64::try_from(time.tv_sec).ok()?.checked_mul(1_000_000_000)?;
            return whole.checked_add(u64::try_from(time.tv_nsec).ok()?).filter(|&ns| ns > 0);
        }
        // SAFETY: as for CMSG_FIRSTHDR; `header` is a header of this very message.
        header = unsafe { libc::CMSG_NXTHDR(message, header) };
    }
    None
}

/// A socket that keeps the kernel's stamping switched on for as long as it lives.
#[derive(Debug)]
pub struct Sentinel {
    socket: UdpSocket,
}

impl Sentinel {
    /// Switches stamping on, and waits until it is: sends itself datagrams until one arrives with a stamp.
    ///
    /// # Errors
    /// When no socket can be had, or the kernel gives no stamps (`Unsupported`).
    pub fn open() -> io::Result<Sentinel> {
        let socket = UdpSocket::bind(("127.0.0.1", 0))?;
        enable(&socket)?;
        socket.connect(socket.local_addr()?)?;
        let sentinel = Sentinel { socket };
        let deadline = Monotonic.now().after(SWITCH_ON);
        while Monotonic.now() < deadline {
            if sentinel.echo()? {
                return Ok(sentinel);
            }
        }
        Err(io::Error::new(io::ErrorKind::Unsupported, "the kernel stamps nothing it receives"))
    }

    /// Whether a datagram sent to ourselves came back with a stamp.
    fn echo(&self) -> io::Result<bool> {
        self.socket.send(&[0])?;
        match receive(&self.socket, &mut [0; 8]) {
            Ok(received) => Ok(received.kernel_wall_ns.is_some()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    use super::*;
    use crate::clock::BothClocks;

    #[expect(clippy::disallowed_methods, reason = "a pair of sockets to receive on")]
    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (client, listener.accept().unwrap().0)
    }

    fn receive_some(socket: &TcpStream, buffer: &mut [u8]) -> Received {
        loop {
            match receive(socket, buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::yield_now(),
                result => return result.unwrap(),
            }
        }
    }

    #[test]
    fn a_stamp_lies_between_the_write_and_the_read() {
        let _sentinel = Sentinel::open().unwrap();
        let (client, mut server) = pair();
        enable(&client).unwrap();
        for _ in 0..50 {
            let before = BothClocks::read().wall_ns;
            server.write_all(b"token").unwrap();
            let received = receive_some(&client, &mut [0; 64]);
            let after = BothClocks::read().wall_ns;
            assert_eq!(received.len, 5);
            let stamp = received.kernel_wall_ns.expect("stamping is on");
            assert!((before..=after).contains(&stamp), "{before} {stamp} {after}");
        }
    }

    #[test]
    fn a_socket_that_did_not_ask_gets_no_stamp() {
        let (client, mut server) = pair();
        server.write_all(b"token").unwrap();
        assert_eq!(receive_some(&client, &mut [0; 64]), Received { len: 5, kernel_wall_ns: None });
    }

    #[test]
    fn an_empty_socket_would_block_and_a_closed_one_is_at_its_end() {
        let (client, server) = pair();
        assert_eq!(receive(&client, &mut [0; 8]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(server);
        assert_eq!(receive_some(&client, &mut [0; 8]).len, 0);
    }
}

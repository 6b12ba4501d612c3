//! Opening connections: resolve, connect, tunnel through a proxy if asked, TLS.
//!
//! A host name is resolved once and its addresses are kept, so that no later request pays for DNS or a second family:
//! IPv4 comes first, since a server that listens on 127.0.0.1 alone makes every `localhost` that tries ::1 first slow.
//! All of this ends before the clock of a request starts. There is no happy-eyeballs race and no retry.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use base64::Engine as _;

use super::stamp;
use super::tls::{Session, Trust};
use crate::clock::{Clock, Monotonic, Stamp};
use crate::wire::http1::{Head, Method, Part, ResponseDecoder};

/// A server to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub tls: bool,
    pub host: String,
    pub port: u16,
}

impl Target {
    /// The value of the `Host` header: the port is left out where it is the scheme's own.
    pub fn authority(&self) -> String {
        let usual = if self.tls { 443 } else { 80 };
        if self.port == usual { self.host.clone() } else { self.to_string() }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// A proxy that opens tunnels (`CONNECT`, RFC 9110 section 9.3.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    pub host: String,
    pub port: u16,
    /// `user:password`, where the proxy wants it.
    pub userinfo: Option<String>,
}

/// How to reach a target.
#[derive(Debug, Clone)]
pub struct Route {
    pub target: Target,
    pub proxy: Option<Proxy>,
    pub trust: Trust,
    addresses: Vec<SocketAddr>,
}

/// The moments of a dial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialled {
    pub began: Stamp,
    pub connected: Stamp,
    /// TLS was up; `None` without TLS.
    pub secured: Option<Stamp>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    #[error("cannot resolve the host name {host:?}: {reason}")]
    Resolve { host: String, reason: io::Error },
    #[error("cannot connect to {target}: {reason}")]
    Connect { target: String, reason: io::Error },
    #[error("the proxy at {proxy} did not open a tunnel to {target}: {reason}")]
    Proxy { proxy: String, target: String, reason: String },
    #[error("no TLS with {target}: {reason}")]
    Tls { target: String, reason: String },
}

impl DialError {
    /// Where it failed, as the log names it.
    pub fn phase(&self) -> &'static str {
        match self {
            DialError::Resolve { .. } => "resolve",
            DialError::Connect { .. } => "connect",
            DialError::Proxy { .. } => "proxy",
            DialError::Tls { .. } => "tls",
        }
    }
}

impl Route {
    /// Resolves the host to connect to, which is the proxy where there is one, and pins its addresses.
    ///
    /// # Errors
    /// [`DialError::Resolve`].
    pub fn resolve(target: Target, proxy: Option<Proxy>, trust: Trust) -> Result<Route, DialError> {
        let (host, port) = match &proxy {
            Some(proxy) => (proxy.host.as_str(), proxy.port),
            None => (target.host.as_str(), target.port),
        };
        let unresolved = |reason| DialError::Resolve { host: host.to_owned(), reason };
        // URLs write an IPv6 address in brackets, the resolver wants it bare.
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let mut addresses: Vec<_> = (bare, port).to_socket_addrs().map_err(unresolved)?.collect();
        addresses.sort_by_key(SocketAddr::is_ipv6);
        if addresses.is_empty() {
            return Err(unresolved(io::Error::new(io::ErrorKind::NotFound, "it has no address")));
        }
        Ok(Route { target, proxy, trust, addresses })
    }

    /// The addresses that a dial tries, in this order.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Connects to each address by itself and hangs up: whether somebody listens there.
    pub fn listeners(&self, limit: Duration) -> Vec<(SocketAddr, bool)> {
        self.addresses.iter().map(|address| (*address, open(address, limit).is_ok())).collect()
    }

    /// Opens a connection, with kernel stamps asked for when `stamped`.
    pub(super) fn dial(
        &self,
        stamped: bool,
        limit: Duration,
    ) -> Result<(TcpStream, Option<Session>, Dialled), DialError> {
        let began = Monotonic.now();
        let mut socket = self.connect(limit)?;
        if stamped {
            // Without them the clock at the read serves, and the sample says so.
            let _ = stamp::enable(&socket);
        }
        if let Some(proxy) = &self.proxy {
            self.tunnel(proxy, &mut socket)?;
        }
        let connected = Monotonic.now();
        if !self.target.tls {
            return Ok((socket, None, Dialled { began, connected, secured: None }));
        }
        let untrusted = |reason: String| DialError::Tls { target: self.target.to_string(), reason };
        let mut session = Session::new(&self.trust, &self.target.host).map_err(untrusted)?;
        session.shake_hands(&mut socket).map_err(|error| untrusted(error.to_string()))?;
        Ok((socket, Some(session), Dialled { began, connected, secured: Some(Monotonic.now()) }))
    }

    fn connect(&self, limit: Duration) -> Result<TcpStream, DialError> {
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for address in &self.addresses {
            match open(address, limit) {
                Ok(socket) => return Ok(socket),
                Err(reason) => last = reason,
            }
        }
        let target =
            self.proxy.as_ref().map_or(self.target.to_string(), |p| format!("the proxy {}:{}", p.host, p.port));
        Err(DialError::Connect { target, reason: last })
    }

    /// Asks the proxy for a tunnel, and reads its answer byte by byte, since what follows belongs to the tunnel.
    fn tunnel(&self, proxy: &Proxy, socket: &mut TcpStream) -> Result<(), DialError> {
        let refused = |reason: String| DialError::Proxy {
            proxy: format!("{}:{}", proxy.host, proxy.port),
            target: self.target.to_string(),
            reason,
        };
        let login = proxy.userinfo.as_ref().map_or(String::new(), |userinfo| {
            let token = base64::engine::general_purpose::STANDARD.encode(userinfo);
            format!("Proxy-Authorization: Basic {token}\r\n")
        });
        let ask = format!("CONNECT {0} HTTP/1.1\r\nHost: {0}\r\n{login}\r\n", self.target);
        let status = socket.write_all(ask.as_bytes()).and_then(|()| answer_of(socket));
        match status.map_err(|error| refused(error.to_string()))? {
            200..=299 => Ok(()),
            407 => Err(refused("it wants a login; give --proxy http://USER:PASSWORD@HOST:PORT".to_owned())),
            status => Err(refused(format!("it answered {status}"))),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that opens sockets")]
fn open(address: &SocketAddr, limit: Duration) -> io::Result<TcpStream> {
    let socket = TcpStream::connect_timeout(address, limit)?;
    // A system that knows none of these options still has a connection.
    let _ = socket.set_nodelay(true);
    // A peer that accepts and then says nothing must not hold up a handshake for ever.
    let _ = socket.set_read_timeout(Some(limit)).and_then(|()| socket.set_write_timeout(Some(limit)));
    Ok(socket)
}

/// The status of the head that comes next.
fn answer_of(socket: &mut TcpStream) -> io::Result<u16> {
    let mut decoder = ResponseDecoder::new(Method::Connect);
    let mut status = None;
    let mut byte = [0];
    while status.is_none() {
        socket.read_exact(&mut byte)?;
        let mut note = |part: Part<'_>| {
            if let Part::Head(Head { status: found, .. }) = part {
                status = Some(*found);
            }
        };
        decoder.push(&byte, &mut note).map_err(|error| io::Error::other(error.to_string()))?;
    }
    status.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
}

//! Servers that stand between the program and the simulated endpoint: one that speaks TLS, one that opens tunnels, and one
//! that answers what it is told to.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use rcgen::CertifiedKey;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// Serves every connection to a free port, each in a thread, for as long as the test runs.
#[expect(clippy::disallowed_methods, reason = "a stand-in's own socket")]
pub fn serve(connection: impl Fn(TcpStream) -> io::Result<()> + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("its number");
    let connection = Arc::new(connection);
    std::thread::spawn(move || {
        for accepted in listener.incoming().flatten() {
            let connection = connection.clone();
            // A client that hangs up early is the client's affair.
            std::thread::spawn(move || connection(accepted));
        }
    });
    address
}

#[expect(clippy::disallowed_methods, reason = "a stand-in's own socket")]
fn connect(to: SocketAddr) -> io::Result<TcpStream> {
    TcpStream::connect(to)
}

/// A head, and a body of the length it names.
pub fn request(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut from = BufReader::new(from);
    let mut bytes = Vec::new();
    let mut length = 0;
    loop {
        let start = bytes.len();
        if from.read_until(b'\n', &mut bytes)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = String::from_utf8_lossy(&bytes[start..]).to_lowercase();
        if let Some(number) = line.strip_prefix("content-length:") {
            length = number.trim().parse().map_err(io::Error::other)?;
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let head = bytes.len();
    bytes.resize(head + length, 0);
    from.read_exact(&mut bytes[head..])?;
    Ok(bytes)
}

/// The server `to` behind TLS, with the certificate of `identity`; one request a connection.
pub fn tls(to: SocketAddr, identity: &CertifiedKey<rcgen::KeyPair>) -> SocketAddr {
    let key = PrivateKeyDer::try_from(identity.signing_key.serialize_der()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions of TLS")
        .with_no_client_auth()
        .with_single_cert(vec![identity.cert.der().clone()], key);
    let config = Arc::new(config.expect("an identity"));
    serve(move |socket| {
        let session = ServerConnection::new(config.clone()).map_err(io::Error::other)?;
        let mut client = StreamOwned::new(session, socket);
        let mut server = connect(to)?;
        server.write_all(&request(&mut client)?)?;
        io::copy(&mut server, &mut client)?;
        client.conn.send_close_notify();
        client.flush()
    })
}

/// A proxy that answers CONNECT with `status`, and opens the tunnel, to whatever was asked for, when that is 200.
pub fn proxy(status: &'static str) -> SocketAddr {
    serve(move |mut client| {
        let head = String::from_utf8(request(&mut client)?).map_err(io::Error::other)?;
        write!(client, "HTTP/1.1 {status}\r\n\r\n")?;
        let target = head.split(' ').nth(1).unwrap_or_default();
        let (true, Ok(to)) = (head.starts_with("CONNECT ") && status.starts_with("200"), target.parse()) else {
            return Ok(());
        };
        let (mut upward, mut downward) = (connect(to)?, client.try_clone()?);
        let mut server = upward.try_clone()?;
        std::thread::spawn(move || {
            let _ = io::copy(&mut server, &mut downward);
            let _ = downward.shutdown(Shutdown::Write);
        });
        io::copy(&mut client, &mut upward)?;
        upward.shutdown(Shutdown::Write)
    })
}

/// A server that answers a request for a path with a status, a content type and a body.
pub fn answers(answer: impl Fn(&str) -> (u16, &'static str, String) + Send + Sync + 'static) -> SocketAddr {
    serve(move |mut client| {
        let request = String::from_utf8(request(&mut client)?).map_err(io::Error::other)?;
        let (status, kind, body) = answer(request.split(' ').nth(1).unwrap_or_default());
        let length = body.len();
        write!(client, "HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n{body}")
    })
}

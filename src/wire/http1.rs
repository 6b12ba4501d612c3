//! HTTP/1.1: a request as bytes, a response from bytes (RFC 9110, RFC 9112).
//!
//! A client for measuring, so much is deliberately absent: no redirect is followed, no compression is offered (a
//! compressing middleware holds a stream back), no `Expect` (it costs a round trip, or a second against a server that
//! ignores it), no upgrade, no pipelining.

mod chunked;
mod head;
mod response;

pub use head::Head;
pub use response::{Error, Part, ResponseDecoder};

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Get,
    Post,
    Options,
    /// A tunnel through a proxy; the target is `host:port`.
    Connect,
}

impl Method {
    fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Options => "OPTIONS",
            Method::Connect => "CONNECT",
        }
    }
}

/// What becomes of the connection after the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    Close,
    KeepAlive,
}

/// A request, not yet bytes.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    pub method: Method,
    /// Path and query, or `host:port` for [`Method::Connect`].
    pub target: &'a str,
    /// The `Host` header: the port belongs to it unless it is the scheme's own.
    pub host: &'a str,
    pub connection: Connection,
    /// Further headers. One that bears the name of a default below replaces it; those that frame the message
    /// (`Connection`, `Content-Length`, `Transfer-Encoding`) are not the caller's and are left out.
    pub headers: &'a [(&'a str, &'a str)],
    /// JSON, where there is one.
    pub body: Option<&'a [u8]>,
}

const FRAMING: [&str; 3] = ["connection", "content-length", "transfer-encoding"];

impl Request<'_> {
    /// The whole request, body included, so that one buffer can be handed to the kernel.
    ///
    /// CR, LF and NUL would end a header early; they become spaces (RFC 9110, 5.5).
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512 + self.body.map_or(0, <[u8]>::len));
        put(&mut out, self.method.as_str());
        out.push(b' ');
        put(&mut out, self.target);
        out.extend_from_slice(b" HTTP/1.1\r\n");
        for (name, value) in self.defaults() {
            if !self.headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name)) {
                put_header(&mut out, name, value);
            }
        }
        for (name, value) in self.headers {
            if !FRAMING.iter().any(|ours| ours.eq_ignore_ascii_case(name)) {
                put_header(&mut out, name, value);
            }
        }
        let connection = if self.connection == Connection::Close { "close" } else { "keep-alive" };
        put_header(&mut out, "Connection", connection);
        if self.method == Method::Post || self.body.is_some() {
            put_header(&mut out, "Content-Length", &self.body.map_or(0, <[u8]>::len).to_string());
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(self.body.unwrap_or_default());
        out
    }

    fn defaults(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let json = self.body.is_some().then_some(("Content-Type", "application/json"));
        [
            ("Host", self.host),
            ("User-Agent", concat!("ttft/", env!("CARGO_PKG_VERSION"))),
            ("Accept", "*/*"),
            ("Accept-Encoding", "identity"),
        ]
        .into_iter()
        .chain(json)
    }
}

fn put_header(out: &mut Vec<u8>, name: &str, value: &str) {
    put(out, name);
    out.extend_from_slice(b": ");
    put(out, value);
    out.extend_from_slice(b"\r\n");
}

fn put(out: &mut Vec<u8>, text: &str) {
    out.extend(text.bytes().map(|byte| if matches!(byte, b'\r' | b'\n' | 0) { b' ' } else { byte }));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request<'a>(headers: &'a [(&'a str, &'a str)], body: Option<&'a [u8]>) -> Request<'a> {
        Request {
            method: if body.is_some() { Method::Post } else { Method::Get },
            target: "/v1/models",
            host: "localhost:8000",
            connection: Connection::Close,
            headers,
            body,
        }
    }

    fn text(request: Request<'_>) -> String {
        String::from_utf8(request.encode()).unwrap()
    }

    #[test]
    fn a_request_without_a_body_announces_no_length() {
        let sent = text(request(&[("Authorization", "Bearer EMPTY")], None));
        assert!(sent.starts_with("GET /v1/models HTTP/1.1\r\nHost: localhost:8000\r\n"), "{sent}");
        assert!(sent.ends_with("Authorization: Bearer EMPTY\r\nConnection: close\r\n\r\n"), "{sent}");
        assert!(sent.contains("Accept-Encoding: identity\r\n"), "{sent}");
        for absent in ["Content-Length", "Content-Type", "Expect"] {
            assert!(!sent.contains(absent), "{sent}");
        }
    }

    #[test]
    fn a_body_comes_last_and_its_length_is_announced() {
        let sent = text(request(&[], Some(b"{\"n\":1}")));
        assert!(sent.contains("Content-Type: application/json\r\n"), "{sent}");
        assert!(sent.ends_with("Content-Length: 7\r\n\r\n{\"n\":1}"), "{sent}");
    }

    #[test]
    fn a_post_without_a_body_says_so() {
        let bare = Request { method: Method::Post, connection: Connection::KeepAlive, ..request(&[], None) };
        assert!(text(bare).ends_with("Connection: keep-alive\r\nContent-Length: 0\r\n\r\n"));
    }

    #[test]
    fn a_given_header_replaces_the_default_of_its_name() {
        let sent = text(request(&[("host", "other"), ("content-type", "text/plain")], Some(b"x")));
        assert_eq!(sent.to_ascii_lowercase().matches("\r\nhost: ").count(), 1, "{sent}");
        assert!(sent.contains("host: other\r\n") && sent.contains("content-type: text/plain\r\n"), "{sent}");
    }

    #[test]
    fn a_given_header_cannot_touch_the_framing() {
        let given = [("Content-Length", "99"), ("transfer-encoding", "chunked"), ("X-A", "1\r\nX-B: 2\r\n\r\nGET")];
        let sent = text(request(&given, Some(b"x")));
        assert!(sent.contains("Content-Length: 1\r\n") && !sent.contains("99") && !sent.contains("chunked"), "{sent}");
        assert_eq!(sent.matches("\r\n\r\n").count(), 1, "{sent}");
        assert!(!sent.contains("\r\nX-B"), "{sent}");
    }
}

//! A response, decoded as its bytes arrive.

use super::Method;
use super::chunked::Chunked;
use super::head::{Framing, Head};

/// Longest head. vLLM's and llama.cpp's are 200 bytes, a gateway's a few thousand.
const MAX_HEAD: usize = 64 * 1024;
/// Most headers.
const MAX_HEADERS: usize = 256;

/// What a push can bring, in this order: one head, any number of body pieces, one end.
#[derive(Debug)]
pub enum Part<'a> {
    Head(&'a Head),
    Body(&'a [u8]),
    End,
}

/// Why the bytes are not the answer they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the answer is not HTTP/1: {0}")]
    NotHttp(httparse::Error),
    #[error("the answer's head is longer than {MAX_HEAD} bytes or {MAX_HEADERS} headers")]
    HeadTooLong,
    #[error("the server switched to another protocol unasked (101)")]
    SwitchedProtocols,
    #[error("the answer's body has the transfer coding {0:?}, which was not asked for")]
    TransferEncoding(String),
    #[error("the answer's Content-Length is {0:?}")]
    ContentLength(String),
    #[error("the answer's chunked body has {0}")]
    Chunk(&'static str),
    #[error("{bytes} bytes followed the end of the answer")]
    Surplus { bytes: usize },
    #[error("the server closed the connection without an answer")]
    Unanswered,
    #[error("the connection closed within the answer's head")]
    TruncatedHead,
    #[error("the connection closed within the answer's body")]
    TruncatedBody,
}

/// Turns the bytes of one connection, split anywhere, into one response.
///
/// Interim answers (1xx) are passed over. After an error the decoder is of no further use.
#[derive(Debug)]
pub struct ResponseDecoder {
    asked: Method,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The head's bytes so far.
    Head(Vec<u8>),
    Length(u64),
    Chunked(Chunked),
    UntilClose,
    Ended,
}

impl ResponseDecoder {
    /// `asked` decides whether there is a body: a tunnel has none.
    pub fn new(asked: Method) -> ResponseDecoder {
        ResponseDecoder { asked, state: State::Head(Vec::new()) }
    }

    /// Whether [`Part::End`] has been handed out.
    pub fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// Decodes the next bytes. Parts found before an error have been handed out.
    pub fn push(&mut self, mut bytes: &[u8], out: &mut impl FnMut(Part<'_>)) -> Result<(), Error> {
        while !bytes.is_empty() {
            match &mut self.state {
                State::Head(kept) => {
                    let Some(head) = take_head(kept, &mut bytes)? else { continue };
                    self.begin_body(&head, out)?;
                }
                State::Length(left) => {
                    let length = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                    let (data, rest) = bytes.split_at(length);
                    out(Part::Body(data));
                    bytes = rest;
                    *left -= length as u64;
                    if *left == 0 {
                        self.end(out);
                    }
                }
                State::Chunked(chunked) => {
                    chunked.take(&mut bytes, &mut |data| out(Part::Body(data)))?;
                    if chunked.is_done() {
                        self.end(out);
                    }
                }
                State::UntilClose => {
                    out(Part::Body(bytes));
                    return Ok(());
                }
                State::Ended => return Err(Error::Surplus { bytes: bytes.len() }),
            }
        }
        Ok(())
    }

    /// The peer has closed its side: the end of a body that only a close delimits, else an error unless all had come.
    pub fn eof(&mut self, out: &mut impl FnMut(Part<'_>)) -> Result<(), Error> {
        match &self.state {
            State::Ended => Ok(()),
            State::UntilClose => {
                self.end(out);
                Ok(())
            }
            State::Head(kept) if kept.is_empty() => Err(Error::Unanswered),
            State::Head(_) => Err(Error::TruncatedHead),
            State::Length(_) | State::Chunked(_) => Err(Error::TruncatedBody),
        }
    }

    fn begin_body(&mut self, head: &Head, out: &mut impl FnMut(Part<'_>)) -> Result<(), Error> {
        match head.status {
            101 => return Err(Error::SwitchedProtocols),
            100..=199 => {
                self.state = State::Head(Vec::new());
                return Ok(());
            }
            _ => {}
        }
        let framing = head.framing(self.asked)?;
        out(Part::Head(head));
        match framing {
            Framing::Empty | Framing::Length(0) => self.end(out),
            Framing::Length(length) => self.state = State::Length(length),
            Framing::Chunked => self.state = State::Chunked(Chunked::default()),
            Framing::UntilClose => self.state = State::UntilClose,
        }
        Ok(())
    }

    fn end(&mut self, out: &mut impl FnMut(Part<'_>)) {
        self.state = State::Ended;
        out(Part::End);
    }
}

/// The head, once it is whole; `bytes` then begins behind it.
fn take_head(kept: &mut Vec<u8>, bytes: &mut &[u8]) -> Result<Option<Head>, Error> {
    let before = kept.len();
    let room = bytes.len().min(MAX_HEAD - before);
    kept.extend_from_slice(&bytes[..room]);
    match parse_head(kept)? {
        Some((head, length)) => {
            *bytes = &bytes[length - before..];
            Ok(Some(head))
        }
        None if kept.len() == MAX_HEAD => Err(Error::HeadTooLong),
        None => {
            *bytes = &[];
            Ok(None)
        }
    }
}

fn parse_head(kept: &[u8]) -> Result<Option<(Head, usize)>, Error> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    match response.parse(kept) {
        Ok(httparse::Status::Complete(length)) => Ok(Some((Head::new(&response), length))),
        Ok(httparse::Status::Partial) => Ok(None),
        Err(httparse::Error::TooManyHeaders) => Err(Error::HeadTooLong),
        Err(error) => Err(Error::NotHttp(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What came of one response: status, body, whether it ended, and the error that stopped it.
    #[derive(Debug, Default, PartialEq)]
    struct Seen {
        status: u16,
        body: Vec<u8>,
        ended: bool,
        error: Option<Error>,
    }

    fn decode(asked: Method, pieces: &[&[u8]]) -> Seen {
        let mut seen = Seen::default();
        let mut decoder = ResponseDecoder::new(asked);
        let mut out = |part: Part<'_>| match part {
            Part::Head(head) => seen.status = head.status,
            Part::Body(data) => seen.body.extend_from_slice(data),
            Part::End => seen.ended = true,
        };
        let pushed = pieces.iter().try_for_each(|piece| decoder.push(piece, &mut out));
        seen.error = pushed.and_then(|()| decoder.eof(&mut out)).err();
        seen
    }

    /// The same whether the bytes come at once or one by one.
    fn answer(bytes: &[u8]) -> Seen {
        let whole = decode(Method::Post, &[bytes]);
        let singles: Vec<&[u8]> = bytes.chunks(1).collect();
        let single = decode(Method::Post, &singles);
        assert_eq!((whole.status, &whole.body, whole.ended), (single.status, &single.body, single.ended));
        whole
    }

    fn head(text: &str) -> Head {
        let mut found = None;
        let mut decoder = ResponseDecoder::new(Method::Get);
        let keep = &mut |part: Part<'_>| {
            if let Part::Head(head) = part {
                found = Some(head.clone());
            }
        };
        decoder.push(text.as_bytes(), keep).unwrap();
        found.expect("a whole head")
    }

    fn whole(status: u16, body: &str) -> Seen {
        Seen { status, body: body.into(), ended: true, error: None }
    }

    #[test]
    fn a_length_ends_the_body() {
        assert_eq!(answer(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"), whole(200, "hello"));
        assert_eq!(answer(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"), whole(404, ""));
        assert_eq!(answer(b"HTTP/1.1 204 No Content\r\n\r\n"), whole(204, ""));
    }

    #[test]
    fn chunks_extensions_and_trailers_are_taken_off() {
        let bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n\
            5;name=value\r\nhello\r\n00C\r\n, KV\r\ncache!\r\n0;last\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n";
        assert_eq!(answer(bytes), whole(200, "hello, KV\r\ncache!"));
    }

    #[test]
    fn chunk_lines_may_end_in_a_bare_line_feed() {
        assert_eq!(answer(b"HTTP/1.1 200 OK\ntransfer-encoding: chunked\n\n2\nok\n0\n\n"), whole(200, "ok"));
    }

    #[test]
    fn a_body_without_a_length_ends_with_the_connection() {
        assert_eq!(answer(b"HTTP/1.0 200 OK\r\n\r\ndata: 1\n\n"), whole(200, "data: 1\n\n"));
    }

    #[test]
    fn interim_answers_are_passed_over() {
        let bytes = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n\
            HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        assert_eq!(answer(bytes), whole(200, "ok"));
    }

    #[test]
    fn a_tunnel_is_open_when_its_head_ends_and_a_refused_one_has_a_body() {
        let opened = decode(Method::Connect, &[b"HTTP/1.1 200 Connection established\r\nContent-Length: 9\r\n\r\n"]);
        assert_eq!(opened, whole(200, ""));
        let refused = decode(Method::Connect, &[b"HTTP/1.1 407 Auth\r\nContent-Length: 2\r\n\r\nno"]);
        assert_eq!(refused, whole(407, "no"));
    }

    #[test]
    fn a_cut_is_told_from_an_end() {
        let cut = |bytes: &[u8]| answer(bytes).error;
        assert_eq!(cut(b""), Some(Error::Unanswered));
        assert_eq!(cut(b"HTTP/1.1 200 OK\r\nConte"), Some(Error::TruncatedHead));
        assert_eq!(cut(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell"), Some(Error::TruncatedBody));
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n";
        assert_eq!(cut(chunked), Some(Error::TruncatedBody));
    }

    #[test]
    fn bytes_behind_the_end_are_counted_and_refused() {
        let seen = decode(Method::Get, &[b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP"]);
        assert_eq!(seen, Seen { error: Some(Error::Surplus { bytes: 4 }), ..whole(200, "ok") });
    }

    #[test]
    fn what_is_not_http_is_refused_at_its_first_bytes() {
        for bytes in [&b"SSH-2.0-OpenSSH_9.2\r\n"[..], b"\x15\x03\x01\x00\x02\x02F", b"HTTP/2.0 200 OK\r\n"] {
            assert!(matches!(answer(bytes).error, Some(Error::NotHttp(_))), "{bytes:?}");
        }
    }

    #[test]
    fn a_head_has_a_bound() {
        let long = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(MAX_HEAD));
        assert_eq!(decode(Method::Get, &[long.as_bytes()]).error, Some(Error::HeadTooLong));
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: 1\r\n".repeat(MAX_HEADERS + 1));
        assert_eq!(decode(Method::Get, &[many.as_bytes()]).error, Some(Error::HeadTooLong));
    }

    #[test]
    fn contradictory_framing_is_refused() {
        let error = |headers: &str| answer(format!("HTTP/1.1 200 OK\r\n{headers}\r\n\r\nhello").as_bytes()).error;
        assert_eq!(error("Content-Length: 5\r\nContent-Length: 5"), None);
        assert_eq!(error("Content-Length: 5\r\nContent-Length: 4"), Some(Error::ContentLength("5".into())));
        assert_eq!(error("Content-Length: +5"), Some(Error::ContentLength("+5".into())));
        let coding = "gzip, chunked".to_owned();
        assert_eq!(error("Transfer-Encoding: gzip, chunked"), Some(Error::TransferEncoding(coding)));
    }

    #[test]
    fn a_broken_chunk_is_refused() {
        let error = |body: &str| {
            answer(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}").as_bytes()).error
        };
        for body in ["xyz\r\n", "+5\r\nhello", "\r\n", "10000000000000000\r\n", "2\r\nhello\r\n"] {
            assert!(matches!(error(body), Some(Error::Chunk(_))), "{body:?}");
        }
    }

    #[test]
    fn headers_are_found_whatever_their_case() {
        let head =
            head("HTTP/1.1 429 Slow down\r\nRETRY-AFTER: 7\r\ncontent-type: Text/Event-Stream; charset=utf-8\r\n\r\n");
        assert_eq!(head.retry_after(), Some("7"));
        assert_eq!(head.content_type(), Some("Text/Event-Stream"));
        assert!(head.is_event_stream());
        assert_eq!(head.location(), None);
        assert!(!self::head("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n").is_event_stream());
        assert!(!self::head("HTTP/1.1 200 OK\r\n\r\n").is_event_stream());
    }

    #[test]
    fn a_connection_is_kept_only_when_both_the_version_and_the_body_allow_it() {
        let keeps = |text: &str| head(&format!("{text}\r\n\r\n")).keeps_alive();
        assert!(keeps("HTTP/1.1 200 OK\r\nContent-Length: 0"));
        assert!(keeps("HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: Keep-Alive"));
        assert!(!keeps("HTTP/1.0 200 OK\r\nContent-Length: 0"));
        assert!(!keeps("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: foo, close"));
        assert!(!keeps("HTTP/1.1 200 OK"));
    }
}

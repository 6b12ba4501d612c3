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
mod tests;

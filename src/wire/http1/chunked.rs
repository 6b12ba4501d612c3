//! The chunked coding (RFC 9112, 7.1):
//!
//! ```text
//! body    = *( hex-size [ ";" extension ] CRLF data CRLF ) "0" [ ";" extension ] CRLF *( trailer CRLF ) CRLF
//! ```
//!
//! Extensions and trailers are read and dropped. A bare LF ends a line too.

use super::Error;

/// Longest size line, and longest trailer section.
const MAX_LINE: usize = 16 * 1024;

/// Where in the coding the next byte belongs. Nothing of the data is kept.
#[derive(Debug, Default)]
pub(super) struct Chunked {
    state: State,
    /// The part of a line that has come.
    line: Vec<u8>,
    /// Bytes of trailers so far.
    trailers: usize,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Size,
    Data(u64),
    /// The line end after the data.
    DataEnd,
    Trailers,
    Done,
}

impl Chunked {
    pub(super) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Takes what belongs to the body from the front of `bytes`, hands its data to `out`, and leaves the rest.
    pub(super) fn take(&mut self, bytes: &mut &[u8], out: &mut impl FnMut(&[u8])) -> Result<(), Error> {
        while !bytes.is_empty() && !self.is_done() {
            match self.state {
                State::Data(left) => {
                    let length = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    let (data, rest) = bytes.split_at(length);
                    out(data);
                    *bytes = rest;
                    let left = left - length as u64;
                    self.state = if left == 0 { State::DataEnd } else { State::Data(left) };
                }
                _ => {
                    if self.take_line(bytes)? {
                        self.state = self.after_line()?;
                        self.line.clear();
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether the line is whole now.
    fn take_line(&mut self, bytes: &mut &[u8]) -> Result<bool, Error> {
        let end = memchr::memchr(b'\n', bytes);
        let (piece, rest) = bytes.split_at(end.map_or(bytes.len(), |at| at + 1));
        if self.line.len() + piece.len() > MAX_LINE {
            return Err(Error::Chunk("a line without an end"));
        }
        self.line.extend_from_slice(piece);
        *bytes = rest;
        Ok(end.is_some())
    }

    fn after_line(&mut self) -> Result<State, Error> {
        let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match self.state {
            State::Size => match size(line).ok_or(Error::Chunk("a size that is not a number"))? {
                0 => Ok(State::Trailers),
                size => Ok(State::Data(size)),
            },
            State::DataEnd if line.is_empty() => Ok(State::Size),
            State::DataEnd => Err(Error::Chunk("more data than its size says")),
            State::Trailers if line.is_empty() => Ok(State::Done),
            State::Trailers => {
                self.trailers += self.line.len();
                if self.trailers > MAX_LINE { Err(Error::Chunk("endless trailers")) } else { Ok(State::Trailers) }
            }
            State::Data(_) | State::Done => Ok(self.state),
        }
    }
}

fn size(line: &[u8]) -> Option<u64> {
    let end = line.iter().position(|byte| *byte == b';').unwrap_or(line.len());
    let digits = std::str::from_utf8(line[..end].trim_ascii()).ok()?;
    // `from_str_radix` would take a sign.
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u64::from_str_radix(digits, 16).ok())?
}

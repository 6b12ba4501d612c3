//! An event stream (WHATWG HTML, 9.2.6), decoded as its bytes arrive.
//!
//! ```text
//! stream  = [ BOM ] *event            event = *( comment / field ) end-of-line
//! comment = ":" text end-of-line      field = name [ ":" [ " " ] value ] end-of-line
//! end-of-line = CR LF / LF / CR
//! ```
//!
//! `data` lines of one event are joined by LF; an event without one is none. Deliberately absent: `id` and `retry`,
//! which serve a reconnection that a measurement must not make, and any decoding of text: bytes in, bytes out.
//! One departure from the standard: an event that the stream's end cuts off is delivered, and says so, because
//! servers do close a stream without the last blank line.

use memchr::memchr2;

/// Most bytes of one event or one line: a whole answer in one event fits, an endless line does not.
const MAX_EVENT: usize = 16 * 1024 * 1024;

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// What a push can bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item<'a> {
    Event(Event<'a>),
    /// A line that begins with a colon: a ping, which proves that bytes flow and nothing more.
    Comment,
}

/// One event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event<'a> {
    /// The `event` field; empty when there was none.
    pub name: &'a [u8],
    pub data: &'a [u8],
    /// Whether the stream ended before the event's blank line.
    pub unterminated: bool,
}

/// The stream holds a line or an event beyond the bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event of the stream is longer than {limit} bytes")]
pub struct TooLong {
    pub limit: usize,
}

/// Turns the bytes of a stream, split anywhere, into its events.
///
/// After an error the decoder is of no further use.
#[derive(Debug)]
pub struct Decoder {
    limit: usize,
    /// How much of a leading byte order mark has come; `None` once that is settled.
    bom: Option<usize>,
    /// The last byte was a CR that ended a line, so that a LF next belongs to it.
    after_cr: bool,
    /// The part of a line that has come.
    line: Vec<u8>,
    name: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
}

impl Default for Decoder {
    fn default() -> Decoder {
        Decoder::with_limit(MAX_EVENT)
    }
}

impl Decoder {
    pub fn new() -> Decoder {
        Decoder::default()
    }

    /// A decoder that holds at most `limit` bytes of a line, and of an event.
    pub fn with_limit(limit: usize) -> Decoder {
        Decoder {
            limit,
            bom: Some(0),
            after_cr: false,
            line: Vec::new(),
            name: Vec::new(),
            data: Vec::new(),
            has_data: false,
        }
    }

    /// Decodes the next bytes. Items found before an error have been handed out.
    pub fn push(&mut self, mut bytes: &[u8], out: &mut impl FnMut(Item<'_>)) -> Result<(), TooLong> {
        if self.bom.is_some() {
            bytes = self.skip_bom(bytes);
        }
        if self.after_cr && !bytes.is_empty() {
            bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
            self.after_cr = false;
        }
        while let Some(end) = memchr2(b'\r', b'\n', bytes) {
            let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
            if self.line.is_empty() {
                self.take_line(line, out)?;
            } else {
                self.keep(line)?;
                let whole = std::mem::take(&mut self.line);
                self.take_line(&whole, out)?;
                self.line = whole;
                self.line.clear();
            }
            self.after_cr = bytes[end] == b'\r' && rest.is_empty();
            bytes = if bytes[end] == b'\r' { rest.strip_prefix(b"\n").unwrap_or(rest) } else { rest };
        }
        self.keep(bytes)
    }

    /// The stream has ended: delivers an event that lacks its blank line.
    pub fn finish(&mut self, out: &mut impl FnMut(Item<'_>)) -> Result<(), TooLong> {
        let last = std::mem::take(&mut self.line);
        if !last.is_empty() {
            self.take_line(&last, out)?;
        }
        self.dispatch(true, out);
        Ok(())
    }

    fn take_line(&mut self, line: &[u8], out: &mut impl FnMut(Item<'_>)) -> Result<(), TooLong> {
        if line.is_empty() {
            self.dispatch(false, out);
            return Ok(());
        }
        self.within_limit(line.len())?;
        let colon = if line.starts_with(b"data:") { Some(4) } else { memchr::memchr(b':', line) };
        let (field, value) = match colon {
            Some(at) => (&line[..at], line[at + 1..].strip_prefix(b" ").unwrap_or(&line[at + 1..])),
            None => (line, &[][..]),
        };
        match field {
            b"" => out(Item::Comment),
            b"data" => {
                self.within_limit(self.data.len() + value.len())?;
                if self.has_data {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(value);
                self.has_data = true;
            }
            b"event" => {
                self.name.clear();
                self.name.extend_from_slice(value);
            }
            _ => {}
        }
        Ok(())
    }

    fn dispatch(&mut self, unterminated: bool, out: &mut impl FnMut(Item<'_>)) {
        if self.has_data {
            out(Item::Event(Event { name: &self.name, data: &self.data, unterminated }));
        }
        self.name.clear();
        self.data.clear();
        self.has_data = false;
    }

    fn keep(&mut self, piece: &[u8]) -> Result<(), TooLong> {
        self.within_limit(self.line.len() + piece.len())?;
        self.line.extend_from_slice(piece);
        Ok(())
    }

    fn within_limit(&self, length: usize) -> Result<(), TooLong> {
        if length > self.limit { Err(TooLong { limit: self.limit }) } else { Ok(()) }
    }

    fn skip_bom<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let seen = self.bom.unwrap_or(BOM.len());
        let wanted = &BOM[seen..];
        let matching = wanted.iter().zip(bytes).take_while(|(wanted, byte)| wanted == byte).count();
        let (mark, rest) = bytes.split_at(matching);
        if matching < wanted.len() && rest.is_empty() {
            self.bom = Some(seen + matching);
            return rest;
        }
        self.bom = None;
        if matching < wanted.len() {
            // Not a mark after all: its first bytes belong to the first line.
            self.line.extend_from_slice(&BOM[..seen]);
            self.line.extend_from_slice(mark);
        }
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Data of the events and `:` for each comment, in order; a trailing `…` marks an unterminated event.
    fn items(pieces: &[&[u8]]) -> Vec<String> {
        let mut seen = Vec::new();
        let mut decoder = Decoder::new();
        let mut out = |item: Item<'_>| match item {
            Item::Comment => seen.push(":".to_owned()),
            Item::Event(event) => {
                let name = String::from_utf8_lossy(event.name);
                let data = String::from_utf8_lossy(event.data);
                let name = if name.is_empty() { String::new() } else { format!("{name}/") };
                seen.push(format!("{name}{data}{}", if event.unterminated { "…" } else { "" }));
            }
        };
        for piece in pieces {
            decoder.push(piece, &mut out).unwrap();
        }
        decoder.finish(&mut out).unwrap();
        seen
    }

    /// The same whole, byte by byte, and cut in two anywhere.
    fn decode(bytes: &[u8]) -> Vec<String> {
        let whole = items(&[bytes]);
        assert_eq!(items(&bytes.chunks(1).collect::<Vec<_>>()), whole, "byte by byte");
        for cut in 0..=bytes.len() {
            assert_eq!(items(&[&bytes[..cut], &bytes[cut..]]), whole, "cut at {cut}");
        }
        whole
    }

    #[test]
    fn lines_end_in_lf_crlf_or_cr() {
        for end in ["\n", "\r\n", "\r"] {
            let stream = format!("data: a{end}{end}data: b{end}{end}");
            assert_eq!(decode(stream.as_bytes()), ["a", "b"], "{end:?}");
        }
        assert_eq!(decode(b"data: a\r\n\ndata: b\n\r\ndata: c\r\r\n"), ["a", "b", "c"]);
    }

    #[test]
    fn one_space_after_the_colon_is_optional_and_a_second_belongs_to_the_value() {
        assert_eq!(decode(b"data:{\"a\":1}\n\ndata:  b\n\ndata:\tc\n\n"), ["{\"a\":1}", " b", "\tc"]);
    }

    #[test]
    fn data_lines_are_joined_by_a_line_feed() {
        assert_eq!(decode(b"data: a\ndata\ndata: b\n\n"), ["a\n\nb"]);
        assert_eq!(decode(b"data:\n\n"), [""]);
        assert_eq!(decode(b"data\ndata\n\n"), ["\n"]);
    }

    #[test]
    fn comments_are_told_and_do_not_split_an_event() {
        assert_eq!(
            decode(b":\n\n: OPENROUTER PROCESSING\n\ndata: a\n: keep-alive\ndata: b\n\n"),
            [":", ":", ":", "a\nb"]
        );
    }

    #[test]
    fn an_event_without_data_is_none_and_its_name_is_forgotten() {
        assert_eq!(decode(b"event: ping\n\ndata: a\n\nevent: error\nid: 7\nretry: 1\ndata: b\n\n"), ["a", "error/b"]);
    }

    #[test]
    fn a_leading_byte_order_mark_is_dropped_and_only_there() {
        assert_eq!(decode(b"\xEF\xBB\xBFdata: a\n\n"), ["a"]);
        assert_eq!(decode(b"\xEF\xBB\xBF\xEF\xBB\xBFdata: a\n\ndata: \xEF\xBB\xBFb\n\n"), ["\u{feff}b"]);
        assert_eq!(decode(b"\xEF\xBBdata: a\n\ndata: b\n\n"), ["b"]);
    }

    #[test]
    fn text_is_whole_however_its_bytes_were_cut() {
        assert_eq!(decode("data: é漢字🙂\n\n".as_bytes()), ["é漢字🙂"]);
    }

    #[test]
    fn an_event_cut_off_by_the_end_is_delivered_and_says_so() {
        assert_eq!(decode(b"data: a\n\ndata: b\n"), ["a", "b…"]);
        assert_eq!(decode(b"data: [DONE]"), ["[DONE]…"]);
        assert_eq!(decode(b"data: a\n\n\n: bye"), ["a", ":"]);
        assert!(decode(b"").is_empty());
    }

    #[test]
    fn fields_are_matched_whole() {
        assert_eq!(decode(b"database: no\ndat: no\nDATA: no\n data: no\ndata: yes\n\n"), ["yes"]);
    }

    #[test]
    fn what_is_held_has_a_bound_wherever_the_bytes_are_cut() {
        for stream in [&b"data: 0123456789abcdef"[..], b"data: 01234567\ndata: 89abcdef\n", b": 0123456789abcdef\n"] {
            for size in 1..stream.len() {
                let mut decoder = Decoder::with_limit(15);
                let pushed = stream.chunks(size).try_for_each(|piece| decoder.push(piece, &mut |_| {}));
                assert_eq!(pushed, Err(TooLong { limit: 15 }), "{size}");
            }
        }
        let mut decoder = Decoder::with_limit(15);
        assert_eq!(decoder.push(b"data: 012345678\n\n", &mut |_| {}), Ok(()));
    }
}

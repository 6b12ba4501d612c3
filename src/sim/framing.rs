//! How an event is put on the stream: the grammar of server-sent events and the liberties it allows.

use super::faults::{FaultKind, Faults};

/// The framing of one stream.
#[derive(Debug, Clone, Copy)]
pub(super) struct Framing {
    line_end: &'static str,
    space: &'static str,
    after_data: &'static str,
    multiline: bool,
    bom: bool,
    comments: bool,
}

/// Something to be framed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// The data of an event; bytes, since a fault may make them no text.
    Data(Vec<u8>),
    Comment(&'static str),
}

impl Framing {
    pub fn new(faults: &Faults, nth: u64, after_data: &'static str) -> Framing {
        let has = |kind| faults.has(kind, nth);
        Framing {
            line_end: match (has(FaultKind::Crlf), has(FaultKind::LoneCr)) {
                (true, _) => "\r\n",
                (_, true) => "\r",
                _ => "\n",
            },
            space: if has(FaultKind::NoSpace) { "" } else { " " },
            after_data,
            multiline: has(FaultKind::Multiline),
            bom: has(FaultKind::Bom),
            comments: has(FaultKind::Comments),
        }
    }

    /// The bytes of `event`; `is_first` says that nothing went before it.
    pub fn frame(&self, event: &Event, is_first: bool) -> Vec<u8> {
        let mut out = Vec::with_capacity(320);
        if self.bom && is_first {
            out.extend("\u{FEFF}".as_bytes());
        }
        match event {
            Event::Comment(text) => self.line(&mut out, &[b":", text.as_bytes()]),
            Event::Data(data) => {
                if self.comments {
                    self.line(&mut out, &[b": waiting"]);
                }
                // JSON may have a line break after any comma between its fields.
                for line in data.split_inclusive(|byte| self.multiline && *byte == b',') {
                    self.line(&mut out, &[b"data:", self.space.as_bytes(), line, self.after_data.as_bytes()]);
                }
            }
        }
        self.line(&mut out, &[]);
        out
    }

    /// The bytes of `event` without the blank line that ends it.
    pub fn frame_unterminated(&self, event: &Event) -> Vec<u8> {
        let mut out = self.frame(event, false);
        out.truncate(out.len() - self.line_end.len());
        out
    }

    fn line(&self, out: &mut Vec<u8>, parts: &[&[u8]]) {
        parts.iter().for_each(|part| out.extend(*part));
        out.extend(self.line_end.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(faults: &[&str], data: &str) -> String {
        let faults = faults.iter().map(|fault| fault.parse().unwrap()).collect();
        let framing = Framing::new(&faults, 1, "");
        String::from_utf8(framing.frame(&Event::Data(data.as_bytes().to_vec()), true)).unwrap()
    }

    #[test]
    fn an_event_is_framed_as_asked() {
        assert_eq!(framed(&[], "{}"), "data: {}\n\n");
        assert_eq!(framed(&["crlf"], "{}"), "data: {}\r\n\r\n");
        assert_eq!(framed(&["lone_cr", "no_space"], "{}"), "data:{}\r\r");
        assert_eq!(framed(&["multiline"], r#"{"a":1,"b":2}"#), "data: {\"a\":1,\ndata: \"b\":2}\n\n");
        assert_eq!(framed(&["bom"], "{}"), "\u{FEFF}data: {}\n\n");
        assert_eq!(framed(&["comments"], "{}"), ": waiting\ndata: {}\n\n");
    }
}

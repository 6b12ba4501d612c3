//! The head of a response: status and headers, and what they say about the body's length.

use super::{Error, Method};

/// Status and headers of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    pub status: u16,
    /// The minor version of HTTP/1: 0 or 1.
    pub minor: u8,
    headers: Vec<(String, String)>,
}

/// How the end of a body is known (RFC 9112, 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is none.
    Empty,
    Length(u64),
    Chunked,
    /// The body ends where the connection does, so a cut cannot be told from an end.
    UntilClose,
}

impl Head {
    pub(super) fn new(parsed: &httparse::Response<'_, '_>) -> Head {
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        Head {
            status: parsed.code.unwrap_or_default(),
            minor: parsed.version.unwrap_or_default(),
            headers: parsed.headers.iter().map(|header| (header.name.to_owned(), text(header.value))).collect(),
        }
    }

    /// The first header of that name, whatever its case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Every header, in the order received.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The media type without its parameters.
    pub fn content_type(&self) -> Option<&str> {
        let value = self.get("content-type")?;
        Some(value.split(';').next().unwrap_or(value).trim())
    }

    pub fn is_event_stream(&self) -> bool {
        self.content_type().is_some_and(|kind| kind.eq_ignore_ascii_case("text/event-stream"))
    }

    /// `Retry-After` as it came: seconds or an HTTP date.
    pub fn retry_after(&self) -> Option<&str> {
        self.get("retry-after")
    }

    /// Where a redirect points.
    pub fn location(&self) -> Option<&str> {
        self.get("location")
    }

    /// Whether another request may follow on this connection once the body has ended.
    pub fn keeps_alive(&self) -> bool {
        let delimited = matches!(self.framing(Method::Get), Ok(framing) if framing != Framing::UntilClose);
        delimited && !self.connection("close") && (self.minor > 0 || self.connection("keep-alive"))
    }

    pub(super) fn framing(&self, asked: Method) -> Result<Framing, Error> {
        if matches!(self.status, 204 | 304) || (asked == Method::Connect && (200..300).contains(&self.status)) {
            return Ok(Framing::Empty);
        }
        // A coding beside `chunked` was not asked for, and a length beside it does not count.
        if let Some(coding) = self.get("transfer-encoding") {
            let only = self.all("transfer-encoding").count() == 1;
            return match coding.trim() {
                value if only && value.eq_ignore_ascii_case("chunked") => Ok(Framing::Chunked),
                value if only && value.eq_ignore_ascii_case("identity") => self.length(),
                value => Err(Error::TransferEncoding(value.to_owned())),
            };
        }
        self.length()
    }

    /// A length said twice counts if it is the same one.
    fn length(&self) -> Result<Framing, Error> {
        let mut lengths = self.all("content-length").flat_map(|value| value.split(',')).map(str::trim);
        let Some(first) = lengths.next() else { return Ok(Framing::UntilClose) };
        let plain = first.bytes().all(|byte| byte.is_ascii_digit());
        match first.parse() {
            Ok(length) if plain && lengths.all(|other| other == first) => Ok(Framing::Length(length)),
            _ => Err(Error::ContentLength(first.to_owned())),
        }
    }

    fn connection(&self, option: &str) -> bool {
        self.all("connection").flat_map(|value| value.split(',')).any(|given| given.trim().eq_ignore_ascii_case(option))
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers().filter(move |(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

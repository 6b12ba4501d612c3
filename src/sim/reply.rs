//! Responses that are not streams: JSON, pages, refusals, redirects.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use hyper::{Response, StatusCode};
use serde_json::Value;

use super::faults::{FaultKind, Faults};
use super::flavor::Flavor;
use super::flavor::refusal::{Problem, refusal};
use super::stream::Answer;
use crate::clock::Monotonic;

/// A response: bytes at once, or an answer that is being given.
pub(super) type Reply = Response<Either<Full<Bytes>, Answer>>;

pub(super) fn json(status: u16, value: &Value) -> Reply {
    bytes(status, "application/json", value.to_string().into())
}

pub(super) fn text(content_type: &'static str, text: String) -> Reply {
    bytes(200, content_type, text.into())
}

pub(super) fn bytes(status: u16, content_type: &'static str, bytes: Bytes) -> Reply {
    let mut reply = Response::new(Either::Left(Full::new(bytes)));
    *reply.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}

pub(super) fn stream(answer: Answer, content_type: &'static str) -> Reply {
    let mut reply = Response::new(Either::Right(answer));
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}

pub(super) fn refused(flavor: Flavor, problem: &Problem) -> Reply {
    let (status, body) = refusal(flavor, problem);
    json(status, &body)
}

/// The response that a fault has instead of an answer, to a path under /v1. `nth` is the completion request's number,
/// and 0 for a request of another kind.
pub(super) fn of_fault(flavor: Flavor, faults: &Faults, path: &str, nth: u64) -> Option<Reply> {
    let number = |kind| faults.number(kind, nth);
    let refused = |kind, problem| number(kind).map(|_| refused(flavor, &problem));
    let moved = |status| {
        let location = HeaderValue::from_str(&format!("{path}/")).ok();
        with(bytes(status, "text/plain", Bytes::new()), LOCATION, location)
    };
    let whenever = refused(FaultKind::Unauthorized, Problem::Unauthorized)
        .or_else(|| refused(FaultKind::Forbidden, Problem::Forbidden))
        .or_else(|| number(FaultKind::HtmlBadGateway).map(|_| bytes(502, "text/html", BAD_GATEWAY.into())))
        .or_else(|| number(FaultKind::Redirect301).map(|_| moved(301)))
        .or_else(|| number(FaultKind::Redirect307).map(|_| moved(307)));
    if whenever.is_some() || nth == 0 {
        return whenever;
    }
    let limited = |after: String| {
        with(self::refused(flavor, &Problem::RateLimited), RETRY_AFTER, HeaderValue::from_str(&after).ok())
    };
    refused(FaultKind::Overloaded, Problem::Overloaded)
        .or_else(|| number(FaultKind::RateLimited).map(|seconds| limited(seconds.to_string())))
        .or_else(|| number(FaultKind::RateLimitedUntil).map(|seconds| limited(http_date(Duration::from_secs(seconds)))))
}

const BAD_GATEWAY: &str = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad \
    Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n";

fn with(mut reply: Reply, name: HeaderName, value: Option<HeaderValue>) -> Reply {
    if let Some(value) = value {
        reply.headers_mut().insert(name, value);
    }
    reply
}

/// The date `span` from now in the form of RFC 9110, section 5.6.7.
fn http_date(span: Duration) -> String {
    date(Monotonic.wall() + span)
}

fn date(at: SystemTime) -> String {
    let seconds = at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let days = seconds / 86_400;
    // The civil date of a day count, by years that begin in March (Howard Hinnant, chrono-compatible date algorithms).
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = (march_month + 2) % 12;
    let year = era * 400 + year_of_era + u64::from(month < 2);
    let week = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][(days % 7) as usize];
    let name = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"][month as usize];
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{week}, {day:02} {name} {year} {hour:02}:{minute:02}:{second:02} GMT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_written_as_http_wants_it() {
        let at = |seconds| date(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(at(951_782_400), "Tue, 29 Feb 2000 00:00:00 GMT");
        assert_eq!(at(1_795_487_849), "Tue, 24 Nov 2026 02:37:29 GMT");
    }
}

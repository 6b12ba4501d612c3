//! Whether a stream was held back on its way and let go all at once.
//!
//! A stream that was buffered has no time to first token: its first token arrives with its last, and what a clock reads is
//! the time of the whole answer. Of a stream with three token events or more, and a first token after 10 ms or more, two
//! things give it away:
//!
//! * the first token shares its read with a later one, and so do at least half of the token events;
//! * the tokens arrive next to no time after each other, on average within 0.1 ms, and all of them within 5 % of the time
//!   to first token.
//!
//! A server that makes its tokens one by one is no quicker than that; one that sends several tokens in an event has few
//! events. Below 10 ms the whole answer is so quick that nothing is lost.

use crate::clock::Nanos;
use crate::sample::Sample;

/// What is said of such streams.
pub const ALARM: &str = "all tokens arrived at once: a proxy or gzip buffers the stream (or this machine was too busy to \
                         read it), so that TTFT is the time of the whole answer; turn buffering off (nginx: \
                         proxy_buffering off, gzip off)";

/// With fewer token events, nothing can be told.
const FEWEST_EVENTS: u64 = 3;
/// An answer within this time leaves nothing to hold back.
const SHORTEST_WAIT: Nanos = 10_000_000;
/// No server makes tokens this quickly, one by one.
const QUICKEST_GAP: Nanos = 100_000;
/// Tokens within this share of the wait before them came at once.
const SHARE_OF_WAIT: f64 = 0.05;

/// Whether the tokens of this request were held back together; `None` where that cannot be told.
pub fn is_buffered(sample: &Sample) -> Option<bool> {
    let stamps = &sample.stamps;
    let wait = stamps.first_token_ns?.checked_sub(stamps.sent_ns?)?;
    let span = stamps.last_token_ns?.checked_sub(stamps.first_token_ns?)?;
    if sample.token_events < FEWEST_EVENTS || wait < SHORTEST_WAIT {
        return None;
    }
    let is_one_read = sample.first_token_shared && 2 * sample.shared_reads >= sample.token_events;
    let is_burst = span / (sample.token_events - 1) < QUICKEST_GAP && (span as f64) < SHARE_OF_WAIT * wait as f64;
    Some(is_one_read || is_burst)
}

/// How many of `samples` were buffered, where those are more than half of the ones that can tell.
pub fn streams<'a>(samples: impl Iterator<Item = &'a Sample>) -> Option<usize> {
    let told: Vec<bool> = samples.filter_map(is_buffered).collect();
    let buffered = told.iter().filter(|told| **told).count();
    (2 * buffered > told.len()).then_some(buffered)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Nanos = 1_000_000;

    /// 16 token events after `wait`, `gap` apart.
    fn stream(wait: Nanos, gap: Nanos) -> Sample {
        let row = serde_json::json!({
            "trial": 1, "arm": "cold", "role": "measure", "outcome": "ok", "body_bytes": 1, "token_events": 16,
            "sent_ns": MS, "first_token_ns": MS + wait, "last_token_ns": MS + wait + 15 * gap,
        });
        serde_json::from_value(row).unwrap()
    }

    #[test]
    fn a_stream_that_flows_is_not_buffered_however_quick() {
        for (wait, gap) in [(300 * MS, 20 * MS), (2_000 * MS, MS / 3), (60 * MS, MS / 3), (12 * MS, MS / 10)] {
            assert_eq!(is_buffered(&stream(wait, gap)), Some(false), "{wait} {gap}");
        }
    }

    #[test]
    fn tokens_in_one_read_or_in_a_burst_are_buffered() {
        assert_eq!(is_buffered(&stream(300 * MS, 20_000)), Some(true));
        let mut shared = stream(300 * MS, 2 * MS);
        shared.shared_reads = 8;
        assert_eq!(is_buffered(&shared), Some(false), "the first token came alone");
        shared.first_token_shared = true;
        assert_eq!(is_buffered(&shared), Some(true));
    }

    #[test]
    fn two_events_or_an_answer_at_once_cannot_tell() {
        let mut two = stream(300 * MS, 0);
        two.token_events = 2;
        assert_eq!(is_buffered(&two), None);
        assert_eq!(is_buffered(&stream(MS, 0)), None);
        assert_eq!(streams([&two].into_iter()), None);
    }

    #[test]
    fn the_alarm_is_for_more_than_half_of_the_streams() {
        let (good, bad) = (stream(300 * MS, 20 * MS), stream(300 * MS, 0));
        assert_eq!(streams([&good, &bad].into_iter()), None);
        assert_eq!(streams([&good, &bad, &bad].into_iter()), Some(2));
    }
}

//! What became of one attempt to send a request.

use crate::clock::Stamp;
use crate::net::{Dialled, Exchange, Sent};
use crate::sample::{Outcome, Stamps};
use crate::wire::refusal::{Refusal, classify};

#[derive(Debug)]
pub(super) struct Attempt {
    pub dialled: Option<Dialled>,
    pub sent: Option<Sent>,
    pub exchange: Exchange,
    pub outcome: Outcome,
    pub body_bytes: u64,
}

impl Attempt {
    /// What the server refused, if it did.
    pub fn refusal(&self) -> Option<Refusal> {
        let status = self.exchange.head.as_ref()?.status;
        (status >= 400).then(|| classify(status, &self.exchange.body).refusal)
    }

    /// Its moments, counted from `started`.
    pub fn stamps(&self, started: Stamp) -> Stamps {
        let arrivals = &self.exchange.arrivals;
        let since = |stamp: Stamp| stamp.since(started);
        let at = |stamp: Option<Stamp>| stamp.and_then(since);
        Stamps {
            start_ns: None,
            due_ns: None,
            client_cpu_ns: None,
            dial_ns: at(self.dialled.map(|dialled| dialled.began)),
            connect_ns: at(self.dialled.map(|dialled| dialled.connected)),
            tls_ns: at(self.dialled.and_then(|dialled| dialled.secured)),
            sent_ns: at(self.sent.as_ref().map(|sent| sent.at)),
            sent_end_ns: at(self.sent.as_ref().and_then(|sent| sent.end.as_ref().ok().copied())),
            first_byte_ns: at(arrivals.first_byte),
            first_event_ns: at(arrivals.first_event),
            role_ns: at(arrivals.role),
            first_token_ns: at(arrivals.first_token),
            first_content_ns: at(arrivals.first_content),
            last_token_ns: at(arrivals.last_token),
            end_ns: at(arrivals.end),
            chunk_ns: arrivals.chunks.iter().copied().filter_map(since).collect(),
        }
    }
}

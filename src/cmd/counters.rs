//! The server's cache counters, read between requests, and its own clocks, read before and after many.

use crate::endpoint::Endpoint;
use crate::wire::http1::Method;
use crate::wire::metrics::{self, Counters, Spans};

/// What the counters have moved by since they were last read. The time between two requests counts too: whoever uses
/// the server then is company.
pub struct Meter<'a> {
    endpoint: &'a Endpoint,
    last: Counters,
    /// Tokens in a block of the cache, where the page tells.
    pub block_size: Option<u64>,
}

impl<'a> Meter<'a> {
    /// `None` for a server whose `/metrics` does not count a cache.
    pub fn find(endpoint: &'a Endpoint) -> Option<Meter<'a>> {
        let page = page(endpoint)?;
        let last = Counters::parse(&page);
        last.is_told().then(|| Meter { endpoint, last, block_size: metrics::block_size(&page) })
    }

    /// What they moved by; `None` when they could not be read.
    pub fn moved(&mut self) -> Option<Counters> {
        let now = Counters::parse(&page(self.endpoint)?);
        let before = std::mem::replace(&mut self.last, now);
        now.is_told().then(|| now.since(&before))
    }
}

/// How long requests take inside the server, by its own clocks, from one moment on.
pub struct Clocks<'a> {
    endpoint: &'a Endpoint,
    before: Spans,
}

impl<'a> Clocks<'a> {
    /// `None` for a server whose `/metrics` does not tell.
    pub fn find(endpoint: &'a Endpoint) -> Option<Clocks<'a>> {
        let before = Spans::parse(&page(endpoint)?);
        before.is_told().then_some(Clocks { endpoint, before })
    }

    /// What they counted since; `None` when they could not be read.
    pub fn moved(&self) -> Option<Spans> {
        let moved = Spans::parse(&page(self.endpoint)?).since(&self.before);
        moved.is_told().then_some(moved)
    }
}

fn page(endpoint: &Endpoint) -> Option<String> {
    let answer = endpoint.ask(Method::Get, &endpoint.base.beside("/metrics"), None).ok()?;
    (answer.status == 200).then(|| String::from_utf8_lossy(&answer.body).into_owned())
}

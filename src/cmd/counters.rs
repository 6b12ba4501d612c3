//! The server's cache counters, read between requests, and its own clocks, read before and after many.

use crate::endpoint::Endpoint;
use crate::sample::Sample;
use crate::wire::http1::Method;
use crate::wire::metrics::{self, Counters, Spans};

/// What the counters have moved by since they were last read. The time between two requests counts too: whoever uses
/// the server then is company.
pub struct Meter<'a> {
    engine: &'a Endpoint,
    /// LMCache's own server, where it is one of its own.
    lmcache: Option<&'a Endpoint>,
    last: Counters,
    /// Tokens in a block of the cache, where the page tells.
    pub block_size: Option<u64>,
}

impl<'a> Meter<'a> {
    /// `None` for a server whose `/metrics` does not count a cache.
    pub fn find(engine: &'a Endpoint, lmcache: Option<&'a Endpoint>) -> Option<Meter<'a>> {
        let page = pages(engine, lmcache)?;
        let last = Counters::parse(&page);
        last.is_told().then(|| Meter { engine, lmcache, last, block_size: metrics::block_size(&page) })
    }

    /// What they moved by; `None` when they could not be read.
    pub fn moved(&mut self) -> Option<Counters> {
        let now = Counters::parse(&pages(self.engine, self.lmcache)?);
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

/// Performs a request between two looks at the counters, where there are any.
pub fn metered(meter: &mut Option<Meter<'_>>, perform: impl FnOnce() -> Sample) -> Sample {
    if let Some(meter) = meter {
        meter.moved();
    }
    let mut sample = perform();
    sample.counters = meter.as_mut().and_then(Meter::moved);
    sample
}

/// The engine's page, and LMCache's behind it. LMCache's is empty before its first traffic, and may be missing.
fn pages(engine: &Endpoint, lmcache: Option<&Endpoint>) -> Option<String> {
    let engine = page(engine)?;
    let lmcache = lmcache.and_then(page).unwrap_or_default();
    Some(format!("{engine}\n{lmcache}"))
}

/// What `/metrics` of a server says.
pub fn page(endpoint: &Endpoint) -> Option<String> {
    let answer = endpoint.ask(Method::Get, &endpoint.base.beside("/metrics"), None).ok()?;
    (answer.status == 200).then(|| String::from_utf8_lossy(&answer.body).into_owned())
}

//! What the rows of a run under load come to, in 64 bytes a row at most: a million rows are more than the log's text may
//! take in memory.

use super::levels::Levels;
use super::reuse;
use super::slo::{Gate, Kept};
use crate::clock::Nanos;
use crate::evidence::Found;
use crate::plan::{Arm, Role};
use crate::record::{LoadNote, SloNote};
use crate::report::data::Entry;
use crate::sample::Sample;
use crate::stats::histogram::Histogram;
use crate::stats::sorted;
use crate::wire::metrics::Spans;

/// What a request under load is timed by, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Timed {
    /// `first_token - due`; in a closed loop nothing is due, and there is none.
    TtftFromDue,
    /// `first_token - sent`
    Ttft,
    /// `(last_token - first_token) / (completion_tokens - 1)`
    Tpot,
    /// `end - sent`
    E2eLatency,
}

pub(super) const TIMED: [Timed; 4] = [Timed::TtftFromDue, Timed::Ttft, Timed::Tpot, Timed::E2eLatency];

impl Timed {
    pub(super) fn name(self) -> &'static str {
        match self {
            Timed::TtftFromDue => "ttft_from_due",
            Timed::Ttft => "ttft",
            Timed::Tpot => "tpot",
            Timed::E2eLatency => "e2e_latency",
        }
    }

    /// `None` for a request that failed, and where a moment is missing.
    pub(super) fn of(self, sample: &Sample) -> Option<f64> {
        let ttft = sample.ttft_ns()?;
        let stamps = &sample.stamps;
        Some(match self {
            Timed::TtftFromDue => (ttft + stamps.sent_ns?.checked_sub(stamps.due_ns?)?) as f64,
            Timed::Ttft => ttft as f64,
            Timed::Tpot => {
                let gaps = sample.usage?.completion_tokens?.checked_sub(1).filter(|gaps| *gaps > 0)?;
                stamps.last_token_ns?.checked_sub(stamps.first_token_ns?)? as f64 / gaps as f64
            }
            Timed::E2eLatency => stamps.end_ns?.checked_sub(stamps.sent_ns?)? as f64,
        })
    }
}

/// What requests can find, in the order of the table.
pub(super) const FOUND: [Found; 4] = [Found::Hit, Found::Partial, Found::Cold, Found::Unknown];

/// The answered requests that found the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Kind {
    pub(super) answered: u64,
    times: [Vec<f64>; TIMED.len()],
    pub(super) itl: Histogram,
}

impl Kind {
    pub(super) fn times(&self, timed: Timed) -> &[f64] {
        &self.times[timed as usize]
    }

    fn merge(&mut self, other: Kind) {
        self.answered += other.answered;
        for (mine, more) in self.times.iter_mut().zip(other.times) {
            mine.extend(more);
        }
        self.itl.merge(&other.itl);
    }

    fn take(&mut self, sample: &Sample) {
        self.answered += 1;
        for timed in TIMED {
            if let Some(ns) = timed.of(sample) {
                push(&mut self.times[timed as usize], ns);
            }
        }
        self.itl.merge(&sample.itl_counts);
        sample.stamps.chunk_ns.windows(2).for_each(|pair| self.itl.add(pair[1].saturating_sub(pair[0])));
    }
}

/// Grows by an eighth, since a million values that double may take twice what they need.
fn push(column: &mut Vec<f64>, value: f64) {
    if column.len() == column.capacity() {
        column.reserve_exact((column.len() / 8).max(64));
    }
    column.push(value);
}

/// One session: moments count from the start of its load.
#[derive(Debug, Clone, Copy)]
struct Span {
    session: usize,
    due: u64,
    sent: u64,
    first_due: Nanos,
    last_due: Nanos,
    first_sent: Nanos,
    last_sent: Nanos,
    last_end: Nanos,
    /// The first end of a request and the last, each with the processor time that the client had used by then.
    cpu: Option<(Nanos, Nanos)>,
    spans: Option<Spans>,
}

/// The measured rows of one log.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    kinds: [Kind; FOUND.len()],
    /// Failed requests, by the outcome's name.
    pub(super) failures: Vec<(&'static str, u64)>,
    pub(super) measured: u64,
    /// Meant to hit.
    pub(super) meant_hits: u64,
    lags: Vec<f64>,
    sessions: Vec<Span>,
    pub(super) completion_tokens: Option<u64>,
    pub(super) prompt_tokens: Option<u64>,
    pub(super) cached_tokens: Option<u64>,
    pub(super) server: Server,
    slo: Option<(SloNote, Kept)>,
    pub(super) reuse: reuse::Found,
    in_flight_ns: f64,
    /// Whether its sessions are shards of one run, which began together; else they came one after the other.
    pub is_sharded: bool,
    /// Those of its sessions that are parts of a search for the knee.
    pub levels: Levels,
}

/// Where the time to first token went inside the server, by its word for each request, in nanoseconds.
#[derive(Debug, Clone, Default)]
pub(super) struct Server {
    pub(super) queue: Vec<f64>,
    pub(super) prefill: Vec<f64>,
    /// What of the client's TTFT is neither: the network, and the server's own reception.
    pub(super) rest: Vec<f64>,
}

impl Tally {
    /// The requests that follow have to keep this.
    pub fn ask(&mut self, slo: SloNote) {
        self.slo.get_or_insert((slo, Kept::default()));
    }

    /// What follows is this session, of which so much was asked.
    pub fn begin(&mut self, session: usize, asked: &LoadNote, slo: Option<SloNote>) {
        self.is_sharded |= asked.shard.count > 1;
        self.levels.begin(session, asked, slo);
    }

    /// Whether enough of them kept it; `None` where nothing was asked.
    pub fn gate(&self) -> Option<Gate> {
        self.slo.map(|(asked, kept)| kept.gate(asked.share))
    }

    pub(super) fn goodput(&self) -> Option<String> {
        self.slo.map(|(asked, kept)| kept.sentence(&asked, self.seconds()))
    }

    /// Takes in a row.
    pub fn take(&mut self, entry: &Entry) {
        let Some(sample) = entry.sample.as_ref().filter(|sample| sample.role == Role::Measure) else { return };
        self.measured += 1;
        self.meant_hits += u64::from(sample.arm == Arm::Hit);
        self.span(entry.session).take(sample, entry.server_spans);
        if let Some(lag) = sample.stamps.lag_ns() {
            push(&mut self.lags, lag as f64);
        }
        if let Some((asked, kept)) = &mut self.slo {
            kept.take(&asked.slo, sample);
        }
        self.reuse.take(entry);
        self.levels.take(entry, sample);
        if sample.ttft_ns().is_none() {
            self.fail(sample.outcome.name(), 1);
            return;
        }
        let found = entry.evidence.as_ref().map_or(Found::Unknown, |evidence| evidence.found);
        let at = FOUND.iter().position(|kind| *kind == found).unwrap_or(FOUND.len() - 1);
        self.kinds[at].take(sample);
        self.in_flight_ns += Timed::E2eLatency.of(sample).unwrap_or(0.0);
        add(&mut self.completion_tokens, sample.usage.and_then(|usage| usage.completion_tokens));
        add(&mut self.prompt_tokens, sample.prompt_tokens());
        add(&mut self.cached_tokens, sample.cached_tokens());
        self.server.take(sample);
    }

    pub(super) fn kind(&self, found: Found) -> &Kind {
        let at = FOUND.iter().position(|kind| *kind == found);
        &self.kinds[at.unwrap_or(FOUND.len() - 1)]
    }

    pub(super) fn answered(&self) -> u64 {
        self.kinds.iter().map(|kind| kind.answered).sum()
    }

    /// Requests that went out, whatever became of them.
    pub(super) fn sent(&self) -> u64 {
        self.sessions.iter().map(|of| of.sent).sum()
    }

    /// The times of all that were answered, growing.
    pub(super) fn all(&self, timed: Timed) -> Vec<f64> {
        let mut all = Vec::with_capacity(self.kinds.iter().map(|kind| kind.times(timed).len()).sum());
        self.kinds.iter().for_each(|kind| all.extend_from_slice(kind.times(timed)));
        all.sort_unstable_by(f64::total_cmp);
        all
    }

    pub(super) fn all_itl(&self) -> Histogram {
        let mut all = Histogram::default();
        self.kinds.iter().for_each(|kind| all.merge(&kind.itl));
        all
    }

    /// From the scheduled moment where there is one.
    pub(super) fn first_token(&self) -> (Timed, Vec<f64>) {
        let due = self.all(Timed::TtftFromDue);
        if due.is_empty() { (Timed::Ttft, self.all(Timed::Ttft)) } else { (Timed::TtftFromDue, due) }
    }

    /// Of all requests, growing: how late the client was.
    pub(super) fn lags(&self) -> Vec<f64> {
        sorted(&self.lags)
    }

    /// Processors that each session had in use, with its number.
    pub(super) fn busy(&self) -> impl Iterator<Item = (usize, f64)> {
        self.sessions.iter().filter_map(|of| {
            let (end, used) = of.cpu?;
            let elapsed = end.checked_sub(of.first_sent).filter(|elapsed| *elapsed > 0)?;
            Some((of.session, used as f64 / elapsed as f64))
        })
    }

    /// Takes in the rows of another shard of the same run, whose sessions are numbered on from `sessions`.
    pub fn merge(&mut self, other: Tally, sessions: usize) {
        for (mine, more) in self.kinds.iter_mut().zip(other.kinds) {
            mine.merge(more);
        }
        for (name, n) in other.failures {
            self.fail(name, n);
        }
        self.measured += other.measured;
        self.meant_hits += other.meant_hits;
        self.lags.extend(other.lags);
        self.sessions.extend(other.sessions.into_iter().map(|of| Span { session: of.session + sessions, ..of }));
        add(&mut self.completion_tokens, other.completion_tokens);
        add(&mut self.prompt_tokens, other.prompt_tokens);
        add(&mut self.cached_tokens, other.cached_tokens);
        self.server.merge(other.server);
        self.reuse.merge(other.reuse);
        match (&mut self.slo, other.slo) {
            (Some((_, mine)), Some((_, more))) => mine.merge(more),
            (mine, more) => *mine = mine.or(more),
        }
        self.in_flight_ns += other.in_flight_ns;
        self.levels.merge(other.levels, sessions);
    }

    /// What came one after the other: the sessions, or all shards of a run as one.
    fn runs(&self) -> Vec<Span> {
        if self.is_sharded {
            self.sessions.iter().copied().reduce(Span::beside).into_iter().collect()
        } else {
            self.sessions.clone()
        }
    }

    /// Requests a second that the schedule asked for.
    pub(super) fn asked_rate(&self) -> Option<f64> {
        rate(self.runs().iter().map(|of| (of.due.checked_sub(1), of.last_due.checked_sub(of.first_due))))
    }

    /// Requests a second from the first hand-over to the last.
    pub(super) fn sent_rate(&self) -> Option<f64> {
        rate(self.runs().iter().map(|of| (of.sent.checked_sub(1), of.last_sent.checked_sub(of.first_sent))))
    }

    /// From the first hand-over to the last end, in seconds, of all sessions together.
    pub(super) fn seconds(&self) -> Option<f64> {
        let runs = self.runs();
        let spans = runs.iter().filter_map(|of| of.last_end.checked_sub(of.first_sent));
        spans.reduce(|sum, span| sum + span).filter(|span| *span > 0).map(|span| span as f64 / 1e9)
    }

    /// Requests under way on average: their times together, over the time of the run (Little's law).
    pub(super) fn in_flight(&self) -> Option<f64> {
        Some(self.in_flight_ns / 1e9 / self.seconds()?)
    }

    /// What the server's clocks counted, over all sessions.
    pub(super) fn spans(&self) -> Option<Spans> {
        self.runs().into_iter().filter_map(|of| of.spans).reduce(|one, other| one.and(&other))
    }

    fn span(&mut self, session: usize) -> &mut Span {
        if self.sessions.last().is_none_or(|last| last.session != session) {
            self.sessions.push(Span {
                session,
                due: 0,
                sent: 0,
                first_due: Nanos::MAX,
                last_due: 0,
                first_sent: Nanos::MAX,
                last_sent: 0,
                last_end: 0,
                cpu: None,
                spans: None,
            });
        }
        self.sessions.last_mut().expect("one was just pushed")
    }

    fn fail(&mut self, name: &'static str, requests: u64) {
        match self.failures.iter_mut().find(|(known, _)| *known == name) {
            Some((_, n)) => *n += requests,
            None => self.failures.push((name, requests)),
        }
    }
}

impl Span {
    fn take(&mut self, sample: &Sample, spans: Option<Spans>) {
        let stamps = &sample.stamps;
        let since = |moment: Nanos| moment.saturating_sub(stamps.start_ns.unwrap_or(0));
        if let Some(due) = stamps.due_ns.map(since) {
            self.due += 1;
            (self.first_due, self.last_due) = (self.first_due.min(due), self.last_due.max(due));
        }
        if let Some(sent) = stamps.sent_ns.map(since) {
            self.sent += 1;
            (self.first_sent, self.last_sent) = (self.first_sent.min(sent), self.last_sent.max(sent));
        }
        self.last_end = self.last_end.max(stamps.end_ns.map_or(0, since));
        self.cpu = self.cpu.max(stamps.end_ns.map(since).zip(stamps.client_cpu_ns));
        self.spans = spans.or(self.spans);
    }

    /// This session and another that began with it. Each has read the server's clocks over the requests of both, so that
    /// one reading stands for both.
    fn beside(self, other: Span) -> Span {
        Span {
            due: self.due + other.due,
            sent: self.sent + other.sent,
            first_due: self.first_due.min(other.first_due),
            last_due: self.last_due.max(other.last_due),
            first_sent: self.first_sent.min(other.first_sent),
            last_sent: self.last_sent.max(other.last_sent),
            last_end: self.last_end.max(other.last_end),
            spans: self.spans.or(other.spans),
            ..self
        }
    }
}

impl Server {
    fn merge(&mut self, other: Server) {
        self.queue.extend(other.queue);
        self.prefill.extend(other.prefill);
        self.rest.extend(other.rest);
    }

    fn take(&mut self, sample: &Sample) {
        let ns = |ms: f64| ms * 1e6;
        let told = sample.server_metrics.unwrap_or_default();
        let queue = told.queue_time_ms.map(ns);
        // vLLM's own time to first token begins behind the queue.
        let prefill = told.time_to_first_token_ms.or(sample.timings.and_then(|of| of.prompt_ms)).map(ns);
        self.queue.extend(queue);
        self.prefill.extend(prefill);
        // A queue that is not told stays in the rest.
        self.rest.extend(prefill.and_then(|prefill| Some(sample.ttft_ns()? as f64 - prefill - queue.unwrap_or(0.0))));
    }
}

/// Adds what is known; a sum of nothing known stays unknown.
fn add(sum: &mut Option<u64>, more: Option<u64>) {
    *sum = more.map_or(*sum, |n| Some(sum.unwrap_or(0) + n));
}

/// Events a second, over sessions that came one after the other.
fn rate(sessions: impl Iterator<Item = (Option<u64>, Option<Nanos>)>) -> Option<f64> {
    let known = sessions.filter_map(|(events, span)| Some((events?, span?)));
    let (events, span) = known.reduce(|sum, of| (sum.0 + of.0, sum.1 + of.1))?;
    (span > 0).then(|| events as f64 / (span as f64 / 1e9))
}

//! One row, classic or full, and what it counts for.

use crate::clock::Nanos;
use crate::evidence::{Evidence, Proof};
use crate::plan::{Arm, Role};
use crate::record::{Line, Logged};
use crate::sample::{Outcome, Sample};
use crate::wire::metrics::Spans;

/// One row of a log.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The number of its line, from 1.
    pub line: usize,
    /// Its place among all rows of all logs, from 0.
    pub row: usize,
    /// The row as it stands in the log, without the newline.
    pub raw: String,
    /// Which session of its log it belongs to, from 0.
    pub session: usize,
    pub run_index: u64,
    pub context_tokens: u64,
    pub arm: Arm,
    pub role: Role,
    /// Which of the log's prompts it asked.
    pub prompt: Option<usize>,
    pub ttft_ns: Option<Nanos>,
    /// Everything else; `None` for a classic row.
    pub sample: Option<Sample>,
    /// What it found in the cache; judged again from the rows, so that old logs are judged too.
    pub evidence: Option<Evidence>,
    /// What the server's own clocks counted up to here, where they were read.
    pub server_spans: Option<Spans>,
    /// Whether it was sent in a search for the knee, which asks what a rate does and not what a hit saves.
    pub is_of_level: bool,
}

impl Entry {
    pub(super) fn of(logged: Logged, session: usize, row: usize) -> Entry {
        let Logged { number: line, raw, line: of } = logged;
        match of {
            Line::Classic(of) => Entry {
                line,
                row,
                raw,
                session,
                run_index: of.run_index,
                context_tokens: of.context_tokens,
                arm: if of.run_index == 1 { Arm::Cold } else { Arm::Hit },
                role: Role::Measure,
                prompt: None,
                ttft_ns: Some((of.ttft_seconds * 1e9).round() as Nanos),
                sample: None,
                evidence: None,
                server_spans: None,
                is_of_level: false,
            },
            Line::Full(of) => Entry {
                line,
                row,
                raw,
                session,
                run_index: of.run_index,
                context_tokens: of.context_tokens,
                arm: of.sample.arm,
                role: of.sample.role,
                prompt: of.sample.place.prompt.and_then(|number| usize::try_from(number).ok()),
                ttft_ns: of.sample.ttft_ns(),
                sample: Some(of.sample),
                evidence: None,
                server_spans: of.server_spans,
                is_of_level: false,
            },
        }
    }

    /// Whether it counts: measured, with a time, no answer to another question than what a hit saves, and no cold that
    /// was warm.
    pub fn is_measured(&self) -> bool {
        self.is_plain() && !self.is_warm_cold() && !self.is_partly_reusable()
    }

    /// Whether it was meant to find a part of its prompt, so that it is neither a cold request nor a hit.
    fn is_partly_reusable(&self) -> bool {
        let reusable = self.sample.as_ref().and_then(|sample| sample.place.reusable_tokens);
        self.arm == Arm::Cold && reusable.is_some_and(|tokens| tokens > 0)
    }

    /// Whether it was sent to be cold, and the server counts more than a tenth of its prompt as cached: no time of a
    /// cold request, and none of a hit that was planned.
    pub fn is_warm_cold(&self) -> bool {
        let cached =
            self.evidence.as_ref().filter(|of| of.proof != Some(Proof::Timing)).and_then(|of| of.cached_tokens);
        let warm = cached.zip(self.prompt_tokens()).is_some_and(|(cached, prompt)| 10 * cached > prompt);
        self.arm != Arm::Hit && !self.is_partly_reusable() && self.is_plain() && warm
    }

    /// Measured, with a time, and about what a hit saves.
    fn is_plain(&self) -> bool {
        let asks_otherwise =
            self.shared_percent().is_some() || self.is_of_map() || self.is_without_cache() || self.is_of_level;
        self.role == Role::Measure && self.ttft_ns.is_some() && !asks_otherwise
    }

    /// How much of the document was a prefix of one sent before, where that share is the question.
    pub fn shared_percent(&self) -> Option<u8> {
        self.sample.as_ref().and_then(|sample| sample.place.shared_percent)
    }

    /// Whether it was sent to map a cache, which is another question than what a hit saves.
    fn is_of_map(&self) -> bool {
        self.sample.as_ref().is_some_and(|sample| sample.place.stage.is_some())
    }

    /// Whether it left the cache alone, to show what storing costs.
    fn is_without_cache(&self) -> bool {
        self.sample.as_ref().is_some_and(|sample| sample.place.cache_off)
    }

    /// How it failed, if it did.
    pub fn failure(&self) -> Option<&Outcome> {
        self.sample.as_ref().map(|sample| &sample.outcome).filter(|outcome| !outcome.is_ok())
    }

    pub fn cached_tokens(&self) -> Option<u64> {
        self.sample.as_ref().and_then(Sample::cached_tokens)
    }

    pub fn prompt_tokens(&self) -> Option<u64> {
        self.sample.as_ref().and_then(Sample::prompt_tokens)
    }
}

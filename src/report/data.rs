//! What a report is made of: the rows of one or more logs, each under the name the reader gave it.
//!
//! A classic row of three keys and a full row become the same [`Entry`]; what a classic row does not know is `None`.

mod cell;
mod entry;
mod growing;

pub use cell::{Cell, arm_name, arm_rank};
pub use entry::Entry;

use super::load::Tally;
use crate::clock::Nanos;
use crate::plan::prompts::Prompt;
use crate::record::{Conditions, LoadNote, Logged, MapNote, Reading, SelfTest};
use crate::stats::looks::Rule;
use growing::Growing;

/// All logs of a report, in the order they were named.
#[derive(Debug, Clone, Default)]
pub struct Data {
    pub logs: Vec<Log>,
}

/// A log that was read, before it is part of a report.
#[derive(Debug, Clone)]
pub struct Named {
    /// What the reader calls it; without a name, it is called by its path.
    pub label: Option<String>,
    pub path: String,
    pub reading: Reading,
}

/// One log.
#[derive(Debug, Clone)]
pub struct Log {
    pub label: String,
    pub path: String,
    /// The place of its first row among all rows of all logs, from 0.
    pub first_row: usize,
    /// How many it has.
    pub rows: usize,
    /// All of them, or none where they are too many.
    pub entries: Vec<Entry>,
    /// The prompts that were compared, of all sessions.
    pub prompts: Vec<Prompt>,
    /// What the log says of each session that says anything, as key and text.
    pub conditions: Vec<Vec<(String, String)>>,
    /// The number of a last line that is cut in the middle.
    pub cut: Option<usize>,
    /// When its pairs were to stop; `None` where the log does not say.
    pub rule: Option<Rule>,
    /// The client's own error as measured before the run; the largest of its sessions', `None` where none says.
    pub selftest: Option<SelfTest>,
    /// What its sessions were to map, by the session's number.
    pub maps: Vec<(usize, MapNote)>,
    /// What its requests under load come to, if it has any.
    pub load: Option<Tally>,
    /// What was asked of its sessions under load, by the session's number.
    pub loads: Vec<(usize, LoadNote)>,
    /// The conditions of each session that states them, by its number.
    pub stated: Vec<(usize, Conditions)>,
}

impl Data {
    pub fn of(logs: Vec<Named>) -> Data {
        let mut data = Data::default();
        for Named { label, path, reading } in logs {
            let rows = reading.lines.into_iter().map(Ok::<_, std::convert::Infallible>);
            let Ok(log) = data.add(label, path, rows, usize::MAX);
            log.cut = log.cut.or(reading.cut);
        }
        data
    }

    /// Adds a log row by row. Of one with more than `most` rows under load only the figures are kept, not the entries.
    ///
    /// # Errors
    /// The first of `rows`.
    pub fn add<E>(
        &mut self,
        label: Option<String>,
        path: String,
        rows: impl Iterator<Item = Result<Logged, E>>,
        most: usize,
    ) -> Result<&mut Log, E> {
        let before = self.logs.iter().map(|log| log.rows).sum();
        let mut growing = Growing::new(label, path, before, most);
        for row in rows {
            growing.take(row?);
        }
        let log = growing.log;
        let run = log.run();
        // Shards of one run are one log, unless the reader gave them names.
        let at = self.logs.iter().position(|other| run.is_some() && other.run() == run);
        match at {
            Some(at) => self.logs[at].join(log, most),
            None => self.logs.push(log),
        }
        let last = self.logs.len() - 1;
        Ok(&mut self.logs[at.unwrap_or(last)])
    }
}

impl Log {
    /// Whether it has more rows under load than are kept one by one.
    pub fn is_digested(&self) -> bool {
        self.entries.len() < self.rows
    }

    /// What all shards of a run have in common; `None` for a log that is no shard's, or one with a name of its own.
    fn run(&self) -> Option<(&str, &str, &str, u64, u64)> {
        let (_, note) = self.loads.first().filter(|(_, note)| note.shard.count > 1 && self.label == self.path)?;
        Some((self.condition("nonce")?, &note.workload, &note.arrivals, note.seed, note.shard.count))
    }

    /// Takes the rows of another shard of the same run, as if the one file followed the other.
    fn join(&mut self, other: Log, most: usize) {
        let lines = self.entries.last().map_or(0, |entry| entry.line);
        let sessions = self.loads.iter().map(|(session, _)| session + 1).max().unwrap_or(0);
        let moved = |entry: Entry| Entry { session: entry.session + sessions, line: entry.line + lines, ..entry };
        let is_whole = !self.is_digested() && !other.is_digested() && self.rows + other.rows <= most;
        self.rows += other.rows;
        if is_whole {
            self.entries.extend(other.entries.into_iter().map(moved));
        } else {
            self.entries = Vec::new();
        }
        self.loads.extend(other.loads.into_iter().map(|(session, note)| (session + sessions, note)));
        if let Some(load) = other.load {
            self.load.get_or_insert_default().merge(load, sessions);
        }
        self.conditions.extend(other.conditions);
        self.stated.extend(other.stated.into_iter().map(|(session, said)| (session + sessions, said)));
        self.note_selftest(other.selftest);
        self.cut = self.cut.or(other.cut);
    }

    /// The place of `prompt` among the log's, added to them if need be: two sessions that asked the same are one.
    fn place_of(&mut self, prompt: &Prompt) -> usize {
        self.prompts.iter().position(|known| known == prompt).unwrap_or_else(|| {
            self.prompts.push(prompt.clone());
            self.prompts.len() - 1
        })
    }

    /// What the log says under `key`: every session's word, each once and in their order; `None` where none says anything.
    pub fn told(&self, key: &str) -> Option<String> {
        let mut told: Vec<&str> = Vec::new();
        for (_, value) in self.conditions.iter().flatten().filter(|(name, _)| name == key) {
            if !told.contains(&value.as_str()) {
                told.push(value);
            }
        }
        (!told.is_empty()).then(|| told.join(" and then "))
    }

    /// What the log says under `key`, the first session's word.
    pub fn condition(&self, key: &str) -> Option<&str> {
        self.conditions.iter().flatten().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// Keeps the worse of two sessions' selftests.
    fn note_selftest(&mut self, test: Option<SelfTest>) {
        let worse = |test: &SelfTest| test.p99_error_ns;
        self.selftest = self.selftest.take().into_iter().chain(test).max_by_key(worse);
    }

    /// Differences of two times that are smaller cannot be told from the client's own error.
    pub fn smallest_effect_ns(&self) -> Option<Nanos> {
        self.selftest.as_ref().map(SelfTest::smallest_effect_ns)
    }

    /// The rows of each session that has full rows, in the order they were sent.
    pub fn sessions(&self) -> Vec<Vec<&Entry>> {
        let full: Vec<&Entry> = self.entries.iter().filter(|entry| entry.sample.is_some()).collect();
        full.chunk_by(|one, other| one.session == other.session).map(<[_]>::to_vec).collect()
    }
}

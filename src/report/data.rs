//! What a report is made of: the rows of one or more logs, each under the name the reader gave it.
//!
//! A classic row of three keys and a full row become the same [`Entry`]; what a classic row does not know is `None`.

use serde_json::Value;

use super::load::Tally;
use crate::clock::Nanos;
use crate::evidence::{Evidence, Judge, Proof};
use crate::plan::prompts::Prompt;
use crate::plan::{Arm, Role};
use crate::record::{Conditions, Line, LoadNote, Logged, MapNote, Reading, SelfTest};
use crate::sample::{Outcome, Sample};
use crate::stats::looks::Rule;
use crate::verdict;
use crate::wire::metrics::Spans;

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

/// A log that is being read.
struct Growing {
    log: Log,
    session: Option<Session>,
    /// Where each prompt of the session stands among the log's.
    places: Vec<usize>,
    judge: Judge,
    is_under_load: bool,
    most: usize,
}

impl Growing {
    fn new(label: Option<String>, path: String, first_row: usize, most: usize) -> Growing {
        let log = Log {
            label: label.unwrap_or_else(|| path.clone()),
            path,
            first_row,
            rows: 0,
            entries: Vec::new(),
            prompts: Vec::new(),
            conditions: Vec::new(),
            cut: None,
            rule: None,
            selftest: None,
            maps: Vec::new(),
            stated: Vec::new(),
            load: None,
            loads: Vec::new(),
        };
        Growing { log, session: None, places: Vec::new(), judge: Judge::default(), is_under_load: false, most }
    }

    fn take(&mut self, logged: Logged) {
        let log = &mut self.log;
        let before = self.session.as_ref().map(|session| session.number);
        let next = Session::after(self.session.take(), &logged.line);
        if before != Some(next.number) {
            self.judge = Judge::default();
            self.is_under_load = false;
        }
        if let Line::Full(row) = &logged.line
            && let Some(conditions) = &row.conditions
        {
            log.conditions.push(texts(conditions));
            self.places = conditions.prompts.iter().map(|prompt| log.place_of(prompt)).collect();
            let rule = conditions.rule.as_ref().map(|note| verdict::rule(note.max_pairs as usize, note.precision));
            log.rule = log.rule.take().or(rule);
            log.note_selftest(conditions.selftest.clone());
            log.maps.extend(conditions.map.clone().map(|note| (next.number, note)));
            log.loads.extend(conditions.load.clone().map(|note| (next.number, note)));
            log.stated.push((next.number, conditions.clone()));
            self.is_under_load = conditions.command == "load";
            if let Some(slo) = conditions.slo {
                log.load.get_or_insert_default().ask(slo);
            }
        }
        let mut entry = Entry::of(logged, next.number, log.first_row + log.rows);
        entry.prompt = entry.prompt.and_then(|number| self.places.get(number).copied());
        entry.evidence = entry.sample.as_ref().and_then(|sample| self.judge.judge(sample, entry.context_tokens));
        log.rows += 1;
        self.session = Some(next);
        if self.is_under_load {
            let load = log.load.get_or_insert_default();
            load.is_sharded = log.loads.iter().any(|(_, note)| note.shard.count > 1);
            load.take(&entry);
        }
        if log.rows <= self.most || log.load.is_none() {
            log.entries.push(entry);
        } else {
            // The first of them alone would be a part that looks like the whole.
            log.entries = Vec::new();
        }
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

/// Which session a row belongs to: a full row says so, and a classic row begins a new one where its number does not grow.
struct Session {
    number: usize,
    name: Option<String>,
    run_index: u64,
}

impl Session {
    fn after(before: Option<Session>, line: &Line) -> Session {
        let (name, run_index) = match line {
            Line::Classic(row) => (None, row.run_index),
            Line::Full(row) => (Some(row.session.clone()), row.run_index),
        };
        let number = match before {
            None => 0,
            Some(before) if name.is_some() && name == before.name => before.number,
            Some(before) if name.is_none() && before.name.is_none() && run_index > before.run_index => before.number,
            Some(before) => before.number + 1,
        };
        Session { number, name, run_index }
    }
}

/// Every condition that is known, as text: new ones need no code here.
fn texts(conditions: &Conditions) -> Vec<(String, String)> {
    let Ok(Value::Object(mut known)) = serde_json::to_value(conditions) else { return Vec::new() };
    // The times of an earlier session are no text.
    if let Some(Value::Object(earlier)) = known.get_mut("cache_off") {
        earlier.remove("cold_ns");
    }
    known.into_iter().filter_map(|(key, value)| Some((key, text(&value)?))).collect()
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Array(words) => Some(words.iter().filter_map(text).collect::<Vec<_>>().join(" ")),
        Value::Object(fields) => {
            let fields = fields.iter().filter_map(|(key, value)| Some(format!("{key} {}", text(value)?)));
            Some(fields.collect::<Vec<_>>().join(", "))
        }
        other => Some(other.to_string()),
    }
}

impl Entry {
    fn of(logged: Logged, session: usize, row: usize) -> Entry {
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
        let asks_otherwise = self.shared_percent().is_some() || self.is_of_map() || self.is_without_cache();
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

/// The measured rows of one log, one context length and one arm.
#[derive(Debug, Clone)]
pub struct Cell<'a> {
    pub log: usize,
    pub context_tokens: u64,
    pub arm: Arm,
    pub entries: Vec<&'a Entry>,
}

/// Generated documents of one length differ by a few tokens; up to this factor they are one length.
const SAME_LENGTH: f64 = 1.02;

impl Data {
    pub fn entries(&self) -> impl Iterator<Item = (usize, &Entry)> {
        self.logs.iter().enumerate().flat_map(|(log, of)| of.entries.iter().map(move |entry| (log, entry)))
    }

    /// Whether the logs need their names to be told apart.
    pub fn is_labelled(&self) -> bool {
        self.logs.len() > 1
    }

    /// The name of an arm of a log: `hit`, or `lmcache hit` beside other logs.
    pub fn series_name(&self, log: usize, arm: Arm) -> String {
        if self.is_labelled() { format!("{} {}", self.logs[log].label, arm_name(arm)) } else { arm_name(arm).into() }
    }

    /// The context lengths that were measured, each the smallest of its documents, growing.
    pub fn lengths(&self) -> Vec<u64> {
        let mut seen: Vec<u64> =
            self.entries().filter(|(_, entry)| entry.is_measured()).map(|(_, entry)| entry.context_tokens).collect();
        seen.sort_unstable();
        seen.dedup_by(|next, first| *next as f64 <= *first as f64 * SAME_LENGTH);
        seen
    }

    /// The measured rows by log, then length, then arm; none of them empty.
    pub fn cells(&self) -> Vec<Cell<'_>> {
        let lengths = self.lengths();
        let mut cells: Vec<Cell> = Vec::new();
        for (log, entry) in self.entries().filter(|(_, entry)| entry.is_measured()) {
            let above = lengths.partition_point(|length| *length <= entry.context_tokens);
            let context_tokens = lengths[above - 1];
            let is_mine =
                |cell: &&mut Cell| (cell.log, cell.context_tokens, cell.arm) == (log, context_tokens, entry.arm);
            match cells.iter_mut().find(is_mine) {
                Some(cell) => cell.entries.push(entry),
                None => cells.push(Cell { log, context_tokens, arm: entry.arm, entries: vec![entry] }),
            }
        }
        cells.sort_by_key(|cell| (cell.log, cell.context_tokens, arm_rank(cell.arm)));
        cells
    }
}

impl Data {
    /// The cells of each log and arm at all its lengths, cold before hit.
    pub fn arms(&self) -> Vec<Vec<Cell<'_>>> {
        let mut cells = self.cells();
        cells.sort_by_key(|cell| (cell.log, arm_rank(cell.arm)));
        let same = |one: &Cell, other: &Cell| (one.log, one.arm) == (other.log, other.arm);
        cells.chunk_by(same).map(<[Cell]>::to_vec).collect()
    }

    /// The length with the most samples, the longest of several: the one to look at when only one can be shown.
    pub fn main_length(&self) -> Option<u64> {
        let cells = self.cells();
        let samples = |length: u64| -> usize {
            cells.iter().filter(|cell| cell.context_tokens == length).map(|cell| cell.entries.len()).sum()
        };
        self.lengths().into_iter().max_by_key(|length| (samples(*length), *length))
    }
}

impl Cell<'_> {
    /// The times to first token in nanoseconds, in the order they were measured.
    pub fn times(&self) -> Vec<f64> {
        self.entries.iter().filter_map(|entry| entry.ttft_ns).map(|ns| ns as f64).collect()
    }
}

pub fn arm_name(arm: Arm) -> &'static str {
    match arm {
        Arm::Cold => "cold",
        Arm::Hit => "hit",
        Arm::Unseen => "unseen",
    }
}

/// Cold before hit before the control.
pub fn arm_rank(arm: Arm) -> usize {
    match arm {
        Arm::Cold => 0,
        Arm::Hit => 1,
        Arm::Unseen => 2,
    }
}

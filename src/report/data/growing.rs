//! A log on its way from rows to a [`Log`]: sessions, prompts and evidence are told as its rows come.

use serde_json::Value;

use super::{Entry, Log};
use crate::evidence::Judge;
use crate::record::{Conditions, Line, Logged};
use crate::verdict;

/// A log that is being read.
pub(super) struct Growing {
    pub log: Log,
    session: Option<Session>,
    /// Where each prompt of the session stands among the log's.
    places: Vec<usize>,
    judge: Judge,
    is_under_load: bool,
    is_of_level: bool,
    most: usize,
}

impl Growing {
    pub fn new(label: Option<String>, path: String, first_row: usize, most: usize) -> Growing {
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
        Growing {
            log,
            session: None,
            places: Vec::new(),
            judge: Judge::default(),
            is_under_load: false,
            is_of_level: false,
            most,
        }
    }

    pub fn take(&mut self, logged: Logged) {
        let log = &mut self.log;
        let before = self.session.as_ref().map(|session| session.number);
        let next = Session::after(self.session.take(), &logged.line);
        if before != Some(next.number) {
            self.judge = Judge::default();
            self.is_under_load = false;
            self.is_of_level = false;
        }
        if let Line::Full(row) = &logged.line
            && let Some(conditions) = &row.conditions
        {
            log.conditions.push(texts(conditions));
            self.places = conditions.prompts.iter().map(|prompt| log.place_of(prompt)).collect();
            let rule = conditions.rule.as_ref();
            let rule = rule.map(|note| verdict::rule(note.max_pairs as usize, note.precision, note.of_effect));
            log.rule = log.rule.take().or(rule);
            log.note_selftest(conditions.selftest.clone());
            log.maps.extend(conditions.map.clone().map(|note| (next.number, note)));
            if let Some(note) = conditions.load.clone() {
                log.load.get_or_insert_default().begin(next.number, &note, conditions.slo);
                self.is_of_level = note.level.is_some();
                log.loads.push((next.number, note));
            }
            log.stated.push((next.number, conditions.clone()));
            self.is_under_load = conditions.command == "load";
            if let Some(slo) = conditions.slo {
                log.load.get_or_insert_default().ask(slo);
            }
        }
        let mut entry = Entry::of(logged, next.number, log.first_row + log.rows);
        entry.prompt = entry.prompt.and_then(|number| self.places.get(number).copied());
        entry.evidence = entry.sample.as_ref().and_then(|sample| self.judge.judge(sample, entry.context_tokens));
        entry.is_of_level = self.is_of_level;
        log.rows += 1;
        self.session = Some(next);
        if self.is_under_load {
            log.load.get_or_insert_default().take(&entry);
        }
        if log.rows <= self.most || log.load.is_none() {
            log.entries.push(entry);
        } else {
            // The first of them alone would be a part that looks like the whole.
            log.entries = Vec::new();
        }
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

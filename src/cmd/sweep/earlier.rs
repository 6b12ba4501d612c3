//! A sweep of pairs that was stopped, as its log tells it.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::path::Path;

use anyhow::Context;

use super::merged::refuse_others;
use crate::cmd::UsageError;
use crate::cmd::open::Opened;
use crate::pairs::{CONTROL_PAIRS, Pairs};
use crate::record::{Conditions, Line, Log, Reading};
use crate::sample::Sample;

/// What an interrupted sweep left in its log.
pub struct Earlier {
    /// The pairs that count, by size.
    pub pairs: BTreeMap<u64, usize>,
    pub sessions: usize,
    /// Pairs that the A/A control still needs.
    pub controls_lacking: usize,
    /// Bytes of the log up to the end of its last whole line.
    whole_bytes: u64,
}

impl Earlier {
    /// Nothing was measured before.
    pub fn nothing() -> Earlier {
        Earlier { pairs: BTreeMap::new(), sessions: 0, controls_lacking: CONTROL_PAIRS, whole_bytes: 0 }
    }

    /// Reads the log of all sizes.
    ///
    /// # Errors
    /// [`UsageError`] where the log cannot be continued.
    pub fn read(path: &Path, opened: &Opened, now: &Conditions) -> anyhow::Result<Earlier> {
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let reading = Reading::parse(path, &bytes)?;
        refuse_others(&reading, path, opened)?;
        let mut sessions: Vec<(String, Vec<Sample>)> = Vec::new();
        for logged in reading.lines {
            let Line::Full(row) = logged.line else { return Err(unlike(path, "rows of three keys")) };
            if row.sample.place.asked_tokens.is_none() {
                return Err(unlike(path, "a sweep without --verify"));
            }
            if let Some(then) = &row.conditions {
                let is_alike = (&then.api, &then.prompt, then.max_tokens) == (&now.api, &now.prompt, now.max_tokens);
                if !is_alike {
                    return Err(unlike(path, "another --prompt, --max_tokens or --endpoint"));
                }
            }
            match sessions.last_mut().filter(|(session, _)| *session == row.session) {
                Some((_, samples)) => samples.push(row.sample),
                None => sessions.push((row.session, vec![row.sample])),
            }
        }
        let mut all = Pairs::default();
        sessions.iter().for_each(|(_, samples)| all.absorb(Pairs::of(samples)));
        let mut pairs = BTreeMap::new();
        for pair in &all.measured {
            *pairs.entry(pair.cold.place.asked_tokens.unwrap_or(0)).or_default() += 1;
        }
        let whole_bytes = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at as u64 + 1);
        Ok(Earlier { pairs, sessions: sessions.len(), controls_lacking: all.controls_lacking(), whole_bytes })
    }

    /// The log, to be written behind its last whole line: what a kill left of a line is no row.
    pub fn continue_log(&self, log: Log) -> anyhow::Result<Log> {
        let file = OpenOptions::new().write(true).open(log.path());
        file.and_then(|file| file.set_len(self.whole_bytes))
            .with_context(|| format!("cannot continue {}", log.path().display()))?;
        Ok(log.append()?)
    }
}

fn unlike(path: &Path, what: &str) -> anyhow::Error {
    UsageError(format!("--resume: {} holds {what}; name another --out", path.display())).into()
}

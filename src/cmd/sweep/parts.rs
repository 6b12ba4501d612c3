//! The log of each size beside the log of all, where the pairs of all sizes were measured in turn: the same rows, a file a
//! size, as the plain sweep writes them. `cat` of them is a log of all sizes again.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::record::{Conditions, Line, Reading, Row};

/// The log of the size of `tokens`, beside the log of all.
pub fn of_size(all: &Path, tokens: u64) -> PathBuf {
    all.with_file_name(format!("ttft_{tokens}.jsonl"))
}

/// Writes the log of every size that the log of all holds.
///
/// # Errors
/// A log that cannot be read or written.
pub fn write(all: &Path) -> anyhow::Result<()> {
    for (tokens, text) in texts(Reading::open(all)?)? {
        let part = of_size(all, tokens);
        fs::write(&part, text).with_context(|| format!("cannot write the log {}", part.display()))?;
    }
    Ok(())
}

/// The rows of each size. The first row that a size has of a session carries the session's conditions.
fn texts(reading: Reading) -> serde_json::Result<BTreeMap<u64, String>> {
    let mut conditions: BTreeMap<String, Conditions> = BTreeMap::new();
    let mut sessions: BTreeMap<u64, String> = BTreeMap::new();
    let mut texts: BTreeMap<u64, String> = BTreeMap::new();
    for logged in reading.lines {
        let Line::Full(row) = logged.line else { continue };
        if let Some(said) = &row.conditions {
            conditions.insert(row.session.clone(), said.clone());
        }
        let Some(tokens) = row.sample.place.asked_tokens else { continue };
        let is_first = sessions.insert(tokens, row.session.clone()).as_ref() != Some(&row.session);
        let said = conditions.get(&row.session).cloned().filter(|_| is_first);
        let line = match said {
            None => logged.raw,
            said => serde_json::to_string(&Row { conditions: said, ..*row })?,
        };
        *texts.entry(tokens).or_default() += &(line + "\n");
    }
    Ok(texts)
}

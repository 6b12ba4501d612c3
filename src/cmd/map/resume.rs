//! A map that was stopped, as its log tells it.

use std::fs::OpenOptions;
use std::path::Path;

use anyhow::{Context, bail};

use crate::cachemap::Map;
use crate::record::{Line, MapNote, Reading};
use crate::rng::Nonce;
use crate::sample::Sample;

/// What a log holds of the map that is to go on.
pub struct Before {
    pub note: MapNote,
    pub nonce: Nonce,
    pub session: String,
    pub samples: Vec<Sample>,
}

impl Before {
    /// Reads the last session of the log. A last line that was cut is taken away.
    ///
    /// # Errors
    /// A log that cannot be read, or holds no map.
    pub fn read(path: &Path) -> anyhow::Result<Before> {
        let reading = Reading::open(path)?;
        if reading.cut.is_some() {
            mend(path).with_context(|| format!("cannot take the cut line off {}", path.display()))?;
        }
        let mut before: Option<Before> = None;
        for logged in reading.lines {
            let Line::Full(row) = logged.line else { continue };
            if let Some(conditions) = &row.conditions {
                before = conditions.map.clone().map(|note| Before {
                    note,
                    nonce: conditions.nonce,
                    session: row.session.clone(),
                    samples: Vec::new(),
                });
            }
            if let Some(before) = before.as_mut().filter(|before| before.session == row.session) {
                before.samples.push(row.sample);
            }
        }
        before.with_context(|| {
            format!("cannot go on with {}: it holds no map; leave --resume out to begin one", path.display())
        })
    }

    /// The machine where it was, and the requests that brought it there.
    ///
    /// # Errors
    /// A log that another version made.
    pub fn map(&self) -> anyhow::Result<(Map, u64)> {
        let (map, taken) = Map::resumed(self.note.design.clone(), &self.samples);
        if taken < self.samples.len() {
            bail!(
                "cannot go on: request {} of the log is not what this version would have sent; map again without --resume",
                taken + 1
            );
        }
        Ok((map, taken as u64))
    }

    pub fn prompt_tokens(&self) -> u64 {
        self.samples.iter().filter_map(Sample::prompt_tokens).sum()
    }
}

/// Cuts the file behind its last whole line.
fn mend(path: &Path) -> std::io::Result<()> {
    let bytes = std::fs::read(path)?;
    let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    OpenOptions::new().write(true).open(path)?.set_len(whole as u64)
}

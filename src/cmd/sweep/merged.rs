//! The log of all sizes, and the logs of each beside it.
//!
//! A size's log is added when it is whole, byte for byte, as `cat` would. What an interrupt cuts short stays in the log
//! of its size.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::parts;
use crate::cli::SweepArgs;
use crate::cmd::open::Opened;
use crate::cmd::{UsageError, journal};
use crate::record::{Line, Log, LogError, Reading};

/// The log of all sizes.
pub struct Merged {
    log: Log,
}

impl Merged {
    /// Makes sure that the log can be written, and leaves it as it is.
    pub fn prepare(args: &SweepArgs) -> Result<Merged, LogError> {
        let log = journal::prepare(&args.out, &args.session.output)?;
        Ok(Merged { log: if args.resume || args.append { log.append()? } else { log } })
    }

    /// The first request is about to go out: clears the log, unless it is to be continued.
    pub fn begin(&mut self) -> Result<(), LogError> {
        self.log.begin()
    }

    pub fn path(&self) -> &Path {
        self.log.path()
    }

    /// The log of the size of `tokens`.
    pub fn of_size(&self, tokens: u64) -> PathBuf {
        parts::of_size(self.path(), tokens)
    }

    /// Adds the log of a size.
    pub fn add(&self, part: &Path) -> anyhow::Result<()> {
        let bytes = fs::read(part).with_context(|| format!("cannot read {}", part.display()))?;
        let end = OpenOptions::new().append(true).open(self.path());
        end.and_then(|mut file| file.write_all(&bytes))
            .with_context(|| format!("cannot add {} to {}", part.display(), self.path().display()))
    }

    /// Refuses to continue what was measured on another server or model.
    ///
    /// # Errors
    /// [`UsageError`], or a log that cannot be read.
    pub fn refuse_others(&self, opened: &Opened) -> anyhow::Result<()> {
        refuse_others(&Reading::open(self.path())?, self.path(), opened)
    }

    /// Whether the size of `tokens` has been measured: all its `requests` went well, and with this model. A size that
    /// was measured and not added, as when the program was killed between the two, is added.
    pub fn has(&self, tokens: u64, requests: u64, model: &str) -> anyhow::Result<bool> {
        let part = self.of_size(tokens);
        let Some(reading) = Reading::open(&part).ok().filter(|reading| is_whole(reading, requests, model)) else {
            return Ok(false);
        };
        let merged = Reading::open(self.path())?;
        let first = &reading.lines[0].raw;
        if merged.lines.iter().all(|logged| logged.raw != *first) {
            self.add(&part)?;
        }
        Ok(true)
    }
}

/// Refuses a log with a session on another server or model than `opened`.
///
/// # Errors
/// [`UsageError`].
pub fn refuse_others(reading: &Reading, path: &Path, opened: &Opened) -> anyhow::Result<()> {
    let (url, model) = (opened.endpoint.base.url(), &opened.model);
    let mut conditions = reading.lines.iter().filter_map(|logged| match &logged.line {
        Line::Full(row) => row.conditions.as_ref(),
        Line::Classic(_) => None,
    });
    let other = conditions.find(|other| other.model != *model || other.endpoint != url);
    other.map_or(Ok(()), |other| {
        Err(UsageError(format!(
            "--resume: {} was measured with {} at {}, and this is {model} at {url}; name the same server and model, or \
             another --out",
            path.display(),
            other.model,
            other.endpoint
        ))
        .into())
    })
}

fn is_whole(reading: &Reading, requests: u64, model: &str) -> bool {
    let went_well = reading.lines.iter().all(|logged| match &logged.line {
        Line::Classic(_) => true,
        Line::Full(row) => {
            let is_same = row.conditions.as_ref().is_none_or(|conditions| conditions.model == model);
            row.ttft_seconds.is_some() && is_same
        }
    });
    reading.cut.is_none() && reading.lines.len() as u64 == requests && went_well
}

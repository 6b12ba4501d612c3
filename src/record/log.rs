//! Writing and reading logs.
//!
//! A log is written a line at a time, each flushed, so that whatever was measured is on disk when the next request goes
//! out. It is cleared only at that moment too: a wrong flag or a dead server leaves an old log as it was.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::schema::{Line, Row, SCHEMA_VERSION};

/// What is written to find out whether there is room: more than the rows of a classic run.
const PROBE_BYTES: usize = 64 * 1024;

/// A log cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("cannot write the log {path}: {reason}; name another file with --out")]
    Unwritable { path: PathBuf, reason: io::Error },
    #[error("cannot read the log {path}: {reason}; name a file that this program wrote")]
    Unreadable { path: PathBuf, reason: io::Error },
    #[error("line {line} of {path} is no row of a log: {reason}; a row is one line of JSON that begins with run_index")]
    NoRow { path: PathBuf, line: usize, reason: String },
    #[error(
        "line {line} of {path} has schema {found}, and this program knows up to {SCHEMA_VERSION}; use a newer ttft"
    )]
    Newer { path: PathBuf, line: usize, found: u32 },
}

/// Which keys a log is written with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Keys {
    #[default]
    Full,
    /// The three of the classic log; failed requests have no line.
    Classic,
}

/// A log being written.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    file: File,
    keys: Keys,
    /// The row that was written last, and where it begins; `None` before the first, and where nothing can be written again.
    last: Option<(u64, Vec<u8>)>,
    /// Whether what stood in the file before is still there.
    untouched: bool,
}

impl Log {
    /// Opens `path` for writing and makes sure there is room, without changing what it holds.
    ///
    /// # Errors
    /// [`LogError::Unwritable`].
    pub fn prepare(path: &Path, keys: Keys) -> Result<Log, LogError> {
        let unwritable = |reason| LogError::Unwritable { path: path.to_owned(), reason };
        let mut file = OpenOptions::new().write(true).create(true).truncate(false).open(path).map_err(unwritable)?;
        probe(&mut file).map_err(unwritable)?;
        Ok(Log { path: path.to_owned(), file, keys, last: None, untouched: true })
    }

    /// Keeps what the file holds and writes behind it.
    ///
    /// # Errors
    /// [`LogError::Unwritable`].
    pub fn append(mut self) -> Result<Log, LogError> {
        self.untouched = false;
        let end = self.file.seek(SeekFrom::End(0));
        end.map_err(|reason| LogError::Unwritable { path: self.path.clone(), reason })?;
        Ok(self)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The first request is about to go out: clears the file.
    ///
    /// # Errors
    /// [`LogError::Unwritable`].
    pub fn begin(&mut self) -> Result<(), LogError> {
        if std::mem::take(&mut self.untouched) {
            let cleared = is_file(&self.file).and_then(|regular| if regular { self.file.set_len(0) } else { Ok(()) });
            cleared.map_err(|reason| LogError::Unwritable { path: self.path.clone(), reason })?;
        }
        Ok(())
    }

    /// Writes one row, in one piece.
    ///
    /// # Errors
    /// [`LogError::Unwritable`].
    pub fn write(&mut self, row: &Row) -> Result<(), LogError> {
        self.begin()?;
        let Some(line) = line(row, self.keys) else { return Ok(()) };
        let written = line.and_then(|line| {
            let at = self.file.stream_position().ok();
            self.file.write_all(&line)?;
            self.last = at.map(|at| (at, line));
            self.file.flush()
        });
        written.map_err(|reason| LogError::Unwritable { path: self.path.clone(), reason })
    }

    /// Writes `row` in place of the one that was written last, which stays where there is no room for the other. What is no
    /// file keeps what it was given, and so does a classic log.
    ///
    /// # Errors
    /// [`LogError::Unwritable`].
    pub fn rewrite(&mut self, row: &Row) -> Result<(), LogError> {
        let Some((at, before)) = self.last.take().filter(|_| self.keys == Keys::Full) else { return Ok(()) };
        let Some(line) = line(row, self.keys) else { return Ok(()) };
        let written = line.and_then(|line| {
            let replaced = replace(&mut self.file, at, &before, &line);
            let standing = if replaced.is_ok() { line } else { before };
            // Of the other row nothing is to be left behind it.
            self.file.set_len(at + standing.len() as u64)?;
            self.last = Some((at, standing));
            replaced
        });
        written.map_err(|reason| LogError::Unwritable { path: self.path.clone(), reason })
    }

    /// Nothing was to be written after all: leaves no file.
    ///
    /// # Errors
    /// [`LogError::Unwritable`].
    pub fn discard(self) -> Result<(), LogError> {
        let removed = is_file(&self.file).and_then(|is| if is { std::fs::remove_file(&self.path) } else { Ok(()) });
        removed.map_err(|reason| LogError::Unwritable { path: self.path, reason })
    }
}

/// A row as it stands in the file; `None` where it does not.
fn line(row: &Row, keys: Keys) -> Option<io::Result<Vec<u8>>> {
    let written = match keys {
        Keys::Full => serde_json::to_vec(row),
        Keys::Classic => serde_json::to_vec(&row.classic()?),
    };
    Some(written.map_err(io::Error::other).map(|mut line| {
        line.push(b'\n');
        line
    }))
}

/// Writes `line` from `at` on, where `before` stands. Where that fails `before` is written again, which had room.
fn replace(file: &mut (impl Write + Seek), at: u64, before: &[u8], line: &[u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(at))?;
    let written = file.write_all(line).and_then(|()| file.flush());
    if written.is_err() {
        // What cannot be mended either is said by the first error.
        let _ = file.seek(SeekFrom::Start(at)).and_then(|_| file.write_all(before));
    }
    written
}

/// Writes behind the end and takes it back. What is no file (a pipe, a terminal) is given nothing to read.
fn probe(file: &mut File) -> io::Result<()> {
    if !is_file(file)? {
        // An empty write still asks: /dev/full refuses it.
        return file.write(&[]).map(|_| ());
    }
    let length = file.seek(SeekFrom::End(0))?;
    let written = file.write_all(&[b' '; PROBE_BYTES]);
    file.set_len(length)?;
    file.rewind()?;
    written
}

fn is_file(file: &File) -> io::Result<bool> {
    Ok(file.metadata()?.is_file())
}

/// A line of a log with where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Logged {
    /// From 1.
    pub number: usize,
    /// Without the newline.
    pub raw: String,
    pub line: Line,
}

/// A log that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    pub lines: Vec<Logged>,
    /// The number of a last line that is cut in the middle, as a full disk or a kill leaves it.
    pub cut: Option<usize>,
}

impl Reading {
    /// Reads the log at `path`.
    ///
    /// # Errors
    /// [`LogError`]: no such file, no log, or one of a newer program.
    pub fn open(path: &Path) -> Result<Reading, LogError> {
        Rows::open(path)?.whole()
    }

    /// Reads a log's bytes. `path` is for the errors.
    ///
    /// # Errors
    /// [`LogError::NoRow`], [`LogError::Newer`].
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Reading, LogError> {
        Rows::new(path, bytes).whole()
    }
}

/// The rows of a log one after the other, since a log may be larger than the memory. Empty lines, which concatenation can
/// leave, are passed over.
#[derive(Debug)]
pub struct Rows<R> {
    path: PathBuf,
    bytes: R,
    number: usize,
    cut: Option<usize>,
}

impl Rows<BufReader<File>> {
    /// # Errors
    /// [`LogError::Unreadable`].
    pub fn open(path: &Path) -> Result<Rows<BufReader<File>>, LogError> {
        let unreadable = |reason| LogError::Unreadable { path: path.to_owned(), reason };
        Ok(Rows::new(path, BufReader::new(File::open(path).map_err(unreadable)?)))
    }
}

impl<R: BufRead> Rows<R> {
    pub fn new(path: &Path, bytes: R) -> Rows<R> {
        Rows { path: path.to_owned(), bytes, number: 0, cut: None }
    }

    /// The number of a last line that is cut in the middle; not known before the last row.
    pub fn cut(&self) -> Option<usize> {
        self.cut
    }

    fn whole(mut self) -> Result<Reading, LogError> {
        let lines = self.by_ref().collect::<Result<_, _>>()?;
        Ok(Reading { lines, cut: self.cut })
    }
}

impl<R: BufRead> Iterator for Rows<R> {
    type Item = Result<Logged, LogError>;

    fn next(&mut self) -> Option<Result<Logged, LogError>> {
        let path = || self.path.clone();
        loop {
            let mut line = Vec::new();
            match self.bytes.read_until(b'\n', &mut line) {
                Ok(0) => return None,
                Ok(_) => self.number += 1,
                Err(reason) => return Some(Err(LogError::Unreadable { path: path(), reason })),
            }
            let (text, number) = (line.trim_ascii(), self.number);
            if text.is_empty() {
                continue;
            }
            return match line_of(text) {
                Ok(of) => Some(Ok(Logged { number, raw: String::from_utf8_lossy(text).into_owned(), line: of })),
                Err(Unread::Newer(found)) => Some(Err(LogError::Newer { path: path(), line: number, found })),
                Err(Unread::Broken(_)) if !line.ends_with(b"\n") => {
                    self.cut = Some(number);
                    None
                }
                Err(Unread::Broken(reason) | Unread::Foreign(reason)) => {
                    Some(Err(LogError::NoRow { path: path(), line: number, reason }))
                }
            };
        }
    }
}

enum Unread {
    Newer(u32),
    /// No JSON, or not all of it.
    Broken(String),
    /// JSON of another kind.
    Foreign(String),
}

fn line_of(text: &[u8]) -> Result<Line, Unread> {
    #[derive(Deserialize)]
    struct Version {
        schema: Option<u32>,
    }
    let unread = |error: serde_json::Error| match error.classify() {
        serde_json::error::Category::Data => Unread::Foreign(error.to_string()),
        _ => Unread::Broken(error.to_string()),
    };
    let version: Version = serde_json::from_slice(text).map_err(unread)?;
    match version.schema {
        None => serde_json::from_slice(text).map(Line::Classic).map_err(unread),
        Some(found) if found > SCHEMA_VERSION => Err(Unread::Newer(found)),
        Some(_) => serde_json::from_slice(text).map(|row| Line::Full(Box::new(row))).map_err(unread),
    }
}

#[cfg(test)]
mod tests;

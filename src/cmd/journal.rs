//! From samples to the log, and from the log to the block a command ends with.

use std::io::{BufRead, BufReader};
use std::path::Path;

use super::open::Opened;
use super::print;
use crate::cli::{Api, ConnectionMode, EndpointArgs, OutputArgs, Schema};
use crate::clock::Monotonic;
use crate::document::Document;
use crate::evidence::Judge;
use crate::net::StampSource;
use crate::progress::Voice;
use crate::record::{Conditions, DocumentNote, Flush, Keys, Log, LogError, Row, Rows, SCHEMA_VERSION};
use crate::report::data::Data;
use crate::report::{Report, text};
use crate::rng::Nonce;
use crate::sample::{Sample, StampKind};
use crate::wire::metrics::Spans;

/// The log of one session.
pub struct Journal {
    log: Log,
    judge: Judge,
    session: String,
    /// Until the first row is written.
    conditions: Option<Conditions>,
    /// The row that was written last.
    last: Option<Row>,
}

impl Journal {
    pub fn new(log: Log, conditions: Conditions) -> Journal {
        Journal { log, judge: Judge::default(), session: name(), conditions: Some(conditions), last: None }
    }

    /// A session that began with `before`; `log` holds these and is appended to.
    pub fn resumed(log: Log, session: String, before: &[Sample]) -> Journal {
        let mut judge = Judge::default();
        for sample in before {
            judge.judge(sample, sample.prompt_tokens().unwrap_or(0));
        }
        Journal { log, judge, session, conditions: None, last: None }
    }

    /// What follows is a session of its own, which began under these conditions.
    pub fn begin_session(&mut self, conditions: Conditions) {
        self.judge = Judge::default();
        self.session = name();
        (self.conditions, self.last) = (Some(conditions), None);
    }

    /// The first request is about to go out.
    pub fn begin(&mut self) -> Result<(), LogError> {
        self.log.begin()
    }

    /// The last row is to say what the server's own clocks counted up to its end. Which one is the last is not known
    /// before the run is over, so it is written again.
    pub fn note_spans(&mut self, spans: Spans) -> Result<(), LogError> {
        let Some(row) = &mut self.last else { return Ok(()) };
        row.server_spans = Some(spans);
        self.log.rewrite(row)
    }

    /// Writes what one request yielded.
    pub fn write(
        &mut self,
        run_index: u64,
        context_tokens: u64,
        sample: Sample,
        flush: Option<Flush>,
    ) -> Result<(), LogError> {
        let row = Row {
            run_index,
            context_tokens,
            ttft_seconds: sample.ttft_ns().map(|ns| ns as f64 / 1e9),
            schema: SCHEMA_VERSION,
            session: self.session.clone(),
            evidence: self.judge.judge(&sample, context_tokens),
            sample,
            flush,
            server_spans: None,
            conditions: self.conditions.take(),
        };
        self.log.write(&row)?;
        self.last = Some(row);
        Ok(())
    }

    /// Nothing was to be sent: leaves no log.
    pub fn discard(self) -> Result<(), LogError> {
        self.log.discard()
    }

    /// Prints the block that a run ends with, says where it comes from, and hands on what it was made from.
    pub fn print_block(&self, voice: Voice) -> Result<Data, LogError> {
        let data = print_block(self.path())?;
        voice.note(&whereabouts(self.path()));
        Ok(data)
    }

    pub fn path(&self) -> &Path {
        self.log.path()
    }
}

/// Of a session: any random one will do, since it decides nothing.
fn name() -> String {
    Nonce::fresh().to_string()[..16].to_owned()
}

/// What every session's conditions say, whatever the command.
pub fn conditions(command: &str, argv: Vec<String>, opened: &Opened, args: &EndpointArgs, nonce: Nonce) -> Conditions {
    Conditions {
        command: command.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        argv,
        host: rustix::system::uname().nodename().to_str().ok().map(str::to_owned),
        started_at: humantime::format_rfc3339_seconds(Monotonic.wall()).to_string(),
        endpoint: opened.endpoint.base.url(),
        api: if args.endpoint == Api::Chat { "chat" } else { "completions" }.to_owned(),
        model: opened.model.clone(),
        server: opened.server.clone(),
        model_ctx: opened.context.as_ref().map(|context| context.tokens),
        model_ctx_from: opened.context.as_ref().map(|context| context.source.to_owned()),
        document: None,
        connection: if args.connection == ConnectionMode::Reuse { "reuse" } else { "fresh" }.to_owned(),
        stamps: match opened.endpoint.stopwatch.source() {
            StampSource::Kernel => StampKind::Kernel,
            StampSource::Read => StampKind::Read,
        },
        nonce,
        prompt: None,
        prompts: Vec::new(),
        max_tokens: 0,
        budget: None,
        rule: None,
        cache_off: None,
        map: None,
        slo: None,
        load: None,
        selftest: None,
    }
}

/// A document as the log keeps it.
pub fn note(document: &Document) -> DocumentNote {
    DocumentNote {
        origin: document.origin.clone(),
        context_tokens: document.context_tokens,
        asked_tokens: document.asked_tokens,
        counted_by: document.counted_by.clone(),
    }
}

/// A log that can be written. What it holds stays until the first request is about to go out.
pub fn prepare(path: &Path, args: &OutputArgs) -> Result<Log, LogError> {
    let keys = match args.schema {
        Schema::Full => Keys::Full,
        Schema::Classic => Keys::Classic,
    };
    Log::prepare(path, keys)
}

/// Where a log is, and how to see it again.
pub fn whereabouts(path: &Path) -> String {
    format!("log: {0}\nttft report {0} prints this again; with --open it is a page", path.display())
}

/// More rows under load than this, and a block is made from their figures alone.
pub const MOST_ROWS: usize = 10_000;

/// Adds the log at `path` to `data`, its rows one by one where there are at most `most` of them.
///
/// # Errors
/// [`LogError`].
pub fn read_into(data: &mut Data, label: Option<String>, path: &Path, most: usize) -> Result<(), LogError> {
    // Rows that would only be dropped later are not kept in the first place.
    let most = if has_more_lines(path, most) { 0 } else { most };
    let mut rows = Rows::open(path)?;
    let log = data.add(label, path.display().to_string(), rows.by_ref(), most)?;
    log.cut = log.cut.or(rows.cut());
    Ok(())
}

/// Whether a file has more lines than `most`. What is no file can be read only once, and is not looked at.
fn has_more_lines(path: &Path, most: usize) -> bool {
    let file = std::fs::File::open(path).ok().filter(|file| file.metadata().is_ok_and(|of| of.is_file()));
    let mut lines = file.into_iter().flat_map(|file| BufReader::new(file).split(b'\n'));
    most < usize::MAX && lines.nth(most).is_some()
}

/// Prints the block that `ttft report` prints for the log, and hands on what it was made from.
///
/// # Errors
/// [`LogError`].
pub fn print_block(path: &Path) -> Result<Data, LogError> {
    let mut data = Data::default();
    read_into(&mut data, None, path, MOST_ROWS)?;
    print(&text::write(&Report::of(&data)));
    Ok(data)
}

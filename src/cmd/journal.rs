//! From samples to the log, and from the log to the block a command ends with.

use std::path::Path;

use super::open::Opened;
use super::print;
use crate::cli::{Api, ConnectionMode, EndpointArgs};
use crate::clock::Monotonic;
use crate::document::Document;
use crate::evidence::Judge;
use crate::net::StampSource;
use crate::record::{Conditions, DocumentNote, Flush, Keys, Log, LogError, Reading, Row, SCHEMA_VERSION};
use crate::report::data::{Data, Named};
use crate::report::{Report, text};
use crate::rng::Nonce;
use crate::sample::{Sample, StampKind};

/// The log of one session.
pub struct Journal {
    log: Log,
    judge: Judge,
    session: String,
    /// Until the first row is written.
    conditions: Option<Conditions>,
}

impl Journal {
    pub fn new(log: Log, conditions: Conditions) -> Journal {
        // Any random name will do; it decides nothing.
        let session = Nonce::fresh().to_string()[..16].to_owned();
        Journal { log, judge: Judge::default(), session, conditions: Some(conditions) }
    }

    /// A session that began with `before`; `log` holds these and is appended to.
    pub fn resumed(log: Log, session: String, before: &[Sample]) -> Journal {
        let mut judge = Judge::default();
        for sample in before {
            judge.judge(sample, sample.prompt_tokens().unwrap_or(0));
        }
        Journal { log, judge, session, conditions: None }
    }

    /// The first request is about to go out.
    pub fn begin(&mut self) -> Result<(), LogError> {
        self.log.begin()
    }

    /// Writes what one request yielded.
    pub fn write(
        &mut self,
        run_index: u64,
        context_tokens: u64,
        sample: Sample,
        flush: Option<Flush>,
    ) -> Result<(), LogError> {
        self.log.write(&Row {
            run_index,
            context_tokens,
            ttft_seconds: sample.ttft_ns().map(|ns| ns as f64 / 1e9),
            schema: SCHEMA_VERSION,
            session: self.session.clone(),
            evidence: self.judge.judge(&sample, context_tokens),
            sample,
            flush,
            conditions: self.conditions.take(),
        })
    }

    pub fn path(&self) -> &Path {
        self.log.path()
    }
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
        rule: None,
        map: None,
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

pub fn keys(schema: crate::cli::Schema) -> Keys {
    match schema {
        crate::cli::Schema::Full => Keys::Full,
        crate::cli::Schema::Classic => Keys::Classic,
    }
}

/// Prints the block that `ttft report` prints for the log.
pub fn print_block(path: &Path) -> Result<(), LogError> {
    let reading = Reading::open(path)?;
    let named = Named { label: None, path: path.display().to_string(), reading };
    print(&text::write(&Report::of(&Data::of(vec![named]))));
    Ok(())
}

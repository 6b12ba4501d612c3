//! What every command that asks a server has before it asks: Ctrl-C, the endpoint, the nonce, who counts the tokens.

use rand::Rng;

use super::consent::{self, Cost};
use super::counters::{self, Meter};
use super::journal;
use super::open::{self, Opened};
use crate::cli::{Api, ConnectionMode, SessionArgs};
use crate::document::CountTokens;
use crate::endpoint::Endpoint;
use crate::progress::Voice;
use crate::record::{Conditions, NO_BUDGET};
use crate::rng::Nonce;
use crate::session::{Interrupt, Manner, Session};
use crate::tokens::{Chain, Reply, Tokenize};
use crate::wire::http1::Method;

/// An opened endpoint and how it is to be asked.
pub struct Setup<'a> {
    args: &'a SessionArgs,
    pub voice: Voice,
    pub interrupt: Interrupt,
    pub opened: Opened,
    pub nonce: Nonce,
}

impl<'a> Setup<'a> {
    /// Opens the endpoint that `args` name. The log is to be prepared before: one that cannot be written is no reason to
    /// ask a server anything.
    ///
    /// # Errors
    /// A server that cannot be reached or lists no model; an address that cannot be read.
    pub fn of(args: &'a SessionArgs, voice: Voice) -> anyhow::Result<Setup<'a>> {
        let interrupt = Interrupt::listen()?;
        let opened = open::open(args, &interrupt, voice)?;
        let nonce = args.pace.nonce.unwrap_or_else(Nonce::fresh);
        Ok(Setup { args, voice, interrupt, opened, nonce })
    }

    /// Who counts the tokens, by the chain of `tokens`.
    ///
    /// # Errors
    /// A `--tokenizer` that is none.
    pub fn counter(&self) -> anyhow::Result<Box<dyn CountTokens + '_>> {
        let Opened { endpoint, model, hub, .. } = &self.opened;
        let chain = Chain { model, named: self.args.tokens.tokenizer.as_deref(), server: Some(endpoint), hub };
        chain.find(&mut |text| self.voice.note(text))
    }

    /// The server's counters of its cache, where it has any.
    pub fn meter(&self) -> Option<Meter<'_>> {
        let Opened { endpoint, lmcache, .. } = &self.opened;
        if let Some(server) = lmcache.as_ref().filter(|server| counters::page(server).is_none()) {
            let url = server.base.url();
            self.voice.warn(&format!("--lmcache_url: {url} shows no /metrics, so what LMCache finds is not counted"));
        }
        Meter::find(endpoint, lmcache.as_ref())
    }

    /// Tokens of the model's context, where they are known.
    pub fn context_tokens(&self) -> Option<u64> {
        self.opened.context.as_ref().map(|context| context.tokens)
    }

    /// What decides whatever is drawn by lot. Without `--seed` the nonce does, so that `--nonce` alone repeats a run.
    pub fn seed(&self, stream: &str) -> u64 {
        self.args.pace.seed.unwrap_or_else(|| self.nonce.stream(stream).next_u64())
    }

    /// Says what the run costs, and asks where it must.
    ///
    /// # Errors
    /// [`super::UsageError`] when nobody agreed.
    pub fn ask_consent(&self, cost: Cost) -> anyhow::Result<()> {
        consent::ask(cost, &self.args.pace, &self.opened.endpoint, self.voice)
    }

    /// What the log says of the session, before a command adds its own.
    pub fn conditions(&self, command: &str, argv: Vec<String>) -> Conditions {
        let conditions = journal::conditions(command, argv, &self.opened, &self.args.endpoint, self.nonce);
        let pace = &self.args.pace;
        let budget = Some(pace.budget.map_or(NO_BUDGET.to_owned(), |budget| budget.to_string()));
        Conditions { max_tokens: pace.max_tokens, budget, ..conditions }
    }

    /// How a session sends.
    pub fn manner(&self) -> Manner {
        let args = &self.args.endpoint;
        Manner {
            model: self.opened.model.clone(),
            name: "ttft".to_owned(),
            chat: args.endpoint == Api::Chat,
            extra: args.extra_body.as_ref().map(|object| object.0.clone()),
            headers: Vec::new(),
            reuse: args.connection == ConnectionMode::Reuse,
            timeout: args.timeout.0,
            keep_answers: false,
            keep_token_times: true,
            keep_wire: self.args.output.keep_wire.clone(),
        }
    }

    pub fn session(&self, manner: Manner) -> Session<'_> {
        Session::new(&self.opened.endpoint, manner, self.interrupt.clone())
    }
}

/// The server as the tokenizer chain asks it.
impl Tokenize for Endpoint {
    fn post(&self, path: &str, body: Vec<u8>) -> anyhow::Result<Reply> {
        let answer = self.ask(Method::Post, &self.base.beside(path), Some(&body))?;
        Ok(Reply { status: answer.status, body: answer.body })
    }
}

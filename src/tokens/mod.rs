//! The tokenizer chain: who counts the tokens of a document.
//!
//! The first of these that works, and its name goes into the log:
//!
//! 1. the `tokenizer.json` that `--tokenizer` names, which must then work;
//! 2. the server's own `/tokenize`, which cannot disagree with the server (`server`);
//! 3. a `tokenizer.json` on this machine, in the model's folder or the Hugging Face cache ([`cache`]);
//! 4. the same from the hub, kept in that cache ([`hub`]);
//! 5. tiktoken's tables, for the names of OpenAI's models (`openai`);
//! 6. four characters to the token ([`Heuristic`]).
//!
//! Nothing is loaded before it is known to be wanted: a tokenizer is tens of megabytes. What fails on the way is said in
//! a sentence and the chain goes on; a link that does not apply (no `/tokenize`, nothing in the cache) is no failure.

pub mod cache;
pub mod hub;
mod local;
mod openai;
mod server;

use std::path::Path;

use anyhow::Context;

pub use local::LocalTokenizer;
pub use openai::OpenAi;
pub use server::{Reply, ServerTokenizer, Tokenize};

use crate::document::{CountTokens, Heuristic};
use hub::Hub;

/// What the chain works with.
pub struct Chain<'a> {
    /// The model's name, as the server gives it.
    pub model: &'a str,
    /// `--tokenizer PATH`.
    pub named: Option<&'a Path>,
    /// The server under test, if it may be asked.
    pub server: Option<&'a dyn Tokenize>,
    /// The hub and its cache, from the environment.
    pub hub: &'a Hub,
}

impl<'a> Chain<'a> {
    /// The first counter that works. `say` is told, as it happens, what was tried and failed, and what is fetched.
    ///
    /// # Errors
    /// When `--tokenizer` names a file that is no tokenizer.
    pub fn find(&self, say: &mut dyn FnMut(&str)) -> anyhow::Result<Box<dyn CountTokens + 'a>> {
        if let Some(path) = self.named {
            let tokenizer = LocalTokenizer::open(path).context("--tokenizer must name a tokenizer.json")?;
            return Ok(Box::new(tokenizer));
        }
        if let Some(tokenizer) = said(self.server.map(|server| ServerTokenizer::probe(server, self.model)), say) {
            return Ok(Box::new(tokenizer));
        }
        if let Some(path) = self.hub.cache().find(self.model, "tokenizer.json")
            && let Some(tokenizer) = said(Some(LocalTokenizer::open(&path).map(Some)), say)
        {
            return Ok(Box::new(tokenizer));
        }
        if let Some(tokenizer) = said(self.fetched(say), say) {
            return Ok(Box::new(tokenizer));
        }
        if let Some(tokenizer) = OpenAi::for_model(self.model) {
            return Ok(Box::new(tokenizer));
        }
        say(&format!(
            "no tokenizer for {:?} was found, so 4 characters are counted as a token; --tokenizer PATH counts exactly",
            self.model
        ));
        Ok(Box::new(Heuristic))
    }

    /// The hub's tokenizer; `None` where the hub is not to be asked.
    fn fetched(&self, say: &mut dyn FnMut(&str)) -> Option<anyhow::Result<Option<LocalTokenizer>>> {
        let repository = self.hub.repository(self.model)?;
        say(&format!("fetching the tokenizer of {} from {}", self.model, self.hub.endpoint()));
        Some(self.hub.fetch(&repository, "tokenizer.json").and_then(|file| {
            // Read before it is kept: what cannot be used shall not lie in a cache that others share.
            let tokenizer = LocalTokenizer::from_bytes(&format!("tokenizer.json of {}", self.model), &file.bytes)?;
            if let Err(error) = self.hub.cache().store(self.model, "tokenizer.json", &file) {
                say(&format!("the tokenizer of {} could not be kept: {error:#}", self.model));
            }
            Ok(Some(tokenizer))
        }))
    }
}

/// The link's result, or nothing when it failed, which is then said.
fn said<T>(link: Option<anyhow::Result<Option<T>>>, say: &mut dyn FnMut(&str)) -> Option<T> {
    link?.unwrap_or_else(|error| {
        say(&format!("{error:#}"));
        None
    })
}

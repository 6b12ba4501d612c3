//! A `tokenizer.json` of the Hugging Face form.

use std::path::Path;

use anyhow::{Context, anyhow};
use tokenizers::Tokenizer;

use crate::document::{CountError, CountTokens, Cut, cut_at_ends};

/// A tokenizer in memory.
pub struct LocalTokenizer {
    tokenizer: Tokenizer,
    name: String,
}

impl LocalTokenizer {
    /// Reads the tokenizer at `path`, or in the folder at `path`.
    ///
    /// # Errors
    /// When the file cannot be read or is no tokenizer.
    pub fn open(path: &Path) -> anyhow::Result<LocalTokenizer> {
        let path = if path.is_dir() { path.join("tokenizer.json") } else { path.to_owned() };
        let bytes = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        LocalTokenizer::from_bytes(&path.display().to_string(), &bytes)
    }

    /// The tokenizer that `bytes` describe; `name` says in the log where they are from.
    ///
    /// # Errors
    /// When they describe none.
    pub fn from_bytes(name: &str, bytes: &[u8]) -> anyhow::Result<LocalTokenizer> {
        let mut tokenizer = Tokenizer::from_bytes(bytes).map_err(|error| anyhow!("{name} is no tokenizer: {error}"))?;
        // Some files carry the limits their model was trained with; a count must not stop there.
        tokenizer.with_truncation(None).map_err(|error| anyhow!("{name}: {error}"))?;
        tokenizer.with_padding(None);
        Ok(LocalTokenizer { tokenizer, name: name.to_owned() })
    }

    fn failed(&self, text: &str, error: &tokenizers::Error) -> CountError {
        CountError { counter: self.name(), bytes: text.len(), reason: error.to_string() }
    }
}

impl CountTokens for LocalTokenizer {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn count(&self, text: &str) -> Result<u64, CountError> {
        let encoding = self.tokenizer.encode_fast(text, false).map_err(|error| self.failed(text, &error))?;
        Ok(encoding.len() as u64)
    }

    fn cut(&self, text: &str, limit: u64) -> Result<Cut, CountError> {
        let ends_of = |head: &str| {
            let encoding = self.tokenizer.encode(head, false).map_err(|error| self.failed(head, &error))?;
            Ok(encoding.get_offsets().iter().map(|(_, end)| *end).collect())
        };
        cut_at_ends(ends_of, text, limit)
    }
}

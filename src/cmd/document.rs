//! The document that the flags ask for.

use std::ffi::OsStr;
use std::path::Path;

use anyhow::Context;

use crate::document::{CountTokens, Document};
use crate::rng::Nonce;

/// Where a document is to come from.
#[derive(Debug, Clone)]
pub enum Source {
    /// Made from the nonce.
    Synthetic,
    /// The text that comes with the program.
    Bundled,
    /// A file's bytes.
    File { path: std::path::PathBuf, bytes: Vec<u8> },
}

/// The file that `--context_file` means when it is given no path.
const BUNDLED: &str = "ffmpeg.txt";

impl Source {
    /// Reads what `-C/--context_file` names: nothing, no path or an empty one, or a path.
    pub fn read(flag: Option<&Option<std::ffi::OsString>>) -> anyhow::Result<Source> {
        let Some(path) = flag else { return Ok(Source::Synthetic) };
        match path.as_deref().filter(|path| !path.is_empty()) {
            Some(path) => Source::file(path),
            None => {
                let nearby = [Path::new(BUNDLED).to_owned(), Path::new("..").join(BUNDLED)];
                let found = nearby.iter().find(|path| path.is_file());
                found.map_or(Ok(Source::Bundled), |path| Source::file(path.as_os_str()))
            }
        }
    }

    fn file(path: &OsStr) -> anyhow::Result<Source> {
        let path = Path::new(path);
        let bytes = std::fs::read(path)
            .with_context(|| format!("cannot read the document {}; -C wants a text file", path.display()))?;
        Ok(Source::File { path: path.to_owned(), bytes })
    }

    /// The document, at most `asked` tokens of it.
    pub fn make(&self, nonce: Nonce, asked: u64, counter: &dyn CountTokens) -> anyhow::Result<Document> {
        Ok(match self {
            Source::Synthetic => Document::synthetic(nonce, "document", asked, counter)?,
            Source::Bundled => Document::bundled(asked, counter)?,
            Source::File { path, bytes } => Document::from_bytes(path, bytes.clone(), asked, counter)?,
        })
    }
}

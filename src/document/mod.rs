//! The document: the long text that stands before the question, and whose cached keys and values are what is measured.
//!
//! A document is made, not read: this module does no I/O, and whoever reads a file hands over its bytes. The text goes
//! out as it came in, byte order mark and line ends included; the one thing done to it is to cut its end off, and a cut
//! document is a prefix of the whole one ([`CountTokens::cut`]).

mod count;
mod filler;
mod margin;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use count::{CountError, CountTokens, Cut, Heuristic, cut_at_ends, cut_by_counting};
pub use filler::{LISTED, Vocabulary, filler, ids_of_words, listed, longer_than_a_token, text_of};
pub use margin::tokens_to_send;

use crate::rng::Nonce;

/// The reference text that comes with the program: what FFmpeg is and does.
const BUNDLED: &str = include_str!("../../assets/ffmpeg.txt");

/// A text cut to size, with where it came from and how long it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    pub text: String,
    pub origin: Origin,
    /// Tokens of `text`, by `counted_by`; template and question are not in it.
    pub context_tokens: u64,
    /// The size that was wanted. A text that is shorter stays as long as it is.
    pub asked_tokens: u64,
    /// [`CountTokens::name`] of what counted.
    pub counted_by: String,
}

/// Where a document came from, as the log keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "origin", rename_all = "snake_case")]
pub enum Origin {
    /// Made from a nonce; `name` tells its documents apart.
    Synthetic { nonce: Nonce, name: String },
    /// The text that comes with the program.
    Bundled { bytes: u64, sha256: String },
    /// A file; `bytes` and `sha256` are of the whole file, however much of it was sent.
    File { path: PathBuf, bytes: u64, sha256: String },
}

/// A document could not be made.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    #[error("{path} holds no text; name a file with something in it, or leave --context_file out")]
    Empty { path: PathBuf },
    #[error("{path} is not UTF-8: byte {at} begins no character; convert it, for instance with iconv -t UTF-8")]
    NotUtf8 { path: PathBuf, at: usize },
    #[error(transparent)]
    Count(#[from] CountError),
}

impl Document {
    /// `asked` tokens of generated text that no server has seen, unless it has seen this nonce and this name.
    ///
    /// # Errors
    /// When `counter` fails.
    pub fn synthetic(nonce: Nonce, name: &str, asked: u64, counter: &dyn CountTokens) -> Result<Document, CountError> {
        // A word is one token to the tokenizers of note. For one that makes less of them, a longer text has as many
        // tokens as were asked for; `filler` makes the shorter text the beginning of the longer one.
        let mut words = asked;
        loop {
            let text = filler(nonce, name, words);
            let cut = counter.cut(&text, asked)?;
            if cut.bytes < text.len() || cut.tokens >= asked || cut.tokens == 0 || words >= 8 * asked {
                let origin = Origin::Synthetic { nonce, name: name.to_owned() };
                return Ok(Document::from_cut(text, cut, origin, asked, counter));
            }
            words = words.saturating_mul(asked).div_ceil(cut.tokens) + 8;
        }
    }

    /// The beginning of the bundled `ffmpeg.txt`, at most `asked` tokens of it.
    ///
    /// # Errors
    /// When `counter` fails.
    pub fn bundled(asked: u64, counter: &dyn CountTokens) -> Result<Document, CountError> {
        let cut = counter.cut(BUNDLED, asked)?;
        let origin = Origin::Bundled { bytes: BUNDLED.len() as u64, sha256: sha256(BUNDLED.as_bytes()) };
        Ok(Document::from_cut(BUNDLED.to_owned(), cut, origin, asked, counter))
    }

    /// The beginning of the file at `path`, which holds `bytes`; at most `asked` tokens of it.
    ///
    /// # Errors
    /// When the file is empty or is not UTF-8, or when `counter` fails.
    pub fn from_bytes(
        path: &Path,
        bytes: Vec<u8>,
        asked: u64,
        counter: &dyn CountTokens,
    ) -> Result<Document, DocumentError> {
        let path = path.to_owned();
        if bytes.is_empty() {
            return Err(DocumentError::Empty { path });
        }
        let origin = Origin::File { path: path.clone(), bytes: bytes.len() as u64, sha256: sha256(&bytes) };
        let text = String::from_utf8(bytes)
            .map_err(|error| DocumentError::NotUtf8 { path, at: error.utf8_error().valid_up_to() })?;
        let cut = counter.cut(&text, asked)?;
        Ok(Document::from_cut(text, cut, origin, asked, counter))
    }

    fn from_cut(mut text: String, cut: Cut, origin: Origin, asked: u64, counter: &dyn CountTokens) -> Document {
        text.truncate(cut.bytes);
        Document { text, origin, context_tokens: cut.tokens, asked_tokens: asked, counted_by: counter.name() }
    }
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nonce() -> Nonce {
        "000102030405060708090a0b0c0d0e0f".parse().unwrap()
    }

    /// Counts words: every word of a filler is one token.
    struct Words;

    impl CountTokens for Words {
        fn name(&self) -> String {
            "words".to_owned()
        }

        fn count(&self, text: &str) -> Result<u64, CountError> {
            Ok(text.split_ascii_whitespace().count() as u64)
        }

        fn cut(&self, text: &str, limit: u64) -> Result<Cut, CountError> {
            cut_by_counting(|head| self.count(head), text, limit)
        }
    }

    #[test]
    fn a_generated_document_has_the_size_it_was_asked_for() {
        for asked in [0, 1, 50, 1_000, 20_000] {
            for counter in [&Words as &dyn CountTokens, &Heuristic] {
                let document = Document::synthetic(nonce(), "run", asked, counter).unwrap();
                assert_eq!(document.context_tokens, asked, "by {}", counter.name());
                assert_eq!(counter.count(&document.text).unwrap(), asked);
            }
        }
    }

    /// Takes two words for one token.
    struct Pairs;

    impl CountTokens for Pairs {
        fn name(&self) -> String {
            "pairs".to_owned()
        }

        fn count(&self, text: &str) -> Result<u64, CountError> {
            Ok(Words.count(text)?.div_ceil(2))
        }

        fn cut(&self, text: &str, limit: u64) -> Result<Cut, CountError> {
            cut_by_counting(|head| self.count(head), text, limit)
        }
    }

    #[test]
    fn a_tokenizer_that_makes_less_of_a_word_gets_more_words() {
        let document = Document::synthetic(nonce(), "run", 1_000, &Pairs).unwrap();
        assert_eq!(document.context_tokens, 1_000);
        assert!(Words.count(&document.text).unwrap() >= 1_999);
    }

    #[test]
    fn a_file_is_sent_byte_for_byte_up_to_the_cut() {
        let bytes = "\u{feff}un\r\ndeux\r\ntrois".as_bytes().to_vec();
        let path = Path::new("trois.txt");
        let whole = Document::from_bytes(path, bytes.clone(), 1_000, &Heuristic).unwrap();
        assert_eq!(whole.text.as_bytes(), bytes);
        assert_eq!((whole.context_tokens, whole.asked_tokens), (4, 1_000));
        let cut = Document::from_bytes(path, bytes.clone(), 2, &Heuristic).unwrap();
        assert_eq!(cut.text, "\u{feff}un\r\ndeu");
        assert_eq!(cut.origin, whole.origin, "the log names the whole file");
    }

    #[test]
    fn the_log_names_the_file_its_length_and_its_sha256() {
        let document = Document::from_bytes(Path::new("abc.txt"), b"abc".to_vec(), 9, &Heuristic).unwrap();
        let expected = serde_json::json!({
            "origin": "file",
            "path": "abc.txt",
            "bytes": 3,
            "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        });
        assert_eq!(serde_json::to_value(&document.origin).unwrap(), expected);
        let made = Document::synthetic(nonce(), "run", 9, &Heuristic).unwrap();
        let logged = serde_json::to_string(&made.origin).unwrap();
        assert_eq!(serde_json::from_str::<Origin>(&logged).unwrap(), made.origin);
    }

    #[test]
    fn an_empty_file_and_one_that_is_not_utf8_are_refused_by_name() {
        let refuse = |bytes: &[u8]| {
            Document::from_bytes(Path::new("notes.txt"), bytes.to_vec(), 9, &Heuristic).unwrap_err().to_string()
        };
        assert!(refuse(b"").starts_with("notes.txt holds no text"));
        assert!(refuse(b"ab\xff").starts_with("notes.txt is not UTF-8: byte 2 "));
    }

    #[test]
    fn the_bundled_text_is_cut_like_any_other() {
        let document = Document::bundled(10, &Heuristic).unwrap();
        assert_eq!(document.context_tokens, 10);
        assert!(BUNDLED.starts_with(&document.text));
    }
}

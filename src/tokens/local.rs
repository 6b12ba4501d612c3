//! A `tokenizer.json` of the Hugging Face form.
//!
//! A long text is encoded in pieces, on every processor. A seam between two pieces is a space between ASCII letters, where
//! nearly every tokenizer parts words. That this one does is not taken for granted: around each seam a window of text
//! must have the same tokens in one piece as in two. Where it has not, as with tokenizers that put something before every
//! text, the text is encoded whole.

use std::ops::Range;
use std::path::Path;
use std::thread;

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

    /// Where each token ends in `text`, in bytes.
    fn ends(&self, text: &str) -> Result<Vec<usize>, CountError> {
        let mut pieces = pieces(text);
        if !self.parts_at_every_seam(text, &pieces)? {
            pieces.clear();
            pieces.push(0..text.len());
        }
        let ends_of = |pieces: &[Range<usize>]| {
            let encode = |piece: &Range<usize>| self.encode(text, piece.clone());
            pieces.iter().map(encode).collect::<Result<Vec<_>, _>>().map(|ends| ends.concat())
        };
        let workers = thread::available_parallelism().map_or(1, usize::from);
        let shares = pieces.chunks(pieces.len().div_ceil(workers).max(1));
        thread::scope(|scope| {
            let threads: Vec<_> = shares.map(|share| scope.spawn(move || ends_of(share))).collect();
            let ends = threads.into_iter().map(|thread| thread.join().expect("encoding does not panic"));
            ends.collect::<Result<Vec<_>, _>>().map(|ends| ends.concat())
        })
    }

    fn parts_at_every_seam(&self, text: &str, pieces: &[Range<usize>]) -> Result<bool, CountError> {
        for seam in pieces.iter().skip(1).map(|piece| piece.start) {
            let from = text.floor_char_boundary(seam.saturating_sub(WINDOW));
            let to = text.ceil_char_boundary(seam + WINDOW);
            let in_two = [self.encode(text, from..seam)?, self.encode(text, seam..to)?].concat();
            if self.encode(text, from..to)? != in_two {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn failed(&self, text: &str, error: &tokenizers::Error) -> CountError {
        CountError { counter: self.name(), bytes: text.len(), reason: error.to_string() }
    }

    /// Where each token of a piece of `text` ends in `text`.
    fn encode(&self, text: &str, piece: Range<usize>) -> Result<Vec<usize>, CountError> {
        let encoding = self.tokenizer.encode(&text[piece.clone()], false).map_err(|error| self.failed(text, &error))?;
        Ok(encoding.get_offsets().iter().map(|(_, end)| piece.start + end).collect())
    }
}

impl CountTokens for LocalTokenizer {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn count(&self, text: &str) -> Result<u64, CountError> {
        Ok(self.ends(text)?.len() as u64)
    }

    fn cut(&self, text: &str, limit: u64) -> Result<Cut, CountError> {
        cut_at_ends(|head| self.ends(head), text, limit)
    }

    fn ids(&self, text: &str) -> Result<Option<Vec<u32>>, CountError> {
        let encoding = self.tokenizer.encode(text, false).map_err(|error| self.failed(text, &error))?;
        Ok(Some(encoding.get_ids().to_vec()))
    }
}

/// The size of a piece: small enough to stay in a processor's cache, large enough to make the windows cheap.
const PIECE: usize = 16 << 10;
/// Text on either side of a seam in which its parting is checked.
const WINDOW: usize = 64;

/// `text` in pieces of about [`PIECE`] bytes that begin with a space between letters.
fn pieces(text: &str) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    let mut start = 0;
    while let Some(rest) = text.as_bytes().get(start + PIECE..) {
        let is_seam = |at: &[u8]| at[0].is_ascii_alphabetic() && at[1] == b' ' && at[2].is_ascii_alphabetic();
        let Some(ahead) = rest.windows(3).position(is_seam) else { break };
        let seam = start + PIECE + ahead + 1;
        pieces.push(start..seam);
        start = seam;
    }
    pieces.push(start..text.len());
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use tokenizers::pre_tokenizers::byte_level::ByteLevel;

    /// GPT-2's kind: every byte is a token, and a few pairs merge.
    fn byte_level(merges: &[(&str, &str)]) -> LocalTokenizer {
        let mut alphabet: Vec<String> = ByteLevel::alphabet().into_iter().map(String::from).collect();
        alphabet.sort_unstable();
        let merged = merges.iter().map(|(left, right)| format!("{left}{right}"));
        let vocabulary: serde_json::Map<String, Value> =
            alphabet.into_iter().chain(merged).enumerate().map(|(id, token)| (token, json!(id))).collect();
        let level = json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true });
        described(json!({
            "truncation": { "direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0 },
            "pre_tokenizer": level, "post_processor": level, "decoder": level,
            "model": { "type": "BPE", "vocab": vocabulary, "merges": merges },
        }))
    }

    /// A kind that rewrites the text before it looks at it: ligatures and wide letters become plain ones.
    fn normalising() -> LocalTokenizer {
        described(json!({
            "normalizer": { "type": "NFKC" },
            "pre_tokenizer": { "type": "WhitespaceSplit" },
            "model": { "type": "WordLevel", "vocab": { "?": 0 }, "unk_token": "?" },
        }))
    }

    fn described(mut file: Value) -> LocalTokenizer {
        for (key, value) in [("version", json!("1.0")), ("added_tokens", json!([]))] {
            file[key] = value;
        }
        for key in ["truncation", "padding", "normalizer", "pre_tokenizer", "post_processor", "decoder"] {
            file[key] = file[key].take();
        }
        LocalTokenizer::from_bytes("test", file.to_string().as_bytes()).expect("a tokenizer")
    }

    #[test]
    fn a_limit_in_the_file_does_not_stop_the_count() {
        assert_eq!(byte_level(&[]).count("abcdefgh"), Ok(8));
    }

    #[test]
    fn a_cut_is_a_prefix_of_the_text_and_has_the_tokens_it_says() {
        let tokenizer = byte_level(&[("t", "h"), ("th", "e"), ("Ġ", "the"), ("a", "b")]);
        let text = "the the\r\nab é 東京 the ab  the🚀".repeat(20);
        let whole = tokenizer.count(&text).unwrap();
        for limit in 0..=whole + 1 {
            let cut = tokenizer.cut(&text, limit).unwrap();
            assert_eq!(tokenizer.count(&text[..cut.bytes]), Ok(cut.tokens), "at {limit}");
            assert!(cut.tokens <= limit && cut.tokens + 4 > limit.min(whole), "{} at {limit}", cut.tokens);
        }
        assert_eq!(tokenizer.cut(&text, whole).unwrap().bytes, text.len());
    }

    #[test]
    fn a_text_in_pieces_has_the_tokens_it_has_as_a_whole() {
        let prose = "the abbot é 東京 the\r\n  then, the ab 🚀 thebes ".repeat(2_000);
        let tokenizer = byte_level(&[("t", "h"), ("th", "e"), ("Ġ", "the"), ("a", "b")]);
        assert!(pieces(&prose).len() > 3, "it comes in pieces");
        assert!(tokenizer.parts_at_every_seam(&prose, &pieces(&prose)).unwrap());
        assert_eq!(tokenizer.ends(&prose), tokenizer.encode(&prose, 0..prose.len()));
    }

    #[test]
    fn a_tokenizer_that_puts_something_before_every_text_gets_it_whole() {
        let tokenizer = described(json!({
            "normalizer": { "type": "Prepend", "prepend": "ab " },
            "pre_tokenizer": { "type": "WhitespaceSplit" },
            "model": { "type": "WordLevel", "vocab": { "?": 0 }, "unk_token": "?" },
        }));
        let text = "word ".repeat(10_000);
        assert!(!tokenizer.parts_at_every_seam(&text, &pieces(&text)).unwrap());
        assert_eq!(tokenizer.count(&text), Ok(10_001));
    }

    #[test]
    fn pieces_are_the_text_and_a_text_without_seams_is_one() {
        for text in ["", "short", &"a b".repeat(20_000), &"x".repeat(100_000), &"東 京".repeat(30_000)] {
            let joined: String = pieces(text).into_iter().map(|piece| &text[piece]).collect();
            assert_eq!(joined, text);
        }
        assert_eq!(pieces(&"x".repeat(100_000)).len(), 1);
    }

    #[test]
    fn a_tokenizer_that_normalises_leaves_the_text_as_it_is() {
        let text = "ﬁrst ｗｏｒｄ １２ ﬂow e\u{301}t";
        let cut = normalising().cut(text, 3).unwrap();
        assert_eq!((&text[..cut.bytes], cut.tokens), ("ﬁrst ｗｏｒｄ １２", 3));
    }

    #[test]
    fn what_is_no_tokenizer_is_refused_by_name() {
        let error = LocalTokenizer::from_bytes("notes.txt", b"{}").err().expect("no tokenizer").to_string();
        assert!(error.starts_with("notes.txt is no tokenizer: "), "{error}");
        let missing = LocalTokenizer::open(Path::new("/nowhere/tokenizer.json")).err().expect("no file");
        assert!(missing.to_string().contains("/nowhere/tokenizer.json"));
    }
}

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

//! A tokenizer that is made up, of the size and kind of Qwen's.

use std::collections::HashSet;

use rand::RngExt;
use serde_json::json;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use ttft::document::filler;
use ttft::rng::{Nonce, stream};

/// As many tokens as Qwen's has.
pub const VOCABULARY: usize = 151_643;

/// A byte-level BPE tokenizer of `size` tokens: the filler's words, then words at random, each with its prefixes.
pub fn tokenizer_of(size: usize) -> Vec<u8> {
    let mut alphabet: Vec<char> = ByteLevel::alphabet().into_iter().collect();
    alphabet.sort_unstable();
    let mut tokens: Vec<String> = alphabet.into_iter().map(String::from).collect();
    let mut known: HashSet<String> = tokens.iter().cloned().collect();
    let mut merges = Vec::new();
    let mut draw = stream(1, "vocabulary");
    let common = filler(Nonce::fresh(), "vocabulary", 20_000);
    let mut common = common.split(' ').map(|word| format!("Ġ{word}"));
    while tokens.len() < size {
        let random = || (0..draw.random_range(2..10)).map(|_| char::from(draw.random_range(b'a'..=b'z'))).collect();
        let word: String = common.next().unwrap_or_else(random);
        for (at, last) in word.char_indices().skip(1) {
            let (start, token) = (&word[..at], &word[..at + last.len_utf8()]);
            if tokens.len() < size && known.insert(token.to_owned()) {
                merges.push([start.to_owned(), last.to_string()]);
                tokens.push(token.to_owned());
            }
        }
    }
    let level = json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": true });
    let vocabulary: serde_json::Map<_, _> = tokens.into_iter().zip((0..).map(|id: u64| json!(id))).collect();
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": level, "post_processor": level, "decoder": level,
        "model": { "type": "BPE", "vocab": vocabulary, "merges": merges },
    })
    .to_string()
    .into_bytes()
}

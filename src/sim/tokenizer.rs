//! The simulated endpoint's own tokenizer: exact, stable, and simple enough to count by hand.
//!
//! Grammar, greedy from the left:
//! ```text
//! piece = word | digits | other
//! word   = [" "] letter{1,8}     ASCII letters; one space before them belongs to the word
//! digits = digit{1,3}            ASCII digits
//! other  = up to 4 bytes of whole characters that begin neither of the above; one character if it is longer
//! ```
//! So a document of common words is one token a word, a text cut where a word begins (before its space) has a prefix
//! of the whole text's tokens, and ids are hashes that never change. It is not a real vocabulary and ids cannot be
//! turned back into text.

/// A token: a hash of its text. The template's tokens are taken from the same space with a prefix no text has.
pub type TokenId = u32;

const WORD_LETTERS: usize = 8;
const DIGITS: usize = 3;
const OTHER_BYTES: usize = 4;

/// The tokens of `text`.
pub fn encode(text: &str) -> Vec<TokenId> {
    let mut ids = Vec::with_capacity(text.len() / 4);
    encode_into(text, &mut ids);
    ids
}

/// Appends the tokens of `text` to `ids`.
pub fn encode_into(text: &str, ids: &mut Vec<TokenId>) {
    Words::default().encode_into(text, ids);
}

/// How words are cut.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Words {
    /// A `k` within a word begins another token.
    pub part_at_k: bool,
}

impl Words {
    /// Appends the tokens of `text` to `ids`.
    pub fn encode_into(self, text: &str, ids: &mut Vec<TokenId>) {
        for piece in pieces(text) {
            let within = piece.len() - piece.trim_start_matches(' ').len() + 1;
            let k = piece.bytes().skip(within).position(|byte| byte == b'k').filter(|_| self.part_at_k);
            let (head, tail) = piece.split_at(k.map_or(piece.len(), |at| within + at));
            ids.extend([head, tail].into_iter().filter(|part| !part.is_empty()).map(|part| id(part.as_bytes())));
        }
    }
}

/// How many tokens `text` has.
pub fn count(text: &str) -> usize {
    pieces(text).count()
}

/// The pieces of `text` in order; together they are `text`.
pub fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (piece, after) = rest.split_at(piece_len(rest.as_bytes()));
        rest = after;
        Some(piece)
    })
}

/// The id of a token that no text contains, such as the start of a role's header.
pub fn special(name: &str) -> TokenId {
    // 0xFF occurs in no UTF-8 text.
    fold(hash(hash(SEED, &[0xFF]), name.as_bytes()))
}

fn id(piece: &[u8]) -> TokenId {
    fold(hash(SEED, piece))
}

/// FNV-1a, 64 bits.
fn hash(state: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(state, |state, byte| (state ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3))
}

const SEED: u64 = 0xCBF2_9CE4_8422_2325;

fn fold(hash: u64) -> TokenId {
    (hash ^ (hash >> 32)) as TokenId
}

fn piece_len(bytes: &[u8]) -> usize {
    let spaces = usize::from(bytes[0] == b' ');
    let letters = run(&bytes[spaces..], WORD_LETTERS, u8::is_ascii_alphabetic);
    if letters > 0 {
        return spaces + letters;
    }
    match run(bytes, DIGITS, u8::is_ascii_digit) {
        0 => other_len(bytes),
        digits => digits,
    }
}

fn run(bytes: &[u8], most: usize, belongs: fn(&u8) -> bool) -> usize {
    bytes.iter().take(most).take_while(|byte| belongs(byte)).count()
}

/// The length of the piece of other characters that `bytes` begins with. At least one character; further ones while
/// they fit and begin no word or number.
fn other_len(bytes: &[u8]) -> usize {
    let mut len = char_len(bytes[0]);
    while let Some(&next) = bytes.get(len) {
        let begins_word =
            next.is_ascii_alphanumeric() || next == b' ' && bytes.get(len + 1).is_some_and(u8::is_ascii_alphabetic);
        if begins_word || len + char_len(next) > OTHER_BYTES {
            break;
        }
        len += char_len(next);
    }
    len
}

/// The bytes of the UTF-8 character that begins with `first`.
fn char_len(first: u8) -> usize {
    match first {
        0..0xC0 => 1,
        0xC0..0xE0 => 2,
        0xE0..0xF0 => 3,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(text: &str) -> Vec<&str> {
        pieces(text).collect()
    }

    #[test]
    fn a_common_word_with_its_space_is_one_token() {
        let text = "river under paper light stone".repeat(100).replace("stoneriver", "stone river");
        assert_eq!(count(&text), 500);
    }

    #[test]
    fn long_words_numbers_and_signs_are_cut_by_rule() {
        assert_eq!(split("internationalization"), ["internat", "ionaliza", "tion"]);
        assert_eq!(split("in 2026, yes"), ["in", " ", "202", "6", ",", " yes"]);
        assert_eq!(split("......a"), ["....", "..", "a"]);
        assert_eq!(split("  word"), [" ", " word"]);
    }

    #[test]
    fn a_k_within_a_word_begins_another_token_where_words_are_cut_so() {
        let count = |part_at_k, text| {
            let mut ids = Vec::new();
            Words { part_at_k }.encode_into(text, &mut ids);
            ids.len()
        };
        assert_eq!([false, true].map(|cut| count(cut, "keep a book 你好")), [5, 6]);
        assert_eq!(count(true, "keep kind"), 2);
    }

    #[test]
    fn characters_are_never_cut() {
        assert_eq!(split("你好é🎈🎈"), ["你", "好", "é", "🎈", "🎈"]);
    }

    #[test]
    fn ids_are_the_same_in_every_run() {
        assert_eq!(encode("river under"), [3_785_517_954, 945_358_999]);
    }

    #[test]
    fn no_text_is_a_special_token() {
        assert_ne!(encode("user"), [special("user")]);
    }

    proptest! {
        #[test]
        fn pieces_put_together_are_the_text(text in "\\PC{0,200}") {
            prop_assert_eq!(split(&text).concat(), text);
        }

        #[test]
        fn a_text_cut_before_a_word_keeps_its_first_tokens(head in "[a-z0-9,.é ]{0,60}[a-z0-9,.é]", tail in "[a-z]{1,8}") {
            let whole = encode(&format!("{head} {tail}"));
            prop_assert_eq!(&whole[..whole.len() - 1], encode(&head));
        }
    }
}

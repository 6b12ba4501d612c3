//! The words behind a probe's pieces.
//!
//! Every text is drawn from the session's nonce and its number, from its first word on: fifteen words of 512 carry the
//! 128 bits of a nonce, a token each, where hexadecimal digits would be as many tokens as a tokenizer likes.

use super::{Piece, Probe};
use crate::document::Vocabulary;
use crate::rng::Nonce;

/// What the documents of a session are made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Texts {
    pub nonce: Nonce,
    pub vocabulary: Vocabulary,
}

impl Texts {
    /// The probe's whole text.
    pub fn of(&self, probe: &Probe) -> String {
        let mut text = String::new();
        for (nth, piece) in probe.pieces.iter().enumerate().filter(|(_, piece)| piece.words > 0) {
            let expected = nth.checked_sub(1).map(|before| self.next_word(probe.pieces[before]));
            let words = self.words(*piece, expected.as_deref());
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(&words);
        }
        text
    }

    /// The words of `piece`, which do not begin with `expected`: else it would share a word more than it says.
    fn words(&self, piece: Piece, expected: Option<&str>) -> String {
        let of = |variant: &str| {
            self.vocabulary.filler(self.nonce, &format!("map {}{variant}", piece.document), piece.words)
        };
        let words = of("");
        let begins_as_expected = expected.is_some_and(|expected| words.split(' ').next() == Some(expected));
        if begins_as_expected { of(" otherwise") } else { words }
    }

    /// What would follow `piece` in its own text.
    fn next_word(&self, piece: Piece) -> String {
        let longer = Piece { words: piece.words + 1, ..piece };
        self.words(longer, None).rsplit(' ').next().unwrap_or_default().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::map::Stage;
    use crate::plan::{Arm, Role};

    fn text(pieces: &[(u64, u64)]) -> String {
        let pieces = pieces.iter().map(|&(document, words)| Piece { document, words }).collect();
        let probe = Probe {
            stage: Stage::Block,
            arm: Arm::Cold,
            role: Role::Prime,
            pieces,
            identity: 0,
            is_pinned: true,
            reuse_tokens: None,
        };
        let nonce = "00ff00ff00ff00ff00ff00ff00ff00ff".parse().unwrap();
        Texts { nonce, vocabulary: Vocabulary::default() }.of(&probe)
    }

    fn common_words(one: &str, other: &str) -> usize {
        one.split(' ').zip(other.split(' ')).take_while(|(x, y)| x == y).count()
    }

    #[test]
    fn prompts_share_exactly_the_words_of_their_common_pieces() {
        let whole = text(&[(1, 300)]);
        for other in 2..1_500 {
            assert_eq!(common_words(&whole, &text(&[(1, 20), (other, 30)])), 20, "document {other}");
        }
    }

    #[test]
    fn a_prompt_has_as_many_words_as_its_pieces() {
        assert_eq!(text(&[(1, 20), (2, 0), (3, 7)]).split(' ').count(), 27);
    }
}

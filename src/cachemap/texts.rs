//! The words behind a probe's pieces.
//!
//! Every text is drawn from the session's nonce and its number, from its first word on: fifteen words of 512 carry the
//! 128 bits of a nonce, a token each, where hexadecimal digits would be as many tokens as a tokenizer likes.

use super::{Piece, Probe};
use crate::document::{Vocabulary, text_of};
use crate::rng::Nonce;

/// What the documents of a session are made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Texts {
    pub nonce: Nonce,
    pub vocabulary: Vocabulary,
    /// The token of each word of the list, where prompts can be sent as tokens.
    pub ids: Vec<u32>,
}

impl Texts {
    /// The probe's whole text.
    pub fn of(&self, probe: &Probe) -> String {
        text_of(self.numbers(probe))
    }

    /// The same as tokens.
    pub fn ids_of(&self, probe: &Probe) -> Option<Vec<u32>> {
        (!self.ids.is_empty()).then(|| self.numbers(probe).into_iter().map(|number| self.ids[number]).collect())
    }

    /// The probe's words by their numbers in the list.
    fn numbers(&self, probe: &Probe) -> Vec<usize> {
        let mut numbers = Vec::with_capacity(probe.words() as usize);
        for (nth, piece) in probe.pieces.iter().enumerate().filter(|(_, piece)| piece.words > 0) {
            if let Some(first) = probe.listed.filter(|_| nth + 1 == probe.pieces.len()) {
                numbers.extend(first as usize..(first + piece.words) as usize);
                continue;
            }
            let expected = nth.checked_sub(1).and_then(|before| self.next_word(probe.pieces[before]));
            numbers.extend(self.words(*piece, expected));
        }
        numbers
    }

    /// The words of `piece`, which do not begin with `expected`: else it would share a word more than it says.
    fn words(&self, piece: Piece, expected: Option<usize>) -> Vec<usize> {
        let of = |variant: &str| {
            let name = format!("map {}{variant}", piece.document);
            self.vocabulary.numbers(self.nonce, &name, piece.words).collect::<Vec<usize>>()
        };
        let words = of("");
        if words.first() == expected.as_ref() { of(" otherwise") } else { words }
    }

    /// What would follow `piece` in its own text.
    fn next_word(&self, piece: Piece) -> Option<usize> {
        let longer = Piece { words: piece.words + 1, ..piece };
        self.words(longer, None).last().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::map::Stage;
    use crate::plan::{Arm, Role};

    fn probe(pieces: &[(u64, u64)]) -> Probe {
        let pieces = pieces.iter().map(|&(document, words)| Piece { document, words }).collect();
        Probe {
            stage: Stage::Block,
            arm: Arm::Cold,
            role: Role::Prime,
            pieces,
            listed: None,
            identity: 0,
            is_pinned: true,
            reuse_tokens: None,
        }
    }

    fn texts() -> Texts {
        let nonce = "00ff00ff00ff00ff00ff00ff00ff00ff".parse().unwrap();
        Texts { nonce, vocabulary: Vocabulary::default(), ids: (1_000..1_512).collect() }
    }

    fn text(pieces: &[(u64, u64)]) -> String {
        texts().of(&probe(pieces))
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

    #[test]
    fn tokens_are_those_of_the_words() {
        let probe = probe(&[(1, 20), (2, 0), (3, 7)]);
        let numbers = texts().ids_of(&probe).unwrap().into_iter().map(|id| id as usize - 1_000);
        assert_eq!(text_of(numbers), texts().of(&probe));
        assert_eq!(Texts { ids: Vec::new(), ..texts() }.ids_of(&probe), None);
    }

    #[test]
    fn words_of_the_list_stand_in_place_of_the_last_piece() {
        let text = texts().of(&Probe { listed: Some(64), ..probe(&[(1, 15), (2, 3)]) });
        assert_eq!(text, format!("{} {}", texts().of(&probe(&[(1, 15)])), crate::document::listed(64..67)));
        assert_eq!(texts().of(&Probe { listed: Some(0), ..probe(&[(1, 15), (2, 0)]) }), texts().of(&probe(&[(1, 15)])));
    }
}

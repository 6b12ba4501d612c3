//! The bodies of the machine's documents: what a number stands for.
//!
//! All of it comes from the session's nonce and the document's number, its first characters included, so that no two
//! documents share more than the chat template and no server has seen any of them.

use rand::Rng;

use super::Probe;
use crate::document::filler;
use crate::plan::ColdBy;
use crate::rng::Nonce;

/// Asked instead of the usual question where the hit arm asks a new one.
const NEW_QUESTION: &str = "Which words of this text come up more than once?";

/// What the documents of a session are made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Texts {
    pub nonce: Nonce,
    /// Words in a document, about one token each.
    pub words: u64,
    pub question: String,
}

/// The number whose text all documents have that a salt tells apart.
const SALTED: u64 = 1;

impl Texts {
    /// The line before the document: 128 bits that are the document's own, in hex.
    pub fn head(&self, probe: &Probe) -> String {
        let whose = probe.shares_with.unwrap_or(own(probe));
        self.bits(&format!("head {whose}"))
    }

    /// The salt that makes the document its own, where text does not; 128 bits in hex.
    pub fn salt(&self, probe: &Probe) -> Option<String> {
        let is_salted = probe.place.cold_by == Some(ColdBy::Salt);
        is_salted.then(|| self.bits(&format!("salt {}", probe.place.document.unwrap_or(0))))
    }

    fn bits(&self, name: &str) -> String {
        let mut stream = self.nonce.stream(name);
        format!("{:016x}{:016x}", stream.next_u64(), stream.next_u64())
    }

    /// The document.
    pub fn document(&self, probe: &Probe) -> String {
        let words = self.words + probe.padding_words;
        let text = |number: u64, words| filler(self.nonce, &format!("document {number}"), words);
        match probe.shares_with {
            None => text(own(probe), words),
            Some(with) => {
                let shared = words * u64::from(probe.place.shared_percent.unwrap_or(0)) / 100;
                format!("{} {}", text(with, shared), text(own(probe), words - shared))
            }
        }
    }

    pub fn question(&self, probe: &Probe) -> &str {
        if probe.asks_anew { NEW_QUESTION } else { &self.question }
    }
}

fn own(probe: &Probe) -> u64 {
    match probe.place.cold_by {
        Some(ColdBy::Salt) => SALTED,
        _ => probe.place.document.expect("a probe names its document"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Arm, Role};
    use crate::sample::Place;

    fn texts() -> Texts {
        let nonce = "00ff00ff00ff00ff00ff00ff00ff00ff".parse().unwrap();
        Texts { nonce, words: 400, question: "Summarize this text".to_owned() }
    }

    fn probe(document: u64) -> Probe {
        let place = Place { document: Some(document), ..Place::default() };
        Probe { arm: Arm::Cold, role: Role::Measure, place, shares_with: None, asks_anew: false, padding_words: 0 }
    }

    fn common_words(one: &str, other: &str) -> usize {
        one.split(' ').zip(other.split(' ')).take_while(|(x, y)| x == y).count()
    }

    #[test]
    fn a_number_always_stands_for_the_same_text_and_no_two_begin_alike() {
        let texts = texts();
        assert_eq!(texts.document(&probe(1)), texts.document(&probe(1)));
        assert_ne!(texts.head(&probe(1)), texts.head(&probe(2)));
        assert!(common_words(&texts.document(&probe(1)), &texts.document(&probe(2))) < 3);
        let other = Texts { nonce: Nonce::fresh(), ..texts.clone() };
        assert_ne!(texts.head(&probe(1)), other.head(&probe(1)));
    }

    #[test]
    fn padding_adds_words_at_the_end() {
        let padded = texts().document(&Probe { padding_words: 7, ..probe(1) });
        assert!(padded.starts_with(&texts().document(&probe(1))));
        assert_eq!(padded.split(' ').count(), 407);
    }

    #[test]
    fn a_document_that_shares_begins_as_the_other_and_goes_on_by_itself() {
        let mut half = probe(2);
        half.shares_with = Some(1);
        half.place.shared_percent = Some(50);
        let (texts, whole) = (texts(), probe(1));
        assert_eq!(texts.head(&half), texts.head(&whole));
        let common = common_words(&texts.document(&half), &texts.document(&whole));
        assert!((200..204).contains(&common), "{common}");
        assert_eq!(texts.document(&half).split(' ').count(), 400);
    }

    #[test]
    fn salts_tell_documents_of_one_text_apart() {
        let salted = |number| {
            let mut probe = probe(number);
            probe.place.cold_by = Some(ColdBy::Salt);
            probe
        };
        let texts = texts();
        assert_eq!(texts.document(&salted(1)), texts.document(&salted(2)));
        assert_eq!(texts.head(&salted(1)), texts.head(&salted(2)));
        assert_ne!(texts.salt(&salted(1)), texts.salt(&salted(2)));
        assert_eq!(texts.salt(&probe(1)), None);
    }

    #[test]
    fn a_new_question_is_another_one() {
        let anew = Probe { asks_anew: true, ..probe(1) };
        assert_ne!(texts().question(&anew), texts().question(&probe(1)));
    }
}

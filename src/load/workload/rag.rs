//! Retrieval: each question comes with some documents of a corpus, the popular ones more often, in any order. A prefix
//! cache finds those before the first that never stood there after these; a cache that is not bound to prefixes finds
//! more.

use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::arm;
use crate::load::mix::Zipf;
use crate::load::prompt::{Piece, Prompt};
use crate::load::schedule::Turn;
use crate::load::seen::Seen;
use crate::rng;

#[derive(Debug, Clone)]
pub struct Rag {
    popularity: Zipf,
    /// Documents of a question.
    retrieved: usize,
    /// Of one document.
    document_tokens: u64,
    question_tokens: u64,
    order: ChaCha8Rng,
    seen: Seen,
    questions: u64,
}

impl Rag {
    /// `corpus` documents, of which `retrieved` (not more) come with each question and have `context_tokens` together.
    pub fn new(seed: u64, corpus: u64, exponent: f64, retrieved: u64, tokens: (u64, u64)) -> Rag {
        let retrieved = retrieved.clamp(1, corpus.max(1));
        Rag {
            popularity: Zipf::new(seed, corpus, exponent),
            retrieved: retrieved as usize,
            document_tokens: tokens.0 / retrieved,
            question_tokens: tokens.1,
            order: rng::stream(seed, "retrieval"),
            seen: Seen::default(),
            questions: 0,
        }
    }
}

impl Iterator for Rag {
    type Item = Vec<Turn>;

    fn next(&mut self) -> Option<Vec<Turn>> {
        let mut found: Vec<u64> = Vec::with_capacity(self.retrieved);
        while found.len() < self.retrieved {
            let document = self.popularity.next()? + 1;
            if !found.contains(&document) {
                found.push(document);
            }
        }
        found.shuffle(&mut self.order);
        self.questions += 1;
        let documents: Vec<Piece> = found.into_iter().map(|id| Piece::document(id, self.document_tokens)).collect();
        let reusable = self.seen.visit(documents.iter());
        let turns = vec![Piece::question(self.questions, self.question_tokens)];
        let prompt = Prompt::Documents { documents, turns };
        Some(vec![Turn { arm: arm(reusable, prompt.tokens()), ..Turn::of(prompt, reusable) }])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::workload::tests::hold;
    use std::collections::HashSet;

    #[test]
    fn a_question_has_different_documents_and_finds_the_ones_that_stood_there_before() {
        let turns = hold(Rag::new(5, 12, 1.0, 3, (3_000, 40)).take(300));
        for turn in &turns {
            let Prompt::Documents { documents, .. } = &turn.prompt else { panic!("{turn:?}") };
            assert_eq!(documents.iter().map(|piece| piece.id).collect::<HashSet<_>>().len(), 3);
            assert!([0, 1_000, 2_000, 3_000].contains(&turn.reusable_tokens));
        }
        assert!(turns[250..].iter().any(|turn| turn.reusable_tokens == 3_000));
    }

    #[test]
    fn a_small_corpus_is_all_retrieved() {
        assert_eq!(Rag::new(5, 2, 1.0, 9, (3_000, 40)).next().unwrap()[0].prompt.tokens(), 3_040);
    }
}

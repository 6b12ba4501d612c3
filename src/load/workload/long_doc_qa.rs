//! Questions about long documents, in the shape of LMCache's `long_doc_qa`: some documents, some questions of each, and
//! an order that decides how long a cache has to keep a document.

use rand::seq::SliceRandom;

use crate::load::prompt::{Piece, Prompt};
use crate::load::schedule::Turn;
use crate::plan::Arm;
use crate::rng;

/// In which order the documents are asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// All documents, then all again: a document comes back after all others.
    Tile,
    /// All questions of a document, then the next.
    Interleave,
    Random,
}

#[derive(Debug, Clone)]
pub struct LongDocQa {
    pub documents: u64,
    /// Of each document.
    pub questions: u64,
    order: Order,
    context_tokens: u64,
    question_tokens: u64,
    seed: u64,
    /// After all questions about all documents come other documents.
    rounds: u64,
    /// The documents of this round that are still to be asked about, the next one last.
    ahead: Vec<u64>,
    /// By document of this round.
    was_asked: Vec<bool>,
    asked: u64,
}

impl LongDocQa {
    /// At least 1 document and 1 question.
    pub fn new(seed: u64, (documents, questions): (u64, u64), order: Order, tokens: (u64, u64)) -> LongDocQa {
        LongDocQa {
            documents: documents.max(1),
            questions: questions.max(1),
            order,
            context_tokens: tokens.0,
            question_tokens: tokens.1,
            seed,
            rounds: 0,
            ahead: Vec::new(),
            was_asked: Vec::new(),
            asked: 0,
        }
    }

    fn fill(&mut self) {
        let all = self.documents * self.questions;
        self.ahead = match self.order {
            Order::Interleave => (0..all).map(|at| at / self.questions).collect(),
            Order::Tile | Order::Random => (0..all).map(|at| at % self.documents).collect(),
        };
        if self.order == Order::Random {
            self.ahead.shuffle(&mut rng::stream(self.seed, &format!("questions {}", self.rounds)));
        }
        self.ahead.reverse();
        self.was_asked = vec![false; self.documents as usize];
        self.rounds += 1;
    }
}

impl Iterator for LongDocQa {
    type Item = Vec<Turn>;

    fn next(&mut self) -> Option<Vec<Turn>> {
        if self.ahead.is_empty() {
            self.fill();
        }
        let document = self.ahead.pop()?;
        self.asked += 1;
        let was_asked = std::mem::replace(&mut self.was_asked[document as usize], true);
        let piece = Piece::document((self.rounds - 1) * self.documents + document + 1, self.context_tokens);
        let prompt = Prompt::asking(piece, Piece::question(self.asked, self.question_tokens));
        let (arm, reusable) = if was_asked { (Arm::Hit, self.context_tokens) } else { (Arm::Cold, 0) };
        Some(vec![Turn { arm, ..Turn::of(prompt, reusable) }])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::workload::tests::hold;

    fn documents(order: Order, requests: usize) -> Vec<u64> {
        let of = |turn: &Turn| match &turn.prompt {
            Prompt::Documents { documents, .. } => documents[0].id,
            other => panic!("{other:?}"),
        };
        hold(LongDocQa::new(3, (3, 2), order, (900, 20)).take(requests)).iter().map(of).collect()
    }

    #[test]
    fn documents_come_back_after_all_others_or_at_once_or_in_any_order() {
        assert_eq!(documents(Order::Tile, 6), [1, 2, 3, 1, 2, 3]);
        assert_eq!(documents(Order::Interleave, 6), [1, 1, 2, 2, 3, 3]);
        let mut random = documents(Order::Random, 6);
        assert_ne!(random, documents(Order::Tile, 6));
        random.sort_unstable();
        assert_eq!(random, [1, 1, 2, 2, 3, 3]);
    }

    #[test]
    fn other_documents_follow_when_all_is_asked() {
        assert_eq!(documents(Order::Interleave, 8)[6..], [4, 4]);
    }
}

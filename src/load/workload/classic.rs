//! The classic benchmark under load: each document cold, then at once again.

use crate::load::prompt::{Piece, Prompt};
use crate::load::schedule::Turn;
use crate::plan::Arm;

#[derive(Debug, Clone)]
pub struct Classic {
    context_tokens: u64,
    documents: u64,
}

impl Classic {
    pub fn new(context_tokens: u64) -> Classic {
        Classic { context_tokens, documents: 0 }
    }
}

impl Iterator for Classic {
    type Item = Vec<Turn>;

    fn next(&mut self) -> Option<Vec<Turn>> {
        self.documents += 1;
        let piece = Piece::document(self.documents, self.context_tokens);
        let turn = |arm, reusable| {
            let turn = Turn::of(Prompt::about(piece), reusable);
            Turn { arm, document: Some(piece.id), ..turn }
        };
        Some(vec![turn(Arm::Cold, 0), turn(Arm::Hit, self.context_tokens)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::workload::tests::hold;

    #[test]
    fn every_document_is_new_once_and_found_once() {
        let turns = hold(Classic::new(500).take(20));
        assert_eq!(turns.len(), 40);
        assert_eq!(turns.iter().map(|turn| turn.reusable_tokens).sum::<u64>(), 20 * 500);
    }
}

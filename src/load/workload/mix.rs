//! A hit share that is exact in every ten requests.

use crate::load::mix::HitMix;
use crate::load::prompt::{Piece, Prompt};
use crate::load::schedule::Turn;
use crate::plan::Arm;

#[derive(Debug, Clone)]
pub struct Mix {
    pub mix: HitMix,
    pub context_tokens: u64,
}

impl Mix {
    pub(super) fn primes(&self) -> Vec<Turn> {
        (0..self.mix.primed()).map(|document| self.turn(Arm::Cold, document)).collect()
    }

    fn turn(&self, arm: Arm, document: u64) -> Turn {
        // Documents are numbered from 1 in the log.
        let piece = Piece::document(document + 1, self.context_tokens);
        let reusable = if arm == Arm::Hit { self.context_tokens } else { 0 };
        Turn { arm, document: Some(piece.id), ..Turn::of(Prompt::about(piece), reusable) }
    }
}

impl Iterator for Mix {
    type Item = Vec<Turn>;

    fn next(&mut self) -> Option<Vec<Turn>> {
        let pick = self.mix.next()?;
        Some(vec![self.turn(pick.arm, pick.document)])
    }
}

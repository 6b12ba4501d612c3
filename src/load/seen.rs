//! An endless prefix cache: which beginnings of prompts there have been.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::prompt::Piece;

/// Beginnings, each by a hash that is chained over its pieces, so that equal hashes mean equal beginnings (to 64 bits).
#[derive(Debug, Clone, Default)]
pub struct Seen(HashSet<u64>);

impl Seen {
    /// Tokens at the beginning of a prompt that an earlier one had there; the prompt is seen from now on.
    pub fn visit<'a>(&mut self, pieces: impl Iterator<Item = &'a Piece>) -> u64 {
        let (mut chain, mut reusable_tokens) = (0_u64, 0);
        for piece in pieces {
            let mut hasher = DefaultHasher::new();
            (chain, piece).hash(&mut hasher);
            chain = hasher.finish();
            if !self.0.insert(chain) {
                reusable_tokens += piece.tokens;
            }
        }
        reusable_tokens
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::prompt::Kind;

    #[test]
    fn only_a_common_beginning_is_found() {
        let piece = |id| Piece { kind: Kind::Document, id, tokens: 10 };
        let mut seen = Seen::default();
        let mut visit = |ids: &[u64]| seen.visit(ids.iter().map(|id| piece(*id)).collect::<Vec<_>>().iter());
        assert_eq!([visit(&[1, 2, 3]), visit(&[1, 2, 4]), visit(&[2, 3]), visit(&[1, 2, 3])], [0, 20, 0, 30]);
    }
}

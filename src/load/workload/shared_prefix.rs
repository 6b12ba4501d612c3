//! Many users of few systems: each request has the prefix of its group and a question of its own.

use crate::load::mix::Zipf;
use crate::load::prompt::{Piece, Prompt};
use crate::load::schedule::Turn;
use crate::plan::Arm;

#[derive(Debug, Clone)]
pub struct SharedPrefix {
    popularity: Zipf,
    prefix_tokens: u64,
    question_tokens: u64,
    /// By group.
    was_asked: Vec<bool>,
    questions: u64,
}

impl SharedPrefix {
    /// `groups`, at least 1, of which number `k` is asked in proportion to `1 / k^exponent`.
    pub fn new(seed: u64, groups: u64, exponent: f64, prefix_tokens: u64, question_tokens: u64) -> SharedPrefix {
        SharedPrefix {
            popularity: Zipf::new(seed, groups, exponent),
            prefix_tokens,
            question_tokens,
            was_asked: vec![false; groups.max(1) as usize],
            questions: 0,
        }
    }
}

impl Iterator for SharedPrefix {
    type Item = Vec<Turn>;

    fn next(&mut self) -> Option<Vec<Turn>> {
        let group = self.popularity.next()?;
        self.questions += 1;
        let was_asked = std::mem::replace(&mut self.was_asked[group as usize], true);
        let prefix = Piece::document(group + 1, self.prefix_tokens);
        let prompt = Prompt::asking(prefix, Piece::question(self.questions, self.question_tokens));
        let (arm, reusable) = if was_asked { (Arm::Hit, self.prefix_tokens) } else { (Arm::Cold, 0) };
        Some(vec![Turn { arm, ..Turn::of(prompt, reusable) }])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::workload::tests::hold;

    #[test]
    fn only_the_first_of_a_group_computes_its_prefix() {
        let turns = hold(SharedPrefix::new(1, 8, 1.0, 1_000, 50).take(400));
        assert_eq!(turns.iter().filter(|turn| turn.arm == Arm::Cold).count(), 8);
        assert_eq!(turns.iter().map(|turn| turn.reusable_tokens).sum::<u64>(), 392 * 1_000);
    }
}

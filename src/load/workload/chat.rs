//! Conversations: each turn has all that was said before, and follows the answer after a time to think.
//!
//! The answers in the history are generated texts as long as an answer may be, and not what the server said. So the
//! prompts are known before the run and the same in every repetition; what a server caches of its own answers is not
//! found again.

use rand_chacha::ChaCha8Rng;

use crate::clock::Nanos;
use crate::load::arrivals::exponential;
use crate::load::prompt::{Piece, Prompt};
use crate::load::schedule::Turn;
use crate::plan::Arm;
use crate::rng;

#[derive(Debug, Clone)]
pub struct Chat {
    /// In a conversation, at least 1.
    pub turns: u64,
    sizes: Sizes,
    /// Mean of the exponential time to think.
    think_ns: Nanos,
    thinking: ChaCha8Rng,
    conversations: u64,
}

/// Tokens of what is said in a conversation.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// Of the document at its beginning.
    pub context: u64,
    pub question: u64,
    pub answer: u64,
}

impl Chat {
    pub fn new(seed: u64, turns: u64, sizes: Sizes, think_ns: Nanos) -> Chat {
        Chat { turns: turns.max(1), sizes, think_ns, thinking: rng::stream(seed, "think"), conversations: 0 }
    }
}

impl Iterator for Chat {
    type Item = Vec<Turn>;

    fn next(&mut self) -> Option<Vec<Turn>> {
        self.conversations += 1;
        let first = (self.conversations - 1) * self.turns + 1;
        let documents = vec![Piece::document(self.conversations, self.sizes.context)];
        let (mut said, mut known, mut flow) = (Vec::new(), 0, Vec::new());
        for number in first..first + self.turns {
            said.push(Piece::question(number, self.sizes.question));
            let prompt = Prompt::Documents { documents: documents.clone(), turns: said.clone() };
            said.push(Piece::answer(number, self.sizes.answer));
            let is_first = number == first;
            let think_ns = if is_first { 0.0 } else { exponential(&mut self.thinking) * self.think_ns as f64 };
            let tokens = prompt.tokens();
            let arm = if is_first { Arm::Cold } else { Arm::Hit };
            flow.push(Turn { arm, think_ns: think_ns as Nanos, ..Turn::of(prompt, known) });
            known = tokens;
        }
        Some(flow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::workload::tests::hold;

    fn chat() -> Chat {
        Chat::new(1, 4, Sizes { context: 1_000, question: 50, answer: 16 }, 2_000_000_000)
    }

    #[test]
    fn a_turn_finds_all_that_was_said_before_but_the_answer() {
        let turns = hold(chat().take(10));
        let first: Vec<u64> = turns[..4].iter().map(|turn| turn.reusable_tokens).collect();
        assert_eq!(first, [0, 1_050, 1_116, 1_182]);
    }

    #[test]
    fn users_think_as_long_as_they_were_told_to_in_the_mean() {
        let thought: Vec<Nanos> =
            chat().take(2_000).flat_map(|flow| flow.into_iter().skip(1)).map(|turn| turn.think_ns).collect();
        let mean = thought.iter().sum::<Nanos>() as f64 / thought.len() as f64;
        assert!((mean / 2e9 - 1.0).abs() < 0.05, "{mean}");
        assert!(chat().take(10).all(|flow| flow[0].think_ns == 0));
    }
}

//! What is asked: flows, of which it is known how much of each an endless prefix cache finds.
//!
//! | workload | a flow is | what is found again |
//! |---|---|---|
//! | [`Mix`] | one request | exactly so many of every ten come back to a document cached before the run |
//! | [`Classic`] | a document, twice | the second time, all of it |
//! | [`SharedPrefix`] | one request | the prefix of its group, popular after Zipf, but for the group's first |
//! | [`Chat`] | a conversation | all that was said before this turn |
//! | [`LongDocQa`] | one question | its document, but for the document's first question |
//! | [`Rag`] | one question | the documents before the first one that was never asked about in this order |
//! | [`Replay`] | a request of a trace | what its ids share with those of earlier ones |

mod chat;
mod classic;
mod long_doc_qa;
mod mix;
mod rag;
mod shared_prefix;

pub use chat::{Chat, Sizes};
pub use classic::Classic;
pub use long_doc_qa::{LongDocQa, Order};
pub use mix::Mix;
pub use rag::Rag;
pub use shared_prefix::SharedPrefix;

use super::schedule::Turn;
use super::trace::Replay;
use crate::clock::Nanos;
use crate::plan::Arm;

/// A supply of flows.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "a run has one of it")]
pub enum Workload {
    Mix(Mix),
    Classic(Classic),
    SharedPrefix(SharedPrefix),
    Chat(Chat),
    LongDocQa(LongDocQa),
    Rag(Rag),
    Trace(Replay),
}

impl Workload {
    /// Requests in a flow, in the mean.
    pub fn turns(&self) -> f64 {
        match self {
            Workload::Classic(_) => 2.0,
            Workload::Chat(chat) => chat.turns as f64,
            Workload::Trace(replay) => replay.turns(),
            _ => 1.0,
        }
    }

    /// When the next flow is due by the workload's own word.
    pub fn due_ns(&self) -> Option<Nanos> {
        match self {
            Workload::Trace(replay) => replay.due_ns(),
            _ => None,
        }
    }

    /// Requests after which it has been through all it has.
    pub fn length(&self) -> Option<u64> {
        match self {
            Workload::LongDocQa(of) => Some(of.documents * of.questions),
            Workload::Trace(replay) => Some(replay.requests()),
            _ => None,
        }
    }

    /// What is put into the cache before the run.
    pub fn primes(&self) -> Vec<Turn> {
        match self {
            Workload::Mix(mix) => mix.primes(),
            _ => Vec::new(),
        }
    }
}

impl Iterator for Workload {
    type Item = Vec<Turn>;

    fn next(&mut self) -> Option<Vec<Turn>> {
        match self {
            Workload::Mix(of) => of.next(),
            Workload::Classic(of) => of.next(),
            Workload::SharedPrefix(of) => of.next(),
            Workload::Chat(of) => of.next(),
            Workload::LongDocQa(of) => of.next(),
            Workload::Rag(of) => of.next(),
            Workload::Trace(of) => of.next(),
        }
    }
}

/// What a request is meant to find, of whose `tokens` so many can be found: a hit leaves no more than a tenth or a block
/// of 256 tokens to compute, as a hit that is found does.
pub(super) fn arm(reusable_tokens: u64, tokens: u64) -> Arm {
    let computed = tokens.saturating_sub(reusable_tokens);
    let is_hit = 2 * reusable_tokens >= tokens.max(1) && computed <= (tokens / 10).max(256);
    if is_hit { Arm::Hit } else { Arm::Cold }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::load::prompt::Prompt;
    use crate::load::seen::Seen;

    /// What an endless cache finds of each request, by the pieces alone.
    pub fn found(flows: impl Iterator<Item = Vec<Turn>>) -> Vec<(u64, Turn)> {
        let mut seen = Seen::default();
        let of = |turn: Turn, seen: &mut Seen| match &turn.prompt {
            Prompt::Documents { documents, turns } => (seen.visit(documents.iter().chain(turns)), turn),
            Prompt::Blocks(pieces) => (seen.visit(pieces.iter()), turn),
            Prompt::Given { .. } => (turn.reusable_tokens, turn),
        };
        flows.flatten().map(|turn| of(turn, &mut seen)).collect()
    }

    /// Every request says of itself what an endless cache finds.
    pub fn hold(flows: impl Iterator<Item = Vec<Turn>>) -> Vec<Turn> {
        let found = found(flows);
        for (at, (reusable, turn)) in found.iter().enumerate() {
            assert_eq!(turn.reusable_tokens, *reusable, "request {at}: {turn:?}");
        }
        found.into_iter().map(|(_, turn)| turn).collect()
    }
}

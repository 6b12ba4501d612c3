//! A trace as a workload.

use std::sync::Arc;

use rand_chacha::ChaCha8Rng;

use super::{Asked, Record, Trace};
use crate::clock::Nanos;
use crate::document::{CountTokens, Heuristic};
use crate::load::arrivals::exponential;
use crate::load::prompt::{Kind, Piece, Prompt};
use crate::load::schedule::Turn;
use crate::load::seen::Seen;
use crate::load::workload::arm;
use crate::rng;
use crate::wire::body::Message;

/// Sets the ids of one loop apart from those of the others.
const APART: u64 = 0x9E37_79B9_7F4A_7C15;

/// A trace from its beginning, as often as asked for. Each loop has texts of its own, so that it finds in a cache what
/// the first one found, and no more.
#[derive(Debug, Clone)]
pub struct Replay {
    trace: Arc<Trace>,
    /// How much faster than it was recorded.
    time_scale: f64,
    loops: u64,
    /// Mean of the exponential time to think in a conversation.
    think_ns: Nanos,
    thinking: ChaCha8Rng,
    seen: Seen,
    looped: u64,
    at: usize,
    flows: u64,
}

impl Replay {
    pub fn new(trace: Trace, time_scale: f64, loops: u64, think_ns: Nanos, seed: u64) -> Replay {
        Replay {
            trace: Arc::new(trace),
            time_scale,
            loops,
            think_ns,
            thinking: rng::stream(seed, "think"),
            seen: Seen::default(),
            looped: 0,
            at: 0,
            flows: 0,
        }
    }

    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Requests in all loops.
    pub fn requests(&self) -> u64 {
        let of = |record: &Record| match &record.asked {
            Asked::Conversation(messages) => messages.len() as u64 / 2,
            _ => 1,
        };
        self.loops * self.trace.records.iter().map(of).sum::<u64>()
    }

    /// Requests of a flow, in the mean.
    pub fn turns(&self) -> f64 {
        self.requests() as f64 / (self.loops * self.trace.records.len() as u64).max(1) as f64
    }

    /// When the next flow is due, from the start; `None` where the trace has no times, or is over.
    pub fn due_ns(&self) -> Option<Nanos> {
        let records = &self.trace.records;
        let last = records.last()?.at_ns?;
        // From one loop to the next passes the mean gap between requests.
        let period = last as f64 * (1.0 + 1.0 / (records.len() as f64 - 1.0).max(1.0));
        let (looped, at) = if self.at < records.len() { (self.looped, self.at) } else { (self.looped + 1, 0) };
        let at_ns = looped as f64 * period + records.get(at)?.at_ns? as f64;
        Some((at_ns / self.time_scale) as Nanos)
    }

    fn blocks(&mut self, ids: &[u64], tokens: u64) -> Turn {
        let (block, apart) = (self.trace.block_tokens, self.looped.wrapping_mul(APART));
        let mut left = tokens;
        let mut pieces: Vec<Piece> = Vec::with_capacity(ids.len() + 1);
        for id in ids {
            if left == 0 {
                break;
            }
            let tokens = left.min(block);
            pieces.push(Piece { kind: Kind::Block, id: id ^ apart, tokens });
            left -= tokens;
        }
        if left > 0 {
            pieces.push(Piece { kind: Kind::Own, id: self.flows, tokens: left });
        }
        let reusable = self.seen.visit(pieces.iter());
        Turn { arm: arm(reusable, tokens), ..Turn::of(Prompt::Blocks(pieces), reusable) }
    }

    fn conversation(&mut self, messages: &Arc<[Message]>) -> Vec<Turn> {
        let tokens = |message: &Message| Heuristic.count(&message.content).unwrap_or(0);
        let (mut flow, mut known) = (Vec::new(), 0);
        for count in (1..messages.len()).step_by(2) {
            let prompt_tokens = messages[..count].iter().map(tokens).sum();
            let prompt = Prompt::Given { messages: messages.clone(), count, tokens: prompt_tokens };
            let think_ns = if count == 1 { 0.0 } else { exponential(&mut self.thinking) * self.think_ns as f64 };
            flow.push(Turn {
                arm: arm(known, prompt_tokens),
                think_ns: think_ns as Nanos,
                max_tokens: Some(tokens(&messages[count]).max(1)),
                ..Turn::of(prompt, known)
            });
            known = prompt_tokens;
        }
        flow
    }
}

impl Iterator for Replay {
    type Item = Vec<Turn>;

    fn next(&mut self) -> Option<Vec<Turn>> {
        if self.at == self.trace.records.len() {
            self.at = 0;
            self.looped += 1;
        }
        if self.looped >= self.loops {
            return None;
        }
        let trace = self.trace.clone();
        let Record { output_tokens, asked, .. } = &trace.records[self.at];
        self.at += 1;
        self.flows += 1;
        let flow = match asked {
            Asked::Blocks { ids, tokens } => vec![self.blocks(ids, *tokens)],
            Asked::Length(tokens) => vec![self.blocks(&[], *tokens)],
            Asked::Conversation(messages) => self.conversation(messages),
        };
        let most = output_tokens.map(|tokens| tokens.max(1));
        Some(flow.into_iter().map(|turn| Turn { max_tokens: turn.max_tokens.or(most), ..turn }).collect())
    }
}

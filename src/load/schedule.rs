//! The schedule of a whole run, before anything is sent: what is asked, when, and by which machine.
//!
//! It is made as it is used, since a run can have millions of requests, and still knows nothing of the answers: two
//! schedules of one seed are the same, whoever runs them. A flow is what one user does: a request, or the turns of a
//! conversation, each of which follows the end of the one before after a time to think (partly open, as Schroeder,
//! Wierman and Harchol-Balter call it in *Open versus closed*, 2006).

use super::arrivals::Arrivals;
use super::prompt::Prompt;
use super::shard::Shard;
use super::workload::Workload;
use crate::clock::Nanos;
use crate::plan::Arm;

/// One request.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    pub arm: Arm,
    /// Equal numbers are equal bytes; `None` where requests share parts of their prompts.
    pub document: Option<u64>,
    pub prompt: Prompt,
    /// From the end of the turn before; nothing in the first one.
    pub think_ns: Nanos,
    /// Tokens at its beginning that earlier requests of the schedule had there too: what an endless cache finds.
    pub reusable_tokens: u64,
    /// Most tokens of the answer, where the workload decides.
    pub max_tokens: Option<u64>,
}

impl Turn {
    /// A request whose first `reusable_tokens` can be found; cold, unless the workload says otherwise.
    pub fn of(prompt: Prompt, reusable_tokens: u64) -> Turn {
        Turn { arm: Arm::Cold, document: None, prompt, think_ns: 0, reusable_tokens, max_tokens: None }
    }
}

impl Turn {
    /// A request of the same length that finds nothing of any other's: its first piece, and with it the nonce that the
    /// prompt begins with, is number `number` of a kind of its own.
    fn apart(self, number: u64) -> Turn {
        let prompt = self.prompt.apart(number);
        Turn { arm: Arm::Cold, document: None, prompt, reusable_tokens: 0, ..self }
    }
}

/// What one user does.
#[derive(Debug, Clone, PartialEq)]
pub struct Flow {
    /// From 0 among the flows of the whole run.
    pub number: u64,
    /// The number of its first request among those of the whole run, from 0.
    pub first: u64,
    /// When its first request is due, from the start of the load; `None` in a closed loop.
    pub due_ns: Option<Nanos>,
    pub turns: Vec<Turn>,
}

/// When flows begin.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "a run has one of it")]
pub enum Timing {
    Arrivals(Arrivals),
    /// By the workload's own word, up to a moment.
    Recorded {
        until_ns: Option<Nanos>,
    },
    /// In a closed loop, when those before have ended.
    Closed,
}

/// All flows in the order of their due times.
#[derive(Debug, Clone)]
pub struct Schedule {
    pub timing: Timing,
    pub workload: Workload,
    /// Requests in all; the last flow is cut to it.
    pub requests: Option<u64>,
    pub shard: Shard,
    /// Where the documents of their own are numbered from, where no request is to find anything of another's.
    apart: Option<u64>,
    numbers: Numbers,
}

/// How much of it has been given.
#[derive(Debug, Clone, Copy, Default)]
struct Numbers {
    flows: u64,
    requests: u64,
}

/// How much a schedule asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Size {
    pub requests: u64,
    pub tokens: u64,
}

impl Schedule {
    /// The whole run.
    pub fn new(timing: Timing, workload: Workload, requests: Option<u64>) -> Schedule {
        Schedule { timing, workload, requests, shard: Shard::WHOLE, apart: None, numbers: Numbers::default() }
    }

    /// The part of one shard.
    pub fn of_shard(self, shard: Shard) -> Schedule {
        Schedule { shard, ..self }
    }

    /// The same load, each request of which begins with a text of its own, numbered from `first`.
    pub fn apart(self, first: u64) -> Schedule {
        Schedule { apart: Some(first), ..self }
    }

    /// How much this shard has still to ask for.
    pub fn size(&self) -> Size {
        let turns = self.clone().flat_map(|flow| flow.turns);
        turns.fold(Size::default(), |size, turn| Size {
            requests: size.requests + 1,
            tokens: size.tokens + turn.prompt.tokens(),
        })
    }

    /// The next flow, whichever shard's it is.
    fn flow(&mut self) -> Option<Flow> {
        let left = self.requests.map_or(u64::MAX, |all| all - self.numbers.requests);
        if left == 0 {
            return None;
        }
        let due_ns = match &mut self.timing {
            Timing::Arrivals(arrivals) => Some(arrivals.next()?),
            Timing::Recorded { until_ns } => {
                let due_ns = self.workload.due_ns()?;
                if until_ns.is_some_and(|until| due_ns >= until) {
                    return None;
                }
                Some(due_ns)
            }
            Timing::Closed => None,
        };
        let mut turns = self.workload.next()?;
        turns.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        if let Some(first) = self.apart {
            let numbered = (first + self.numbers.requests..).zip(turns);
            turns = numbered.map(|(number, turn)| turn.apart(number)).collect();
        }
        let flow = Flow { number: self.numbers.flows, first: self.numbers.requests, due_ns, turns };
        self.numbers.flows += 1;
        self.numbers.requests += flow.turns.len() as u64;
        Some(flow)
    }
}

impl Iterator for Schedule {
    type Item = Flow;

    fn next(&mut self) -> Option<Flow> {
        loop {
            let flow = self.flow()?;
            if self.shard.keeps(flow.number) {
                return Some(flow);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::arrivals::{Extent, Gaps, Piece};
    use crate::load::mix::HitMix;
    use crate::load::workload::Mix;

    fn schedule(shard: Shard) -> Schedule {
        let piece = Piece { seconds: 1.0, from: 30.0, to: 30.0 };
        let arrivals = Arrivals::new(11, Gaps::Poisson, vec![piece], Extent::Requests(u64::MAX));
        let workload = Workload::Mix(Mix { mix: HitMix::new(11, 500, 8), context_tokens: 1_000 });
        Schedule::new(Timing::Arrivals(arrivals), workload, Some(1_003)).of_shard(shard)
    }

    #[test]
    fn four_shards_together_are_the_one_schedule() {
        let parts = (0..4).map(|index| schedule(Shard::new(index, 4).unwrap()));
        let mut together: Vec<Flow> = parts.flatten().collect();
        together.sort_by_key(|flow| flow.number);
        let whole: Vec<Flow> = schedule(Shard::WHOLE).collect();
        assert_eq!(together, whole);
        assert_eq!(whole.iter().map(|flow| flow.first).collect::<Vec<_>>(), (0..1_003).collect::<Vec<_>>());
        assert!(whole.is_sorted_by_key(|flow| flow.due_ns));
    }

    #[test]
    fn a_load_apart_has_the_same_times_and_lengths_and_finds_nothing() {
        use crate::load::seen::Seen;
        let (usual, apart): (Vec<Flow>, Vec<Flow>) =
            (schedule(Shard::WHOLE).collect(), schedule(Shard::WHOLE).apart(7).collect());
        let mut seen = Seen::default();
        for (one, other) in usual.iter().zip(&apart) {
            assert_eq!((one.due_ns, one.turns.len()), (other.due_ns, other.turns.len()));
            let turn = &other.turns[0];
            assert_eq!((turn.arm, turn.reusable_tokens), (Arm::Cold, 0));
            assert_eq!(one.turns[0].prompt.tokens(), turn.prompt.tokens());
            let Prompt::Documents { documents, .. } = &turn.prompt else { panic!("a document") };
            assert_eq!(seen.visit(documents.iter()), 0);
        }
        assert_eq!((usual.len(), apart.len()), (1_003, 1_003));
    }

    #[test]
    fn the_sizes_of_the_shards_add_up() {
        let sizes = (0..4).map(|index| schedule(Shard::new(index, 4).unwrap()).size());
        let sum = sizes.fold(Size::default(), |sum, size| Size {
            requests: sum.requests + size.requests,
            tokens: sum.tokens + size.tokens,
        });
        assert_eq!(sum, schedule(Shard::WHOLE).size());
        assert_eq!(sum, Size { requests: 1_003, tokens: 1_003_000 });
    }
}

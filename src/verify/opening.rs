//! The opening: pays first-call costs, then finds out whether a replay hits at all, and with how much between.
//!
//! A chain of pairs replays a document after at most two others, so it needs room for three. A replay with nothing
//! between that hits, while replays with two between miss, says that there is less. Cached tokens decide where the
//! server tells them. From timing alone a quick answer proves a hit, and a late one is believed only when a second
//! document confirms it, since outliers are late and never early.

use super::{Step, Verify};
use crate::clock::Nanos;
use crate::pairs::{self, STORE_PAUSE_NS};
use crate::plan::{Arm, ColdBy, Role};
use crate::sample::Sample;
use crate::stats::robust::median;

/// What an opening sends that finds a roomy cache.
pub(super) const USUAL_REQUESTS: usize = 8;

/// Replays at once whose times stand beside those of a lower tier.
const NEAR_REPLAYS: usize = 5;

/// A replay this many times quicker than the unseen documents is taken for a hit where only timing tells.
const CLEARLY_QUICKER: f64 = 1.5;

/// How pairs fit into the cache.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Room {
    /// Three documents and more: a cold document is replayed in the next pair.
    #[default]
    Chain,
    /// Less: every replay follows its own prime at once.
    Short,
}

/// What the opening has found so far.
#[derive(Debug, Default)]
pub(super) struct Opening {
    pub room: Room,
    /// A replay at once missed, and one two seconds later hit.
    pub stores_late: bool,
    stage: Stage,
    /// The time to first token of a replay that hit with nothing between.
    near_ns: Option<Nanos>,
    /// The document whose late replay waits for a second opinion.
    second: u64,
}

#[derive(Debug, Clone, Copy, Default)]
enum Stage {
    #[default]
    WarmUp,
    Near,
    JudgeNear,
    JudgeStore,
    JudgePatience,
    JudgeCanary,
    JudgeFar,
    JudgeFarAgain,
}

impl Verify {
    pub(super) fn continue_opening(&mut self) {
        match self.opening.stage {
            Stage::WarmUp => {
                for _ in 0..2 {
                    self.queue_new(Role::Warmup);
                }
                self.opening.stage = Stage::Near;
            }
            Stage::Near => {
                let prompt_tokens = self.samples.last().and_then(Sample::prompt_tokens).unwrap_or(0);
                self.padding_words = super::padding(self.design.block_size, prompt_tokens);
                let document = self.queue_new(Role::Prime);
                self.queue_replay(document);
                self.opening.stage = Stage::JudgeNear;
            }
            Stage::JudgeNear if self.last_was_hit() == Some(false) => {
                self.queue.push_back(Step::Wait(STORE_PAUSE_NS));
                self.queue_replay(self.documents);
                self.opening.stage = Stage::JudgeStore;
            }
            Stage::JudgeNear => self.plan_canary(),
            // A late hit may as well be another replica's. Two more documents that hit after a pause, at their first
            // replay, make that unlikely.
            Stage::JudgeStore if self.last_was_hit() == Some(true) => {
                for _ in 0..2 {
                    let document = self.queue_new(Role::Prime);
                    self.queue.push_back(Step::Wait(STORE_PAUSE_NS));
                    self.queue_replay(document);
                }
                self.opening.stage = Stage::JudgePatience;
            }
            Stage::JudgeStore => self.plan_canary(),
            Stage::JudgePatience => {
                let replays = self.samples.iter().rev().filter(|s| s.arm == Arm::Hit);
                self.opening.stores_late = replays.take(2).all(|s| pairs::came_from_cache(s) == Some(true));
                self.plan_canary();
            }
            Stage::JudgeCanary => match pairs::Canary::of(&self.samples) {
                // One document needs no room for three.
                Some(canary) if canary.is_gone && canary.by == ColdBy::Reset => self.stage = super::Stage::Pairs,
                Some(canary) if canary.is_gone => self.plan_far(),
                _ => self.stage = super::Stage::Done,
            },
            Stage::JudgeFar if self.far_was_hit() == Some(false) => {
                self.queue_far(self.opening.second);
                self.opening.stage = Stage::JudgeFarAgain;
            }
            Stage::JudgeFar => self.stage = super::Stage::Pairs,
            Stage::JudgeFarAgain => {
                self.stage = super::Stage::Pairs;
                match (self.far_was_hit(), self.design.tier) {
                    (Some(false), None) => self.opening.room = Room::Short,
                    // No tier reaches as far as the fillers do.
                    (Some(false), Some(_)) => self.stage = super::Stage::Done,
                    _ => {}
                }
            }
        }
    }

    /// The document that was just seen in the cache, made cold, where cold is no new text. A document that nobody saw
    /// there proves nothing, and then there is no verdict.
    fn plan_canary(&mut self) {
        let Some(by) = self.design.cold_by else { return self.plan_far() };
        if self.samples.last().and_then(pairs::came_from_cache) != Some(true) {
            self.stage = super::Stage::Done;
            return;
        }
        self.opening.near_ns = self.samples.last().and_then(Sample::ttft_ns);
        if by == ColdBy::Reset {
            self.queue_cold(Role::Prime);
        } else {
            self.queue_new(Role::Prime);
        }
        self.opening.stage = Stage::JudgeCanary;
    }

    /// Three documents and the replay of the first, where a replay with nothing between has hit; else one to go on from.
    fn plan_far(&mut self) {
        if self.opening.near_ns.is_none() && self.last_was_hit() == Some(true) {
            self.opening.near_ns = self.samples.last().and_then(Sample::ttft_ns);
        }
        if self.opening.near_ns.is_none() {
            self.queue_new(Role::Prime);
            self.stage = super::Stage::Pairs;
            return;
        }
        if self.design.tier.is_some() {
            let near = self.documents;
            (1..NEAR_REPLAYS).for_each(|_| self.queue_replay(near));
        }
        let first = self.queue_new(Role::Prime);
        self.opening.second = self.queue_new(Role::Prime);
        self.queue_new(Role::Prime);
        let fillers = self.fillers();
        self.queue.extend(fillers);
        self.queue.extend(self.opening.stores_late.then_some(Step::Wait(STORE_PAUSE_NS)));
        self.queue_far(first);
        self.opening.stage = Stage::JudgeFar;
    }

    fn queue_new(&mut self, role: Role) -> u64 {
        let document = self.new_document();
        let probe = self.probe(document, Arm::Cold, role, None);
        self.queue.push_back(Step::Probe(probe));
        document
    }

    /// The last document once more, after a reset.
    pub(super) fn queue_cold(&mut self, role: Role) {
        let probe = self.probe(self.documents, Arm::Cold, role, None);
        let steps = self.measure(probe);
        self.queue.extend(steps);
    }

    fn queue_replay(&mut self, document: u64) {
        let probe = self.probe(document, Arm::Hit, Role::Prime, None);
        self.queue.push_back(Step::Probe(probe));
    }

    fn queue_far(&mut self, document: u64) {
        let probe = self.below(self.probe(document, Arm::Hit, Role::Prime, None));
        self.queue.push_back(Step::Probe(probe));
    }

    /// Whether the replay behind other documents hit. A lower tier may take nearly as long as computing, so there the
    /// clock is no judge.
    fn far_was_hit(&self) -> Option<bool> {
        if self.design.tier.is_some() { pairs::came_from_cache(self.samples.last()?) } else { self.last_was_hit() }
    }

    /// Whether the last request was a hit; `None` when it failed or nothing tells.
    fn last_was_hit(&self) -> Option<bool> {
        let last = self.samples.last()?;
        let ttft = last.ttft_ns()? as f64;
        if let Some(reported) = pairs::came_from_cache(last) {
            return Some(reported);
        }
        // Warm-ups pay first-call costs and are no measure of cold.
        let primes = self.samples.iter().filter(|s| s.role == Role::Prime && s.arm == Arm::Cold);
        let cold = median(&primes.filter_map(|s| s.ttft_ns()).map(|ns| ns as f64).collect::<Vec<_>>())?;
        match self.opening.near_ns {
            Some(near) => Some(ttft < (near as f64 * cold).sqrt()),
            None => (ttft * CLEARLY_QUICKER < cold).then_some(true),
        }
    }
}

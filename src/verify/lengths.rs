//! Pairs at several context lengths, as a machine without I/O: what a break-even length is fitted to.
//!
//! ```text
//! warm-up   one throw-away document that pays the first call, and its replay; one at every length, in random order
//! round     every length once, and the control, in random order                 until each has its pairs
//!   visit   prime; then up to five times shuffle [cold: a new document, hit: the replay of the document before]
//!   control up to five times shuffle [cold: a new document, unseen: another new one], at the middle length
//! ```
//!
//! A length is visited in several rounds, so that a server that slows down slows all lengths alike. A visit is a stratum
//! of the estimator, and its chain needs room for three documents. Where a replay misses although the cache has hit
//! before, the length has less room: from then on each of its replays follows its own prime at once. Of every two pairs
//! of a length, one begins with its cold and one with its hit. A pair that does not count is measured again in a later
//! round, a bounded number of times. The A/A control is at one length, since times at two lengths cannot be compared, and
//! like the lengths it is spread over the rounds. A length that the server finds too long is given up, and all above it
//! with it.

use std::collections::VecDeque;

use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::{Probe, is_futile, padding, spoils_the_plan};
use crate::pairs::{self, CONTROL_PAIRS, Pairs};
use crate::plan::{Arm, Role};
use crate::rng;
use crate::sample::{Outcome, Place, Sample};
use crate::stats::hodges_lehmann::STRATUM;

/// Rounds beyond those that the pairs need, to make up for pairs that did not count.
const SPARE_ROUNDS: usize = 3;

/// What is to be measured.
#[derive(Debug, Clone)]
pub struct Design {
    pub lengths: Vec<Length>,
    /// Pairs that the A/A control still needs; fewer than [`CONTROL_PAIRS`] where an earlier session measured some.
    pub controls: usize,
    /// Tokens in a block of the server's cache, where known: no prompt ends on its boundary.
    pub block_size: Option<u64>,
    /// Decides the order, and nothing else.
    pub seed: u64,
}

/// A context length, and how many pairs it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Length {
    /// What tells it from the others, here and in a log.
    pub asked_tokens: u64,
    pub pairs: usize,
}

impl Design {
    /// The length of the control, where every length fits.
    pub fn control_tokens(&self) -> Option<u64> {
        middle(self.lengths.iter().map(|length| length.asked_tokens))
    }
}

impl Length {
    /// Requests where every pair counts: the warm-up, two a pair, and a prime each visit.
    pub fn usual_requests(self) -> usize {
        if self.pairs == 0 { 0 } else { 1 + 2 * self.pairs + self.pairs.div_ceil(STRATUM) }
    }
}

/// The machine. Call [`Lengths::next`], send what it says, tell it with [`Lengths::observe`], until there is no more.
#[derive(Debug)]
pub struct Lengths {
    design: Design,
    order: ChaCha8Rng,
    samples: Vec<Sample>,
    /// What is left of the warm-up or of the visit under way.
    queue: VecDeque<Probe>,
    /// What this round still has to visit.
    round: VecDeque<Visit>,
    rounds_left: usize,
    state: Vec<State>,
    /// Whether the control's last pair began with its cold; `None` once a second pair has evened it out.
    control_order: Option<bool>,
    /// Whether a replay has hit, of any length.
    has_hit: bool,
    documents: u64,
    pairs: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Visit {
    /// A length, by its place in the design.
    Length(usize),
    Control,
}

/// What is known of a length.
#[derive(Debug, Clone, Copy, Default)]
struct State {
    padding_words: u64,
    is_given_up: bool,
    /// Whether one of its replays missed in a cache that works.
    has_little_room: bool,
    /// Whether its last pair began with its cold; `None` once a second pair has evened it out.
    cold_was_first: Option<bool>,
}

impl Lengths {
    pub fn new(design: Design) -> Lengths {
        let visits = design.lengths.iter().map(|length| length.pairs.div_ceil(STRATUM));
        let most = visits.max().unwrap_or(0).max(design.controls.div_ceil(STRATUM));
        let mut lengths = Lengths {
            order: rng::stream(design.seed, "order"),
            samples: Vec::new(),
            queue: VecDeque::new(),
            round: VecDeque::new(),
            rounds_left: most + SPARE_ROUNDS,
            state: vec![State::default(); design.lengths.len()],
            control_order: None,
            has_hit: false,
            documents: 0,
            pairs: 0,
            design,
        };
        lengths.plan_warm_up();
        lengths
    }

    /// What to send next; `None` when all is measured, or nothing more can be. Every probe must have been observed
    /// before.
    #[expect(clippy::should_implement_trait, reason = "an iterator would promise that its items need no answer")]
    pub fn next(&mut self) -> Option<Probe> {
        while self.queue.is_empty() {
            if is_futile(&self.samples) {
                return None;
            }
            match self.round.pop_front() {
                Some(Visit::Length(at)) => self.plan_visit(at),
                Some(Visit::Control) => self.plan_control(),
                None if self.rounds_left == 0 => return None,
                None => {
                    self.rounds_left -= 1;
                    self.plan_round();
                    if self.round.is_empty() {
                        return None;
                    }
                }
            }
        }
        self.queue.pop_front()
    }

    /// Takes what came of the last probe. The rest of a visit is dropped when its chain broke.
    pub fn observe(&mut self, sample: &Sample) {
        let is_warm_up = sample.role == Role::Warmup;
        if spoils_the_plan(sample) && !is_warm_up {
            self.queue.clear();
        }
        let at = self.design.lengths.iter().position(|of| Some(of.asked_tokens) == sample.place.asked_tokens);
        if let (Some(at), true, Some(tokens)) = (at, is_warm_up, sample.prompt_tokens()) {
            self.state[at].padding_words = padding(self.design.block_size, tokens);
        }
        if let (Some(at), Outcome::TooLong { .. }) = (at, &sample.outcome) {
            self.give_up_from(self.design.lengths[at].asked_tokens);
        }
        if let (Some(at), Arm::Hit, Some(is_hit)) = (at, sample.arm, pairs::came_from_cache(sample)) {
            self.learn_of_room(at, is_hit);
        }
        self.samples.push(sample.clone());
    }

    /// The pairs that count and those that were asked for, over all lengths that were not given up.
    pub fn progress(&self) -> (usize, usize) {
        let kept = self.design.lengths.iter().zip(&self.state).filter(|(_, state)| !state.is_given_up);
        let asked: usize = kept.map(|(length, _)| length.pairs).sum();
        (Pairs::of(&self.samples).measured.len().min(asked), asked)
    }

    fn learn_of_room(&mut self, at: usize, is_hit: bool) {
        self.has_hit |= is_hit;
        let state = &mut self.state[at];
        if self.has_hit && !is_hit && !state.has_little_room {
            state.has_little_room = true;
            self.queue.clear();
        }
    }

    fn give_up_from(&mut self, tokens: u64) {
        for (length, state) in self.design.lengths.iter().zip(&mut self.state) {
            state.is_given_up |= length.asked_tokens >= tokens;
        }
        let is_given_up = |asked: Option<u64>| asked.is_some_and(|asked| asked >= tokens);
        self.queue.retain(|probe| !is_given_up(probe.place.asked_tokens));
    }

    fn plan_warm_up(&mut self) {
        let lengths = &self.design.lengths;
        let control = self.design.control_tokens().filter(|_| self.design.controls > 0);
        let is_needed = |at: &usize| lengths[*at].pairs > 0 || Some(lengths[*at].asked_tokens) == control;
        let mut needed: Vec<usize> = (0..lengths.len()).filter(is_needed).collect();
        let shortest = needed.iter().copied().min_by_key(|&at| lengths[at].asked_tokens);
        needed.shuffle(&mut self.order);
        for at in shortest.into_iter().chain(needed) {
            let document = self.new_document();
            self.queue.push_back(self.probe(at, document, Arm::Cold, Role::Warmup, None));
        }
        if let Some(at) = shortest {
            self.queue.insert(1, self.probe(at, 1, Arm::Hit, Role::Warmup, None));
        }
    }

    fn plan_round(&mut self) {
        let lacking = self.lacking();
        let mut round: Vec<Visit> = (0..lacking.len()).filter(|&at| lacking[at] > 0).map(Visit::Length).collect();
        round.extend((self.controls_lacking() > 0).then_some(Visit::Control));
        round.shuffle(&mut self.order);
        self.round = round.into();
    }

    fn controls_lacking(&self) -> usize {
        let pairs = Pairs::of(&self.samples);
        match self.design.controls {
            // Ten that failed are repeated.
            CONTROL_PAIRS => pairs.controls_lacking(),
            fewer => fewer.saturating_sub(pairs.controls.len()),
        }
    }

    /// The pairs that each length lacks; none where it was given up.
    fn lacking(&self) -> Vec<usize> {
        let pairs = Pairs::of(&self.samples);
        let counted =
            |asked: u64| pairs.measured.iter().filter(|pair| pair.cold.place.asked_tokens == Some(asked)).count();
        let of = |(length, state): (&Length, &State)| match state.is_given_up {
            true => 0,
            false => length.pairs.saturating_sub(counted(length.asked_tokens)),
        };
        self.design.lengths.iter().zip(&self.state).map(of).collect()
    }

    fn plan_visit(&mut self, at: usize) {
        let pairs = self.lacking()[at].min(STRATUM);
        if pairs == 0 {
            return;
        }
        if self.state[at].has_little_room {
            return self.plan_visit_with_little_room(at, pairs);
        }
        let mut previous = self.new_document();
        self.queue.push_back(self.probe(at, previous, Arm::Cold, Role::Prime, None));
        for _ in 0..pairs {
            self.pairs += 1;
            let (pair, new) = (Some(self.pairs), self.new_document());
            let cold = self.probe(at, new, Arm::Cold, Role::Measure, pair);
            let hit = self.probe(at, previous, Arm::Hit, Role::Measure, pair);
            let is_cold_first = by_lot(&mut self.state[at].cold_was_first, &mut self.order);
            self.queue.extend(if is_cold_first { [cold, hit] } else { [hit, cold] });
            previous = new;
        }
    }

    fn plan_visit_with_little_room(&mut self, at: usize, pairs: usize) {
        for _ in 0..pairs {
            self.pairs += 1;
            let (pair, new, primed) = (Some(self.pairs), self.new_document(), self.new_document());
            let cold = vec![self.probe(at, new, Arm::Cold, Role::Measure, pair)];
            let prime = self.probe(at, primed, Arm::Cold, Role::Prime, None);
            let hit = vec![prime, self.probe(at, primed, Arm::Hit, Role::Measure, pair)];
            let is_cold_first = by_lot(&mut self.state[at].cold_was_first, &mut self.order);
            let slots = if is_cold_first { [cold, hit] } else { [hit, cold] };
            self.queue.extend(slots.into_iter().flatten());
        }
    }

    fn plan_control(&mut self) {
        let kept = self.design.lengths.iter().zip(&self.state).filter(|(_, state)| !state.is_given_up);
        let middle = middle(kept.map(|(length, _)| length.asked_tokens));
        let Some(at) = self.design.lengths.iter().position(|length| Some(length.asked_tokens) == middle) else {
            return;
        };
        for _ in 0..self.controls_lacking().min(STRATUM) {
            self.pairs += 1;
            let (pair, new, another) = (Some(self.pairs), self.new_document(), self.new_document());
            let cold = self.probe(at, new, Arm::Cold, Role::Measure, pair);
            let unseen = self.probe(at, another, Arm::Unseen, Role::Measure, pair);
            let is_cold_first = by_lot(&mut self.control_order, &mut self.order);
            self.queue.extend(if is_cold_first { [cold, unseen] } else { [unseen, cold] });
        }
    }

    fn new_document(&mut self) -> u64 {
        self.documents += 1;
        self.documents
    }

    fn probe(&self, at: usize, document: u64, arm: Arm, role: Role, pair: Option<u64>) -> Probe {
        let asked_tokens = Some(self.design.lengths[at].asked_tokens);
        Probe {
            arm,
            role,
            place: Place { document: Some(document), pair, asked_tokens, ..Place::default() },
            shares_with: None,
            asks_anew: false,
            padding_words: self.state[at].padding_words,
        }
    }
}

/// Draws whether a pair begins with its cold: by lot, and the other way round the next time.
fn by_lot(last: &mut Option<bool>, order: &mut ChaCha8Rng) -> bool {
    match last.take() {
        Some(cold_was_first) => !cold_was_first,
        None => *last.insert(order.random()),
    }
}

/// The one in the middle, the longer of two.
fn middle(lengths: impl Iterator<Item = u64>) -> Option<u64> {
    let mut lengths: Vec<u64> = lengths.collect();
    lengths.sort_unstable();
    lengths.get(lengths.len() / 2).copied()
}

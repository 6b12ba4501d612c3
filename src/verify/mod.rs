//! The experiment behind a verdict, as a machine without I/O: it says what to send next and is told what came back.
//!
//! ```text
//! opening   two throw-away documents; a document and its replay; three documents and the replay of the first
//! canary    the document known to be cached, made cold                                   where cold is not new text
//! pairs     shuffle [cold: a new document, hit: the replay of the last pair's new one]   until the rule stops
//! control   shuffle [cold: a new document, unseen: another new one]                      one beside each early pair
//! shares    documents that begin like one just sent, each share in random order          where asked
//! stores    shuffle [cold: a new document, unseen: another new one, with the cache off]  where asked
//! ```
//!
//! To measure a lower tier, fillers come between a document and its replay that push it out of the tiers above. The opening
//! then replays a document several times at once, for the time of the uppermost tier.
//!
//! Each cold document is what the next pair replays, so a pair costs two requests and needs room for three documents.
//! Where the opening finds less room, a pair becomes three requests: a new document as the cold, and a prime with its
//! replay. Random order inside a pair keeps "whoever comes first" from looking like a cache; of every two pairs, one
//! begins with its cold and one with its hit, so that a penalty on the first falls on both arms alike. The control asks
//! the same question where the true answer is known to be "no difference".
//!
//! Where a salt or the server's reset is to make cold what is no new text, the opening asks for proof: the canary, which was
//! seen in the cache, must be gone. Without that proof nothing is measured.
//!
//! The machine keeps every sample and decides on those alone, with [`Pairs`] and the design's [rule](Design::rule); the verdict of the log does
//! the same and therefore finds the same.

mod design;
pub mod lengths;
mod opening;
mod texts;

use std::collections::VecDeque;

use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::clock::Nanos;
use crate::pairs::{self, Pairs, STORE_PAUSE_NS};
use crate::plan::{Arm, ColdBy, Role};
use crate::rng;
use crate::sample::{Place, Sample};
use crate::stats::{Estimate, hodges_lehmann, sign};
pub use design::{Design, Tier};
use opening::{Opening, Room};
pub use texts::Texts;

/// Failed requests in a row, and in all, before the run is given up.
const FAILURES_IN_A_ROW: usize = 3;
const FAILURES_IN_ALL: usize = 20;
/// Requests per share of a partial-hit curve.
const SHARE_REPEATS: usize = 10;
/// Pairs that show what storing costs.
const STORE_PAIRS: usize = 20;

/// What the machine wants next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Send this and [`Verify::observe`] what comes back.
    Probe(Probe),
    /// Send nothing for this long after the last answer.
    Wait(Nanos),
    /// Ask the server to empty its cache.
    Reset,
    Done,
}

/// A request to send.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    pub arm: Arm,
    pub role: Role,
    /// The sample's place in the design; its document is always named, and equal numbers are equal bytes.
    pub place: Place,
    /// The document that `shared_percent` of this one is taken from.
    pub shares_with: Option<u64>,
    pub asks_anew: bool,
    /// Words to add to the document, so that the prompt does not end on a block's boundary.
    pub padding_words: u64,
}

/// The machine. Call [`Verify::next`], do what it says, tell it with [`Verify::observe`], until it is done. To stop early
/// is to stop calling: the verdict is then read from the looks that were reached.
#[derive(Debug)]
pub struct Verify {
    design: Design,
    order: ChaCha8Rng,
    samples: Vec<Sample>,
    queue: VecDeque<Step>,
    stage: Stage,
    opening: Opening,
    documents: u64,
    pairs: u64,
    /// Whether the last pair against a hit, and against an unseen document, began with its cold; `None` once a second
    /// pair has evened it out.
    hit_order: Option<bool>,
    unseen_order: Option<bool>,
    padding_words: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Opening,
    Pairs,
    AskOff,
    Off,
    Done,
}

/// How far a run has come.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    pub pairs: usize,
    /// Where the next look is.
    pub next_look: usize,
    /// The shift of logarithms so far, at the level of a look; not final.
    pub so_far: Option<Estimate>,
    /// Whether the signs alone have decided the direction, at 5 %, whenever one looks.
    pub direction_is_clear: bool,
}

impl Verify {
    pub fn new(design: Design) -> Verify {
        Verify {
            order: rng::stream(design.seed, "order"),
            design,
            samples: Vec::new(),
            queue: VecDeque::new(),
            stage: Stage::Opening,
            opening: Opening::default(),
            documents: 0,
            pairs: 0,
            hit_order: None,
            unseen_order: None,
            padding_words: 0,
        }
    }

    /// What to do next. Every probe must have been observed before.
    #[expect(clippy::should_implement_trait, reason = "an iterator would promise that its items need no answer")]
    pub fn next(&mut self) -> Step {
        while self.queue.is_empty() {
            match self.stage {
                Stage::Done => return Step::Done,
                _ if is_futile(&self.samples) => self.stage = Stage::Done,
                Stage::Opening => self.continue_opening(),
                Stage::Pairs => self.continue_pairs(),
                Stage::AskOff => self.ask_off(),
                Stage::Off => self.plan_stores(),
            }
        }
        self.queue.pop_front().expect("the queue was just filled")
    }

    /// Takes what came of the last probe. What was planned beyond it is dropped when it failed or was not what it should
    /// be, and planned anew on what was seen.
    pub fn observe(&mut self, sample: &Sample) {
        if spoils_the_plan(sample) {
            self.queue.clear();
        }
        self.samples.push(sample.clone());
    }

    pub fn progress(&self) -> Progress {
        let pairs = Pairs::of(&self.samples);
        let (cold, hit) = pairs::logs(&pairs.measured);
        let looks = &self.design.rule.looks;
        let next = looks.sizes().iter().find(|&&size| size > cold.len());
        Progress {
            pairs: cold.len(),
            next_look: *next.unwrap_or(&looks.last()),
            so_far: hodges_lehmann::shift(&cold, &hit, hodges_lehmann::STRATUM, looks.alpha()),
            direction_is_clear: sign::evidence(cold.iter().zip(&hit).map(|(c, h)| c > h)).any(|e| e >= 20.0),
        }
    }

    /// Queues the pairs up to the next look, with the control's among them as early as they fit.
    fn continue_pairs(&mut self) {
        let pairs = Pairs::of(&self.samples);
        let (cold, hit) = pairs::logs(&pairs.measured);
        let is_decided = self.design.rule.apply(&cold, &hit).is_some_and(|look| look.stops);
        let next_look = self.design.rule.looks.sizes().iter().find(|&&size| size > cold.len());
        let hits = if is_decided { 0 } else { next_look.map_or(0, |size| size - cold.len()) };
        let controls = pairs.controls_lacking();
        if hits == 0 && controls == 0 {
            self.plan_shares();
            self.stage = if self.design.cache_off { Stage::AskOff } else { Stage::Done };
            return;
        }
        if self.design.cold_by == Some(ColdBy::Reset) && self.samples.last().is_some_and(|s| s.ttft_ns().is_none()) {
            // Whether the one document is cached is no longer known.
            self.queue_cold(Role::Prime);
        }
        let mut previous = self.last_stored();
        for nth in 0..hits.max(controls) {
            let mut kinds = Vec::with_capacity(2);
            kinds.extend((nth < hits).then_some(Arm::Hit));
            kinds.extend((nth < controls).then_some(Arm::Unseen));
            kinds.shuffle(&mut self.order);
            for kind in kinds {
                previous = self.plan_pair(kind, previous);
            }
        }
    }

    /// The document that was last computed, and so should be cached; a filler is no document.
    fn last_stored(&self) -> u64 {
        let is_good = |s: &&Sample| s.arm == Arm::Cold && s.role != Role::Evict && s.ttft_ns().is_some();
        self.samples.iter().rev().find(is_good).and_then(|s| s.place.document).unwrap_or(1)
    }

    /// Queues a replay that is to leave the cache alone: one that still hits shows that it does not.
    fn ask_off(&mut self) {
        let mut probe = self.probe(self.last_stored(), Arm::Hit, Role::Prime, None);
        probe.place.cache_off = true;
        let steps = self.measure(probe);
        self.queue.extend(steps);
        self.stage = Stage::Off;
    }

    /// Queues new documents against new documents that leave the cache alone.
    fn plan_stores(&mut self) {
        self.stage = Stage::Done;
        if self.samples.last().and_then(pairs::came_from_cache) == Some(true) {
            return;
        }
        for _ in 0..STORE_PAIRS {
            self.pairs += 1;
            let (on, off) = (self.new_document(), self.new_document());
            let cold = self.measure(self.probe(on, Arm::Cold, Role::Measure, Some(self.pairs)));
            let mut other = self.probe(off, Arm::Unseen, Role::Measure, Some(self.pairs));
            other.place.cache_off = true;
            let other = self.measure(other);
            let slots = if self.begins_with_cold(Arm::Unseen) { [cold, other] } else { [other, cold] };
            self.queue.extend(slots.into_iter().flatten());
        }
    }

    /// Queues a pair of a new document, which it returns, against a replay of `previous` or against another new one.
    fn plan_pair(&mut self, kind: Arm, previous: u64) -> u64 {
        self.pairs += 1;
        let pair = Some(self.pairs);
        let new = self.new_document();
        let cold = self.measure(self.probe(new, Arm::Cold, Role::Measure, pair));
        let other = match (kind, self.opening.room) {
            (Arm::Unseen, _) => {
                let another = self.new_document();
                self.measure(self.probe(another, Arm::Unseen, Role::Measure, pair))
            }
            (_, Room::Chain) => {
                let fillers = self.fillers();
                self.queue.extend(fillers);
                self.measure(self.below(self.probe(previous, Arm::Hit, Role::Measure, pair)))
            }
            (_, Room::Short) => {
                let primed = self.new_document();
                let mut steps = vec![Step::Probe(self.probe(primed, Arm::Cold, Role::Prime, None))];
                steps.extend(self.measure(self.probe(primed, Arm::Hit, Role::Measure, pair)));
                steps
            }
        };
        let slots = if self.begins_with_cold(kind) { [cold, other] } else { [other, cold] };
        self.queue.extend(slots.into_iter().flatten());
        new
    }

    /// What pushes a document out of the tiers above the one that is to answer.
    fn fillers(&mut self) -> Vec<Step> {
        let count = self.design.tier.map_or(0, |tier| tier.fillers);
        (0..count)
            .map(|_| {
                let filler = self.new_document();
                Step::Probe(self.probe(filler, Arm::Cold, Role::Evict, None))
            })
            .collect()
    }

    /// A replay that the tier is to answer.
    fn below(&self, mut probe: Probe) -> Probe {
        probe.place.tier = self.design.tier.map(|tier| tier.number);
        probe
    }

    /// Draws the order of a pair: by lot, and the other way round the next time.
    fn begins_with_cold(&mut self, kind: Arm) -> bool {
        let last = if kind == Arm::Hit { &mut self.hit_order } else { &mut self.unseen_order };
        match last.take() {
            Some(cold_was_first) => !cold_was_first,
            None => *last.insert(self.order.random()),
        }
    }

    /// Queues the partial-hit curve: a prime, then a document that shares part of it, every share equally often.
    fn plan_shares(&mut self) {
        let mut points: Vec<u8> =
            self.design.shares.iter().copied().cycle().take(self.design.shares.len() * SHARE_REPEATS).collect();
        points.shuffle(&mut self.order);
        for percent in points {
            let primed = self.new_document();
            // The whole of a document is that document.
            let sharing = if percent == 100 { primed } else { self.new_document() };
            let arm = if percent == 0 { Arm::Cold } else { Arm::Hit };
            let mut measured = self.probe(sharing, arm, Role::Measure, None);
            measured.place.shared_percent = Some(percent);
            measured.shares_with = (1..100).contains(&percent).then_some(primed);
            let prime = self.probe(primed, Arm::Cold, Role::Prime, None);
            self.queue.push_back(Step::Probe(prime));
            let steps = self.measure(measured);
            self.queue.extend(steps);
        }
    }

    /// A measured request, after the time that the server needs to store, where the opening showed that it needs any.
    /// Every arm waits alike.
    fn measure(&self, probe: Probe) -> Vec<Step> {
        let is_reset = self.design.cold_by == Some(ColdBy::Reset) && probe.arm != Arm::Hit;
        let pause = self.opening.stores_late.then_some(Step::Wait(STORE_PAUSE_NS));
        is_reset.then_some(Step::Reset).into_iter().chain(pause).chain([Step::Probe(probe)]).collect()
    }

    /// The next document; with resets there is one, once the opening has warmed up.
    fn new_document(&mut self) -> u64 {
        if self.stage != Stage::Pairs || self.design.cold_by != Some(ColdBy::Reset) {
            self.documents += 1;
        }
        self.documents
    }

    fn probe(&self, document: u64, arm: Arm, role: Role, pair: Option<u64>) -> Probe {
        Probe {
            arm,
            role,
            place: Place { document: Some(document), pair, cold_by: self.design.cold_by, ..Place::default() },
            shares_with: None,
            asks_anew: self.design.asks_anew && arm == Arm::Hit,
            padding_words: self.padding_words,
        }
    }
}

/// Whether what was planned beyond a sample cannot stand: it failed, or was not what it should be.
fn spoils_the_plan(sample: &Sample) -> bool {
    let is_suspect = pairs::is_unseen(sample) && pairs::came_from_cache(sample) == Some(true);
    sample.ttft_ns().is_none() || is_suspect
}

/// Whether nothing that could follow would be worth sending.
fn is_futile(samples: &[Sample]) -> bool {
    let has_failed = |s: &&Sample| s.ttft_ns().is_none();
    samples.iter().rev().take_while(has_failed).count() >= FAILURES_IN_A_ROW
        || samples.iter().filter(has_failed).count() >= FAILURES_IN_ALL
        || Pairs::of(samples).is_cold_refuted()
}

/// Words that bring a prompt of `prompt_tokens` to the middle of a block: a prompt that ends on a boundary recomputes a
/// whole block on a full replay. Block sizes are nearly always multiples of 16, which serves where the size is not known.
fn padding(block_size: Option<u64>, prompt_tokens: u64) -> u64 {
    let block = block_size.unwrap_or(16).max(1);
    (block / 2 + block - prompt_tokens % block) % block
}

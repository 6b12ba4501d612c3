//! The anatomy of a KV cache, found from outside: an experiment that says what to send next and is told what came back.
//!
//! ```text
//! words       which words are one token, where no tokenizer tells: by what the answers count
//! opening     is anything cached, how much quicker is it, do answers count cached tokens, when can a prompt be hit
//! replicas    a few documents, each sent again and again: every replica misses once
//! semantics   replay, extension, divergence, divergence again, a part that is no prefix
//! block       prompts that share so many words with one document: the greatest common divisor of the cached tokens, or
//!             by the clock a sawtooth folded at every phase
//! fill        one fill of the cache, probed by stack distance, with documents that tell the policies apart
//! tiers       levels of the time to first token over the reuse distance
//! delay       how long until a stored prompt can be hit, and for how long
//! sharing     whether another identity hits what the first one stored
//! ```
//!
//! There is no I/O here, no clock and no thread. Each stage is an `async` function that reads like its description; the
//! compiler makes the state machine of it, and [`Map::next`] polls it, with nothing behind that could ever wake it. What
//! the machine asks depends on its [`Design`] and on the samples alone, so that the samples of a log lead it to the same
//! place again: that is how an interrupted map goes on, and how a report finds what the command found.
//!
//! Mattson et al., *Evaluation techniques for storage hierarchies*, IBM Systems Journal 1970 (stack distances); McVoy and
//! Staelin, *lmbench*, USENIX ATC 1996 (the idea); Abel and Reineke, *Reverse engineering of cache replacement policies*,
//! ISPASS 2014 (documents that tell policies apart).

mod block;
mod delay;
mod fill;
mod found;
mod lab;
mod ladder;
mod opening;
mod policy;
mod replay;
mod replicas;
mod sawtooth;
mod semantics;
mod sharing;
mod texts;
mod tiers;
mod words;

use std::cell::{Ref, RefCell};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::clock::Nanos;
use crate::plan::{Arm, Role};
use crate::sample::{Place, Sample};

pub use crate::plan::map::{Design, Stage};
pub use found::{CacheMap, Confidence, Point, Property, Reason, Semantics, Tier, Words};
use lab::{Desk, Lab, Stop};
pub use policy::Policy;
pub use texts::Texts;

/// What the machine wants next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Send this and [`Map::observe`] what comes back.
    Probe(Probe),
    /// Send nothing for this long after the last answer.
    Wait(Nanos),
    Done,
}

/// The first `words` words of the text of one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    pub document: u64,
    pub words: u64,
}

/// A request to send: its text is its pieces, one after the other.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    pub stage: Stage,
    pub arm: Arm,
    pub role: Role,
    pub pieces: Vec<Piece>,
    /// Where words of the list stand in place of the last piece's own: the first of them.
    pub listed: Option<u64>,
    /// 0 is the usual one; n is the nth of [`Design::identities`].
    pub identity: usize,
    /// Whether it is to go to the one replica that everything but the search for replicas is measured on.
    pub is_pinned: bool,
    /// Tokens of other documents since this one was last used.
    pub reuse_tokens: Option<u64>,
}

impl Probe {
    pub fn words(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.words).sum()
    }

    /// Where the log says it stands.
    pub fn place(&self) -> Place {
        Place {
            document: self.pieces.first().map(|piece| piece.document),
            stage: Some(self.stage),
            reuse_tokens: self.reuse_tokens,
            ..Place::default()
        }
    }
}

/// The stages in their order, as one future that nothing wakes: it goes on when it is asked for its next step.
type Experiment = Pin<Box<dyn Future<Output = Result<(), Stop>>>>;

/// The machine. Call [`Map::next`], do what it says, tell it with [`Map::observe`], until it is done. To stop early is to
/// stop calling: [`Map::found`] says at any time what is known.
pub struct Map {
    experiment: Option<Experiment>,
    desk: Rc<RefCell<Desk>>,
}

impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Map").field("is_done", &self.experiment.is_none()).finish_non_exhaustive()
    }
}

impl Map {
    pub fn new(design: Design) -> Map {
        let desk = Rc::new(RefCell::new(Desk::default()));
        let experiment = Box::pin(experiment(Lab::new(desk.clone(), design)));
        Map { experiment: Some(experiment), desk }
    }

    /// The machine as the samples of a log leave it, with how many of them it took: the first that it did not ask for
    /// ends it.
    pub fn resumed(design: Design, samples: &[Sample]) -> (Map, usize) {
        let mut map = Map::new(design);
        for (taken, sample) in samples.iter().enumerate() {
            match map.next_probe() {
                Some(probe) if probe.place() == sample.place && probe.arm == sample.arm => map.observe(sample),
                _ => return (map, taken),
            }
        }
        (map, samples.len())
    }

    /// What the samples of a log show.
    pub fn of(design: Design, samples: &[Sample]) -> CacheMap {
        let (mut map, _) = Map::resumed(design, samples);
        // What follows the last answer may need no further one.
        let is_done = map.next_probe().is_none();
        let found = map.found().clone();
        if is_done { found } else { found.cut_short() }
    }

    /// The next probe, all waiting left out.
    pub fn next_probe(&mut self) -> Option<Probe> {
        loop {
            match self.next() {
                Step::Probe(probe) => return Some(probe),
                Step::Wait(_) => {}
                Step::Done => return None,
            }
        }
    }

    /// What to do next. Asked twice without an answer between, it says the same probe again.
    #[expect(clippy::should_implement_trait, reason = "an iterator would promise that its items need no answer")]
    pub fn next(&mut self) -> Step {
        if let Some(probe) = self.desk.borrow().unanswered() {
            return Step::Probe(probe);
        }
        let Some(experiment) = &mut self.experiment else { return Step::Done };
        match experiment.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => self.desk.borrow_mut().take_step(),
            Poll::Ready(ended) => {
                self.experiment = None;
                self.desk.borrow_mut().end(ended);
                Step::Done
            }
        }
    }

    /// Takes what came of the last probe.
    pub fn observe(&mut self, sample: &Sample) {
        self.desk.borrow_mut().answer(sample.clone());
    }

    /// What is known so far.
    pub fn found(&self) -> Ref<'_, CacheMap> {
        Ref::map(self.desk.borrow(), |desk| &desk.found)
    }
}

/// All stages, in order. What cannot be found stops its stage; what makes the rest worthless stops the experiment.
async fn experiment(mut lab: Lab) -> Result<(), Stop> {
    words::check(&mut lab).await?;
    opening::measure(&mut lab).await?;
    if lab.enters(Stage::Replicas) {
        replicas::count(&mut lab).await?;
    }
    if lab.enters(Stage::Semantics) {
        semantics::ask(&mut lab).await?;
    }
    if lab.enters(Stage::Block) {
        block::find(&mut lab).await?;
    }
    if lab.enters(Stage::Fill) {
        let filled = fill::fill(&mut lab).await?;
        if lab.enters(Stage::Tiers) {
            tiers::find(&mut lab, filled).await?;
        }
    }
    if lab.enters(Stage::Delay) {
        delay::measure(&mut lab).await?;
    }
    if lab.enters(Stage::Sharing) {
        sharing::ask(&mut lab).await?;
    }
    if lab.enters(Stage::Ttl) {
        ladder::climb(&mut lab).await?;
    }
    Ok(())
}

//! Where the experiment's stages and the world meet: a desk on which a step is laid, and its answer.

use std::cell::RefCell;
use std::collections::HashSet;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use super::found::CacheMap;
use super::opening::Levels;
use super::{Design, Piece, Probe, Step};
use crate::clock::Nanos;
use crate::plan::map::Stage;
use crate::plan::{Arm, Role};
use crate::sample::Sample;

/// Failed requests in a row, and in all, before the experiment is given up.
const FAILURES_IN_A_ROW: usize = 3;
const FAILURES_IN_ALL: usize = 20;

/// Why the experiment ended before its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stop {
    /// Too many requests failed.
    Failures,
    /// What was found makes the rest worthless; the reason in words.
    Worthless(String),
}

/// The desk: at most one step on it, and what is known so far.
#[derive(Debug, Default)]
pub(super) struct Desk {
    step: Option<Step>,
    /// The probe that was handed out.
    asked: Option<Probe>,
    answer: Option<Sample>,
    has_waited: bool,
    pub found: CacheMap,
}

impl Desk {
    pub fn unanswered(&self) -> Option<Probe> {
        self.asked.clone().filter(|_| self.answer.is_none())
    }

    /// Hands out the step on the desk.
    pub fn take_step(&mut self) -> Step {
        let step = self.step.take().expect("a pending experiment has laid down a step");
        match &step {
            Step::Probe(probe) => self.asked = Some(probe.clone()),
            _ => self.has_waited = true,
        }
        step
    }

    pub fn answer(&mut self, sample: Sample) {
        self.answer = Some(sample);
    }

    pub fn end(&mut self, ended: Result<(), Stop>) {
        let why = match ended {
            Ok(()) => return self.found.close("its stage was left out"),
            Err(Stop::Failures) => "too many requests failed".to_owned(),
            Err(Stop::Worthless(why)) => why,
        };
        self.found.close(&why);
    }
}

/// What a request showed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Seen {
    /// The time to first token, in nanoseconds.
    pub ttft: f64,
    /// By the server's own word.
    pub cached: Option<u64>,
    /// By the server's own word, else the words it was made of.
    pub tokens: u64,
    /// By the server's own word.
    pub counted: Option<u64>,
    /// When it was sent and when it had ended, in the lab's time.
    pub sent_ns: Nanos,
    pub end_ns: Nanos,
}

/// A piece of a prompt that was sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sent {
    pub document: u64,
    /// Its words, and for the first piece of a prompt the prompt's frame.
    pub tokens: u64,
    pub is_new: bool,
    /// What a look at it alone showed.
    pub look: Option<Look>,
}

/// What a look at a document showed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Look {
    pub cached: Option<u64>,
    pub is_hit: bool,
}

/// What a stage works with.
pub(super) struct Lab {
    desk: Rc<RefCell<Desk>>,
    pub design: Design,
    /// What the opening measured.
    pub levels: Levels,
    /// The last document's number.
    documents: u64,
    /// Everything that was sent, of every stage: all of it takes room.
    pub sent: Vec<Sent>,
    is_sent: HashSet<u64>,
    failures: usize,
    /// The time of the experiment, in nanoseconds: when the last answer had ended. What passed while no process ran is
    /// not in it.
    pub now_ns: Nanos,
    /// What is to be added to a stamp of the process that runs.
    offset_ns: Nanos,
    /// Counts the processes: a map that goes on after it was stopped is measured by another one, whose stamps begin anew.
    pub process: usize,
}

impl Lab {
    pub fn new(desk: Rc<RefCell<Desk>>, design: Design) -> Lab {
        let levels = Levels { words: design.words, ..Levels::default() };
        Lab {
            desk,
            design,
            levels,
            documents: 0,
            sent: Vec::new(),
            is_sent: HashSet::new(),
            failures: 0,
            now_ns: 0,
            offset_ns: 0,
            process: 0,
        }
    }

    /// Whether a stage is to be done.
    pub fn enters(&self, stage: Stage) -> bool {
        !self.design.skip.contains(&stage)
    }

    /// Notes what was found.
    pub fn note(&self, note: impl FnOnce(&mut CacheMap)) {
        note(&mut self.desk.borrow_mut().found);
    }

    pub fn known<T>(&self, of: impl FnOnce(&CacheMap) -> T) -> T {
        of(&self.desk.borrow().found)
    }

    /// The number of a text that no request had yet.
    pub fn new_document(&mut self) -> u64 {
        self.documents += 1;
        self.documents
    }

    /// A new document of so many words.
    pub fn new_piece(&mut self, words: u64) -> Piece {
        Piece { document: self.new_document(), words }
    }

    /// A request with `pieces` as any stage sends it.
    pub fn probe(&self, stage: Stage, arm: Arm, role: Role, pieces: Vec<Piece>) -> Probe {
        Probe { stage, arm, role, pieces, listed: None, identity: 0, is_pinned: true, reuse_tokens: None }
    }

    /// A new text, to be found again later.
    pub async fn store(&mut self, stage: Stage, pieces: Vec<Piece>) -> Result<Seen, Stop> {
        let probe = self.probe(stage, Arm::Cold, Role::Prime, pieces);
        self.send(probe).await
    }

    /// A text that may be found.
    pub async fn measure(&mut self, stage: Stage, pieces: Vec<Piece>) -> Result<Seen, Stop> {
        let probe = self.probe(stage, Arm::Hit, Role::Measure, pieces);
        self.send(probe).await
    }

    /// Sends and hands over what came back. A request that failed is sent again as a row of its own, twice at most.
    pub async fn send(&mut self, probe: Probe) -> Result<Seen, Stop> {
        let words = probe.words();
        for _ in 0..FAILURES_IN_A_ROW {
            self.lay(Step::Probe(probe.clone()));
            let sample = poll_fn(|_| {
                let mut desk = self.desk.borrow_mut();
                match desk.answer.take() {
                    None => Poll::Pending,
                    Some(sample) => {
                        desk.asked = None;
                        Poll::Ready(sample)
                    }
                }
            })
            .await;
            if let Some(ttft) = sample.ttft_ns() {
                let tokens = sample.prompt_tokens().unwrap_or(words + self.levels.frame_tokens);
                self.log(&probe.pieces, tokens - words.min(tokens));
                let (sent_ns, end_ns) = self.times(&sample, ttft);
                let (cached, counted) = (sample.cached_tokens(), sample.prompt_tokens());
                return Ok(Seen { ttft: ttft as f64, cached, tokens, counted, sent_ns, end_ns });
            }
            self.failures += 1;
            if self.failures >= FAILURES_IN_ALL {
                break;
            }
        }
        Err(Stop::Failures)
    }

    /// A sample's beginning and end in the lab's time.
    fn times(&mut self, sample: &Sample, ttft: Nanos) -> (Nanos, Nanos) {
        let sent = sample.stamps.sent_ns.unwrap_or(0);
        if self.offset_ns + sent < self.now_ns {
            self.offset_ns = self.now_ns;
            self.process += 1;
        }
        let end = sample.stamps.end_ns.unwrap_or(sent + ttft);
        self.now_ns = self.offset_ns + end;
        (self.offset_ns + sent, self.now_ns)
    }

    fn log(&mut self, pieces: &[Piece], frame: u64) {
        for (nth, piece) in pieces.iter().enumerate() {
            let tokens = piece.words + if nth == 0 { frame } else { 0 };
            let is_new = self.is_sent.insert(piece.document);
            self.sent.push(Sent { document: piece.document, tokens, is_new, look: None });
        }
    }

    /// Lets time pass.
    pub async fn wait(&mut self, span: Nanos) {
        if span == 0 {
            return;
        }
        self.lay(Step::Wait(span));
        poll_fn(|_| {
            let mut desk = self.desk.borrow_mut();
            if std::mem::take(&mut desk.has_waited) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Lets pass what the server needs to store.
    pub async fn settle(&mut self) {
        self.wait(self.levels.settle_ns).await;
    }

    fn lay(&self, step: Step) {
        self.desk.borrow_mut().step = Some(step);
    }
}

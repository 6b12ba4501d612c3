//! One round of a selftest: so many streams at once against the referee, and how far off the client's times are.

use std::time::Duration;

use anyhow::{Context, bail};

use super::referee::Referee;
use crate::clock::{Clock, Monotonic};
use crate::cmd::advice;
use crate::endpoint::{Base, Endpoint, Login};
use crate::net::{Route, StampSource, Stopwatch, Trust};
use crate::plan::{Arm, Role};
use crate::sample::{Place, Sample};
use crate::selftest::{Quality, Trial};
use crate::session::{Ask, Interrupt, Manner, Session, Unwatched};
use crate::sim::server::Truth;
use crate::wire::body::Conversation;

/// What is to be measured.
#[derive(Debug, Clone, Copy)]
pub(super) struct Round {
    pub streams: u64,
    /// Of all streams together.
    pub requests: u64,
    /// First requests of each stream, which warm the code and the sockets up and are not counted.
    pub warmup: u64,
    /// The referee's time to first token.
    pub delay: Duration,
    pub source: StampSource,
}

/// What was.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measured {
    pub quality: Quality,
    /// Processor time of the client as a share of one core.
    pub cpu_share: f64,
}

impl Round {
    /// `None` when nothing came back, as after Ctrl-C.
    ///
    /// # Errors
    /// When the referee does not start, or fails.
    pub fn measure(self, interrupt: &Interrupt) -> anyhow::Result<Option<Measured>> {
        let referee = Referee::start(self.delay)?;
        let stopwatch = Stopwatch::start(self.source).context("cannot start the stopwatch's threads")?;
        let base = Base::parse(&referee.url)?;
        let route = Route::resolve(base.target.clone(), None, Trust::anyone())?;
        let endpoint = Endpoint::new(stopwatch, base, route, Login { api_key: "EMPTY".into(), headers: Vec::new() });
        let (began, cpu) = (Monotonic.now(), Monotonic.cpu());
        let all: Vec<Vec<Sample>> = std::thread::scope(|scope| {
            let stream = |number| {
                let endpoint = &endpoint;
                scope.spawn(move || self.perform(endpoint, number, interrupt.clone()))
            };
            let running: Vec<_> = (0..self.streams).map(stream).collect();
            running.into_iter().map(|stream| stream.join().expect("a stream does not panic")).collect()
        });
        let elapsed = Monotonic.now().since(began).unwrap_or(1).max(1);
        let cpu_share = (Monotonic.cpu() - cpu) as f64 / elapsed as f64;
        let truths = referee.stop()?;
        let failed = all.iter().flatten().find(|sample| !sample.outcome.is_ok() && !interrupt.is_set());
        if let Some(failed) = failed {
            bail!("the bundled endpoint failed: {}", advice::failed(&failed.outcome, &[]));
        }
        let trials: Vec<Trial> =
            all.into_iter().enumerate().flat_map(|(of, samples)| trials(of, samples, &truths)).collect();
        Ok(Quality::of(&trials).map(|quality| Measured { quality, cpu_share }))
    }

    fn perform(self, endpoint: &Endpoint, stream: u64, interrupt: Interrupt) -> Vec<Sample> {
        let manner = Manner {
            model: "selftest".into(),
            name: name(stream),
            chat: true,
            extra: None,
            headers: Vec::new(),
            reuse: false,
            timeout: Duration::from_secs(10),
            keep_answers: false,
            keep_token_times: false,
            keep_wire: None,
        };
        let mut session = Session::new(endpoint, manner, interrupt);
        let conversation = Conversation { nonce: None, document: "A document.", prompt: "A question." };
        let ask = Ask { arm: Arm::Cold, role: Role::Measure, place: Place::default(), conversation, max_tokens: 2 };
        let mut samples = Vec::new();
        for _ in 0..self.requests.div_ceil(self.streams) + self.warmup {
            if session.is_interrupted() {
                break;
            }
            samples.push(session.perform(&ask, &mut Unwatched));
        }
        samples.into_iter().skip(self.warmup as usize).collect()
    }
}

/// What the requests of one stream are called, so that the referee's log tells whose they are.
fn name(stream: u64) -> String {
    format!("selftest-{stream}")
}

/// Each sample of a stream with its truth.
fn trials(stream: usize, samples: Vec<Sample>, truths: &[Truth]) -> Vec<Trial> {
    let truth = |sample: &Sample| {
        let id = format!("{}-{}", name(stream as u64), sample.trial);
        truths.iter().find(|truth| truth.request_id.as_deref() == Some(&id))?.ttft_ns()
    };
    samples.into_iter().map(|sample| Trial { truth_ns: truth(&sample), sample }).collect()
}

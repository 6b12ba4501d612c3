//! `ttft load --find_knee`: the search of [`crate::load::knee`], each of whose levels is a session of the log.

use super::design::{gaps, kind, processors};
use super::{Book, Ground, workload};
use crate::cli::load::{LoadArgs, WorkloadKind};
use crate::clock::{Clock, Monotonic};
use crate::cmd::UsageError;
use crate::cmd::consent::Cost;
use crate::cmd::journal::Journal;
use crate::cmd::setup::Setup;
use crate::exit::Exit;
use crate::load::arrivals::{Arrivals, Extent, Piece};
use crate::load::knee::{Level, Load, MOST_LEVELS, Measured, Reuse, Search, Step};
use crate::load::schedule::{Schedule, Size, Timing, Turn};
use crate::load::workload::Workload;
use crate::progress::board::Board;
use crate::record::{Conditions, LevelNote, LoadNote, Log, ShardNote};
use crate::report::load::Shown;
use crate::report::units;
use crate::stats::normal;

/// Streams of the burst, and its requests: so many for each of them, and at least so many in all.
const STREAMS: u64 = 64;
const OF_EACH_STREAM: u64 = 4;
const IN_BURST: u64 = 100;

/// Requests of a level at least.
const FEWEST: u64 = 200;

/// A level lasts so long at least.
const SECONDS: f64 = 60.0;

/// Requests of one queue that are worth one that stands alone, as a guess before they are measured.
const ALIKE: f64 = 4.0;

/// Of a level the first fifth is left out.
const COUNTED: f64 = 0.8;

/// Requests of a workload from which its tokens are guessed.
const SPECIMENS: u64 = 200;

pub fn run(args: &LoadArgs, argv: Vec<String>, setup: &Setup<'_>, log: Log) -> anyhow::Result<Exit> {
    refuse(args)?;
    let asked = args.slo.map(|_| args.slo_share.share());
    let (workload, said) = workload::of(args, setup.seed("order"))?;
    let mut ground = Ground::of(args, setup)?;
    let plan = Plan { args, asked, fewest: fewest(args, asked), sample: specimen(&workload) };
    let primes: Vec<(u64, Turn)> = (1..).zip(workload.primes()).collect();
    let agreed = plan.cost(plan.fewest, primes.len() as u64);
    setup.ask_consent(agreed)?;
    ground.test();
    let mut course =
        Course { plan, setup, ground, said, argv, levels: 0, sent: 0, supplies: [workload.clone(), workload] };
    let conditions = course.conditions(&Level { reuse: Reuse::Usual, load: Load::Burst });
    let mut book = Book::new(args, setup.voice, Journal::new(log, conditions));
    book.journal.begin()?;
    let mut search = Search::new(asked);
    let mut refused = None;
    while let Step::Load(level) = search.next() {
        if let Load::Rate { per_second, of_ceiling } = level.load
            && refused.is_none()
            && course.levels == 1
        {
            // Only now is it known how much a level of a minute is.
            let cost = course.plan.cost(course.plan.requests(per_second * 0.95 / of_ceiling), primes.len() as u64);
            if cost.requests > agreed.requests {
                refused = setup.ask_consent(cost).err();
            }
        }
        if refused.is_some() || book.is_spent || setup.interrupt.is_set() {
            break;
        }
        let measured = course.measure(&mut book, &level, &primes)?;
        search.observe(&measured);
    }
    let exit = finish(book, setup.interrupt.is_set())?;
    refused.map_or(Ok(exit), Err)
}

/// What cannot be searched with.
fn refuse(args: &LoadArgs) -> Result<(), UsageError> {
    if args.workload == WorkloadKind::LongDocQa {
        return Err(UsageError(
            "--find_knee needs a workload without an end, and long_doc_qa has one; use another".into(),
        ));
    }
    if args.slo.is_some() && args.slo_share.share() >= 1.0 {
        let said = "no number of requests shows that all of them keep --slo; give a --slo_share below 100%";
        return Err(UsageError(said.into()));
    }
    Ok(())
}

/// Requests of a level at least, so that the shares of those that count can be told from the one asked for.
fn fewest(args: &LoadArgs, asked: Option<f64>) -> u64 {
    let z = normal::quantile(0.975);
    // So many that stand alone and all keep the limits show that the share asked for does (Wilson's interval of all).
    let telling = asked.map_or(0.0, |share| z * z * share / (1.0 - share) * ALIKE / COUNTED).ceil() as u64;
    args.requests.unwrap_or(telling.max(FEWEST))
}

/// What a few requests ask for.
fn specimen(workload: &Workload) -> Size {
    Schedule::new(Timing::Closed, workload.clone(), Some(SPECIMENS)).size()
}

/// How much is sent.
struct Plan<'a> {
    args: &'a LoadArgs,
    asked: Option<f64>,
    fewest: u64,
    sample: Size,
}

impl Plan<'_> {
    fn streams(&self) -> u64 {
        self.args.streams.unwrap_or(STREAMS)
    }

    fn burst(&self) -> u64 {
        IN_BURST.max(OF_EACH_STREAM * self.streams())
    }

    /// Requests of a level at this rate.
    fn requests(&self, per_second: f64) -> u64 {
        let of = |seconds: f64| (seconds * per_second).ceil() as u64;
        match (self.args.requests, self.args.duration) {
            (Some(requests), _) => requests,
            (None, Some(span)) => of(span.0.as_secs_f64()).max(1),
            (None, None) => self.fewest.max(of(SECONDS)),
        }
    }

    /// At most, with levels of so many requests.
    fn cost(&self, requests: u64, primes: u64) -> Cost {
        let (arms, levels) = if self.asked.is_some() { (2, MOST_LEVELS) } else { (1, MOST_LEVELS.min(6)) };
        let all = arms * (self.burst() + levels * requests) + (levels + 1) * primes;
        let each = self.sample.tokens as f64 / self.sample.requests.max(1) as f64;
        Cost { requests: all, prompt_tokens: (each * all as f64) as u64 }
    }
}

/// The search on its way.
struct Course<'a> {
    plan: Plan<'a>,
    setup: &'a Setup<'a>,
    ground: Ground<'a>,
    said: String,
    argv: Vec<String>,
    /// Levels that were begun, and their requests.
    levels: u64,
    sent: u64,
    /// What is asked next with the cache and without it: the same requests in the same order.
    supplies: [Workload; 2],
}

impl Course<'_> {
    fn measure(&mut self, book: &mut Book<'_>, level: &Level, primes: &[(u64, Turn)]) -> anyhow::Result<Measured> {
        let (schedule, streams) = self.schedule(level);
        let requests = schedule.size().requests;
        if self.levels > 0 {
            book.journal.begin_session(self.conditions(level));
        }
        self.levels += 1;
        self.announce(level, requests);
        // What is not to be found need not be there.
        let primes = if level.reuse == Reuse::Usual { primes } else { &[] };
        let rate = match level.load {
            Load::Burst => None,
            Load::Rate { per_second, .. } => Some(per_second),
        };
        self.ground.manner.name = format!("ttft-{}", self.levels);
        let crew = self.ground.crew(book, primes.len() as u64, Board::new(Monotonic.now(), Some(requests), rate));
        book.prime(&crew, primes)?;
        book.measure(&crew, schedule, streams, None)?;
        let answers = std::mem::take(&mut book.answers);
        Ok(Measured { of: *level, answers, processors: processors() })
    }

    /// What is sent, and by how many streams at once.
    fn schedule(&mut self, level: &Level) -> (Schedule, Option<u64>) {
        let supply = &mut self.supplies[usize::from(level.reuse == Reuse::Nothing)];
        let (timing, requests, streams) = match level.load {
            Load::Burst => (Timing::Closed, self.plan.burst(), Some(self.plan.streams())),
            Load::Rate { per_second, .. } => {
                let turns = supply.turns();
                let requests = self.plan.requests(per_second);
                let flows = (requests as f64 / turns).ceil() as u64;
                let piece = Piece { seconds: 1.0, from: per_second / turns, to: per_second / turns };
                let seed = self.setup.seed("order").wrapping_add(self.levels);
                let arrivals = Arrivals::new(seed, gaps(self.plan.args), vec![piece], Extent::Requests(flows));
                (Timing::Arrivals(arrivals.exactly(flows)), requests, None)
            }
        };
        let schedule = Schedule::new(timing, supply.clone(), Some(requests));
        // The next level goes on where this one ends, so that no document that is to be new was sent before.
        let mut rest = schedule.clone();
        rest.by_ref().for_each(drop);
        *supply = rest.workload;
        let schedule = if level.reuse == Reuse::Nothing { schedule.apart(self.sent) } else { schedule };
        self.sent += requests;
        (schedule, streams)
    }

    fn conditions(&self, level: &Level) -> Conditions {
        let (arrivals, per_second, of_ceiling) = match level.load {
            Load::Burst => (format!("closed loop of {}", self.plan.streams()), None, None),
            Load::Rate { per_second, of_ceiling } => {
                (format!("{} at {per_second:.4} a second", kind(self.plan.args)), Some(per_second), Some(of_ceiling))
            }
        };
        let streams = (level.load == Load::Burst).then(|| self.plan.streams());
        let note = LoadNote {
            workload: self.said.clone(),
            arrivals,
            seed: self.setup.seed("order"),
            shard: ShardNote { index: 0, count: 1, senders: None },
            processors: processors(),
            legs: Vec::new(),
            level: Some(LevelNote { reuse: level.reuse, streams, per_second, of_ceiling }),
        };
        self.ground.conditions(self.argv.clone(), note)
    }

    fn announce(&self, level: &Level, requests: u64) {
        let with = match level.reuse {
            Reuse::Usual => "",
            Reuse::Nothing => ", nothing of which can be found in a cache",
        };
        let requests_said = format!("{} requests{with}", units::count(requests));
        self.setup.voice.note(&match level.load {
            Load::Burst => format!("a burst of {} streams, {requests_said}", self.plan.streams()),
            Load::Rate { per_second, of_ceiling } => format!(
                "{}, {} of what the burst got through: {requests_said}, about {}",
                units::rate(per_second),
                units::share(of_ceiling),
                units::span(requests as f64 / per_second * 1e9)
            ),
        });
    }
}

/// Ends with the block, and with what it says.
fn finish(book: Book<'_>, is_interrupted: bool) -> anyhow::Result<Exit> {
    let Book { voice, journal, dashboard, .. } = book;
    drop(dashboard);
    let data = journal.print_block(voice)?;
    let shown = data.logs[0].load.as_ref().map_or(Shown::Untold, |load| load.levels.shown());
    Ok(match (is_interrupted, shown) {
        (true, _) => Exit::Interrupted,
        (false, Shown::Told) => Exit::Ok,
        (false, Shown::Loss) => Exit::Missed,
        (false, Shown::Untold) => Exit::Inconclusive,
    })
}

//! `ttft selftest`: how far off this client's own times are, measured against the bundled endpoint, whose truth is known.
//!
//! The endpoint is a process of its own, so that the client's processor time is the client's alone.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};

use super::{advice, print};
use crate::cli::selftest::SelftestArgs;
use crate::clock::{Clock, Monotonic};
use crate::endpoint::{Base, Endpoint, Login};
use crate::exit::Exit;
use crate::net::{Route, StampSource, Stopwatch, Trust};
use crate::plan::{Arm, Role};
use crate::report::table::{Cell, Column, Table};
use crate::report::{Report, text, units};
use crate::rng::Nonce;
use crate::sample::{Place, Sample};
use crate::selftest::{Quality, Trial};
use crate::session::{Ask, Interrupt, Manner, Session, Unwatched};
use crate::sim::server::Truth;
use crate::wire::body::Conversation;

/// Pairs of readings from which the clock's grain is told.
const READINGS: usize = 10_000;

/// The first requests warm the code and the sockets up and are not counted.
const WARMUP: u64 = 10;

pub fn run(args: &SelftestArgs) -> anyhow::Result<Exit> {
    let interrupt = Interrupt::listen()?;
    let mut rows = Vec::new();
    for (streams, source) in
        [1, args.streams].into_iter().flat_map(|n| [(n, StampSource::Kernel), (n, StampSource::Read)])
    {
        let Some(row) = Row::measure(args, streams, source, &interrupt)? else { break };
        rows.push(row);
    }
    match rows.is_empty() {
        true => crate::progress::error("nothing was measured"),
        false => print(&text::write(&report(&rows))),
    }
    Ok(match (interrupt.is_set(), rows.is_empty()) {
        (true, _) => Exit::Interrupted,
        (false, true) => Exit::Inconclusive,
        (false, false) => Exit::Ok,
    })
}

/// One line of the table.
struct Row {
    streams: u64,
    asked: StampSource,
    quality: Quality,
    /// Processor time of the client as a share of one core.
    cpu_share: f64,
}

impl Row {
    /// `None` when nothing came back, as after Ctrl-C.
    fn measure(
        args: &SelftestArgs,
        streams: u64,
        source: StampSource,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Option<Row>> {
        let referee = Referee::start(args.delay.0)?;
        let stopwatch = Stopwatch::start(source).context("cannot start the stopwatch's threads")?;
        let base = Base::parse(&referee.url)?;
        let route = Route::resolve(base.target.clone(), None, Trust::anyone())?;
        let endpoint = Endpoint::new(stopwatch, base, route, Login { api_key: "EMPTY".into(), headers: Vec::new() });
        let each = args.requests.div_ceil(streams) + WARMUP;
        let (began, cpu) = (Monotonic.now(), Monotonic.cpu());
        let all: Vec<Vec<Sample>> = std::thread::scope(|scope| {
            let stream = |number| {
                scope.spawn({
                    let endpoint = &endpoint;
                    move || perform(endpoint, number, each, interrupt.clone())
                })
            };
            let running: Vec<_> = (0..streams).map(stream).collect();
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
        Ok(Quality::of(&trials).map(|quality| Row { streams, asked: source, quality, cpu_share }))
    }

    fn cells(&self) -> Vec<Cell> {
        let Quality { requests, lost, median_ns, p99_ns, max_ns, unstamped, shared } = self.quality;
        vec![
            Cell::Count(self.streams),
            Cell::Words(stamps(self.asked).into()),
            Cell::Count(requests as u64),
            Cell::Time(median_ns),
            Cell::Time(p99_ns),
            Cell::Time(max_ns),
            Cell::Count(lost as u64),
            match self.asked {
                StampSource::Kernel => Cell::Count(unstamped as u64),
                StampSource::Read => Cell::Missing,
            },
            Cell::Share(shared as f64 / requests.max(1) as f64),
            Cell::Share(self.cpu_share),
        ]
    }
}

fn stamps(source: StampSource) -> &'static str {
    match source {
        StampSource::Kernel => "kernel",
        StampSource::Read => "read",
    }
}

/// What the requests of one stream are called, so that the referee's log tells whose they are.
fn name(stream: u64) -> String {
    format!("selftest-{stream}")
}

fn perform(endpoint: &Endpoint, stream: u64, requests: u64, interrupt: Interrupt) -> Vec<Sample> {
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
    for _ in 0..requests {
        if session.is_interrupted() {
            break;
        }
        samples.push(session.perform(&ask, &mut Unwatched));
    }
    samples.into_iter().skip(WARMUP as usize).collect()
}

/// Each sample of a stream with its truth.
fn trials(stream: usize, samples: Vec<Sample>, truths: &[Truth]) -> Vec<Trial> {
    let truth = |sample: &Sample| {
        let id = format!("{}-{}", name(stream as u64), sample.trial);
        truths.iter().find(|truth| truth.request_id.as_deref() == Some(&id))?.ttft_ns()
    };
    samples.into_iter().map(|sample| Trial { truth_ns: truth(&sample), sample }).collect()
}

fn report(rows: &[Row]) -> Report {
    let grain = Monotonic.grain(READINGS);
    // The line of kernel stamps stands first among those of equal streams.
    let seen = |row: &Row| match row.streams {
        1 => format!("{} at one stream", units::span(row.quality.smallest_effect_ns())),
        n => format!("{} at {n} streams", units::span(row.quality.smallest_effect_ns())),
    };
    let best: Vec<String> = rows.iter().filter(|row| row.asked == StampSource::Kernel).map(seen).collect();
    Report {
        title: "ttft selftest".into(),
        findings: vec![format!(
            "Effects smaller than {} cannot be seen from this machine: twice the error that 99 % of times stay below.",
            best.join(", and than ")
        )],
        remarks: vec![format!(
            "The clock's grain is {}. The error is the client's TTFT less the server's, as an amount.",
            units::time(grain)
        )],
        maps: Vec::new(),
        claim: None,
        tables: vec![Table {
            name: "selftest",
            title: "Error of this client's TTFT, against a server of known truth".into(),
            is_detail: false,
            columns: vec![
                Column::number("streams", "streams"),
                Column::words("stamps", "stamps"),
                Column::number("requests", "n"),
                Column::number("median_error_ns", "median"),
                Column::number("p99_error_ns", "p99"),
                Column::number("max_error_ns", "max"),
                Column::number("lost", "lost"),
                Column::number("unstamped", "unstamped"),
                Column::number("shared", "shared"),
                Column::number("cpu_share", "CPU"),
            ],
            rows: rows.iter().map(Row::cells).collect(),
        }],
        figures: Vec::new(),
        conditions: Vec::new(),
    }
}

/// The bundled endpoint as a process of its own. Dropping it ends it.
struct Referee {
    child: Child,
    url: String,
    truth: PathBuf,
}

impl Referee {
    fn start(delay: Duration) -> anyhow::Result<Referee> {
        let truth = std::env::temp_dir().join(format!("ttft-selftest-{}.jsonl", Nonce::fresh()));
        let profile =
            format!("instant,model=selftest,base={}us,decode=1ms,slots=1000,prefill=parallel", delay.as_micros());
        let program = std::env::current_exe().context("cannot find the program itself, to start its endpoint")?;
        let child = Command::new(program)
            .args(["sim", "--port", "0", "--profile", &profile, "--truth"])
            .arg(&truth)
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the bundled endpoint")?;
        let mut referee = Referee { child, url: String::new(), truth };
        let out = referee.child.stdout.take().context("the bundled endpoint has no output")?;
        BufReader::new(out).read_line(&mut referee.url).context("the bundled endpoint does not say where it is")?;
        referee.url.truncate(referee.url.trim_end().len());
        if referee.url.is_empty() {
            bail!("the bundled endpoint did not start; run ttft sim --port 0 to see why");
        }
        Ok(referee)
    }

    /// Ends it and reads what it saw.
    fn stop(mut self) -> anyhow::Result<Vec<Truth>> {
        self.end();
        let text = std::fs::read_to_string(&self.truth)
            .with_context(|| format!("cannot read what the endpoint saw in {}", self.truth.display()))?;
        // The last line may be cut short by the end.
        Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
    }

    fn end(&mut self) {
        // A process that has ended already needs no end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Referee {
    fn drop(&mut self) {
        self.end();
        let _ = std::fs::remove_file(&self.truth);
    }
}

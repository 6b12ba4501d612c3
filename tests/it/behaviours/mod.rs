//! The 32 ways in which servers are known to behave, each as a simulated endpoint, with what a client must conclude.
//!
//! The numbers are those of the table "Behaviours" in `docs/sim.md`, which a test holds to these. The flags are those of
//! `ttft sim`, so that each can be looked at by hand.

use serde_json::Value;
use ttft::sim::server::{Sim, SimConfig};

use super::bench::{Bench, Printed};

/// A row of the table.
pub struct Behaviour {
    pub number: u8,
    pub about: &'static str,
    /// What makes a simulated endpoint behave so; each way by itself.
    pub flags: &'static [&'static str],
    pub conclusion: &'static str,
}

/// Makes the rows and a test of each: the check is run against a server for every one of its flags.
macro_rules! behaviours {
    ($($number:literal $name:ident $about:literal [$($flags:literal),+] $conclusion:literal $check:expr;)+) => {
        pub const ALL: &[super::Behaviour] = &[$(super::Behaviour {
            number: $number, about: $about, flags: &[$($flags),+], conclusion: $conclusion,
        }),+];
        $(#[test]
        fn $name() {
            let check: fn(&super::Server) = $check;
            for flags in [$($flags),+] {
                check(&super::Server::start(flags));
            }
        })+
    };
}

mod cache;
mod failures;
mod framing;
mod shapes;

/// A server that behaves so.
pub struct Server {
    bench: Bench,
    flags: &'static str,
}

impl Server {
    /// Without `--profile`, 40 ms to the first token and 4 ms from token to token.
    pub fn start(flags: &'static str) -> Server {
        let profile = "instant,base=40ms,decode=4ms".parse().expect("a profile");
        let mut config = SimConfig { profile, ..SimConfig::default() };
        let words: Vec<&str> = flags.split(' ').collect();
        for pair in words.chunks(2) {
            match pair {
                ["--profile", profile] => config.profile = profile.parse().expect("a profile"),
                ["--flavor", flavor] => config.flavor = flavor.parse().expect("a flavour"),
                ["--fault", fault] => {
                    let earlier = std::mem::take(&mut config.faults).0.into_iter();
                    config.faults = earlier.chain([fault.parse().expect("a fault")]).collect();
                }
                other => panic!("{flags}: {other:?}"),
            }
        }
        let bench =
            Bench { sim: Sim::start(config).expect("a server"), folder: tempfile::tempdir().expect("a folder") };
        Server { bench, flags }
    }

    /// The classic run over 400 tokens, with more flags.
    pub fn run(&self, more: &str) -> Seen {
        let printed = self.bench.measure(&format!("--max_ctx_tokens 400 {more}"));
        let rows = self.bench.rows("benchmark.jsonl");
        Seen { flags: self.flags, printed, rows }
    }

    /// Any command.
    pub fn ttft(&self, args: &str) -> Printed {
        self.bench.measure(args)
    }

    pub fn map(&self) -> Value {
        let report: Value = self.bench.report(&["map.jsonl", "--format", "json"]).parse().expect("JSON");
        report["maps"][0].clone()
    }
}

/// What a classic run ended with.
pub struct Seen {
    pub flags: &'static str,
    pub printed: Printed,
    pub rows: Vec<Value>,
}

impl Seen {
    /// That both requests went well, with all 16 tokens, and are not said to be anything else.
    pub fn is_ok(&self) -> &Seen {
        assert_eq!(self.printed.code, Some(0), "{}: {}", self.flags, self.printed.stderr);
        assert_eq!(self.rows.len(), 2, "{}", self.flags);
        for row in &self.rows {
            assert_eq!(
                (&row["outcome"], &row["finish_reason"]),
                (&"ok".into(), &"length".into()),
                "{}: {row}",
                self.flags
            );
            assert_eq!(row["usage"]["completion_tokens"], 16, "{}: {row}", self.flags);
        }
        self
    }

    /// That the first request failed with this outcome, has no time, and that the advice says so.
    pub fn failed(&self, outcome: &str, said: &str) -> &Seen {
        assert_eq!(self.printed.code, Some(1), "{}", self.flags);
        let row = &self.rows[0];
        assert_eq!((&row["outcome"], &row["ttft_seconds"]), (&outcome.into(), &Value::Null), "{}: {row}", self.flags);
        assert!(self.printed.stderr.contains(said), "{}: {said}: {}", self.flags, self.printed.stderr);
        self
    }

    /// Milliseconds from one moment of the first request to another; `None` where one did not come.
    pub fn ms(&self, from: &str, to: &str) -> Option<f64> {
        let at = |name: &str| self.rows[0][format!("{name}_ns")].as_f64();
        Some((at(to)? - at(from)?) / 1e6)
    }

    /// The same of moments that came.
    pub fn between(&self, from: &str, to: &str) -> f64 {
        self.ms(from, to).unwrap_or_else(|| panic!("{}: {from} or {to} did not come: {}", self.flags, self.rows[0]))
    }

    /// Tokens that came from the cache, of each request, by the answers' own count.
    pub fn cached(&self) -> Vec<Option<u64>> {
        self.rows.iter().map(|row| row["usage"]["cached_tokens"].as_u64()).collect()
    }
}

fn all() -> Vec<&'static Behaviour> {
    [shapes::ALL, framing::ALL, failures::ALL, cache::ALL].into_iter().flatten().collect()
}

#[test]
fn all_thirty_two_are_here_once_each() {
    let mut numbers: Vec<u8> = all().iter().map(|behaviour| behaviour.number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=32).collect::<Vec<_>>());
}

#[test]
fn the_page_has_them_as_they_are() {
    let page = include_str!("../../../docs/sim.md");
    let section = page.split("## Behaviours\n").nth(1).expect("the section").split("\n## ").next().expect("its text");
    let rows: Vec<&str> = section.lines().filter(|line| line.starts_with('|') && line.contains('`')).collect();
    let mut expected: Vec<&Behaviour> = all();
    expected.sort_by_key(|behaviour| behaviour.number);
    let row = |of: &Behaviour| {
        let flags: Vec<String> = of.flags.iter().map(|flags| format!("`{flags}`")).collect();
        format!("| {} | {} | {} | {} |", of.number, of.about, flags.join(", "), of.conclusion)
    };
    assert_eq!(rows, expected.into_iter().map(row).collect::<Vec<_>>());
}

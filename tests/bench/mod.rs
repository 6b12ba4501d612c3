//! A simulated endpoint, a folder, and the real program run in it: what most tests of a command need.
#![allow(dead_code, reason = "each of the test programs uses a part of it")]

pub mod verify;

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;
use ttft::sim::server::{Sim, SimConfig};

pub const TTFT: &str = env!("CARGO_BIN_EXE_ttft");

/// A server and a folder to run in.
pub struct Bench {
    pub sim: Sim,
    pub folder: TempDir,
}

/// How a run ended and what it printed.
pub struct Printed {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Printed {
    pub fn of(output: Output) -> Printed {
        Printed {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("text"),
            stderr: String::from_utf8(output.stderr).expect("text"),
        }
    }

    /// Whether a text is on stdout, however its lines are broken.
    pub fn says(&self, text: &str) -> bool {
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        words(&self.stdout).contains(&words(text))
    }
}

impl Bench {
    /// A server of this profile and with these faults; `seed` decides its noise.
    pub fn new(profile: &str, faults: &[&str], seed: u64) -> Bench {
        let faults = faults.iter().map(|fault| fault.parse().expect("a fault")).collect();
        let config = SimConfig { profile: profile.parse().expect("a profile"), faults, seed, ..SimConfig::default() };
        Bench { sim: Sim::start(config).expect("a server"), folder: tempfile::tempdir().expect("a folder") }
    }

    /// The program in the folder, with these arguments and no more.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(TTFT);
        command.args(args).current_dir(&self.folder);
        command
    }

    pub fn ttft(&self, args: &[&str]) -> Printed {
        Printed::of(self.command(args).output().expect("the program"))
    }

    /// The same with the arguments in one text, against the server and without gaps.
    pub fn measure(&self, args: &str) -> Printed {
        let args = args.split_whitespace().chain(["--gap", "0", "--api_base"]);
        let url = self.sim.base_url();
        self.ttft(&args.chain([url.as_str()]).collect::<Vec<_>>())
    }

    pub fn report(&self, args: &[&str]) -> String {
        self.ttft(&[&["report"], args].concat()).stdout
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The rows of a log, each of which is what `docs/row.schema.json` says.
    pub fn rows(&self, name: &str) -> Vec<Value> {
        let schema = include_str!("../../docs/row.schema.json").parse().expect("JSON");
        let schema = jsonschema::validator_for(&schema).expect("a schema");
        let rows = self.text(name).lines().map(|line| line.parse().expect("JSON")).collect::<Vec<Value>>();
        for row in &rows {
            schema.validate(row).unwrap_or_else(|error| panic!("{name}: {error}: {row}"));
        }
        rows
    }

    pub fn requests(&self) -> usize {
        self.sim.truth().len()
    }
}

/// Prompt tokens of a row that came from the cache, by the server's word.
pub fn cached(row: &Value) -> u64 {
    row["usage"]["cached_tokens"].as_u64().expect("the server tells")
}

/// Prompt tokens of a row, by the server's word.
pub fn prompt(row: &Value) -> u64 {
    row["usage"]["prompt_tokens"].as_u64().expect("the server tells")
}

//! `ttft sim`: serves the simulated endpoint until Ctrl-C.

use std::fmt::Display;
use std::io::{self, Write};

use anyhow::Context;
use clap::error::ErrorKind;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::cli::{self, SimArgs};
use crate::exit::Exit;
use crate::sim::faults::{FAULTS, Fault};
use crate::sim::flavor::FLAVORS;
use crate::sim::profile::{PRESETS, keys};
use crate::sim::server::{Sim, SimConfig};

/// Serves, or prints the lists that were asked for. The base URL is the one line on stdout.
pub fn run(args: &SimArgs) -> anyhow::Result<Exit> {
    let mut out = io::stdout().lock();
    if let Some(list) = list(args) {
        out.write_all(list.as_bytes())?;
        return Ok(Exit::Ok);
    }
    let config = match config(args) {
        Ok(config) => config,
        Err(usage) => {
            usage.print()?;
            return Ok(Exit::Usage);
        }
    };
    // Before the server says that it is there, so that no signal comes too early.
    let mut signals = Signals::new([SIGINT, SIGTERM]).context("could not listen for Ctrl-C")?;
    let sim = Sim::start(config)?;
    writeln!(out, "{}", sim.base_url())?;
    out.flush()?;
    let stopper = sim.stopper();
    std::thread::spawn(move || {
        signals.forever().next();
        stopper.stop();
    });
    sim.wait();
    Ok(Exit::Ok)
}

fn config(args: &SimArgs) -> Result<SimConfig, clap::Error> {
    let faults: Result<_, _> = args.fault.iter().map(|fault| fault.parse::<Fault>()).collect();
    Ok(SimConfig {
        profile: args.profile.parse().map_err(usage)?,
        flavor: args.flavor.parse().map_err(usage)?,
        faults: faults.map_err(usage)?,
        port: args.port,
        truth: args.truth.clone(),
        seed: args.seed,
    })
}

fn usage(error: impl Display) -> clap::Error {
    cli::command().error(ErrorKind::ValueValidation, error)
}

/// The tables of what there is, for each flag that has the value `list`.
fn list(args: &SimArgs) -> Option<String> {
    let mut tables = Vec::new();
    if args.profile == "list" {
        tables.push(table(PRESETS.iter().map(|preset| (preset.name.to_owned(), preset.about.to_owned()))));
        tables.push(table(keys().map(|key| (format!("{}=", key.name), format!("{}: {}", key.about, key.wanted)))));
    }
    if args.flavor == "list" {
        tables.push(table(FLAVORS.iter().map(|(_, name, about)| ((*name).to_owned(), (*about).to_owned()))));
    }
    if args.fault.iter().any(|fault| fault == "list") {
        tables.push(table(FAULTS.iter().map(|info| {
            let number = info.default.map_or(String::new(), |default| format!("={default}"));
            (format!("{}{number}", info.name), info.about.to_owned())
        })));
    }
    (!tables.is_empty()).then(|| tables.join("\n"))
}

fn table(rows: impl Iterator<Item = (String, String)>) -> String {
    rows.map(|(name, about)| format!("{name:<22} {about}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &str) -> SimArgs {
        let argv = ["ttft", "sim"].into_iter().chain(line.split_whitespace()).map(Into::into);
        match cli::parse(argv).unwrap().command {
            Some(cli::Command::Sim(args)) => args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_flags_decide_what_is_served() {
        let config =
            config(&args("--port 0 --profile 70b,noise=0 --flavor tgi --fault stall=5 --fault 429@2")).unwrap();
        assert_eq!((config.port, config.profile.to_string().as_str()), (0, "70b,noise=0"));
        assert_eq!(config.faults.0.iter().map(Fault::to_string).collect::<Vec<_>>(), ["stall=5", "429@2"]);
        assert_eq!(config.flavor.to_string(), "tgi");
    }

    #[test]
    fn what_cannot_be_read_is_an_error_of_usage() {
        for (line, said) in [
            ("--profile 13b", "there is no profile \"13b\""),
            ("--flavor vLLM", "there is no flavour \"vLLM\""),
            ("--fault stal", "there is no fault \"stal\""),
        ] {
            let error = config(&args(line)).unwrap_err();
            assert!(error.to_string().contains(said), "{error}");
            assert_eq!(error.exit_code(), 2);
        }
    }

    #[test]
    fn every_list_names_all_there_is() {
        let list = list(&args("--profile list --flavor list --fault list")).unwrap();
        let names = list.lines().filter(|line| !line.is_empty()).count();
        assert_eq!(names, PRESETS.len() + keys().count() + FLAVORS.len() + FAULTS.len());
        assert!(list.contains("\nstall=3 "), "{list}");
    }
}

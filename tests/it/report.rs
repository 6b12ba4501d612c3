//! Reports of the fixed logs in `tests/reports/`, as people and programs get them.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use ttft::record::{LogError, Reading};
use ttft::report::data::{Data, Named};
use ttft::report::{Report, csv, html, json, markdown, text};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reports").join(format!("{name}.jsonl"))
}

/// The logs as the command names them: `label=name` or a name alone.
fn data(names: &[&str]) -> Data {
    let named = |name: &&str| {
        let (label, name) = name.split_once('=').map_or((None, *name), |(label, name)| (Some(label.into()), name));
        let reading = Reading::open(&path(name)).expect("a fixed log");
        Named { label, path: format!("{name}.jsonl"), reading }
    };
    Data::of(names.iter().map(named).collect())
}

/// One log in every format that is text.
fn every_format(names: &[&str]) -> String {
    let data = data(names);
    let report = Report::of(&data);
    let formats = [
        ("text", text::write(&report)),
        ("markdown", markdown::write(&report)),
        ("json", json::write(&report)),
        ("csv", csv::write(&data)),
    ];
    formats.iter().fold(String::new(), |mut all, (name, written)| {
        let _ = write!(all, "==== {name}\n{written}");
        all
    })
}

#[test]
fn a_classic_run() {
    insta::assert_snapshot!(every_format(&["run"]));
}

#[test]
fn a_log_of_three_keys() {
    insta::assert_snapshot!(every_format(&["classic"]));
}

#[test]
fn a_sweep() {
    insta::assert_snapshot!(every_format(&["sweep"]));
}

#[test]
fn a_verify_run() {
    insta::assert_snapshot!(every_format(&["verify"]));
}

#[test]
fn one_sample_and_no_hit() {
    insta::assert_snapshot!(every_format(&["cold_only"]));
}

#[test]
fn nothing_but_failures() {
    insta::assert_snapshot!(every_format(&["failures"]));
}

#[test]
fn a_log_cut_in_the_middle_of_a_line() {
    insta::assert_snapshot!(every_format(&["cut"]));
}

#[test]
fn two_full_logs_and_a_classic_one_side_by_side() {
    insta::assert_snapshot!(every_format(&["vllm=sweep", "lmcache=sweep_lmcache", "seed=classic"]));
}

#[test]
fn a_map() {
    insta::assert_snapshot!(every_format(&["map"]));
}

#[test]
fn a_run_under_load() {
    insta::assert_snapshot!(every_format(&["load_3"]));
}

const RATES: [&str; 3] = ["1=load_1", "2=load_2", "3=load_3"];

#[test]
fn load_at_three_rates() {
    insta::assert_snapshot!(every_format(&RATES));
}

#[test]
fn a_log_of_a_newer_program_is_refused_in_a_sentence() {
    let error = Reading::open(&path("newer")).expect_err("schema 2 is not known");
    assert!(matches!(error, LogError::Newer { line: 1, found: 2, .. }));
    assert!(error.to_string().ends_with("this program knows up to 1; use a newer ttft"), "{error}");
}

#[test]
fn the_figures_of_each_log() {
    let three = ["vllm=sweep", "lmcache=sweep_lmcache", "seed=classic"];
    let one = [("run", &["run"][..]), ("sweep", &["sweep"]), ("verify", &["verify"]), ("map", &["map"])];
    for (name, logs) in one.into_iter().chain([("load", &["load_3"][..]), ("rates", &RATES), ("three", &three)]) {
        for figure in Report::of(&data(logs)).figures {
            insta::assert_snapshot!(format!("{name}_{}", figure.name), figure.svg());
        }
    }
}

#[test]
fn one_sample_has_no_figure_of_several_and_failures_have_none() {
    let names = |log: &str| -> Vec<String> {
        Report::of(&data(&[log])).figures.into_iter().map(|figure| figure.name).collect()
    };
    assert_eq!(names("cold_only"), ["ladder", "tokens"]);
    assert_eq!(names("failures"), [""; 0]);
}

#[test]
fn what_a_server_answered_cannot_become_markup() {
    let data = data(&["failures"]);
    let page = html::write(&Report::of(&data), &data);
    assert!(page.contains("&lt;script&gt;alert(1)"), "the message is shown");
    assert!(!page.contains("<script>alert"));
}

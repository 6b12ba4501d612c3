//! `docs/sim.md` says what there is: its tables are those of the program.

use std::collections::BTreeSet;

use ttft::sim::faults::FAULTS;
use ttft::sim::flavor::FLAVORS;
use ttft::sim::profile::{PRESETS, keys};
use ttft::sim::server::Truth;

const PAGE: &str = include_str!("../../../docs/sim.md");

/// The rows of the table under `heading`, its head left out.
fn rows(heading: &str) -> Vec<&'static str> {
    let section = PAGE.split(&format!("## {heading}\n")).nth(1).unwrap_or_else(|| panic!("no section {heading}"));
    let section = section.split("\n## ").next().unwrap();
    section.lines().filter(|line| line.starts_with("| `")).collect()
}

fn row(name: &str, about: &str) -> String {
    format!("| `{name}` | {about} |")
}

#[test]
fn the_page_has_the_tables_of_the_program() {
    assert_eq!(rows("Profiles"), PRESETS.map(|preset| row(preset.name, preset.about)));
    let keys = keys().map(|key| row(key.name, &format!("{} | {}", key.about, key.wanted)));
    assert_eq!(rows("Keys"), keys.collect::<Vec<_>>());
    assert_eq!(rows("Flavours"), FLAVORS.map(|(_, name, about)| row(name, about)));
    let faults = FAULTS.iter().map(|info| {
        let number = info.default.map_or(String::new(), |default| format!("={default}"));
        row(&format!("{}{number}", info.name), info.about)
    });
    assert_eq!(rows("Faults"), faults.collect::<Vec<_>>());
}

#[test]
fn the_page_explains_every_key_of_the_truth() {
    let truth = serde_json::to_value(Truth::default()).unwrap();
    let written: BTreeSet<&str> = truth.as_object().unwrap().keys().map(String::as_str).collect();
    let explained = rows("Truth").into_iter().map(|row| row.split('`').nth(1).unwrap());
    assert_eq!(explained.collect::<BTreeSet<_>>(), written);
}

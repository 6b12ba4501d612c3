//! What the documents claim, held to the program.

use std::collections::HashSet;

use ttft::exit::Exit;

const BUNDLED: &str = include_str!("../../assets/ffmpeg.txt");
const README: &str = include_str!("../../README.md");
const README_ZH: &str = include_str!("../../README.zh-CN.md");
const FORMAT: &str = include_str!("../../docs/FORMAT.md");

/// The cells of every row of the page's tables whose first cell begins with `prefix`.
fn rows<'a>(page: &'a str, prefix: &str) -> Vec<Vec<&'a str>> {
    let cells = |line: &'a str| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>();
    page.lines().filter(|line| line.starts_with('|')).map(cells).filter(|row| row[0].starts_with(prefix)).collect()
}

/// What stands between backticks.
fn code(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

#[test]
fn the_bundled_text_is_long_and_never_repeats_itself() {
    assert!((80_000..100_000).contains(&BUNDLED.len()), "{} bytes", BUNDLED.len());
    let mut lines = HashSet::new();
    for line in BUNDLED.lines().filter(|line| !line.is_empty()) {
        assert!(lines.insert(line), "this line stands there twice: {line}");
    }
    let text = BUNDLED.split_whitespace().collect::<Vec<_>>();
    let mut runs = HashSet::new();
    for run in text.windows(12) {
        assert!(runs.insert(run), "these words stand there twice: {}", run.join(" "));
    }
}

/// The table of flags and defaults, then that of recommended values.
fn flag_tables(page: &str) -> (Vec<Vec<&str>>, Vec<Vec<&str>>) {
    let mut flags = rows(page, "`-");
    flags.retain(|row| row.len() == 3);
    let recommended = flags.split_off(9);
    (flags, recommended)
}

#[test]
fn both_readmes_give_every_flag_the_default_it_has() {
    let command = ttft::cli::command();
    for page in [README, README_ZH] {
        for row in flag_tables(page).0 {
            let name = code(row[0]).into_iter().find_map(|flag| flag.strip_prefix("--")).unwrap();
            let flag = command.get_arguments().find(|arg| arg.get_long() == Some(name));
            let flag = flag.unwrap_or_else(|| panic!("there is no --{name}"));
            for default in flag.get_default_values().iter().filter_map(|value| value.to_str()) {
                let documented = code(row[1]).first().map(|value| value.trim_matches('"'));
                assert!(default == "false" || documented == Some(default), "--{name} is {default} by default");
            }
        }
    }
}

#[test]
fn both_readmes_recommend_the_same_values_for_flags_that_exist() {
    let command = ttft::cli::command();
    let values = |page| flag_tables(page).1.iter().map(|row| (code(row[0])[0], code(row[2]))).collect::<Vec<_>>();
    assert_eq!(values(README).len(), 7);
    assert_eq!(values(README), values(README_ZH));
    for (flag, _) in values(README) {
        assert!(command.get_arguments().any(|arg| arg.get_long() == flag.strip_prefix("--")), "there is no {flag}");
    }
}

#[test]
fn every_exit_code_is_documented() {
    let all = [Exit::Ok, Exit::Failed, Exit::Usage, Exit::Missed, Exit::Inconclusive, Exit::Interrupted];
    for page in [README, README_ZH, FORMAT] {
        let codes: Vec<u8> = rows(page, "").into_iter().filter_map(|row| row[0].parse().ok()).collect();
        assert_eq!(codes, all.map(Exit::code));
    }
}

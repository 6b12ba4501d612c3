//! `ttft selftest` against its own endpoint: it prints what it measured, and its sentence.

use std::process::Command;

use super::alone;

#[test]
fn it_says_which_effects_cannot_be_seen() {
    let _alone = alone();
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_ttft"));
    command.args(["selftest", "--requests", "40", "--streams", "4", "--delay", "3ms"]).env("TMPDIR", folder.path());
    let output = command.output().expect("the program");
    let printed = String::from_utf8(output.stdout).expect("text");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(printed.starts_with("Effects smaller than "), "{printed}");
    let rows: Vec<Vec<&str>> = printed
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|cells| cells.get(1).is_some_and(|stamps| ["kernel", "read"].contains(stamps)))
        .collect();
    let lines: Vec<(&str, &str)> = rows.iter().map(|cells| (cells[0], cells[1])).collect();
    assert_eq!(lines, [("1", "kernel"), ("1", "read"), ("4", "kernel"), ("4", "read")], "{printed}");
    // Times have a unit of their own, so "n" is the third and "lost" the tenth word.
    for cells in &rows {
        assert_eq!((cells[2], cells[9]), ("40", "0"), "every request has a time and a truth: {printed}");
    }
    assert_eq!(rows[0][10], "0", "this kernel stamps what it receives: {printed}");
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0, "the endpoint's log is gone");
}

#[test]
fn without_a_place_for_the_truth_it_says_so() {
    let _alone = alone();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ttft"));
    let output =
        command.args(["selftest", "--requests", "10"]).env("TMPDIR", "/nowhere").output().expect("the program");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).expect("text");
    assert!(said.contains("the bundled endpoint did not start"), "{said}");
}

//! `ttft report --open`: the page is written beside its log and handed to whatever opens pages here.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

const LOG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reports/run.jsonl");

/// Opens a log's page where `xdg-open` is `script`, or is not there.
fn opened(folder: &Path, script: Option<&str>, more: &[&str]) -> Output {
    fs::copy(LOG, folder.join("run.jsonl")).expect("a log");
    let programs = folder.join("bin");
    fs::create_dir(&programs).expect("a folder");
    if let Some(script) = script {
        let path = programs.join("xdg-open");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("a script");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a program");
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_ttft"));
    command.args(["report", "run.jsonl", "--open"]).args(more).env("PATH", &programs);
    command.current_dir(folder).output().expect("the program")
}

#[test]
fn the_page_beside_the_log_is_opened() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = opened(folder.path(), Some("echo \"$1\" > opened"), &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let page = fs::read_to_string(folder.path().join("run.html")).expect("a page");
    assert!(page.starts_with("<!doctype html>"), "{}", &page[..40]);
    assert_eq!(fs::read_to_string(folder.path().join("opened")).expect("the opener ran"), "run.html\n");
}

#[test]
fn a_page_saved_elsewhere_is_opened_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = opened(folder.path(), Some("echo \"$1\" > opened"), &["--save", "kept.html"]);
    assert!(output.status.success());
    assert_eq!(fs::read_to_string(folder.path().join("opened")).expect("the opener ran"), "kept.html\n");
    assert!(!folder.path().join("run.html").exists());
}

#[test]
fn without_an_opener_the_page_is_there_and_the_sentence_names_it() {
    for script in [None, Some("exit 4")] {
        let folder = tempfile::tempdir().expect("a folder");
        let output = opened(folder.path(), script, &[]);
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8(output.stderr).expect("text");
        assert!(said.contains("run.html") && said.contains("open it in a browser by hand"), "{said}");
        assert!(folder.path().join("run.html").exists());
    }
}

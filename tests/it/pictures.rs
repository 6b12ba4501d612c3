//! `ttft report` as files and pictures: one drawing path, letters of every script, and what it refuses.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::bench::{Printed, TTFT};

const LOGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reports");

fn folder(logs: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for log in logs {
        fs::copy(Path::new(LOGS).join(log), folder.path().join(log)).expect("a log");
    }
    folder
}

fn report(folder: &TempDir, args: &[&str]) -> Command {
    let mut command = Command::new(TTFT);
    command.arg("report").args(args).current_dir(folder);
    command
}

/// What came out, which may be a picture.
fn bytes(folder: &TempDir, args: &[&str]) -> Vec<u8> {
    let output = report(folder, args).output().expect("the program");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn the_page_the_svg_and_the_png_are_one_drawing() {
    let folder = folder(&["verify.jsonl"]);
    let page = String::from_utf8(bytes(&folder, &["verify.jsonl", "--format", "html"])).expect("text");
    for name in ["pairs", "ecdf", "order", "ladder"] {
        let svg = String::from_utf8(bytes(&folder, &["verify.jsonl", "--figure", name])).expect("text");
        assert!(page.contains(svg.trim_end()), "{name} on the page");
        let png = bytes(&folder, &["verify.jsonl", "--figure", name, "--format", "png"]);
        assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n", "{name}");
        let number = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().expect("four bytes"));
        let height = svg.split(r#" height=""#).nth(1).and_then(|rest| rest.split('"').next()).expect("a height");
        let height: f64 = height.parse().expect("a number");
        assert_eq!(f64::from(number(20)), (3.0 * height).ceil(), "{name} is three times as tall");
    }
}

#[test]
fn what_is_saved_is_what_would_have_been_printed() {
    let folder = folder(&["sweep.jsonl"]);
    for more in [
        &["--format", "html"][..],
        &["--format", "csv"],
        &["--figure", "ttft"],
        &["--figure", "ttft", "--format", "png"],
        &[],
    ] {
        let printed = bytes(&folder, &[&["sweep.jsonl"], more].concat());
        let silent = bytes(&folder, &[&["sweep.jsonl", "--save", "saved"], more].concat());
        assert!(silent.is_empty(), "{more:?}");
        assert!(fs::read(folder.path().join("saved")).expect("a file") == printed, "{more:?}");
    }
    let refused = Printed::of(report(&folder, &["sweep.jsonl", "--save", "no/where"]).output().expect("the program"));
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("no/where; name another file with --save"), "{}", refused.stderr);
}

#[test]
fn a_letter_that_no_font_has_is_one_sentence_that_names_the_package() {
    let folder = folder(&["sweep.jsonl"]);
    // A plane for private use: no font has it, whichever are installed.
    let label = "\u{F0042}=sweep.jsonl";
    let args = [label, "seed=sweep.jsonl", "--figure", "ttft", "--format"];
    let refused = Printed::of(report(&folder, &[&args[..], &["png"]].concat()).output().expect("the program"));
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""));
    assert_eq!(refused.stderr.trim_end().lines().count(), 1, "{}", refused.stderr);
    assert!(refused.stderr.contains("fonts-noto-cjk") && refused.stderr.contains('\u{F0042}'), "{}", refused.stderr);
    assert!(
        bytes(&folder, &[&args[..], &["svg"]].concat()).starts_with(b"<svg"),
        "an SVG is drawn by the reader's fonts"
    );
}

#[test]
fn without_any_font_latin_letters_are_drawn_and_a_chinese_one_is_refused_in_a_sentence() {
    let folder = folder(&["sweep.jsonl", "classic.jsonl"]);
    let drawn = |labels: &str| {
        let script = format!(
            "for fonts in /usr/share/fonts /usr/local/share/fonts /usr/share/texmf /usr/X11R6/lib/X11/fonts; do\n\
             [ -d $fonts ] && {{ mount -t tmpfs none $fonts || exit 99; }}; done\n\
             HOME=/nowhere XDG_DATA_HOME=/nowhere {TTFT} report {labels} --figure ttft --format png --save drawn.png"
        );
        let mut command = Command::new("unshare");
        command.args(["-rm", "--", "bash", "-c", &script]).current_dir(&folder);
        let printed = Printed::of(command.output().expect("unshare, of Debian's util-linux"));
        assert_ne!(printed.code, Some(99), "a machine without fonts takes root or user namespaces: {}", printed.stderr);
        printed
    };
    let latin = drawn("cache=sweep.jsonl none=classic.jsonl");
    assert_eq!(latin.code, Some(0), "{}", latin.stderr);
    let chinese = drawn("缓存=sweep.jsonl none=classic.jsonl");
    assert_eq!(chinese.code, Some(1), "{}", chinese.stderr);
    assert_eq!(chinese.stderr.trim_end().lines().count(), 1, "{}", chinese.stderr);
    assert!(chinese.stderr.contains("'缓'") && chinese.stderr.contains("fonts-noto-cjk"), "{}", chinese.stderr);
}

#[test]
fn chinese_labels_are_drawn_where_a_font_has_them() {
    let folder = folder(&["sweep.jsonl", "classic.jsonl"]);
    let args = ["缓存=sweep.jsonl", "无缓存=classic.jsonl", "--figure", "ttft", "--format", "png"];
    let output = report(&folder, &args).output().expect("the program");
    match output.status.code() {
        Some(0) => assert_eq!(&output.stdout[..4], b"\x89PNG"),
        Some(1) => assert!(String::from_utf8_lossy(&output.stderr).contains("fonts-noto-cjk")),
        other => panic!("{other:?}"),
    }
    let text = String::from_utf8(bytes(&folder, &args[..2])).expect("text");
    assert!(text.contains("缓存") && text.contains("无缓存"), "{text}");
}

#[test]
fn a_figure_that_the_logs_do_not_hold_is_refused_with_those_they_do() {
    let folder = folder(&["run.jsonl", "failures.jsonl"]);
    let absent = Printed::of(report(&folder, &["run.jsonl", "--figure", "reuse"]).output().expect("the program"));
    assert_eq!(absent.code, Some(1));
    assert!(absent.stderr.contains("the logs hold") && absent.stderr.contains("ladder"), "{}", absent.stderr);
    let nothing = Printed::of(report(&folder, &["failures.jsonl", "--figure", "ttft"]).output().expect("the program"));
    assert!(nothing.stderr.contains("the logs hold nothing to draw"), "{}", nothing.stderr);
    for mixed in [&["--format", "png"][..], &["--figure", "ttft", "--format", "csv"], &["--open", "--format", "csv"]] {
        let usage = report(&folder, &[&["run.jsonl"], mixed].concat()).output().expect("the program");
        assert_eq!(usage.status.code(), Some(2), "{mixed:?}");
    }
}

#[test]
fn a_log_of_a_newer_program_ends_with_one_sentence() {
    let folder = folder(&["newer.jsonl"]);
    let newer = Printed::of(report(&folder, &["newer.jsonl"]).output().expect("the program"));
    assert_eq!((newer.code, newer.stdout.as_str()), (Some(1), ""));
    assert_eq!(newer.stderr.trim_end().lines().count(), 1, "{}", newer.stderr);
    assert!(newer.stderr.contains("use a newer ttft"), "{}", newer.stderr);
}

#[test]
fn a_file_name_cannot_become_markup_nor_command_a_terminal() {
    let folder = folder(&["run.jsonl"]);
    let name = "<img src=x onerror=alert(1)>\u{1b}[31m\".jsonl";
    fs::copy(folder.path().join("run.jsonl"), folder.path().join(name)).expect("a log");
    let named = format!("./{name}");
    for format in ["html", "markdown"] {
        let page = String::from_utf8(bytes(&folder, &[&named, "run.jsonl", "--format", format])).expect("text");
        assert!(!page.contains("<img") && !page.contains('\u{1b}'), "{format}");
    }
    for format in ["text", "markdown", "html"] {
        let shown = String::from_utf8(bytes(&folder, &[&named, "run.jsonl", "--format", format])).expect("text");
        assert!(shown.contains("onerror"), "{format}: the name is shown");
        assert!(!shown.contains('\u{1b}'), "{format}");
    }
}

#[test]
fn no_color_and_a_pipe_say_the_same_and_in_80_columns() {
    let folder = folder(&["sweep.jsonl", "verify.jsonl"]);
    for log in ["sweep.jsonl", "verify.jsonl"] {
        let plain = bytes(&folder, &[log]);
        let without = report(&folder, &[log]).env("NO_COLOR", "1").output().expect("the program").stdout;
        assert!(plain == without, "{log}");
        let text = String::from_utf8(plain).expect("text");
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{log}: {text}");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{log}: {text}");
    }
}

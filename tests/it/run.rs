//! Flags of the classic run: the documents, the warm-up, the bundled endpoint, the terminal.

use std::process::Command;

use super::bench::{Bench, Printed, TTFT, cached};

#[test]
fn a_file_is_sent_as_it_is_with_its_bom_and_its_line_ends() {
    let bench = Bench::new("instant", &[], 0);
    std::fs::write(bench.path("notes.txt"), "\u{feff}one\r\ntwo\r\nthree").unwrap();
    let printed = bench.measure("-C notes.txt --keep_wire wire --num_following 0");
    assert_eq!(printed.code, Some(0), "{}", printed.stderr);
    let sent = bench.text("wire/trial-1.request");
    assert!(sent.contains("\u{feff}one\\r\\ntwo\\r\\nthree"), "{sent}");
    let conversation =
        ["\"role\":\"user\"", "\"role\":\"assistant\"", "Summarize this text"].map(|part| sent.find(part));
    assert!(conversation.is_sorted() && conversation[0].is_some(), "{sent}");
    assert!(sent.contains("\"temperature\":0") && sent.contains("\"include_usage\":true"), "{sent}");
}

#[test]
fn documents_that_cannot_be_used_are_a_sentence_and_send_nothing() {
    let bench = Bench::new("instant", &[], 0);
    std::fs::write(bench.path("empty.txt"), "").unwrap();
    std::fs::write(bench.path("latin.txt"), b"caf\xe9").unwrap();
    for (path, said) in [
        ("empty.txt", "empty.txt holds no text"),
        ("latin.txt", "latin.txt is not UTF-8: byte 3"),
        ("nowhere.txt", "cannot read the document nowhere.txt"),
        (".", "cannot read the document ."),
    ] {
        let printed = bench.measure(&format!("-C {path}"));
        assert_eq!((printed.code, printed.stderr.lines().count()), (Some(1), 1), "{path}: {}", printed.stderr);
        assert!(printed.stderr.contains(said), "{path}: {}", printed.stderr);
    }
    assert_eq!(bench.requests(), 0);
}

#[test]
fn the_file_without_a_path_is_the_nearest_ffmpeg_txt_else_the_bundled_one() {
    let bench = Bench::new("instant", &[], 0);
    let document = |folder: &str| {
        let url = bench.sim.base_url();
        let args = ["--max_ctx_tokens", "1000", "--gap", "0", "--num_following", "0", "--api_base", &url, "-C"];
        let output = bench.command(&args).current_dir(bench.path(folder)).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        bench.rows(&format!("{folder}/benchmark.jsonl"))[0]["conditions"]["document"].clone()
    };
    std::fs::create_dir_all(bench.path("up/here")).unwrap();
    assert_eq!(document("up/here")["origin"], "bundled");
    std::fs::write(bench.path("up/ffmpeg.txt"), "one folder up").unwrap();
    assert_eq!(document("up/here")["path"], "../ffmpeg.txt");
    std::fs::write(bench.path("up/here/ffmpeg.txt"), "in the working folder").unwrap();
    assert_eq!(document("up/here")["path"], "ffmpeg.txt");
}

#[test]
fn warm_ups_are_documents_of_their_own_that_no_row_counts() {
    let bench = Bench::new("instant", &[], 0);
    let printed = bench.measure("--warmup 2 --max_ctx_tokens 500");
    assert_eq!(printed.code, Some(0), "{}", printed.stderr);
    let rows = bench.rows("benchmark.jsonl");
    assert_eq!((rows.len(), bench.requests()), (2, 4));
    assert!(cached(&rows[0]) <= 16, "run 1 is cold all the same: {}", rows[0]);
}

#[test]
fn the_bundled_endpoint_serves_one_command_and_is_gone() {
    let bench = Bench::new("instant", &[], 0);
    let printed = bench.ttft(&["--sim=instant", "--max_ctx_tokens", "500", "--gap", "0"]);
    assert_eq!(printed.code, Some(0), "{}", printed.stderr);
    let conditions = bench.rows("benchmark.jsonl")[0]["conditions"].clone();
    assert_eq!(conditions["model"], "ttft-sim/instant");
    assert_eq!(bench.requests(), 0, "the other server was left alone");
    let gone = bench.ttft(&["--api_base", conditions["endpoint"].as_str().unwrap()]);
    assert!(gone.stderr.contains("Connection refused"), "{}", gone.stderr);
}

#[test]
fn the_red_arrows_run_on_a_terminal_and_nowhere_else() {
    let bench = Bench::new("instant,base=600ms", &[], 0);
    let url = bench.sim.base_url();
    let args = format!("--api_base {url} --max_ctx_tokens 200 --gap 0 --num_following 0");
    let piped = bench.ttft(&args.split(' ').collect::<Vec<_>>());
    assert!(!piped.stderr.contains(['→', '\u{1b}']), "{}", piped.stderr);
    let mut command = Command::new("script");
    command.args(["-qec", &format!("{TTFT} {args}"), "/dev/null"]).current_dir(&bench.folder).env("TERM", "xterm");
    let output = command.output().unwrap_or_else(|error| {
        panic!("this test needs the program script, of Debian's bsdutils, for a terminal: {error}")
    });
    let printed = Printed::of(output);
    assert_eq!(printed.code, Some(0), "{}", printed.stdout);
    assert!(printed.stdout.contains("→→"), "{:?}", printed.stdout);
    assert!(printed.stdout.contains("\u{1b}[31m"), "they are red: {:?}", printed.stdout);
    // What was drawn last is wiped out before the result is printed.
    let (before, after) = printed.stdout.split_once("TTFT_1 = ").expect("a result");
    assert!(before.ends_with("\u{1b}[2K") || before.ends_with('\r') || before.ends_with('\n'), "{before:?}");
    assert!(!after.contains('→'), "{after:?}");
}

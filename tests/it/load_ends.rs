//! How a run under load ends before its time: with Ctrl-C once and twice, without a log to write to, with nothing to send.

use std::io::{PipeReader, PipeWriter, Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::io::ioctl_fionbio;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use ttft::clock::{Clock, Monotonic};

use super::bench::{Bench, Printed};

/// A load that goes on for minutes, once it has written `rows` rows.
fn under_way(bench: &Bench, rate: &str, rows: usize, stdout: Stdio) -> Child {
    let url = bench.sim.base_url();
    let args = ["load", "--rate", rate, "--requests", "5000", "--context_tokens", "50", "--hit_share", "0%"];
    let args = [&args[..], &["--no_selftest", "--api_base", &url]].concat();
    let child = bench.command(&args).stdout(stdout).stderr(Stdio::piped()).spawn().expect("the program");
    let written = || std::fs::read_to_string(bench.path("load.jsonl")).unwrap_or_default().lines().count();
    wait_until(|| written() >= rows);
    child
}

fn wait_until(mut is_so: impl FnMut() -> bool) {
    let deadline = Monotonic.now().after(Duration::from_secs(60));
    while !is_so() {
        assert!(Monotonic.now() < deadline, "it is so within a minute");
        Monotonic.sleep_until(Monotonic.now().after(Duration::from_millis(2)));
    }
}

fn interrupt(child: &Child) {
    kill_process(Pid::from_child(child), Signal::INT).expect("it is ours");
}

/// Whether a Ctrl-C lies there that the process has not looked at: a second one would be the same one.
fn has_one_pending(child: &Child) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).expect("a process");
    let pending = status.lines().find_map(|line| line.strip_prefix("ShdPnd:")).expect("a word on signals");
    let signals = u64::from_str_radix(pending.trim(), 16).expect("a mask");
    signals & 1 << (Signal::INT.as_raw() - 1) != 0
}

fn ended(child: Child) -> Printed {
    Printed::of(child.wait_with_output().expect("an end"))
}

#[test]
fn ctrl_c_leaves_the_servers_own_split_in_the_last_row() {
    // Twice as many as it can serve, so that some are under way; and so few that none is.
    for (base_ms, rate) in [(20, "100"), (1, "10")] {
        let bench = Bench::new(&format!("instant,base={base_ms}ms,slots=1,prefill=serial"), &[], 0);
        let child = under_way(&bench, rate, 10, Stdio::piped());
        interrupt(&child);
        let printed = ended(child);
        assert_eq!(printed.code, Some(130), "{}", printed.stderr);
        let rows = bench.rows("load.jsonl");
        let (last, before) = rows.split_last().expect("rows");
        assert!(before.iter().all(|row| row["server_spans"].is_null()), "the others say nothing");
        let of = |part: &str, key: &str| last["server_spans"][part][key].as_u64().expect("a count");
        let answered = rows.iter().filter(|row| row["outcome"] == "ok").count() as u64;
        let requests = of("prefill", "requests");
        // The server may have begun requests that nobody waited for any more.
        assert!((answered..=rows.len() as u64).contains(&requests), "{answered} answered, {requests} counted");
        assert_eq!(of("queue", "requests"), requests);
        // The page is in seconds, so that the last digits are rounded.
        assert!(of("prefill", "sum_ns").abs_diff(requests * base_ms * 1_000_000) < 1_000, "{last}");
        assert!(printed.says("Inside the server, by its own clocks"), "{}", printed.stdout);
        assert!(!printed.stdout.contains("others use it too"), "{}", printed.stdout);
        assert_eq!(printed.stdout, bench.report(&["load.jsonl"]));
    }
}

/// A pipe that is full, so that whoever writes into it waits for ever.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    ioctl_fionbio(&writer, true).expect("a pipe that does not block");
    while writer.write(&[b'.'; 4_096]).is_ok() {}
    while writer.write(b".").is_ok() {}
    ioctl_fionbio(&writer, false).expect("a pipe that blocks");
    (reader, writer)
}

#[test]
fn a_second_ctrl_c_ends_a_run_under_load_at_once() {
    let bench = Bench::new("instant,base=20ms", &[], 0);
    // The closing report cannot be printed: after one Ctrl-C the run does not end by itself.
    let (mut reader, writer) = full_pipe();
    let mut child = under_way(&bench, "50", 10, writer.into());
    interrupt(&child);
    wait_until(|| !has_one_pending(&child));
    interrupt(&child);
    wait_until(|| child.try_wait().expect("it is ours").is_some());
    assert_eq!(child.wait().expect("an end").code(), Some(130));
    let mut printed = Vec::new();
    reader.read_to_end(&mut printed).expect("what is left in the pipe");
    assert!(printed.iter().all(|byte| *byte == b'.'), "no report");
    let answered = bench.rows("load.jsonl").iter().filter(|row| row["outcome"] == "ok").count();
    assert!(answered >= 10, "what was measured is there");
    assert!(bench.report(&["load.jsonl"]).contains("ttft_from_due has a median of"), "and can be reported");
}

#[test]
fn a_shard_with_nothing_to_send_leaves_no_log_and_is_not_missed() {
    let bench = Bench::new("instant", &[], 0);
    let shard = |index: u64| {
        let nonce = "000102030405060708090a0b0c0d0e0f";
        let load = "load --rate 200 --requests 3 --context_tokens 50 --hit_share 0% --seed 4 --no_selftest";
        bench.measure(&format!("{load} --nonce {nonce} --shard {index}/5"))
    };
    std::fs::write(bench.path("load-4.jsonl"), "{\"run_index\":1}\n").expect("a log of an earlier run");
    let printed: Vec<Printed> = (0..5).map(shard).collect();
    for (index, printed) in printed.iter().enumerate() {
        assert!(matches!(printed.code, Some(0 | 4)), "{index}: {}", printed.stderr);
        let is_idle = index >= 3;
        assert_eq!(printed.stderr.contains("has nothing to send"), is_idle, "{index}: {}", printed.stderr);
        assert_eq!(printed.stdout.is_empty(), is_idle, "{index}: {}", printed.stdout);
        assert_eq!(bench.path(&format!("load-{index}.jsonl")).exists(), !is_idle, "{index}");
    }
    let names = ["load-0.jsonl", "load-1.jsonl", "load-2.jsonl"];
    let rows: Vec<Value> = names.iter().flat_map(|log| bench.rows(log)).collect();
    assert!(rows.len() == 3 && rows.iter().all(|row| row["conditions"]["load"]["shard"]["senders"] == 3), "{rows:?}");
    assert!(!bench.report(&names).contains("missing"), "{}", bench.report(&names));
    assert!(bench.report(&names[..2]).contains("the logs of shard 2 are missing"));
}

/// The program started by a shell that has set its limits.
fn limited(bench: &Bench, limits: &str, load: &str) -> Printed {
    let (ttft, url) = (env!("CARGO_BIN_EXE_ttft"), bench.sim.base_url());
    let usual = "--context_tokens 50 --hit_share 0% --no_selftest";
    let script = format!("{limits}; exec {ttft} load {load} {usual} --api_base {url}");
    let output = Command::new("bash").args(["-c", &script]).current_dir(&bench.folder).output();
    Printed::of(output.expect("a shell"))
}

#[test]
fn a_log_that_cannot_be_written_any_more_ends_the_load() {
    let bench = Bench::new("instant", &[], 0);
    // In blocks of 1,024 bytes: the rows outgrow what was tried before the run.
    let printed = limited(&bench, "ulimit -f 80; trap '' XFSZ", "--rate 100 --requests 5000");
    assert_eq!(printed.code, Some(1), "{}", printed.stderr);
    assert!(printed.stderr.contains("cannot write the log load.jsonl: File too large"), "{}", printed.stderr);
    assert!(bench.requests() < 2_500, "{} requests went out without a log", bench.requests());
}

#[test]
fn more_streams_than_a_shell_allows_descriptors_are_no_failures() {
    let bench = Bench::new("instant,base=500ms", &[], 0);
    let printed = limited(&bench, "ulimit -Sn 64", "--concurrency 100 --requests 100");
    let rows = bench.rows("load.jsonl");
    assert_eq!(rows.iter().filter(|row| row["outcome"] == "ok").count(), 100, "{}", printed.stderr);
}

//! `ttft sim`, the real binary.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use ttft::sim::faults::FAULTS;
use ttft::sim::server::Truth;

use super::raw::{chat, post_to};

fn ttft(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ttft"));
    command.arg("sim").args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn output(args: &[&str]) -> Output {
    ttft(args).output().unwrap()
}

/// The first line on stdout: the base URL.
fn base_url(child: &mut Child) -> String {
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

#[test]
fn it_serves_until_ctrl_c_and_leaves_the_truth() {
    let folder = tempfile::tempdir().unwrap();
    let truth = folder.path().join("truth.jsonl");
    let mut child = ttft(&["--port", "0", "--profile", "instant", "--truth", truth.to_str().unwrap()]).spawn().unwrap();
    let url = base_url(&mut child);
    let addr = url.strip_prefix("http://").and_then(|rest| rest.strip_suffix("/v1")).unwrap();
    assert!(post_to(addr.parse().unwrap(), "/v1/chat/completions", &chat("river", 2)).is_done());
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let mut rest = String::new();
    child.stderr.unwrap().read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
    let lines = std::fs::read_to_string(truth).unwrap();
    let truths: Vec<Truth> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(truths.iter().map(|truth| truth.token_events).collect::<Vec<_>>(), [2]);
}

#[test]
fn a_server_that_dies_of_a_fault_ends_the_command() {
    let mut child = ttft(&["--port", "0", "--profile", "instant", "--fault", "dies_after=0"]).spawn().unwrap();
    let url = base_url(&mut child);
    let addr = url.trim_start_matches("http://").trim_end_matches("/v1").parse().unwrap();
    assert_eq!(post_to(addr, "/v1/chat/completions", &chat("river", 2)).status, 0);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a port must be taken to be refused")]
fn a_port_that_is_taken_is_said_with_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = output(&["--port", &port]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains(&format!("could not listen on 127.0.0.1:{port}")) && said.contains("--port 0"), "{said}");
}

#[test]
fn what_cannot_be_read_ends_with_two() {
    for args in [["--profile", "13b"], ["--flavor", "x"], ["--fault", "x"], ["--port", "x"]] {
        assert_eq!(output(&args).status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn the_lists_are_printed_and_nothing_is_served() {
    let output = output(&["--fault", "list"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), FAULTS.len());
}

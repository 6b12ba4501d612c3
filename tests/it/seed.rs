//! The original tool's own commands, run as they stand but for the program's name: in a network of their own, where the
//! ports 8000 and 8001 are free and a simulated endpoint listens on each.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType};
use serde_json::Value;

use super::bench::{Printed, TTFT};

const COMMANDS: &str = include_str!("../seed/commands.md");
const ORIGINAL: &str = "python openai_chat_completion_client.py";

/// Fast, with the context that the commands ask for and a cache that ten fillers of 100,000 characters overrun.
const PROFILE: &str = "instant,base=2ms,context=131072,capacity=150k";

/// Set in the process that has the network to itself.
const INSIDE: &str = "TTFT_TEST_INSIDE";

/// What the command of a section is to leave: its number, its log, how many rows that has, whether it flushes, the document's tokens.
const LEAVES: [(&str, &str, usize, bool, u64); 8] = [
    ("3", "benchmark.jsonl", 2, false, 131_072 - 2_048 - 16),
    ("4.1", "warpeace_flush.jsonl", 4, true, 8_000),
    ("4.2", "benchmark.jsonl", 2, true, 131_072 - 2_048 - 16),
    ("9.1", "benchmark.jsonl", 2, false, 1_000),
    ("9.2", "benchmark.jsonl", 2, false, 1_000),
    ("9.3", "benchmark.jsonl", 3, true, 1_000),
    ("9.4", "benchmark.jsonl", 2, false, 0),
    ("9.5", "custom_test.jsonl", 2, false, 2_000),
];

/// The numbers of the sections, each with its command.
fn blocks() -> Vec<(&'static str, &'static str)> {
    let sections = COMMANDS.split("\n## ").skip(1);
    sections
        .map(|section| {
            let (heading, rest) = section.split_once('\n').expect("a heading is a line");
            let block = rest.split_once("```bash\n").and_then(|(_, block)| block.split_once("```"));
            (heading.split_whitespace().next().expect("a number"), block.expect("a block of bash").0)
        })
        .collect()
}

#[test]
fn the_original_s_commands_run_as_they_stand() {
    if std::env::var_os(INSIDE).is_some() {
        return run_all();
    }
    let as_root: &[&str] = if rustix::process::geteuid().is_root() { &["-n"] } else { &["-rn"] };
    let this = std::env::current_exe().expect("this program");
    let name = "seed::the_original_s_commands_run_as_they_stand";
    let mut command = Command::new("unshare");
    command.args(as_root).arg("--").arg(this).args(["--exact", name, "--nocapture"]).env(INSIDE, "1");
    let output = command.output().unwrap_or_else(|error| {
        panic!("this test needs the program unshare, of Debian's util-linux, for a network of its own: {error}")
    });
    let Printed { code, stdout, stderr } = Printed::of(output);
    assert!(
        code == Some(0) && stdout.contains("1 passed"),
        "in a network of its own, which takes root or user namespaces: {stdout}{stderr}"
    );
}

fn run_all() {
    raise_loopback();
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("war_and_peace.txt"), "Well, Prince, so they are. ".repeat(1_000)).unwrap();
    std::fs::write(folder.path().join("your_document.txt"), "A document of yours, in words. ".repeat(500)).unwrap();
    let _servers = [8000, 8001].map(|port| Server::start(folder.path(), port));
    let blocks = blocks();
    assert_eq!(blocks.iter().map(|(heading, _)| *heading).collect::<Vec<_>>(), LEAVES.map(|leaves| leaves.0));
    for ((heading, block), (_, log, rows, flushes, tokens)) in blocks.into_iter().zip(LEAVES) {
        assert!(block.contains(ORIGINAL), "{heading}: {block}");
        let printed = bash(folder.path(), &block.replace(ORIGINAL, "ttft"));
        assert_eq!(printed.code, Some(0), "{heading}: {}", printed.stderr);
        let rows_found = check(folder.path(), &printed, log, rows, flushes);
        if tokens > 0 {
            assert!(rows_found.iter().all(|row| row["context_tokens"] == tokens), "{heading}: {}", rows_found[0]);
        }
        let flushed = "flush: evicted, run 2 found the document gone";
        assert_eq!(printed.stderr.contains(flushed), flushes, "{heading}: {}", printed.stderr);
    }
    the_port_alone(folder.path());
    the_script(folder.path());
}

/// The one form that stands in the original's text and not in a block.
fn the_port_alone(folder: &Path) {
    let printed = bash(folder, "ttft 8001");
    assert_eq!(printed.code, Some(0), "{}", printed.stderr);
    let rows = check(folder, &printed, "benchmark.jsonl", 2, false);
    assert_eq!(rows[0]["conditions"]["endpoint"], "http://localhost:8001/v1");
}

/// Section 7: the sweep script, with the endpoint and the model that stand in it.
fn the_script(folder: &Path) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench_ttft_sweep.sh");
    let printed = bash(folder, &format!("CONTEXT_SIZES='50 1000' bash '{}'", script.display()));
    assert_eq!(printed.code, Some(0), "{}", printed.stderr);
    assert_eq!(rows(folder, "all_ttft_results.jsonl").len(), 4);
}

/// Whether the console is the original's, character for character, with the report of the log behind it.
fn check(folder: &Path, printed: &Printed, log: &str, expected: usize, flushes: bool) -> Vec<Value> {
    let rows = rows(folder, log);
    assert_eq!(rows.len(), expected, "{log}");
    let mut lines = String::new();
    for (row, index) in rows.iter().zip(1..) {
        assert_eq!((&row["run_index"], &row["outcome"]), (&Value::from(index), &Value::from("ok")), "{row}");
        let title = match index {
            1 => "baseline TTFT",
            2 if flushes => "TTFT post\u{2011}flush",
            _ => "TTFT continued",
        };
        let ttft = row["ttft_seconds"].as_f64().expect("it was measured");
        lines += &format!("=== Run {index}: {title} ===\nTTFT_{index} = {ttft:.3}s\n");
        lines += match (index, flushes) {
            (1, false) => "(no KV\u{2011}cache flush requested)\n\n",
            (1, true) => "(flushing the KV\u{2011}cache: 10 filler completions)\n\n",
            _ => "\n",
        };
    }
    assert_eq!(printed.stdout, lines + &bash(folder, &format!("ttft report {log}")).stdout);
    rows
}

/// The rows of a log, whose lines begin as the original's do.
fn rows(folder: &Path, log: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join(log)).unwrap_or_else(|error| panic!("{log}: {error}"));
    let row = |line: &str| {
        let keys = ["{\"run_index\":", ",\"context_tokens\":", ",\"ttft_seconds\":"].map(|key| line.find(key));
        assert!(keys[0] == Some(0) && keys[0] < keys[1] && keys[1] < keys[2], "{line}");
        serde_json::from_str(line).expect("JSON")
    };
    text.lines().map(row).collect()
}

/// A command of the shell, to which `ttft` is the program under test.
fn bash(folder: &Path, command: &str) -> Printed {
    let programs = Path::new(TTFT).parent().expect("it lies in a folder").display();
    let path = format!("{programs}:{}", std::env::var("PATH").unwrap_or_default());
    let output: std::io::Result<Output> =
        Command::new("bash").args(["-c", command]).env("PATH", path).current_dir(folder).output();
    Printed::of(output.unwrap_or_else(|error| panic!("this test needs bash: {error}")))
}

/// `ttft sim` on a port of this network.
struct Server(Child);

impl Server {
    fn start(folder: &Path, port: u16) -> Server {
        let port = port.to_string();
        let mut command = Command::new(TTFT);
        command.args(["sim", "--port", &port, "--profile", PROFILE]).current_dir(folder).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the program");
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().expect("it is piped")).read_line(&mut line).expect("text");
        assert_eq!(line, format!("http://127.0.0.1:{port}/v1\n"), "it is there once it says so");
        Server(child)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that has ended by itself has failed the test already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Takes the loopback device of a new network up: RTM_NEWLINK for the first device with IFF_UP (rtnetlink(7)), since the
/// program `ip` is not on every machine.
fn raise_loopback() {
    const NLMSG_ERROR: u16 = 2;
    let mut message = Vec::new();
    // Length, RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK, sequence, port.
    message.extend(32_u32.to_ne_bytes());
    message.extend([16_u16.to_ne_bytes(), 5_u16.to_ne_bytes()].concat());
    message.extend([0; 8]);
    // Family and type, the device's number, its flags, and which of them change.
    message.extend([0; 4]);
    message.extend([1_u32, 1, 1].map(u32::to_ne_bytes).concat());
    let socket = rustix::net::socket(AddressFamily::NETLINK, SocketType::RAW, None).expect("a netlink socket");
    rustix::net::send(&socket, &message, SendFlags::empty()).expect("the kernel listens");
    let mut answer = [0; 64];
    let (_, length) = rustix::net::recv(&socket, &mut answer, RecvFlags::empty()).expect("the kernel answers");
    let error = i32::from_ne_bytes(answer[16..20].try_into().expect("four bytes"));
    let kind = u16::from_ne_bytes([answer[4], answer[5]]);
    assert!(length >= 20 && kind == NLMSG_ERROR && error == 0, "the loopback device stays down: error {error}");
}

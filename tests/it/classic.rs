//! The classic benchmark as its user meets it: the program, a server of known truth, a log.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use ttft::sim::server::{Sim, SimConfig};

fn sim(profile: &str, fault: Option<&str>) -> Sim {
    let mut config = SimConfig { profile: profile.parse().unwrap(), ..SimConfig::default() };
    config.faults = fault.into_iter().map(|fault| fault.parse().unwrap()).collect();
    Sim::start(config).unwrap()
}

fn ttft(folder: &Path, base: &str, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ttft"));
    command.current_dir(folder).args(["--api_base", base, "--max_ctx_tokens", "1000", "--gap", "0"]).args(more);
    command.output().unwrap()
}

fn rows(folder: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join("benchmark.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn the_console_is_the_seed_s_and_ends_with_the_report_of_the_log() {
    let (folder, sim) = (tempfile::tempdir().unwrap(), sim("7b,noise=0", None));
    let output = ttft(folder.path(), &sim.base_url(), &[]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let rows = rows(folder.path());
    let [first, second] = [&rows[0], &rows[1]].map(|row| row["ttft_seconds"].as_f64().unwrap());
    let lines = format!(
        "=== Run 1: baseline TTFT ===\nTTFT_1 = {first:.3}s\n(no KV\u{2011}cache flush requested)\n\n\
         === Run 2: TTFT continued ===\nTTFT_2 = {second:.3}s\n\n"
    );
    let printed = text(&output.stdout);
    let block = printed.strip_prefix(&lines).unwrap_or_else(|| panic!("{printed}"));
    let mut report = Command::new(env!("CARGO_BIN_EXE_ttft"));
    let report = report.current_dir(folder.path()).args(["report", "benchmark.jsonl"]).output().unwrap();
    assert_eq!(block, text(&report.stdout));
}

#[test]
fn the_log_agrees_with_the_server_s_truth() {
    let (folder, sim) = (tempfile::tempdir().unwrap(), sim("7b,noise=0", None));
    ttft(folder.path(), &sim.base_url(), &["--num_following", "2"]);
    let (rows, truth) = (rows(folder.path()), sim.truth());
    assert_eq!(rows.iter().map(|row| row["run_index"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2, 3]);
    for (row, truth) in rows.iter().zip(&truth) {
        assert_eq!(row["usage"]["prompt_tokens"].as_u64(), Some(truth.prompt_tokens), "{row}");
        assert_eq!(row["outcome"], "ok");
        assert_eq!(row["context_tokens"], 1000);
    }
    assert_eq!(rows[0]["usage"]["cached_tokens"], 0);
    assert!(rows[1]["usage"]["cached_tokens"].as_u64().unwrap() > 900);
}

#[test]
fn a_dead_server_leaves_an_old_log_untouched_and_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let gone = sim("7b", None).base_url();
    std::fs::write(folder.path().join("benchmark.jsonl"), "old").unwrap();
    let output = ttft(folder.path(), &gone, &[]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains("Connection refused") && said.contains("try --sim"), "{said}");
    assert_eq!(std::fs::read_to_string(folder.path().join("benchmark.jsonl")).unwrap(), "old");
    assert_eq!(text(&output.stdout), "");
}

/// Each fault, the exit code, the outcome of the first row (none: nothing was sent), and what the user must be told.
const FAULTS: &[(&str, i32, Option<&str>, &str)] = &[
    ("401", 1, None, "--api_key"),
    ("403", 1, None, "--api_key"),
    ("404_v1", 1, None, "--api_base"),
    ("loading=600", 1, None, "--wait 120s"),
    ("html_502", 1, None, "answered 502"),
    ("429=7", 1, Some("rejected"), "Retry-After: 7"),
    ("json_instead_of_stream", 1, Some("not_a_stream"), "stream"),
    ("redirect_307", 1, None, "redirects are not followed"),
    ("empty_stream", 1, Some("no_token"), "no text"),
    ("role_only", 1, Some("no_token"), "no text"),
    ("error_event", 1, Some("server_error"), "inside the stream"),
    ("error_event_done", 1, Some("server_error"), "inside the stream"),
    ("eof_no_finish", 1, Some("truncated"), "[DONE]"),
    ("stall", 1, Some("timeout"), "--timeout"),
    ("refuse_stream_options", 0, Some("ok"), ""),
    ("refuse_max_tokens", 0, Some("ok"), ""),
    ("refuse_temperature", 0, Some("ok"), ""),
    ("no_done", 0, Some("ok"), ""),
    ("crlf", 0, Some("ok"), ""),
    ("lone_cr", 0, Some("ok"), ""),
    ("byte_by_byte", 0, Some("ok"), ""),
    ("reasoning_only", 0, Some("ok"), ""),
    ("tool_calls_only", 0, Some("ok"), ""),
];

#[test]
fn every_fault_has_its_outcome_its_exit_code_and_its_advice() {
    for (fault, code, outcome, advice) in FAULTS {
        let (folder, sim) = (tempfile::tempdir().unwrap(), sim("7b,noise=0", Some(fault)));
        let output = ttft(folder.path(), &sim.base_url(), &["--timeout", "1s"]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(*code), "{fault}: {said}");
        assert!(said.contains(advice), "{fault}: {said}");
        let mut errors = said.lines().filter(|line| line.starts_with("error: "));
        assert!(
            errors.all(|line| line.contains("; ")),
            "{fault}: what is to be done stands behind a semicolon: {said}"
        );
        match outcome {
            None => assert_eq!(std::fs::read(folder.path().join("benchmark.jsonl")).unwrap(), b"", "{fault}"),
            Some(outcome) => {
                let rows = rows(folder.path());
                assert_eq!(rows.len(), 2, "{fault}");
                assert_eq!(rows[0]["outcome"], *outcome, "{fault}: {}", rows[0]);
                assert_eq!(rows[0]["ttft_seconds"].is_null(), *outcome != "ok", "{fault}");
            }
        }
    }
}

#[test]
fn what_a_server_refused_is_listed_in_the_row() {
    let (folder, sim) = (tempfile::tempdir().unwrap(), sim("7b,noise=0", Some("refuse_max_tokens")));
    ttft(folder.path(), &sim.base_url(), &[]);
    assert_eq!(rows(folder.path())[0]["adapted"][0], "max_tokens -> max_completion_tokens");
}

#[test]
fn the_classic_schema_has_three_keys_and_no_failures() {
    let (folder, sim) = (tempfile::tempdir().unwrap(), sim("7b,noise=0", None));
    ttft(folder.path(), &sim.base_url(), &["--schema", "classic"]);
    for row in rows(folder.path()) {
        assert_eq!(
            row.as_object().unwrap().keys().collect::<Vec<_>>(),
            ["context_tokens", "run_index", "ttft_seconds"]
        );
    }
}

#[test]
fn the_ladder_tells_an_early_role_from_the_first_token_and_leaves_the_block_as_it_is() {
    let (folder, sim) = (tempfile::tempdir().unwrap(), sim("7b,noise=0,base=600ms", Some("early_role=400")));
    let output = ttft(folder.path(), &sim.base_url(), &["--ladder"]);
    let printed = text(&output.stdout);
    assert_eq!(printed.matches("Ladder of run").count(), 2, "{printed}");
    for moment in
        ["first byte", "first event", "role", "first token", "first content", "last token", "end", "connecting"]
    {
        let lines = printed.lines().filter(|line| line.starts_with(&format!("  {moment} ")));
        assert_eq!(lines.count(), 2, "{moment}: {printed}");
    }
    assert!(printed.lines().any(|line| line.starts_with("  role ") && line.contains("vLLM bench serve")), "{printed}");
    let at = |row: &Value, key: &str| row[key].as_u64().unwrap();
    let row = &rows(folder.path())[0];
    assert!(at(row, "first_token_ns") - at(row, "role_ns") > 300_000_000, "{row}");
    let report = |more: &[&str]| {
        let mut report = Command::new(env!("CARGO_BIN_EXE_ttft"));
        report.current_dir(folder.path()).args(["report", "benchmark.jsonl"]).args(more);
        text(&report.output().unwrap().stdout)
    };
    assert!(printed.ends_with(&report(&[])), "{printed}");
    assert!(report(&["--figure", "ladder"]).starts_with("<svg"));
    let moments = report(&["--format", "markdown"]);
    assert!(moments.contains("| hit | role | ") && moments.contains("| vLLM bench serve, evalscope |"), "{moments}");
}

#[test]
fn a_buffered_stream_raises_the_alarm_and_an_honest_one_does_not_however_quick() {
    // 1,000 tokens a second, so that a busy machine does not hold back half of the streams itself.
    for (profile, fault, is_buffered) in [
        ("7b,noise=0", Some("buffered"), true),
        ("7b,noise=0", Some("stream_interval"), false),
        ("7b,noise=0", None, false),
        ("instant,base=100ms,decode=1ms", None, false),
        ("instant", None, false),
    ] {
        let (folder, sim) = (tempfile::tempdir().unwrap(), sim(profile, fault));
        let output = ttft(folder.path(), &sim.base_url(), &["--num_following", "5"]);
        let said = text(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(output.status.code(), Some(0), "{fault:?}");
        let alarm = "Grade C: in 6 streams all tokens arrived at once: a proxy or gzip buffers the stream";
        assert_eq!(said.contains(alarm), is_buffered, "{profile} {fault:?}: {said:?}");
        assert_eq!(said.contains("arrived at once"), is_buffered, "{profile} {fault:?}: {said:?}");
    }
}

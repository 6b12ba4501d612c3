//! `ttft compare` as a script meets it: the program, two logs, an exit code.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::json;

use super::bench::{Bench, Printed};

/// Twelve cold requests and twelve hits; a hit takes `hit_ms`, with a repeating noise of a few percent.
fn log(folder: &Path, name: &str, hit_ms: f64) -> PathBuf {
    let rows: Vec<String> = (0..24_u64)
        .map(|nth| {
            let (arm, ms) = if nth % 2 == 0 { ("cold", 400.0) } else { ("hit", hit_ms) };
            let noise = 1.0 + 0.01 * ((nth * 7 % 11) as f64 - 5.0);
            let ttft_ns = (ms * noise * 1e6) as u64;
            let row = json!({
                "run_index": nth + 1, "context_tokens": 2000, "ttft_seconds": ttft_ns as f64 / 1e9, "schema": 1,
                "session": name, "trial": nth + 1, "arm": arm, "role": "measure", "outcome": "ok", "body_bytes": 9000,
                "sent_ns": 1_000, "first_token_ns": 1_000 + ttft_ns,
                "usage": { "prompt_tokens": 2050, "completion_tokens": 4, "cached_tokens": if arm == "hit" { 2032 } else { 0 } },
            });
            row.to_string() + "\n"
        })
        .collect();
    let path = folder.join(name);
    std::fs::write(&path, rows.concat()).unwrap();
    path
}

fn compare(before: &Path, after: &Path, more: &[&str]) -> Output {
    let labelled = |label: &str, path: &Path| format!("{label}={}", path.display());
    let program = Path::new(env!("CARGO_BIN_EXE_ttft"));
    let mut command = Command::new(program);
    command.arg("compare").args([labelled("before", before), labelled("after", after)]).args(more);
    command.output().unwrap()
}

#[test]
fn a_gate_is_missed_where_hits_became_slower_and_kept_where_they_did_not() {
    let folder = tempfile::tempdir().unwrap();
    let (before, slower) = (log(folder.path(), "a.jsonl", 50.0), log(folder.path(), "b.jsonl", 65.0));
    let told = compare(&before, &slower, &[]);
    assert_eq!(told.status.code(), Some(0), "without a gate there is nothing to miss");
    let text = String::from_utf8(told.stdout).unwrap();
    assert!(text.contains("hit at 2,000 tokens: after takes 1.30x"), "{text}");
    assert!(text.contains("cold at 2,000 tokens: after takes 1.00x"), "{text}");
    assert_eq!(compare(&before, &slower, &["--fail_if_slower", "5%"]).status.code(), Some(3));
    assert_eq!(compare(&before, &slower, &["--fail-if-slower", "50%"]).status.code(), Some(0));
    assert_eq!(compare(&before, &before, &["--fail_if_slower", "10%"]).status.code(), Some(0));
}

#[test]
fn a_log_that_is_not_there_is_said_in_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let before = log(folder.path(), "a.jsonl", 50.0);
    let told = compare(&before, &folder.path().join("none.jsonl"), &[]);
    assert_eq!(told.status.code(), Some(1));
    let text = String::from_utf8(told.stderr).unwrap();
    assert!(text.contains("cannot read the log") && text.lines().count() == 1, "{text}");
}

#[test]
fn what_cannot_be_compared_is_refused_with_an_exit_code_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let (before, slower) = (log(folder.path(), "a.jsonl", 50.0), log(folder.path(), "b.jsonl", 65.0));
    let changed = |from: &str, to: &str| {
        let text = std::fs::read_to_string(&slower).unwrap();
        let path = folder.path().join("changed.jsonl");
        assert!(text.contains(from), "{text}");
        std::fs::write(&path, text.replace(from, to)).unwrap();
        let told = compare(&before, &path, &["--fail_if_slower", "5%"]);
        let said = String::from_utf8(told.stdout).unwrap();
        (told.status.code(), said.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    let (code, said) = changed("\"context_tokens\":2000", "\"context_tokens\":9000");
    assert_eq!(code, Some(4), "{said}");
    assert!(
        said.starts_with("Not comparable: the logs have no context length in common, 2,000 tokens and 9,000"),
        "{said}"
    );
    // Every new document was in the cache.
    let (code, said) = changed("\"cached_tokens\":0", "\"cached_tokens\":2032");
    assert_eq!(code, Some(4), "{said}");
    assert!(said.starts_with("Not comparable: nothing proves that cold is cold in after"), "{said}");
}

/// A classic run's log of a server with these faults, made by the program with `more` arguments.
fn measured(faults: &[&str], more: &str) -> Bench {
    let bench = Bench::new("instant", faults, 0);
    let printed = bench.measure(&format!("--max_ctx_tokens 1000 --num_following 3 {more}"));
    assert!(bench.path("benchmark.jsonl").exists(), "{}", printed.stderr);
    bench
}

/// What is said of the second log against the first, and the exit code with a gate and without one.
fn compared(before: &Bench, after: &Bench) -> (Printed, [Option<i32>; 2]) {
    let logs = [("before", before), ("after", after)]
        .map(|(label, bench)| format!("{label}={}", bench.path("benchmark.jsonl").display()));
    let [before_log, after_log] = logs.each_ref().map(String::as_str);
    let told = before.ttft(&["compare", before_log, after_log]);
    let gated = before.ttft(&["compare", before_log, after_log, "--fail_if_slower", "100000%"]);
    assert_eq!(told.stdout, gated.stdout, "a gate changes the exit code alone");
    let codes = [told.code, gated.code];
    (told, codes)
}

#[test]
fn logs_that_were_measured_otherwise_are_refused_each_with_its_reason() {
    let before = measured(&[], "");
    for (faults, more, why) in [
        (
            &[][..],
            "--model mistralai/Mistral-7B-Instruct-v0.1",
            "the models differ, ttft-sim/instant and mistralai/Mistral",
        ),
        (&[], "--stamps read", "the logs differ in stamps, kernel and read; measure both alike"),
        (&[], "--connection reuse", "the logs differ in connection, fresh and reuse; measure both alike"),
        (&[], "--endpoint completions", "the logs differ in api, chat and completions; measure both alike"),
        (&[], "--max_ctx_tokens 2000", "the logs have no context length in common, 1,000 tokens and 2,000 tokens"),
        (&["cached_tokens_max"], "", "nothing proves that cold is cold in after; measure a server that counts"),
        (&["cached_tokens_null", "no_metrics"], "", "nothing proves that cold is cold in after; measure a server"),
        (&[], "--schema classic", "nothing proves that cold is cold in after; measure a server that counts"),
    ] {
        let (told, codes) = compared(&before, &measured(faults, more));
        assert_eq!(codes, [Some(4); 2], "{more}: {}", told.stdout);
        assert!(told.stdout.starts_with("Not comparable: ") && told.says(why), "{more}: {}", told.stdout);
        assert!(!told.says("What changed from"), "no figures beside a refusal: {}", told.stdout);
    }
    let (told, codes) = compared(&before, &measured(&[], ""));
    assert!(codes[0] == Some(0) && told.says("What changed from before to after"), "{}", told.stdout);
}

#[test]
fn a_log_of_cold_requests_alone_says_nothing_of_one_of_hits_alone() {
    // In the second log run 1 fails.
    let (cold, hits) = (measured(&[], "--num_following 0"), measured(&["503@1"], ""));
    let (told, codes) = compared(&cold, &hits);
    assert_eq!(codes, [Some(4); 2], "{}", told.stdout);
    let why = "Not comparable: the logs have no arm in common at a length; measure cold and hits in both.";
    assert!(told.says(why), "{}", told.stdout);
}

#[test]
fn a_log_that_holds_another_model_too_is_refused() {
    let (before, after) = (measured(&[], ""), measured(&[], "--model 01-ai/Yi-34B-200K"));
    let both = before.text("benchmark.jsonl") + &after.text("benchmark.jsonl");
    std::fs::write(after.path("benchmark.jsonl"), both).unwrap();
    let (told, codes) = compared(&before, &after);
    assert_eq!(codes, [Some(4); 2], "{}", told.stdout);
    assert!(
        told.says("the models differ, ttft-sim/instant and ttft-sim/instant and then 01-ai/Yi-34B-200K"),
        "{}",
        told.stdout
    );
}

#[test]
fn what_may_matter_is_compared_with_a_reserve() {
    let before = measured(&[], "");
    for (faults, more, reserve) in [
        (&[][..], "--prompt Why", "The logs differ in prompt, "),
        (&[], "--max_tokens 3", "The logs differ in max_tokens, 16 and 3; the times may differ for that."),
        (&["replica_flip"], "", "1 replays of after missed and are left out"),
    ] {
        let (told, codes) = compared(&before, &measured(faults, more));
        assert!(codes[0] == Some(0) && told.says("What changed from"), "{more}: {}", told.stdout);
        assert!(told.says(reserve), "{more}: {}", told.stdout);
    }
}

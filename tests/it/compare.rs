//! `ttft compare` as a script meets it: the program, two logs, an exit code.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::json;

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

//! `ttft sweep`, `ttft prompts` and the sweep script: the program in a folder of its own, against the simulated endpoint.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::bench::{Bench, Printed, TTFT, cached, prompt};

#[test]
fn a_sweep_has_a_log_for_each_size_and_all_of_them_in_one() {
    let bench = Bench::new("instant", &[], 0);
    let printed = bench.measure("sweep --context_sizes 50,1000,2000");
    assert_eq!(printed.code, Some(0), "{}", printed.stderr);
    let logs = ["ttft_50.jsonl", "ttft_1000.jsonl", "ttft_2000.jsonl"];
    assert_eq!(bench.text("all_ttft_results.jsonl"), logs.map(|log| bench.text(log)).concat());
    for (log, tokens) in logs.iter().zip([50, 1_000, 2_000]) {
        let rows = bench.rows(log);
        assert_eq!(rows.iter().map(|row| row["run_index"].as_u64()).collect::<Vec<_>>(), [Some(1), Some(2)]);
        assert!(rows.iter().all(|row| row["context_tokens"] == tokens), "{log}");
        assert_eq!([&rows[0]["arm"], &rows[1]["arm"]], ["cold", "hit"]);
        assert!(cached(&rows[0]) <= 16, "no size begins like the one before: {}", cached(&rows[0]));
        assert!(cached(&rows[1]) + 16 >= prompt(&rows[1]), "the whole of it is a hit");
    }
    assert_eq!(printed.stdout, bench.report(&["all_ttft_results.jsonl"]));
    assert!(printed.stderr.trim_end().starts_with("✔ all results are in all_ttft_results.jsonl"), "{}", printed.stderr);
}

#[test]
fn a_size_beyond_the_models_context_is_skipped_and_one_near_it_is_cut() {
    let bench = Bench::new("instant,context=8192", &[], 0);
    let printed = bench.measure("sweep --context_sizes 1000,8000,9000");
    assert_eq!(printed.code, Some(0), "{}", printed.stderr);
    assert!(printed.stderr.contains("9,000 tokens are skipped: the model's context has 8,192"), "{}", printed.stderr);
    assert!(printed.stderr.contains("of 8,000 tokens, 6,128 are sent"), "{}", printed.stderr);
    assert_eq!(bench.rows("ttft_8000.jsonl")[0]["context_tokens"], 8_192 - 2_048 - 16);
    assert!(!bench.path("ttft_9000.jsonl").exists());
    let none = bench.measure("sweep --context_sizes 9000");
    assert_eq!(none.code, Some(4), "nothing was measured: {}", none.stderr);
}

#[test]
fn without_a_nonce_each_size_begins_like_the_one_before_and_its_cold_is_called_partial() {
    let bench = Bench::new("instant", &[], 0);
    let printed = bench.measure("sweep --context_sizes 1000,2000,4000 --no_nonce");
    assert_eq!(printed.code, Some(0), "{}", printed.stderr);
    let rows = bench.rows("all_ttft_results.jsonl");
    let colds: Vec<&Value> = rows.iter().filter(|row| row["arm"] == "cold").collect();
    assert_eq!(colds[0]["shared_percent"], Value::Null);
    for (cold, before) in colds[1..].iter().zip([1_000, 2_000]) {
        assert_eq!(cold["shared_percent"], 50);
        assert!(cached(cold) + 32 >= before, "{} tokens of {before} came from the cache", cached(cold));
    }
    assert!(printed.stderr.contains("2,000 tokens: the cold is partial, up to 50 % of it was sent before"));
    // What is beside the document is the same at every size, so each document has the tokens the log says.
    let beside = |row: &&Value| prompt(row) - row["context_tokens"].as_u64().expect("a count");
    assert!(colds.iter().all(|row| beside(row) == beside(&colds[0])), "{colds:?}");
}

#[test]
fn a_sweep_starts_anew_unless_it_is_to_be_continued() {
    let bench = Bench::new("instant", &[], 0);
    let all = "all_ttft_results.jsonl";
    bench.measure("sweep --context_sizes 100,200");
    assert_eq!((bench.rows(all).len(), bench.requests()), (4, 4));
    let printed = bench.measure("sweep --context_sizes 100,200,300 --resume");
    assert!(printed.stderr.contains("100 tokens are there already"), "{}", printed.stderr);
    assert_eq!((bench.rows(all).len(), bench.requests()), (6, 6), "300 alone is measured");
    bench.measure("sweep --context_sizes 100 --append");
    assert_eq!(bench.rows(all).len(), 8);
    bench.measure("sweep --context_sizes 100");
    assert_eq!(bench.rows(all).len(), 2);
}

#[test]
fn a_size_that_was_cut_short_is_measured_again_and_one_that_was_not_added_is_added() {
    let bench = Bench::new("instant", &[], 0);
    let all = "all_ttft_results.jsonl";
    bench.measure("sweep --context_sizes 100,200");
    let lines = bench.text(all);
    let first_row = lines.split_inclusive('\n').next().expect("a row");
    // As if it had been killed within 100, and between the last row of 200 and its addition.
    std::fs::write(bench.path("ttft_100.jsonl"), first_row).unwrap();
    std::fs::write(bench.path(all), "").unwrap();
    let printed = bench.measure("sweep --context_sizes 100,200 --resume");
    assert_eq!(printed.code, Some(0), "{}", printed.stderr);
    assert_eq!(bench.requests(), 6, "100 was measured again, 200 was not");
    let mut sizes: Vec<u64> = bench.rows(all).iter().filter_map(|row| row["context_tokens"].as_u64()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [100, 100, 200, 200]);
}

#[test]
fn a_document_that_ends_ends_the_sweep() {
    let bench = Bench::new("instant", &[], 0);
    std::fs::write(bench.path("short.txt"), "word ".repeat(500)).unwrap();
    let printed = bench.measure("sweep -C short.txt --context_sizes 100,1000,2000");
    assert_eq!(printed.code, Some(0), "{}", printed.stderr);
    assert!(printed.stderr.contains("the document has no more than 50"), "{}", printed.stderr);
    assert!(printed.stderr.contains("2,000 tokens are skipped for the same reason"), "{}", printed.stderr);
    assert!(bench.path("ttft_1000.jsonl").exists() && !bench.path("ttft_2000.jsonl").exists());
}

#[test]
fn a_large_sweep_is_not_begun_unasked_in_a_pipe() {
    let bench = Bench::new("instant", &[], 0);
    let printed = bench.measure("sweep --context_sizes 600k");
    assert_eq!(printed.code, Some(2), "{}", printed.stderr);
    assert!(printed.stderr.contains("--yes"), "{}", printed.stderr);
    assert_eq!(bench.requests(), 0);
}

#[test]
fn the_script_makes_the_same_logs() {
    let bench = Bench::new("instant", &[], 0);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench_ttft_sweep.sh");
    let output = Command::new("bash")
        .arg(script)
        .args(["--api_base", &bench.sim.base_url(), "--gap", "0"])
        .envs([("BENCH", TTFT), ("MASTER_OUT", "master.jsonl"), ("CONTEXT_SIZES", "50 1000")])
        .current_dir(&bench.folder)
        .output();
    let printed = Printed::of(output.expect("bash"));
    assert_eq!(printed.code, Some(0), "{}", printed.stderr);
    assert_eq!(bench.text("master.jsonl"), bench.text("ttft_50.jsonl") + &bench.text("ttft_1000.jsonl"));
    assert_eq!(bench.rows("master.jsonl").len(), 4);
    assert!(bench.rows("master.jsonl")[0]["conditions"]["model"].as_str().is_some_and(|model| model.contains("70B")));
    assert_eq!(printed.stdout.lines().last(), Some("\u{1b}[32m✔\u{1b}[0m All results are in master.jsonl"));
}

#[test]
fn prompts_that_cannot_be_read_are_a_sentence_and_send_nothing() {
    let bench = Bench::new("instant", &[], 0);
    let missing = bench.measure("prompts --prompts_file nowhere.txt");
    assert_eq!(missing.code, Some(1));
    assert!(missing.stderr.contains("cannot read the prompts in nowhere.txt"), "{}", missing.stderr);
    std::fs::write(bench.path("empty.txt"), "# nothing\n").unwrap();
    let empty = bench.measure("prompts --prompts_file empty.txt");
    assert!(empty.stderr.contains("there is no prompt in it"), "{}", empty.stderr);
    assert_eq!(bench.requests(), 0);
}

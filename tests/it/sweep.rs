//! `ttft sweep`, `ttft prompts` and the sweep script: the program in a folder of its own, against the simulated endpoint.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;
use ttft::sim::server::{Sim, SimConfig};

const TTFT: &str = env!("CARGO_BIN_EXE_ttft");

/// A server and a folder to run in.
struct Bench {
    sim: Sim,
    folder: TempDir,
}

/// What the program printed.
struct Printed {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Printed {
    fn of(output: Output) -> Printed {
        Printed {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("text"),
            stderr: String::from_utf8(output.stderr).expect("text"),
        }
    }
}

impl Bench {
    fn new(profile: &str, seed: u64) -> Bench {
        let config = SimConfig { profile: profile.parse().expect("a profile"), seed, ..SimConfig::default() };
        let sim = Sim::start(config).expect("a server");
        Bench { sim, folder: tempfile::tempdir().expect("a folder") }
    }

    fn ttft(&self, args: &str) -> Printed {
        let mut command = Command::new(TTFT);
        command.args(args.split_whitespace()).args(["--gap", "0", "--api_base", &self.sim.base_url()]);
        Printed::of(command.current_dir(&self.folder).output().expect("the program"))
    }

    fn report(&self, args: &[&str]) -> String {
        let output = Command::new(TTFT).arg("report").args(args).current_dir(&self.folder).output();
        Printed::of(output.expect("the program")).stdout
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The rows of a log, each of which is what `docs/row.schema.json` says.
    fn rows(&self, name: &str) -> Vec<Value> {
        let schema = include_str!("../../docs/row.schema.json").parse().expect("JSON");
        let schema = jsonschema::validator_for(&schema).expect("a schema");
        let rows = self.text(name).lines().map(|line| line.parse().expect("JSON")).collect::<Vec<Value>>();
        for row in &rows {
            schema.validate(row).unwrap_or_else(|error| panic!("{name}: {error}: {row}"));
        }
        rows
    }

    fn requests(&self) -> usize {
        self.sim.truth().len()
    }
}

fn cached(row: &Value) -> u64 {
    row["usage"]["cached_tokens"].as_u64().expect("the server tells")
}

fn prompt(row: &Value) -> u64 {
    row["usage"]["prompt_tokens"].as_u64().expect("the server tells")
}

#[test]
fn a_sweep_has_a_log_for_each_size_and_all_of_them_in_one() {
    let bench = Bench::new("instant", 0);
    let printed = bench.ttft("sweep --context_sizes 50,1000,2000");
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
    let bench = Bench::new("instant,context=8192", 0);
    let printed = bench.ttft("sweep --context_sizes 1000,8000,9000");
    assert_eq!(printed.code, Some(0), "{}", printed.stderr);
    assert!(printed.stderr.contains("9,000 tokens are skipped: the model's context has 8,192"), "{}", printed.stderr);
    assert!(printed.stderr.contains("of 8,000 tokens, 6,128 are sent"), "{}", printed.stderr);
    assert_eq!(bench.rows("ttft_8000.jsonl")[0]["context_tokens"], 8_192 - 2_048 - 16);
    assert!(!bench.path("ttft_9000.jsonl").exists());
    let none = bench.ttft("sweep --context_sizes 9000");
    assert_eq!(none.code, Some(4), "nothing was measured: {}", none.stderr);
}

#[test]
fn without_a_nonce_each_size_begins_like_the_one_before_and_its_cold_is_called_partial() {
    let bench = Bench::new("instant", 0);
    let printed = bench.ttft("sweep --context_sizes 1000,2000,4000 --no_nonce");
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
    let bench = Bench::new("instant", 0);
    let all = "all_ttft_results.jsonl";
    bench.ttft("sweep --context_sizes 100,200");
    assert_eq!((bench.rows(all).len(), bench.requests()), (4, 4));
    let printed = bench.ttft("sweep --context_sizes 100,200,300 --resume");
    assert!(printed.stderr.contains("100 tokens are there already"), "{}", printed.stderr);
    assert_eq!((bench.rows(all).len(), bench.requests()), (6, 6), "300 alone is measured");
    bench.ttft("sweep --context_sizes 100 --append");
    assert_eq!(bench.rows(all).len(), 8);
    bench.ttft("sweep --context_sizes 100");
    assert_eq!(bench.rows(all).len(), 2);
}

#[test]
fn a_size_that_was_cut_short_is_measured_again_and_one_that_was_not_added_is_added() {
    let bench = Bench::new("instant", 0);
    let all = "all_ttft_results.jsonl";
    bench.ttft("sweep --context_sizes 100,200");
    let lines = bench.text(all);
    let first_row = lines.split_inclusive('\n').next().expect("a row");
    // As if it had been killed within 100, and between the last row of 200 and its addition.
    std::fs::write(bench.path("ttft_100.jsonl"), first_row).unwrap();
    std::fs::write(bench.path(all), "").unwrap();
    let printed = bench.ttft("sweep --context_sizes 100,200 --resume");
    assert_eq!(printed.code, Some(0), "{}", printed.stderr);
    assert_eq!(bench.requests(), 6, "100 was measured again, 200 was not");
    let mut sizes: Vec<u64> = bench.rows(all).iter().filter_map(|row| row["context_tokens"].as_u64()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [100, 100, 200, 200]);
}

#[test]
fn a_document_that_ends_ends_the_sweep() {
    let bench = Bench::new("instant", 0);
    std::fs::write(bench.path("short.txt"), "word ".repeat(500)).unwrap();
    let printed = bench.ttft("sweep -C short.txt --context_sizes 100,1000,2000");
    assert_eq!(printed.code, Some(0), "{}", printed.stderr);
    assert!(printed.stderr.contains("the document has no more than 50"), "{}", printed.stderr);
    assert!(printed.stderr.contains("2,000 tokens are skipped for the same reason"), "{}", printed.stderr);
    assert!(bench.path("ttft_1000.jsonl").exists() && !bench.path("ttft_2000.jsonl").exists());
}

#[test]
fn a_large_sweep_is_not_begun_unasked_in_a_pipe() {
    let bench = Bench::new("instant", 0);
    let printed = bench.ttft("sweep --context_sizes 600k");
    assert_eq!(printed.code, Some(2), "{}", printed.stderr);
    assert!(printed.stderr.contains("--yes"), "{}", printed.stderr);
    assert_eq!(bench.requests(), 0);
}

#[test]
fn the_script_makes_the_same_logs() {
    let bench = Bench::new("instant", 0);
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

/// The cold and hit times that the server was built to take: without noise, and for the tokens it says it computed.
fn built(rows: &[Value], base_ms: f64, per_token_us: f64) -> f64 {
    let median = |arm: &str| {
        let measured = rows.iter().filter(|row| row["role"] == "measure" && row["arm"] == arm);
        let mut times: Vec<f64> =
            measured.map(|row| base_ms + per_token_us / 1e3 * (prompt(row) - cached(row)) as f64).collect();
        times.sort_unstable_by(f64::total_cmp);
        times[times.len() / 2]
    };
    median("cold") / median("hit")
}

/// A server whose cold takes `effect` times as long as its hit, and the table that `ttft prompts` makes of it.
fn recovers(effect: f64, per_token_us: f64) {
    const BASE_MS: f64 = 120.0;
    let bench = Bench::new(&format!("instant,base={BASE_MS}ms,per_token={per_token_us}us,noise=0.01"), 1);
    std::fs::write(bench.path("prompts.txt"), "英文问答\tWhat is the main topic of this document?\n").unwrap();
    let printed = bench.ttft("prompts --prompts_file prompts.txt --nonce 000102030405060708090a0b0c0d0e0f");
    assert_eq!(printed.code, Some(0), "{}", printed.stderr);
    let truth = built(&bench.rows("prompts.jsonl"), BASE_MS, per_token_us);
    assert!((truth / effect - 1.0).abs() < 0.01, "the server was to have {effect} and has {truth}");
    let report: Value = serde_json::from_str(&bench.report(&["--format", "json", "prompts.jsonl"])).expect("JSON");
    let interval = &report["tables"]["prompts"][0]["ratio_interval_95"];
    let (low, high) = (interval[0].as_f64().expect("a bound"), interval[1].as_f64().expect("a bound"));
    // The other tests share the processors: 2 % for what that adds to one arm and not to the other.
    assert!(low / 1.02 <= truth && truth <= high * 1.02, "{truth} lies in [{low}, {high}]");
    assert!(high / low < 1.15, "[{low}, {high}] says something");
    assert_eq!(printed.stdout, bench.report(&["prompts.jsonl"]));
}

#[test]
fn the_prompt_table_recovers_the_effects_that_the_server_was_built_to_have() {
    // Side by side, since all of them mostly wait.
    std::thread::scope(|scope| {
        for (effect, per_token_us) in [(1.67, 76.0), (1.06, 6.8), (1.03, 3.4)] {
            scope.spawn(move || recovers(effect, per_token_us));
        }
    });
}

#[test]
fn every_recommended_prompt_is_asked_in_ten_pairs_about_documents_of_its_own() {
    let bench = Bench::new("instant,base=2ms,per_token=20us", 3);
    let printed = bench.ttft("prompts --max_ctx_tokens 300");
    assert_eq!(printed.code, Some(0), "{}", printed.stderr);
    let rows = bench.rows("prompts.jsonl");
    assert_eq!(rows.len(), 2 + 5 * (1 + 2 * 10));
    for prompt_number in 0..5 {
        for arm in ["cold", "hit"] {
            let asked = rows.iter().filter(|row| row["prompt"] == prompt_number && row["arm"] == arm);
            let measured: Vec<&Value> = asked.filter(|row| row["role"] == "measure").collect();
            assert_eq!(measured.len(), 10);
            for row in measured {
                let most = if arm == "cold" { 16 } else { prompt(row) };
                assert!(cached(row) <= most && (arm == "cold" || cached(row) + 32 >= prompt(row)), "{row}");
            }
        }
    }
    for kind in ["简单问答", "中文总结", "英文问答", "功能询问", "结构分析"] {
        assert!(printed.stdout.contains(kind), "{}", printed.stdout);
    }
    assert!(printed.stdout.contains("excellent/优秀"), "{}", printed.stdout);
}

#[test]
fn prompts_that_cannot_be_read_are_a_sentence_and_send_nothing() {
    let bench = Bench::new("instant", 0);
    let missing = bench.ttft("prompts --prompts_file nowhere.txt");
    assert_eq!(missing.code, Some(1));
    assert!(missing.stderr.contains("cannot read the prompts in nowhere.txt"), "{}", missing.stderr);
    std::fs::write(bench.path("empty.txt"), "# nothing\n").unwrap();
    let empty = bench.ttft("prompts --prompts_file empty.txt");
    assert!(empty.stderr.contains("there is no prompt in it"), "{}", empty.stderr);
    assert_eq!(bench.requests(), 0);
}

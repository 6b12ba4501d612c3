//! The effects of the prompt table, against those that the server was built to have.

use serde_json::Value;

use super::alone;
use super::bench::{Bench, cached, prompt};

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
    let bench = Bench::new(&format!("instant,base={BASE_MS}ms,per_token={per_token_us}us,noise=0.01"), &[], 1);
    std::fs::write(bench.path("prompts.txt"), "英文问答\tWhat is the main topic of this document?\n").unwrap();
    let printed = bench.measure("prompts --prompts_file prompts.txt --nonce 000102030405060708090a0b0c0d0e0f");
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
    let _alone = alone();
    // Side by side, since all of them mostly wait.
    std::thread::scope(|scope| {
        for (effect, per_token_us) in [(1.67, 76.0), (1.06, 6.8), (1.03, 3.4)] {
            scope.spawn(move || recovers(effect, per_token_us));
        }
    });
}

#[test]
fn every_recommended_prompt_is_asked_in_ten_pairs_about_documents_of_its_own() {
    let _alone = alone();
    let bench = Bench::new("instant,base=2ms,per_token=20us", &[], 3);
    let printed = bench.measure("prompts --max_ctx_tokens 300");
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

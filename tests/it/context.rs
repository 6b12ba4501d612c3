//! How long the model's context is, who tells, and what happens when nobody does or it is not true.

use std::path::Path;

use serde_json::Value;
use ttft::sim::server::{Sim, SimConfig};

use super::bench::Bench;

/// A server that speaks like `flavor` and has a context of 16,384 tokens.
fn like(flavor: &str) -> Bench {
    let profile = "instant,context=16384".parse().unwrap();
    let config = SimConfig { profile, flavor: flavor.parse().unwrap(), ..SimConfig::default() };
    Bench { sim: Sim::start(config).unwrap(), folder: tempfile::tempdir().unwrap() }
}

#[test]
fn every_server_that_tells_its_context_is_understood() {
    for (flavor, source) in
        [("vllm", "/models"), ("sglang", "/models"), ("llamacpp", "/models"), ("tgi", "/info"), ("deepseek", "")]
    {
        let bench = like(flavor);
        let printed = bench.measure("--max_ctx_tokens 131072 --num_following 0");
        let conditions = &bench.rows("benchmark.jsonl")[0]["conditions"];
        if source.is_empty() {
            assert_eq!(conditions["model_ctx"], Value::Null, "{flavor}: {conditions}");
            continue;
        }
        assert_eq!(printed.code, Some(0), "{flavor}: {}", printed.stderr);
        assert_eq!(
            (&conditions["model_ctx"], &conditions["model_ctx_from"]),
            (&Value::from(16_384), &Value::from(source))
        );
        let said = format!("the document is cut to {} tokens", 16_384 - 2_048 - 16);
        assert!(printed.stderr.contains(&said), "{flavor}: {}", printed.stderr);
    }
}

#[test]
fn the_context_that_the_user_gives_is_believed() {
    let bench = like("vllm");
    bench.measure("--model_ctx 10000 --num_following 0");
    let row = &bench.rows("benchmark.jsonl")[0];
    assert_eq!(
        (&row["context_tokens"], &row["conditions"]["model_ctx_from"]),
        (&Value::from(7_936), &Value::from("--model_ctx"))
    );
}

/// A Hugging Face cache whose `org/name` has a configuration with this context.
fn cache_with_context(folder: &Path, model_max_length: &str) {
    let repository = folder.join("hub/models--org--name");
    std::fs::create_dir_all(repository.join("snapshots/c0ffee")).unwrap();
    std::fs::create_dir_all(repository.join("refs")).unwrap();
    std::fs::write(repository.join("refs/main"), "c0ffee").unwrap();
    let config = format!(r#"{{"model_max_length": {model_max_length}}}"#);
    std::fs::write(repository.join("snapshots/c0ffee/tokenizer_config.json"), config).unwrap();
}

#[test]
fn a_context_that_the_server_does_not_tell_is_that_of_the_model_on_this_machine() {
    for (model_max_length, known) in [("4096", true), ("1000000000000000019884624838656", false)] {
        let bench = Bench::new("instant", &["no_models"], 0);
        cache_with_context(bench.folder.path(), model_max_length);
        let url = bench.sim.base_url();
        let args = ["--api_base", &url, "--model", "org/name", "--max_ctx_tokens", "8000", "--gap", "0"];
        let mut command = bench.command(&args);
        let output =
            command.envs([("HF_HOME", bench.folder.path().as_os_str()), ("HF_HUB_OFFLINE", "1".as_ref())]).output();
        let row = &bench.rows("benchmark.jsonl")[0];
        let conditions = &row["conditions"];
        if known {
            assert_eq!(conditions["model_ctx"], 4_096, "{}", String::from_utf8_lossy(&output.unwrap().stderr));
            assert_eq!(conditions["model_ctx_from"], "tokenizer_config.json");
            // An eighth of it is the margin, since 2,048 would leave less than half.
            assert_eq!(row["context_tokens"], 4_096 - 4_096 / 8 - 16);
        } else {
            assert_eq!((&conditions["model_ctx"], &row["context_tokens"]), (&Value::Null, &Value::from(8_000)));
        }
    }
}

#[test]
fn a_server_that_takes_less_than_it_says_is_suited_openly() {
    let bench = Bench::new("instant", &["too_long=5000"], 0);
    let printed = bench.measure("--max_ctx_tokens 8000");
    assert_eq!(printed.code, Some(0), "{}", printed.stderr);
    let rows = bench.rows("benchmark.jsonl");
    assert_eq!(rows.len(), 2);
    for row in &rows {
        assert_eq!(row["outcome"], "ok");
        let tokens = row["context_tokens"].as_u64().unwrap();
        assert!((2_000..5_000).contains(&tokens), "{row}");
        let change = row["adapted"][0].as_str().expect("what was changed");
        assert!(change.starts_with("body cut from 8000 to") && printed.stderr.contains(change), "{change}");
    }
    assert_eq!(rows[1]["context_tokens"], rows[0]["context_tokens"], "both runs are of one document");
}

//! `-F`: ten fillers between run 1 and run 2, and what they achieved.

use serde_json::Value;

use super::bench::{Bench, cached};

const FILLERS: usize = 10;

#[test]
fn a_flush_says_what_it_achieved() {
    for (profile, faults, achieved, said) in [
        ("instant,capacity=20k", &[][..], "evicted", "flush: evicted, run 2 found the document gone"),
        ("instant,capacity=10M", &[], "still_cached", "flush: still cached: "),
        ("instant,capacity=20k", &["cached_tokens_null", "no_metrics"], "unknown", "flush: unknown"),
    ] {
        let bench = Bench::new(profile, faults, 0);
        let printed = bench.measure("-F --num_following 2 --max_ctx_tokens 1000");
        assert_eq!(printed.code, Some(0), "{}", printed.stderr);
        assert!(printed.stderr.contains(said), "{}", printed.stderr);
        assert!(printed.stderr.contains("the flush sends 10 fillers"), "the cost is said: {}", printed.stderr);
        let rows = bench.rows("benchmark.jsonl");
        assert_eq!((rows.len(), &rows[1]["flush"]["achieved"]), (3, &Value::from(achieved)));
        assert_eq!(rows[1]["flush"]["requests"], FILLERS);
        assert!(!faults.is_empty() || cached(&rows[2]) > 900, "run 3 is a hit: {}", rows[2]);
        for title in ["=== Run 2: TTFT post\u{2011}flush ===", "=== Run 3: TTFT continued ==="] {
            assert!(printed.stdout.contains(title), "{}", printed.stdout);
        }
    }
}

#[test]
fn the_fillers_are_all_different_and_each_is_for_one_token() {
    let bench = Bench::new("instant,capacity=10M", &[], 0);
    bench.measure("-F --max_ctx_tokens 1000");
    let truths = bench.sim.truth();
    assert_eq!(truths.len(), 1 + FILLERS + 1);
    for filler in &truths[1..=FILLERS] {
        // Of 100,000 characters in words of five, no more than what all chats begin with was there before.
        assert!((19_000..22_000).contains(&filler.prompt_tokens), "{}", filler.prompt_tokens);
        assert!(filler.hit_tokens.iter().sum::<u64>() <= 16, "{:?}", filler.hit_tokens);
        assert_eq!(filler.completion_tokens, 1);
    }
}

#[test]
fn the_fillers_fit_the_model_and_a_guess_at_their_tokens_keeps_far_from_its_end() {
    for (faults, most) in [(&[][..], 8_192), (&["no_tokenize"], 8_192 / 2)] {
        let bench = Bench::new("instant,context=8192", faults, 0);
        let args = "-F --max_ctx_tokens 1000";
        let mut command = bench.command(&args.split(' ').chain(["--gap", "0", "--api_base"]).collect::<Vec<_>>());
        let output = command.arg(bench.sim.base_url()).env("HF_HUB_OFFLINE", "1").output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        let truths = bench.sim.truth();
        let longest = truths.iter().map(|truth| truth.prompt_tokens).max().unwrap();
        assert!((1_500..=most).contains(&longest), "{longest} of {most}");
        assert_eq!(bench.rows("benchmark.jsonl")[1]["flush"]["failed"], 0);
    }
}

#[test]
fn a_search_for_the_end_of_the_cache_says_its_whole_cost_and_ends_with_the_budget() {
    let bench = Bench::new("instant,capacity=10M", &[], 0);
    let printed = bench.measure("--flush until_evicted --max_ctx_tokens 1000 --budget 50k");
    assert_eq!(printed.code, Some(0), "{}", printed.stderr);
    assert!(
        printed.stderr.contains("up to 32 fillers and 18 requests with documents to look for"),
        "{}",
        printed.stderr
    );
    assert!(printed.stderr.contains("the budget of tokens is spent after 1 fillers"), "{}", printed.stderr);
    let flush = &bench.rows("benchmark.jsonl")[1]["flush"];
    assert_eq!((&flush["requests"], &flush["canary"]["achieved"]), (&1.into(), &"still_cached".into()));
    let sent: u64 = bench.sim.truth().iter().map(|truth| truth.prompt_tokens).sum();
    assert!(sent <= 50_000, "{sent} tokens were sent");
}

//! How every measuring command ends: with the block that a report of its log prints, byte for byte, and with where the log
//! is.

use super::bench::Bench;

/// What is cached is told, and a hit pays from a few hundred tokens on.
const SERVER: &str = "instant,base=2ms,per_token=5us,latency=1ms,capacity=30k,block_size=16,noise=0.02";

/// A command, its log, and whether other lines come before the block.
const COMMANDS: [(&str, &str, bool); 8] = [
    ("run --max_ctx_tokens 2000 --num_following 3", "benchmark.jsonl", true),
    ("run --max_ctx_tokens 2000 --schema classic", "benchmark.jsonl", true),
    ("sweep --context_sizes 200,1000", "all_ttft_results.jsonl", false),
    ("sweep --verify --pairs 2 --context_sizes 250,500,1k,2k", "all_ttft_results.jsonl", false),
    ("prompts --pairs 10 --max_ctx_tokens 1000", "prompts.jsonl", false),
    ("verify --max_pairs 10 --context_tokens 1000", "verify.jsonl", false),
    ("map --yes --max_fill_tokens 60k --context_tokens 512", "map.jsonl", false),
    ("load --rate 20 --requests 20 --context_tokens 500 --max_tokens 2", "load.jsonl", false),
];

#[test]
fn every_command_ends_with_the_report_of_its_log_and_says_where_that_is() {
    for (args, log, has_lines_before) in COMMANDS {
        let bench = Bench::new(SERVER, &[], 1);
        let printed = bench.measure(args);
        assert!(matches!(printed.code, Some(0 | 3 | 4)), "{args}: {:?} {}", printed.code, printed.stderr);
        let block = bench.report(&[log]);
        assert!(block.lines().count() >= 3, "{args}: {block}");
        let begin = printed.stdout.len().checked_sub(block.len()).expect("no more than the command printed");
        assert_eq!(printed.stdout.get(begin..), Some(block.as_str()), "{args}");
        assert_eq!(begin > 0, has_lines_before, "{args}: {}", printed.stdout);
        let place = format!("log: {log}\nttft report {log} prints this again; with --open it is a page");
        assert!(printed.stderr.contains(&place), "{args}: {}", printed.stderr);
        for format in ["markdown", "csv", "json", "html"] {
            assert!(bench.report(&[log, "--format", format]).len() > 100, "{args}: {format}");
        }
    }
}

//! Counters of the server's cache, in the rows of every command, and those that LMCache's own server has.

use std::io::{Read, Write};
use std::net::TcpListener;

use serde_json::Value;

use super::bench::Bench;

/// What a request finds in LMCache, by its page: every look at it shows so much more.
const FOUND: u64 = 768;

/// A server that shows LMCache's counters, and its address.
#[expect(clippy::disallowed_methods, reason = "a server of its own, which the simulated one does not speak like")]
fn lmcache() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for (looks, stream) in (1..).zip(listener.incoming()) {
            let Ok(mut stream) = stream else { return };
            let mut head = [0; 4096];
            let _ = stream.read(&mut head);
            let page = format!("lmcache_mp_lookup_hit_tokens_total {}\n", FOUND * looks);
            let length = page.len();
            let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{page}");
        }
    });
    url
}

#[test]
fn sweep_and_prompts_prove_by_the_counters_what_the_answer_leaves_out() {
    let bench = Bench::new("instant", &["cached_tokens_null"], 0);
    for (command, log) in
        [("sweep --context_sizes 1000,2000", "all_ttft_results.jsonl"), ("prompts --pairs 10", "prompts.jsonl")]
    {
        let printed = bench.measure(command);
        assert_eq!(printed.code, Some(0), "{}", printed.stderr);
        for row in bench.rows(log).iter().filter(|row| row["role"] == "measure") {
            assert_eq!(row["evidence"]["proof"], "counters", "{command}: {row}");
            assert_eq!(row["evidence"]["found"], row["arm"], "{command}: {row}");
        }
    }
}

#[test]
fn what_lmcaches_own_server_finds_is_in_the_row() {
    let bench = Bench::new("instant", &[], 0);
    let printed = bench.measure(&format!("--max_ctx_tokens 1000 --lmcache_url {}", lmcache()));
    assert_eq!(printed.code, Some(0), "{}", printed.stderr);
    let found: Vec<Value> =
        bench.rows("benchmark.jsonl").iter().map(|row| row["counters"]["lmcache_hit_tokens"].clone()).collect();
    assert_eq!(found, [FOUND, FOUND]);
}

#[test]
fn an_lmcache_that_shows_no_counters_is_said() {
    let bench = Bench::new("instant", &[], 0);
    let printed = bench.measure("--max_ctx_tokens 1000 --lmcache_url http://127.0.0.1:9");
    assert_eq!(printed.code, Some(0), "{}", printed.stderr);
    assert!(printed.stderr.contains("shows no /metrics, so what LMCache finds is not counted"), "{}", printed.stderr);
}

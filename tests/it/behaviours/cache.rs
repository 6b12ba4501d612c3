//! Caches that are not what they seem.

use crate::bench::verify::QUICK;

/// All parts of a map but the one that is looked at.
const SKIPPED: &str = "replicas,semantics,block,fill,tiers";

behaviours! {
    28 truncates "long prompts are cut in silence" ["--fault truncates_prompt=100"]
    "the server's count says so, and the report" |server| {
        let seen = server.run("");
        seen.is_ok();
        assert!(seen.printed.says("The server counted 100 prompt tokens for a document of 400"), "{}", seen.printed.stdout);
    };
    29 replicas "replicas that take turns" ["--fault replica_flip=2"]
    "a replay that missed is cold by the server's word, and the verdict names the replicas" |server| {
        let seen = server.run("--num_following 3");
        let found: Vec<&str> = seen.rows.iter().filter_map(|row| row["evidence"]["found"].as_str()).collect();
        assert_eq!(found, ["cold", "cold", "hit", "hit"]);
        let told = super::super::bench::verify::verify(&super::super::bench::Bench::new(QUICK, &["replica_flip=2"], 0), &[]);
        assert!(told.says("several replicas"), "{}", told.stdout);
    };
    30 async_store "a store that takes two seconds" ["--fault async_store=2000"]
    "a replay at once is cold; the map finds the delay" |server| {
        let seen = server.run("");
        assert_eq!(seen.rows[1]["evidence"]["found"], "cold", "{}", seen.rows[1]);
        let told = server.ttft(&format!("map --yes --skip {SKIPPED}"));
        let delay = server.map()["write_back_seconds"]["interval"].clone();
        let (low, high) = (delay[0].as_f64(), delay[1].as_f64());
        assert!(low.is_some_and(|low| low <= 2.0) && high.is_some_and(|high| high >= 2.0), "{delay}: {}", told.stdout);
    };
    31 salt "a salt that keeps nothing apart" ["--fault salt_ignored"]
    "another salt finds our document, and the map says so" |server| {
        let sharing = |of: &super::Server| {
            of.ttft(&format!("map --yes --skip {SKIPPED},delay --identities cache_salt"));
            of.map()["sharing"]["value"].clone()
        };
        assert_eq!(sharing(server), "cache_salt");
        assert_eq!(sharing(&super::Server::start("--flavor vllm")), "none");
    };
    32 reset_lies "a reset that says success and resets nothing" ["--fault reset_lies"]
    "a canary that is still cached says so; the flush achieved nothing" |server| {
        let seen = server.run("--flush reset");
        assert!(seen.printed.stderr.contains("answered 200 and reset nothing"), "{}", seen.printed.stderr);
        assert_eq!(seen.rows[1]["flush"]["achieved"], "still_cached");
    };
}

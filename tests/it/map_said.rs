//! What a server says of its own cache stands beside what `ttft map` found, and a disagreement is shown.

use serde_json::Value;
use ttft::sim::server::{Sim, SimConfig};

use super::bench::{Bench, Printed};

const QUICK: &str =
    "7b,template=20,base=1ms,per_token=2us,quadratic=0ns,decode=0ns,noise=0.03,jitter=0ns,block_size=16";
const FLAGS: &str = "map --yes --context_tokens 512 --skip replicas,semantics,tiers,delay --max_fill_tokens 300k";

fn bench(flavor: &str, profile: &str, faults: &[&str]) -> Bench {
    let config = SimConfig {
        profile: format!("{QUICK},{profile}").parse().expect("a profile"),
        flavor: flavor.parse().expect("a flavour"),
        faults: faults.iter().map(|fault| fault.parse().expect("a fault")).collect(),
        ..SimConfig::default()
    };
    Bench { sim: Sim::start(config).expect("a server"), folder: tempfile::tempdir().expect("a folder") }
}

fn mapped(bench: &Bench, more: &str) -> Printed {
    let printed = bench.measure(&format!("{FLAGS} {more}"));
    assert_eq!(printed.code, Some(0), "{}{}", printed.stdout, printed.stderr);
    printed
}

fn note(bench: &Bench) -> Value {
    bench.rows("map.jsonl")[0]["conditions"]["map"].clone()
}

const WHY: &str = "believe neither before you know why";

#[test]
fn vllms_configuration_agrees_or_is_contradicted() {
    let honest = mapped(&bench("vllm", "capacity=20k", &[]), "");
    assert!(honest.says("The server's own block size, 16 tokens, agrees with what was found."), "{}", honest.stdout);
    assert!(honest.says("The server's own capacity, 20,000 tokens, agrees with what was found."), "{}", honest.stdout);
    let lying = mapped(&bench("vllm", "capacity=20k", &["config_lies"]), "");
    let said = format!("The server says that its capacity is 40,000 tokens, and 20,000 were found; {WHY}.");
    assert!(lying.says(&said), "{}", lying.stdout);
}

#[test]
fn sglang_tells_its_own_memory_and_the_hosts_behind_it() {
    let bench = self::bench("sglang", "capacity=10k,tier2=20k,tier2_load=1us", &[]);
    let printed = mapped(&bench, "");
    let note = note(&bench);
    let said = |key: &str| note[key].as_u64();
    assert_eq!((said("said_capacity_tokens"), said("said_host_tokens")), (Some(10_000), Some(20_000)), "{note}");
    assert!(
        printed.says("The server's own capacity with its host memory, 20,000 tokens, agrees"),
        "{}",
        printed.stdout
    );
    let lying = mapped(&self::bench("sglang", "capacity=10k,tier2=20k,tier2_load=1us", &["config_lies=3"]), "");
    assert!(lying.says("its capacity with its host memory is 60,000 tokens, and 20,0"), "{}", lying.stdout);
}

#[test]
fn lmcaches_own_server_is_asked_for_its_chunks_and_its_memory() {
    let profile = "block_size=256,capacity=10240,tier2=20480,tier2_load=1us";
    for (faults, expected) in [
        (&[][..], "The server's own capacity with LMCache, 20,480 tokens, agrees with what was found."),
        (&["config_lies=3"], "its capacity with LMCache is 61,440 tokens, and 20,"),
    ] {
        let bench = bench("vllm", profile, faults);
        let lmcache = bench.sim.base_url().replace("/v1", "/lmcache/v1");
        let printed = mapped(&bench, &format!("--lmcache_url {lmcache}"));
        assert!(printed.says("LMCache says that it keeps chunks of 256 tokens in"), "{}", printed.stdout);
        assert!(printed.says(expected), "{faults:?}: {}", printed.stdout);
        assert_eq!(printed.says(WHY), !faults.is_empty(), "{}", printed.stdout);
        assert_eq!(note(&bench)["said_lmcache"]["chunk_tokens"], 256);
    }
}

#[test]
fn an_lmcache_that_tells_nothing_of_itself_is_said() {
    let bench = bench("vllm", "capacity=10k", &[]);
    let printed = mapped(&bench, "--lmcache_url http://127.0.0.1:9");
    assert!(
        printed.stderr.contains("shows no /status of LMCache, so its own word is not compared"),
        "{}",
        printed.stderr
    );
    assert_eq!(note(&bench)["said_lmcache"], Value::Null);
}

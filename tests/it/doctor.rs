//! `ttft doctor` against every flavour of the simulated endpoint: nothing it says may be false.

use std::process::Command;

use ttft::sim::flavor::FLAVORS;
use ttft::sim::server::{Sim, SimConfig};

/// The page, with times and ports taken out.
fn page(flavor: &str, fault: Option<&str>) -> (Option<i32>, String) {
    page_of("7b,noise=0", flavor, fault, &[])
}

fn page_of(profile: &str, flavor: &str, fault: Option<&str>, variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut config = SimConfig { profile: profile.parse().unwrap(), ..SimConfig::default() };
    config.flavor = flavor.parse().unwrap();
    config.faults = fault.into_iter().map(|fault| fault.parse().unwrap()).collect();
    let sim = Sim::start(config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ttft"));
    for proxy in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        command.env_remove(proxy);
    }
    let (cache, port) = (tempfile::tempdir().unwrap(), sim.addr().port().to_string());
    command.env("HF_HUB_OFFLINE", "1").env("HF_HOME", cache.path()).envs(variables.iter().copied());
    let output = command
        .args(["doctor", "--api_base", &sim.base_url(), "--nonce", "00112233445566778899aabbccddeeff"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap().replace(&port, "PORT");
    let words = text.split_inclusive(' ').collect::<Vec<_>>();
    let is_time = |nth: usize| words.get(nth + 1).is_some_and(|next| next.trim_end() == "ms");
    let hidden =
        words.iter().enumerate().map(|(nth, word)| match word.rsplit_once(|c: char| c.is_whitespace() && c != ' ') {
            _ if is_time(nth) && word.trim_end().parse::<u64>().is_ok() => "N ".to_owned(),
            _ if is_time(nth) => word.trim_end_matches(|c: char| c.is_ascii_digit() || c == ' ').to_owned() + "N ",
            _ => (*word).to_owned(),
        });
    (output.status.code(), hidden.collect())
}

#[test]
fn ten_flavours_have_their_pages() {
    let pages = FLAVORS.map(|(_, name, _)| {
        let (code, page) = page(name, None);
        assert_eq!(code, Some(0), "{name}: {page}");
        format!("== {name}\n{page}")
    });
    insta::assert_snapshot!(pages.join("\n"));
}

#[test]
fn what_is_wrong_is_said() {
    for (fault, said) in [
        ("buffered", "wrong   buffering"),
        ("cached_tokens_max", "wrong   cached_tokens"),
        ("cached_tokens_null", "--enable-prompt-tokens-details"),
        ("no_metrics", "missing counters"),
        ("no_tokenize", "missing tokenizer"),
        ("rst_on_reuse", "wrong   keep-alive"),
        ("early_role=100", "ms before the first token: a client that stops its clock there"),
    ] {
        let (_, page) = page("vllm", Some(fault));
        assert!(page.contains(said), "{fault}: {page}");
    }
}

#[test]
fn a_proxy_of_the_environment_is_named_and_not_used() {
    // Nobody listens on the discard port: whoever used this proxy would get no answer.
    let variables = [("HTTP_PROXY", "http://127.0.0.1:9"), ("all_proxy", "http://127.0.0.1:9")];
    let (code, page) = page_of("7b,noise=0", "vllm", None, &variables);
    assert_eq!(code, Some(0), "{page}");
    assert!(page.contains("ok      proxy         HTTP_PROXY, all_proxy set and not used"), "{page}");
}

#[test]
fn an_engine_that_asks_an_outer_tier_is_not_told_to_start_one() {
    let (code, page) = page_of("7b,noise=0,tier2=1m", "vllm", None, &[]);
    assert_eq!(code, Some(0), "{page}");
    assert!(page.contains("ok      outer tier    the engine asks one"), "{page}");
}

#[test]
fn the_page_empties_no_cache() {
    for flavor in ["vllm", "sglang"] {
        let (_, page) = page(flavor, None);
        assert!(page.contains("is there and was not tried") && page.contains("ok      hit"), "{page}");
    }
}

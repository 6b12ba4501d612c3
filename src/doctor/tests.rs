//! Lines that the simulated endpoint cannot bring about.

use super::*;

fn sample(arm: &str, cached: u64) -> Sample {
    let row = serde_json::json!({
        "trial": 1, "arm": arm, "role": "measure", "outcome": "ok", "body_bytes": 1, "sent_ns": 0,
        "first_byte_ns": 900_000_000_u64, "first_token_ns": 900_000_000_u64, "last_token_ns": 990_000_000_u64,
        "token_events": 4, "usage": { "prompt_tokens": 1_535, "cached_tokens": cached },
    });
    serde_json::from_value(row).unwrap()
}

fn seen(engine: Option<Engine>) -> Seen {
    Seen {
        url: "http://localhost:8000/v1".to_owned(),
        addresses: vec![("127.0.0.1:8000".parse().unwrap(), true)],
        proxy: None,
        proxy_variables: Vec::new(),
        models: 1,
        model: "m".to_owned(),
        context: Some((32_768, "/models")),
        engine,
        tokenizer: Some("t".to_owned()),
        has_counters: true,
        asks_outside: None,
        has_reset: None,
        document_tokens: 1_500,
        cold: sample("cold", 0),
        replay: sample("hit", 1_520),
    }
}

/// The line about `about`.
fn line(seen: &Seen, about: &str) -> String {
    let page = page(seen);
    page.iter().find(|line| line.about == about).unwrap_or_else(|| panic!("no line about {about}")).to_string()
}

#[test]
fn an_address_that_nobody_listens_on_is_wrong_and_two_that_answer_are_not() {
    let both = |v6| vec![("127.0.0.1:8000".parse().unwrap(), true), ("[::1]:8000".parse().unwrap(), v6)];
    let said = line(&Seen { addresses: both(false), ..seen(None) }, "addresses");
    assert!(said.starts_with("wrong   addresses     127.0.0.1, ::1 (nobody listens)"), "{said}");
    assert!(said.ends_with("name 127.0.0.1 instead of the host"), "{said}");
    assert_eq!(
        line(&Seen { addresses: both(true), ..seen(None) }, "addresses"),
        "ok      addresses     127.0.0.1, ::1"
    );
}

#[test]
fn with_a_proxy_the_addresses_are_its_own() {
    let seen = Seen { proxy: Some("proxy:3128".to_owned()), ..seen(None) };
    assert!(line(&seen, "addresses").contains("of the proxy: 127.0.0.1"));
    assert!(line(&seen, "proxy").contains("through proxy:3128, by --proxy"));
}

#[test]
fn a_connection_is_kept_or_closed_or_breaks() {
    assert!(line(&seen(None), "keep-alive").starts_with("ok "));
    let mut closes = seen(None);
    closes.replay.stamps.dial_ns = Some(1);
    assert!(line(&closes, "keep-alive").starts_with("missing keep-alive    the server closes after an answer"));
    let mut breaks = seen(None);
    breaks.replay.outcome = crate::sample::Outcome::Truncated;
    assert!(line(&breaks, "keep-alive").starts_with("wrong   keep-alive    a second request on a connection ended as"));
}

#[test]
fn a_reset_is_there_or_missing_or_not_known() {
    let of = |has_reset| line(&Seen { has_reset, ..seen(Some(Engine::Vllm)) }, "reset");
    assert!(of(Some(true)).starts_with("ok      reset         /reset_prefix_cache is there and was not tried"));
    assert!(
        of(Some(false))
            .starts_with("missing reset         no /reset_prefix_cache; start vLLM with VLLM_SERVER_DEV_MODE")
    );
    assert!(of(None).starts_with("ok      reset         none was tried"));
}

#[test]
fn an_outer_tier_is_told_apart_from_none_and_from_silence() {
    let of = |asks_outside| line(&Seen { asks_outside, ..seen(Some(Engine::Vllm)) }, "outer tier");
    assert!(of(Some(true)).starts_with("ok      outer tier    the engine asks one"));
    assert!(of(Some(false)).starts_with("missing outer tier    the engine asks none; LMCache: "));
    assert!(of(None).starts_with("missing outer tier    the server does not tell of one; LMCache: "));
    let mut seen = seen(Some(Engine::Vllm));
    seen.replay.usage.as_mut().unwrap().external_cached_tokens = Some(1_280);
    assert!(line(&seen, "outer tier").starts_with("ok      outer tier    1280 tokens of a replay came from one"));
}

#[test]
fn flags_that_no_engine_has_are_not_named() {
    let all = [Engine::Vllm, Engine::Sglang, Engine::LlamaCpp].map(|engine| {
        let mut seen = Seen { asks_outside: Some(false), has_counters: false, ..seen(Some(engine)) };
        seen.replay.usage.as_mut().unwrap().cached_tokens = None;
        page(&seen).iter().map(ToString::to_string).collect::<String>()
    });
    assert!(!all.concat().contains("--lmcache"), "{all:?}");
}

//! What storing costs, and after how many reuses it is paid back.

use ttft::plan::cache_off::CacheOff;
use ttft::sample::Sample;
use ttft::verdict::{Claim, StorePenalty, Storing, Verdict};
use ttft::verify::Design;

use super::server::{CALM, OFF, ROOMY, Server, cost, design, run};

/// 300 ms cold without storing, 100 ms on a hit, and so much to store.
fn server(store_ms: f64) -> Server {
    Server { store_ns_per_token: store_ms * 1e6 / 4_136.0, ..Server::new(ROOMY, cost(3.0), CALM, 1) }
}

fn session(server: &mut Server, cache_off: bool) -> (Vec<Sample>, Verdict) {
    let design = Design { cache_off, ..design(20, 1) };
    let rule = design.rule.clone();
    let samples = run(design, server);
    let verdict = Verdict::of(&samples, &rule);
    (samples, verdict)
}

fn costs(samples: &[Sample], earlier: Option<&CacheOff>) -> StorePenalty {
    match Storing::of(samples, earlier) {
        Some(Storing::Costs(store)) => store,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_penalty_of_a_tenth_is_found_beside_cold_without_the_cache_and_one_reuse_pays_it() {
    let (samples, verdict) = session(&mut server(30.0), true);
    assert_eq!(verdict.claim, Claim::Helps);
    assert!(verdict.control.unwrap().is_passed(), "what leaves the cache alone is no part of the control");
    let store = costs(&samples, None);
    assert!(store.is_seen() && store.is_off_shown, "{store:?}");
    assert!((1.06..1.14).contains(&store.ratio.value), "{store:?}");
    assert_eq!(store.paid_back_after(), Some(1));
}

#[test]
fn a_large_penalty_takes_several_reuses() {
    let store = costs(&session(&mut server(500.0), true).0, None);
    assert!(matches!(store.paid_back_after(), Some(2..=3)), "500 ms at 200 ms a reuse: {store:?}");
}

#[test]
fn without_a_penalty_none_is_claimed() {
    let store = costs(&session(&mut server(0.0), true).0, None);
    assert!(!store.is_seen(), "{store:?}");
}

#[test]
fn fields_that_switch_nothing_off_are_seen_through() {
    let (samples, _) = session(&mut Server { can_be_off: false, ..server(30.0) }, true);
    assert!(samples.iter().filter(|s| s.place.cache_off).count() == 1, "one replay shows it");
    assert_eq!(Storing::of(&samples, None), Some(Storing::NeverOff));
}

#[test]
fn an_earlier_session_with_the_cache_off_shows_it_too() {
    let off = Server::new(OFF, cost(3.0), CALM, 2);
    let (before, _) = session(&mut Server { store_ns_per_token: 0.0, ..off }, false);
    let cold_ns = before.iter().filter(|s| s.place.pair.is_some()).filter_map(Sample::ttft_ns).collect();
    let earlier = CacheOff { path: "off.jsonl".into(), started_at: "2026-01-01T00:00:00Z".into(), cold_ns };
    let (samples, _) = session(&mut server(30.0), false);
    let store = costs(&samples, Some(&earlier));
    assert!(store.is_seen() && (1.06..1.14).contains(&store.ratio.value), "{store:?}");
    assert_eq!((store.log.as_deref(), store.paid_back_after()), (Some("off.jsonl"), Some(1)));
    assert_eq!(Storing::of(&samples, None), None, "nobody asked");
}

//! Servers without a cache, with failures, with part of an answer: what the machine does, and what the map says.

use proptest::prelude::*;
use ttft::cachemap::{Confidence, Design, Map, Semantics, Step, Words};
use ttft::plan::map::Stage;
use ttft::sim::cache::{Evict, Policy, Semantics as Kept};

use super::server::{Server, Setting, design, map_of, noise};

#[test]
fn without_a_cache_nothing_is_claimed() {
    let (found, server) = map_of(&Setting::new(0, 16, Policy::Lru), 1_024, 1);
    assert_eq!((found.block_size.value, found.capacity_tokens.value), (None, None));
    assert!(server.requests < 100, "{}", server.requests);
    assert!(found.not_identified.value.unwrap().iter().any(|reason| reason.property == "capacity_tokens"));
}

#[test]
fn a_log_leads_to_the_same_map_and_goes_on_where_it_was_cut() {
    let setting = Setting { fails_every: Some(97), ..Setting::new(30_000, 16, Policy::Lru) };
    let mut server = Server::new(setting.clone(), 5);
    let (found, samples) = server.run(design(512, 5));
    assert_eq!(Map::of(design(512, 5), &samples), found);
    for cut in [1, 20, 100, samples.len() - 1] {
        let (mut map, taken) = Map::resumed(design(512, 5), &samples[..cut]);
        assert_eq!(taken, cut);
        for sample in &samples[cut..] {
            assert_eq!(map.next_probe().unwrap().place(), sample.place);
            map.observe(sample);
        }
        assert_eq!(map.next_probe(), None);
        assert_eq!(*map.found(), found);
    }
}

#[test]
fn a_map_that_is_cut_short_says_so_and_keeps_its_bounds() {
    let mut server = Server::new(Setting::new(200_000, 16, Policy::Lru), 2);
    let (_, samples) = server.run(design(1_024, 2));
    let found = Map::of(design(1_024, 2), &samples[..250]);
    assert_eq!(found.capacity_tokens.value, None);
    let (low, high) = found.capacity_tokens.interval.expect("a bound");
    assert!(low > 8_000.0 && low < 200_000.0 && high.is_none(), "{low}");
    assert!(found.not_identified.value.unwrap().iter().any(|reason| reason.why.contains("ended before")));
}

#[test]
fn words_that_are_more_than_a_token_are_found_by_what_answers_count() {
    for long_words in [vec![], vec![3], vec![0, 1, 2, 63, 64, 200, 201, 202, 500, 511]] {
        let setting = Setting { long_words: long_words.clone(), ..Setting::new(30_000, 16, Policy::Lru) };
        let design = Design { check_words: true, ..design(512, 5) };
        let mut server = Server::new(setting, 5);
        let (found, samples) = server.run(design.clone());
        let expected = long_words.iter().map(|word| ttft::document::listed(*word..word + 1)).collect();
        assert_eq!(found.words, Some(Words::Checked { left_out: expected }));
        assert_eq!(found.capacity_tokens.value, Some(30_000), "what was sent to learn of words takes room as well");
        for cut in [0, 5, samples.len() / 2] {
            let (map, taken) = Map::resumed(design.clone(), &samples[..cut]);
            assert_eq!((taken, map.found().words.is_some()), (cut, cut > 60));
        }
    }
}

#[test]
fn without_the_block_size_no_capacity_is_called_exact() {
    // No multiple of the block that is then thought to be the likeliest.
    let truth = 60_000 / 64 * 64;
    let mut server = Server::new(Setting::new(truth, 64, Policy::Lru), 1);
    let (found, _) =
        server.run(Design { skip: vec![Stage::Block, Stage::Semantics, Stage::Tiers], ..design(1_024, 1) });
    let (low, high) = found.capacity_tokens.interval.expect("an interval");
    assert!(low <= truth as f64 && truth as f64 <= high.unwrap(), "{:?}", found.capacity_tokens);
    assert_eq!(found.capacity_tokens.confidence, Some(Confidence::B), "{:?}", found.capacity_tokens);
}

#[test]
fn without_any_count_of_tokens_lengths_are_words() {
    let setting = Setting { counts_prompt: false, counts: false, ..Setting::new(30_000, 16, Policy::Lru) };
    let (found, _) = Server::new(setting, 5).run(Design { check_words: true, ..design(512, 5) });
    assert_eq!(found.words, Some(Words::Uncounted));
}

#[test]
fn where_nearly_all_words_are_longer_none_is_left_out() {
    let setting = Setting { long_words: (0..480).collect(), ..Setting::new(30_000, 16, Policy::Lru) };
    let (found, _) = Server::new(setting, 5).run(Design { check_words: true, ..design(512, 5) });
    assert_eq!(found.words, Some(Words::TooFew));
}

#[test]
fn replicas_without_a_pin_end_the_map() {
    let setting = Setting { replicas: 3, ..Setting::new(60_000, 16, Policy::Lru) };
    let (found, _) = map_of(&setting, 1_024, 4);
    assert_eq!(found.replicas.value, Some(3));
    assert_eq!(found.capacity_tokens.value, None);
    assert!(found.not_identified.value.unwrap().iter().all(|reason| reason.why.contains("--pin")));
}

#[test]
fn other_semantics_are_told_apart() {
    for (kept, expected) in [
        (Kept::Prefix, Semantics::Prefix),
        (Kept::RequestEnd, Semantics::RequestEnd),
        (Kept::Units, Semantics::Units),
        (Kept::NonPrefix, Semantics::NonPrefix),
    ] {
        for counts in [true, false] {
            let mut setting = Setting { counts, ..Setting::new(300_000, 16, Policy::Lru) };
            setting.cache.semantics = kept;
            let (found, _) = map_of(&setting, 2_048, 7);
            assert_eq!(found.semantics.value, Some(expected), "{kept:?} {counts} {:?}", found.semantics);
        }
    }
}

#[test]
fn a_write_back_is_waited_for_and_measured() {
    let mut setting = Setting::new(60_000, 16, Policy::Lru);
    setting.cache.tiers[0].write_back_ns = 700_000_000;
    let (found, _) = map_of(&setting, 1_024, 1);
    let (low, high) = found.write_back_seconds.interval.unwrap();
    assert!(low <= 0.7 && 0.7 <= high.unwrap() + 0.2, "{:?}", found.write_back_seconds);
    assert_eq!(found.capacity_tokens.value, Some(60_000), "{:?}", found.capacity_tokens);
}

#[test]
fn a_lifetime_is_bracketed() {
    let mut setting = Setting::new(300_000, 16, Policy::Lru);
    setting.cache.tiers[0].ttl_ns = Some(60_000_000_000);
    let mut server = Server::new(setting, 1);
    let (found, _) = server.run(Design { ttl_ns: Some(300_000_000_000), ..design(512, 1) });
    let (low, high) = found.ttl_seconds.interval.expect("a bracket");
    assert!(low <= 60.0 && 60.0 <= high.unwrap(), "{:?}", found.ttl_seconds);
}

#[test]
fn whether_a_use_starts_a_lifetime_anew_is_told() {
    for (slides, said) in [(true, "starts the time anew"), (false, "does not start it anew")] {
        let mut setting = Setting::new(300_000, 16, Policy::Lru);
        setting.cache.tiers[0].ttl_ns = Some(60_000_000_000);
        setting.cache.tiers[0].ttl_slides = slides;
        let mut server = Server::new(setting, 1);
        let (found, _) = server.run(Design { ttl_ns: Some(200_000_000_000), ..design(512, 1) });
        assert!(found.ttl_seconds.evidence.contains(said), "{:?}", found.ttl_seconds);
    }
}

#[test]
fn a_map_that_is_stopped_on_the_ladder_stores_only_what_still_stood_on_it() {
    let mut setting = Setting::new(300_000, 16, Policy::Lru);
    setting.cache.tiers[0].ttl_ns = Some(60_000_000_000);
    let design = Design { ttl_ns: Some(200_000_000_000), ..design(512, 1) };
    let mut server = Server::new(setting.clone(), 1);
    let (_, samples) = server.run(design.clone());
    let first = samples.iter().position(|sample| sample.place.stage == Some(Stage::Ttl)).unwrap();
    let whole = samples.len() - first;
    // Killed a few rungs up; the process that goes on begins its time anew, an hour later.
    let cut = first + whole * 7 / 10;
    let mut server = Server::new(setting, 1);
    let (mut map, mut log) = (Map::new(design.clone()), Vec::new());
    while log.len() < cut {
        match map.next() {
            Step::Probe(probe) => {
                let sample = server.serve(&probe);
                map.observe(&sample);
                log.push(sample);
            }
            Step::Wait(span) => server.now += span,
            Step::Done => unreachable!(),
        }
    }
    server.now += 3_600_000_000_000;
    let started = server.now;
    let (mut map, taken) = Map::resumed(design.clone(), &log);
    assert_eq!(taken, cut);
    let mut is_first = true;
    loop {
        match map.next() {
            Step::Probe(probe) => {
                is_first = false;
                let sample = server.serve_for_process(&probe, started);
                map.observe(&sample);
                log.push(sample);
            }
            Step::Wait(span) => server.now += if is_first { 0 } else { span },
            Step::Done => break,
        }
    }
    let found = map.found().clone();
    let (low, high) = found.ttl_seconds.interval.expect("a bracket");
    assert!(low <= 60.0 && 60.0 <= high.unwrap(), "{:?}", found.ttl_seconds);
    assert_eq!(Map::of(design, &log), found);
    assert!(log.len() - first < 2 * whole, "{} of {whole}", log.len() - first);
}

#[test]
fn what_others_store_is_seen_at_two_paces() {
    for policy in [Policy::Lru, Policy::Fifo, Policy::Lfu] {
        for foreign_tokens_per_s in [0, 2_000] {
            let setting = Setting { foreign_tokens_per_s, ..Setting::new(100_000, 16, policy) };
            let (found, _) = map_of(&setting, 1_024, 2);
            let capacity = &found.capacity_tokens;
            if foreign_tokens_per_s == 0 {
                assert_eq!(found.foreign_tokens_per_s, None, "{policy:?} {capacity:?}");
                assert!(capacity.evidence.contains("moved nothing"), "{policy:?} {capacity:?}");
                continue;
            }
            let rate = found.foreign_tokens_per_s.unwrap_or_default();
            assert!((1_000.0..4_000.0).contains(&rate), "{policy:?} {rate} {capacity:?}");
            assert_eq!(capacity.confidence, Some(Confidence::C), "{policy:?}");
            let (low, high) = capacity.interval.unwrap();
            assert!(low < 100_000.0 && high.unwrap() > 100_000.0, "{policy:?} {capacity:?}");
        }
    }
}

#[test]
fn identities_that_share_nothing_are_told() {
    let mut server = Server::new(Setting::new(60_000, 16, Policy::Lru), 1);
    let design = Design { identities: vec!["cache_salt".to_owned()], ..design(512, 1) };
    let (found, _) = server.run(design);
    assert_eq!(found.sharing.value.as_deref(), Some("none"), "{:?}", found.sharing);
}

#[test]
fn a_shortest_prefix_is_found() {
    let mut setting = Setting::new(200_000, 128, Policy::Lru);
    setting.cache.min_prefix_tokens = 1_024;
    let (found, _) = map_of(&setting, 2_048, 3);
    assert_eq!((found.block_size.value, found.min_prefix_tokens.value), (Some(128), Some(1_024)));
}

#[test]
fn what_the_clock_cannot_tell_is_refused() {
    let mut setting = Setting { counts: false, noise: noise(0.6, 0.0), ..Setting::new(200_000, 16, Policy::Lru) };
    setting.cost.per_token_ns = 10_000.0;
    let mut server = Server::new(setting, 3);
    let (found, _) = server.run(Design { most_words: 4_096, ..design(1_024, 3) });
    assert_eq!(found.capacity_tokens.value, None);
    let reasons = found.not_identified.value.unwrap();
    assert!(reasons.iter().any(|r| r.property == "capacity_tokens" && r.why.contains("would do")), "{reasons:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(
        std::env::var("TTFT_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(24)
    ))]

    #[test]
    fn whatever_the_cache_no_wrong_answer_is_called_certain(
        (capacity, block) in (0..120_000_u64, prop::sample::select(vec![1, 7, 16, 64, 100, 256, 528])),
        policy in prop::sample::select(vec![Policy::Lru, Policy::Fifo, Policy::Lfu, Policy::Slru, Policy::NoAdmit, Policy::Random]),
        (sigma, outliers) in (0.0..0.15_f64, 0.0..0.08_f64),
        (counts, document, template) in (any::<bool>(), any::<bool>(), 0..60_u64),
        fails_every in prop::option::of(5..200_u64),
        seed in any::<u64>(),
    ) {
        let capacity = capacity / block * block;
        let mut setting = Setting {
            noise: noise(sigma, outliers), counts, template_tokens: template, fails_every,
            ..Setting::new(capacity, block, policy)
        };
        if document {
            setting.cache.tiers[0].evict = Evict::Document;
        }
        let (found, _) = map_of(&setting, 1_024, seed);
        if found.block_size.confidence == Some(Confidence::A) {
            prop_assert_eq!(found.block_size.value, Some(block));
        }
        let capacity_found = &found.capacity_tokens;
        if let (Some(_), Some(Confidence::A), Some((low, high))) = (capacity_found.value, capacity_found.confidence, capacity_found.interval) {
            let truth = capacity as f64;
            prop_assert!(low <= truth && high.is_none_or(|high| truth <= high), "{:?} is not {}", capacity_found, capacity);
        }
    }
}

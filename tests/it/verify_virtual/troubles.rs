//! Servers that lie, forget, fail or need patience: what the machine does, and what the verdict says of it.

use ttft::exit::Exit;
use ttft::plan::{Arm, Role};
use ttft::sample::Sample;
use ttft::sim::cache::{Cache, CacheSpec, TierSpec};
use ttft::verdict::{Caveat, Claim, Proof, Verdict};
use ttft::verify::Design;

use super::server::{
    BLOCK_TOKENS, CALM, Counts, DOCUMENT_TOKENS, OFF, ROOMY, Server, cost, design, hits, run, verdict_of,
};

fn has(verdict: &Verdict, is_it: fn(&Caveat) -> bool) -> bool {
    verdict.caveats.iter().any(is_it)
}

#[test]
fn a_good_server_helps_with_grade_a_and_nothing_to_warn_of() {
    let verdict = verdict_of(&mut Server::good(), 1);
    assert_eq!((verdict.claim, verdict.grade.letter, verdict.exit(None)), (Claim::Helps, 'A', Exit::Ok));
    assert_eq!(verdict.caveats, []);
    assert_eq!(verdict.trust.hit_proof, Proof::CachedTokens);
    assert_eq!(verdict.among_hits, None);
    let comparison = verdict.comparison.unwrap();
    assert!((2.7..3.3).contains(&comparison.ratio.value), "{comparison:?}");
    assert!(comparison.saved_ns() > 0 && comparison.cold_ns > comparison.hit_ns);
}

#[test]
fn a_load_slower_than_computing_hurts() {
    let disk = TierSpec {
        capacity_tokens: ROOMY,
        block_tokens: BLOCK_TOKENS,
        load_ns_per_token: 100_000.0,
        ..TierSpec::default()
    };
    let spec = CacheSpec { tiers: vec![disk], ..CacheSpec::one_tier(OFF, BLOCK_TOKENS) };
    let verdict = verdict_of(&mut Server::with_cache(spec, cost(3.0), CALM, 1), 1);
    assert_eq!((verdict.claim, verdict.exit(None)), (Claim::Hurts, Exit::Missed));
    assert!(verdict.comparison.unwrap().saved_ns() < 0);
}

#[test]
fn a_server_that_does_not_count_is_judged_by_the_clock_and_told_so() {
    let verdict = verdict_of(&mut Server { counts: Counts::Never, ..Server::good() }, 1);
    assert_eq!((verdict.claim, verdict.grade.letter), (Claim::Helps, 'B'));
    assert_eq!((verdict.trust.cold_proof, verdict.trust.hit_proof), (Proof::Timing, Proof::Timing));
    assert_eq!(verdict.caveats, [Caveat::NotCounted]);
}

#[test]
fn counters_prove_hits_where_answers_do_not_count() {
    let verdict = verdict_of(&mut Server { counts: Counts::Never, counters: Some(0), ..Server::good() }, 1);
    assert_eq!((verdict.claim, verdict.grade.letter), (Claim::Helps, 'A'));
    assert_eq!((verdict.trust.cold_proof, verdict.trust.hit_proof), (Proof::Counters, Proof::Counters));
    assert_eq!(verdict.trust.hits, Some(verdict.trust.replays));
}

#[test]
fn counters_that_others_move_prove_nothing_and_the_others_are_named() {
    let verdict = verdict_of(&mut Server { counts: Counts::Never, counters: Some(1_000), ..Server::good() }, 1);
    assert_eq!((verdict.claim, verdict.grade.letter), (Claim::Helps, 'C'));
    assert_eq!((verdict.trust.hit_proof, verdict.trust.hits), (Proof::Timing, None));
    assert!(has(&verdict, |c| matches!(c, Caveat::Company { requests: 40.. })), "{:?}", verdict.caveats);
}

#[test]
fn counters_that_contradict_the_answers_are_shown() {
    let verdict = verdict_of(&mut Server { counts: Counts::Zero, counters: Some(0), ..Server::good() }, 1);
    assert!(has(&verdict, |c| matches!(c, Caveat::CountsDisagree { requests: 10.. })), "{:?}", verdict.caveats);
    assert_eq!(verdict.grade.letter, 'C');
}

#[test]
fn a_server_that_counts_everything_as_cached_is_stopped_within_three_requests() {
    let mut server = Server { counts: Counts::Everything, ..Server::good() };
    let design = design(160, 1);
    let rule = design.rule.clone();
    let samples = run(design, &mut server);
    assert!(samples.len() <= 3, "{} requests", samples.len());
    let verdict = Verdict::of(&samples, &rule);
    assert_eq!((verdict.claim, verdict.exit(None)), (Claim::Inconclusive, Exit::Inconclusive));
    assert!(verdict.caveats[0].to_string().starts_with("cold is not cold: 2 new documents"), "{}", verdict.caveats[0]);
}

#[test]
fn a_second_run_with_the_first_ones_documents_is_stopped() {
    let mut server = Server::good();
    verdict_of(&mut server, 1);
    let verdict = verdict_of(&mut server, 2);
    assert!(has(&verdict, Caveat::is_void), "{:?}", verdict.caveats);
    assert_eq!(verdict.exit(None), Exit::Inconclusive);
}

#[test]
fn a_server_that_counts_nothing_while_it_saves_time_is_contradicted() {
    let verdict = verdict_of(&mut Server { counts: Counts::Zero, ..Server::good() }, 1);
    assert_eq!((verdict.claim, verdict.grade.letter), (Claim::Helps, 'C'));
    assert_eq!(verdict.caveats, [Caveat::SavedButNotCounted]);
}

#[test]
fn hits_that_save_nothing_are_contradicted() {
    let verdict = verdict_of(&mut Server::new(ROOMY, cost(1.0), CALM, 1), 1);
    assert_eq!((verdict.claim, verdict.exit(None)), (Claim::NoMaterialEffect, Exit::Missed));
    assert_eq!(verdict.caveats, [Caveat::CountedButNotSaved]);
}

#[test]
fn two_replicas_show_in_the_share_of_hits_and_both_effects_are_given() {
    let mut server = Server::good();
    server.replicas.push(Cache::new(CacheSpec::one_tier(ROOMY, BLOCK_TOKENS), 2).unwrap());
    let verdict = verdict_of(&mut server, 1);
    assert!(has(&verdict, |c| matches!(c, Caveat::HitsMissed { .. })), "{:?}", verdict.caveats);
    assert_eq!(verdict.grade.letter, 'C');
    let among_hits = verdict.among_hits.unwrap().value;
    assert!((2.6..3.4).contains(&among_hits), "{among_hits}");
    assert!(verdict.comparison.unwrap().ratio.value < 2.6);
}

#[test]
fn where_three_documents_do_not_fit_every_replay_follows_its_own_prime() {
    let mut server = Server::new(2 * (DOCUMENT_TOKENS + 2 * BLOCK_TOKENS), cost(3.0), CALM, 1);
    for counts in [Counts::Truly, Counts::Never] {
        server.counts = counts;
        server.replicas[0].clear(1);
        let verdict = verdict_of(&mut server, 1);
        assert_eq!(verdict.claim, Claim::Helps);
        assert!(has(&verdict, |c| matches!(c, Caveat::LittleRoom)), "{:?}", verdict.caveats);
        assert!(verdict.comparison.unwrap().ratio.value > 2.7);
    }
}

#[test]
fn where_the_store_takes_time_every_measured_request_waits_for_it() {
    let late = TierSpec {
        capacity_tokens: ROOMY,
        block_tokens: BLOCK_TOKENS,
        write_back_ns: 1_500_000_000,
        ..TierSpec::default()
    };
    let spec = CacheSpec { tiers: vec![late], ..CacheSpec::one_tier(OFF, BLOCK_TOKENS) };
    let verdict = verdict_of(&mut Server::with_cache(spec, cost(3.0), CALM, 1), 1);
    assert_eq!((verdict.claim, verdict.trust.hits), (Claim::Helps, Some(verdict.trust.replays)));
    assert_eq!(verdict.caveats, [Caveat::StoresLate]);
}

#[test]
fn failed_requests_are_counted_and_their_pairs_measured_again() {
    let verdict = verdict_of(&mut Server { fails_every: Some(17), ..Server::good() }, 1);
    assert_eq!((verdict.claim, verdict.grade.letter), (Claim::Helps, 'C'));
    assert!(has(&verdict, |c| matches!(c, Caveat::Failed { requests: 1.. })), "{:?}", verdict.caveats);
    assert_eq!(verdict.trust.hits, Some(verdict.trust.replays), "a replay of a failed document is no replay");
}

#[test]
fn a_server_that_fails_three_times_running_is_left_alone() {
    let samples = run(design(160, 1), &mut Server { fails_every: Some(1), ..Server::good() });
    assert_eq!(samples.len(), 3);
    let samples = run(design(160, 1), &mut Server { fails_every: Some(2), ..Server::good() });
    assert!(samples.len() <= 40, "{}", samples.len());
}

#[test]
fn a_cache_that_changes_answers_is_reported() {
    let verdict = verdict_of(&mut Server { answers_change: true, ..Server::good() }, 1);
    let changed = |c: &Caveat| matches!(c, Caveat::AnswersDiffer { documents, of } if documents == of && *of >= 10);
    assert!(has(&verdict, changed), "{:?}", verdict.caveats);
}

#[test]
fn no_prompt_ends_on_the_boundary_of_a_block() {
    let samples = run(design(160, 1), &mut Server::good());
    let paired = samples.iter().filter(|s| s.place.pair.is_some());
    assert!(paired.map(|s| s.prompt_tokens().unwrap()).all(|tokens| tokens % BLOCK_TOKENS == BLOCK_TOKENS / 2));
}

#[test]
fn a_new_question_about_a_cached_document_still_hits() {
    let design = Design { asks_anew: true, ..design(20, 1) };
    let samples = run(design, &mut Server::good());
    assert!(hits(&samples).count() >= 10);
    assert!(hits(&samples).all(|s| s.cached_tokens() > Some(DOCUMENT_TOKENS / 2)));
}

#[test]
fn the_order_of_pairs_is_balanced_and_by_lot() {
    let orders = |seed| -> Vec<bool> {
        let samples = run(design(160, seed), &mut Server::new(OFF, cost(3.0), CALM, 1));
        let paired: Vec<&Sample> = samples.iter().filter(|s| s.place.pair.is_some()).collect();
        paired
            .chunks(2)
            .filter(|pair| pair.iter().any(|s| s.arm == Arm::Hit))
            .map(|pair| pair[0].arm == Arm::Cold)
            .collect()
    };
    assert!(orders(1).chunks_exact(2).all(|two| two[0] != two[1]));
    assert_ne!(orders(1)[..10], orders(2)[..10]);
}

#[test]
fn the_control_stands_among_the_first_pairs() {
    let samples = run(design(160, 1), &mut Server::good());
    let measured: Vec<&Sample> = samples.iter().filter(|s| s.role == Role::Measure).collect();
    let (early, late) = measured.split_at(40.min(measured.len()));
    assert_eq!(early.iter().filter(|s| s.arm == Arm::Unseen).count(), 10);
    assert_eq!(late.iter().filter(|s| s.arm == Arm::Unseen).count(), 0);
}

#[test]
fn a_partial_hit_finds_its_share_of_the_prompt() {
    let design = Design { shares: vec![0, 50, 100], ..design(10, 1) };
    let samples = run(design, &mut Server::good());
    for (percent, share) in [(0, 0.0), (50, 0.5), (100, 1.0)] {
        let of_share: Vec<&Sample> = samples.iter().filter(|s| s.place.shared_percent == Some(percent)).collect();
        assert_eq!(of_share.len(), 10);
        for sample in of_share {
            let found = sample.cached_tokens().unwrap() as f64 / sample.prompt_tokens().unwrap() as f64;
            assert!((found - share).abs() < 0.13, "{percent} %: {found}");
        }
    }
}

#[test]
fn a_run_that_is_cut_short_is_judged_by_the_looks_it_reached() {
    let rule = design(160, 1).rule;
    let samples = run(design(160, 1), &mut Server::new(OFF, cost(3.0), CALM, 3));
    let cut = |pairs| {
        let nth_hit = hits(&samples).nth(pairs).unwrap().trial as usize;
        Verdict::of(&samples[..nth_hit], &rule)
    };
    let before = cut(8);
    assert!(before.comparison.is_none() && has(&before, |c| matches!(c, Caveat::NoLook { .. })));
    assert_eq!(before.exit(None), Exit::Inconclusive);
    assert_eq!(cut(14).comparison.unwrap().pairs, 10);
}

#[test]
fn an_expected_ratio_decides_by_the_interval() {
    let verdict = verdict_of(&mut Server::good(), 1);
    let interval = verdict.comparison.as_ref().unwrap().ratio.interval.unwrap();
    assert_eq!(verdict.exit(Some(interval.low - 0.01)), Exit::Ok);
    assert_eq!(verdict.exit(Some(interval.high + 0.01)), Exit::Missed);
    assert_eq!(verdict.exit(Some(f64::midpoint(interval.low, interval.high))), Exit::Inconclusive);
}

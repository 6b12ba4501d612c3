//! Cold by a salt or by a reset: believed with proof, and nothing is measured without.

use ttft::plan::{Arm, ColdBy, Role};
use ttft::sample::Sample;
use ttft::sim::cache::{CacheSpec, TierSpec};
use ttft::verdict::{Caveat, Claim, Verdict};
use ttft::verify::Design;

use super::server::{BLOCK_TOKENS, CALM, Counts, OFF, ROOMY, Server, cost, design, hits, run};

fn session(by: ColdBy, server: &mut Server) -> (Vec<Sample>, Verdict) {
    let design = Design { cold_by: Some(by), ..design(20, 1) };
    let rule = design.rule.clone();
    let samples = run(design, server);
    let verdict = Verdict::of(&samples, &rule);
    (samples, verdict)
}

#[test]
fn a_salt_and_a_reset_that_work_measure_the_same_effect_as_new_text() {
    for by in [ColdBy::Salt, ColdBy::Reset] {
        let (samples, verdict) = session(by, &mut Server::good());
        assert_eq!((verdict.claim, verdict.grade.letter), (Claim::Helps, 'A'), "{by:?}: {:?}", verdict.caveats);
        let comparison = verdict.comparison.unwrap();
        assert!((2.7..3.3).contains(&comparison.ratio.value), "{by:?}: {comparison:?}");
        assert!(hits(&samples).count() >= 10);
        assert!(verdict.control.unwrap().is_passed());
    }
}

#[test]
fn with_resets_one_document_is_measured_cold_and_on_a_hit() {
    let (samples, _) = session(ColdBy::Reset, &mut Server::good());
    let measured = || samples.iter().filter(|s| s.role == Role::Measure);
    assert!(measured().all(|s| s.place.document == measured().next().unwrap().place.document));
    assert!(
        measured().filter(|s| s.arm == Arm::Hit).all(|s| 2 * s.cached_tokens().unwrap() > s.prompt_tokens().unwrap())
    );
    assert!(measured().filter(|s| s.arm != Arm::Hit).all(|s| s.cached_tokens() == Some(0)));
}

#[test]
fn a_reset_that_says_success_and_resets_nothing_is_caught_before_anything_is_measured() {
    let (samples, verdict) = session(ColdBy::Reset, &mut Server { resets: false, ..Server::good() });
    assert!(samples.iter().all(|s| s.role != Role::Measure), "{} requests", samples.len());
    assert_eq!(verdict.claim, Claim::Inconclusive);
    let said = verdict.caveats[0].to_string();
    assert!(said.contains("the reset said success and the canary was still a hit: "), "{said}");
}

#[test]
fn a_reset_of_the_uppermost_tier_alone_is_caught() {
    let tier = TierSpec { capacity_tokens: ROOMY, block_tokens: BLOCK_TOKENS, ..TierSpec::default() };
    let spec = CacheSpec { tiers: vec![tier.clone(), tier], ..CacheSpec::one_tier(OFF, BLOCK_TOKENS) };
    let (_, verdict) = session(ColdBy::Reset, &mut Server::with_cache(spec, cost(3.0), CALM, 1));
    let said = verdict.caveats[0].to_string();
    assert!(said.contains("the canary was still a hit"), "{said}");
}

#[test]
fn a_salt_that_is_ignored_is_caught() {
    let (samples, verdict) = session(ColdBy::Salt, &mut Server { salts: false, ..Server::good() });
    assert!(samples.len() <= 4, "{} requests", samples.len());
    let said = verdict.caveats[0].to_string();
    assert!(said.contains("the server took cache_salt, and 2 documents with a salt of their own came out"), "{said}");
}

#[test]
fn without_evidence_neither_is_believed() {
    for by in [ColdBy::Salt, ColdBy::Reset] {
        let mut blind = Server { counts: Counts::Never, salts: false, resets: false, ..Server::good() };
        let (samples, verdict) = session(by, &mut blind);
        assert!(samples.iter().all(|s| s.role != Role::Measure));
        assert!(matches!(verdict.caveats[0], Caveat::ColdUnproven { is_counted: false, .. }), "{:?}", verdict.caveats);
        assert!(verdict.caveats[0].is_void());
    }
}

#[test]
fn where_nothing_is_cached_nothing_can_prove_a_reset() {
    let (_, verdict) = session(ColdBy::Reset, &mut Server::new(OFF, cost(3.0), CALM, 1));
    assert!(matches!(verdict.caveats[0], Caveat::ColdUnproven { is_counted: true, .. }), "{:?}", verdict.caveats);
}

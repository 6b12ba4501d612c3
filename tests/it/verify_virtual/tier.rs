//! A lower tier is measured as one: behind fillers that push the document out of the tier above, and not out of it.

use ttft::plan::Role;
use ttft::sim::cache::{CacheSpec, TierSpec};
use ttft::verdict::{Caveat, Claim, Verdict};
use ttft::verify::{Design, Tier};

use super::server::{BLOCK_TOKENS, CALM, Counts, DOCUMENT_TOKENS, ROOMY, Server, cost, design, run};

/// Fillers that come to more than the upper tier holds.
const FILLERS: usize = 6;
const UPPER_TOKENS: u64 = 5 * (DOCUMENT_TOKENS + BLOCK_TOKENS);

/// Two tiers: a hit of the upper one takes a third of cold, one of the lower one about two thirds.
fn server(lower_tokens: u64) -> Server {
    let upper = TierSpec { capacity_tokens: UPPER_TOKENS, block_tokens: BLOCK_TOKENS, ..TierSpec::default() };
    let lower = TierSpec { capacity_tokens: lower_tokens, load_ns_per_token: 22_000.0, ..upper.clone() };
    let spec = CacheSpec { tiers: vec![upper, lower], ..CacheSpec::one_tier(ROOMY, BLOCK_TOKENS) };
    Server { counters: Some(0), ..Server::with_cache(spec, cost(3.0), CALM, 1) }
}

fn verdict(server: &mut Server, fillers: usize) -> Verdict {
    let design = Design { tier: Some(Tier { number: 2, fillers }), ..design(40, 1) };
    let rule = design.rule.clone();
    Verdict::of(&run(design, server), &rule)
}

#[test]
fn replays_behind_fillers_come_from_the_lower_tier_and_are_slower() {
    let verdict = verdict(&mut server(ROOMY), FILLERS);
    assert_eq!((verdict.claim, verdict.grade.letter), (Claim::Helps, 'A'), "{:?}", verdict.caveats);
    let ratio = verdict.comparison.unwrap().ratio.value;
    assert!((1.2..2.0).contains(&ratio), "{ratio}");
    let below = verdict.below.unwrap();
    assert_eq!((below.tier, below.outside), (2, Some(below.replays)));
    assert!(below.is_slower && below.filler_tokens > UPPER_TOKENS, "{below:?}");
}

#[test]
fn where_the_server_does_not_tell_tiers_the_clock_does() {
    let verdict = verdict(&mut Server { counters: None, counts: Counts::Never, ..server(ROOMY) }, FILLERS);
    assert_eq!(verdict.claim, Claim::Helps);
    assert!(verdict.below.unwrap().is_slower && verdict.below.unwrap().outside.is_none());
    assert_eq!(verdict.grade.letter, 'B', "{:?}", verdict.caveats);
}

#[test]
fn too_few_fillers_are_named() {
    let verdict = verdict(&mut server(ROOMY), 1);
    assert!(matches!(verdict.caveats[0], Caveat::UpperTier { tier: 2, .. }), "{:?}", verdict.caveats);
    assert_eq!(verdict.grade.letter, 'C');
}

#[test]
fn one_tier_alone_is_no_lower_tier() {
    let design = Design { tier: Some(Tier { number: 2, fillers: FILLERS }), ..design(20, 1) };
    let rule = design.rule.clone();
    let samples = run(design, &mut Server::new(UPPER_TOKENS, cost(3.0), CALM, 1));
    assert!(samples.iter().all(|s| s.role != Role::Measure), "nothing is measured where nothing answers");
    let verdict = Verdict::of(&samples, &rule);
    assert!(matches!(verdict.caveats[..], [Caveat::OutOfReach { tier: 2, .. }]), "{:?}", verdict.caveats);
    assert_eq!(verdict.claim, Claim::Inconclusive);
}

use proptest::prelude::*;

use super::*;
use crate::sim::prompt::Segment;

const SECOND: Nanos = 1_000_000_000;

fn cache(spec: CacheSpec) -> Cache {
    Cache::new(spec, 0).unwrap()
}

fn one_tier(capacity_tokens: u64, block_tokens: u64, policy: Policy) -> Cache {
    let mut spec = CacheSpec::one_tier(capacity_tokens, block_tokens);
    spec.tiers[0].policy = policy;
    cache(spec)
}

fn tiers(capacities: &[u64], exclusive: bool) -> Cache {
    let tiers = capacities.iter().map(|&capacity_tokens| TierSpec { capacity_tokens, ..TierSpec::default() });
    cache(CacheSpec { tiers: tiers.collect(), exclusive, ..CacheSpec::one_tier(0, 16) })
}

/// Sends a prompt of `(id, tokens)` segments and returns the tokens it hit.
fn send(cache: &mut Cache, prompt: &[(u64, u64)]) -> Match {
    send_at(cache, prompt, 0)
}

fn send_at(cache: &mut Cache, prompt: &[(u64, u64)], now: Nanos) -> Match {
    let segments: Vec<Segment> = prompt.iter().map(|&(id, tokens)| Segment { id, tokens }).collect();
    cache.request(Prompt::Segments(&segments), 0, now)
}

#[test]
fn a_replay_hits_all_blocks_but_never_the_last_token() {
    for (tokens, hit) in [(1_000, 992), (1_024, 1_008), (1_025, 1_024), (16, 0), (17, 16), (1, 0)] {
        let mut cache = one_tier(60_000, 16, Policy::Lru);
        assert_eq!(send(&mut cache, &[(1, tokens)]).total(), 0);
        assert_eq!(send(&mut cache, &[(1, tokens)]).total(), hit, "{tokens} tokens");
    }
}

#[test]
fn a_divergence_hits_the_whole_blocks_before_it() {
    let mut cache = one_tier(60_000, 16, Policy::Lru);
    send(&mut cache, &[(1, 5_000)]);
    assert_eq!(send(&mut cache, &[(1, 1_000), (2, 1_000)]).total(), 992);
}

#[test]
fn blocks_of_one_token_match_to_the_token() {
    let mut cache = one_tier(60_000, 1, Policy::Lru);
    send(&mut cache, &[(1, 1_003)]);
    assert_eq!(send(&mut cache, &[(1, 1_003)]).total(), 1_002);
    assert_eq!(send(&mut cache, &[(1, 777), (2, 50)]).total(), 777);
}

#[test]
fn capacity_is_exact() {
    let mut cache = one_tier(64_000, 16, Policy::Lru);
    for document in 0..64 {
        send(&mut cache, &[(document, 1_000)]);
    }
    // A document has 62 whole blocks, 992 tokens: 64 documents are 63,488 tokens and all still there.
    assert_eq!(cache.used_tokens().sum::<u64>(), 63_488);
    assert_eq!(send(&mut cache, &[(0, 1_000)]).total(), 992);
    // One more document needs 480 tokens of the oldest, which is number 1 by now: its tail.
    send(&mut cache, &[(64, 1_000)]);
    let chain = cache.chain(Prompt::Segments(&[Segment { id: 1, tokens: 1_000 }]), 0);
    assert_eq!(cache.lookup(&chain, 0).total(), 992 - 480);
}

#[test]
fn whole_document_eviction_leaves_nothing_of_the_oldest() {
    let mut spec = CacheSpec::one_tier(64_000, 16);
    spec.tiers[0].evict = Evict::Document;
    let mut cache = cache(spec);
    for document in 0..65 {
        send(&mut cache, &[(document, 1_000)]);
    }
    assert_eq!(cache.used_tokens().sum::<u64>(), 64 * 992);
    assert_eq!(send(&mut cache, &[(0, 1_000)]).total(), 0);
}

#[test]
fn a_prompt_larger_than_the_cache_keeps_its_head() {
    let mut cache = one_tier(800, 16, Policy::Lru);
    send(&mut cache, &[(1, 5_000)]);
    assert_eq!(send(&mut cache, &[(1, 5_000)]).total(), 800);
}

/// Who is left after a fill: H was used often, but early; R now and then; N never again; X was the last to come.
fn litmus(policy: Policy) -> [bool; 4] {
    let mut cache = one_tier(50_000, 16, policy);
    let [h, r, n] = [1, 2, 3].map(|id| [(id, 1_001)]);
    for document in [&h, &r, &n, &h, &h, &h] {
        send(&mut cache, document);
    }
    for filler in 0..55 {
        send(&mut cache, &[(100 + filler, 1_001)]);
        if [10, 20, 30, 40].contains(&filler) {
            send(&mut cache, &r);
        }
    }
    let x = [(154, 1_001)];
    [h, r, n, x].map(|document| {
        let segments = document.map(|(id, tokens)| Segment { id, tokens });
        let chain = cache.chain(Prompt::Segments(&segments), 0);
        cache.lookup(&chain, 0).total() == 992
    })
}

#[test]
fn every_policy_leaves_its_own_survivors() {
    assert_eq!(litmus(Policy::Lru), [false, true, false, true]);
    assert_eq!(litmus(Policy::Fifo), [false, false, false, true]);
    assert_eq!(litmus(Policy::Lfu), [true, true, false, true]);
    assert_eq!(litmus(Policy::Slru), [true, true, false, true]);
    assert_eq!(litmus(Policy::NoAdmit), [true, true, true, false]);
}

#[test]
fn random_eviction_breaks_chains_everywhere() {
    let mut cache = one_tier(32_000, 16, Policy::Random);
    for document in 0..64 {
        send(&mut cache, &[(document, 1_001)]);
    }
    assert!(cache.used_tokens().sum::<u64>() <= 32_000);
    let partial = (0..63).filter(|&id| {
        let chain = cache.chain(Prompt::Segments(&[Segment { id, tokens: 1_001 }]), 0);
        (1..992).contains(&cache.lookup(&chain, 0).total())
    });
    assert!(partial.count() > 16);
}

#[test]
fn inclusive_tiers_reach_as_far_as_the_largest() {
    let mut cache = tiers(&[10_000, 50_000], false);
    for document in 0..40 {
        send(&mut cache, &[(document, 1_001)]);
    }
    assert_eq!(send(&mut cache, &[(39, 1_001)]).tokens[..2], [992, 0]);
    assert_eq!(send(&mut cache, &[(0, 1_001)]).tokens[..2], [0, 992]);
    // It was brought up by that.
    assert_eq!(send(&mut cache, &[(0, 1_001)]).tokens[..2], [992, 0]);
}

#[test]
fn exclusive_tiers_reach_as_far_as_their_sum() {
    let (reach_of_both, mut cache) = (59, tiers(&[10_000, 50_000], true));
    for document in 0..=reach_of_both {
        send(&mut cache, &[(document, 1_001)]);
    }
    let hit = |cache: &Cache, id| {
        let chain = cache.chain(Prompt::Segments(&[Segment { id, tokens: 1_001 }]), 0);
        cache.lookup(&chain, 0).tokens
    };
    assert_eq!(hit(&cache, reach_of_both)[..2], [992, 0]);
    assert_eq!(hit(&cache, 0)[..2], [0, 992]);
    assert_eq!(cache.used_tokens().sum::<u64>(), 60 * 992);
    for document in reach_of_both + 1..reach_of_both + 4 {
        send(&mut cache, &[(document, 1_001)]);
    }
    assert!(hit(&cache, 0)[1] < 992);
}

#[test]
fn a_lower_tier_has_its_own_granularity() {
    let upper = TierSpec { capacity_tokens: 2_000, ..TierSpec::default() };
    let lower = TierSpec { capacity_tokens: 100_000, block_tokens: 256, ..TierSpec::default() };
    let mut cache = cache(CacheSpec { tiers: vec![upper, lower], ..CacheSpec::one_tier(0, 16) });
    send(&mut cache, &[(1, 1_000)]);
    send(&mut cache, &[(2, 1_600)]);
    // Of document 1 the upper tier kept 400 tokens (its head); chunks up to 768 come from below, less what is above.
    assert_eq!(send(&mut cache, &[(1, 1_000)]).tokens[..2], [400, 368]);
}

#[test]
fn short_prompts_and_short_hits_do_not_count() {
    let mut cache = cache(CacheSpec { min_prefix_tokens: 1_024, ..CacheSpec::one_tier(100_000, 128) });
    send(&mut cache, &[(1, 1_000)]);
    assert_eq!(send(&mut cache, &[(1, 1_000)]).total(), 0);
    send(&mut cache, &[(2, 2_000)]);
    assert_eq!(send(&mut cache, &[(2, 1_000), (3, 500)]).total(), 0);
    assert_eq!(send(&mut cache, &[(2, 1_100), (3, 500)]).total(), 1_024);
}

#[test]
fn an_idle_block_lives_for_its_time() {
    let mut spec = CacheSpec::one_tier(100_000, 16);
    spec.tiers[0].ttl_ns = Some(60 * SECOND);
    let mut sliding = cache(spec.clone());
    spec.tiers[0].ttl_slides = false;
    let mut absolute = cache(spec);
    for (now, slides, ends) in [(0, 0, 0), (50, 992, 992), (100, 992, 0), (161, 0, 0)] {
        assert_eq!(send_at(&mut sliding, &[(1, 1_000)], now * SECOND).total(), slides, "sliding at {now} s");
        // The absolute one is stored anew at 100 s, when it was found expired, and so is hit again at 150.
        assert_eq!(send_at(&mut absolute, &[(1, 1_000)], now * SECOND).total(), ends, "absolute at {now} s");
    }
    assert_eq!(send_at(&mut absolute, &[(1, 1_000)], 162 * SECOND).total(), 992);
}

#[test]
fn a_stored_block_is_hit_once_it_is_written_back() {
    let mut spec = CacheSpec::one_tier(100_000, 16);
    spec.tiers[0].write_back_ns = 2 * SECOND;
    let mut cache = cache(spec);
    assert_eq!(send_at(&mut cache, &[(1, 1_000)], 0).total(), 0);
    assert_eq!(send_at(&mut cache, &[(1, 1_000)], 2 * SECOND - 1).total(), 0);
    assert_eq!(send_at(&mut cache, &[(1, 1_000)], 2 * SECOND).total(), 992);
}

/// Replay, extension, divergence, divergence again, and a document behind a salt.
fn semantics(semantics: Semantics) -> [bool; 5] {
    let (a, b) = ((1, 2_000), (2, 2_000));
    let probes =
        [vec![a, b, (90, 40)], vec![a, b, (4, 2_000)], vec![a, (3, 2_000)], vec![a, (5, 2_000)], vec![(9, 7), a]];
    let mut cache = cache(CacheSpec { semantics, ..CacheSpec::one_tier(1_000_000, 16) });
    send(&mut cache, &[a, b]);
    probes.map(|probe| send(&mut cache, &probe).total() > 1_900)
}

#[test]
fn what_is_a_hit_depends_on_the_semantics() {
    assert_eq!(semantics(Semantics::Prefix), [true, true, true, true, false]);
    assert_eq!(semantics(Semantics::RequestEnd), [true, true, false, false, false]);
    assert_eq!(semantics(Semantics::Units), [true, true, false, true, false]);
    assert_eq!(semantics(Semantics::NonPrefix), [true; 5]);
}

#[test]
fn clearing_the_upper_tier_leaves_the_lower() {
    let mut cache = tiers(&[10_000, 50_000], false);
    send(&mut cache, &[(1, 1_001)]);
    cache.clear(1);
    assert_eq!(send(&mut cache, &[(1, 1_001)]).tokens[..2], [0, 992]);
    cache.clear(TIERS);
    assert_eq!(send(&mut cache, &[(1, 1_001)]).total(), 0);
}

#[test]
fn a_cache_that_cannot_be_is_refused() {
    let tier = |block_tokens| TierSpec { capacity_tokens: 100, block_tokens, ..TierSpec::default() };
    let spec = |tiers| CacheSpec { tiers, ..CacheSpec::one_tier(0, 16) };
    assert_eq!(Cache::new(spec(vec![tier(0)]), 0).unwrap_err(), SpecError::EmptyBlock);
    assert_eq!(Cache::new(spec(vec![tier(1); 5]), 0).unwrap_err(), SpecError::TooManyTiers(5));
    let exclusive = CacheSpec { exclusive: true, ..spec(vec![tier(16), tier(32)]) };
    assert_eq!(Cache::new(exclusive, 0).unwrap_err(), SpecError::ExclusiveBlocksDiffer);
}

/// The plainest LRU there is: blocks in a vector, most recently used last, each with its whole prefix.
struct Reference {
    blocks: Vec<Vec<u32>>,
    block: usize,
    capacity: usize,
}

impl Reference {
    fn request(&mut self, ids: &[u32]) -> usize {
        let prefixes: Vec<&[u32]> = (1..=ids.len() / self.block).map(|nth| &ids[..nth * self.block]).collect();
        let hits = prefixes.iter().take_while(|p| p.len() < ids.len() && self.blocks.iter().any(|b| b == *p)).count();
        let kept = &prefixes[..prefixes.len().min(self.capacity)];
        self.blocks.retain(|block| !kept.contains(&&block[..]));
        self.blocks.extend(kept.iter().rev().map(|prefix| prefix.to_vec()));
        self.blocks.drain(..self.blocks.len().saturating_sub(self.capacity));
        hits * self.block
    }
}

proptest! {
    #[test]
    fn an_lru_does_what_the_plainest_one_does(
        requests in prop::collection::vec(prop::collection::vec(0..3_u32, 1..24), 1..40),
        block in 1..5_usize,
        capacity in 1..12_usize,
    ) {
        let mut reference = Reference { blocks: Vec::new(), block, capacity };
        let mut cache = one_tier((capacity * block) as u64, block as u64, Policy::Lru);
        for ids in &requests {
            let hit = cache.request(Prompt::Ids(ids), 0, 0).total();
            prop_assert_eq!(hit, reference.request(ids) as u64, "{:?}", ids);
        }
    }

    #[test]
    fn no_policy_ever_holds_more_than_its_capacity_or_hits_what_was_never_sent(
        requests in prop::collection::vec((0..12_u64, 1..400_u64), 1..80),
        policy in prop::sample::select(vec![
            Policy::Lru, Policy::Fifo, Policy::Lfu, Policy::Slru, Policy::NoAdmit, Policy::Random,
        ]),
        evict in prop::sample::select(vec![Evict::TailFirst, Evict::Document]),
        capacities in prop::collection::vec(0..900_u64, 1..4),
        exclusive: bool,
    ) {
        let tiers = capacities.iter().map(|&capacity_tokens| TierSpec { capacity_tokens, policy, evict, ..TierSpec::default() });
        let mut cache = cache(CacheSpec { tiers: tiers.collect(), exclusive, ..CacheSpec::one_tier(0, 16) });
        let mut longest = [0; 12];
        for (id, tokens) in requests {
            let hit = send(&mut cache, &[(id, tokens)]).total();
            prop_assert!(hit < tokens && hit <= longest[id as usize] && hit.is_multiple_of(16));
            prop_assert!(cache.used_tokens().zip(&capacities).all(|(used, capacity)| used <= *capacity));
            longest[id as usize] = tokens.max(longest[id as usize]);
        }
    }
}

//! How often a map is right: a few runs a setting, or `TTFT_RUNS`. The table is printed with `--nocapture`.

use std::thread;

use ttft::cachemap::{CacheMap, Confidence, Policy as Found};
use ttft::plan::map::Stage;
use ttft::sim::cache::{CacheSpec, Policy, TierSpec};
use ttft::sim::latency::NoiseSpec;

use super::server::{Server, Setting, design, map_of, noise};

const NOISES: [(&str, f64, f64); 2] = [("5 %", 0.05, 0.0), ("10 % + 5 % outliers", 0.10, 0.05)];

/// Runs of each setting: few where nobody waits for the table.
fn runs(few: u64) -> u64 {
    std::env::var("TTFT_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(few)
}

/// One run for each seed, on both processors.
fn each<T: Send>(runs: u64, run: impl Fn(u64) -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let half = |odd| {
            let run = &run;
            scope.spawn(move || (0..runs).filter(|seed| seed % 2 == odd).map(run).collect::<Vec<T>>())
        };
        let halves = [half(0), half(1)];
        halves.into_iter().flat_map(|half| half.join().unwrap()).collect()
    })
}

/// About `capacity` tokens, another number for each seed, whole blocks.
fn about(capacity: u64, block: u64, seed: u64) -> u64 {
    let share = 0.7 + 0.7 * ((seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as f64 / f64::from(1 << 24));
    (capacity as f64 * share) as u64 / block * block
}

fn error(found: &CacheMap, truth: u64) -> Option<f64> {
    found.capacity_tokens.value.map(|value| value as f64 / truth as f64 - 1.0)
}

#[test]
#[expect(clippy::print_stdout, reason = "the table is for whoever asks for it with --nocapture")]
fn block_sizes_are_read_off_the_cached_tokens() {
    println!("block  noise                 right of runs");
    for block in [16, 64, 128, 256, 528, 1_600] {
        for (name, sigma, outliers) in NOISES {
            let runs = runs(6);
            let right = each(runs, |seed| {
                let setting = Setting {
                    noise: noise(sigma, outliers),
                    template_tokens: seed * 7 % 40,
                    ..Setting::new(400_000, block, Policy::Lru)
                };
                let mut server = Server::new(setting, seed);
                let skip = vec![Stage::Replicas, Stage::Semantics, Stage::Fill, Stage::Delay];
                let (found, _) = server.run(ttft::cachemap::Design { skip, ..design(2_048, seed) });
                (found.block_size.value == Some(block)).then_some(())
            });
            let right = right.into_iter().flatten().count() as u64;
            println!("{block:5}  {name:<21} {right} of {runs}");
            assert!(right * 100 >= runs * 99, "block {block}, {name}: {right} of {runs}");
        }
    }
}

/// A run of the fill alone.
struct Run {
    policy: Option<Found>,
    error: Option<f64>,
    covers: bool,
    tokens: f64,
    is_bound_right: bool,
    is_certain: bool,
}

#[expect(clippy::print_stdout, reason = "with --nocapture the table says which run was off")]
fn fill(setting: &Setting, words: u64, truth: u64, seed: u64) -> Run {
    let mut server = Server::new(setting.clone(), seed);
    let skip = vec![Stage::Replicas, Stage::Semantics, Stage::Block, Stage::Tiers, Stage::Delay];
    let skip = if setting.counts { skip.into_iter().filter(|s| *s != Stage::Block).collect() } else { skip };
    let (found, _) = server.run(ttft::cachemap::Design { skip, ..design(words, seed) });
    let bounds = found.capacity_tokens.interval;
    let truth_f = truth as f64;
    let covers = bounds.is_some_and(|(low, high)| low <= truth_f && high.is_none_or(|high| truth_f <= high));
    let is_exact = setting.counts && setting.cache.tiers[0].policy == Policy::Lru;
    let most = if is_exact { 0.0 } else { MOST_ERROR };
    if !covers || error(&found, truth).is_some_and(|error| error.abs() > most) {
        println!("seed {seed}, {truth} tokens: {:?} {:?}", found.capacity_tokens, found.policy);
    }
    Run {
        policy: found.policy.value,
        error: error(&found, truth),
        covers,
        is_certain: found.capacity_tokens.confidence == Some(Confidence::A),
        tokens: server.fill_tokens as f64 / truth_f,
        is_bound_right: found.capacity_tokens.value.is_none() && covers,
    }
}

const POLICIES: [(Policy, Found); 5] = [
    (Policy::Lru, Found::Lru),
    (Policy::Fifo, Found::Fifo),
    (Policy::Lfu, Found::Frequency),
    (Policy::Slru, Found::Frequency),
    (Policy::NoAdmit, Found::NoAdmit),
];

#[expect(clippy::print_stdout, reason = "the table is for whoever asks for it with --nocapture")]
fn capacities(capacity: u64, words: u64, few: u64, counts: bool) -> Vec<(Policy, Vec<Run>)> {
    let mut all = Vec::new();
    println!("capacity  policy   noise                 policy right  worst error  covered  tokens/C");
    for (policy, expected) in POLICIES {
        for (name, sigma, outliers) in NOISES {
            let runs = each(runs(few), |seed| {
                let truth = about(capacity, 16, seed);
                let setting = Setting { noise: noise(sigma, outliers), counts, ..Setting::new(truth, 16, policy) };
                fill(&setting, words, truth, seed)
            });
            let right = runs.iter().filter(|run| run.policy == Some(expected)).count();
            let worst = runs.iter().filter_map(|run| run.error).map(f64::abs).fold(0.0, f64::max);
            let covered = runs.iter().filter(|run| run.covers).count();
            let tokens = runs.iter().map(|run| run.tokens).sum::<f64>() / runs.len() as f64;
            println!(
                "{capacity:8}  {:<8} {name:<21} {right:5} of {:<4} {:10.2} %  {covered:3} of {:<3} {tokens:6.2}",
                format!("{policy:?}"),
                runs.len(),
                100.0 * worst,
                runs.len(),
            );
            all.push((policy, runs));
        }
    }
    all
}

/// The largest error of a capacity, and the most tokens for a fill, as multiples of it.
const MOST_ERROR: f64 = 0.02;
const MOST_TOKENS: f64 = 2.5;

fn check_capacities(all: &[(Policy, Vec<Run>)]) {
    for (policy, runs) in all {
        let expected = POLICIES.iter().find(|(of, _)| of == policy).unwrap().1;
        let right = runs.iter().filter(|run| run.policy == Some(expected)).count();
        assert!(right * 100 >= runs.len() * 95, "{policy:?}: {right} of {}", runs.len());
        for run in runs {
            match (policy, run.error) {
                (Policy::NoAdmit, _) => assert!(run.is_bound_right, "{policy:?}"),
                (_, error) => assert!(error.is_some_and(|e| e.abs() <= MOST_ERROR), "{policy:?}: {error:?}"),
            }
        }
        let tokens = runs.iter().map(|run| run.tokens).sum::<f64>() / runs.len() as f64;
        assert!(tokens <= MOST_TOKENS, "{policy:?}: {tokens}");
    }
}

#[test]
fn capacity_and_policy_of_100k_tokens_come_from_one_fill_by_the_clock() {
    check_capacities(&capacities(100_000, 1_024, 2, false));
}

#[test]
fn capacity_and_policy_of_a_million_tokens_come_from_one_fill_by_the_clock() {
    check_capacities(&capacities(1_000_000, 8_192, 1, false));
}

#[test]
fn where_answers_count_the_capacity_is_exact() {
    let all = capacities(100_000, 1_024, 2, true);
    check_capacities(&all);
    for (_, runs) in all.iter().filter(|(policy, _)| *policy == Policy::Lru) {
        for run in runs {
            assert!(run.error == Some(0.0) || !run.is_certain, "{:?}", run.error);
        }
    }
}

/// A server of three tiers.
fn three_tiers(exclusive: bool, noise: NoiseSpec, counts: bool) -> Setting {
    let mut setting = Setting { noise, counts, ..Setting::new(100_000, 64, Policy::Lru) };
    let lower = |capacity_tokens, load_ns_per_token, latency_ns| TierSpec {
        capacity_tokens,
        load_ns_per_token,
        latency_ns,
        ..setting.cache.tiers[0].clone()
    };
    let tiers = [lower(500_000, 6_600.0, 2_000_000), lower(1_500_000, 44_000.0, 10_000_000)];
    setting.cache = CacheSpec { exclusive, ..setting.cache };
    setting.cache.tiers.extend(tiers);
    setting
}

#[test]
#[expect(clippy::print_stdout, reason = "the table is for whoever asks for it with --nocapture")]
fn three_tiers_are_found_with_their_reach() {
    println!("tiers      by             noise                 found   worst error of each");
    for (exclusive, reaches) in
        [(false, [100_000.0, 500_000.0, 1_500_000.0]), (true, [100_000.0, 600_000.0, 2_100_000.0])]
    {
        for (counts, (name, sigma, outliers)) in [(false, NOISES[0]), (false, NOISES[1]), (true, NOISES[1])] {
            let runs = each(runs(1), |seed| {
                let mut server = Server::new(three_tiers(exclusive, noise(sigma, outliers), counts), seed);
                let mut skip = vec![Stage::Replicas, Stage::Semantics, Stage::Delay];
                // By the clock it takes hundreds of prompts, and the tiers do not need it.
                skip.extend((!counts).then_some(Stage::Block));
                server.run(ttft::cachemap::Design { skip, ..design(4_096, seed) }).0
            });
            let mut worst = [0.0_f64; 3];
            let (mut found, mut covered) = (0, 0);
            for map in &runs {
                let tiers = map.tiers.value.clone().unwrap_or_default();
                found += usize::from(tiers.len() == 3);
                let mut covers = tiers.len() == 3;
                for ((tier, truth), worst) in tiers.iter().zip(reaches).zip(&mut worst) {
                    *worst = worst.max((tier.reach_tokens as f64 / truth - 1.0).abs());
                    let (low, high) = tier.reach_interval;
                    covers &= low as f64 <= truth && truth <= high as f64;
                }
                covered += usize::from(covers);
                if !covers {
                    println!("{exclusive} {counts} {name}: {tiers:?}");
                }
            }
            println!(
                "{:<10} {:<14} {name:<21} {found} of {}, covered {covered}  {:?}",
                if exclusive { "exclusive" } else { "inclusive" },
                if counts { "cached_tokens" } else { "the clock" },
                runs.len(),
                worst.map(|w| format!("{:.1} %", 100.0 * w))
            );
            assert!(found * 100 >= runs.len() * 95, "{name}: {found}");
            assert!(covered * 100 >= runs.len() * 95, "{name}: {covered}");
            assert!(sigma > 0.05 || worst.iter().all(|worst| *worst <= 0.05), "{name}: {worst:?}");
        }
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "the table is for whoever asks for it with --nocapture")]
fn replicas_are_counted_up_to_four() {
    for counts in [true, false] {
        for replicas in 1..=4 {
            let runs = runs(6);
            let right = each(runs, |seed| {
                let setting =
                    Setting { noise: noise(0.10, 0.05), counts, replicas, ..Setting::new(200_000, 16, Policy::Lru) };
                let mut server = Server::new(setting, seed);
                let skip = vec![Stage::Semantics, Stage::Block, Stage::Fill, Stage::Tiers, Stage::Delay];
                let (found, _) = server.run(ttft::cachemap::Design { skip, ..design(2_048, seed) });
                if found.replicas.value != Some(replicas as u64) {
                    println!("{:?} {:?}", found.replicas, found.not_identified.value.as_ref().map(|r| &r[0]));
                }
                found.replicas.value == Some(replicas as u64)
            });
            let right = right.into_iter().filter(|right| *right).count() as u64;
            println!("{replicas} replicas, counted {counts}: {right} of {runs}");
            assert!(right * 100 >= runs * 95, "{replicas}: {right} of {runs}");
        }
    }
}

/// A server whose block size the clock is to tell, and in how many of a hundred runs it does within 800 prompts, by the
/// method's own simulation.
struct Clocked {
    block: u64,
    noise: (f64, f64),
    /// Nanoseconds to compute a token.
    per_token_ns: f64,
    /// So many tokens take as long as fewer.
    flat_below: u64,
    percent: usize,
}

const CLOCKED: [Clocked; 8] = [
    clocked(16, (0.05, 0.0), 100),
    clocked(32, (0.05, 0.0), 97),
    clocked(64, (0.05, 0.0), 100),
    clocked(256, (0.05, 0.0), 97),
    clocked(528, (0.05, 0.0), 97),
    clocked(32, (0.10, 0.05), 87),
    clocked(64, (0.10, 0.05), 93),
    Clocked { per_token_ns: 300e3, ..clocked(16, (0.10, 0.05), 97) },
];

const fn clocked(block: u64, noise: (f64, f64), percent: usize) -> Clocked {
    Clocked { block, noise, per_token_ns: 80e3, flat_below: 0, percent }
}

#[test]
#[expect(clippy::print_stdout, reason = "the table is for whoever asks for it with --nocapture")]
fn block_sizes_come_from_the_clock_alone_where_they_are_large_enough() {
    println!("block  noise       per token  flat below  right      wrong  prompts");
    for Clocked { block, noise: (sigma, outliers), per_token_ns, flat_below, percent } in CLOCKED {
        let runs = runs(4);
        let found = each(runs, |seed| {
            let mut setting = Setting {
                noise: noise(sigma, outliers),
                counts: false,
                flat_below,
                ..Setting::new(400_000, block, Policy::Lru)
            };
            setting.cost.per_token_ns = per_token_ns;
            let mut server = Server::new(setting, seed);
            let skip = vec![Stage::Replicas, Stage::Semantics, Stage::Fill, Stage::Delay];
            let (found, _) = server.run(ttft::cachemap::Design { skip, ..design(2_048, seed) });
            (found.block_size.value, server.requests)
        });
        let expected = if block == 1 { None } else { Some(block) };
        let right = found.iter().filter(|(value, _)| *value == expected).count();
        let wrong = found.iter().filter(|(value, _)| value.is_some() && *value != expected).count();
        let prompts = found.iter().map(|(_, requests)| requests).sum::<u64>() / runs;
        let setting = format!("{sigma:.2}+{outliers:.2}  {:>6} us  {flat_below:10}", per_token_ns / 1e3);
        println!("{block:5}  {setting}  {right:3} of {runs:<3} {wrong:5}  {prompts:7}");
        // Two standard deviations of so many runs, and one run.
        let share = percent as f64 / 100.0;
        let least = share - 2.0 * (share * (1.0 - share) / runs as f64).sqrt() - 1.0 / runs as f64;
        assert!(right as f64 >= least * runs as f64, "block {block} at {sigma}: {right} of {runs} {found:?}");
        assert!(wrong as u64 * 40 <= runs, "block {block} at {sigma}: {found:?}");
    }
}

#[test]
fn a_whole_map_of_a_counting_server_is_right_and_of_grade_a() {
    let setting = Setting::new(60_000, 16, Policy::Lru);
    let (found, _) = map_of(&setting, 1_024, 3);
    assert_eq!(found.block_size.value, Some(16));
    assert_eq!(found.capacity_tokens.value, Some(60_000));
    assert_eq!(found.policy.value, Some(Found::Lru));
    assert_eq!(found.replicas.value, Some(1));
    assert_eq!(found.semantics.value, Some(ttft::cachemap::Semantics::Prefix));
    assert_eq!(found.write_back_seconds.value, Some(0.0));
    assert_eq!(found.tiers.value.as_ref().map(Vec::len), Some(1));
    assert_eq!(found.capacity_tokens.confidence, Some(Confidence::A));
}

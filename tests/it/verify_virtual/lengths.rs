//! Pairs at several lengths in virtual time: whether the break-even length comes out that the simulator was built with.

use ttft::fit::{Fit, Point};
use ttft::pairs::{CONTROL_PAIRS, Pairs, came_from_cache};
use ttft::plan::{Arm, Role};
use ttft::sample::{Outcome, Sample};
use ttft::sim::cache::{CacheSpec, Match, TierSpec};
use ttft::sim::latency::{Cost, NoiseSpec};
use ttft::stats::curve::Crossing;
use ttft::stats::rank;
use ttft::stats::robust::median;
use ttft::verify::lengths::{Design, Length, Lengths};

use super::server::{CALM, OFF, ROOMY, Server};

/// Small, so that the steps of a block do not blur the curve of the hit.
const BLOCK_TOKENS: u64 = 16;
const LENGTHS: [u64; 8] = [256, 512, 1_024, 2_048, 4_096, 8_192, 16_384, 32_768];

/// 25 ms, and 12,500 tokens a second at short lengths.
const COST: Cost = Cost { base_ns: 25e6, per_token_ns: 80e3, quadratic_ns: 2.0 };

/// A disk: 60 ms to begin, and 20 us a token, 50,000 tokens a second.
fn disk() -> CacheSpec {
    let tier = TierSpec {
        capacity_tokens: ROOMY,
        block_tokens: BLOCK_TOKENS,
        latency_ns: 60_000_000,
        load_ns_per_token: 20e3,
        ..TierSpec::default()
    };
    // A chat template alone is not worth the disk.
    CacheSpec { tiers: vec![tier], min_prefix_tokens: 64, ..CacheSpec::one_tier(OFF, BLOCK_TOKENS) }
}

fn design(pairs: usize, seed: u64) -> Design {
    let lengths = LENGTHS.map(|asked_tokens| Length { asked_tokens, pairs }).to_vec();
    Design { lengths, controls: CONTROL_PAIRS, block_size: Some(BLOCK_TOKENS), seed }
}

fn run(design: Design, server: &mut Server) -> Vec<Sample> {
    let mut machine = Lengths::new(design);
    let mut samples = Vec::new();
    while let Some(probe) = machine.next() {
        let sample = server.serve(&probe);
        machine.observe(&sample);
        samples.push(sample);
    }
    samples
}

fn points(samples: &[Sample]) -> Vec<Point> {
    let pairs = Pairs::of(samples).measured;
    let times = |asked, is_cold: bool| {
        let of = pairs.iter().filter(|pair| pair.cold.place.asked_tokens == Some(asked));
        of.map(|pair| if is_cold { pair.cold } else { pair.other }.ttft_ns().unwrap() as f64).collect()
    };
    LENGTHS.iter().map(|&n| Point { context_tokens: n, cold: times(n, true), hit: times(n, false) }).collect()
}

fn server(spec: CacheSpec, noise: NoiseSpec, seed: u64) -> Server {
    Server::with_cache(spec, COST, noise, seed)
}

/// A tier of the table in METHODOLOGY: what it takes to begin, and for each token.
struct Tier {
    name: &'static str,
    latency_ns: u64,
    load_ns: f64,
    /// The longest length of the grid at which a hit truly loses; to prove that it pays there is an error.
    loses_at: Option<u64>,
}

const TIERS: [Tier; 3] = [
    Tier { name: "memory, 20 GB/s", latency_ns: 5_000_000, load_ns: 6.6e3, loses_at: None },
    Tier { name: "disk, 3 GB/s", latency_ns: 15_000_000, load_ns: 44e3, loses_at: Some(256) },
    Tier { name: "network, 1 GB/s", latency_ns: 5_000_000, load_ns: 131e3, loses_at: Some(16_384) },
];

impl Tier {
    fn spec(&self) -> CacheSpec {
        let tier = TierSpec { latency_ns: self.latency_ns, load_ns_per_token: self.load_ns, ..disk().tiers[0].clone() };
        CacheSpec { tiers: vec![tier], ..disk() }
    }

    /// Where `latency + load h = b h + c h^2` for h cached tokens: a hit saves what it need not compute, and costs what it
    /// loads. Of a prompt, half a block is computed anyway; template and question, 40 tokens, are no part of the context.
    fn break_even(&self) -> Crossing {
        let Cost { per_token_ns, quadratic_ns, .. } = COST;
        let gain = per_token_ns - self.load_ns;
        let cached =
            (-gain + (gain * gain + 4.0 * quadratic_ns * self.latency_ns as f64).sqrt()) / (2.0 * quadratic_ns);
        let tokens = cached + 8.0 - 40.0;
        if tokens < LENGTHS[0] as f64 { Crossing::Below } else { Crossing::At(tokens) }
    }
}

/// What many sweeps of one setting came to.
struct Tally {
    covered: f64,
    median_error: f64,
    /// The median of the largest error of the cold curve at any length of the grid.
    median_misfit: f64,
    proved_too_early: f64,
}

impl Tally {
    fn of(tier: &Tier, noise: NoiseSpec, runs: u64) -> Tally {
        let of = |seed: u64| {
            let samples = run(design(10, seed), &mut server(tier.spec(), noise, seed));
            Fit::of(&points(&samples)).expect("pairs at every length")
        };
        let of_lane = |lane| (lane..runs).step_by(4).map(of).collect::<Vec<_>>();
        let fits: Vec<Fit> = std::thread::scope(|scope| {
            let lanes: Vec<_> = (0..4).map(|lane| scope.spawn(move || of_lane(lane))).collect();
            lanes.into_iter().flat_map(|lane| lane.join().unwrap()).collect()
        });
        let truth = tier.break_even();
        let covers = |fit: &&Fit| {
            let (low, high) = fit.curves.as_ref().unwrap().break_even.interval.unwrap();
            low <= truth && truth <= high
        };
        let error = |fit: &Fit| match (fit.curves.as_ref().unwrap().break_even.at, truth) {
            (Crossing::At(at), Crossing::At(truth)) => (at / truth - 1.0).abs(),
            (found, truth) => f64::from(found != truth),
        };
        let misfit = |fit: &Fit| {
            let cold = &fit.curves.as_ref().unwrap().cold.curve;
            let exact = |n: u64| COST.prefill(n + 40, &Match::default(), &[]) as f64;
            LENGTHS.iter().map(|&n| (cold.at(n as f64) / exact(n) - 1.0).abs()).fold(0.0, f64::max)
        };
        let share = |n: usize| n as f64 / fits.len() as f64;
        let is_early = |fit: &&Fit| tier.loses_at.is_some_and(|at| fit.proved_from.is_some_and(|from| from <= at));
        Tally {
            covered: share(fits.iter().filter(covers).count()),
            median_error: median(&fits.iter().map(error).collect::<Vec<_>>()).unwrap(),
            median_misfit: median(&fits.iter().map(misfit).collect::<Vec<_>>()).unwrap(),
            proved_too_early: share(fits.iter().filter(is_early).count()),
        }
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "the table is for whoever asks for it with --nocapture")]
fn the_interval_holds_the_true_break_even_in_nine_runs_of_ten() {
    let runs = std::env::var("TTFT_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(10_u64);
    let noises = [("5 %", CALM, 0.05), ("10 % + outliers", NoiseSpec { sigma: 0.10, outliers: 0.05, ..CALM }, 0.10)];
    // It is called a 90 % interval; so few runs may fall three deviations below by chance.
    let least = 0.90 - 3.0 * (0.90 * 0.10 / runs as f64).sqrt();
    println!("tier             truth        noise            covered  median error  misfit  proved too early");
    for tier in &TIERS {
        for (name, noise, misfit) in noises {
            let found = Tally::of(tier, noise, runs);
            let truth = format!("{:?}", tier.break_even());
            println!(
                "{:<17}{truth:<13.13}{name:<17}{:7.3} {:13.3} {:7.3} {:17.3}",
                tier.name, found.covered, found.median_error, found.median_misfit, found.proved_too_early
            );
            assert!(found.covered >= least, "{} {name}: the interval held the truth in {}", tier.name, found.covered);
            assert!(
                found.median_error < 0.12,
                "{} {name}: half of the errors are above {}",
                tier.name,
                found.median_error
            );
            assert!(found.median_misfit < misfit, "{} {name}: {}", tier.name, found.median_misfit);
            assert!(found.proved_too_early <= 0.20, "{} {name}: {}", tier.name, found.proved_too_early);
        }
    }
}

#[test]
fn the_rates_are_those_of_the_server() {
    let samples = run(design(20, 1), &mut server(disk(), CALM, 1));
    let fit = Fit::of(&points(&samples)).unwrap();
    let curves = fit.curves.unwrap();
    let (prefill, load) = (curves.cold.tokens_per_s().unwrap().value, curves.hit.tokens_per_s().unwrap().value);
    assert!((11_000.0..14_000.0).contains(&prefill), "{prefill}");
    assert!((44_000.0..56_000.0).contains(&load), "{load}");
    assert_eq!(fit.hurts_to, Some(512));
}

#[test]
fn without_a_cache_no_length_is_proved_to_pay_in_nineteen_runs_of_twenty() {
    let proves = |seed: &u64| {
        let samples = run(design(10, *seed), &mut server(CacheSpec::one_tier(OFF, BLOCK_TOKENS), CALM, *seed));
        let grid: Vec<_> = points(&samples).into_iter().map(|p| (p.context_tokens, p.cold, p.hit)).collect();
        rank::proved_from(&grid, 0.05).is_some()
    };
    let wrong = (0..100).filter(proves).count();
    assert!(wrong <= 10, "{wrong} of 100");
}

#[test]
fn every_length_has_its_pairs_in_rounds_of_random_order_and_both_orders_equally_often() {
    let samples = run(design(10, 1), &mut server(disk(), CALM, 1));
    let usual = Length { asked_tokens: 1, pairs: 10 }.usual_requests();
    assert_eq!(samples.len(), 2 + LENGTHS.len() * usual + 2 * CONTROL_PAIRS);
    let pairs = Pairs::of(&samples);
    let control: Vec<u64> = pairs.controls.iter().filter_map(|pair| pair.cold.place.asked_tokens).collect();
    assert_eq!(control, [4_096; CONTROL_PAIRS], "at the middle length");
    assert!(pairs.control().unwrap().is_passed());
    let of_controls: Vec<u64> = pairs.controls.iter().filter_map(|pair| pair.cold.place.pair).collect();
    let is_compared = |s: &&Sample| s.role == Role::Measure && !of_controls.contains(&s.place.pair.unwrap());
    let measured: Vec<&Sample> = samples.iter().filter(is_compared).collect();
    for asked in LENGTHS {
        let of_size = measured.chunks(2).filter(|pair| pair[0].place.asked_tokens == Some(asked));
        let cold_first: Vec<bool> = of_size.map(|pair| pair[0].arm == Arm::Cold).collect();
        assert_eq!((cold_first.len(), cold_first.iter().filter(|first| **first).count()), (10, 5), "{asked}");
    }
    let mut visits: Vec<u64> = measured.iter().filter_map(|s| s.place.asked_tokens).collect();
    visits.dedup();
    // A length may end one round and begin the next.
    assert!(visits.len() >= 15, "{visits:?}");
    assert_ne!(visits[..8], LENGTHS, "the order is by lot");
    let boundary = |s: &&Sample| s.prompt_tokens().unwrap().is_multiple_of(BLOCK_TOKENS);
    assert_eq!(measured.iter().filter(|s| boundary(s)).count(), 0);
}

#[test]
fn a_length_with_room_for_one_document_alone_still_hits() {
    // Of 20,000 tokens, three documents of 4,096 fit and two of 16,384 do not.
    let tier = TierSpec { capacity_tokens: 20_000, ..disk().tiers[0].clone() };
    let spec = CacheSpec { tiers: vec![tier], ..disk() };
    let lengths = [1_024, 4_096, 16_384].map(|asked_tokens| Length { asked_tokens, pairs: 10 }).to_vec();
    let design = Design { lengths, controls: CONTROL_PAIRS, block_size: Some(BLOCK_TOKENS), seed: 1 };
    let samples = run(design, &mut server(spec, CALM, 1));
    let pairs = Pairs::of(&samples).measured;
    for asked in [1_024, 4_096, 16_384] {
        let of_size: Vec<_> = pairs.iter().filter(|pair| pair.cold.place.asked_tokens == Some(asked)).collect();
        let hits = of_size.iter().filter(|pair| came_from_cache(pair.other) == Some(true)).count();
        assert!(of_size.len() >= 10 && hits + 1 >= of_size.len(), "{asked}: {hits} of {} hit", of_size.len());
    }
}

#[test]
fn failed_requests_are_made_up_for_in_a_later_round() {
    let samples = run(design(10, 1), &mut Server { fails_every: Some(37), ..server(disk(), CALM, 1) });
    let points = points(&samples);
    assert!(points.iter().all(|point| point.cold.len() >= 9), "{:?}", points.iter().map(|p| p.cold.len()));
}

#[test]
fn a_length_that_is_too_long_is_given_up_with_those_above_it() {
    let mut machine = Lengths::new(design(10, 1));
    let mut server = server(disk(), CALM, 1);
    let mut refused = 0;
    while let Some(probe) = machine.next() {
        let mut sample = server.serve(&probe);
        if probe.place.asked_tokens >= Some(8_192) {
            refused += 1;
            sample.outcome = Outcome::TooLong { status: 400, message: "too long".into() };
        }
        machine.observe(&sample);
    }
    assert!(refused <= 3, "{refused} requests were refused");
    assert_eq!(machine.progress(), (50, 50));
}

//! The claims of `ttft verify` over sockets, under every kind of noise that the simulated endpoint has: five runs a setting,
//! or `TTFT_RUNS`, each a whole run of the program. Virtual time has the rates (`tests/it/verify_virtual/rates.rs`); here
//! they are held to what the program does. The table is printed with `--nocapture`.
//!
//! A claim is false in at most one run of twenty. How many of so few runs that may be is the binomial's: as many as come by
//! chance more often than once in a hundred times.

use std::thread;

use super::alone;
use super::bench::Bench;

const RUNS: usize = 5;
/// Of runs without a cache, by the method.
const FALSE_CLAIMS: f64 = 0.05;

const NOISES: [(&str, &str); 6] = [
    ("5 %", "noise=0.05"),
    ("10 %", "noise=0.10"),
    ("10 % + outliers", "noise=0.10,outliers=0.05"),
    ("5 % + AR 20 %", "noise=0.05,ar=0.95,ar_noise=0.20"),
    ("5 % + drift", "noise=0.05,drift=0.001"),
    ("first of a pair +8 %", "noise=0.05,first_penalty=0.08"),
];

/// 10 ms for anyone, and 4 us a token.
const SERVER: &str = "7b,template=20,base=10ms,per_token=4us,quadratic=0ns,decode=0ns,jitter=0ns,outliers=0";

/// How often each claim was made, HELPS, HURTS and anything else, over all noises. They run side by side, since a server
/// that waits leaves the processors to others.
#[expect(clippy::print_stdout, reason = "the table is for whoever asks for it with --nocapture")]
fn claims(setting: &str) -> [usize; 3] {
    let of_noise = |noise: &str| {
        let mut claims = [0; 3];
        (0..runs()).for_each(|run| claims[claim(&format!("{SERVER},{noise},{setting}"), run as u64)] += 1);
        claims
    };
    let of_noise = &of_noise;
    let all: Vec<[usize; 3]> = thread::scope(|scope| {
        let running = NOISES.map(|(_, noise)| scope.spawn(move || of_noise(noise)));
        running.map(|claims| claims.join().expect("claims")).to_vec()
    });
    println!("{setting:<10} {:<21} helps  hurts  other", "noise");
    for ((name, _), [helps, hurts, other]) in NOISES.iter().zip(&all) {
        println!("{:<10} {name:<21} {helps:>5}  {hurts:>5}  {other:>5}", "");
    }
    [0, 1, 2].map(|at| all.iter().map(|claims| claims[at]).sum())
}

fn runs() -> usize {
    std::env::var("TTFT_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(RUNS)
}

/// What one run claims of a server: 0 HELPS, 1 HURTS, 2 anything else.
fn claim(server: &str, seed: u64) -> usize {
    let bench = Bench::new(server, &[], seed);
    let port = bench.sim.addr().port().to_string();
    let how = ["--gap", "0", "--context_tokens", "600", "--max_tokens", "1", "--no_selftest"];
    let told = bench.ttft(&[&["verify", &port], &how[..]].concat());
    assert!(matches!(told.code, Some(0 | 3 | 4)), "{}{}", told.stdout, told.stderr);
    ["HELPS", "HURTS"].iter().position(|claim| told.stdout.starts_with(claim)).unwrap_or(2)
}

/// The most of `runs` with a `rate` each that come more often than once in a hundred times.
fn most_by_chance(runs: usize, rate: f64) -> usize {
    let mut exactly = (1.0 - rate).powi(runs as i32);
    let mut up_to = exactly;
    let mut most = 0;
    while up_to < 0.99 {
        exactly *= (runs - most) as f64 / (most + 1) as f64 * rate / (1.0 - rate);
        up_to += exactly;
        most += 1;
    }
    most
}

#[test]
fn chance_allows_few_false_claims() {
    assert_eq!([6, 30, 100].map(|runs| most_by_chance(runs, 0.05)), [2, 5, 11]);
}

#[test]
fn without_a_cache_hardly_any_run_claims_an_effect() {
    let _alone = alone();
    let [helps, hurts, other] = claims("hit=off");
    let runs = helps + hurts + other;
    assert!(helps + hurts <= most_by_chance(runs, FALSE_CLAIMS), "{helps} helped and {hurts} hurt, of {runs}");
}

#[test]
fn a_hit_that_saves_a_fifth_is_found_in_nineteen_runs_of_twenty() {
    let _alone = alone();
    let [helps, hurts, other] = claims("hit=on");
    let runs = helps + hurts + other;
    assert!(hurts == 0 && other <= most_by_chance(runs, 0.05), "{helps} helped and {hurts} hurt, of {runs}");
}

//! The claims of `ttft verify` over sockets, under every kind of noise that the simulated endpoint has: five runs a setting,
//! or `TTFT_RUNS`, each a whole run of the program. Virtual time has the rates (`tests/it/verify_virtual/rates.rs`); here
//! they are held to what the program does. The table is printed with `--nocapture`.
//!
//! A claim is false in at most one run of twenty, so of thirty runs without a cache four false ones come by chance once in
//! a hundred times; more is no chance.

use super::alone;
use super::bench::Bench;

const RUNS: usize = 5;
const FALSE_CLAIMS: f64 = 4.0 / 30.0;

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

/// How often each claim was made, HELPS, HURTS and anything else, over all noises.
#[expect(clippy::print_stdout, reason = "the table is for whoever asks for it with --nocapture")]
fn claims(setting: &str) -> [usize; 3] {
    let runs = std::env::var("TTFT_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(RUNS);
    let mut sum = [0; 3];
    println!("{setting:<10} {:<21} helps  hurts  other", "noise");
    for (name, noise) in NOISES {
        let mut claims = [0; 3];
        for run in 0..runs {
            let bench = Bench::new(&format!("{SERVER},{noise},{setting}"), &[], run as u64);
            let port = bench.sim.addr().port().to_string();
            let told = bench.ttft(&[
                "verify",
                &port,
                "--gap",
                "0",
                "--context_tokens",
                "600",
                "--max_tokens",
                "1",
                "--no_selftest",
            ]);
            assert!(matches!(told.code, Some(0 | 3 | 4)), "{}{}", told.stdout, told.stderr);
            let claim = ["HELPS", "HURTS"].iter().position(|claim| told.stdout.starts_with(claim)).unwrap_or(2);
            claims[claim] += 1;
        }
        println!("{:<10} {name:<21} {:>5}  {:>5}  {:>5}", "", claims[0], claims[1], claims[2]);
        sum = [0, 1, 2].map(|at| sum[at] + claims[at]);
    }
    sum
}

#[test]
fn without_a_cache_hardly_any_run_claims_an_effect() {
    let _alone = alone();
    let [helps, hurts, other] = claims("hit=off");
    let runs = (helps + hurts + other) as f64;
    assert!((helps + hurts) as f64 / runs <= FALSE_CLAIMS, "{helps} helped and {hurts} hurt, of {runs}");
}

#[test]
fn a_hit_that_saves_a_fifth_is_found_in_nineteen_runs_of_twenty() {
    let _alone = alone();
    let [helps, hurts, other] = claims("hit=on");
    let runs = (helps + hurts + other) as f64;
    assert!(helps as f64 / runs >= 0.95 && hurts == 0, "{helps} helped and {hurts} hurt, of {runs}");
}

//! The claims of `ttft verify` over sockets, under every kind of noise that the simulated endpoint has: five runs a setting,
//! or `TTFT_RUNS`, each a whole run of the program. Virtual time has the rates (`tests/it/verify_virtual/rates.rs`); here
//! they are held to what the program does. The table is printed with `--nocapture`.
//!
//! What is wrong in at most one run of twenty by the method may be so in a few of so few runs: as many as come by chance more
//! often than once in a hundred times.

use std::thread;

use super::alone;
use super::bench::{Bench, cached, prompt};

const RUNS: usize = 5;
/// Of runs, by the method.
const WRONG: f64 = 0.05;

const NOISES: [(&str, &str); 6] = [
    ("5 %", "noise=0.05"),
    ("10 %", "noise=0.10"),
    ("10 % + outliers", "noise=0.10,outliers=0.05"),
    ("5 % + AR 20 %", "noise=0.05,ar=0.95,ar_noise=0.20"),
    ("5 % + drift", "noise=0.05,drift=0.001"),
    ("first of a pair +8 %", "noise=0.05,first_penalty=0.08"),
];
const FIRST_OF_A_PAIR: usize = 5;

const BASE_US: f64 = 10_000.0;
/// So many that a hit, which leaves half a block of 680 tokens to compute, is quicker by a tenth.
const PER_TOKEN_US: f64 = 1.53;
const HOW: [&str; 7] = ["--gap", "0", "--context_tokens", "600", "--max_tokens", "1", "--no_selftest"];

/// How often each claim was made.
#[derive(Debug, Clone, Copy, Default)]
struct Claims {
    helps: usize,
    hurts: usize,
    no_effect: usize,
    undecided: usize,
}

impl Claims {
    fn and(self, other: Claims) -> Claims {
        Claims {
            helps: self.helps + other.helps,
            hurts: self.hurts + other.hurts,
            no_effect: self.no_effect + other.no_effect,
            undecided: self.undecided + other.undecided,
        }
    }

    fn runs(self) -> usize {
        self.helps + self.hurts + self.no_effect + self.undecided
    }

    /// Notes the claim that a run begins with.
    fn note(&mut self, stdout: &str) {
        let claims = [
            ("HELPS", &mut self.helps),
            ("HURTS", &mut self.hurts),
            ("NO MATERIAL EFFECT", &mut self.no_effect),
            ("INCONCLUSIVE", &mut self.undecided),
        ];
        let made = claims.into_iter().find(|(claim, _)| stdout.starts_with(claim));
        *made.unwrap_or_else(|| panic!("no claim: {stdout}")).1 += 1;
    }
}

/// What runs under each noise claimed. They run side by side, since a server that waits leaves the processors to others.
#[expect(clippy::print_stdout, reason = "the table is for whoever asks for it with --nocapture")]
fn claims(setting: &str) -> [Claims; NOISES.len()] {
    let all = thread::scope(|scope| {
        let running = NOISES.map(|(_, noise)| scope.spawn(move || claims_under(noise, setting)));
        running.map(|claims| claims.join().expect("claims"))
    });
    println!("{setting:<10} {:<21} helps  hurts   none  incon.", "noise");
    for ((name, _), Claims { helps, hurts, no_effect, undecided }) in NOISES.iter().zip(&all) {
        println!("{:<10} {name:<21} {helps:>5}  {hurts:>5}  {no_effect:>5}  {undecided:>6}", "");
    }
    all
}

fn claims_under(noise: &str, setting: &str) -> Claims {
    let mut claims = Claims::default();
    for seed in 0..runs() as u64 {
        let bench = bench(&format!("{noise},{setting}"), seed);
        let port = bench.sim.addr().port().to_string();
        let told = bench.ttft(&[&["verify", &port], &HOW[..]].concat());
        assert!(matches!(told.code, Some(0 | 3 | 4)), "{}{}", told.stdout, told.stderr);
        claims.note(&told.stdout);
    }
    claims
}

fn bench(more: &str, seed: u64) -> Bench {
    let server = "7b,template=20,quadratic=0ns,decode=0ns,jitter=0ns,outliers=0";
    Bench::new(&format!("{server},base={BASE_US}us,per_token={PER_TOKEN_US}us,{more}"), &[], seed)
}

fn runs() -> usize {
    std::env::var("TTFT_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(RUNS)
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
    assert_eq!([5, 30, 100].map(|runs| most_by_chance(runs, 0.05)), [2, 5, 11]);
}

#[test]
fn without_a_cache_hardly_any_run_claims_an_effect_and_a_penalty_on_the_first_of_a_pair_is_none() {
    let _alone = alone();
    let under = claims("hit=off");
    let all = under.into_iter().fold(Claims::default(), Claims::and);
    assert!(all.helps + all.hurts <= most_by_chance(all.runs(), WRONG), "{all:?}");
    let first = under[FIRST_OF_A_PAIR];
    assert!(first.runs() - first.no_effect <= most_by_chance(first.runs(), WRONG), "{first:?}");
}

#[test]
fn a_hit_that_is_quicker_by_a_tenth_is_found_in_nineteen_runs_of_twenty() {
    let _alone = alone();
    let all = claims("hit=on").into_iter().fold(Claims::default(), Claims::and);
    assert!(all.hurts == 0 && all.runs() - all.helps <= most_by_chance(all.runs(), WRONG), "{all:?}");
}

#[test]
fn the_server_of_these_runs_is_quicker_by_a_tenth_on_a_hit() {
    let _alone = alone();
    let bench = bench("noise=0,hit=on", 0);
    let port = bench.sim.addr().port().to_string();
    bench.ttft(&[&["verify", &port, "--max_pairs", "10"], &HOW[..]].concat());
    let rows = bench.rows("verify.jsonl");
    let measured =
        |arm: &str| rows.iter().filter(|row| row["role"] == "measure" && row["arm"] == arm).collect::<Vec<_>>();
    let exact = |row: &&serde_json::Value| BASE_US + PER_TOKEN_US * (prompt(row) - cached(row)) as f64;
    let (cold, hit) = (measured("cold"), measured("hit"));
    let ratios: Vec<f64> = cold.iter().zip(&hit).map(|(cold, hit)| exact(cold) / exact(hit)).collect();
    assert!(ratios.len() >= 10 && ratios.iter().all(|ratio| (1.095..1.105).contains(ratio)), "{ratios:?}");
}

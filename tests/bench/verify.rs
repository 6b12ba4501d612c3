//! Short runs of `ttft verify`.
#![allow(dead_code, reason = "each of the test programs uses a part of it")]

use super::{Bench, Printed};

/// 46 ms cold and 11 ms on a hit for 600 tokens, so that a run takes a few seconds.
pub const QUICK: &str = "7b,template=20,base=10ms,per_token=60us,quadratic=0ns,decode=2ms,noise=0.02,outliers=0";

pub fn quick(faults: &[&str]) -> Bench {
    Bench::new(QUICK, faults, 0)
}

/// A verify run of at most 20 pairs.
pub fn verify(bench: &Bench, more: &[&str]) -> Printed {
    let port = bench.sim.addr().port().to_string();
    let usual = ["verify", &port, "--gap", "0", "--context_tokens", "600", "--quick", "--max_pairs", "20"];
    bench.ttft(&[&usual, more].concat())
}

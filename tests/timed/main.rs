//! Tests that compare times. They run one after another, and cargo runs no other test program beside this one, so that the
//! processors are theirs.

use std::sync::{Mutex, MutexGuard, PoisonError};

mod accuracy;
#[path = "../bench/mod.rs"]
mod bench;
mod load;
mod memory;
mod noise;
mod prompts;
#[path = "../it/sim/raw.rs"]
mod raw;
mod selftest;
mod sim;
mod verify;

/// Waits for the other tests of this program. A test that failed has nothing to do with the next one.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

//! The one integration test binary.

mod behaviours;
#[path = "../bench/mod.rs"]
mod bench;
mod classic;
mod closing;
mod compare;
mod context;
mod counters;
mod docs;
mod doctor;
mod flush;
mod help;
mod hub;
mod knee;
mod load;
mod load_ends;
mod map;
mod map_said;
mod map_tokens;
mod map_virtual;
mod open;
mod pictures;
mod proof;
mod relay;
mod report;
mod requests;
mod run;
mod seed;
mod sim;
mod sweep;
mod sweep_pairs;
mod tier;
mod trouble;
mod verify;
mod verify_virtual;

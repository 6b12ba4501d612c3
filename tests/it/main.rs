//! The one integration test binary.

#[path = "../bench/mod.rs"]
mod bench;
mod classic;
mod compare;
mod docs;
mod hub;
mod report;
mod seed;
mod sim;
mod sweep;
mod verify;
mod verify_virtual;

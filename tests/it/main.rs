//! The one integration test binary.

mod hub;
mod report;
mod sim;
mod verify_virtual;

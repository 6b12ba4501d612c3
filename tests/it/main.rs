//! The one integration test binary.

mod compare;
mod hub;
mod report;
mod sim;
mod verify_virtual;

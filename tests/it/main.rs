//! The one integration test binary.

mod hub;
mod sim;
mod verify_virtual;

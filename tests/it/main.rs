//! The one integration test binary.

mod hub;
mod sim;

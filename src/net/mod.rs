//! The stopwatch: sockets, and the moments at which bytes cross them.

pub mod stamp;

//! The simulated endpoint, seen through plain sockets that share nothing with the client.

mod raw;
mod server;

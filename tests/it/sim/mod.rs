//! The simulated endpoint, seen through plain sockets that share nothing with the client.

mod command;
mod docs;
mod faults;
mod flavors;
mod raw;
mod server;

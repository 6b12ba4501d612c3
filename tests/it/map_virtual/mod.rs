//! The map's machine against the simulated cache in virtual time: no sockets and no waiting, and the truth is known.

mod accuracy;
mod server;
mod troubles;

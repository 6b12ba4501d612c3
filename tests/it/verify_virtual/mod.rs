//! The verdict's machine against the simulated cache in virtual time: no sockets, no waiting, thousands of runs whose
//! true ratio is known from the simulator's own formula.

mod cold;
mod lengths;
mod rates;
mod server;
mod store;
mod tier;
mod troubles;

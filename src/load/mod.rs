//! A load, decided before anything is sent: when each request is due, which document it asks about, and which of several
//! machines sends it. No I/O and no clock: a seed and the options give the same schedule everywhere.
//!
//! | module | decides |
//! |---|---|
//! | [`arrivals`] | the moments at which requests are due |
//! | [`mix`] | which requests are to hit, and what each asks about |
//! | [`shard`] | which machine sends which request |
//! | [`validity`] | whether the client kept to the schedule well enough for its figures to count |

pub mod arrivals;
pub mod mix;
pub mod shard;
pub mod validity;

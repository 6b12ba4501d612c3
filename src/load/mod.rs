//! A load, decided before anything is sent: when each request is due, which document it asks about, and which of several
//! machines sends it. No I/O and no clock: a seed and the options give the same schedule everywhere.
//!
//! | module | decides |
//! |---|---|
//! | [`arrivals`] | the moments at which requests are due |
//! | [`mix`] | which requests are to hit, and what each asks about |
//! | [`workload`] | what is asked, and how much of it an endless cache finds |
//! | [`trace`] | the same of a public trace |
//! | [`prompt`] | the text of a request |
//! | [`seen`] | which beginnings of prompts there have been |
//! | [`schedule`] | all of it together |
//! | [`shard`] | which machine sends which request |
//! | [`knee`] | at which rates to ask for what a server can take |
//! | [`validity`] | whether the client kept to the schedule well enough for its figures to count |

pub mod arrivals;
pub mod knee;
pub mod mix;
pub mod prompt;
pub mod schedule;
pub mod seen;
pub mod shard;
pub mod trace;
pub mod validity;
pub mod workload;

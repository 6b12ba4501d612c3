//! Which samples of a log's arm are what the arm says, by the evidence and not by their place in a pair.
//!
//! | | a server that counts | by the clock alone | nobody tells |
//! |---|---|---|---|
//! | cold | nothing cached but the template | slow, where hits are quick | unverified |
//! | hit | most of the prompt cached | quick, where cold is slow | unverified |
//!
//! A sample that is shown to be the other thing (a replay that missed, a new document that was cached) is left out.

use std::collections::BTreeSet;

use crate::evidence::Found;
use crate::pairs::came_from_cache;
use crate::plan::Arm;
use crate::report::data::{Cell, Data, Entry};

/// The samples of a cell that count.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Verified {
    /// Times to first token, in nanoseconds.
    pub times: Vec<f64>,
    /// Of these, the ones that are proved to be what their arm says.
    pub proved: usize,
    /// Samples that are shown to be the other thing.
    pub left_out: usize,
}

/// The sessions whose server counts cached tokens. Some servers leave the count out where it is zero: one count in a
/// session says that the server counts.
pub struct Counting(BTreeSet<(usize, usize)>);

impl Counting {
    pub fn of(data: &Data) -> Counting {
        let counts = data.entries().filter(|(_, entry)| entry.cached_tokens().is_some());
        Counting(counts.map(|(log, entry)| (log, entry.session)).collect())
    }

    pub fn verified(&self, cell: &Cell) -> Verified {
        let mut verified = Verified::default();
        for entry in &cell.entries {
            let Some(ttft) = entry.ttft_ns else { continue };
            match self.is_what_it_says(cell.log, entry) {
                Some(false) => verified.left_out += 1,
                told => {
                    verified.times.push(ttft as f64);
                    verified.proved += usize::from(told == Some(true));
                }
            }
        }
        verified
    }

    /// `None` where nobody tells.
    fn is_what_it_says(&self, log: usize, entry: &Entry) -> Option<bool> {
        let found = entry.evidence.as_ref()?.found;
        match (entry.arm, found) {
            (Arm::Hit, _) if entry.cached_tokens().is_some() => came_from_cache(entry.sample.as_ref()?),
            (Arm::Hit, Found::Hit | Found::Partial) => Some(true),
            (Arm::Hit, Found::Cold) => Some(false),
            (_, Found::Cold) => Some(true),
            (_, Found::Hit | Found::Partial) => Some(false),
            (Arm::Hit, Found::Unknown) => self.counts(log, entry).then_some(false),
            (_, Found::Unknown) => self.counts(log, entry).then_some(true),
        }
    }

    fn counts(&self, log: usize, entry: &Entry) -> bool {
        self.0.contains(&(log, entry.session))
    }
}

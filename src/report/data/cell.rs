//! The measured rows of all logs, by log, length and arm.

use super::{Data, Entry};
use crate::plan::Arm;

/// The measured rows of one log, one context length and one arm.
#[derive(Debug, Clone)]
pub struct Cell<'a> {
    pub log: usize,
    pub context_tokens: u64,
    pub arm: Arm,
    pub entries: Vec<&'a Entry>,
}

/// Generated documents of one length differ by a few tokens; up to this factor they are one length.
const SAME_LENGTH: f64 = 1.02;

impl Data {
    pub fn entries(&self) -> impl Iterator<Item = (usize, &Entry)> {
        self.logs.iter().enumerate().flat_map(|(log, of)| of.entries.iter().map(move |entry| (log, entry)))
    }

    /// Whether the logs need their names to be told apart.
    pub fn is_labelled(&self) -> bool {
        self.logs.len() > 1
    }

    /// The name of an arm of a log: `hit`, or `lmcache hit` beside other logs.
    pub fn series_name(&self, log: usize, arm: Arm) -> String {
        if self.is_labelled() { format!("{} {}", self.logs[log].label, arm_name(arm)) } else { arm_name(arm).into() }
    }

    /// The context lengths that were measured, each the smallest of its documents, growing.
    pub fn lengths(&self) -> Vec<u64> {
        let mut seen: Vec<u64> =
            self.entries().filter(|(_, entry)| entry.is_measured()).map(|(_, entry)| entry.context_tokens).collect();
        seen.sort_unstable();
        seen.dedup_by(|next, first| *next as f64 <= *first as f64 * SAME_LENGTH);
        seen
    }

    /// The measured rows by log, then length, then arm; none of them empty.
    pub fn cells(&self) -> Vec<Cell<'_>> {
        let lengths = self.lengths();
        let mut cells: Vec<Cell> = Vec::new();
        for (log, entry) in self.entries().filter(|(_, entry)| entry.is_measured()) {
            let above = lengths.partition_point(|length| *length <= entry.context_tokens);
            let context_tokens = lengths[above - 1];
            let is_mine =
                |cell: &&mut Cell| (cell.log, cell.context_tokens, cell.arm) == (log, context_tokens, entry.arm);
            match cells.iter_mut().find(is_mine) {
                Some(cell) => cell.entries.push(entry),
                None => cells.push(Cell { log, context_tokens, arm: entry.arm, entries: vec![entry] }),
            }
        }
        cells.sort_by_key(|cell| (cell.log, cell.context_tokens, arm_rank(cell.arm)));
        cells
    }

    /// The cells of each log and arm at all its lengths, cold before hit.
    pub fn arms(&self) -> Vec<Vec<Cell<'_>>> {
        let mut cells = self.cells();
        cells.sort_by_key(|cell| (cell.log, arm_rank(cell.arm)));
        let same = |one: &Cell, other: &Cell| (one.log, one.arm) == (other.log, other.arm);
        cells.chunk_by(same).map(<[Cell]>::to_vec).collect()
    }

    /// The length with the most samples, the longest of several: the one to look at when only one can be shown.
    pub fn main_length(&self) -> Option<u64> {
        let cells = self.cells();
        let samples = |length: u64| -> usize {
            cells.iter().filter(|cell| cell.context_tokens == length).map(|cell| cell.entries.len()).sum()
        };
        self.lengths().into_iter().max_by_key(|length| (samples(*length), *length))
    }
}

impl Cell<'_> {
    /// The times to first token in nanoseconds, in the order they were measured.
    pub fn times(&self) -> Vec<f64> {
        self.entries.iter().filter_map(|entry| entry.ttft_ns).map(|ns| ns as f64).collect()
    }
}

pub fn arm_name(arm: Arm) -> &'static str {
    match arm {
        Arm::Cold => "cold",
        Arm::Hit => "hit",
        Arm::Unseen => "unseen",
    }
}

/// Cold before hit before the control.
pub fn arm_rank(arm: Arm) -> usize {
    match arm {
        Arm::Cold => 0,
        Arm::Hit => 1,
        Arm::Unseen => 2,
    }
}

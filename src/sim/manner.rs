//! What faults do to the delivery of a stream: which events, in which writes, and how far.

use std::time::Duration;

use super::faults::{FaultKind, Faults};

/// How the stream is delivered and how it ends.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Manner {
    pub byte_by_byte: bool,
    pub buffered: bool,
    pub empty: bool,
    pub unterminated: bool,
    pub no_done: bool,
    pub early_role: Option<Duration>,
    pub tokens_per_event: u64,
    pub hit_changes_answer: bool,
    /// After how many tokens the stream goes wrong, and how.
    pub breaks: Option<(u64, Break)>,
}

/// How a stream goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Break {
    Error,
    ErrorDone,
    Eof,
    Cut,
    Rst,
    Stall,
}

impl Manner {
    pub fn new(faults: &Faults, nth: u64) -> Manner {
        let has = |kind| faults.has(kind, nth);
        let breaks = [
            (FaultKind::ErrorEvent, Break::Error),
            (FaultKind::ErrorEventDone, Break::ErrorDone),
            (FaultKind::EofNoFinish, Break::Eof),
            (FaultKind::Cut, Break::Cut),
            (FaultKind::Rst, Break::Rst),
            (FaultKind::Stall, Break::Stall),
        ];
        Manner {
            byte_by_byte: has(FaultKind::ByteByByte),
            buffered: has(FaultKind::Buffered),
            empty: has(FaultKind::EmptyStream),
            unterminated: has(FaultKind::Unterminated),
            no_done: has(FaultKind::NoDone),
            early_role: faults.number(FaultKind::EarlyRole, nth).map(Duration::from_millis),
            tokens_per_event: faults.number(FaultKind::StreamInterval, nth).unwrap_or(1).max(1),
            hit_changes_answer: has(FaultKind::HitChangesAnswer),
            breaks: breaks.into_iter().find_map(|(kind, how)| Some((faults.number(kind, nth)?, how))),
        }
    }
}

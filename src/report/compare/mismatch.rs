//! Why two logs cannot be compared, or with what reserve.

use std::fmt;

use super::{ALIKE, NOTED, Twin};
use crate::plan::Arm;
use crate::report::data::Log;
use crate::report::units;

/// A reason.
#[derive(Debug, Clone, PartialEq)]
pub enum Mismatch {
    OtherModel {
        before: String,
        after: String,
    },
    /// What decides the times was not the same.
    OtherCondition {
        key: &'static str,
        before: String,
        after: String,
    },
    OtherLengths {
        before: Vec<u64>,
        after: Vec<u64>,
    },
    /// Nothing proves that the cold documents of a log were cold.
    ColdUnverified {
        log: String,
    },
    /// The logs have a length in common, and no arm.
    NothingInCommon,
    /// What may decide the times was not the same.
    Noted {
        key: &'static str,
        before: String,
        after: String,
    },
    /// Samples that are shown not to be what their arm says.
    LeftOut {
        log: String,
        arm: Arm,
        samples: usize,
    },
    /// Replays of which nothing shows that they hit.
    HitUnverified {
        log: String,
    },
    /// Lengths that one log alone has.
    LengthsApart {
        lengths: Vec<u64>,
    },
}

impl Mismatch {
    /// Whether the logs say nothing about each other.
    pub fn is_void(&self) -> bool {
        use Mismatch::{ColdUnverified, NothingInCommon, OtherCondition, OtherLengths, OtherModel};
        matches!(
            self,
            OtherModel { .. } | OtherCondition { .. } | OtherLengths { .. } | ColdUnverified { .. } | NothingInCommon
        )
    }

    /// What the logs' conditions show, the gravest first.
    pub(super) fn of_conditions(before: &Log, after: &Log) -> Vec<Mismatch> {
        let pair = |key| Some((before.told(key)?, after.told(key)?)).filter(|(one, other)| one != other);
        let model = pair("model").map(|(before, after)| Mismatch::OtherModel { before, after });
        let alike = ALIKE.iter().filter_map(|key| {
            let (before, after) = pair(key)?;
            Some(Mismatch::OtherCondition { key, before, after })
        });
        let noted = NOTED.iter().filter_map(|key| {
            let (before, after) = pair(key)?;
            Some(Mismatch::Noted { key, before, after })
        });
        model.into_iter().chain(alike).chain(noted).collect()
    }

    /// What the samples show.
    pub(super) fn of_evidence(twins: &[Twin], before: &Log, after: &Log) -> Vec<Mismatch> {
        let mut found = Vec::new();
        for (of_log, of) in [(before, 0), (after, 1)] {
            let log = &of_log.label;
            let evidence =
                |arm: Arm| twins.iter().filter(move |twin| twin.arm == arm).map(move |twin| &twin.evidence[of]);
            // They are in no cell: a cold request that was warm is no time of an arm.
            let warm = of_log.entries.iter().filter(|entry| entry.is_warm_cold()).count();
            let has_cold = evidence(Arm::Cold).next().is_some();
            if evidence(Arm::Cold).any(|of| of.proved == 0) || warm > 0 && !has_cold {
                found.push(Mismatch::ColdUnverified { log: log.clone() });
            } else if evidence(Arm::Hit).any(|of| of.proved == 0 && !of.times.is_empty()) {
                found.push(Mismatch::HitUnverified { log: log.clone() });
            }
            for (arm, more) in [(Arm::Cold, warm), (Arm::Hit, 0)] {
                let samples = more + evidence(arm).map(|of| of.left_out).sum::<usize>();
                found.extend((samples > 0).then(|| Mismatch::LeftOut { log: log.clone(), arm, samples }));
            }
        }
        found
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mismatch::OtherModel { before, after } => write!(f, "the models differ, {before} and {after}"),
            Mismatch::OtherCondition { key, before, after } => {
                write!(f, "the logs differ in {key}, {before} and {after}; measure both alike")
            }
            Mismatch::OtherLengths { before, after } => write!(
                f,
                "the logs have no context length in common, {} and {}; measure both at the same lengths",
                tokens(before),
                tokens(after)
            ),
            Mismatch::ColdUnverified { log } => write!(
                f,
                "nothing proves that cold is cold in {log}; measure a server that counts cached tokens (ttft doctor tells \
                 how to switch that on)"
            ),
            Mismatch::NothingInCommon => {
                write!(f, "the logs have no arm in common at a length; measure cold and hits in both")
            }
            Mismatch::Noted { key, before, after } => {
                write!(f, "the logs differ in {key}, {before} and {after}; the times may differ for that")
            }
            Mismatch::LeftOut { log, arm: Arm::Cold, samples } => {
                write!(f, "{samples} cold requests of {log} came out of the cache and are left out")
            }
            Mismatch::LeftOut { log, samples, .. } => {
                write!(f, "{samples} replays of {log} missed and are left out: the hits compared are those that hit")
            }
            Mismatch::HitUnverified { log } => {
                write!(f, "nothing shows that the replays of {log} hit; they are compared as replays")
            }
            Mismatch::LengthsApart { lengths } => {
                write!(f, "one log alone has {}, which are left out", tokens(lengths))
            }
        }
    }
}

fn tokens(lengths: &[u64]) -> String {
    let words: Vec<String> = lengths.iter().map(|length| units::count(*length)).collect();
    format!("{} tokens", words.join(", "))
}

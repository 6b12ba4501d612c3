//! The exit codes, which scripts rely on (`docs/FORMAT.md`).

use std::process::{ExitCode, Termination};

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: it ran; for `verify`, the cache helps.
    Ok,
    /// 1: it could not run, or a classic run had a failed request.
    Failed,
    /// 2: the command line was wrong.
    Usage,
    /// 3: the cache has no effect or hurts, or a gate (`--slo`, `--fail_if_slower`, `--expect`) was missed.
    Missed,
    /// 4: inconclusive, a control failed, the run is void, or nothing usable was measured.
    Inconclusive,
    /// 130: interrupted by the user; what was measured is in the log.
    Interrupted,
}

impl Exit {
    /// The number the shell sees.
    pub fn code(self) -> u8 {
        match self {
            Exit::Ok => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Missed => 3,
            Exit::Inconclusive => 4,
            Exit::Interrupted => 130,
        }
    }
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(self.code())
    }
}

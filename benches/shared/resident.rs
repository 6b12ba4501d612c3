//! The memory of a process, as `/proc` tells it, while it writes its log row by row.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use ttft::clock::{Clock, Monotonic};

const LOOK: Duration = Duration::from_millis(5);

/// What a run held in memory, in MB.
#[derive(Debug, Clone, Copy)]
pub struct Resident {
    /// When the log had `early` rows.
    pub early_mb: f64,
    /// The most from then on until the log had `all` rows.
    pub measuring_mb: f64,
    /// The most of the whole process, its closing report included.
    pub peak_mb: f64,
    /// From `early` rows to `all`.
    pub seconds: f64,
    /// From `all` rows to the end.
    pub closing_seconds: f64,
}

/// Watches `child` to its end; it appends to `log`.
///
/// # Panics
/// When it ends before there are `all` rows.
pub fn watch(child: &mut Child, log: &Path, early: usize, all: usize) -> Resident {
    let mut rows = Rows::default();
    let mut resident = Resident { early_mb: 0.0, measuring_mb: 0.0, peak_mb: 0.0, seconds: 0.0, closing_seconds: 0.0 };
    let (mut begin, mut end) = (None, None);
    while child.try_wait().expect("it is ours").is_none() {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let (now_mb, written) = (of(&status, "VmRSS:"), rows.count(log));
        resident.peak_mb = resident.peak_mb.max(of(&status, "VmHWM:"));
        if begin.is_none() && written >= early {
            (begin, resident.early_mb) = (Some(Monotonic.now()), now_mb);
        }
        if begin.is_some() && written < all {
            resident.measuring_mb = resident.measuring_mb.max(now_mb);
        }
        if end.is_none() && written >= all {
            end = Some(Monotonic.now());
        }
        Monotonic.sleep_until(Monotonic.now().after(LOOK));
    }
    let (begin, end) = begin.zip(end).unwrap_or_else(|| panic!("{} rows of {all} were written", rows.lines));
    resident.seconds = begin.until(end).as_secs_f64();
    resident.closing_seconds = end.until(Monotonic.now()).as_secs_f64();
    resident
}

fn of(status: &str, key: &str) -> f64 {
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    let kb: f64 = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0.0);
    kb / 1024.0
}

/// The rows of a log that grows: each byte is read once.
#[derive(Default)]
struct Rows {
    file: Option<File>,
    lines: usize,
}

impl Rows {
    fn count(&mut self, log: &Path) -> usize {
        if self.file.is_none() {
            self.file = File::open(log).ok();
        }
        let mut buffer = [0; 65_536];
        while let Some(read) = self.file.as_mut().and_then(|file| file.read(&mut buffer).ok()).filter(|read| *read > 0)
        {
            self.lines += buffer[..read].iter().filter(|byte| **byte == b'\n').count();
        }
        self.lines
    }
}

//! A process and what it cost.

use std::process::{Child, Command};
use std::time::Duration;

use ttft::clock::{Clock, Monotonic};

/// How often `/proc` is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// Linux counts processor time in hundredths of a second.
const TICKS_PER_SECOND: f64 = 100.0;

/// What a process used.
#[derive(Debug, Clone, Copy)]
pub struct Used {
    pub cpu_s: f64,
    /// The highest resident memory.
    pub peak_mb: f64,
}

/// Runs `command` to its end, whatever that is: what it measured says more. `None` when it cannot be started.
pub fn run(command: &mut Command) -> Option<Used> {
    let mut child = command.spawn().ok()?;
    let mut used = Used { cpu_s: 0.0, peak_mb: 0.0 };
    // A process that has ended and was not waited for still tells its processor time.
    while !has_ended(&child, &mut used) {
        Monotonic.sleep_until(Monotonic.now().after(LOOK));
    }
    child.wait().ok()?;
    Some(used)
}

fn has_ended(child: &Child, used: &mut Used) -> bool {
    let of = |name: &str| std::fs::read_to_string(format!("/proc/{}/{name}", child.id())).unwrap_or_default();
    let status = of("status");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak_kb: f64 = peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0.0);
    used.peak_mb = used.peak_mb.max(peak_kb / 1024.0);
    // Behind the name in brackets: the state, and as 12th and 13th word the ticks in the program and in the kernel.
    let stat = of("stat");
    let words: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| words.get(at).and_then(|word| word.parse::<f64>().ok()).unwrap_or(0.0);
    used.cpu_s = used.cpu_s.max((ticks(11) + ticks(12)) / TICKS_PER_SECOND);
    matches!(words.first(), None | Some(&"Z"))
}

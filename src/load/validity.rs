//! Whether the client kept to its schedule. A late client measures itself: its figures are then no figures of the server.

use std::fmt;

use crate::clock::Nanos;

const LAG_WARNS: f64 = 0.01;
const LAG_VOIDS: f64 = 0.05;
/// A lag that is harmless however fast the server is.
const LAG_FLOOR: Nanos = 2_000_000;
const CPU_VOIDS: f64 = 0.70;

/// What the client knows of itself after a load.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Conduct {
    /// The 99th percentile of the time from a request's due moment to the first thing done about it; `None` in a closed
    /// loop, which has no schedule.
    pub lag_p99_ns: Option<Nanos>,
    /// `None` when nothing was measured.
    pub median_ttft_ns: Option<Nanos>,
    /// Processor time over wall time and the cores that it may use; `None` where the system does not tell.
    pub cpu_share: Option<f64>,
}

/// A reason to doubt the run or to throw it away; its text says why and what to do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    Lag { lag_p99_ns: Nanos, median_ttft_ns: Nanos, is_void: bool },
    Processor { share: f64 },
}

impl Fault {
    /// Whether the run's figures do not count.
    pub fn is_void(self) -> bool {
        match self {
            Fault::Lag { is_void, .. } => is_void,
            Fault::Processor { .. } => true,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Fault::Lag { lag_p99_ns, median_ttft_ns, is_void } => {
                let percent = 100.0 * lag_p99_ns as f64 / median_ttft_ns as f64;
                let so = if is_void { "the run is void" } else { "the slowest requests look slower than they were" };
                write!(
                    f,
                    "1 % of the requests left the client later than due by {percent:.1} % of the median TTFT or "
                )?;
                write!(f, "more, so {so}; ask for a lower rate, or share the load among machines with --shard")
            }
            Fault::Processor { share } => {
                write!(f, "the client used {:.0} % of its processors, so the run is void; ", 100.0 * share)?;
                f.write_str("ask for a lower rate, or share the load among machines with --shard")
            }
        }
    }
}

/// Everything wrong with a client's conduct. A lag p99 above 1 % of the median TTFT warns; above 5 % of it and above
/// 2 ms it voids the run, as does a processor share above 70 %. What was not measured is no fault.
pub fn faults(conduct: &Conduct) -> Vec<Fault> {
    let lag = conduct.lag_p99_ns.zip(conduct.median_ttft_ns).and_then(|(lag_p99_ns, median_ttft_ns)| {
        let (lag, median) = (lag_p99_ns as f64, median_ttft_ns as f64);
        let is_void = lag > (LAG_VOIDS * median).max(LAG_FLOOR as f64);
        (is_void || lag > LAG_WARNS * median).then_some(Fault::Lag { lag_p99_ns, median_ttft_ns, is_void })
    });
    let processor = conduct.cpu_share.filter(|share| *share > CPU_VOIDS).map(|share| Fault::Processor { share });
    lag.into_iter().chain(processor).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Nanos = 1_000_000;

    fn of(lag_ms: Nanos, ttft_ms: Nanos, cpu: f64) -> Vec<bool> {
        let conduct =
            Conduct { lag_p99_ns: Some(lag_ms * MS), median_ttft_ns: Some(ttft_ms * MS), cpu_share: Some(cpu) };
        faults(&conduct).into_iter().map(Fault::is_void).collect()
    }

    #[test]
    fn a_small_lag_is_nothing_a_larger_one_warns_and_a_large_one_voids() {
        assert!(of(1, 200, 0.2).is_empty());
        assert_eq!(of(3, 200, 0.2), [false]);
        assert_eq!(of(11, 200, 0.2), [true]);
    }

    #[test]
    fn two_milliseconds_void_nothing_however_fast_the_server_is() {
        assert_eq!(of(2, 10, 0.2), [false]);
        assert_eq!(of(3, 10, 0.2), [true]);
    }

    #[test]
    fn a_busy_client_voids_its_run() {
        assert_eq!(of(0, 200, 0.71), [true]);
        assert!(of(0, 200, 0.70).is_empty());
    }

    #[test]
    fn what_was_not_measured_is_no_fault() {
        assert_eq!(faults(&Conduct { lag_p99_ns: None, median_ttft_ns: None, cpu_share: None }), []);
    }
}

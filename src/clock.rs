//! The one place that reads time.
//!
//! A [`Stamp`] is a point on the machine's monotonic clock; differences of stamps are [`Nanos`]. The wall clock is read
//! for three things only: to say when a session began ([`Monotonic::wall`]), to begin on several machines at once
//! ([`Monotonic::at`]), and to carry a kernel receive stamp, which Linux gives on `CLOCK_REALTIME`, over to the monotonic
//! clock ([`ReceiveClock`]). No duration ever comes from it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use rustix::time::{ClockId, clock_gettime};

/// A span of time in nanoseconds.
pub type Nanos = u64;

/// A point on the monotonic clock, in nanoseconds since an origin that the operating system chose (boot, on Linux).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp(pub Nanos);

impl Stamp {
    /// The time from `earlier` to here, or `None` when `earlier` is in fact the later of the two.
    pub fn since(self, earlier: Stamp) -> Option<Nanos> {
        self.0.checked_sub(earlier.0)
    }

    /// The time from here to `later`; zero when that has passed.
    pub fn until(self, later: Stamp) -> Duration {
        Duration::from_nanos(later.0.saturating_sub(self.0))
    }

    /// The point `span` after this one.
    pub fn after(self, span: Duration) -> Stamp {
        Stamp(self.0.saturating_add(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// A source of monotonic time that can wait, so that everything above runs on real time or on a [`ManualClock`].
pub trait Clock: Send + Sync {
    /// The present moment.
    fn now(&self) -> Stamp;
    /// Blocks until `deadline`; returns at once when it has passed.
    fn sleep_until(&self, deadline: Stamp);
}

/// `CLOCK_MONOTONIC`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Monotonic;

impl Monotonic {
    /// The wall clock, for the `started_at` of a session and the common start of several, and for nothing else.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    pub fn wall(self) -> SystemTime {
        SystemTime::now()
    }

    /// The point at which the wall clock will show `wall`, by what it shows now; `None` when that has passed. For the
    /// moment at which several machines begin, and for nothing that is measured.
    pub fn at(self, wall: SystemTime) -> Option<Stamp> {
        let left = wall.duration_since(self.wall()).ok()?;
        Some(self.now().after(left))
    }

    /// Processor time that this process has used, in nanoseconds.
    pub fn cpu(self) -> Nanos {
        nanos_of(ClockId::ProcessCPUTime)
    }

    /// The smallest step this clock was seen to make, in nanoseconds, over `reads` pairs of readings.
    pub fn grain(self, reads: usize) -> Nanos {
        (0..reads)
            .filter_map(|_| {
                let first = self.now();
                let mut next = self.now();
                while next == first {
                    next = self.now();
                }
                next.since(first)
            })
            .min()
            .unwrap_or(0)
    }
}

impl Clock for Monotonic {
    fn now(&self) -> Stamp {
        Stamp(nanos_of(ClockId::Monotonic))
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that sleeps")]
    fn sleep_until(&self, deadline: Stamp) {
        std::thread::sleep(self.now().until(deadline));
    }
}

/// A clock that moves only when it is told to: virtual time for the machines' tests.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicU64);

impl ManualClock {
    /// Moves the clock forward.
    pub fn advance(&self, span: Duration) {
        self.0.fetch_add(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Stamp {
        Stamp(self.0.load(Ordering::SeqCst))
    }

    fn sleep_until(&self, deadline: Stamp) {
        self.0.fetch_max(deadline.0, Ordering::SeqCst);
    }
}

/// How far the two clocks may drift apart between two reads before it counts as a step of the wall clock. NTP slews by
/// at most 500 ppm, so half a second between two reads moves the offset by no more than this.
const STEP: i128 = 250_000;

/// For so long after a step was noticed no kernel stamp is believed: a segment that was stamped before the step may still
/// lie unread. The reader does nothing but read, so that none lies longer.
const SETTLING: Duration = Duration::from_secs(1);

/// Carries kernel receive stamps from the wall clock to the monotonic clock.
///
/// At each read both clocks are taken together; a kernel stamp `k` read at wall time `r` and monotonic time `m` happened
/// at `m - (r - k)`. A stamp from the future, or one that may have been taken before a step of the wall clock, is refused.
#[derive(Debug)]
pub struct ReceiveClock {
    /// The wall clock less the monotonic one, at the read before.
    offset: i128,
    last: Stamp,
    /// When the latest step was noticed.
    stepped: Option<Stamp>,
}

/// One reading of both clocks.
#[derive(Debug, Clone, Copy)]
pub struct BothClocks {
    /// The monotonic clock: the stamp of the read itself.
    pub at: Stamp,
    /// The wall clock at that moment, nanoseconds since 1970.
    pub wall_ns: u64,
}

/// The two clocks count as read together when no more than this lies between two readings of the monotonic clock around
/// that of the wall clock: many times what the three cost, and far below what a stamp may be off.
const TOGETHER: Nanos = 2_000;

/// So many pairs are read at most. On a machine so busy that the thread had to wait in each of them the last one counts,
/// and may look like a step.
const READINGS: usize = 4;

impl BothClocks {
    /// Reads both clocks as of one moment. A thread that is made to wait between the two would see its wait as a step of
    /// the wall clock, so that such a pair is read again; `at` is the first reading all the same.
    pub fn read() -> BothClocks {
        BothClocks::read_by(|| Monotonic.now(), || nanos_of(ClockId::Realtime))
    }

    fn read_by(mut monotonic: impl FnMut() -> Stamp, mut wall: impl FnMut() -> Nanos) -> BothClocks {
        let at = monotonic();
        let (mut before, mut left) = (at, READINGS);
        loop {
            let (wall_ns, after) = (wall(), monotonic());
            left -= 1;
            if left == 0 || after.0.saturating_sub(before.0) <= TOGETHER {
                return BothClocks { at, wall_ns: wall_ns.saturating_sub(before.0 - at.0) };
            }
            before = after;
        }
    }

    /// The wall clock less the monotonic one.
    fn offset(self) -> i128 {
        i128::from(self.wall_ns) - i128::from(self.at.0)
    }
}

impl ReceiveClock {
    /// A clock that is to notice steps from `now` on.
    pub fn starting(now: BothClocks) -> ReceiveClock {
        ReceiveClock { offset: now.offset(), last: now.at, stepped: None }
    }

    /// The monotonic moment of the kernel stamp `kernel_wall_ns` that came with a read at `now`, or `None` when the
    /// stamp cannot be believed: it lies in the future, or the wall clock was stepped within the last second.
    pub fn convert(&mut self, now: BothClocks, kernel_wall_ns: u64) -> Option<Stamp> {
        let elapsed = now.at.since(self.last).unwrap_or(0);
        // 500 ppm of slew on top of the fixed tolerance, for reads that are far apart.
        let tolerance = STEP + i128::from(elapsed) / 2_000;
        if (now.offset() - self.offset).abs() > tolerance {
            self.stepped = Some(now.at);
        }
        (self.offset, self.last) = (now.offset(), now.at);
        if self.is_unsettled(now.at) {
            return None;
        }
        let age = now.wall_ns.checked_sub(kernel_wall_ns)?;
        now.at.0.checked_sub(age).map(Stamp)
    }

    /// Whether kernel stamps are refused at `now` because the wall clock was stepped.
    pub fn is_unsettled(&self, now: Stamp) -> bool {
        self.stepped.is_some_and(|stepped| now < stepped.after(SETTLING))
    }
}

fn nanos_of(id: ClockId) -> Nanos {
    let time = clock_gettime(id);
    // Both clocks count up from zero, so neither field is ever negative.
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const WALL: u64 = 1_700_000_000_000_000_000;

    fn both(at: u64, wall_ns: u64) -> BothClocks {
        BothClocks { at: Stamp(at), wall_ns }
    }

    #[test]
    fn a_kernel_stamp_keeps_its_age_on_the_monotonic_clock() {
        let mut clock = ReceiveClock::starting(both(0, WALL - 5_000));
        assert_eq!(clock.convert(both(5_000, WALL), WALL - 1_200), Some(Stamp(3_800)));
    }

    #[test]
    fn a_wait_between_the_two_clocks_is_no_step_of_either() {
        // The thread is away for a millisecond after its first reading of the monotonic clock, and not again.
        let now = std::cell::Cell::new(0);
        let mut waits = vec![1_000_000];
        let both = BothClocks::read_by(
            || Stamp(now.replace(now.get() + 30 + waits.pop().unwrap_or(0))),
            || WALL + now.replace(now.get() + 30),
        );
        assert_eq!(both.at, Stamp(0));
        // The wall clock was read 30 ns after the monotonic one.
        assert_eq!(both.wall_ns, WALL + 30);
    }

    #[test]
    fn a_stamp_from_the_future_is_refused() {
        let mut clock = ReceiveClock::starting(both(0, WALL - 5_000));
        assert_eq!(clock.convert(both(5_000, WALL), WALL + 1), None);
        assert!(!clock.is_unsettled(Stamp(5_000)));
    }

    #[test]
    fn after_a_step_of_the_wall_clock_either_way_stamps_are_refused_until_the_old_ones_are_gone() {
        const SECOND: u64 = 1_000_000_000;
        for stepped in [WALL + SECOND, WALL - SECOND] {
            let mut clock = ReceiveClock::starting(both(0, WALL));
            let at = |clock: &mut ReceiveClock, ns: u64, stamp: u64| clock.convert(both(ns, stepped + ns), stamp);
            assert_eq!(at(&mut clock, 2_000_000, stepped), None);
            // Stamped before the step, and read after it was noticed: on the new clock it would be a second off.
            assert_eq!(at(&mut clock, 3_000_000, WALL + 1_900_000), None);
            assert!(clock.is_unsettled(Stamp(3_000_000)));
            let settled = SECOND + 2_000_000;
            assert_eq!(at(&mut clock, settled, stepped + settled - 7), Some(Stamp(settled - 7)));
            assert!(!clock.is_unsettled(Stamp(settled)));
        }
    }

    #[test]
    fn a_step_before_the_first_read_is_noticed_too() {
        let mut clock = ReceiveClock::starting(both(0, WALL));
        assert_eq!(clock.convert(both(1_000, WALL + 5_000_000), WALL + 4_999_000), None);
    }

    #[test]
    fn slew_within_what_ntp_may_do_is_no_step() {
        let mut clock = ReceiveClock::starting(both(0, WALL));
        let second = 1_000_000_000;
        let slewed = WALL + 10 * second + 4_900_000;
        assert_eq!(clock.convert(both(10 * second, slewed), slewed - 7), Some(Stamp(10 * second - 7)));
    }

    #[test]
    fn virtual_time_moves_only_when_told() {
        let clock = ManualClock::default();
        clock.sleep_until(Stamp(70));
        clock.advance(Duration::from_nanos(5));
        assert_eq!(clock.now(), Stamp(75));
    }
}

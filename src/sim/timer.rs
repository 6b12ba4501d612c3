//! The server's timer: one `timerfd` and a heap of who is to be woken when.
//!
//! tokio's own timer has a grain of a millisecond. A `timerfd` has none and no slack either; what remains is the time
//! the kernel takes to wake the thread, some tens of microseconds, and the truth log records it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::unix::AsyncFd;

use crate::clock::{Clock, Monotonic, Stamp};

/// The timer. Its methods may be called from any task of the runtime it was made in.
pub(super) struct Timer {
    fd: AsyncFd<OwnedFd>,
    alarms: Mutex<Alarms>,
}

#[derive(Default)]
struct Alarms {
    heap: BinaryHeap<Reverse<Alarm>>,
    armed: Option<Stamp>,
    count: u64,
}

struct Alarm {
    at: Stamp,
    /// Alarms of one moment go off in the order in which they were set.
    nth: u64,
    waker: Waker,
}

impl Timer {
    /// Makes the timer and the task that drives it, in the runtime that is running.
    #[expect(deprecated, reason = "its successor is unsafe, for descriptors that may close; an OwnedFd cannot")]
    pub fn start() -> io::Result<Arc<Timer>> {
        let fd = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        let timer = Arc::new(Timer { fd: AsyncFd::new(fd)?, alarms: Mutex::default() });
        tokio::spawn(drive(timer.clone()));
        Ok(timer)
    }

    /// Ready once `at` has come; until then the task is woken at that moment.
    pub fn poll_until(&self, at: Stamp, cx: &mut Context) -> Poll<()> {
        if Monotonic.now() >= at {
            return Poll::Ready(());
        }
        let mut alarms = self.alarms();
        alarms.count += 1;
        let nth = alarms.count;
        alarms.heap.push(Reverse(Alarm { at, nth, waker: cx.waker().clone() }));
        if alarms.armed.is_none_or(|armed| at < armed) {
            alarms.armed = Some(at);
            arm(self.fd.get_ref(), at);
        }
        Poll::Pending
    }

    /// Waits until `at`.
    pub async fn until(&self, at: Stamp) {
        std::future::poll_fn(|cx| self.poll_until(at, cx)).await;
    }

    /// Waits for `span`.
    pub async fn pause(&self, span: Duration) {
        self.until(Monotonic.now().after(span)).await;
    }

    /// Wakes all whose moment has come and arms the descriptor for the next one.
    fn ring(&self) {
        let mut alarms = self.alarms();
        let now = Monotonic.now();
        while alarms.heap.peek().is_some_and(|Reverse(alarm)| alarm.at <= now) {
            if let Some(Reverse(alarm)) = alarms.heap.pop() {
                alarm.waker.wake();
            }
        }
        alarms.armed = alarms.heap.peek().map(|Reverse(alarm)| alarm.at);
        if let Some(at) = alarms.armed {
            arm(self.fd.get_ref(), at);
        }
    }

    fn alarms(&self) -> MutexGuard<'_, Alarms> {
        self.alarms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn drive(timer: Arc<Timer>) {
    while let Ok(mut ready) = timer.fd.readable().await {
        // The count of expirations says nothing that the clock does not say better.
        let _ = ready.try_io(|fd| Ok(rustix::io::read(fd.get_ref(), &mut [0; 8])?));
        timer.ring();
    }
}

fn arm(fd: &OwnedFd, at: Stamp) {
    // All zero would disarm it.
    let at = at.0.max(1);
    let it_value = Timespec { tv_sec: (at / 1_000_000_000) as i64, tv_nsec: (at % 1_000_000_000) as i64 };
    let it_interval = Timespec { tv_sec: 0, tv_nsec: 0 };
    let armed = timerfd_settime(fd, TimerfdTimerFlags::ABSTIME, &Itimerspec { it_interval, it_value });
    debug_assert!(armed.is_ok(), "an absolute time on our own descriptor is always valid");
}

impl PartialEq for Alarm {
    fn eq(&self, other: &Alarm) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Alarm {}

impl PartialOrd for Alarm {
    fn partial_cmp(&self, other: &Alarm) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Alarm {
    fn cmp(&self, other: &Alarm) -> std::cmp::Ordering {
        (self.at, self.nth).cmp(&(other.at, other.nth))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alarms_go_off_in_order_and_never_early() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(async {
            let timer = Timer::start().unwrap();
            let start = Monotonic.now();
            let waits = [3_000_u64, 1_000, 2_000].map(|us| {
                let timer = timer.clone();
                tokio::spawn(async move {
                    let due = start.after(Duration::from_micros(us));
                    timer.until(due).await;
                    (due, Monotonic.now())
                })
            });
            let mut rung = Vec::new();
            for wait in waits {
                rung.push(wait.await.unwrap());
            }
            assert!(rung.iter().all(|(due, at)| at >= due), "{rung:?}");
            assert!(rung[1].1 < rung[2].1 && rung[2].1 < rung[0].1, "{rung:?}");
        });
    }
}

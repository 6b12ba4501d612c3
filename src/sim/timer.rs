//! The server's timer: one `timerfd` and an ordered list of who is to be woken when.
//!
//! tokio's own timer has a grain of a millisecond. A `timerfd` has none and no slack either; what remains is the time
//! the kernel takes to wake the thread, some tens of microseconds, and the truth log records it.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::unix::AsyncFd;

use crate::clock::{Clock, Monotonic, Stamp};

/// The timer. Alarms may be set from any task of the runtime it was made in.
pub(super) struct Timer {
    fd: AsyncFd<OwnedFd>,
    set: Mutex<Set>,
}

/// The alarms that are set, soonest first; of one moment the one set first.
#[derive(Default)]
struct Set {
    wakers: BTreeMap<(Stamp, u64), Waker>,
    armed: Option<Stamp>,
    count: u64,
}

impl Timer {
    /// Makes the timer and the task that drives it, in the runtime that is running.
    #[expect(deprecated, reason = "its successor is unsafe, for descriptors that may close; an OwnedFd cannot")]
    pub fn start() -> io::Result<Arc<Timer>> {
        let fd = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        let timer = Arc::new(Timer { fd: AsyncFd::new(fd)?, set: Mutex::default() });
        tokio::spawn(drive(timer.clone()));
        Ok(timer)
    }

    /// Waits until `at`.
    pub async fn until(self: &Arc<Timer>, at: Stamp) {
        let mut alarm = Alarm::new(self.clone());
        poll_fn(|cx| alarm.poll_until(at, cx)).await;
    }

    /// Wakes all whose moment has come and arms the descriptor for the next one.
    fn ring(&self) {
        let mut set = self.set();
        let now = Monotonic.now();
        while let Some(first) = set.wakers.first_entry().filter(|first| first.key().0 <= now) {
            first.remove().wake();
        }
        set.armed = set.wakers.first_key_value().map(|((at, _), _)| *at);
        if let Some(at) = set.armed {
            arm(self.fd.get_ref(), at);
        }
    }

    fn set(&self) -> MutexGuard<'_, Set> {
        self.set.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn drive(timer: Arc<Timer>) {
    while let Ok(mut ready) = timer.fd.readable().await {
        // The count of expirations says nothing that the clock does not say better.
        let _ = ready.try_io(|fd| Ok(rustix::io::read(fd.get_ref(), &mut [0; 8])?));
        timer.ring();
    }
}

/// What one task waits for. It is unset when it is dropped, so that nothing is woken, or kept, for nobody.
pub(super) struct Alarm {
    timer: Arc<Timer>,
    set: Option<(Stamp, u64)>,
}

impl Alarm {
    pub fn new(timer: Arc<Timer>) -> Alarm {
        Alarm { timer, set: None }
    }

    /// Ready once `at` has come; until then the task is woken at that moment.
    pub fn poll_until(&mut self, at: Stamp, cx: &mut Context) -> Poll<()> {
        self.unset();
        if Monotonic.now() >= at {
            return Poll::Ready(());
        }
        let mut set = self.timer.set();
        set.count += 1;
        let key = (at, set.count);
        set.wakers.insert(key, cx.waker().clone());
        if set.armed.is_none_or(|armed| at < armed) {
            set.armed = Some(at);
            arm(self.timer.fd.get_ref(), at);
        }
        drop(set);
        self.set = Some(key);
        Poll::Pending
    }

    fn unset(&mut self) {
        if let Some(key) = self.set.take() {
            self.timer.set().wakers.remove(&key);
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.unset();
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

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

    #[test]
    fn an_alarm_that_is_dropped_leaves_nothing_behind() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(async {
            let timer = Timer::start().unwrap();
            let mut alarm = Alarm::new(timer.clone());
            let far = Monotonic.now().after(Duration::from_secs(60));
            let mut cx = Context::from_waker(Waker::noop());
            assert!(alarm.poll_until(far, &mut cx).is_pending() && alarm.poll_until(far, &mut cx).is_pending());
            assert_eq!(timer.set().wakers.len(), 1);
            drop(alarm);
            assert_eq!(timer.set().wakers.len(), 0);
        });
    }
}

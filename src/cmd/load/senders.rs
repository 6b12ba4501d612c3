//! The threads that send: as many as are at it at once, so that one slow dial or upload delays no other request.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread::{self, Scope};
use std::time::Duration;

use anyhow::Context;

use super::crew::lock;
use super::traffic::{Leg, Traffic};

/// A thread that had nothing to send for so long goes.
const IDLE: Duration = Duration::from_secs(1);

/// There may be thousands: each is at its place some time before its request is due.
const STACK: usize = 256 * 1024;

#[derive(Default)]
pub struct Senders {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    legs: VecDeque<Leg>,
    /// Threads that wait for one.
    idle: usize,
    is_closed: bool,
}

impl Senders {
    /// Has `leg` sent: by a thread that waits, else by a new one.
    pub fn take<'s>(&'s self, scope: &'s Scope<'s, '_>, traffic: &'s Traffic<'_, '_>, leg: Leg) -> anyhow::Result<()> {
        let mut state = lock(&self.state);
        if state.idle > state.legs.len() {
            state.legs.push_back(leg);
            self.changed.notify_one();
            return Ok(());
        }
        drop(state);
        let number = leg.number();
        let thread = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, move || {
            traffic.leave(leg);
            while let Some(leg) = self.next() {
                traffic.leave(leg);
            }
        });
        thread.map(drop).with_context(|| format!("cannot start a thread for request {number}; lower the load"))
    }

    fn next(&self) -> Option<Leg> {
        let mut state = lock(&self.state);
        state.idle += 1;
        let is_idle = |state: &mut State| state.legs.is_empty() && !state.is_closed;
        let waited = self.changed.wait_timeout_while(state, IDLE, is_idle);
        (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.idle -= 1;
        state.legs.pop_front()
    }

    /// Lets those go that wait.
    pub fn close(&self) {
        lock(&self.state).is_closed = true;
        self.changed.notify_all();
    }
}

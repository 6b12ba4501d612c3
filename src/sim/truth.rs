//! What really happened, for comparison with what a client measured: one [`Truth`] a request.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::{Nanos, Stamp};

/// One request as the server saw it. All `_ns` but the lateness are points on `CLOCK_MONOTONIC`, the clock that a client on
/// the same machine reads; what did not happen is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Truth {
    /// The client's `x-request-id`.
    pub request_id: Option<String>,
    /// `chat` or `completions`.
    pub endpoint: String,
    /// The connection it came on, numbered from 1.
    pub connection: u64,
    pub replica: usize,
    /// The request's last segment was received.
    pub received_ns: Nanos,
    /// A slot was free and the prefill began.
    pub started_ns: Option<Nanos>,
    /// The first token was to be written.
    pub planned_first_ns: Option<Nanos>,
    /// The first token was handed to the kernel: the clock just before the write.
    pub first_write_ns: Option<Nanos>,
    /// The same for the last token.
    pub last_write_ns: Option<Nanos>,
    /// Token events written.
    pub token_events: u64,
    /// How late they were against the plan: the sum and the worst.
    pub late_sum_ns: Nanos,
    pub late_max_ns: Nanos,
    pub prompt_tokens: u64,
    /// Tokens found in the cache, by tier.
    pub hit_tokens: Vec<u64>,
    pub completion_tokens: u64,
}

impl Truth {
    /// From the receipt of the request to the write of the first token.
    pub fn ttft_ns(&self) -> Option<Nanos> {
        self.first_write_ns?.checked_sub(self.received_ns)
    }

    /// From the receipt of the request to the start of its prefill.
    pub fn queue_ns(&self) -> Option<Nanos> {
        self.started_ns?.checked_sub(self.received_ns)
    }
}

/// How many requests are kept in memory.
const KEPT: usize = 65_536;
/// How long [`TruthLog::read`] waits for requests that are still on their way out.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where truths go: to a file, a line each, and to memory.
#[derive(Default)]
pub(super) struct TruthLog {
    state: Mutex<State>,
    closed: Condvar,
}

#[derive(Default)]
struct State {
    file: Option<File>,
    done: VecDeque<Truth>,
    open: usize,
}

impl TruthLog {
    pub fn new(file: Option<File>) -> Arc<TruthLog> {
        Arc::new(TruthLog { state: Mutex::new(State { file, ..State::default() }), closed: Condvar::new() })
    }

    /// A request came.
    pub fn open(self: &Arc<TruthLog>, truth: Truth) -> Arc<Record> {
        self.state().open += 1;
        Arc::new(Record { log: self.clone(), truth: Mutex::new(truth) })
    }

    /// The truths of all requests that are over, in the order in which they ended. A client may have read an answer
    /// before the server's thread has closed its record, so this waits for open ones, but not for ever.
    pub fn read(&self) -> Vec<Truth> {
        let wait = self.closed.wait_timeout_while(self.state(), PATIENCE, |state| state.open > 0);
        let (state, _) = wait.unwrap_or_else(PoisonError::into_inner);
        state.done.iter().cloned().collect()
    }

    /// Requests that came and are not over.
    pub fn under_way(&self) -> usize {
        self.state().open
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self, truth: Truth) {
        let mut state = self.state();
        if let Some(file) = &mut state.file {
            // A full disk must not stop the server; a shorter log is noticed by whoever compares it.
            let _ = serde_json::to_vec(&truth).map(|line| file.write_all(&[&line[..], b"\n"].concat()));
        }
        if state.done.len() == KEPT {
            state.done.pop_front();
        }
        state.done.push_back(truth);
        state.open -= 1;
        self.closed.notify_all();
    }
}

/// A truth in the making. It is logged when the last of those who add to it lets go.
pub(super) struct Record {
    log: Arc<TruthLog>,
    truth: Mutex<Truth>,
}

impl Record {
    /// Changes what is known.
    pub fn note(&self, change: impl FnOnce(&mut Truth)) {
        change(&mut self.truth.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// A token planned for `planned` is written at `at`.
    pub fn wrote(&self, at: Stamp, planned: Stamp) {
        self.note(|truth| {
            let late = at.since(planned).unwrap_or(0);
            truth.first_write_ns.get_or_insert(at.0);
            truth.last_write_ns = Some(at.0);
            truth.token_events += 1;
            truth.late_sum_ns += late;
            truth.late_max_ns = truth.late_max_ns.max(late);
        });
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let truth = std::mem::take(self.truth.get_mut().unwrap_or_else(PoisonError::into_inner));
        self.log.close(truth);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_logged_once_everybody_let_go_of_it() {
        let log = TruthLog::new(None);
        let record = log.open(Truth { received_ns: 100, ..Truth::default() });
        let other = record.clone();
        other.wrote(Stamp(170), Stamp(150));
        drop(other);
        assert!(log.state().done.is_empty());
        record.wrote(Stamp(260), Stamp(250));
        drop(record);
        let truth = &log.read()[0];
        assert_eq!((truth.ttft_ns(), truth.last_write_ns), (Some(70), Some(260)));
        assert_eq!((truth.token_events, truth.late_sum_ns, truth.late_max_ns), (2, 30, 20));
    }

    #[test]
    fn a_file_has_a_line_for_each_request() {
        let mut file = tempfile::tempfile().unwrap();
        let log = TruthLog::new(Some(file.try_clone().unwrap()));
        for id in ["a", "b"] {
            drop(log.open(Truth { request_id: Some(id.to_owned()), ..Truth::default() }));
        }
        use std::io::{Read, Seek};
        let mut text = String::new();
        file.rewind().unwrap();
        file.read_to_string(&mut text).unwrap();
        let ids: Vec<Truth> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(ids.iter().map(|truth| truth.request_id.as_deref().unwrap()).collect::<Vec<_>>(), ["a", "b"]);
    }
}

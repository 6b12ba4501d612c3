//! Who may begin: a first-come-first-served queue in front of a number of slots.
//!
//! A request takes a slot from the start of its prefill to the end of its answer. Where prefills are serial, one begins
//! only when the one before has its first token.

use std::collections::VecDeque;

/// The queue. Requests are numbers; it holds no time.
#[derive(Debug)]
pub struct Queue {
    slots: usize,
    serial_prefill: bool,
    waiting: VecDeque<u64>,
    running: usize,
    prefilling: usize,
}

impl Queue {
    pub fn new(slots: usize, serial_prefill: bool) -> Queue {
        Queue { slots, serial_prefill, waiting: VecDeque::new(), running: 0, prefilling: 0 }
    }

    /// A request came.
    pub fn arrive(&mut self, request: u64) {
        self.waiting.push_back(request);
    }

    /// The next request that may begin its prefill now, if any; it has begun.
    pub fn begin(&mut self) -> Option<u64> {
        if self.running >= self.slots || self.serial_prefill && self.prefilling > 0 {
            return None;
        }
        let request = self.waiting.pop_front()?;
        self.running += 1;
        self.prefilling += 1;
        Some(request)
    }

    /// A running request has its first token.
    pub fn prefilled(&mut self) {
        self.prefilling -= 1;
    }

    /// A running request that had its first token has ended.
    pub fn ended(&mut self) {
        self.running -= 1;
    }

    /// A request went away before its first token, waiting or running.
    pub fn abandoned(&mut self, request: u64) {
        let waiting = self.waiting.len();
        self.waiting.retain(|other| *other != request);
        if self.waiting.len() == waiting {
            self.prefilling -= 1;
            self.running -= 1;
        }
    }

    /// How many requests run and how many wait.
    pub fn lengths(&self) -> (usize, usize) {
        (self.running, self.waiting.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrived(slots: usize, serial_prefill: bool, requests: u64) -> Queue {
        let mut queue = Queue::new(slots, serial_prefill);
        (0..requests).for_each(|request| queue.arrive(request));
        queue
    }

    #[test]
    fn the_first_to_come_begin_and_the_others_wait_for_a_slot() {
        let mut queue = arrived(2, false, 3);
        assert_eq!([queue.begin(), queue.begin(), queue.begin()], [Some(0), Some(1), None]);
        assert_eq!(queue.lengths(), (2, 1));
        queue.prefilled();
        assert_eq!(queue.begin(), None);
        queue.ended();
        assert_eq!(queue.begin(), Some(2));
    }

    #[test]
    fn serial_prefills_begin_one_at_a_time() {
        let mut queue = arrived(8, true, 2);
        assert_eq!([queue.begin(), queue.begin()], [Some(0), None]);
        queue.prefilled();
        assert_eq!(queue.begin(), Some(1));
    }

    #[test]
    fn who_goes_away_leaves_the_slot_or_the_line() {
        let mut queue = arrived(1, false, 3);
        assert_eq!(queue.begin(), Some(0));
        queue.abandoned(1);
        assert_eq!(queue.begin(), None);
        queue.abandoned(0);
        assert_eq!(queue.begin(), Some(2));
        assert_eq!(queue.lengths(), (1, 0));
    }
}

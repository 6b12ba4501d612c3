//! One tier of a prefix cache: a store of limited size with an eviction policy.
//!
//! Entries stand in queues, oldest first; a policy says in which queue an entry stands and whether a use moves it. The
//! victim is the oldest entry of the lowest queue that the present request does not need itself.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::spec::{Evict, Policy, TierSpec};
use crate::clock::Nanos;
use crate::sim::prompt::Key;

/// A block or checkpoint: its name and how many tokens it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Block {
    pub key: Key,
    pub tokens: u64,
}

/// The store. Knows nothing of prompts: a request is a list of [`Block`]s, head first.
#[derive(Debug)]
pub(super) struct Tier {
    spec: TierSpec,
    index: HashMap<Key, u32, BuildHasherDefault<KeyHasher>>,
    entries: Vec<Entry>,
    vacant: Vec<u32>,
    queues: Vec<Queue>,
    used_tokens: u64,
    /// Numbers the requests, to tell which entries the present one uses.
    round: u64,
    rng: ChaCha8Rng,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    block: Block,
    older: u32,
    newer: u32,
    queue: u8,
    occupied: bool,
    /// The request that used it last.
    round: u64,
    stored_ns: Nanos,
    used_ns: Nanos,
}

#[derive(Debug, Clone, Copy)]
struct Queue {
    oldest: u32,
    newest: u32,
    tokens: u64,
    /// Where the search for a victim goes on: all older entries are in use by the present request.
    hand: u32,
}

const NONE: u32 = u32::MAX;
const EMPTY: Queue = Queue { oldest: NONE, newest: NONE, tokens: 0, hand: NONE };
const PROTECTED: u8 = 1;
const FREQUENCIES: u8 = 16;

impl Tier {
    pub fn new(spec: TierSpec, rng: ChaCha8Rng) -> Tier {
        let queues = match spec.policy {
            Policy::Lru | Policy::Fifo | Policy::NoAdmit | Policy::Random => 1,
            Policy::Slru => 2,
            Policy::Lfu => FREQUENCIES,
        };
        Tier {
            spec,
            index: HashMap::default(),
            entries: Vec::new(),
            vacant: Vec::new(),
            queues: vec![EMPTY; queues.into()],
            used_tokens: 0,
            round: 0,
            rng,
        }
    }

    pub fn spec(&self) -> &TierSpec {
        &self.spec
    }

    pub fn used_tokens(&self) -> u64 {
        self.used_tokens
    }

    /// Whether `key` can be hit at `now`.
    pub fn has(&self, key: Key, now: Nanos) -> bool {
        self.index.get(&key).is_some_and(|&at| {
            let entry = &self.entries[at as usize];
            !self.is_expired(entry, now) && entry.stored_ns + self.spec.write_back_ns <= now
        })
    }

    /// Uses and stores the blocks of one request, head first, and returns what had to leave. Of a request larger than
    /// the tier the head is kept.
    pub fn store(&mut self, blocks: &[Block], now: Nanos) -> Vec<Block> {
        self.round += 1;
        self.queues.iter_mut().for_each(|queue| queue.hand = queue.oldest);
        let mut evicted = Vec::new();
        let mut missing = Vec::new();
        // The tail first, so that among blocks of one request the head is the most recently used.
        for block in self.fitting(blocks).iter().rev() {
            match self.index.get(&block.key).copied() {
                Some(at) if self.is_expired(&self.entries[at as usize], now) => {
                    self.remove(at);
                    missing.push(*block);
                }
                Some(at) => self.touch(at, now),
                None => missing.push(*block),
            }
        }
        if self.spec.policy == Policy::NoAdmit {
            missing.reverse();
        }
        for block in missing {
            if !self.insert(block, now, &mut evicted) {
                break;
            }
        }
        if self.spec.policy == Policy::Lru {
            // What was stored just now stands behind the hits; put the whole request in its order again.
            for block in self.fitting(blocks).iter().rev() {
                if let Some(at) = self.index.get(&block.key).copied() {
                    self.make_newest(at, 0);
                }
            }
        }
        evicted
    }

    /// Takes out a block, if it is there.
    pub fn take(&mut self, key: Key) {
        if let Some(at) = self.index.get(&key).copied() {
            self.remove(at);
        }
    }

    pub fn clear(&mut self) {
        self.index.clear();
        self.entries.clear();
        self.vacant.clear();
        self.queues.fill(EMPTY);
        self.used_tokens = 0;
    }

    fn fitting<'a>(&self, blocks: &'a [Block]) -> &'a [Block] {
        let mut tokens = 0;
        let fit = blocks.iter().take_while(|block| {
            tokens += block.tokens;
            tokens <= self.spec.capacity_tokens
        });
        &blocks[..fit.count()]
    }

    fn is_expired(&self, entry: &Entry, now: Nanos) -> bool {
        let since = if self.spec.ttl_slides { entry.used_ns } else { entry.stored_ns };
        self.spec.ttl_ns.is_some_and(|ttl| now.saturating_sub(since) > ttl)
    }

    fn touch(&mut self, at: u32, now: Nanos) {
        let entry = &mut self.entries[at as usize];
        entry.round = self.round;
        entry.used_ns = now;
        match self.spec.policy {
            // An LRU's request is put in order as a whole, after its missing blocks were stored.
            Policy::Lru | Policy::Fifo | Policy::NoAdmit | Policy::Random => {}
            Policy::Lfu => {
                let more_often = (entry.queue + 1).min(FREQUENCIES - 1);
                self.make_newest(at, more_often);
            }
            Policy::Slru => {
                self.make_newest(at, PROTECTED);
                self.shrink_protected();
            }
        }
    }

    fn shrink_protected(&mut self) {
        while self.queues[usize::from(PROTECTED)].tokens * 5 > self.spec.capacity_tokens * 4 {
            let oldest = self.queues[usize::from(PROTECTED)].oldest;
            self.make_newest(oldest, 0);
        }
    }

    /// Makes room and stores; `false` when the request's own blocks leave no room.
    fn insert(&mut self, block: Block, now: Nanos, evicted: &mut Vec<Block>) -> bool {
        while self.used_tokens + block.tokens > self.spec.capacity_tokens {
            let Some(victim) = self.victim() else { return false };
            let round = self.entries[victim as usize].round;
            evicted.push(self.remove(victim));
            while self.spec.evict == Evict::Document {
                let Some(next) = self.victim().filter(|&next| self.entries[next as usize].round == round) else {
                    break;
                };
                evicted.push(self.remove(next));
            }
        }
        let entry = Entry {
            block,
            older: NONE,
            newer: NONE,
            queue: 0,
            occupied: true,
            round: self.round,
            stored_ns: now,
            used_ns: now,
        };
        let at = match self.vacant.pop() {
            Some(at) => {
                self.entries[at as usize] = entry;
                at
            }
            None => {
                self.entries.push(entry);
                self.entries.len() as u32 - 1
            }
        };
        self.index.insert(block.key, at);
        self.used_tokens += block.tokens;
        self.push_newest(at, 0);
        true
    }

    fn victim(&mut self) -> Option<u32> {
        match self.spec.policy {
            Policy::NoAdmit => None,
            Policy::Random => self.random_victim(),
            _ => (0..self.queues.len()).find_map(|queue| self.oldest_unused(queue)),
        }
    }

    fn oldest_unused(&mut self, queue: usize) -> Option<u32> {
        let mut at = self.queues[queue].hand;
        while at != NONE && self.entries[at as usize].round == self.round {
            at = self.entries[at as usize].newer;
        }
        self.queues[queue].hand = at;
        (at != NONE).then_some(at)
    }

    /// A tier that evicts is full, so that nearly every draw meets an entry; the search in order is for the case that
    /// the present request uses nearly all of them.
    fn random_victim(&mut self) -> Option<u32> {
        let may_leave = |entry: &Entry, round| entry.occupied && entry.round != round;
        let count = self.entries.len();
        (0..64)
            .map(|_| self.rng.random_range(0..count.max(1)))
            .find(|&at| self.entries.get(at).is_some_and(|entry| may_leave(entry, self.round)))
            .or_else(|| self.entries.iter().position(|entry| may_leave(entry, self.round)))
            .map(|at| at as u32)
    }

    fn remove(&mut self, at: u32) -> Block {
        self.unlink(at);
        let entry = &mut self.entries[at as usize];
        entry.occupied = false;
        let block = entry.block;
        self.index.remove(&block.key);
        self.used_tokens -= block.tokens;
        self.vacant.push(at);
        block
    }

    fn make_newest(&mut self, at: u32, queue: u8) {
        self.unlink(at);
        self.push_newest(at, queue);
    }

    fn unlink(&mut self, at: u32) {
        let Entry { older, newer, queue, block, .. } = self.entries[at as usize];
        let queue = &mut self.queues[usize::from(queue)];
        queue.tokens -= block.tokens;
        if queue.hand == at {
            queue.hand = newer;
        }
        match older {
            NONE => queue.oldest = newer,
            _ => self.entries[older as usize].newer = newer,
        }
        match newer {
            NONE => queue.newest = older,
            _ => self.entries[newer as usize].older = older,
        }
    }

    fn push_newest(&mut self, at: u32, queue: u8) {
        let list = &mut self.queues[usize::from(queue)];
        let older = list.newest;
        list.newest = at;
        list.tokens += self.entries[at as usize].block.tokens;
        if older == NONE {
            list.oldest = at;
        }
        // A hand that had come to the end looks at what came since.
        if list.hand == NONE {
            list.hand = at;
        }
        let entry = &mut self.entries[at as usize];
        (entry.older, entry.newer, entry.queue) = (older, NONE, queue);
        if older != NONE {
            self.entries[older as usize].newer = at;
        }
    }
}

/// Keys are hashes already.
#[derive(Debug, Default)]
pub(super) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Only `u64` keys are hashed; this is here because the trait asks for it.
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

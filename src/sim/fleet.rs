//! Several replicas behind one address, each with a cache of its own, and the router in front of them.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::cache::{Cache, CacheSpec, SpecError};
use super::prompt::mix;
use crate::rng;

/// How the router picks a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Routing {
    /// One after the other.
    RoundRobin,
    /// Any.
    Random,
    /// The same for requests that have this in common; any for a request that lacks it.
    Affinity(By),
}

/// What requests have in common that a router sends to one replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The first 256 tokens.
    Prefix,
    Connection,
    PromptCacheKey,
    /// The header `x-session-id`.
    Header,
}

/// The caches of all replicas.
#[derive(Debug)]
pub struct Fleet {
    pub caches: Vec<Cache>,
    routing: Routing,
    turn: usize,
    rng: ChaCha8Rng,
}

impl Fleet {
    /// `replicas` empty caches; at least one.
    pub fn new(spec: &CacheSpec, replicas: usize, routing: Routing, seed: u64) -> Result<Fleet, SpecError> {
        let caches = (0..replicas.max(1) as u64).map(|nth| Cache::new(spec.clone(), mix(seed, nth)));
        Ok(Fleet { caches: caches.collect::<Result<_, _>>()?, routing, turn: 0, rng: rng::stream(seed, "routing") })
    }

    /// The replica for a request; `affinity` says what it has of a [`By`].
    pub fn route(&mut self, affinity: impl FnOnce(By) -> Option<u64>) -> usize {
        let replicas = self.caches.len();
        let pinned = match self.routing {
            Routing::RoundRobin => {
                self.turn += 1;
                return (self.turn - 1) % replicas;
            }
            Routing::Random => None,
            Routing::Affinity(by) => affinity(by),
        };
        match pinned {
            Some(value) => (mix(0, value) % replicas as u64) as usize,
            None => self.rng.random_range(0..replicas),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::prompt::{Prompt, Segment};

    fn misses(routing: Routing, affinity: impl Fn(u64) -> Option<u64>) -> Vec<u64> {
        let mut fleet = Fleet::new(&CacheSpec::one_tier(100_000, 16), 3, routing, 5).unwrap();
        let document = [Segment { id: 1, tokens: 1_000 }];
        let sends = (0..12).filter(|&nth| {
            let replica = fleet.route(|_| affinity(nth));
            fleet.caches[replica].request(Prompt::Segments(&document), 0, 0).total() == 0
        });
        sends.collect()
    }

    #[test]
    fn every_replica_misses_a_document_once() {
        assert_eq!(misses(Routing::RoundRobin, |_| None), [0, 1, 2]);
        assert_eq!(misses(Routing::Random, |_| Some(7)).len(), 3);
        assert_eq!(misses(Routing::Affinity(By::Connection), |_| Some(7)), [0]);
        assert_eq!(misses(Routing::Affinity(By::Connection), Some).len(), 3);
        assert_eq!(misses(Routing::Affinity(By::Connection), |_| None).len(), 3);
    }
}

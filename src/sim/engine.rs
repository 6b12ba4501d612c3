//! The engine behind the server: replicas with their caches and queues, the cost of a request, and counters.
//!
//! It has no clock and no sockets. Whoever drives it says when a request arrives, has its first token and ends; it says
//! when the request begins and what is planned for it.

use std::collections::HashMap;
use std::task::{Context, Poll, Waker};

use super::cache::{Chain, Match, SpecError, TIERS};
use super::fleet::{By, Fleet};
use super::latency::Noise;
use super::profile::Profile;
use super::prompt::Prompt;
use super::queue::Queue;
use super::tokenizer::TokenId;
use crate::clock::{Nanos, Stamp};

/// The engine.
pub(super) struct Engine {
    pub profile: Profile,
    fleet: Fleet,
    queues: Vec<Queue>,
    noise: Noise,
    jobs: HashMap<u64, Job>,
    arrived: u64,
    begun: u64,
    pub counters: Counters,
}

/// A request as it arrives.
pub(super) struct Arrival<'a> {
    pub ids: &'a [TokenId],
    /// Whom the cached tokens belong to; 0 is everybody.
    pub identity: u64,
    /// Whether the cache is asked at all.
    pub uses_cache: bool,
}

/// What is planned for a request that has begun.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub replica: usize,
    pub arrived: Stamp,
    pub started: Stamp,
    pub first: Stamp,
    /// From one token to the next.
    pub gap: Nanos,
    pub prompt_tokens: u64,
    pub found: Match,
}

/// Totals since the start.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counters {
    pub requests: u64,
    pub prompt_tokens: u64,
    pub hit_tokens: [u64; TIERS],
    /// Tokens that the first tier did not have and the lower ones were asked for.
    pub lower_queries: u64,
    pub completion_tokens: u64,
    pub prefill_ns: Nanos,
    pub queue_ns: Nanos,
}

struct Job {
    replica: usize,
    chain: Chain,
    prompt_tokens: u64,
    uses_cache: bool,
    arrived: Stamp,
    plan: Option<Plan>,
    prefilled: bool,
    waker: Option<Waker>,
}

impl Engine {
    pub fn new(profile: Profile, seed: u64) -> Result<Engine, SpecError> {
        let fleet = Fleet::new(&profile.cache, profile.replicas, profile.routing, seed)?;
        let queues = fleet.caches.iter().map(|_| Queue::new(profile.slots, profile.serial_prefill));
        Ok(Engine {
            queues: queues.collect(),
            noise: Noise::new(profile.noise, seed),
            fleet,
            profile,
            jobs: HashMap::new(),
            arrived: 0,
            begun: 0,
            counters: Counters::default(),
        })
    }

    /// A request arrives and gets its number.
    pub fn arrive(&mut self, arrival: Arrival, affinity: impl FnOnce(By) -> Option<u64>, at: Stamp) -> u64 {
        let replica = self.fleet.route(affinity);
        let chain = self.fleet.caches[replica].chain(Prompt::Ids(arrival.ids), arrival.identity);
        self.arrived += 1;
        let job = Job {
            replica,
            chain,
            prompt_tokens: arrival.ids.len() as u64,
            uses_cache: arrival.uses_cache && self.profile.hit,
            arrived: at,
            plan: None,
            prefilled: false,
            waker: None,
        };
        self.jobs.insert(self.arrived, job);
        self.queues[replica].arrive(self.arrived);
        self.begin_waiting(replica, at);
        self.arrived
    }

    /// The plan of request `id`, once it has begun.
    pub fn poll_plan(&mut self, id: u64, cx: &mut Context) -> Poll<Plan> {
        match self.jobs.get_mut(&id) {
            Some(Job { plan: Some(plan), .. }) => Poll::Ready(*plan),
            Some(job) => {
                job.waker = Some(cx.waker().clone());
                Poll::Pending
            }
            None => Poll::Pending,
        }
    }

    /// Request `id` has its first token.
    pub fn prefilled(&mut self, id: u64, at: Stamp) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        job.prefilled = true;
        let replica = job.replica;
        if self.profile.hit {
            self.fleet.caches[replica].store(&job.chain, at.0);
        }
        self.queues[replica].prefilled();
        self.begin_waiting(replica, at);
    }

    /// Request `id` has ended, or its client went away.
    pub fn ended(&mut self, id: u64, at: Stamp) {
        let Some(job) = self.jobs.remove(&id) else { return };
        if job.prefilled {
            self.queues[job.replica].ended();
        } else {
            self.queues[job.replica].abandoned(id);
        }
        self.begin_waiting(job.replica, at);
    }

    /// Empties the uppermost `tiers` tiers of all replicas.
    pub fn clear(&mut self, tiers: usize) {
        self.fleet.caches.iter_mut().for_each(|cache| cache.clear(tiers));
    }

    /// Requests running and waiting.
    pub fn lengths(&self) -> (usize, usize) {
        self.queues.iter().map(Queue::lengths).fold((0, 0), |sum, queue| (sum.0 + queue.0, sum.1 + queue.1))
    }

    /// The share of the first tiers' tokens that running requests use. What is only cached is not in use.
    pub fn share_in_use(&self) -> f64 {
        let running = self.jobs.values().filter(|job| job.plan.is_some());
        let tokens: u64 = running.map(|job| job.prompt_tokens).sum();
        tokens as f64 / (self.capacity_tokens() * self.queues.len() as u64).max(1) as f64
    }

    /// Tokens that a first tier can hold.
    pub fn capacity_tokens(&self) -> u64 {
        self.profile.cache.tiers.first().map_or(0, |tier| tier.capacity_tokens)
    }

    fn begin_waiting(&mut self, replica: usize, at: Stamp) {
        while let Some(id) = self.queues[replica].begin() {
            let Some(job) = self.jobs.get_mut(&id) else { continue };
            let cache = &self.fleet.caches[replica];
            let found = if job.uses_cache { cache.lookup(&job.chain, at.0) } else { Match::default() };
            let exact = self.profile.cost.prefill(job.prompt_tokens, &found, &cache.spec().tiers);
            let stored = if job.uses_cache { job.prompt_tokens - found.total() } else { 0 };
            let exact = exact + (self.profile.store_ns_per_token * stored as f64) as Nanos;
            let prefill = self.noise.apply(exact, self.begun.is_multiple_of(2));
            self.begun += 1;
            job.plan = Some(Plan {
                replica,
                arrived: job.arrived,
                started: at,
                first: Stamp(at.0 + prefill),
                gap: self.profile.decode_ns,
                prompt_tokens: job.prompt_tokens,
                found,
            });
            self.counters.count(job, &found, at, prefill);
            if let Some(waker) = job.waker.take() {
                waker.wake();
            }
        }
    }
}

impl Counters {
    fn count(&mut self, job: &Job, found: &Match, at: Stamp, prefill: Nanos) {
        self.requests += 1;
        self.prompt_tokens += job.prompt_tokens;
        self.lower_queries += job.prompt_tokens - found.tokens[0];
        self.hit_tokens.iter_mut().zip(found.tokens).for_each(|(sum, hit)| *sum += hit);
        self.prefill_ns += prefill;
        self.queue_ns += at.since(job.arrived).unwrap_or(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Nanos = 1_000_000;

    fn engine(profile: &str) -> Engine {
        Engine::new(profile.parse().unwrap(), 0).unwrap()
    }

    fn arrive(engine: &mut Engine, ids: &[TokenId], at: Nanos) -> u64 {
        engine.arrive(Arrival { ids, identity: 0, uses_cache: true }, |_| None, Stamp(at))
    }

    fn plan(engine: &mut Engine, id: u64) -> Option<Plan> {
        match engine.poll_plan(id, &mut Context::from_waker(Waker::noop())) {
            Poll::Ready(plan) => Some(plan),
            Poll::Pending => None,
        }
    }

    #[test]
    fn a_request_begins_at_once_and_a_second_waits_for_its_prefill() {
        let mut engine = engine("instant,base=10ms,prefill=serial");
        let (one, two) = (arrive(&mut engine, &[1; 100], 0), arrive(&mut engine, &[2; 100], MS));
        assert_eq!(plan(&mut engine, one).unwrap().first, Stamp(10 * MS));
        assert!(plan(&mut engine, two).is_none());
        engine.prefilled(one, Stamp(10 * MS));
        assert_eq!(plan(&mut engine, two).unwrap().first, Stamp(20 * MS));
        assert_eq!(engine.counters.queue_ns, 9 * MS);
    }

    #[test]
    fn what_was_computed_is_hit_once_it_has_its_first_token() {
        let mut engine = engine("instant");
        let one = arrive(&mut engine, &[7; 100], 0);
        let early = arrive(&mut engine, &[7; 100], 1);
        engine.prefilled(one, Stamp(2));
        let late = arrive(&mut engine, &[7; 100], 3);
        let found = [one, early, late].map(|id| plan(&mut engine, id).unwrap().found.total());
        assert_eq!(found, [0, 0, 96]);
        assert_eq!((engine.counters.prompt_tokens, engine.counters.hit_tokens[0]), (300, 96));
    }

    #[test]
    fn a_client_that_goes_away_leaves_its_place_and_no_cache() {
        let mut engine = engine("instant,slots=1");
        let (one, two) = (arrive(&mut engine, &[7; 100], 0), arrive(&mut engine, &[7; 100], 0));
        assert_eq!(engine.lengths(), (1, 1));
        engine.ended(one, Stamp(5));
        assert_eq!(plan(&mut engine, two).unwrap().found.total(), 0);
        engine.prefilled(two, Stamp(6));
        engine.ended(two, Stamp(7));
        assert_eq!(engine.lengths(), (0, 0));
    }

    #[test]
    fn a_cache_that_is_off_finds_nothing() {
        let mut engine = engine("instant,hit=off");
        let one = arrive(&mut engine, &[7; 100], 0);
        engine.prefilled(one, Stamp(1));
        let two = arrive(&mut engine, &[7; 100], 2);
        assert_eq!(plan(&mut engine, two).unwrap().found.total(), 0);
    }
}

//! The search in virtual time: a first-come-first-served server whose times are those of the simulated endpoint's own
//! model, and the truth by the same queue over many more requests.

use std::collections::VecDeque;

use super::*;
use crate::load::arrivals::{Arrivals, Extent, Gaps, Piece};
use crate::load::mix::HitMix;
use crate::load::schedule::{Schedule, Timing};
use crate::load::workload::{Mix, Workload};
use crate::plan::Arm as Meant;
use crate::sim::cache::Match;
use crate::sim::profile::Profile;
use crate::stats::{quantile, robust, sorted};

const TOKENS: u64 = 2_000;
const STREAMS: usize = 32;
const ASKED: f64 = 0.95;
const REUSES: [Reuse; 2] = [Reuse::Usual, Reuse::Nothing];

/// One server that computes one prefill after the other.
struct Server {
    cold_ns: u64,
    hit_ns: u64,
    limit_ns: u64,
    seed: u64,
    levels: u64,
    /// How late the client is, as it thinks.
    lag_ns: u64,
}

impl Server {
    /// As the simulated endpoint takes for a document, new or but for its last block in the cache.
    fn of(profile: &str, limit_ms: u64, seed: u64) -> Server {
        let profile: Profile = profile.parse().unwrap();
        let time = |found: u64| {
            let found = Match { tokens: [found, 0, 0, 0] };
            profile.cost.prefill(TOKENS, &found, &profile.cache.tiers)
        };
        Server {
            cold_ns: time(0),
            hit_ns: time(TOKENS - 16),
            limit_ns: limit_ms * 1_000_000,
            seed,
            levels: 0,
            lag_ns: 0,
        }
    }

    fn service_ns(&self, arm: Meant) -> u64 {
        if arm == Meant::Hit { self.hit_ns } else { self.cold_ns }
    }

    /// The mean rate at which it serves a mix of halves, or the cold ones alone.
    fn capacity(&self, reuse: Reuse) -> f64 {
        let mean = |reuse| match reuse {
            Reuse::Usual => f64::midpoint(self.cold_ns as f64, self.hit_ns as f64),
            Reuse::Nothing => self.cold_ns as f64,
        };
        1e9 / mean(reuse)
    }

    /// When each request is due and how long it computes.
    fn requests(&self, reuse: Reuse, timing: Timing, seed: u64, requests: u64) -> Vec<(Option<u64>, u64)> {
        let workload = Workload::Mix(Mix { mix: HitMix::new(seed, 500, 4), context_tokens: TOKENS });
        let schedule = Schedule::new(timing, workload, Some(requests));
        let schedule = if reuse == Reuse::Nothing { schedule.apart(0) } else { schedule };
        schedule.map(|flow| (flow.due_ns, self.service_ns(flow.turns[0].arm))).collect()
    }

    fn poisson(per_second: f64, seed: u64, requests: u64) -> Timing {
        let piece = Piece { seconds: 1.0, from: per_second, to: per_second };
        let arrivals = Arrivals::new(seed, Gaps::Poisson, vec![piece], Extent::Requests(u64::MAX));
        Timing::Arrivals(arrivals.exactly(requests))
    }

    /// One request after the other, each from its moment on.
    fn at(&self, reuse: Reuse, per_second: f64, seed: u64, requests: u64) -> Vec<Answer> {
        let mut free = 0;
        let all = self.requests(reuse, Server::poisson(per_second, seed, requests), seed, requests);
        let answer = |(due, service): (Option<u64>, u64)| {
            let due = due.unwrap();
            free = free.max(due) + service;
            Answer {
                due_ns: Some(due),
                sent_ns: Some(due + self.lag_ns),
                end_ns: Some(free),
                ttft_from_due_ns: Some(free - due),
                lag_ns: Some(self.lag_ns),
                cpu_ns: Some(0),
                kept: Some(free - due <= self.limit_ns),
            }
        };
        all.into_iter().map(answer).collect()
    }

    /// Streams, each of which sends when its last answer has ended.
    fn burst(&self, reuse: Reuse, requests: u64) -> Vec<Answer> {
        let (mut free, mut ready) = (0, VecDeque::from(vec![0; STREAMS]));
        let answer = |(_, service): (Option<u64>, u64)| {
            let sent = ready.pop_front().unwrap();
            free = free.max(sent) + service;
            ready.push_back(free);
            Answer { sent_ns: Some(sent), end_ns: Some(free), ..Answer::default() }
        };
        self.requests(reuse, Timing::Closed, self.seed, requests).into_iter().map(answer).collect()
    }

    fn measure(&mut self, of: Level, requests: u64) -> Measured {
        self.levels += 1;
        let answers = match of.load {
            Load::Burst => self.burst(of.reuse, 200),
            Load::Rate { per_second, .. } => self.at(of.reuse, per_second, 1_000 * self.seed + self.levels, requests),
        };
        Measured { of, answers, processors: 2 }
    }

    /// The share of requests that keep the limit at this rate in the long run.
    fn truth(&self, reuse: Reuse, per_second: f64) -> f64 {
        let all = self.at(reuse, per_second, 9, 60_000);
        all.iter().filter(|answer| answer.kept == Some(true)).count() as f64 / all.len() as f64
    }

    /// The highest rate at which enough do.
    fn true_limit(&self, reuse: Reuse) -> f64 {
        let (mut low, mut high) = (0.0, self.capacity(reuse));
        for _ in 0..12 {
            let middle = f64::midpoint(low, high);
            if self.truth(reuse, middle) >= ASKED { low = middle } else { high = middle }
        }
        low
    }
}

fn search(server: &mut Server, asked: Option<f64>, requests: u64) -> Vec<Measured> {
    let mut search = Search::new(asked);
    let mut levels = Vec::new();
    while let Step::Load(level) = search.next() {
        let measured = server.measure(level, requests);
        search.observe(&measured);
        levels.push(measured);
    }
    levels
}

fn shares(levels: &[Measured], of: Reuse) -> Vec<f64> {
    let share = |level: &Measured| match level.of.load {
        Load::Rate { of_ceiling, .. } if level.of.reuse == of => Some(of_ceiling),
        _ => None,
    };
    levels.iter().filter_map(share).collect()
}

#[test]
fn the_ceiling_is_what_the_server_serves() {
    for seed in 0..20 {
        let server = Server::of("7b", 500, seed);
        for reuse in REUSES {
            let of = Level { reuse, load: Load::Burst };
            let burst = Measured { of, answers: server.burst(reuse, 200), processors: 2 };
            let ceiling = burst.ceiling().unwrap();
            let truth = server.capacity(reuse);
            assert!((ceiling.per_second / truth - 1.0).abs() < 0.03, "{ceiling:?}, in truth {truth}");
        }
    }
}

#[test]
fn the_knee_alone_is_a_burst_and_six_levels_of_one_arm() {
    let levels = search(&mut Server::of("7b", 500, 1), None, 200);
    assert_eq!(levels[0].of, Level { reuse: Reuse::Usual, load: Load::Burst });
    assert_eq!(shares(&levels, Reuse::Usual), SHARES);
    assert_eq!(levels.len(), 7);
    assert_eq!(levels[1].counted().len(), 160, "the first fifth is left out");
}

/// The knee is where p90 is twice what it is at half the ceiling: found at that level or the one beside it.
#[test]
fn the_levels_show_the_knee_where_it_is() {
    let p90 = |answers: &[Answer]| {
        let times: Vec<f64> = answers.iter().filter_map(|a| a.ttft_from_due_ns).map(|ns| ns as f64).collect();
        quantile::quantile(&sorted(&times), 0.9).unwrap()
    };
    let first = |tails: [f64; 6]| tails.iter().position(|tail| *tail > 2.0 * tails[0]);
    let known = Server::of("7b", 500, 0);
    let truth = SHARES.map(|share| p90(&known.at(Reuse::Usual, share * known.capacity(Reuse::Usual), 9, 60_000)));
    let truth = first(truth).unwrap();
    let mut near = 0;
    for seed in 0..20 {
        let levels = search(&mut Server::of("7b", 500, seed), None, 400);
        let tails: Vec<f64> =
            levels[1..].iter().map(|level| quantile::quantile(&level.times(), 0.9).unwrap()).collect();
        let found = first(tails.try_into().unwrap()).unwrap_or(SHARES.len());
        near += u64::from(found.abs_diff(truth) <= 1);
    }
    assert!(near >= 18, "{near} of 20 at {truth} or beside it");
}

#[test]
fn limits_are_found_between_two_levels_for_each_arm() {
    let mut server = Server::of("7b", 500, 2);
    let levels = search(&mut server, Some(ASKED), 500);
    let (usual, nothing) = (shares(&levels, Reuse::Usual), shares(&levels, Reuse::Nothing));
    assert_eq!(usual[..6], SHARES);
    assert!(usual.len() <= 10 && nothing.len() <= 10, "{usual:?} {nothing:?}");
    assert_eq!(nothing[0], 0.8, "without a knee to look for, from the middle");
    // Each arm has a ceiling of its own.
    assert_eq!(levels.len(), 2 + usual.len() + nothing.len());
}

/// Near idle and near saturation, where requests of one queue are late together.
#[test]
fn the_limit_of_each_arm_and_the_worth_of_the_cache_are_the_truth() {
    const RUNS: u64 = 40;
    let (mut held, mut worth_held, mut told, mut off) = (0, 0, 0, Vec::new());
    for limit_ms in [450, 1_000] {
        let known = Server::of("7b", limit_ms, 0);
        let truth = REUSES.map(|reuse| known.true_limit(reuse));
        for seed in 0..RUNS {
            let levels = search(&mut Server::of("7b", limit_ms, seed), Some(ASKED), 400);
            let [usual, nothing] = REUSES.map(|reuse| Limit::of(&levels, reuse, ASKED).unwrap());
            for (limit, truth) in [(usual, truth[0]), (nothing, truth[1])] {
                held += u64::from(limit.low <= truth && limit.high.is_none_or(|high| truth <= high));
                off.extend(limit.value.map(|value| (value / truth - 1.0).abs()));
            }
            let (worth, truth) = (Worth::of(&usual, &nothing), truth[0] - truth[1]);
            let is_held = worth.low.is_none_or(|low| low <= truth) && worth.high.is_none_or(|high| truth <= high);
            worth_held += u64::from(is_held);
            told += u64::from(worth.is_gain());
        }
    }
    let all = 2 * RUNS;
    let off = robust::median(&off).unwrap();
    assert!(held as f64 >= 0.95 * (2 * all) as f64, "{held} of {}", 2 * all);
    assert!(worth_held as f64 >= 0.95 * all as f64, "{worth_held} of {all}");
    assert!(told as f64 >= 0.8 * all as f64, "{told} of {all}");
    assert!(off < 0.06, "{off}");
}

#[test]
fn a_limit_that_every_level_keeps_has_no_upper_end() {
    let levels = search(&mut Server::of("7b", 60_000, 3), Some(ASKED), 400);
    let limits = REUSES.map(|reuse| Limit::of(&levels, reuse, ASKED).unwrap());
    for limit in limits {
        assert_eq!((limit.value, limit.high, limit.all_kept), (None, None, true));
    }
    let worth = Worth::of(&limits[0], &limits[1]);
    assert_eq!((worth.value, worth.low, worth.high), (None, None, None));
}

#[test]
fn a_limit_below_the_servers_own_time_is_kept_at_no_rate() {
    // A cold request takes 193 ms, and half of the others are hits.
    let levels = search(&mut Server::of("7b", 100, 4), Some(ASKED), 400);
    for reuse in REUSES {
        let limit = Limit::of(&levels, reuse, ASKED).unwrap();
        assert_eq!((limit.value, limit.low, limit.high), (None, 0.0, Some(limit.lowest)));
        assert!(shares(&levels, reuse).contains(&0.0625), "it is looked for far below");
    }
}

#[test]
fn a_cache_that_finds_nothing_is_not_worth_anything_that_could_be_told() {
    let mut told = 0;
    for seed in 0..30 {
        let mut server = Server::of("7b", 600, seed);
        server.hit_ns = server.cold_ns;
        let levels = search(&mut server, Some(ASKED), 400);
        let [usual, nothing] = REUSES.map(|reuse| Limit::of(&levels, reuse, ASKED).unwrap());
        let worth = Worth::of(&usual, &nothing);
        told += u64::from(worth.is_gain() || worth.is_loss());
    }
    assert!(told <= 1, "{told} of 30");
}

#[test]
fn so_few_requests_decide_nothing() {
    let levels = search(&mut Server::of("7b", 600, 5), Some(ASKED), 40);
    let limit = Limit::of(&levels, Reuse::Usual, ASKED).unwrap();
    assert_eq!(limit.low, 0.0, "32 requests cannot show that 95 % keep it");
}

#[test]
fn a_client_that_is_late_ends_its_arm_and_leaves_no_limit() {
    let mut server = Server::of("7b", 600, 6);
    server.lag_ns = 200_000_000;
    let levels = search(&mut server, Some(ASKED), 200);
    assert_eq!((shares(&levels, Reuse::Usual), shares(&levels, Reuse::Nothing)), (vec![0.5], vec![0.8]));
    assert!(levels.iter().any(Measured::is_void));
    assert_eq!(Limit::of(&levels, Reuse::Usual, ASKED), None);
}

#[test]
fn a_burst_that_nobody_answers_ends_its_arm() {
    let mut search = Search::new(None);
    let Step::Load(of) = search.next() else { panic!("a burst") };
    let answers = vec![Answer { sent_ns: Some(5), ..Answer::default() }; 200];
    search.observe(&Measured { of, answers, processors: 2 });
    assert_eq!(search.next(), Step::Done);
}

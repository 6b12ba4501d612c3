//! A server in virtual time: the simulator's caches, cost and noise, answering the machine's probes directly.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use ttft::cachemap::{CacheMap, Design, Map, Probe, Step};
use ttft::clock::Nanos;
use ttft::sample::{Outcome, Sample, Stamps};
use ttft::sim::cache::{Cache, CacheSpec, Policy, TierSpec};
use ttft::sim::latency::{Cost, Noise, NoiseSpec};
use ttft::sim::prompt::{Prompt, Segment};
use ttft::wire::chat::Usage;

/// The chat template and its end have numbers that no document has.
const TEMPLATE: u64 = u64::MAX;
const END: u64 = u64::MAX - 1;
const END_TOKENS: u64 = 4;

/// An 8B model on one GPU: 12,500 tokens a second.
pub const COST: Cost = Cost { base_ns: 25e6, per_token_ns: 80e3, quadratic_ns: 2.0 };

/// What a server is like.
#[derive(Clone)]
pub struct Setting {
    pub cache: CacheSpec,
    pub cost: Cost,
    pub noise: NoiseSpec,
    pub replicas: usize,
    pub template_tokens: u64,
    pub counts: bool,
    pub fails_every: Option<u64>,
    /// What others store in a second.
    pub foreign_tokens_per_s: u64,
    /// Words of the list, by their numbers, that are two tokens.
    pub long_words: Vec<u64>,
    pub counts_prompt: bool,
    /// So many tokens take as long to compute as fewer.
    pub flat_below: u64,
}

impl Setting {
    pub fn new(capacity_tokens: u64, block_tokens: u64, policy: Policy) -> Setting {
        let tier = TierSpec { capacity_tokens, block_tokens, policy, ..TierSpec::default() };
        Setting {
            cache: CacheSpec { tiers: vec![tier], ..CacheSpec::one_tier(0, block_tokens) },
            cost: COST,
            noise: noise(0.05, 0.05),
            replicas: 1,
            template_tokens: 11,
            counts: true,
            fails_every: None,
            foreign_tokens_per_s: 0,
            long_words: Vec::new(),
            counts_prompt: true,
            flat_below: 0,
        }
    }
}

pub fn noise(sigma: f64, outliers: f64) -> NoiseSpec {
    NoiseSpec { sigma, outliers, ..NoiseSpec::default() }
}

pub fn design(words: u64, seed: u64) -> Design {
    Design {
        words,
        most_words: 32_768,
        most_fill_tokens: 20_000_000,
        seed,
        check_words: false,
        skip: Vec::new(),
        ttl_ns: None,
        identities: Vec::new(),
        pin: None,
    }
}

/// A server that a test can see through.
pub struct Server {
    replicas: Vec<Cache>,
    setting: Setting,
    noise: Noise,
    routing: ChaCha8Rng,
    pub now: Nanos,
    /// When others came last, and how often they came.
    foreign: (Nanos, u64),
    pub requests: u64,
    pub tokens: u64,
    /// Tokens sent for each stage.
    pub fill_tokens: u64,
}

impl Server {
    pub fn new(setting: Setting, seed: u64) -> Server {
        Server {
            replicas: (0..setting.replicas).map(|_| Cache::new(setting.cache.clone(), seed).unwrap()).collect(),
            noise: Noise::new(setting.noise, seed),
            setting,
            routing: ttft::rng::stream(seed, "routing"),
            now: 0,
            foreign: (0, 0),
            requests: 0,
            tokens: 0,
            fill_tokens: 0,
        }
    }

    /// Stores what others sent until now.
    fn store_foreign(&mut self) {
        const TOKENS: u64 = 512;
        let (mut last, mut count) = self.foreign;
        let Some(every) = (TOKENS * 1_000_000_000).checked_div(self.setting.foreign_tokens_per_s) else { return };
        while last + every <= self.now {
            last += every;
            count += 1;
            let segments = [Segment { id: u64::MAX / 2 + count, tokens: TOKENS }];
            self.replicas[0].request(Prompt::Segments(&segments), 0, last);
        }
        self.foreign = (last, count);
    }

    pub fn serve(&mut self, probe: &Probe) -> Sample {
        self.store_foreign();
        let pieces = probe.pieces.iter().map(|piece| Segment { id: piece.document, tokens: piece.words });
        let frame = |id, tokens| std::iter::once(Segment { id, tokens });
        let segments: Vec<Segment> =
            frame(TEMPLATE, self.setting.template_tokens).chain(pieces).chain(frame(END, END_TOKENS)).collect();
        let prompt = Prompt::Segments(&segments);
        let listed = probe.listed.map(|first| first..first + probe.pieces.last().map_or(0, |piece| piece.words));
        let longer = self.setting.long_words.iter().filter(|word| listed.as_ref().is_some_and(|l| l.contains(word)));
        let tokens = prompt.tokens() + longer.count() as u64;
        self.requests += 1;
        self.tokens += tokens;
        if probe.stage == ttft::plan::map::Stage::Fill {
            self.fill_tokens += tokens;
        }
        let pinned = probe.is_pinned && self.replicas.len() == 1;
        let nth = if pinned { 0 } else { self.routing.random_range(0..self.replicas.len()) };
        let cache = &mut self.replicas[nth];
        let chain = cache.chain(prompt, probe.identity as u64);
        let found = cache.lookup(&chain, self.now);
        let exact = self.setting.cost.prefill(tokens, &found, &cache.spec().tiers);
        let flat = self.setting.flat_below.saturating_sub(tokens - found.total()) as f64;
        let exact = exact + (flat * self.setting.cost.per_token_ns) as Nanos;
        let ttft = self.noise.apply(exact, false);
        cache.store(&chain, self.now);
        let sent = self.now;
        self.now += ttft;
        let has_failed = self.setting.fails_every.is_some_and(|every| self.requests.is_multiple_of(every));
        Sample {
            trial: self.requests,
            arm: probe.arm,
            role: probe.role,
            place: probe.place(),
            outcome: if has_failed { Outcome::Truncated } else { Outcome::Ok },
            stamps: Stamps {
                sent_ns: Some(sent),
                first_token_ns: Some(sent + ttft),
                end_ns: Some(sent + ttft),
                ..Stamps::default()
            },
            stamp: None,
            token_events: 1,
            shared_reads: 0,
            first_token_shared: false,
            itl_counts: Default::default(),
            clock_stepped: false,
            usage: Some(Usage {
                prompt_tokens: self.setting.counts_prompt.then_some(tokens),
                cached_tokens: self.setting.counts.then_some(found.total()),
                ..Usage::default()
            }),
            timings: None,
            server_metrics: None,
            counters: None,
            finish_reason: None,
            answer: None,
            body_bytes: 5 * tokens,
            adapted: Vec::new(),
        }
    }

    /// What a process that starts now stamps as the time 0.
    pub fn serve_for_process(&mut self, probe: &Probe, started: Nanos) -> Sample {
        let mut sample = self.serve(probe);
        for stamp in [&mut sample.stamps.sent_ns, &mut sample.stamps.first_token_ns, &mut sample.stamps.end_ns] {
            *stamp = stamp.map(|stamp| stamp - started);
        }
        sample
    }

    /// Runs the machine to its end.
    pub fn run(&mut self, design: Design) -> (CacheMap, Vec<Sample>) {
        let mut map = Map::new(design);
        let mut samples = Vec::new();
        loop {
            match map.next() {
                Step::Probe(probe) => {
                    let sample = self.serve(&probe);
                    map.observe(&sample);
                    samples.push(sample);
                }
                Step::Wait(span) => self.now += span,
                Step::Done => break,
            }
        }
        let found = map.found().clone();
        (found, samples)
    }
}

pub fn map_of(setting: &Setting, words: u64, seed: u64) -> (CacheMap, Server) {
    let mut server = Server::new(setting.clone(), seed);
    let (found, _) = server.run(design(words, seed));
    (found, server)
}

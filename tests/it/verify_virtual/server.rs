//! A server in virtual time: the simulator's cache, cost and noise, answering the machine's probes directly.

use ttft::clock::Nanos;
use ttft::plan::{Arm, ColdBy};
use ttft::sample::{Outcome, Sample, Stamps};
use ttft::sim::cache::{Cache, CacheSpec, Match, TierSpec};
use ttft::sim::latency::{Cost, Noise, NoiseSpec};
use ttft::sim::prompt::{Prompt, Segment};
use ttft::verdict::{self, Verdict};
use ttft::verify::{Design, Probe, Step, Verify};
use ttft::wire::chat::Usage;
use ttft::wire::metrics::Counters;

pub const TEMPLATE_TOKENS: u64 = 20;
pub const DOCUMENT_TOKENS: u64 = 4_096;
const QUESTION_TOKENS: u64 = 20;
pub const BLOCK_TOKENS: u64 = 512;

/// The chat template and the questions have numbers no document has.
const TEMPLATE: u64 = u64::MAX;
const QUESTION: u64 = u64::MAX - 1;
const ANOTHER_QUESTION: u64 = u64::MAX - 2;

/// Room for every document of a run, and for none.
pub const ROOMY: u64 = 10_000_000;
pub const OFF: u64 = 0;

pub const CALM: NoiseSpec =
    NoiseSpec { sigma: 0.05, outliers: 0.0, ar: 0.0, ar_sigma: 0.0, drift: 0.0, first_penalty: 0.0, jitter_ns: 0.0 };

/// A server that a test can see through. Everything it can do wrong is a field.
pub struct Server {
    /// One for each replica; requests go to any.
    pub replicas: Vec<Cache>,
    pub cost: Cost,
    pub noise: Noise,
    pub counts: Counts,
    /// Whether it has counters, and how many tokens of others move them between two requests.
    pub counters: Option<u64>,
    /// The model says something else when it is served from the cache.
    pub answers_change: bool,
    /// Whether a reset empties its caches, and whether a salt keeps documents apart.
    pub resets: bool,
    pub salts: bool,
    /// What storing a computed token takes, and whether a request can leave the cache alone.
    pub store_ns_per_token: f64,
    pub can_be_off: bool,
    /// Every so many requests fail.
    pub fails_every: Option<u64>,
    pub now: Nanos,
    pub requests: u64,
    pub last_pair: Option<u64>,
}

/// What a server says about cached tokens.
#[derive(Clone, Copy)]
pub enum Counts {
    Truly,
    Never,
    /// All of the prompt, always.
    Everything,
    /// Nothing, always.
    Zero,
}

impl Server {
    pub fn new(capacity_tokens: u64, cost: Cost, noise: NoiseSpec, seed: u64) -> Server {
        Server::with_cache(CacheSpec::one_tier(capacity_tokens, BLOCK_TOKENS), cost, noise, seed)
    }

    pub fn with_cache(spec: CacheSpec, cost: Cost, noise: NoiseSpec, seed: u64) -> Server {
        Server {
            replicas: vec![Cache::new(spec, seed).unwrap()],
            cost,
            noise: Noise::new(noise, seed),
            counts: Counts::Truly,
            counters: None,
            answers_change: false,
            resets: true,
            salts: true,
            store_ns_per_token: 0.0,
            can_be_off: true,
            fails_every: None,
            now: 0,
            requests: 0,
            last_pair: None,
        }
    }

    /// A calm server with room, on which a hit is three times quicker.
    pub fn good() -> Server {
        Server::new(ROOMY, cost(3.0), CALM, 1)
    }

    /// Says success.
    pub fn reset(&mut self) {
        if self.resets {
            self.replicas.iter_mut().for_each(|cache| cache.clear(1));
        }
    }

    pub fn serve(&mut self, probe: &Probe) -> Sample {
        let length = probe.place.asked_tokens.unwrap_or(DOCUMENT_TOKENS);
        let prompt = segments(probe, length + probe.padding_words);
        let prompt = Prompt::Segments(&prompt);
        let tokens = prompt.tokens();
        self.requests += 1;
        // The high bits of a multiple of the golden ratio look random.
        let nth = (self.requests.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as usize % self.replicas.len();
        let identity = match (probe.place.cold_by, self.salts) {
            (Some(ColdBy::Salt), true) => probe.place.document.unwrap_or(0),
            _ => 0,
        };
        let is_off = probe.place.cache_off && self.can_be_off;
        let found = if is_off { Match::default() } else { self.replicas[nth].request(prompt, identity, self.now) };
        let stored = if is_off { 0 } else { tokens - found.total() };
        let exact = self.cost.prefill(tokens, &found, &self.replicas[nth].spec().tiers)
            + (self.store_ns_per_token * stored as f64) as Nanos;
        let is_first_of_pair = probe.place.pair.is_some() && probe.place.pair != self.last_pair;
        self.last_pair = probe.place.pair;
        let ttft = self.noise.apply(exact, is_first_of_pair);
        let sent = self.now;
        self.now += ttft + 250_000_000;
        let cached_tokens = match self.counts {
            Counts::Truly => Some(found.total()),
            Counts::Never => None,
            Counts::Everything => Some(tokens - 1),
            Counts::Zero => Some(0),
        };
        let has_failed = self.fails_every.is_some_and(|every| self.requests.is_multiple_of(every));
        let changed = self.answers_change && found.total() > TEMPLATE_TOKENS;
        Sample {
            trial: self.requests,
            arm: probe.arm,
            role: probe.role,
            place: probe.place,
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
            usage: Some(Usage { prompt_tokens: Some(tokens), cached_tokens, ..Usage::default() }),
            timings: None,
            server_metrics: None,
            counters: self.counters.map(|foreign| Counters {
                queried_tokens: Some(tokens + foreign),
                local_cached_tokens: Some(found.tokens[0]),
                external_cached_tokens: (self.replicas[nth].spec().tiers.len() > 1)
                    .then(|| found.total() - found.tokens[0]),
                ..Counters::default()
            }),
            finish_reason: None,
            answer: Some(if changed { "It" } else { "The" }.to_owned()),
            body_bytes: 5 * tokens,
            adapted: Vec::new(),
        }
    }
}

/// A prompt as the simulated cache takes it.
fn segments(probe: &Probe, length: u64) -> Vec<Segment> {
    let own = match probe.place.cold_by {
        Some(ColdBy::Salt) => 1,
        _ => probe.place.document.expect("a probe names its document"),
    };
    let document = match probe.shares_with {
        Some(with) => {
            let shared = length * u64::from(probe.place.shared_percent.unwrap_or(0)) / 100;
            vec![Segment { id: with, tokens: shared }, Segment { id: own, tokens: length - shared }]
        }
        None => vec![Segment { id: own, tokens: length }],
    };
    let question = if probe.asks_anew { ANOTHER_QUESTION } else { QUESTION };
    let head = Segment { id: TEMPLATE, tokens: TEMPLATE_TOKENS };
    [vec![head], document, vec![Segment { id: question, tokens: QUESTION_TOKENS }]].concat()
}

pub fn design(max_pairs: usize, seed: u64) -> Design {
    Design {
        rule: verdict::rule(max_pairs, 0.05, 0.05),
        shares: Vec::new(),
        asks_anew: false,
        cold_by: None,
        tier: None,
        cache_off: false,
        block_size: Some(BLOCK_TOKENS),
        seed,
    }
}

/// Runs the machine to its end.
pub fn run(design: Design, server: &mut Server) -> Vec<Sample> {
    let mut verify = Verify::new(design);
    let mut samples = Vec::new();
    loop {
        match verify.next() {
            Step::Probe(probe) => {
                let sample = server.serve(&probe);
                verify.observe(&sample);
                samples.push(sample);
            }
            Step::Wait(span) => server.now += span,
            Step::Reset => server.reset(),
            Step::Done => return samples,
        }
    }
}

/// What a whole run on `server` ends with.
pub fn verdict_of(server: &mut Server, seed: u64) -> Verdict {
    let design = design(160, seed);
    let rule = design.rule.clone();
    Verdict::of(&run(design, server), &rule)
}

/// 100 ms for anyone, and so much per token that a full hit is `ratio` times quicker than cold.
pub fn cost(ratio: f64) -> Cost {
    let base_ns = 100e6;
    let (hit, rest) = (full_hit() as f64, (prompt_tokens() - full_hit()) as f64);
    Cost { base_ns, per_token_ns: base_ns * (ratio - 1.0) / (hit - (ratio - 1.0) * rest), quadratic_ns: 0.0 }
}

/// The ratio by the simulator's own formula.
pub fn true_ratio(cost: &Cost) -> f64 {
    let tiers = [TierSpec::default()];
    let prefill = |hit| cost.prefill(prompt_tokens(), &Match { tokens: [hit, 0, 0, 0] }, &tiers) as f64;
    prefill(0) / prefill(full_hit())
}

/// The prompt's length once the machine has moved it to the middle of a block.
fn prompt_tokens() -> u64 {
    let bare = TEMPLATE_TOKENS + DOCUMENT_TOKENS + QUESTION_TOKENS;
    (bare - BLOCK_TOKENS / 2).next_multiple_of(BLOCK_TOKENS) + BLOCK_TOKENS / 2
}

fn full_hit() -> u64 {
    (prompt_tokens() - 1) / BLOCK_TOKENS * BLOCK_TOKENS
}

/// The measured hits among `samples`.
pub fn hits(samples: &[Sample]) -> impl Iterator<Item = &Sample> {
    samples.iter().filter(|sample| sample.arm == Arm::Hit && sample.place.pair.is_some())
}

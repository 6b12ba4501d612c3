//! When requests are due, in an open loop: the schedule does not know when answers come back.
//!
//! A renewal process of mean 1 runs in operational time and is mapped to seconds through the inverse of the cumulative
//! rate `L(t) = integral of rate`. With exponential gaps this is the exact inhomogeneous Poisson process (Cinlar,
//! Introduction to Stochastic Processes, 1975, section 4.7), so that ramps and steps need no thinning.

use rand::Rng;

use crate::clock::Nanos;
use crate::rng;
use crate::stats::normal;

const SECOND: f64 = 1e9;

/// How the gaps between requests vary around their mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Gaps {
    /// All the same.
    Constant,
    /// Exponential: users who do not know of each other.
    Poisson,
    /// Gamma of this shape, above 0: 1 is Poisson, smaller is burstier. The squared variation of a gap is 1 / shape.
    Gamma(f64),
}

/// A stretch of time in which the rate goes from one value to another in a straight line; equal ones are a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Piece {
    pub seconds: f64,
    /// Requests per second.
    pub from: f64,
    pub to: f64,
}

/// Where the schedule ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    Requests(u64),
    Span(Nanos),
}

/// The moments at which requests are due, in ns from the start of the load, never decreasing. After the last piece its
/// final rate holds, so that one piece of any length is a constant rate. A final rate of 0 ends the schedule.
#[derive(Debug, Clone)]
pub struct Arrivals {
    gaps: Gaps,
    pieces: Vec<Piece>,
    extent: Extent,
    stream: rand_chacha::ChaCha8Rng,
    /// Operational time of the last request; the first of a constant schedule is due at 0.
    operational: f64,
    /// What every gap is multiplied by.
    stretch: f64,
    given: u64,
}

impl Arrivals {
    /// Rates and lengths are finite and not negative; a shape is above 0.
    pub fn new(seed: u64, gaps: Gaps, pieces: Vec<Piece>, extent: Extent) -> Arrivals {
        Arrivals {
            gaps,
            pieces,
            extent,
            stream: rng::stream(seed, "arrivals"),
            operational: 0.0,
            stretch: 1.0,
            given: 0,
        }
    }

    /// The first `requests` of them, stretched to take exactly the time that as many take in the mean: of Poisson arrivals
    /// those of which it is known how many come in that time, which are uniform in it (Cinlar, section 4.5). So chance
    /// leaves the rate alone, which is off by a twentieth over 400 requests.
    pub fn exactly(mut self, requests: u64) -> Arrivals {
        let mut all = self.clone();
        let mut sum = 0.0;
        for _ in 0..=requests {
            sum += all.gap();
            all.given += 1;
        }
        self.extent = Extent::Requests(requests);
        self.stretch = requests as f64 / sum;
        self
    }

    fn gap(&mut self) -> f64 {
        match self.gaps {
            Gaps::Constant if self.given == 0 => 0.0,
            Gaps::Constant => 1.0,
            Gaps::Poisson => exponential(&mut self.stream),
            Gaps::Gamma(shape) => gamma(&mut self.stream, shape) / shape,
        }
    }
}

impl Iterator for Arrivals {
    type Item = Nanos;

    fn next(&mut self) -> Option<Nanos> {
        if matches!(self.extent, Extent::Requests(limit) if self.given >= limit) {
            return None;
        }
        self.operational += self.stretch * self.gap();
        let due_ns = (moment(&self.pieces, self.operational)? * SECOND).round() as Nanos;
        if matches!(self.extent, Extent::Span(span) if due_ns >= span) {
            return None;
        }
        self.given += 1;
        Some(due_ns)
    }
}

/// The second at which `operational` requests are due in the mean; `None` when the rate has come to rest before.
fn moment(pieces: &[Piece], mut operational: f64) -> Option<f64> {
    let mut before = 0.0;
    for piece in pieces {
        let area = piece.seconds * (piece.from + piece.to) / 2.0;
        if operational < area {
            return Some(before + within(piece, operational));
        }
        operational -= area;
        before += piece.seconds;
    }
    let rate = pieces.last().map_or(0.0, |piece| piece.to);
    (rate > 0.0).then(|| before + operational / rate)
}

/// Solves `from t + (to - from) t^2 / 2 seconds = operational` in the form that also holds for a rate that is constant
/// or begins at 0.
fn within(piece: &Piece, operational: f64) -> f64 {
    let slope = (piece.to - piece.from) / piece.seconds;
    let root = (piece.from * piece.from + 2.0 * slope * operational).max(0.0).sqrt();
    if operational == 0.0 { 0.0 } else { 2.0 * operational / (piece.from + root) }
}

/// Of mean 1.
pub(super) fn exponential(stream: &mut impl Rng) -> f64 {
    -uniform(stream).ln()
}

/// Above 0 and below 1: 53 random bits in the middle of their cell.
fn uniform(stream: &mut impl Rng) -> f64 {
    ((stream.next_u64() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
}

/// A gamma variate of scale 1 (Marsaglia and Tsang, ACM TOMS 26, 2000), with their boost for a shape below 1.
fn gamma(stream: &mut impl Rng, shape: f64) -> f64 {
    if shape < 1.0 {
        return gamma(stream, shape + 1.0) * uniform(stream).powf(1.0 / shape);
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = normal::quantile(uniform(stream));
        let v = (1.0 + c * x).powi(3);
        if v > 0.0 && uniform(stream).ln() < 0.5 * x * x + d - d * v + d * v.ln() {
            return d * v;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(rate: f64) -> Vec<Piece> {
        vec![Piece { seconds: 1.0, from: rate, to: rate }]
    }

    fn seconds(count: u64) -> Nanos {
        count * SECOND as Nanos
    }

    /// How many are due in each window of a second.
    fn counts(gaps: Gaps, rate: f64, windows: usize) -> Vec<f64> {
        let mut counts = vec![0.0; windows];
        for due_ns in Arrivals::new(7, gaps, flat(rate), Extent::Span(seconds(windows as u64))) {
            counts[(due_ns / seconds(1)) as usize] += 1.0;
        }
        counts
    }

    /// Variance over mean of the counts: 1 for Poisson, whose estimate has a standard deviation of sqrt(2 / windows).
    fn dispersion(counts: &[f64]) -> f64 {
        let n = counts.len() as f64;
        let mean = counts.iter().sum::<f64>() / n;
        counts.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / (n - 1.0) / mean
    }

    #[test]
    fn poisson_arrivals_have_the_rate_and_the_dispersion_of_poisson() {
        let counts = counts(Gaps::Poisson, 20.0, 4_000);
        let mean = counts.iter().sum::<f64>() / 4_000.0;
        assert!((mean - 20.0).abs() < 0.25, "{mean}");
        assert!((dispersion(&counts) - 1.0).abs() < 4.0 * (2.0_f64 / 4_000.0).sqrt(), "{}", dispersion(&counts));
    }

    #[test]
    fn burstiness_shows_in_the_dispersion_and_leaves_the_rate() {
        for (shape, expected) in [(0.25, 4.0), (1.0, 1.0), (4.0, 0.25)] {
            let counts = counts(Gaps::Gamma(shape), 50.0, 1_000);
            let mean = counts.iter().sum::<f64>() / 1_000.0;
            assert!((mean / 50.0 - 1.0).abs() < 0.05, "{shape}: {mean}");
            assert!((dispersion(&counts) / expected - 1.0).abs() < 0.2, "{shape}: {}", dispersion(&counts));
        }
        assert!(dispersion(&counts(Gaps::Constant, 50.0, 400)) < 0.01);
    }

    #[test]
    fn exactly_so_many_take_exactly_their_time_and_are_spread_over_it() {
        let mut thirds = [0_u32; 3];
        for seed in 0..300 {
            let poisson = Arrivals::new(seed, Gaps::Poisson, flat(5.0), Extent::Requests(u64::MAX));
            let due: Vec<Nanos> = poisson.exactly(30).collect();
            assert_eq!(due.len(), 30);
            assert!(due.last().unwrap() < &seconds(6), "{due:?}");
            due.iter().for_each(|due| thirds[(due / seconds(2)) as usize] += 1);
        }
        assert!(thirds.iter().all(|third| (2_850..3_150).contains(third)), "{thirds:?}");
        let constant = Arrivals::new(1, Gaps::Constant, flat(4.0), Extent::Requests(5));
        assert_eq!(constant.clone().exactly(5).collect::<Vec<_>>(), constant.collect::<Vec<_>>());
    }

    #[test]
    fn a_constant_schedule_is_a_ruler() {
        let due: Vec<Nanos> = Arrivals::new(1, Gaps::Constant, flat(4.0), Extent::Requests(5)).collect();
        assert_eq!(due, [0, 250_000_000, 500_000_000, 750_000_000, 1_000_000_000]);
    }

    #[test]
    fn a_ramp_has_the_area_below_its_rate_and_half_of_it_by_the_root_of_one_half() {
        let ramp = vec![Piece { seconds: 100.0, from: 0.0, to: 100.0 }];
        let due: Vec<Nanos> = Arrivals::new(1, Gaps::Constant, ramp, Extent::Span(seconds(100))).collect();
        assert_eq!(due.len(), 5_000);
        let half = due[2_500] as f64 / SECOND;
        assert!((half - 100.0 * 0.5_f64.sqrt()).abs() < 0.01, "{half}");
    }

    #[test]
    fn steps_follow_each_other_and_a_rate_of_nothing_sends_nothing() {
        let step = |rate| Piece { seconds: 10.0, from: rate, to: rate };
        let pieces = vec![step(5.0), step(0.0), step(20.0), step(0.0)];
        let due: Vec<Nanos> = Arrivals::new(1, Gaps::Constant, pieces, Extent::Span(seconds(3_600))).collect();
        let between = |from, to| due.iter().filter(|due| (seconds(from)..seconds(to)).contains(due)).count();
        assert_eq!((between(0, 10), between(10, 20), between(20, 30), due.len()), (50, 0, 200, 250));
    }

    #[test]
    fn a_seed_repeats_its_schedule() {
        let schedule = |seed| Arrivals::new(seed, Gaps::Poisson, flat(9.0), Extent::Requests(50)).collect::<Vec<_>>();
        assert_eq!(schedule(3), schedule(3));
        assert_ne!(schedule(3), schedule(4));
        assert!(schedule(3).is_sorted());
    }
}

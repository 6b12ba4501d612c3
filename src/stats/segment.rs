//! The levels of a sequence that stays on plateaus: optimal segmentation by dynamic programming.
//!
//! Over all cuts into at most `k` segments of at least [`SHORTEST`] values it minimises
//! `sum |x - median of its segment| / scale + segments * ln n`, with `scale = median |x_(i+1) - x_i| / 0.954`, which is
//! the standard deviation of normal noise and hardly notices the cuts. The absolute loss shrugs at outliers; the price
//! per segment is the Bayesian information criterion's (Jackson et al., *An algorithm for optimal partitioning of data
//! on an interval*, IEEE Signal Processing Letters 2005).

use super::robust::median;

/// Values in the shortest segment: one outlier cannot be a level.
pub const SHORTEST: usize = 3;

/// The median `|x - y|` of two standard normal values.
const MEDIAN_DIFFERENCE: f64 = 0.954;

/// A run of values on one level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Segment {
    /// Index of its first value.
    pub start: usize,
    /// Index after its last value.
    pub end: usize,
    /// The median of its values.
    pub level: f64,
}

/// The best segments of `values`, in order, at most `most` of them (at least 1); neighbours whose levels differ by less
/// than `step` are joined. Empty when there are fewer than [`SHORTEST`] values.
pub fn segments(values: &[f64], most: usize, step: f64) -> Vec<Segment> {
    if values.len() < SHORTEST {
        return Vec::new();
    }
    let mut joined: Vec<Segment> = Vec::new();
    for (start, end) in best_cuts(values, most.max(1)) {
        let level = |start: usize| median(&values[start..end]).expect("a segment is not empty");
        match joined.last_mut() {
            Some(last) if (last.level - level(start)).abs() < step => {
                *last = Segment { start: last.start, end, level: level(last.start) };
            }
            _ => joined.push(Segment { start, end, level: level(start) }),
        }
    }
    joined
}

fn best_cuts(values: &[f64], most: usize) -> Vec<(usize, usize)> {
    let n = values.len();
    let loss = losses(values);
    // best[k][end]: the smallest loss of cutting the first `end` values into k + 1 segments, and where the last starts.
    let mut best: Vec<Vec<(f64, usize)>> = vec![(0..=n).map(|end| (loss[0][end], 0)).collect()];
    while best.len() < most && (best.len() + 1) * SHORTEST <= n {
        let before = &best[best.len() - 1];
        let cut = |end: usize| {
            let starts = SHORTEST..=end.saturating_sub(SHORTEST);
            starts.map(|start| (before[start].0 + loss[start][end], start)).min_by(|x, y| x.0.total_cmp(&y.0))
        };
        best.push((0..=n).map(|end| cut(end).unwrap_or((f64::INFINITY, 0))).collect());
    }
    let price = (n as f64).ln();
    let total = |k: usize| best[k][n].0 + (k + 1) as f64 * price;
    let chosen =
        (0..best.len()).min_by(|&x, &y| total(x).total_cmp(&total(y))).expect("one segment is always possible");
    let mut cuts = Vec::new();
    let mut end = n;
    for k in (0..=chosen).rev() {
        let start = best[k][end].1;
        cuts.push((start, end));
        end = start;
    }
    cuts.reverse();
    cuts
}

/// `losses[start][end]`: the scaled absolute deviation of `values[start..end]` from its median; infinite when too short.
fn losses(values: &[f64]) -> Vec<Vec<f64>> {
    let n = values.len();
    let steps: Vec<f64> = values.windows(2).map(|pair| (pair[1] - pair[0]).abs()).collect();
    // A sequence without noise still needs a scale.
    let scale = (median(&steps).unwrap_or(0.0) / MEDIAN_DIFFERENCE).max(1e-9);
    let mut losses = vec![vec![f64::INFINITY; n + 1]; n + 1];
    for (start, row) in losses.iter_mut().enumerate() {
        let mut run: Vec<f64> = Vec::with_capacity(n - start);
        for end in start + 1..=n {
            let value = values[end - 1];
            run.insert(run.partition_point(|&x| x < value), value);
            if run.len() >= SHORTEST {
                let centre = run[run.len() / 2];
                row[end] = run.iter().map(|x| (x - centre).abs()).sum::<f64>() / scale;
            }
        }
    }
    losses
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;

    fn noisy(levels: &[(f64, usize)], noise: f64, seed: u64) -> Vec<f64> {
        let mut rng = crate::rng::stream(seed, "plateaus");
        let values = levels.iter().flat_map(|&(level, count)| std::iter::repeat_n(level, count));
        values.map(|level| level + noise * ((0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0)).collect()
    }

    #[test]
    fn three_plateaus_are_found_where_they_are() {
        for seed in 0..50 {
            let found = segments(&noisy(&[(1.0, 20), (2.0, 24), (4.0, 20)], 0.1, seed), 6, 0.3);
            let cuts: Vec<usize> = found.iter().map(|segment| segment.end).collect();
            assert_eq!(cuts, [20, 44, 64], "seed {seed}");
            for (segment, level) in found.iter().zip([1.0, 2.0, 4.0]) {
                assert!((segment.level - level).abs() < 0.1, "seed {seed}: {segment:?}");
            }
        }
    }

    #[test]
    fn an_outlier_is_not_a_level() {
        let mut values = noisy(&[(1.0, 30)], 0.05, 1);
        values[12] = 4.0;
        assert_eq!(segments(&values, 6, 0.12).len(), 1);
    }

    #[test]
    fn levels_closer_than_the_step_are_one() {
        let values = noisy(&[(1.0, 20), (1.05, 20)], 0.001, 1);
        assert_eq!(segments(&values, 6, 0.12).len(), 1);
        assert_eq!(segments(&values, 6, 0.01).len(), 2);
    }

    #[test]
    fn short_or_silent_sequences_do_not_divide_by_zero() {
        assert!(segments(&[1.0, 2.0], 6, 0.1).is_empty());
        let cuts: Vec<usize> = segments(&[1.0, 1.0, 1.0, 2.0, 2.0, 2.0], 6, 0.1).iter().map(|s| s.end).collect();
        assert_eq!(cuts, [3, 6]);
    }
}

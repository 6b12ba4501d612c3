//! Whether one sample is larger than another: the one-sided Mann-Whitney test, and the closed procedure over a grid.
//!
//! `p` is the probability, under equal distributions, of a rank sum of `a` at least as large as the one seen. Up to
//! [`EXACT`] values it is counted over all ways to choose the ranks of `a`, midranks for ties included; above that it is
//! the normal approximation with continuity and tie corrections (Lehmann, *Nonparametrics*, 1975, sections 1.2 to 1.4).

use std::cmp::Reverse;

use super::normal;

/// Up to this many values in both samples together, `p` is exact.
pub const EXACT: usize = 50;

/// The one-sided `p` of "`a` tends to be larger than `b`"; 1 when either is empty, since nothing was shown.
pub fn larger(a: &[f64], b: &[f64]) -> f64 {
    if a.is_empty() || b.is_empty() {
        return 1.0;
    }
    let ranks = twice_midranks(a, b);
    let sum: usize = ranks.iter().filter(|(from_a, _)| *from_a).map(|(_, rank)| rank).sum();
    if ranks.len() <= EXACT { exact(&ranks, a.len(), sum) } else { approximate(&ranks, a.len(), sum) }
}

/// The smallest key of the grid from which on `a` is proved larger than `b`: the keys are tested from the largest down,
/// each at level `alpha`, until one fails. As each test needs all before it to have passed, the level of the whole is
/// `alpha` (a closed procedure: Marcus, Peritz and Gabriel, Biometrika 1976). `None` when the largest already fails.
pub fn proved_from<K: Ord + Copy>(grid: &[(K, Vec<f64>, Vec<f64>)], alpha: f64) -> Option<K> {
    let mut falling: Vec<_> = grid.iter().collect();
    falling.sort_by_key(|(key, ..)| Reverse(*key));
    falling.iter().take_while(|(_, a, b)| larger(a, b) < alpha).last().map(|(key, ..)| *key)
}

/// Each value's origin and twice its midrank, which is a whole number, in rising order.
fn twice_midranks(a: &[f64], b: &[f64]) -> Vec<(bool, usize)> {
    let mut values: Vec<(f64, bool)> = a.iter().map(|&x| (x, true)).chain(b.iter().map(|&x| (x, false))).collect();
    values.sort_by(|x, y| x.0.total_cmp(&y.0));
    let mut ranks = Vec::with_capacity(values.len());
    for tied in values.chunk_by(|x, y| x.0 == y.0) {
        let before = ranks.len();
        ranks.extend(tied.iter().map(|&(_, from_a)| (from_a, 2 * before + tied.len() + 1)));
    }
    ranks
}

/// Counts, by the number of ranks chosen and their sum, the choices of `size` of `ranks`.
fn exact(ranks: &[(bool, usize)], size: usize, sum: usize) -> f64 {
    let total: usize = ranks.iter().map(|(_, rank)| rank).sum();
    // ways[k][s]: choices of k ranks that sum to s.
    let mut ways = vec![vec![0.0; total + 1]; size + 1];
    ways[0][0] = 1.0;
    for &(_, rank) in ranks {
        for k in (1..=size).rev() {
            let (fewer, chosen) = ways.split_at_mut(k);
            for s in rank..=total {
                chosen[0][s] += fewer[k - 1][s - rank];
            }
        }
    }
    let at_least: f64 = ways[size][sum..].iter().sum();
    at_least / ways[size].iter().sum::<f64>()
}

fn approximate(ranks: &[(bool, usize)], size: usize, sum: usize) -> f64 {
    let (all, n) = (ranks.len() as f64, size as f64);
    let ties: f64 = ranks.chunk_by(|x, y| x.1 == y.1).map(|tied| tied.len() as f64).map(|t| t * t * t - t).sum::<f64>();
    let variance = n * (all - n) / 12.0 * (all + 1.0 - ties / (all * (all - 1.0)));
    if variance <= 0.0 {
        return 1.0;
    }
    let excess = sum as f64 / 2.0 - n * (all + 1.0) / 2.0 - 0.5;
    1.0 - normal::cumulative(excess / variance.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_samples_agree_with_scipy_exactly() {
        // mannwhitneyu(alternative="greater", method="exact")
        let a = [1.83, 0.50, 1.62, 2.48, 1.68, 1.88];
        let b = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.07, 3.15, 1.295];
        assert!((larger(&a, &b) - 0.1638361638361638).abs() < 1e-12, "{}", larger(&a, &b));
        // permutation_test over all choices, on samples with ties
        let p = larger(&[3.0, 3.0, 4.0, 5.0, 5.0, 7.0], &[1.0, 2.0, 3.0, 3.0, 4.0]);
        assert!((p - 0.0367965367965368).abs() < 1e-12, "{p}");
    }

    #[test]
    fn large_samples_agree_with_scipy_ties_and_continuity_included() {
        let a = [
            -0.4, -0.9, 0.2, 0.8, 1.5, 0.5, -0.2, -0.4, 1.1, 2.0, 0.7, -0.8, -0.6, 2.0, 0.6, -1.3, 0.3, -0.8, -0.2,
            -0.1, -0.3, 1.0, 0.3, -0.2, 0.8, 1.2, -1.2, 0.1, -0.6, 0.2, -0.9, 0.4, 0.4, 0.1, -0.6, 0.0, -0.7, -1.0,
            0.6, -0.7,
        ];
        let b = [
            1.2, 0.7, -2.0, 0.3, -1.1, 0.0, 0.0, -2.0, -0.2, -0.3, 1.0, -1.2, 0.7, -1.1, -0.3, -0.8, 1.4, 0.6, 2.4,
            0.6, 0.8, 0.8, -0.6, -0.1, 1.4, -0.4, 0.2, 0.0, 0.6, -0.4, -0.2, 0.2, 0.1, -0.9, 0.9,
        ];
        // mannwhitneyu(alternative="greater", method="asymptotic")
        assert!((larger(&a, &b) - 0.5903825559386259).abs() < 1e-10, "{}", larger(&a, &b));
    }

    #[test]
    fn nothing_and_equal_values_show_nothing() {
        assert_eq!(larger(&[], &[1.0]), 1.0);
        assert_eq!(larger(&[1.0; 4], &[1.0; 4]), 1.0);
        assert_eq!(larger(&[1.0; 40], &[1.0; 40]), 1.0);
    }

    #[test]
    fn the_grid_is_tested_from_above_and_stops_at_the_first_failure() {
        let (high, low) = (vec![5.0, 6.0, 7.0, 8.0, 9.0], vec![0.0, 1.0, 2.0, 3.0, 4.0]);
        let grid = [
            (1_000, high.clone(), low.clone()),
            (2_000, low.clone(), high.clone()),
            (8_000, high.clone(), low.clone()),
            (4_000, high.clone(), low.clone()),
        ];
        assert_eq!(proved_from(&grid, 0.05), Some(4_000));
        assert_eq!(proved_from(&grid[1..2], 0.05), None);
    }
}

//! A robust polynomial through noisy points, and the place from which one curve stays above another.
//!
//! The model is `f(x) = c0 + c1 x + c2 x^2 + ...` with no coefficient below zero, fitted to `ln y` by iteratively
//! reweighted least squares: with the residuals `r = ln(y / f)` and `s = 1.4826 MAD(r)`, Huber's weights are
//! `w = min(1, 1.345 s / |r|)`, and each step is the non-negative least-squares solution of
//! `sqrt(w) (X / f) c = sqrt(w) (1 + r)`. The start is `(X / y) c = 1`. Relative errors count, as latency noise
//! multiplies, and an outlier pulls no harder than its weight lets it.
//!
//! Huber, *Robust Statistics*, 1981, 7.8; Lawson and Hanson, *Solving Least Squares Problems*, 1974, chapter 23.

use rand::{Rng, RngExt};

use super::quantile::inverted_cumulative;
use super::{Interval, robust, sorted};

/// Steps of reweighting; they stop earlier once no coefficient moves.
const STEPS: usize = 30;
/// Points per crossing scan, spread evenly over the logarithm of the range.
const SCAN: usize = 2_000;
/// Resamples of a bootstrap interval.
const RESAMPLES: usize = 200;
/// About so many values are resampled: resampling is the costly part.
const RESAMPLED: usize = 1_000;

/// A polynomial; `coefficients[k]` belongs to the `k`-th power.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    pub coefficients: Vec<f64>,
}

/// The values seen at one place.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    pub x: f64,
    pub values: Vec<f64>,
}

impl Curve {
    pub fn at(&self, x: f64) -> f64 {
        self.coefficients.iter().rev().fold(0.0, |sum, c| sum * x + c)
    }

    /// The robust fit of the given degree (at most 3) to positive values at positive places; `None` with fewer places
    /// than coefficients.
    pub fn fit(cells: &[Cell], degree: usize) -> Option<Curve> {
        let seen = cells.iter().filter(|cell| !cell.values.is_empty());
        if seen.count() <= degree {
            return None;
        }
        // Powers of x / max x stay within 1, which keeps the normal equations well conditioned.
        let scale = cells.iter().map(|cell| cell.x).fold(0.0, f64::max);
        let points: Vec<(f64, f64)> =
            cells.iter().flat_map(|cell| cell.values.iter().map(move |&y| (cell.x / scale, y))).collect();
        let mut coefficients = reweighted(&points, degree)?;
        for (power, c) in coefficients.iter_mut().enumerate() {
            *c /= scale.powi(power as i32);
        }
        Some(Curve { coefficients })
    }

    /// Where this curve comes to stay at or above `factor` times `other` within `range`.
    pub fn stays_above(&self, other: &Curve, factor: f64, range: Interval) -> Crossing {
        let (from, to) = (range.low.ln(), range.high.ln());
        let places = (0..SCAN).rev().map(|i| (from + (to - from) * i as f64 / (SCAN - 1) as f64).exp());
        let mut crossing = Crossing::Above;
        for x in places {
            if self.at(x) < factor * other.at(x) {
                return crossing;
            }
            crossing = Crossing::At(x);
        }
        Crossing::Below
    }
}

/// Where one curve comes to stay above another, within the range that was asked.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub enum Crossing {
    /// Above it over the whole range: the place lies below the range, if anywhere.
    Below,
    /// From here on.
    At(f64),
    /// Not even at the end of the range.
    Above,
}

/// The fits of the given degree through resamples of the values, each drawn within its place, as the places were chosen.
/// Whatever is read off a fit has its interval among what is read off these. Places of more than a thousand values in all
/// are thinned before, which can only widen an interval.
pub fn resampled(cells: &[Cell], degree: usize, rng: &mut impl Rng) -> Vec<Curve> {
    let cells = thinned(cells);
    (0..RESAMPLES).filter_map(|_| Curve::fit(&resample(&cells, rng), degree)).collect()
}

/// The 95 % bootstrap interval of what is read off each of the `resampled` curves; `None` without any. With about ten
/// values a place it covers the truth in some 90 % of cases, and should be called that.
pub fn interval(resampled: &[Curve], read: impl Fn(&Curve) -> f64) -> Option<Interval> {
    let values = sorted(&resampled.iter().map(read).collect::<Vec<_>>());
    Some(Interval { low: inverted_cumulative(&values, 0.025)?, high: inverted_cumulative(&values, 0.975)? })
}

/// As [`interval`], of [`Curve::stays_above`] between the resampled fits of two arms.
pub fn crossing_interval(
    upper: &[Curve],
    lower: &[Curve],
    factor: f64,
    range: Interval,
) -> Option<(Crossing, Crossing)> {
    let crossings = upper.iter().zip(lower).map(|(upper, lower)| upper.stays_above(lower, factor, range));
    let places = crossings.map(|crossing| match crossing {
        Crossing::Below => 0.0,
        Crossing::At(x) => x,
        Crossing::Above => f64::INFINITY,
    });
    let places = sorted(&places.collect::<Vec<_>>());
    let censored = |p| {
        Some(match inverted_cumulative(&places, p)? {
            0.0 => Crossing::Below,
            x if x.is_finite() => Crossing::At(x),
            _ => Crossing::Above,
        })
    };
    Some((censored(0.025)?, censored(0.975)?))
}

/// Every so manieth value of each place, so that [`RESAMPLED`] or a few more are left in all.
fn thinned(cells: &[Cell]) -> Vec<Cell> {
    let all: usize = cells.iter().map(|cell| cell.values.len()).sum();
    let step = all.div_ceil(RESAMPLED).max(1);
    let thin = |values: &[f64]| values.iter().copied().step_by(step).collect();
    cells.iter().map(|cell| Cell { x: cell.x, values: thin(&cell.values) }).collect()
}

fn resample(cells: &[Cell], rng: &mut impl Rng) -> Vec<Cell> {
    let mut draw = |values: &[f64]| values.iter().map(|_| values[rng.random_range(0..values.len())]).collect();
    cells.iter().map(|cell| Cell { x: cell.x, values: draw(&cell.values) }).collect()
}

fn reweighted(points: &[(f64, f64)], degree: usize) -> Option<Vec<f64>> {
    let row = |x: f64, by: f64| (0..=degree).map(move |power| x.powi(power as i32) * by).collect::<Vec<f64>>();
    let mut fitted = non_negative(points.iter().map(|&(x, y)| (row(x, 1.0 / y), 1.0)), degree + 1)?;
    for _ in 0..STEPS {
        let curve = Curve { coefficients: fitted };
        let at: Vec<f64> = points.iter().map(|&(x, _)| curve.at(x).max(f64::MIN_POSITIVE)).collect();
        let residuals: Vec<f64> = points.iter().zip(&at).map(|(&(_, y), f)| (y / f).ln()).collect();
        let spread = robust::sigma(&residuals)?.max(1e-3);
        let weighted = points.iter().zip(&at).zip(&residuals).map(|((&(x, _), f), r)| {
            let weight = (1.345 * spread / r.abs().max(1e-12)).min(1.0).sqrt();
            (row(x, weight / f), weight * (1.0 + r))
        });
        let next = non_negative(weighted, degree + 1)?;
        let moved =
            next.iter().zip(&curve.coefficients).any(|(new, old)| (new - old).abs() > 1e-9 * (old.abs() + 1e-9));
        fitted = next;
        if !moved {
            break;
        }
    }
    Some(fitted)
}

/// The non-negative `c` that minimises the squares of `A c - b`, over `width` unknowns. With so few, every support is
/// tried: the best solution is an ordinary least-squares one on the unknowns that are not zero.
fn non_negative(rows: impl Iterator<Item = (Vec<f64>, f64)>, width: usize) -> Option<Vec<f64>> {
    let mut normal = vec![vec![0.0; width + 1]; width];
    for (row, b) in rows {
        for i in 0..width {
            for j in 0..width {
                normal[i][j] += row[i] * row[j];
            }
            normal[i][width] += row[i] * b;
        }
    }
    let mut best: Option<(f64, Vec<f64>)> = None;
    for support in 1..1u32 << width {
        let chosen: Vec<usize> = (0..width).filter(|i| support >> i & 1 == 1).collect();
        let Some(solution) = solve(&normal, &chosen) else { continue };
        if solution.iter().any(|&c| c < 0.0) {
            continue;
        }
        // |A c - b|^2 is |b|^2 minus this, at a least-squares solution.
        let explained: f64 = chosen.iter().zip(&solution).map(|(&i, c)| c * normal[i][width]).sum();
        if best.as_ref().is_none_or(|(most, _)| explained > *most) {
            let mut whole = vec![0.0; width];
            chosen.iter().zip(&solution).for_each(|(&i, &c)| whole[i] = c);
            best = Some((explained, whole));
        }
    }
    best.map(|(_, c)| c)
}

/// The solution of the normal equations over the `chosen` unknowns by elimination; `None` when they do not determine it.
fn solve(normal: &[Vec<f64>], chosen: &[usize]) -> Option<Vec<f64>> {
    let (n, right) = (chosen.len(), normal.len());
    let mut m: Vec<Vec<f64>> =
        chosen.iter().map(|&i| chosen.iter().map(|&j| normal[i][j]).chain([normal[i][right]]).collect()).collect();
    for pivot in 0..n {
        // The matrix is positive semi-definite: no exchange of rows is needed, and a vanished pivot means dependence.
        if m[pivot][pivot] <= 1e-13 * normal[chosen[pivot]][chosen[pivot]] {
            return None;
        }
        let (above, below) = m.split_at_mut(pivot + 1);
        for row in below {
            let factor = row[pivot] / above[pivot][pivot];
            row.iter_mut().zip(&above[pivot]).for_each(|(x, p)| *x -= factor * p);
        }
    }
    let mut solution = vec![0.0; n];
    for i in (0..n).rev() {
        let known: f64 = (i + 1..n).map(|j| m[i][j] * solution[j]).sum();
        solution[i] = (m[i][n] - known) / m[i][i];
    }
    Some(solution)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGE: Interval = Interval { low: 64.0, high: 262_144.0 };
    const GRID: [f64; 8] = [256.0, 512.0, 1_024.0, 2_048.0, 4_096.0, 8_192.0, 16_384.0, 32_768.0];

    fn cells(values: &[f64; 24]) -> Vec<Cell> {
        GRID.iter().zip(values.chunks(3)).map(|(&x, values)| Cell { x, values: values.to_vec() }).collect()
    }

    fn upper() -> Vec<Cell> {
        cells(&[
            43.816, 46.168, 41.986, 68.701, 70.396, 64.997, 111.389, 110.394, 106.889, 188.905, 178.17, 211.64,
            385.316, 438.15, 402.524, 825.97, 788.237, 873.312, 1825.782, 2025.508, 1835.662, 4838.704, 4442.493,
            5389.814,
        ])
    }

    fn lower() -> Vec<Cell> {
        // 262.079 at 1,024 is an outlier by a factor of three.
        cells(&[
            47.299, 49.371, 48.748, 63.045, 63.976, 58.108, 262.079, 88.198, 89.038, 123.054, 133.826, 132.332,
            215.476, 242.936, 208.244, 394.933, 409.658, 405.345, 754.409, 815.125, 817.92, 1550.978, 1557.893,
            1477.728,
        ])
    }

    fn assert_close(found: &[f64], expected: &[f64]) {
        for (found, expected) in found.iter().zip(expected) {
            assert!((found / expected - 1.0).abs() < 1e-4, "{found} is not {expected}");
        }
    }

    #[test]
    fn the_fit_agrees_with_nnls_and_huber_weights_in_scipy() {
        let (upper, lower) = (Curve::fit(&upper(), 2).unwrap(), Curve::fit(&lower(), 1).unwrap());
        assert_close(&upper.coefficients, &[23.221580093735177, 0.08277647404075884, 1.9396524523468033e-6]);
        assert_close(&lower.coefficients, &[38.10031518721081, 0.04553788759893533]);
        // The scan is a grid: the next of its 2,000 places is 0.4 % on.
        for (factor, expected) in [(1.0, 392.70676870532617), (1.1, 554.6976406480906)] {
            let Crossing::At(x) = upper.stays_above(&lower, factor, RANGE) else { panic!("no crossing") };
            assert!((x / expected - 1.0).abs() < 1e-3, "{x} is not {expected}");
        }
    }

    #[test]
    fn the_bootstrap_interval_holds_the_truth_these_points_were_drawn_from() {
        let mut rng = crate::rng::stream(1, "bootstrap");
        let (upper, lower) = (resampled(&upper(), 2, &mut rng), resampled(&lower(), 1, &mut rng));
        let (low, high) = crossing_interval(&upper, &lower, 1.0, RANGE).unwrap();
        // The curves behind the points cross at 408.
        assert!(low < Crossing::At(408.0) && Crossing::At(408.0) < high, "{low:?} {high:?}");
        assert!(low > Crossing::At(250.0) && high < Crossing::At(700.0), "{low:?} {high:?}");
    }

    #[test]
    fn the_interval_of_a_slope_that_is_not_there_holds_zero_and_that_of_one_that_is_does_not() {
        let slope = |cells: &[Cell]| {
            let curves = resampled(cells, 1, &mut crate::rng::stream(1, "slope"));
            interval(&curves, |curve| curve.coefficients[1]).unwrap()
        };
        let rising = slope(&lower());
        assert!(rising.low > 0.04 && rising.high < 0.055, "{rising:?}");
        let noise = [30.1, 29.7, 30.4, 29.9, 30.2, 29.6, 30.3, 30.0];
        let flat: Vec<Cell> =
            GRID.iter().zip(noise).map(|(&x, y)| Cell { x, values: vec![y, 60.0 - y, 30.0] }).collect();
        assert_eq!(slope(&flat).low, 0.0);
    }

    #[test]
    fn ten_thousand_values_have_the_interval_of_a_thousand() {
        let at = |x: f64, i: usize| (20.0 + 0.05 * x) * (1.0 + 0.01 * ((i * 7 % 11) as f64 - 5.0));
        let many: Vec<Cell> =
            GRID.iter().map(|&x| Cell { x, values: (0..1_250).map(|i| at(x, i)).collect() }).collect();
        assert!(thinned(&many).iter().map(|cell| cell.values.len()).sum::<usize>() <= 1_000);
        let curves = resampled(&many, 1, &mut crate::rng::stream(1, "many"));
        assert!(interval(&curves, |curve| curve.coefficients[1]).unwrap().contains(0.05));
    }

    #[test]
    fn exact_points_give_back_their_polynomial() {
        let truth = Curve { coefficients: vec![25.0, 0.08, 2e-6] };
        let cells: Vec<Cell> = GRID.iter().map(|&x| Cell { x, values: vec![truth.at(x)] }).collect();
        let found = Curve::fit(&cells, 2).unwrap();
        for (found, expected) in found.coefficients.iter().zip(&truth.coefficients) {
            assert!((found / expected - 1.0).abs() < 1e-7, "{found} is not {expected}");
        }
    }

    #[test]
    fn a_coefficient_that_wants_to_be_negative_is_zero() {
        // A square root bends down: the best non-negative square term is none.
        let cells: Vec<Cell> = GRID.iter().map(|&x| Cell { x, values: vec![x.sqrt()] }).collect();
        assert_eq!(Curve::fit(&cells, 2).unwrap().coefficients[2], 0.0);
    }

    #[test]
    fn too_few_places_have_no_fit() {
        assert_eq!(Curve::fit(&[Cell { x: 1.0, values: vec![2.0; 10] }], 1), None);
        assert_eq!(Curve::fit(&[], 0), None);
    }

    #[test]
    fn a_crossing_outside_the_range_says_on_which_side() {
        let flat = |level| Curve { coefficients: vec![level] };
        assert_eq!(flat(2.0).stays_above(&flat(1.0), 1.0, RANGE), Crossing::Below);
        assert_eq!(flat(1.0).stays_above(&flat(2.0), 1.0, RANGE), Crossing::Above);
        assert!(Crossing::Below < Crossing::At(1.0) && Crossing::At(1.0) < Crossing::Above);
    }
}

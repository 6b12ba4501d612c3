//! Where a value stands on an axis, and which values get a tick.
//!
//! Bounds follow the data with a margin of 4 % on either side; ticks are the round values 1, 2 and 5 times a power of
//! ten inside them, or fewer where their labels would touch. A logarithmic axis over more than three decades ticks powers
//! of ten only, one too narrow for three such ticks falls back to even steps. Lengths of time and counts of tokens are
//! decimal on either axis, so round numbers of nanoseconds are round in every unit.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

use super::svg::TICK_SIZE;
use super::text::{elided, printable, width_of};
use super::{Axis, Law, Tick};

/// The margin beside the data, as a share of its span.
const MARGIN: f64 = 0.04;
/// About how many ticks an even axis gets at most.
const TICKS: u32 = 6;

/// No label beside a picture is wider than this, in pixels.
const MOST: f64 = 170.0;

/// Which way an axis runs, and so what a label takes of it: its width across, its height upwards.
#[derive(Debug, Clone, Copy)]
pub(super) enum Way {
    Across,
    Up,
}

impl Way {
    /// About how long the axis is, in pixels.
    fn length(self) -> f64 {
        match self {
            Way::Across => 370.0,
            Way::Up => 236.0,
        }
    }

    /// What the label takes of it, in pixels, with air beside it.
    fn taken(self, label: &str) -> f64 {
        match self {
            Way::Across => width_of(label, TICK_SIZE) + 10.0,
            Way::Up => TICK_SIZE + 6.0,
        }
    }
}

/// An axis fitted to its data.
#[derive(Debug, Clone)]
pub(super) struct Scale {
    low: f64,
    high: f64,
    law: Law,
    tick: Tick,
    ticks: Vec<f64>,
    between: Vec<f64>,
}

impl Scale {
    /// Fits `axis`, which runs so, to `values`; what has no place on it (not finite, or not above zero on a logarithmic axis) is left
    /// out.
    pub(super) fn fit(axis: &Axis, way: Way, values: impl Iterator<Item = f64>) -> Scale {
        let values = values.chain(axis.include.iter().copied()).filter(|value| has_place(&axis.law, *value));
        let span = values.fold(None, |span: Option<(f64, f64)>, value| {
            Some(span.map_or((value, value), |(low, high)| (low.min(value), high.max(value))))
        });
        let (low, high) = bounds(&axis.law, span);
        let (law, tick) = (axis.law.clone(), axis.tick);
        let bare = Scale { low, high, law, tick, ticks: Vec::new(), between: Vec::new() };
        let (ticks, between) = match &axis.law {
            Law::Linear => (bare.even_ticks(way), Vec::new()),
            Law::Log => bare.log_ticks(way),
            Law::Rows(names) => ((0..names.len()).map(|row| row as f64).collect(), Vec::new()),
        };
        Scale { ticks, between, ..bare }
    }

    /// The place of `value` between the axis's ends, 0 to 1; `None` where it has none.
    pub(super) fn place(&self, value: f64) -> Option<f64> {
        let bend = |value: f64| if self.law == Law::Log { value.ln() } else { value };
        has_place(&self.law, value).then(|| (bend(value) - bend(self.low)) / (bend(self.high) - bend(self.low)))
    }

    /// The value at the place `share` of the axis.
    pub(super) fn value_at(&self, share: f64) -> f64 {
        match self.law {
            Law::Log => self.low * (self.high / self.low).powf(share),
            Law::Linear | Law::Rows(_) => self.low + share * (self.high - self.low),
        }
    }

    pub(super) fn ends(&self) -> (f64, f64) {
        (self.low, self.high)
    }

    pub(super) fn is_rows(&self) -> bool {
        matches!(self.law, Law::Rows(_))
    }

    pub(super) fn ticks(&self) -> &[f64] {
        &self.ticks
    }

    /// What stands beside the tick at `value`.
    pub(super) fn label(&self, value: f64) -> String {
        self.label_among(&self.ticks, value)
    }

    fn label_among(&self, ticks: &[f64], value: f64) -> String {
        printable(&match &self.law {
            Law::Linear => (self.tick)(value, ticks.iter().copied().map(f64::abs).fold(0.0, f64::max)),
            Law::Log => (self.tick)(value, value),
            Law::Rows(names) => names.get(value as usize).cloned().unwrap_or_default(),
        })
    }

    /// Whether the labels of two of `ticks` would touch.
    fn touch(&self, way: Way, ticks: &[f64], (one, other): (f64, f64)) -> bool {
        let place = |tick| self.place(tick).unwrap_or(0.0) * way.length();
        let taken = |tick| way.taken(&self.label_among(ticks, tick));
        (place(one) - place(other)).abs() < f64::midpoint(taken(one), taken(other))
    }

    /// The first of `choices` whose labels do not touch, else the last; none of fewer than two ticks.
    fn first_that_fits(&self, way: Way, choices: impl Iterator<Item = Vec<f64>>) -> Vec<f64> {
        let mut last = Vec::new();
        for ticks in choices.filter(|ticks| ticks.len() >= 2) {
            last = ticks;
            if !last.windows(2).any(|pair| self.touch(way, &last, (pair[0], pair[1]))) {
                break;
            }
        }
        last
    }

    /// Round values at even distances.
    fn even_ticks(&self, way: Way) -> Vec<f64> {
        self.first_that_fits(way, (2..=TICKS).rev().map(|about| even(self.low, self.high, about)))
    }

    /// Ticks with labels, and the lines between them without.
    fn log_ticks(&self, way: Way) -> (Vec<f64>, Vec<f64>) {
        let decades = (self.high / self.low).log10();
        let round = |digits: &[f64]| round(self.low, self.high, digits);
        let every = || round(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]);
        if decades > 3.0 {
            let tens = round(&[1.0]);
            let choices = (1..=3).map(|step| tens.iter().copied().step_by(step).collect());
            return (self.first_that_fits(way, choices), if decades > 5.0 { Vec::new() } else { every() });
        }
        let ticks = round(&[1.0, 2.0, 5.0]);
        if ticks.len() >= 3 {
            let fewer = [round(&[1.0, 3.0]), round(&[1.0]), self.apart(way, ticks.clone())];
            return (self.first_that_fits(way, [ticks].into_iter().chain(fewer)), every());
        }
        let ticks = every();
        match (3..=8).contains(&ticks.len()) {
            true => (self.apart(way, ticks.clone()), ticks),
            false => (self.even_ticks(way), Vec::new()),
        }
    }

    /// Of ticks whose labels would touch, the rounder one.
    fn apart(&self, way: Way, ticks: Vec<f64>) -> Vec<f64> {
        let digit = |tick: f64| (tick / 10f64.powi((tick.log10() + 1e-9).floor() as i32)).round() as u32;
        let rank = |tick: f64| [1, 5, 2, 3, 7].iter().position(|round| *round == digit(tick)).unwrap_or(5);
        let mut by_rank = ticks;
        by_rank.sort_by_key(|tick| rank(*tick));
        let mut kept: Vec<f64> = Vec::new();
        for tick in by_rank {
            if kept.iter().all(|other| !self.touch(way, &kept, (tick, *other))) {
                kept.push(tick);
            }
        }
        kept.sort_by(f64::total_cmp);
        kept
    }
}

fn has_place(law: &Law, value: f64) -> bool {
    value.is_finite() && (*law != Law::Log || value > 0.0)
}

fn bounds(law: &Law, span: Option<(f64, f64)>) -> (f64, f64) {
    match (law, span) {
        // Counted downwards, half a row of air at either end.
        (Law::Rows(names), _) => (names.len().max(1) as f64 - 0.5, -0.5),
        (Law::Linear, None) => (0.0, 1.0),
        (Law::Log, None) => (1.0, 10.0),
        (Law::Linear, Some((low, high))) if low == high => {
            let air = if low == 0.0 { 1.0 } else { low.abs() / 10.0 };
            (low - air, high + air)
        }
        (Law::Linear, Some((low, high))) => {
            let air = (high - low) * MARGIN;
            // An axis that begins at zero begins exactly there.
            (if low >= 0.0 { (low - air).max(0.0) } else { low - air }, high + air)
        }
        (Law::Log, Some((low, high))) if low == high => (low / 2.0, high * 2.0),
        (Law::Log, Some((low, high))) => {
            let air = (high / low).powf(MARGIN);
            (low / air, high * air)
        }
    }
}

/// About so many round values at even distances between `low` and `high`.
fn even(low: f64, high: f64, about: u32) -> Vec<f64> {
    let rough = (high - low) / f64::from(about);
    let decade = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|round| round * decade).into_iter().find(|step| *step >= rough);
    let step = step.unwrap_or(10.0 * decade);
    // Counted in whole steps, so that the sum of many small errors cannot push the last tick out.
    let (first, last) = ((low / step - 1e-9).ceil() as i64, (high / step + 1e-9).floor() as i64);
    (first..=last).map(|count| count as f64 * step).collect()
}

/// These digits of every decade between `low` and `high`.
fn round(low: f64, high: f64, digits: &[f64]) -> Vec<f64> {
    (low.log10().floor() as i32..=high.log10().ceil() as i32)
        .flat_map(|decade| digits.iter().map(move |digit| digit * 10f64.powi(decade)))
        .filter(|value| (low..=high).contains(value))
        .collect()
}

/// `plotters` asks for whole pixels, the labelled ticks and the lines between them. It also asks how many there may be
/// at most; the ticks above are few enough for every picture drawn here.
impl Ranged for Scale {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (start, end): (i32, i32)) -> i32 {
        let share = self.place(*value).unwrap_or(0.0);
        start + (share * f64::from(end - start)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() { self.between.clone() } else { self.ticks.clone() }
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

impl ValueFormatter<f64> for Scale {
    fn format_ext(&self, value: &f64) -> String {
        elided(&self.label(*value), TICK_SIZE, MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(law: Law) -> Axis {
        Axis { label: String::new(), law, tick: |value, _| value.to_string(), include: Vec::new() }
    }

    fn fit(law: Law, values: &[f64]) -> Scale {
        Scale::fit(&axis(law), Way::Up, values.iter().copied())
    }

    #[test]
    fn seven_decades_tick_powers_of_ten() {
        let ticks = fit(Law::Log, &[50e3, 500e9]).ticks;
        assert_eq!(ticks, [1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11]);
    }

    #[test]
    fn one_decade_ticks_ones_twos_and_fives() {
        assert_eq!(fit(Law::Log, &[80.0, 1100.0]).ticks, [100.0, 200.0, 500.0, 1000.0]);
    }

    #[test]
    fn of_ticks_that_would_touch_the_rounder_stays() {
        assert_eq!(fit(Law::Log, &[70.0, 350.0]).ticks, [70.0, 100.0, 200.0, 300.0]);
    }

    #[test]
    fn a_narrow_logarithmic_axis_ticks_even_steps() {
        assert_eq!(fit(Law::Log, &[100.0, 110.0]).ticks, [100.0, 102.0, 104.0, 106.0, 108.0, 110.0]);
    }

    #[test]
    fn an_even_axis_from_zero_begins_at_zero_and_ticks_round_values() {
        let axis = Axis { include: vec![0.0], ..axis(Law::Linear) };
        let scale = Scale::fit(&axis, Way::Up, [429.0].into_iter());
        assert_eq!(scale.ends().0, 0.0);
        assert_eq!(scale.ticks, [0.0, 100.0, 200.0, 300.0, 400.0]);
    }

    #[test]
    fn every_span_has_ticks_inside_its_ends_and_few_enough_to_read() {
        for law in [Law::Linear, Law::Log] {
            for exponent in 0..14 {
                for width in [1.0, 1.0001, 1.3, 4.0, 37.0, 2e3, 1e7] {
                    let low = 3.7 * 10f64.powi(exponent);
                    let scale = fit(law.clone(), &[low, low * width]);
                    let (low, high) = scale.ends();
                    assert!((2..=12).contains(&scale.ticks.len()), "{law:?} {low} {high}: {:?}", scale.ticks);
                    assert!(scale.ticks.iter().all(|tick| (low * 0.999_999..=high * 1.000_001).contains(tick)));
                }
            }
        }
    }

    #[test]
    fn one_value_and_no_value_still_make_an_axis() {
        for law in [Law::Linear, Law::Log, Law::Rows(Vec::new())] {
            for values in [&[][..], &[0.0], &[7.0], &[f64::NAN]] {
                let (low, high) = fit(law.clone(), values).ends();
                assert!(low.is_finite() && high.is_finite() && low != high, "{law:?} {values:?}");
            }
        }
    }

    #[test]
    fn what_is_not_above_zero_has_no_place_on_a_logarithmic_axis() {
        let scale = fit(Law::Log, &[1.0, 100.0, 0.0, -5.0]);
        assert_eq!(scale.place(0.0), None);
        assert!(scale.place(10.0).is_some_and(|share| (share - 0.5).abs() < 1e-9));
    }

    #[test]
    fn rows_are_counted_from_the_top() {
        let scale = fit(Law::Rows(vec!["first".into(), "second".into()]), &[]);
        assert_eq!((scale.place(0.0), scale.place(1.0)), (Some(0.75), Some(0.25)));
        assert_eq!(scale.label(1.0), "second");
    }

    #[test]
    fn the_value_at_a_place_is_the_inverse_of_the_place_of_a_value() {
        for law in [Law::Linear, Law::Log] {
            let scale = fit(law, &[3.0, 4000.0]);
            for value in [3.0, 70.0, 4000.0] {
                let there = scale.value_at(scale.place(value).expect("inside"));
                assert!((there / value - 1.0).abs() < 1e-9);
            }
        }
    }
}

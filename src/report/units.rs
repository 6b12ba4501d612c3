//! The one place where nanoseconds become text, and tokens, ratios and shares with them.
//!
//! A length of time has three significant digits and the unit that needs the fewest zeros: `50.0 µs`, `429 ms`,
//! `1.24 s`. Counts are grouped by thousands in tables (`120,938`) and shortened on axes (`121k`).

use crate::clock::Nanos;
use crate::stats::Estimate;

const SECOND: f64 = 1e9;
const MILLISECOND: f64 = 1e6;
const MICROSECOND: f64 = 1e3;

/// `429 ms`.
pub fn time(nanos: Nanos) -> String {
    span(nanos as f64)
}

/// As [`time`], for a length of time that is computed and may be negative.
pub fn span(nanos: f64) -> String {
    // Rounding to three digits can carry into the next unit: 999.6 µs is 1.00 ms.
    let (unit, name) = unit_of(three_digits(nanos.abs()));
    format!("{} {name}", significant(nanos / unit))
}

/// A tick of a time axis, in the unit of the axis's `largest`: `0.2 s`.
pub fn time_tick(value: f64, largest: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    let (unit, name) = unit_of(largest * 1.000_001);
    format!("{} {name}", trimmed(value / unit))
}

/// `120,938`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A tick of an axis of counts: `50`, `8k`, `1.5M`.
pub fn count_tick(value: f64, _largest: f64) -> String {
    match value.abs() * 1.000_001 {
        size if size >= 1e9 => format!("{}G", trimmed(value / 1e9)),
        size if size >= 1e6 => format!("{}M", trimmed(value / 1e6)),
        size if size >= 1e3 => format!("{}k", trimmed(value / 1e3)),
        _ => trimmed(value),
    }
}

/// `12.5`, `1,240`.
pub fn number(number: f64) -> String {
    if number >= 1e3 { count(number.round() as u64) } else { significant(number) }
}

/// `5.30x`.
pub fn ratio(ratio: f64) -> String {
    format!("{}x", significant(ratio))
}

/// `5.30x [5.10x to 5.52x]`.
pub fn estimate(ratio: Estimate) -> String {
    let interval = ratio.interval.map(|i| format!(" [{} to {}]", self::ratio(i.low), self::ratio(i.high)));
    self::ratio(ratio.value) + &interval.unwrap_or_default()
}

/// A tick of an axis of ratios: `1.5x`.
pub fn ratio_tick(value: f64, _largest: f64) -> String {
    format!("{}x", trimmed(value))
}

/// `12.1/s`: requests a second.
pub fn rate(per_second: f64) -> String {
    format!("{}/s", number(per_second))
}

/// The text with a capital.
pub fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

/// `99.2 %`; whole numbers stay whole.
pub fn share(share: f64) -> String {
    format!("{} %", trimmed((share * 1000.0).round() / 10.0))
}

/// A tick of an axis of shares: `50 %`.
pub fn share_tick(value: f64, _largest: f64) -> String {
    format!("{} %", trimmed(value * 100.0))
}

/// A number of bytes: `1.44 MB`, decimal units.
pub fn bytes(n: u64) -> String {
    match n as f64 {
        size if size >= 1e9 => format!("{} GB", significant(size / 1e9)),
        size if size >= 1e6 => format!("{} MB", significant(size / 1e6)),
        size if size >= 1e3 => format!("{} kB", significant(size / 1e3)),
        _ => format!("{n} B"),
    }
}

fn unit_of(nanos: f64) -> (f64, &'static str) {
    match nanos {
        n if n >= SECOND => (SECOND, "s"),
        n if n >= MILLISECOND => (MILLISECOND, "ms"),
        n if n >= MICROSECOND => (MICROSECOND, "µs"),
        _ => (1.0, "ns"),
    }
}

/// `value` rounded to three significant digits.
fn three_digits(value: f64) -> f64 {
    if value == 0.0 {
        return 0.0;
    }
    let grain = 10f64.powi(value.abs().log10().floor() as i32 - 2);
    (value / grain).round() * grain
}

/// Three significant digits, trailing zeros kept: they were measured. Thousands and more stay whole.
fn significant(value: f64) -> String {
    let decimals = match three_digits(value).abs() {
        0.0 => 0,
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.decimals$}")
}

/// As many of six decimals as are not zero: for round numbers.
fn trimmed(value: f64) -> String {
    let text = format!("{value:.6}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".into() } else { text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits_and_the_unit_with_the_fewest_zeros() {
        let cases: [(u64, &str); 12] = [
            (0, "0 ns"),
            (999, "999 ns"),
            (50_000, "50.0 µs"),
            (999_499, "999 µs"),
            (999_600, "1.00 ms"),
            (81_234_567, "81.2 ms"),
            (429_000_000, "429 ms"),
            (999_999_999, "1.00 s"),
            (1_236_000_000, "1.24 s"),
            (59_950_000_000, "60.0 s"),
            (500_000_000_000, "500 s"),
            (5_000_000_000_000, "5000 s"),
        ];
        for (nanos, text) in cases {
            assert_eq!(time(nanos), text);
        }
        assert_eq!(span(-12_340_000.0), "-12.3 ms");
    }

    #[test]
    fn ticks_are_right_at_every_scale() {
        for (nanos, text) in [(5e4, "50 µs"), (1e6, "1 ms"), (1.2e9, "1.2 s"), (5e11, "500 s"), (5e2, "500 ns")] {
            assert_eq!(time_tick(nanos, nanos), text);
        }
        for (tokens, text) in [(50.0, "50"), (8e3, "8k"), (1.5e5, "150k"), (1e6, "1M"), (1e7, "10M")] {
            assert_eq!(count_tick(tokens, tokens), text);
        }
    }

    #[test]
    fn the_ticks_of_an_even_axis_share_a_unit() {
        let axis: Vec<String> = [0.0, 5e8, 1e9, 1.5e9].map(|tick| time_tick(tick, 1.5e9)).into();
        assert_eq!(axis, ["0", "0.5 s", "1 s", "1.5 s"]);
    }

    #[test]
    fn a_tick_that_is_off_by_a_rounding_error_is_still_round() {
        assert_eq!(time_tick(0.1 * 3.0 * 1e9, 0.1 * 3.0 * 1e9), "300 ms");
        assert_eq!(count_tick(999.999_999_9, 1000.0), "1k");
        assert_eq!(time_tick(1e6 - 1e-7, 1e6 - 1e-7), "1 ms");
    }

    #[test]
    fn counts_ratios_shares_and_bytes_read_as_people_write_them() {
        assert_eq!([count(0), count(999), count(1000), count(120_938)], ["0", "999", "1,000", "120,938"]);
        assert_eq!([ratio(5.298), ratio(1.0), ratio(14.62), ratio(0.953)], ["5.30x", "1.00x", "14.6x", "0.953x"]);
        assert_eq!([share(1.0), share(0.9919), share(0.0)], ["100 %", "99.2 %", "0 %"]);
        assert_eq!([rate(0.5), rate(12.08), rate(480.0)], ["0.500/s", "12.1/s", "480/s"]);
        assert_eq!([bytes(12), bytes(480_000), bytes(1_440_000)], ["12 B", "480 kB", "1.44 MB"]);
    }
}

//! How far a run of pairs has come, on a terminal's last line.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::clock::Nanos;
use crate::progress::Voice;
use crate::report::units;
use crate::stats::Estimate;
use crate::verify::Progress;

/// The line.
pub struct Gauge {
    bar: ProgressBar,
}

impl Gauge {
    pub fn new(voice: Voice) -> Gauge {
        let target = if voice.may_move() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        let style = ProgressStyle::with_template("{bar:8} {msg}").expect("the template is well-formed");
        bar.set_style(style);
        Gauge { bar }
    }

    /// `elapsed` counts from the session's start.
    pub fn show(&mut self, progress: &Progress, elapsed: Nanos) {
        self.bar.set_length(progress.next_look as u64);
        self.bar.set_position(progress.pairs as u64);
        self.bar.set_message(message(progress, elapsed));
    }

    pub fn clear(&mut self) {
        self.bar.finish_and_clear();
    }
}

impl Drop for Gauge {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Fits into 80 columns, but for the last words.
fn message(progress: &Progress, elapsed: Nanos) -> String {
    let Progress { pairs, next_look, so_far, direction_is_clear } = progress;
    let mut message = format!("{pairs} of {next_look} pairs");
    if let Some(shift) = so_far.filter(|_| *pairs > 0) {
        let ratio = Estimate { value: shift.value.exp(), interval: shift.interval.map(|i| i.map(f64::exp)) };
        message += &format!(", not final: {}", units::estimate(ratio));
    }
    if *pairs > 0 {
        let left = elapsed / *pairs as u64 * (next_look - pairs) as u64;
        message += &format!(", next look in {} s", Duration::from_nanos(left).as_secs());
    }
    if *direction_is_clear {
        message += ", direction clear";
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Interval;

    #[test]
    fn the_line_says_how_far_and_that_nothing_is_final() {
        let mut progress = Progress { pairs: 0, next_look: 10, so_far: None, direction_is_clear: false };
        assert_eq!(message(&progress, 0), "0 of 10 pairs");
        let interval = Some(Interval { low: 2.0_f64.ln(), high: 8.0_f64.ln() });
        progress = Progress {
            pairs: 5,
            so_far: Some(Estimate { value: 4.0_f64.ln(), interval }),
            direction_is_clear: true,
            ..progress
        };
        assert_eq!(
            message(&progress, 10_000_000_000),
            "5 of 10 pairs, not final: 4.00x [2.00x to 8.00x], next look in 10 s, direction clear"
        );
    }
}

//! The legend: one entry a series, laid out in as many lines as the names need.

use std::fmt::Write;

use super::svg::{MARGIN, WIDTH};
use super::text::{Px, Text, elided, escape, width_of};
use super::theme::LIGHT;
use super::{Series, Shape};

const SIZE: f64 = 12.5;
const LINE: f64 = 22.0;
/// From the start of an entry to its name, which stands behind its sign.
const SIGN: f64 = 20.0;
/// Between two entries.
const GAP: f64 = 16.0;

/// The entries with their places. A picture of one series has none: its title names it.
pub(super) struct Key {
    /// Where its first line begins.
    top: f64,
    entries: Vec<Entry>,
    lines: usize,
}

struct Entry {
    x: f64,
    line: usize,
    name: String,
    /// As much of the name as there is room for.
    shown: String,
    sign: String,
}

impl Key {
    pub(super) fn of(series: &[Series], top: f64) -> Key {
        if series.len() < 2 {
            return Key { top, entries: Vec::new(), lines: 0 };
        }
        let (mut x, mut line) = (MARGIN, 0);
        let mut entries = Vec::new();
        for series in series {
            let shown = elided(&series.name, SIZE, WIDTH - 2.0 * MARGIN - SIGN);
            let width = SIGN + width_of(&shown, SIZE);
            if x > MARGIN && x + width > WIDTH - MARGIN {
                (x, line) = (MARGIN, line + 1);
            }
            entries.push(Entry { x, line, name: series.name.clone(), shown, sign: series.sign() });
            x += width + GAP;
        }
        Key { top, entries, lines: line + 1 }
    }

    pub(super) fn height(&self) -> f64 {
        self.lines as f64 * LINE
    }

    /// Each entry is a `<g data-key>` with a rectangle to hit, so that a page can make it a switch.
    pub(super) fn svg(&self) -> String {
        let mut svg = String::from("<g class=\"key\">\n");
        for Entry { x, line, name, shown, sign } in &self.entries {
            let y = self.top + LINE * (*line as f64 + 0.5);
            let width = SIGN + width_of(shown, SIZE);
            let _ = writeln!(
                svg,
                r#"<g data-key="{}"><rect x="{}" y="{}" width="{}" height="{LINE}" fill="none" pointer-events="all" rx="4"/><g transform="translate({} {})">{sign}</g>{}</g>"#,
                escape(name),
                Px(x - 4.0),
                Px(y - LINE / 2.0),
                Px(width + 8.0),
                Px(x + 7.0),
                Px(y),
                Text::new(x + SIGN, y + 4.5, shown).size(SIZE)
            );
        }
        svg.push_str("</g>\n");
        svg
    }
}

impl Series {
    pub(super) fn class(&self) -> String {
        format!("s{}", self.hue % LIGHT.series.len())
    }

    pub(super) fn colour(&self) -> &'static str {
        LIGHT.hue(self.hue)
    }

    /// A small picture of how the series is drawn, around the origin.
    fn sign(&self) -> String {
        let (class, colour) = (self.class(), self.colour());
        let form = match self.shapes.first() {
            Some(Shape::Dots(_)) if self.open => r#"<circle r="4.5" fill-opacity="0.08" stroke-width="1.5"/>"#,
            Some(Shape::Dots(_)) => r#"<circle r="5" stroke="none"/>"#,
            Some(Shape::Band(_)) => r#"<rect x="-7" y="-5" width="14" height="10" fill-opacity="0.25" stroke="none"/>"#,
            Some(Shape::Bars(_)) if self.open => {
                r#"<rect x="-6" y="-6" width="12" height="12" rx="2" fill-opacity="0.45" stroke="none"/>"#
            }
            Some(Shape::Bars(_)) => r#"<rect x="-6" y="-6" width="12" height="12" rx="2" stroke="none"/>"#,
            Some(Shape::Line { dashed: true, .. }) => {
                r#"<path d="M-8 0H8" stroke-width="2.5" stroke-dasharray="5 3"/>"#
            }
            Some(Shape::Steps(_)) if self.open => r#"<path d="M-8 0H8" stroke-width="2.5" stroke-dasharray="5 3"/>"#,
            _ => r#"<path d="M-8 0H8" stroke-width="2.5"/>"#,
        };
        format!(r#"<g class="{class}" fill="{colour}" stroke="{colour}">{form}</g>"#)
    }
}

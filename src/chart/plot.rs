//! The inside of the frame: each series as its own elements, then the rules. Only dots and bars answer the pointer: a
//! curve through a dot would otherwise hide it.

use std::fmt::{self, Write};

use super::scale::Scale;
use super::text::{Px, Text, escape, width_of};
use super::theme::LIGHT;
use super::{Across, Bar, Mark, Rule, Series, Shape};

/// The font size of words inside the plot.
const SIZE: f64 = 12.0;
/// Between a mark and the words that belong to it.
const GAP: f64 = 7.0;

/// The plot's place in the picture: values in, tenths of a pixel out.
pub(super) struct Plot {
    pub x: Scale,
    pub y: Scale,
    pub left: f64,
    pub right: f64,
    pub top: f64,
    pub bottom: f64,
}

impl Plot {
    fn x(&self, value: f64) -> Option<Px> {
        self.x.place(value).map(|share| Px(self.left + share * (self.right - self.left)))
    }

    fn y(&self, value: f64) -> Option<Px> {
        self.y.place(value).map(|share| Px(self.bottom + share * (self.top - self.bottom)))
    }

    fn at(&self, (x, y): (f64, f64)) -> Option<(Px, Px)> {
        Some((self.x(x)?, self.y(y)?))
    }

    pub(super) fn series(&self, svg: &mut String, series: &Series) -> fmt::Result {
        let (name, class, colour) = (escape(&series.name), series.class(), series.colour());
        writeln!(svg, r#"<g data-series="{name}" class="{class}" fill="{colour}" stroke="{colour}">"#)?;
        for shape in &series.shapes {
            self.shape(svg, shape, series.open)?;
        }
        svg.write_str("</g>\n")
    }

    fn shape(&self, svg: &mut String, shape: &Shape, open: bool) -> fmt::Result {
        match shape {
            Shape::Dots(marks) => self.dots(svg, marks, open),
            Shape::Line { points, dashed } => {
                let path = path(points.iter().filter_map(|point| self.at(*point)));
                let dash = if *dashed { r#" stroke-dasharray="6 4""# } else { "" };
                writeln!(
                    svg,
                    r#"<path d="{path}" fill="none" stroke-width="2" pointer-events="none" stroke-linejoin="round"{dash}/>"#
                )
            }
            Shape::Knots(points) => {
                writeln!(svg, r#"<g pointer-events="none" {}>"#, if open { RING } else { r#"stroke="none""# })?;
                for (x, y) in points.iter().filter_map(|point| self.at(*point)) {
                    writeln!(svg, r#"<circle cx="{x}" cy="{y}" r="4"/>"#)?;
                }
                svg.write_str("</g>\n")
            }
            Shape::Steps(points) => {
                let stairs = points.windows(2).flat_map(|ends| [ends[0], (ends[1].0, ends[0].1)]);
                let path = path(stairs.chain(points.last().copied()).filter_map(|point| self.at(point)));
                let dash = if open { r#" stroke-dasharray="6 3""# } else { "" };
                writeln!(svg, r#"<path d="{path}" fill="none" stroke-width="2" pointer-events="none"{dash}/>"#)
            }
            Shape::Band(band) => {
                let there = band.iter().filter_map(|at| self.at((at.x, at.high)));
                let back = band.iter().rev().filter_map(|at| self.at((at.x, at.low)));
                writeln!(
                    svg,
                    r#"<path d="{}" fill-opacity="0.22" stroke="none" pointer-events="none"/>"#,
                    path(there.chain(back))
                )
            }
            Shape::Bars(bars) => {
                writeln!(svg, "<g{}>", if open { PALE } else { "" })?;
                bars.iter().try_for_each(|bar| self.bar(svg, bar))?;
                svg.write_str("</g>\n")
            }
        }
    }

    fn dots(&self, svg: &mut String, marks: &[Mark], open: bool) -> fmt::Result {
        let radius = radius_for(marks.len());
        writeln!(svg, r#"<g class="dots" {}>"#, if open { RING } else { DISC })?;
        for Mark { trial, row, x, y, title } in marks {
            let Some((x, y)) = self.at((*x, *y)) else { continue };
            let title = escape(title);
            writeln!(
                svg,
                r#"<circle cx="{x}" cy="{y}" r="{radius}" data-trial="{trial}" data-row="{row}"><title>{title}</title></circle>"#
            )?;
        }
        svg.write_str("</g>\n")
    }

    fn bar(&self, svg: &mut String, bar: &Bar) -> fmt::Result {
        let row = bar.row as f64;
        let corners = (self.at((bar.from, row - 0.3)), self.at((bar.to, row + 0.3)));
        let (Some((Px(left), Px(top))), Some((Px(right), Px(bottom)))) = corners else { return Ok(()) };
        // A span of nothing is still seen.
        let right = right.max(left + 1.5);
        let [x, y, width, height] = [left, top, right - left, bottom - top].map(Px);
        let title = escape(&bar.title);
        writeln!(
            svg,
            r#"<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="2" stroke="none"><title>{title}</title></rect>"#
        )?;
        writeln!(svg, "{}", self.label_of(bar, left, right, (top + bottom) / 2.0 + 4.0))
    }

    /// Behind the bar if it fits there, else before it, else inside at its end.
    fn label_of<'a>(&self, bar: &'a Bar, left: f64, right: f64, y: f64) -> Text<'a> {
        let width = width_of(&bar.label, SIZE);
        let words = if right + GAP + width < self.right {
            Text::new(right + GAP, y, &bar.label)
        } else if self.left + width < left - GAP {
            Text::new(left - GAP, y, &bar.label).anchor("end")
        } else {
            return Text::new(right - GAP, y, &bar.label).anchor("end").size(SIZE).in_paper();
        };
        words.size(SIZE).over_marks()
    }

    /// Rules stand above the marks, and their words above all rules; those of upright ones stand in as many lines as they
    /// need not to touch.
    pub(super) fn rules(&self, svg: &mut String, rules: &[Rule]) -> fmt::Result {
        let mut taken: Vec<(usize, f64, f64)> = Vec::new();
        let mut all_words = Vec::new();
        for rule in rules {
            match rule.across {
                Across::X => {
                    let Some(Px(x)) = self.x(rule.at) else { continue };
                    let (from, to) = self.beside(x, width_of(&rule.label, SIZE));
                    let is_free = |line: usize| !taken.iter().any(|&(at, l, r)| at == line && from < r && l < to);
                    let line = (0..=taken.len()).find(|line| is_free(*line)).unwrap_or(0);
                    taken.push((line, from, to));
                    let y = self.top + 14.0 + 15.0 * line as f64;
                    // The width is a guess: words to the left of their rule end at it, however wide they are.
                    all_words.push(match from < x {
                        true => Text::new(x - GAP, y, &rule.label).anchor("end"),
                        false => Text::new(from, y, &rule.label),
                    });
                    write_rule(svg, [x, self.top, x, self.bottom])?;
                }
                Across::Y => {
                    let Some(Px(y)) = self.y(rule.at) else { continue };
                    all_words.push(Text::new(self.right - 4.0, y - 5.0, &rule.label).anchor("end"));
                    write_rule(svg, [self.left, y, self.right, y])?;
                }
            }
        }
        for words in all_words {
            writeln!(svg, r#"<g pointer-events="none">{}</g>"#, words.size(SIZE).over_marks())?;
        }
        Ok(())
    }

    /// Where words of this width stand beside an upright rule at `x`: to its right if they fit, else to its left.
    fn beside(&self, x: f64, width: f64) -> (f64, f64) {
        let from = if x + GAP + width < self.right { x + GAP } else { x - GAP - width };
        (from, from + width)
    }
}

fn write_rule(svg: &mut String, ends: [f64; 4]) -> fmt::Result {
    let ([x1, y1, x2, y2], colour) = (ends.map(Px), LIGHT.muted);
    writeln!(
        svg,
        r#"<line class="rule" pointer-events="none" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{colour}" stroke-dasharray="3 3"/>"#
    )
}

const DISC: &str = r#"fill-opacity="0.7" stroke="none""#;
const RING: &str = r#"fill-opacity="0.08" stroke-width="1.5""#;

/// Of bars; words among them say so for themselves.
const PALE: &str = r#" fill-opacity="0.45""#;

/// Many dots are small dots.
fn radius_for(dots: usize) -> f64 {
    match dots {
        0..=60 => 4.0,
        61..=300 => 3.0,
        301..=2_000 => 2.2,
        _ => 1.6,
    }
}

fn path(points: impl Iterator<Item = (Px, Px)>) -> String {
    let mut path = String::new();
    for (x, y) in points {
        let _ = write!(path, "{}{x} {y}", if path.is_empty() { "M" } else { "L" });
    }
    path
}

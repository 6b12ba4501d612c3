//! Figures: marks on two axes, written as SVG, PNG or terminal text from one description.
//!
//! A [`Figure`] says what is to be seen and knows no word of the field: it has names, numbers, and a function that
//! writes a number beside a tick. `plotters` draws the frame (axes, grid, tick labels); the marks are our own elements
//! at the positions that frame gives, each series one `<g data-series>`, each dot with the number of its trial and a
//! `<title>`, so that a page's legend, colour scheme and tooltips can reach them. The `.svg` file, the page and the PNG
//! ([`png`]) are the same bytes.
//!
//! Every text may come from a log, so every text is escaped, here and nowhere else.

mod blocks;
mod key;
mod plot;
mod png;
mod scale;
mod svg;
mod text;
mod theme;

pub use png::{PngError, png};
pub use text::{columns, cut, escape, lines, printable};
pub use theme::{DARK, LIGHT, Palette};

/// One picture.
#[derive(Debug, Clone)]
pub struct Figure {
    /// What the command line calls it; also the stem of the ids inside the SVG, so it must be unique on a page.
    pub name: String,
    pub title: String,
    /// One sentence under the title: how to read the picture.
    pub caption: String,
    pub x: Axis,
    pub y: Axis,
    pub series: Vec<Series>,
    pub rules: Vec<Rule>,
}

/// One axis: what it measures and how its numbers are spread and written.
#[derive(Debug, Clone)]
pub struct Axis {
    pub label: String,
    pub law: Law,
    pub tick: Tick,
    /// Values that must be in sight although no mark stands there, such as 0 or 1.
    pub include: Vec<f64>,
}

/// Writes `value` for a tick of an axis whose largest tick is `largest`, so that all of a linear axis can share a unit.
/// On a logarithmic axis `largest` is `value` itself.
pub type Tick = fn(value: f64, largest: f64) -> String;

/// How an axis spreads its values.
#[derive(Debug, Clone, PartialEq)]
pub enum Law {
    Linear,
    /// Values of zero or less have no place on it and are not drawn.
    Log,
    /// Value `i` is the row with the `i`th name, counted downwards from the top.
    Rows(Vec<String>),
}

/// What belongs together: one colour, one entry in the legend, toggled as one.
#[derive(Debug, Clone)]
pub struct Series {
    pub name: String,
    /// The colour's place in the [`Palette`], taken round when there are more series than colours.
    pub hue: usize,
    /// Rings instead of discs, so that two series can share a colour.
    pub open: bool,
    pub shapes: Vec<Shape>,
}

/// How a series is drawn.
#[derive(Debug, Clone)]
pub enum Shape {
    Dots(Vec<Mark>),
    Line {
        points: Vec<(f64, f64)>,
        dashed: bool,
    },
    /// The measured places of a line; no trial's own.
    Knots(Vec<(f64, f64)>),
    /// A staircase: the value holds from its `x` to the next.
    Steps(Vec<(f64, f64)>),
    /// The area between two lines.
    Band(Vec<Interval>),
    /// Lying bars, for an axis of [`Law::Rows`].
    Bars(Vec<Bar>),
}

/// A dot: one measured trial.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// The trial's number in its log.
    pub trial: u64,
    /// Which row of the data beside the figure it came from, counted from 0 over all logs.
    pub row: usize,
    pub x: f64,
    pub y: f64,
    /// What a tooltip says.
    pub title: String,
}

/// One abscissa of a band.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    pub x: f64,
    pub low: f64,
    pub high: f64,
}

/// One lying bar.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// Which of the rows it lies in.
    pub row: usize,
    pub from: f64,
    pub to: f64,
    /// Written behind the bar.
    pub label: String,
    pub title: String,
}

/// A straight line across the whole plot, with a word beside it.
#[derive(Debug, Clone)]
pub struct Rule {
    pub across: Across,
    pub at: f64,
    pub label: String,
}

/// Which axis a [`Rule`] stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Across {
    /// Upright, at a value of the x axis.
    X,
    /// Level, at a value of the y axis.
    Y,
}

impl Figure {
    /// Whether anything would be drawn.
    pub fn is_empty(&self) -> bool {
        self.series.iter().flat_map(|series| &series.shapes).all(Shape::is_empty)
    }

    fn points(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.series.iter().flat_map(|series| &series.shapes).flat_map(Shape::points)
    }

    fn x_scale(&self) -> scale::Scale {
        let rules = self.rules.iter().filter(|rule| rule.across == Across::X).map(|rule| rule.at);
        scale::Scale::fit(&self.x, scale::Way::Across, self.points().map(|(x, _)| x).chain(rules))
    }

    fn y_scale(&self) -> scale::Scale {
        let rules = self.rules.iter().filter(|rule| rule.across == Across::Y).map(|rule| rule.at);
        scale::Scale::fit(&self.y, scale::Way::Up, self.points().map(|(_, y)| y).chain(rules))
    }
}

impl Shape {
    fn is_empty(&self) -> bool {
        self.points().is_empty()
    }

    fn points(&self) -> Vec<(f64, f64)> {
        match self {
            Shape::Dots(marks) => marks.iter().map(|mark| (mark.x, mark.y)).collect(),
            Shape::Line { points, .. } | Shape::Knots(points) | Shape::Steps(points) => points.clone(),
            Shape::Band(band) => band.iter().flat_map(|at| [(at.x, at.low), (at.x, at.high)]).collect(),
            Shape::Bars(bars) => {
                bars.iter().flat_map(|bar| [(bar.from, bar.row as f64), (bar.to, bar.row as f64)]).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests;

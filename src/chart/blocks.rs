//! A figure as plain text for a terminal: no colour, so that it says the same in a pipe and on any background.
//!
//! Series are told apart by their signs (a disc, a square, ...; hollow where the series is open). Where two marks fall
//! into one cell the earlier series shows. Bands are left out: a cell is too coarse for them.

use super::scale::Scale;
use super::text::{columns, cut, printable};
use super::{Across, Bar, Figure, Law, Series, Shape};

const ROWS: usize = 12;
const DISCS: [char; 6] = ['●', '■', '▲', '◆', '▼', '★'];
const RINGS: [char; 6] = ['○', '□', '△', '◇', '▽', '☆'];

impl Figure {
    /// The figure in lines of at most `width` columns (never fewer than 40), each ended by a newline.
    pub fn blocks(&self, width: usize) -> String {
        let (x, y) = (self.x_scale(), self.y_scale());
        let width = width.max(40);
        let body = match &self.y.law {
            Law::Rows(_) => self.bars(&x, &y, width),
            _ => self.grid(&x, &y, width),
        };
        let mut lines = vec![printable(&self.title)];
        lines.extend(body);
        if self.series.len() > 1 {
            lines.extend(self.legend(width));
        }
        lines.iter().map(|line| format!("{}\n", cut(line.trim_end(), width))).collect()
    }

    fn grid(&self, x: &Scale, y: &Scale, width: usize) -> Vec<String> {
        let labels: Vec<(usize, String)> = y
            .ticks()
            .iter()
            .filter_map(|tick| Some((ROWS - 1 - cell(y.place(*tick)?, ROWS)?, y.label(*tick))))
            .collect();
        let margin = labels.iter().map(|(_, label)| columns(label)).max().unwrap_or(0);
        let mut canvas = Canvas::new(width - margin - 2);
        for series in &self.series {
            canvas.marks(series, x, y);
        }
        for series in &self.series {
            canvas.lines(series, x, y);
        }
        self.rules.iter().for_each(|rule| canvas.rule(rule.across, rule.at, x, y));

        let mut lines = vec![printable(&self.y.label)];
        for (row, cells) in canvas.cells.iter().enumerate() {
            let label = labels.iter().find(|(at, _)| *at == row).map(|(_, label)| label.as_str());
            let axis = if label.is_some() { '┤' } else { '│' };
            lines.push(format!(
                "{} {axis}{}",
                to_the_right(label.unwrap_or(""), margin),
                cells.iter().collect::<String>()
            ));
        }
        lines.extend(foot(x, margin, canvas.columns));
        lines.push(format!("{:margin$}  {}", "", printable(&self.x.label)));
        lines
    }

    /// Lying bars, each followed by its label.
    fn bars(&self, x: &Scale, y: &Scale, width: usize) -> Vec<String> {
        let bars = || {
            self.series.iter().flat_map(|series| &series.shapes).flat_map(|shape| match shape {
                Shape::Bars(bars) => bars.as_slice(),
                _ => &[],
            })
        };
        let longest = |lengths: &mut dyn Iterator<Item = usize>| lengths.max().unwrap_or(0);
        let names: Vec<String> = y.ticks().iter().map(|tick| y.label(*tick)).collect();
        let margin = longest(&mut names.iter().map(|name| columns(name)));
        let tail = longest(&mut bars().map(|bar| columns(&bar.label)));
        let plot = width.saturating_sub(margin + tail + 3).max(10);
        let row = |(row, name): (usize, &String)| {
            let mut line = format!("{} │", to_the_right(name, margin));
            let begin = line.chars().count();
            for bar in bars().filter(|bar| bar.row == row) {
                draw_bar(&mut line, begin, x, bar, plot);
            }
            line
        };
        let mut lines: Vec<String> = names.iter().enumerate().map(row).collect();
        lines.extend(foot(x, margin, plot));
        lines
    }

    fn legend(&self, width: usize) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for series in &self.series {
            let entry = format!("{} {}", sign(series), printable(&series.name));
            match lines.last_mut() {
                Some(line) if columns(line) + 3 + columns(&entry) <= width => {
                    line.push_str("   ");
                    line.push_str(&entry);
                }
                _ => lines.push(entry),
            }
        }
        lines
    }
}

fn sign(series: &Series) -> char {
    if series.shapes.iter().all(|shape| matches!(shape, Shape::Line { .. })) {
        return '·';
    }
    let signs = if series.open { RINGS } else { DISCS };
    signs[series.hue % signs.len()]
}

/// The axis under the plot and its labels, of which those are left out that would touch the one before.
fn foot(x: &Scale, margin: usize, columns: usize) -> [String; 2] {
    let mut axis = vec!['─'; columns];
    let mut labels = String::new();
    for tick in x.ticks() {
        let Some(column) = x.place(*tick).and_then(|share| cell(share, columns)) else { continue };
        axis[column] = '┬';
        let label = x.label(*tick);
        let length = label.chars().count();
        let begin = column.saturating_sub(length / 2).min(columns.saturating_sub(length));
        let end = labels.chars().count();
        if end == 0 || begin > end {
            labels.extend(std::iter::repeat_n(' ', begin - end));
            labels.push_str(&label);
        }
    }
    [format!("{:margin$} └{}", "", axis.iter().collect::<String>()), format!("{:margin$}  {labels}", "")]
}

fn draw_bar(line: &mut String, begin: usize, x: &Scale, bar: &Bar, columns: usize) {
    let column = |value: f64| x.place(value).map(|share| (share.clamp(0.0, 1.0) * columns as f64).round() as usize);
    let (Some(from), Some(to)) = (column(bar.from), column(bar.to)) else { return };
    let at = line.chars().count() - begin;
    line.extend(std::iter::repeat_n(' ', from.saturating_sub(at)));
    // A span of nothing is still seen.
    if from == to {
        line.push('▏')
    } else {
        line.extend(std::iter::repeat_n('█', to - from))
    }
    line.push(' ');
    line.push_str(&printable(&bar.label));
}

/// The cell of `count` that holds the place `share`; `None` outside.
fn cell(share: f64, count: usize) -> Option<usize> {
    (0.0..=1.0).contains(&share).then(|| ((share * count as f64) as usize).min(count - 1))
}

/// `text` with spaces before it.
fn to_the_right(text: &str, width: usize) -> String {
    " ".repeat(width.saturating_sub(columns(text))) + text
}

/// Reads a line off at an abscissa.
type ValueAt = fn(points: &[(f64, f64)], x: f64) -> Option<f64>;

struct Canvas {
    columns: usize,
    cells: Vec<Vec<char>>,
}

impl Canvas {
    fn new(columns: usize) -> Canvas {
        Canvas { columns, cells: vec![vec![' '; columns]; ROWS] }
    }

    fn put(&mut self, column: usize, row: usize, c: char) {
        let cell = &mut self.cells[row][column];
        if *cell == ' ' {
            *cell = c;
        }
    }

    fn put_at(&mut self, x: Option<f64>, y: Option<f64>, c: char) {
        let column = x.and_then(|share| cell(share, self.columns));
        let row = y.and_then(|share| cell(share, ROWS));
        if let (Some(column), Some(row)) = (column, row) {
            self.put(column, ROWS - 1 - row, c);
        }
    }

    fn marks(&mut self, series: &Series, x: &Scale, y: &Scale) {
        for shape in &series.shapes {
            let places: Vec<(f64, f64)> = match shape {
                Shape::Dots(marks) => marks.iter().map(|mark| (mark.x, mark.y)).collect(),
                Shape::Knots(points) => points.clone(),
                Shape::Line { .. } | Shape::Steps(_) | Shape::Band(_) | Shape::Bars(_) => continue,
            };
            for (across, up) in places {
                self.put_at(x.place(across), y.place(up), sign(series));
            }
        }
    }

    /// One sign a column, at the height the line has in the column's middle.
    fn lines(&mut self, series: &Series, x: &Scale, y: &Scale) {
        for shape in &series.shapes {
            let (points, value, sign): (_, ValueAt, _) = match shape {
                Shape::Line { points, .. } => (points, between, '·'),
                Shape::Steps(points) => (points, before, sign(series)),
                Shape::Dots(_) | Shape::Knots(_) | Shape::Band(_) | Shape::Bars(_) => continue,
            };
            for column in 0..self.columns {
                let share = (column as f64 + 0.5) / self.columns as f64;
                let height = value(points, x.value_at(share)).and_then(|value| y.place(value));
                self.put_at(Some(share), height, sign);
            }
        }
    }

    fn rule(&mut self, across: Across, at: f64, x: &Scale, y: &Scale) {
        match across {
            Across::X => {
                for row in 0..ROWS {
                    self.put_at(x.place(at), Some((row as f64 + 0.5) / ROWS as f64), '┊');
                }
            }
            Across::Y => {
                for column in 0..self.columns {
                    self.put_at(Some((column as f64 + 0.5) / self.columns as f64), y.place(at), '┄');
                }
            }
        }
    }
}

/// The value at `x` on straight lines between the points.
fn between(points: &[(f64, f64)], x: f64) -> Option<f64> {
    points.windows(2).find(|ends| (ends[0].0..=ends[1].0).contains(&x)).map(|ends| {
        let share = if ends[1].0 == ends[0].0 { 0.0 } else { (x - ends[0].0) / (ends[1].0 - ends[0].0) };
        ends[0].1 + share * (ends[1].1 - ends[0].1)
    })
}

/// The value of the last point at or before `x`.
fn before(points: &[(f64, f64)], x: f64) -> Option<f64> {
    points.partition_point(|point| point.0 <= x).checked_sub(1).map(|at| points[at].1)
}

//! Time to first token against context length, with the fitted curves and the break-even length.

use super::super::data::{Cell, Data};
use super::super::fit::{Curves, Drawn};
use super::super::units;
use super::{mark, series, time_axis};
use crate::chart::{Across, Axis, Figure, Interval, Law, Rule, Series, Shape};
use crate::fit::BreakEven;

pub(super) fn logarithmic(data: &Data, curves: &Curves) -> Option<Figure> {
    let figure = figure(data, curves, Law::Log)?;
    Some(Figure { name: "ttft".into(), caption: "Each dot is one request; both axes logarithmic.".into(), ..figure })
}

pub(super) fn linear(data: &Data, curves: &Curves) -> Option<Figure> {
    let figure = figure(data, curves, Law::Linear)?;
    Some(Figure { name: "ttft_linear".into(), caption: "Each dot is one request; both axes linear.".into(), ..figure })
}

/// `None` below two lengths.
fn figure(data: &Data, curves: &Curves, law: Law) -> Option<Figure> {
    let one = |cells: Vec<Cell>| arm(data, &cells, curves.drawn(cells[0].log, cells[0].arm));
    (data.lengths().len() >= 2).then(|| Figure {
        name: String::new(),
        title: "Time to first token against context length".into(),
        caption: String::new(),
        x: Axis {
            label: "context_tokens".into(),
            law: law.clone(),
            tick: units::count_tick,
            include: if law == Law::Linear { vec![0.0] } else { Vec::new() },
        },
        y: time_axis("TTFT", law),
        series: data.arms().into_iter().map(one).collect(),
        rules: curves.break_evens.iter().filter_map(|(log, found)| rule(data, *log, found)).collect(),
    })
}

fn arm(data: &Data, cells: &[Cell], drawn: Option<&Drawn>) -> Series {
    let entries = cells.iter().flat_map(|cell| &cell.entries);
    let dots = entries.filter_map(|e| Some(mark(e, e.context_tokens as f64, e.ttft_ns? as f64))).collect();
    let mut series = series(data, cells[0].log, cells[0].arm, vec![Shape::Dots(dots)]);
    if let Some(drawn) = drawn {
        let (places, band) = (drawn.places(), drawn.band());
        let band = places.iter().zip(&band).map(|(x, at)| Interval { x: *x, low: at.low, high: at.high });
        let points = places.iter().map(|x| (*x, drawn.fitted.curve.at(*x)));
        series.shapes.push(Shape::Band(band.collect()));
        series.shapes.push(Shape::Line { points: points.collect(), dashed: series.open });
    }
    series
}

fn rule(data: &Data, log: usize, found: &BreakEven) -> Option<Rule> {
    let at = found.tokens()?;
    let whose = if data.is_labelled() { format!("{} ", data.logs[log].label) } else { String::new() };
    let label = format!("{whose}break-even {}", units::count(at.round() as u64));
    Some(Rule { across: Across::X, at, label })
}

//! A figure as an SVG document: title, legend, the frame that `plotters` draws, and inside it the plot.

use std::fmt::{self, Write};

use plotters::prelude::*;

use super::plot::Plot;
use super::scale::Scale;
use super::text::{Px, Text, escape, printable, width_of};
use super::theme::{FONT, LIGHT, rgb, style_sheet};
use super::{Figure, Law, key};

/// The picture's size in pixels; all text is set for this size.
pub(super) const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 400.0;
/// The height of one row of a figure of rows, which is as tall as its rows need.
const ROW: f64 = 34.0;
pub(super) const MARGIN: f64 = 20.0;
const BELOW: f64 = 42.0;
/// `plotters` divides every font size by this before it writes it.
const PLOTTERS_EM: f64 = 1.24;
const TICK_SIZE: f64 = 12.0;

impl Figure {
    /// The figure as a complete SVG document.
    pub fn svg(&self) -> String {
        let legend = key::Key::of(&self.series);
        let top = 62.0 + legend.height();
        let height = match &self.y.law {
            Law::Rows(names) => top + ROW * names.len().max(1) as f64 + BELOW + MARGIN,
            _ => HEIGHT,
        };
        let (frame, plot) = self.frame(top, height);
        let mut svg = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut svg, &Parts { legend, frame, plot, height });
        svg
    }

    fn write(&self, svg: &mut String, parts: &Parts) -> fmt::Result {
        let Parts { legend, frame, plot, height } = parts;
        let name = escape(&self.name);
        writeln!(
            svg,
            r#"<svg xmlns="http://www.w3.org/2000/svg" class="figure" data-figure="{name}" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="{name}-title {name}-caption" font-family="{FONT}">"#
        )?;
        writeln!(svg, r#"<title id="{name}-title">{}</title>"#, escape(&self.title))?;
        writeln!(svg, r#"<desc id="{name}-caption">{}</desc>"#, escape(&self.caption))?;
        writeln!(svg, "<style>{}</style>", style_sheet())?;
        writeln!(svg, r#"<rect width="{WIDTH}" height="{height}" fill="{}"/>"#, LIGHT.paper)?;
        writeln!(svg, "{}", Text::new(MARGIN, 30.0, &self.title).size(17.0))?;
        writeln!(svg, "{}", Text::new(MARGIN, 50.0, &self.caption).size(12.5).muted())?;
        svg.write_str(&legend.svg())?;
        writeln!(svg, "{}", Text::new(MARGIN, plot.top - 10.0, &self.y.label).size(12.0).muted())?;
        writeln!(svg, r#"<g class="frame">{frame}</g>"#)?;
        let [x, y, width, height] = [plot.left, plot.top, plot.right - plot.left, plot.bottom - plot.top].map(Px);
        writeln!(
            svg,
            r#"<clipPath id="{name}-plot"><rect x="{x}" y="{y}" width="{width}" height="{height}"/></clipPath>"#
        )?;
        writeln!(svg, r#"<g clip-path="url(#{name}-plot)">"#)?;
        for series in &self.series {
            plot.series(svg, series)?;
        }
        svg.write_str("</g>\n")?;
        plot.rules(svg, &self.rules)?;
        svg.write_str("</svg>\n")
    }

    /// What `plotters` draws, without its own `<svg>` element, and where it put the plot.
    fn frame(&self, top: f64, height: f64) -> (String, Plot) {
        let frame = Frame { x: self.x_scale(), y: self.y_scale(), x_label: printable(&self.x.label), top };
        let mut drawn = String::new();
        let root = SVGBackend::with_string(&mut drawn, (WIDTH as u32, height as u32)).into_drawing_area();
        let plot = frame.draw(&root).expect("an SVG in memory cannot fail to be written");
        drop(root);
        let body = drawn.split_once('\n').map_or("", |(_, body)| body).trim_end().trim_end_matches("</svg>");
        (body.to_string(), plot)
    }
}

struct Parts {
    legend: key::Key,
    frame: String,
    plot: Plot,
    height: f64,
}

struct Frame {
    x: Scale,
    y: Scale,
    x_label: String,
    top: f64,
}

type Area<'a, 'b> = DrawingArea<SVGBackend<'b>, plotters::coord::Shift>;

impl Frame {
    fn draw(self, root: &Area) -> Result<Plot, DrawingAreaErrorKind<std::io::Error>> {
        let Frame { x, y, x_label, top } = self;
        let widest = y.ticks().iter().map(|tick| width_of(&y.label(*tick), TICK_SIZE)).fold(0.0, f64::max);
        let mut chart = ChartBuilder::on(root)
            .margin_top(top)
            .margin_right(MARGIN + 6.0)
            .margin_bottom(MARGIN / 2.0)
            .margin_left(MARGIN / 2.0)
            .x_label_area_size(BELOW)
            .y_label_area_size(widest + 18.0)
            .build_cartesian_2d(x.clone(), y.clone())?;
        let words = (FONT, TICK_SIZE * PLOTTERS_EM).into_font().color(&rgb(LIGHT.muted));
        let mut mesh = chart.configure_mesh();
        if y.is_rows() {
            mesh.disable_y_mesh();
        }
        mesh.axis_style(rgb(LIGHT.axis))
            .bold_line_style(rgb(LIGHT.grid))
            .light_line_style(rgb(LIGHT.grid).mix(0.6))
            .set_all_tick_mark_size(4)
            .label_style(words)
            .x_desc(x_label)
            .draw()?;
        let (left, bottom) = chart.backend_coord(&(x.ends().0, y.ends().0));
        let (right, top) = chart.backend_coord(&(x.ends().1, y.ends().1));
        let [left, right, top, bottom] = [left, right, top, bottom].map(f64::from);
        root.present()?;
        Ok(Plot { x, y, left, right, top, bottom })
    }
}

//! A figure as an SVG document: title, legend, the frame that `plotters` draws, and inside it the plot.

use std::fmt::{self, Write};

use plotters::coord::ranged1d::ValueFormatter;
use plotters::prelude::*;

use super::plot::Plot;
use super::scale::Scale;
use super::text::{Px, Text, escape, lines, printable, width_of};
use super::theme::{FONT, LIGHT, rgb, style_sheet};
use super::{Figure, Law, key};

/// The picture's size in pixels. One size serves a telephone of 380 pixels, where its words are still ten pixels tall, a
/// third of a wide window, and a slide, where few ticks and large words are what is wanted.
pub(super) const WIDTH: f64 = 460.0;
/// The height of the plot, whatever stands above it.
const PLOT: f64 = 236.0;
/// The height of one row of a figure of rows, which is as tall as its rows need.
const ROW: f64 = 28.0;
pub(super) const MARGIN: f64 = 16.0;
/// What the ticks and the name of the x axis take.
const BELOW: f64 = 42.0;
/// `plotters` divides every font size by this before it writes it.
const PLOTTERS_EM: f64 = 1.24;
pub(super) const TICK_SIZE: f64 = 12.5;
const TITLE: Size = Size { letters: 16.0, line: 20.0 };
const CAPTION: Size = Size { letters: 12.5, line: 16.0 };

/// How far a mark may reach out of the plot.
const RIM: f64 = 5.0;

/// Of words in lines.
struct Size {
    letters: f64,
    line: f64,
}

impl Figure {
    /// The figure as a complete SVG document.
    pub fn svg(&self) -> String {
        let [title, caption] = [(&self.title, TITLE), (&self.caption, CAPTION)]
            .map(|(words, size)| lines(words, |line| width_of(line, size.letters) <= WIDTH - 2.0 * MARGIN));
        let below_words = 12.0 + TITLE.line * title.len() as f64 + CAPTION.line * caption.len() as f64;
        let legend = key::Key::of(&self.series, below_words + 6.0);
        let label = if self.y.label.is_empty() { 10.0 } else { 34.0 };
        let top = below_words + 6.0 + legend.height() + label;
        let height = match &self.y.law {
            Law::Rows(names) => ROW * names.len().max(1) as f64,
            _ => PLOT,
        };
        let height = top + height + BELOW + MARGIN / 2.0;
        let (frame, plot) = self.frame(top, height);
        let mut svg = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut svg, &Parts { title, caption, legend, frame, plot, height });
        svg
    }

    fn write(&self, svg: &mut String, parts: &Parts) -> fmt::Result {
        let Parts { title, caption, legend, frame, plot, height } = parts;
        let name = escape(&self.name);
        writeln!(
            svg,
            r#"<svg xmlns="http://www.w3.org/2000/svg" class="figure" data-figure="{name}" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="{name}-title {name}-caption" font-family="{FONT}">"#
        )?;
        writeln!(svg, r#"<title id="{name}-title">{}</title>"#, escape(&self.title))?;
        writeln!(svg, r#"<desc id="{name}-caption">{}</desc>"#, escape(&self.caption))?;
        writeln!(svg, "<style>{}</style>", style_sheet())?;
        writeln!(svg, r#"<rect width="{WIDTH}" height="{height}" fill="{}"/>"#, LIGHT.paper)?;
        let mut y = 8.0;
        for line in title {
            y += TITLE.line;
            writeln!(svg, "{}", Text::new(MARGIN, y, line).size(TITLE.letters))?;
        }
        y += 2.0;
        for line in caption {
            y += CAPTION.line;
            writeln!(svg, "{}", Text::new(MARGIN, y, line).size(CAPTION.letters).muted())?;
        }
        svg.write_str(&legend.svg())?;
        if !self.y.label.is_empty() {
            writeln!(svg, "{}", Text::new(MARGIN, plot.top - 14.0, &self.y.label).size(TICK_SIZE).muted())?;
        }
        writeln!(svg, r#"<g class="frame">{frame}</g>"#)?;
        // A dot on an axis is seen whole.
        let [x, y] = [plot.left - RIM, plot.top - RIM].map(Px);
        let [width, height] = [plot.right - plot.left, plot.bottom - plot.top].map(|length| Px(length + 2.0 * RIM));
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
    title: Vec<String>,
    caption: Vec<String>,
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
        let widest = y.ticks().iter().map(|tick| width_of(&y.format_ext(tick), TICK_SIZE)).fold(0.0, f64::max);
        let mut chart = ChartBuilder::on(root)
            .margin_top(top)
            .margin_right(MARGIN + 2.0)
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

//! Colours and type, light and dark, and the style sheet that goes into every SVG.
//!
//! Series colours are told apart by hue and by lightness, so that they survive the three common colour blindnesses and
//! a grey printer; the order begins with blue and orange, which all of them keep. Every colour reads at 3 : 1 or more
//! against its background.
//!
//! Elements carry the light colours as presentation attributes: what a plain renderer shows. The style sheet replaces
//! them by variables, which the reader's colour scheme sets, or the page around the SVG. It stands inside an `@media`
//! block because `resvg` skips those and does not know variables.

use std::fmt::Write;

use plotters::style::RGBColor;

/// The colours of one scheme.
#[derive(Debug, Clone, Copy)]
pub struct Palette {
    pub paper: &'static str,
    pub ink: &'static str,
    pub muted: &'static str,
    pub grid: &'static str,
    pub axis: &'static str,
    pub series: [&'static str; HUES],
}

/// How many series colours there are.
pub(super) const HUES: usize = 6;

pub const LIGHT: Palette = Palette {
    paper: "#FFFFFF",
    ink: "#1B2330",
    muted: "#5A6472",
    grid: "#E7EAEE",
    axis: "#9AA3AE",
    series: ["#1F5FBF", "#D9600A", "#0B8A6A", "#A23E8C", "#8A6A00", "#3A9BD1"],
};

pub const DARK: Palette = Palette {
    paper: "#12171E",
    ink: "#E8ECF1",
    muted: "#A0AAB7",
    grid: "#27303B",
    axis: "#66717F",
    series: ["#6BA6FF", "#FF9C4A", "#45CFA4", "#E58CD2", "#DDBB3C", "#9ADCF7"],
};

/// What the SVG says; a page names the same font for itself.
pub(super) const FONT: &str = "sans-serif";

impl Palette {
    /// The variables of this palette as CSS declarations.
    pub fn variables(&self) -> String {
        let Palette { paper, ink, muted, grid, axis, series } = self;
        let mut css = format!("--paper:{paper};--ink:{ink};--muted:{muted};--grid:{grid};--axis:{axis}");
        for (hue, colour) in series.iter().enumerate() {
            let _ = write!(css, ";--s{hue}:{colour}");
        }
        css
    }

    pub(super) fn hue(&self, hue: usize) -> &'static str {
        self.series[hue % HUES]
    }
}

/// The style sheet inside the SVG.
pub(super) fn style_sheet() -> String {
    let Palette { paper, ink, muted, grid, axis, .. } = LIGHT;
    let mut css = format!(
        "@media all{{.figure{{{light}}}\
         .figure text{{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans','Noto Sans CJK SC',sans-serif}}\
         .figure [fill='{paper}']{{fill:var(--paper)}}.figure [stroke='{paper}']{{stroke:var(--paper)}}.figure [fill='{ink}']{{fill:var(--ink)}}\
         .figure [fill='{muted}']{{fill:var(--muted)}}.figure [stroke='{muted}']{{stroke:var(--muted)}}\
         .figure [stroke='{grid}']{{stroke:var(--grid)}}.figure [stroke='{axis}']{{stroke:var(--axis)}}",
        light = LIGHT.variables(),
    );
    for hue in 0..HUES {
        let _ = write!(css, ".figure .s{hue}{{fill:var(--s{hue});stroke:var(--s{hue})}}");
    }
    // A dark screen does not make dark paper.
    let _ = write!(css, "}}@media screen and (prefers-color-scheme:dark){{.figure{{{}}}}}", DARK.variables());
    css
}

/// A colour of the palette as `plotters` wants it.
pub(super) fn rgb(colour: &str) -> RGBColor {
    let channel = |at: usize| colour.get(at..at + 2).and_then(|hex| u8::from_str_radix(hex, 16).ok()).unwrap_or(0);
    RGBColor(channel(1), channel(3), channel(5))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance as WCAG 2.2 defines it.
    fn luminance(colour: &str) -> f64 {
        let RGBColor(red, green, blue) = rgb(colour);
        let linear = |channel: u8| {
            let share = f64::from(channel) / 255.0;
            if share <= 0.04045 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
    }

    fn contrast(one: &str, other: &str) -> f64 {
        let (one, other) = (luminance(one) + 0.05, luminance(other) + 0.05);
        one.max(other) / one.min(other)
    }

    #[test]
    fn marks_read_at_3_to_1_and_words_at_4_5_to_1_in_both_schemes() {
        for palette in [LIGHT, DARK] {
            for colour in palette.series {
                assert!(contrast(colour, palette.paper) >= 3.0, "{colour} on {}", palette.paper);
            }
            for colour in [palette.ink, palette.muted] {
                assert!(contrast(colour, palette.paper) >= 4.5, "{colour} on {}", palette.paper);
            }
        }
    }

    #[test]
    fn what_a_plain_renderer_reads_of_the_style_sheet_is_nothing() {
        let sheet = style_sheet();
        let outside = sheet.split("@media").next().unwrap_or_default();
        assert!(outside.is_empty());
        assert_eq!(sheet.matches('{').count(), sheet.matches('}').count());
    }
}

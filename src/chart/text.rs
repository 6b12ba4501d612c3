//! Words and numbers as SVG writes them.

use std::fmt::{self, Display};

use super::theme::LIGHT;

/// A pixel coordinate, written to a tenth.
#[derive(Debug, Clone, Copy)]
pub(super) struct Px(pub f64);

impl Display for Px {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", (self.0 * 10.0).round() / 10.0)
    }
}

/// One line of text.
pub(super) struct Text<'a> {
    x: f64,
    y: f64,
    text: &'a str,
    size: f64,
    fill: &'static str,
    anchor: &'static str,
    halo: bool,
}

impl<'a> Text<'a> {
    pub(super) fn new(x: f64, y: f64, text: &'a str) -> Text<'a> {
        Text { x, y, text, size: 12.0, fill: LIGHT.ink, anchor: "start", halo: false }
    }

    pub(super) fn size(self, size: f64) -> Text<'a> {
        Text { size, ..self }
    }

    /// In the colour of the paper, for words on a bar.
    pub(super) fn in_paper(self) -> Text<'a> {
        Text { fill: LIGHT.paper, ..self }
    }

    pub(super) fn muted(self) -> Text<'a> {
        Text { fill: LIGHT.muted, ..self }
    }

    /// With a rim in the colour of the paper, so that it can be read on lines and dots.
    pub(super) fn over_marks(self) -> Text<'a> {
        Text { halo: true, ..self }
    }

    pub(super) fn anchor(self, anchor: &'static str) -> Text<'a> {
        Text { anchor, ..self }
    }
}

impl Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Text { x, y, size, fill, anchor, .. } = self;
        let anchor = if *anchor == "start" { String::new() } else { format!(r#" text-anchor="{anchor}""#) };
        let rim = if self.halo {
            format!(r#"stroke="{}" stroke-width="4" stroke-linejoin="round" paint-order="stroke""#, LIGHT.paper)
        } else {
            String::from(r#"stroke="none""#)
        };
        let (x, y, text) = (Px(*x), Px(*y), escape(self.text));
        write!(
            f,
            r#"<text x="{x}" y="{y}" font-size="{size}" fill="{fill}" fill-opacity="1" {rim}{anchor}>{text}</text>"#
        )
    }
}

/// About how wide `text` is set in `size`: by the advances of DejaVu Sans, among the widest that a page may be set in.
pub(super) fn width_of(text: &str, size: f64) -> f64 {
    text.chars().map(advance).sum::<f64>() * size
}

/// In ems. East Asian characters fill their square.
fn advance(c: char) -> f64 {
    match c {
        'i' | 'j' | 'l' | '\'' => 0.28,
        ' ' | '.' | ',' | ':' | ';' | '/' | 'f' | 'I' | '|' => 0.34,
        't' | 'r' | '-' | '(' | ')' | '[' | ']' | '·' => 0.4,
        'm' | 'w' | 'M' | 'W' | '%' | '@' | '…' => 0.95,
        'A'..='Z' | '×' | '=' | '+' => 0.75,
        c if c >= '\u{2E80}' => 1.0,
        _ => 0.62,
    }
}

/// `text` in lines that fit, broken at spaces; a word that does not fit has a line of its own. At least one line.
pub fn lines(text: &str, fits: impl Fn(&str) -> bool) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last_mut().expect("there is always a line");
        let longer = if last.is_empty() { word.to_owned() } else { format!("{last} {word}") };
        if last.is_empty() || fits(&longer) { *last = longer } else { lines.push(word.to_owned()) }
    }
    lines
}

/// As much of the end of `text` as fits into `width`, begun by an ellipsis if that is not all: names that are paths differ
/// at their ends.
pub(super) fn elided(text: &str, size: f64, width: f64) -> String {
    if width_of(text, size) <= width {
        return text.to_owned();
    }
    let mut room = width / size - advance('…');
    let kept = text.char_indices().rev().take_while(|(_, c)| {
        room -= advance(*c);
        room >= 0.0
    });
    let from = kept.last().map_or(text.len(), |(at, _)| at);
    format!("…{}", &text[from..])
}

/// The columns a terminal gives `text`: East Asian characters take two.
pub fn columns(text: &str) -> usize {
    text.chars().map(columns_of).sum()
}

fn columns_of(c: char) -> usize {
    if c >= '\u{2E80}' { 2 } else { 1 }
}

/// As much of `text` as fits into `width` columns, ended by an ellipsis if that is not all.
pub fn cut(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_string();
    }
    let mut room = width;
    let kept = text.chars().take_while(|c| {
        // The last column is the ellipsis's.
        let fits = columns_of(*c) < room;
        room -= if fits { columns_of(*c) } else { 0 };
        fits
    });
    kept.chain(['…']).collect()
}

/// `text` as XML and HTML want it, for text and for quoted attributes alike.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars().map(replace_control) {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// `text` without control characters: XML forbids them, and a terminal would obey them.
pub fn printable(text: &str) -> String {
    text.chars().map(replace_control).collect()
}

/// XML 1.0 has no way to write most control characters, escaped or not (section 2.2, "Characters").
fn replace_control(c: char) -> char {
    match c {
        '\t' | '\n' | '\r' => ' ',
        '\u{0}'..='\u{1F}' | '\u{7F}'..='\u{9F}' | '\u{FFFE}' | '\u{FFFF}' => '\u{FFFD}',
        c => c,
    }
}

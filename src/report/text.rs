//! The report as plain text: the block that every command ends with.
//!
//! No line of it is wider than 80 columns and nothing in it is coloured, so that it says the same on a terminal, in a
//! pipe and in a pull request. Where a table is too wide its longest words are cut, and then columns give way from the
//! right; every other format has them.

use super::model::Report;
use super::table::Table;
use crate::chart::{Figure, printable};

const WIDTH: usize = 80;

/// The figures worth a place in a terminal; the first that the report has is shown.
const SHOWN: [&str; 5] = ["load", "reuse", "ttft", "pairs", "order"];

/// The report, ended by a newline.
pub fn write(report: &Report) -> String {
    let mut parts: Vec<String> = vec![report.findings.iter().map(|finding| wrap(finding, "")).collect()];
    parts.extend(report.tables.iter().filter(|table| !table.is_detail).map(table));
    let shown = |name: &&str| report.figures.iter().find(|figure: &&Figure| figure.name == **name);
    parts.extend(SHOWN.iter().find_map(shown).map(|figure| figure.blocks(WIDTH)));
    parts.push(report.remarks.iter().map(|remark| wrap(remark, "note: ")).collect());
    parts.retain(|part| !part.is_empty());
    parts.join("\n")
}

fn table(table: &Table) -> String {
    let texts: Vec<Vec<String>> =
        table.rows.iter().map(|row| row.iter().map(|cell| printable(&cell.text())).collect()).collect();
    let width = |at: usize| texts.iter().map(|row| columns(&row[at])).fold(columns(table.columns[at].head), usize::max);
    let printed = (0..table.columns.len()).filter(|at| !table.columns[*at].is_detail);
    let shown = fitted(table, printed.map(|at| (at, width(at))).collect());
    let line = |texts: &mut dyn FnMut(usize) -> String| {
        let cells: Vec<String> = shown
            .iter()
            .map(|&(at, width)| {
                let text = cut(&texts(at), width);
                let air = " ".repeat(width - columns(&text));
                if table.columns[at].is_words { text + &air } else { air + &text }
            })
            .collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    let mut written = format!("{}\n", table.title);
    written += &line(&mut |at| table.columns[at].head.to_string());
    texts.iter().for_each(|row| written += &line(&mut |at| row[at].clone()));
    written
}

/// A column of words, such as a prompt or an error message, is cut to no less than this.
const WORDS: usize = 8;

/// The columns that fit beside each other and how wide they are set. Words are cut where they are longest, and then
/// columns give way from the right.
fn fitted(table: &Table, mut columns: Vec<(usize, usize)>) -> Vec<(usize, usize)> {
    let is_wide = |columns: &[(usize, usize)]| columns.iter().map(|(_, width)| width + 2).sum::<usize>() > WIDTH + 2;
    while is_wide(&columns) {
        let words = columns.iter_mut().filter(|(at, width)| table.columns[*at].is_cut && *width > WORDS);
        match words.max_by_key(|(_, width)| *width) {
            Some((_, widest)) => *widest -= 1,
            None => drop(columns.pop()),
        }
    }
    columns
}

/// `text` in lines of at most 80 columns, the first beginning with `head`, the others indented as far.
fn wrap(text: &str, head: &str) -> String {
    let indent = " ".repeat(columns(head));
    let mut lines = vec![head.to_string()];
    for word in printable(text).split_whitespace() {
        let line = lines.last_mut().expect("there is always a line");
        let is_first = line.len() == head.len();
        if !is_first && columns(line) + 1 + columns(word) > WIDTH {
            lines.push(format!("{indent}{word}"));
        } else {
            line.push_str(if is_first { "" } else { " " });
            line.push_str(word);
        }
    }
    lines.iter().map(|line| cut(line, WIDTH) + "\n").collect()
}

/// The columns a terminal gives `text`: East Asian characters take two.
fn columns(text: &str) -> usize {
    text.chars().map(|c| if c >= '\u{2E80}' { 2 } else { 1 }).sum()
}

/// As much of `text` as fits into `width`, ended by an ellipsis if that is not all.
fn cut(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_string();
    }
    let mut cut = String::new();
    for c in text.chars() {
        let mut longer = cut.clone();
        longer.push(c);
        if columns(&longer) >= width {
            break;
        }
        cut = longer;
    }
    cut + "…"
}

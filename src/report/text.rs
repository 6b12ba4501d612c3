//! The report as plain text: the block that every command ends with.
//!
//! No line of it is wider than 80 columns and nothing in it is coloured, so that it says the same on a terminal, in a
//! pipe and in a pull request. Where a table is too wide its longest words are cut or set in lines, and then columns give
//! way from the right; every other format has them.

use std::collections::HashMap;

use super::model::Report;
use super::table::Table;
use crate::chart::{Figure, columns, cut, lines, printable};

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
    let line = |text_of: &dyn Fn(usize) -> String| {
        let cells: Vec<String> = shown
            .iter()
            .map(|&(at, width)| {
                let text = cut(&text_of(at), width);
                let air = " ".repeat(width - columns(&text));
                if table.columns[at].is_words { text + &air } else { air + &text }
            })
            .collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    let mut written = format!("{}\n", table.title);
    written += &line(&|at| table.columns[at].head.to_string());
    for row in &texts {
        let is_set_whole = |at: usize| table.columns[at].is_words && !table.columns[at].is_cut;
        let cell = |&(at, width): &(usize, usize)| match is_set_whole(at) {
            true => (at, lines(&row[at], |line| columns(line) <= width)),
            false => (at, vec![row[at].clone()]),
        };
        let cells: HashMap<usize, Vec<String>> = shown.iter().map(cell).collect();
        for nth in 0..cells.values().map(Vec::len).max().unwrap_or(0) {
            written += &line(&|at| cells.get(&at).and_then(|lines| lines.get(nth)).cloned().unwrap_or_default());
        }
    }
    written
}

/// A column of words, such as a prompt or an error message, is cut to no less than this.
const WORDS: usize = 8;
/// One whose words are not to be cut is set in lines of no less than this.
const LINES: usize = 28;

/// The columns that fit beside each other and how wide they are set. Words are cut where they are longest, then those that
/// are not to be cut are set in several lines, and then columns give way from the right.
fn fitted(table: &Table, mut shown: Vec<(usize, usize)>) -> Vec<(usize, usize)> {
    let taken = |shown: &[(usize, usize)]| shown.iter().map(|(_, width)| width + 2).sum::<usize>();
    let natural = shown.clone();
    while taken(&shown) > WIDTH + 2 {
        let least = |at: usize| if table.columns[at].is_cut { WORDS } else { LINES };
        let is_narrowed = |&at: &usize| table.columns[shown[at].0].is_words && shown[at].1 > least(shown[at].0);
        let words = (0..shown.len()).filter(is_narrowed);
        match words.max_by_key(|at| (table.columns[shown[*at].0].is_cut, shown[*at].1)) {
            Some(widest) => shown[widest].1 -= 1,
            None if shown.len() > 1 => drop(shown.pop()),
            None => break,
        }
    }
    // What gave way leaves room.
    for at in 0..shown.len() {
        let spare = (WIDTH + 2).saturating_sub(taken(&shown));
        shown[at].1 = natural[at].1.min(shown[at].1 + spare);
    }
    shown
}

/// `text` in lines of at most 80 columns, the first beginning with `head`, the others indented as far.
fn wrap(text: &str, head: &str) -> String {
    let indent = " ".repeat(columns(head));
    let lines = lines(&printable(text), |line| columns(head) + columns(line) <= WIDTH);
    let begun = lines
        .iter()
        .enumerate()
        .map(|(nth, line)| if nth == 0 { format!("{head}{line}") } else { format!("{indent}{line}") });
    begun.map(|line| cut(&line, WIDTH) + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::super::table::{Cell, Column};
    use super::*;

    #[test]
    fn a_long_value_is_set_in_lines_before_a_column_gives_way() {
        let long =
            "reach 32,749 tokens, loads 29,500 tokens/s (20,700 to 51,100), and more of it than fits into a line";
        let row = |words: [&str; 3]| words.map(|words| Cell::Words(words.into())).to_vec();
        let table = Table {
            name: "map",
            title: "The cache".into(),
            is_detail: false,
            columns: vec![
                Column::words("property", "property").whole(),
                Column::words("value", "value").whole(),
                Column::words("interval", "interval").whole(),
            ],
            rows: vec![row(["tier 2", long, "30,484 to 34,267"]), row(["policy", "LRU", "-"])],
        };
        let written = super::table(&table);
        assert!(written.lines().all(|line| columns(line) <= WIDTH), "{written}");
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert!(words(long).iter().all(|word| words(&written).contains(word)), "{written}");
        assert!(written.contains("30,484 to 34,267") && written.contains("policy    LRU"), "{written}");
    }
}

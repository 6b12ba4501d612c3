//! The report as GitHub-flavoured Markdown, for a pull request.

use super::model::Report;
use super::table::Table;
use crate::chart::printable;

/// The report, ended by a newline.
pub fn write(report: &Report) -> String {
    let mut parts = vec![format!("## {}\n", escape(&report.title))];
    parts.extend(report.findings.iter().map(|finding| format!("**{}**\n", escape(finding))));
    parts.extend(report.tables.iter().map(table));
    parts.extend(list(report.remarks.iter().map(|remark| escape(remark))));
    if !report.conditions.is_empty() {
        parts.push("### Conditions\n".into());
        let pairs = report.conditions.iter().map(|(key, value)| format!("{}: {}", escape(key), escape(value)));
        parts.extend(list(pairs));
    }
    parts.join("\n")
}

fn list(items: impl Iterator<Item = String>) -> Option<String> {
    let list: String = items.map(|item| format!("- {item}\n")).collect();
    (!list.is_empty()).then_some(list)
}

fn table(table: &Table) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut written = format!("### {}\n\n", escape(&table.title));
    written += &line(table.columns.iter().map(|column| escape(column.head)).collect());
    written += &line(table.columns.iter().map(|column| if column.is_words { "---" } else { "---:" }.into()).collect());
    for row in &table.rows {
        written += &line(row.iter().map(|cell| escape(&cell.text())).collect());
    }
    written
}

/// `text` without what Markdown or HTML would take for markup.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in printable(text).chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '!' => escaped.extend(['\\', c]),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_cannot_become_a_link_a_cell_or_an_element() {
        assert_eq!(escape("[x](http://e) | <b>"), r"\[x\](http://e) \| &lt;b&gt;");
        assert_eq!(escape("one\ntwo"), "one two");
    }
}

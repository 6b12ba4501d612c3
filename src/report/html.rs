//! The report as one HTML file: no network, readable with scripts off, light and dark, on paper too.
//!
//! What stands in it: the findings at the top, the figures as the same SVG that `--figure` writes, the tables, the
//! conditions, and the log itself, gzipped, in the link that downloads it. The script only adds to that: switches in the
//! legend, a sample's stamps under the pointer, tables that sort, the log unpacked. A content security policy admits that
//! one script by its hash, so that even a text that slipped through unescaped could not run.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use super::data::Data;
use super::model::Report;
use super::table::{Cell, Table};
use super::units;
use crate::chart::{DARK, Figure, LIGHT, escape};
use crate::verdict::Claim;

const STYLE: &str = include_str!("html/page.css");
const SCRIPT: &str = include_str!("html/page.js");

/// The page.
pub fn write(report: &Report, data: &Data) -> String {
    let title = escape(&report.title);
    let policy = format!(
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{}'",
        BASE64.encode(Sha256::digest(SCRIPT))
    );
    let colours = colours();
    let (findings, figures, tables) = (findings(report), figures(&report.figures), tables(&report.tables));
    let (conditions, samples) = (conditions(report), samples(data));
    format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="ttft {version}">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>
{colours}
{STYLE}</style>
</head>
<body>
<main>
<header class="top"><h1>{title}</h1><button id="scheme" type="button" hidden>light / dark</button></header>
{findings}
{figures}
{tables}
{conditions}
<footer><p>{samples} <span class="muted">written by ttft {version}</span></p></footer>
</main>
<div id="tip" role="status" hidden></div>
<script>{SCRIPT}</script>
</body>
</html>
"#,
        version = env!("CARGO_PKG_VERSION"),
    )
}

/// The variables of both schemes: the reader's system decides, the switch on the page overrules it. The figures' own
/// style sheets set the same variables, so the overruling is written with more weight than theirs.
fn colours() -> String {
    let (light, dark) = (LIGHT.variables(), DARK.variables());
    format!(
        ":root{{{light}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}\n\
         :root[data-theme=light],:root[data-theme=light] .figure{{{light}}}\n\
         @media screen{{:root[data-theme=dark],:root[data-theme=dark] .figure{{{dark}}}}}"
    )
}

/// More sentences than this about several logs are folded: what they say one by one stands in a table, a row a log.
const MOST_SENTENCES: usize = 6;

/// The claim, its size, the trust block and the caveats, in this order.
fn findings(report: &Report) -> String {
    let mut sentences = report.findings.iter().map(|finding| escape(finding));
    let first = sentences.next().map(|first| format!("<h2>{first}</h2>")).unwrap_or_default();
    let others: Vec<String> = sentences.map(|other| format!("<p class=\"words\">{other}</p>")).collect();
    let others = folded(&others, "more was found", |some| some.concat());
    let class = match report.claim {
        Some(Claim::Helps) => " helps",
        Some(Claim::Hurts) => " hurts",
        Some(Claim::NoMaterialEffect | Claim::Inconclusive) | None => "",
    };
    let blocks: Vec<&Table> = report.tables.iter().filter(|table| is_trust(table)).collect();
    let trust: String = match blocks.as_slice() {
        [one] => trust(one),
        several => {
            let block =
                |of: &&Table| format!("<details><summary>{}</summary>{}</details>", escape(&of.title), trust(of));
            several.iter().map(block).collect()
        }
    };
    let remarks: Vec<String> = report.remarks.iter().map(|remark| format!("<li>{}</li>", escape(remark))).collect();
    let remarks = folded(&remarks, "more notes", |some| format!("<ul class=\"caveats\">{}</ul>", some.concat()));
    format!("<section class=\"verdict{class}\" aria-label=\"result\">{first}{others}{trust}{remarks}</section>")
}

/// `items` as `set` sets them, those beyond [`MOST_SENTENCES`] to be unfolded.
fn folded(items: &[String], more: &str, set: impl Fn(&[String]) -> String) -> String {
    let (shown, others) = items.split_at(items.len().min(MOST_SENTENCES));
    let shown = if shown.is_empty() { String::new() } else { set(shown) };
    match others {
        [] => shown,
        // A fold of one line hides nothing and saves nothing.
        [_] => set(items),
        _ => format!("{shown}<details><summary>{more}: {}</summary>{}</details>", others.len(), set(others)),
    }
}

/// The questions and the answers of one trust block.
fn trust(table: &Table) -> String {
    let pair = |row: &Vec<Cell>| {
        let [.., question, answer] = row.as_slice() else { return String::new() };
        format!("<div><dt>{}</dt><dd>{}</dd></div>", escape(&question.text()), escape(&answer.text()))
    };
    format!("<dl class=\"trust\">{}</dl>", table.rows.iter().map(pair).collect::<String>())
}

/// Two figures of which one is the other on linear axes share a place, switched without a script.
fn figures(figures: &[Figure]) -> String {
    let mut written = String::new();
    for figure in figures.iter().filter(|figure| !figure.name.ends_with(LINEAR)) {
        let other = figures.iter().find(|other| other.name.strip_suffix(LINEAR) == Some(&figure.name));
        written += &match other {
            Some(other) => switched(figure, other),
            None => format!("<figure>{}</figure>\n", pan(figure, "")),
        };
    }
    if written.is_empty() { written } else { format!("<section class=\"figures\">\n{written}</section>") }
}

/// How a figure's name ends that is another one on linear axes.
const LINEAR: &str = "_linear";

fn pan(figure: &Figure, class: &str) -> String {
    format!("<div class=\"pan {class}\">{}</div>", figure.svg())
}

fn switched(figure: &Figure, other: &Figure) -> String {
    let name = escape(&figure.name);
    format!(
        "<figure><input type=\"radio\" name=\"{name}\" id=\"{name}-log\" checked><label for=\"{name}-log\">logarithmic</label>\
         <input type=\"radio\" name=\"{name}\" id=\"{name}-lin\" class=\"other\"><label for=\"{name}-lin\">linear</label>\
         {}{}</figure>\n",
        pan(figure, "first"),
        pan(other, "other")
    )
}

/// All but the trust block, which stands under the claim.
fn tables(tables: &[Table]) -> String {
    let tables: String = tables.iter().filter(|table| !is_trust(table)).map(table).collect();
    if tables.is_empty() { tables } else { format!("<section class=\"tables\">\n{tables}</section>") }
}

fn is_trust(table: &Table) -> bool {
    table.name == "trust"
}

/// A cell of more bytes than this is set in several lines.
const LONG: usize = 48;

/// A table of more rows is folded, and one that a terminal leaves out is sooner.
const MOST_ROWS: usize = 24;
const MOST_DETAILS: usize = 8;

fn table(table: &Table) -> String {
    let class = |at: usize| if table.columns[at].is_words { " class=\"word\"" } else { "" };
    let head: String = (0..table.columns.len())
        .map(|at| format!("<th scope=\"col\"{}>{}</th>", class(at), escape(table.columns[at].head)))
        .collect();
    let cell = |(at, cell): (usize, &Cell)| {
        let order = cell.order().map(|order| format!(" data-value=\"{order:e}\"")).unwrap_or_default();
        let text = cell.text();
        let class = if text.len() > LONG { " class=\"word long\"" } else { class(at) };
        format!("<td{class}{order}>{}</td>", escape(&text))
    };
    let row = |row: &Vec<Cell>| format!("<tr>{}</tr>\n", row.iter().enumerate().map(cell).collect::<String>());
    let (title, body) = (escape(&table.title), table.rows.iter().map(row).collect::<String>());
    let most = if table.is_detail { MOST_DETAILS } else { MOST_ROWS };
    let (open, rows) = match table.rows.len() {
        rows if rows > most => ("", format!(" <span class=\"muted\">{} rows</span>", units::count(rows as u64))),
        _ => (" open", String::new()),
    };
    format!(
        "<details class=\"table\"{open}><summary>{title}{rows}</summary><div class=\"scroll\">\
         <table data-table=\"{}\" aria-label=\"{title}\"><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table>\
         </div></details>\n",
        table.name
    )
}

fn conditions(report: &Report) -> String {
    let pair = |(key, value): &(String, String)| {
        format!("<div><dt>{}</dt><dd><code>{}</code></dd></div>\n", escape(key), escape(value))
    };
    let pairs: String = report.conditions.iter().map(pair).collect();
    if pairs.is_empty() { pairs } else { format!("<h2>Conditions</h2>\n<dl class=\"conditions\">\n{pairs}</dl>") }
}

/// All rows, one after the other, in a link that hands them out.
fn samples(data: &Data) -> String {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    for (_, entry) in data.entries() {
        writeln!(packed, "{}", entry.raw).expect("memory takes every byte");
    }
    let packed = packed.finish().expect("memory takes every byte");
    format!(
        "<a class=\"button\" id=\"samples\" download=\"samples.jsonl.gz\" href=\"data:application/gzip;base64,{}\" \
         data-plain=\"Download the samples (JSONL)\">Download the samples (JSONL, gzip)</a>",
        BASE64.encode(packed)
    )
}

#[cfg(test)]
mod tests;

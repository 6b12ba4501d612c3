//! `ttft report`: logs in, one document out.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{UsageError, journal};
use crate::chart::{Figure, png};
use crate::cli::report::{Format, LogArg, ReportArgs};
use crate::exit::Exit;
use crate::record::Reading;
use crate::report::data::{Data, Named};
use crate::report::{Report, csv, html, json, markdown, text};

/// Reads the logs, writes the report.
///
/// # Errors
/// A log that cannot be read, a figure that the logs do not hold, a file that cannot be written.
pub fn run(args: &ReportArgs) -> Result<Exit> {
    let format = format_of(args)?;
    // What shows every row needs all of them, however many they are.
    let is_whole = args.figure.is_some() || matches!(format, Format::Csv | Format::Html);
    let most = if is_whole { usize::MAX } else { journal::MOST_ROWS };
    let mut data = Data::default();
    for log in &args.logs {
        journal::read_into(&mut data, log.label.clone(), &log.path, most)?;
    }
    let report = Report::of(&data);
    let written = match &args.figure {
        Some(name) => draw(figure(&report, name)?, format)?,
        None => write(&report, &data, format),
    };
    let save = args.save.clone().or_else(|| args.open.then(|| page_of(&args.logs[0].path)));
    match &save {
        Some(path) => std::fs::write(path, &written)
            .with_context(|| format!("cannot write the report to {}; name another file with --save", path.display()))?,
        None => print(&written, format)?,
    }
    if let Some(path) = save.filter(|_| args.open) {
        open(&path)?;
    }
    Ok(Exit::Ok)
}

/// Prints the report of one log, as a command that measured it ends.
///
/// # Errors
/// A log that cannot be read.
pub(super) fn print_log(path: &Path, format: Format) -> Result<()> {
    let data = Data::of(vec![read(&LogArg { label: None, path: path.to_owned() })?]);
    print(&write(&Report::of(&data), &data, format), format)
}

/// The format that is asked for, if it suits what is to be written in it.
fn format_of(args: &ReportArgs) -> Result<Format> {
    let usual = match (&args.figure, args.open) {
        (Some(_), _) => Format::Svg,
        (None, true) => Format::Html,
        (None, false) => Format::Text,
    };
    let format = args.format.unwrap_or(usual);
    let is_picture = matches!(format, Format::Svg | Format::Png);
    if is_picture != args.figure.is_some() {
        bail!(UsageError(if is_picture {
            "svg and png are formats of one figure; name it with --figure".into()
        } else {
            "a figure is written as svg or png; leave --format out or name one of them".into()
        }));
    }
    if args.open && format != Format::Html {
        bail!(UsageError("--open opens the page; leave --format out".into()));
    }
    Ok(format)
}

/// The log that an argument names.
pub(super) fn read(log: &LogArg) -> Result<Named> {
    let reading = Reading::open(&log.path)?;
    Ok(Named { label: log.label.clone(), path: log.path.display().to_string(), reading })
}

fn write(report: &Report, data: &Data, format: Format) -> Vec<u8> {
    let text = match format {
        Format::Markdown => markdown::write(report),
        Format::Csv => csv::write(data),
        Format::Json => json::write(report),
        Format::Html => html::write(report, data),
        Format::Text | Format::Svg | Format::Png => text::write(report),
    };
    text.into_bytes()
}

fn figure<'a>(report: &'a Report, name: &str) -> Result<&'a Figure> {
    let names: Vec<&str> = report.figures.iter().map(|figure| figure.name.as_str()).collect();
    let found = report.figures.iter().find(|figure| figure.name == name);
    found.with_context(|| match names.as_slice() {
        [] => format!("cannot draw {name}: the logs hold nothing to draw"),
        names => format!("cannot draw {name}: the logs hold {}; name one of these with --figure", names.join(", ")),
    })
}

fn draw(figure: &Figure, format: Format) -> Result<Vec<u8>> {
    let svg = figure.svg();
    Ok(if format == Format::Png { png(&svg)? } else { svg.into_bytes() })
}

/// Where the page of a log is put that is opened without being saved: beside the log.
fn page_of(log: &Path) -> PathBuf {
    log.with_extension("html")
}

fn print(written: &[u8], format: Format) -> Result<()> {
    let mut out = std::io::stdout().lock();
    if format == Format::Png && out.is_terminal() {
        bail!(UsageError("a png is nothing for a terminal; name a file with --save or send it through a pipe".into()));
    }
    // That nobody reads any more is no failure.
    let _ = out.write_all(written).and_then(|()| out.flush());
    Ok(())
}

/// Hands the page to whatever opens pages here.
fn open(path: &Path) -> Result<()> {
    let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let status = Command::new(opener).arg(path).status();
    let failed = || format!("cannot open {} with {opener}; open it in a browser by hand", path.display());
    if !status.with_context(failed)?.success() {
        bail!(failed());
    }
    Ok(())
}

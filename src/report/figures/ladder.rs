//! One request as a waterfall: what passed between the hand-over and the end, for a typical cold and a typical hit.

use super::super::data::{Data, Entry, arm_name};
use super::super::units;
use super::{at_length, series, time_axis};
use crate::chart::{Axis, Bar, Figure, Law, Shape};
use crate::plan::Arm;
use crate::sample::Stamps;

/// `None` without a full row. Beside each other, logs show the span to the first token only.
pub(super) fn figure(data: &Data) -> Option<Figure> {
    let arms = (0..data.logs.len()).flat_map(|log| [Arm::Cold, Arm::Hit].map(|arm| (log, arm)));
    let mut names = Vec::new();
    let mut drawn = Vec::new();
    for (log, arm) in arms {
        let Some((entry, sample)) = typical(data, log, arm).and_then(|e| Some((e, e.sample.as_ref()?))) else {
            continue;
        };
        let spans = if data.is_labelled() { whole(&sample.stamps) } else { parts(&sample.stamps) };
        let bars = spans.iter().enumerate().map(|(at, span)| span.bar(names.len() + at, entry)).collect();
        names.extend(spans.iter().map(|span| format!("{}{}", data.series_name(log, arm), span.suffix())));
        drawn.push(series(data, log, arm, vec![Shape::Bars(bars)]));
    }
    let length = data.main_length()?;
    (!names.is_empty()).then(|| Figure {
        name: "ladder".into(),
        title: format!("Where the time goes{}", at_length(data, length)),
        caption: "The request with the median TTFT of each arm; 0 is the hand-over to the open connection.".into(),
        x: time_axis("time since the request was sent", Law::Linear),
        y: Axis { label: String::new(), law: Law::Rows(names), tick: units::count_tick, include: Vec::new() },
        series: drawn,
        rules: Vec::new(),
    })
}

/// The measured request of median TTFT at the main length.
pub(in crate::report) fn typical(data: &Data, log: usize, arm: Arm) -> Option<&Entry> {
    let length = data.main_length()?;
    let cells = data.cells();
    let cell = cells.into_iter().find(|cell| (cell.log, cell.context_tokens, cell.arm) == (log, length, arm))?;
    let mut entries: Vec<&Entry> = cell.entries.into_iter().filter(|entry| entry.sample.is_some()).collect();
    entries.sort_by_key(|entry| entry.ttft_ns);
    entries.get(entries.len().saturating_sub(1) / 2).copied()
}

struct Span {
    name: &'static str,
    /// Nanoseconds since the request was sent; negative before.
    from: f64,
    to: f64,
}

/// The spans whose both ends were seen. The connection is open before the request is sent, so it stands before 0.
fn parts(stamps: &Stamps) -> Vec<Span> {
    let Stamps {
        due_ns,
        dial_ns,
        connect_ns,
        tls_ns,
        sent_ns,
        sent_end_ns,
        first_byte_ns,
        first_token_ns,
        last_token_ns,
        ..
    } = *stamps;
    let ends = [
        ("late", due_ns, dial_ns.or(sent_ns)),
        ("connect", dial_ns, connect_ns),
        ("tls", connect_ns, tls_ns),
        ("upload", sent_ns, sent_end_ns),
        ("wait", sent_end_ns, first_byte_ns),
        ("to first token", first_byte_ns, first_token_ns),
        ("tokens", first_token_ns, last_token_ns),
    ];
    let Some(sent) = sent_ns else { return Vec::new() };
    let since = |at: u64| at as f64 - sent as f64;
    ends.into_iter().filter_map(|(name, from, to)| Some(Span { name, from: since(from?), to: since(to?) })).collect()
}

fn whole(stamps: &Stamps) -> Vec<Span> {
    let ttft = stamps.first_token_ns.zip(stamps.sent_ns).and_then(|(first, sent)| first.checked_sub(sent));
    ttft.map(|ttft| Span { name: "", from: 0.0, to: ttft as f64 }).into_iter().collect()
}

impl Span {
    /// What stands behind the series' name.
    fn suffix(&self) -> String {
        if self.name.is_empty() { String::new() } else { format!(" · {}", self.name) }
    }

    fn bar(&self, row: usize, entry: &Entry) -> Bar {
        let Span { name, from, to } = self;
        let label = units::span(to - from);
        let (trial, arm, line) = (entry.run_index, arm_name(entry.arm), entry.line);
        let what = if name.is_empty() { "TTFT" } else { name };
        let title = format!("trial {trial}, {arm}; {what}; {label}; line {line}");
        Bar { row, from: *from, to: *to, label, title }
    }
}

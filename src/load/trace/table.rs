//! Traces in CSV: a line of column names, then a request a line.

use super::{Asked, Format, Record, Trace, TraceError, nanos};
use crate::clock::Nanos;

/// Names of the columns, in small letters.
const TIMES: [&str; 3] = ["timestamp", "arrived_at", "time"];
const INPUTS: [&str; 4] = ["contexttokens", "request tokens", "input_length", "num_prefill_tokens"];
const OUTPUTS: [&str; 4] = ["generatedtokens", "response tokens", "output_length", "num_decode_tokens"];

pub(super) fn parse(bytes: &[u8], most: usize) -> Result<Trace, TraceError> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_start_matches('\u{feff}');
    let mut lines = text.lines();
    let head = lines.next().unwrap_or_default();
    let names: Vec<String> = cells(head).map(str::to_lowercase).collect();
    let column = |known: &[&str]| names.iter().position(|name| known.contains(&name.as_str()));
    let (Some(input), Some(output)) = (column(&INPUTS), column(&OUTPUTS)) else {
        return Err(TraceError::Columns(head.to_owned()));
    };
    let time = column(&TIMES);
    let format = if names.iter().any(|name| name == "request tokens") { Format::BurstGpt } else { Format::Azure };
    let mut trace = Trace { format, block_tokens: 1, records: Vec::new(), skipped: 0 };
    for (line, row) in (2..).zip(lines).filter(|(_, row)| !row.trim().is_empty()) {
        if trace.records.len() >= most {
            break;
        }
        let row: Vec<&str> = cells(row).collect();
        let cell = |at: usize| row.get(at).copied().unwrap_or_default();
        let number = |at: usize| {
            let count = cell(at).parse::<f64>().ok().filter(|count| (0.0..1e12).contains(count));
            count
                .map(|count| count as u64)
                .ok_or_else(|| TraceError::Line { line, reason: format!("{:?} is no number of tokens", cell(at)) })
        };
        let (tokens, output_tokens) = (number(input)?, number(output)?);
        // Without an answer it failed when it was recorded.
        if output_tokens == 0 || tokens == 0 {
            trace.skipped += 1;
            continue;
        }
        let at_ns = time.map(|at| {
            let reason = || format!("{:?} is no time", cell(at));
            moment(cell(at)).ok_or_else(|| TraceError::Line { line, reason: reason() })
        });
        trace.records.push(Record {
            at_ns: at_ns.transpose()?,
            output_tokens: Some(output_tokens),
            asked: Asked::Length(tokens),
        });
    }
    Ok(trace)
}

fn cells(line: &str) -> impl Iterator<Item = &str> {
    line.split(',').map(|cell| cell.trim().trim_matches('"'))
}

/// Seconds, or a date with a time of day; a zone is left out, since one trace has one zone.
fn moment(text: &str) -> Option<Nanos> {
    if let Ok(seconds) = text.parse::<f64>() {
        return Some(nanos(seconds));
    }
    let text = match text.rfind(['+', 'Z']) {
        Some(zone) => &text[..zone],
        None => text,
    };
    let since = humantime::parse_rfc3339_weak(text).ok()?.duration_since(std::time::SystemTime::UNIX_EPOCH).ok()?;
    Nanos::try_from(since.as_nanos()).ok()
}

//! `--cache_off_log`: the cold requests of an earlier session with the cache off.

use std::path::Path;

use super::UsageError;
use crate::pairs::{came_from_cache, is_unseen};
use crate::plan::cache_off::CacheOff;
use crate::plan::{Arm, Role};
use crate::record::{Conditions, Line, Reading, Row};

/// Documents whose lengths differ by more than this share cannot be compared by time.
const SAME_LENGTH: f64 = 0.02;

/// Reads them.
///
/// # Errors
/// A log that cannot be read, that measured something else, or in which the cache was on.
pub fn read(path: &Path, now: &Conditions, context_tokens: u64) -> anyhow::Result<CacheOff> {
    let reading = Reading::open(path)?;
    let rows: Vec<Row> = reading.lines.into_iter().filter_map(|logged| full(logged.line)).collect();
    let unlike = |what: String| UsageError(format!("--cache_off_log: {} {what}; name another log", path.display()));
    let then = rows.iter().find_map(|row| row.conditions.as_ref());
    let Some(then) = then else { return Err(unlike("has no conditions to compare".to_owned()).into()) };
    let asked = |of: &Conditions| (of.model.clone(), of.api.clone(), of.prompt.clone(), of.max_tokens);
    if asked(then) != asked(now) {
        let (model, ..) = asked(then);
        return Err(unlike(format!("asked something else ({model}, {} tokens an answer)", then.max_tokens)).into());
    }
    let measured = || rows.iter().filter(|row| row.sample.role == Role::Measure && !row.sample.place.cache_off);
    let is_hit = |row: &&Row| row.sample.arm == Arm::Hit && came_from_cache(&row.sample) == Some(true);
    if let Some(hit) = measured().find(is_hit) {
        return Err(unlike(format!("was measured with the cache on: request {} hit", hit.sample.trial)).into());
    }
    let is_as_long =
        |row: &&Row| row.context_tokens.abs_diff(context_tokens) as f64 <= SAME_LENGTH * context_tokens as f64;
    let cold = measured().filter(|row| is_unseen(&row.sample)).filter(is_as_long);
    let cold_ns: Vec<u64> = cold.filter_map(|row| row.sample.ttft_ns()).collect();
    if cold_ns.is_empty() {
        return Err(unlike(format!("has no cold request of about {context_tokens} tokens")).into());
    }
    Ok(CacheOff { path: path.display().to_string(), started_at: then.started_at.clone(), cold_ns })
}

fn full(line: Line) -> Option<Row> {
    match line {
        Line::Full(row) => Some(*row),
        Line::Classic(_) => None,
    }
}

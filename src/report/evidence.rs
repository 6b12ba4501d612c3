//! What the measured requests found in the cache, and by which proof; contradictions are shown, not settled.

use super::data::{Data, Entry, arm_name, arm_rank};
use super::model::{label_column, labelled};
use super::table::{Cell, Column, Table};
use super::units;
use crate::evidence::{AgainstTiming, Evidence, Found, Proof};
use crate::plan::{Arm, Role};

const PROOFS: [Proof; 4] = [Proof::CachedTokens, Proof::Timings, Proof::Counters, Proof::Timing];

/// How many requests of each arm hit, hit in part or missed, and what shows it.
pub fn table(data: &Data) -> Table {
    let mut columns = vec![Column::words("arm", "arm")];
    columns.extend([
        Column::number("hit", "hit"),
        Column::number("partial", "partial"),
        Column::number("cold", "cold"),
        Column::number("unknown", "unknown"),
        Column::number("external_cached_tokens", "external tokens"),
        Column::words("proof", "by"),
    ]);
    let mut groups: Vec<(usize, Arm)> = judged(data).map(|(log, entry, _)| (log, entry.arm)).collect();
    groups.sort_by_key(|(log, arm)| (*log, arm_rank(*arm)));
    groups.dedup();
    let rows = groups.into_iter().map(|(log, arm)| {
        let mine: Vec<&Evidence> = judged(data)
            .filter(|(of, entry, _)| (*of, entry.arm) == (log, arm))
            .map(|(.., evidence)| evidence)
            .collect();
        labelled(data, log, row(arm, &mine))
    });
    let rows = rows.collect();
    label_column(data, &mut columns);
    Table { name: "evidence", title: "What requests found in the cache".into(), is_detail: true, columns, rows }
}

fn row(arm: Arm, mine: &[&Evidence]) -> Vec<Cell> {
    let count = |found: Found| Cell::Count(mine.iter().filter(|evidence| evidence.found == found).count() as u64);
    let external = mine.iter().filter_map(|evidence| evidence.external_cached_tokens).reduce(|sum, more| sum + more);
    let proofs = PROOFS.iter().filter(|proof| mine.iter().any(|evidence| evidence.proof == Some(**proof)));
    vec![
        Cell::Words(arm_name(arm).into()),
        count(Found::Hit),
        count(Found::Partial),
        count(Found::Cold),
        count(Found::Unknown),
        Cell::known(external, Cell::Count),
        Cell::Words(proofs.map(|proof| proof.name()).collect::<Vec<_>>().join(", ")),
    ]
}

/// What the measured requests among `entries` found, in a few words.
pub fn words(entries: &[Entry]) -> String {
    let measured = entries.iter().filter(|entry| entry.is_measured());
    let mine: Vec<&Evidence> = measured.filter_map(|entry| entry.evidence.as_ref()).collect();
    let count = |found: Found| mine.iter().filter(|evidence| evidence.found == found).count();
    let named = [(Found::Hit, "hit"), (Found::Partial, "partial"), (Found::Cold, "cold"), (Found::Unknown, "unknown")];
    let counted = named.map(|(found, name)| (count(found), name)).into_iter().filter(|(count, _)| *count > 0);
    let mut words: Vec<String> = counted.map(|(count, name)| format!("{count} {name}")).collect();
    let outside =
        mine.iter().filter(|evidence| evidence.external_cached_tokens.is_some_and(|tokens| tokens > 0)).count();
    words.extend((outside > 0).then(|| format!("{outside} from outside the engine")));
    words.join(", ")
}

/// The contradictions of a log, a sentence a kind, with the line of the first request that shows it.
pub fn remarks(data: &Data, log: usize) -> Vec<String> {
    let said = |contradicts: fn(&Evidence) -> bool, what: &str| {
        let mut lines = judged(data).filter(|(of, _, evidence)| *of == log && contradicts(evidence));
        let first = lines.next()?.1.line;
        let requests = lines.count() + 1;
        let requests = if requests == 1 { "1 request".to_owned() } else { format!("{requests} requests") };
        Some(format!("{requests} contradicted: {what}; line {first} is the first."))
    };
    let kinds = [
        said(|e| !e.contradicted.is_empty(), "two counts of its cached tokens differ, or one exceeds the prompt"),
        said(|e| e.timing == Some(AgainstTiming::QuickForCold), "counted as cold, and quick as no cold request is"),
        said(|e| e.timing == Some(AgainstTiming::SlowForHit), "counted as a hit, and slow as a cold request"),
    ];
    kinds.into_iter().flatten().collect()
}

/// Says of the requests that were to be cold and came from the cache that they are left out; `None` without any.
pub fn warm_colds(data: &Data, log: usize) -> Option<String> {
    let warm: Vec<&Entry> = data.logs[log].entries.iter().filter(|entry| entry.is_warm_cold()).collect();
    let first = warm.first()?;
    let cached = first.evidence.as_ref()?.cached_tokens?;
    let (which, is) = match warm.len() {
        1 => (format!("Run {}", first.run_index), "it does not count as cold"),
        n => (format!("Run {} and {} more", first.run_index, n - 1), "they do not count as cold"),
    };
    Some(format!(
        "{which} found the document in the cache ({} of {} prompt tokens), so {is}.",
        units::count(cached),
        units::count(first.prompt_tokens()?)
    ))
}

/// The measured rows that were judged.
fn judged(data: &Data) -> impl Iterator<Item = (usize, &Entry, &Evidence)> {
    let measured = data.entries().filter(|(_, entry)| entry.role == Role::Measure && entry.ttft_ns.is_some());
    measured.filter_map(|(log, entry)| Some((log, entry, entry.evidence.as_ref()?)))
}

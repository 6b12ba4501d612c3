//! The report before it has a format: sentences, tables, figures, conditions.

use super::data::{Cell as Group, Data, Entry, arm_name};
use super::effect::Effect;
use super::fit::{Curves, Drawn};
use super::lengths::{self, Sweep};
use super::load::rates::{self, Rates};
use super::load::{self, Load};
use super::map::Mapped;
use super::table::{Cell, Column, Table};
use super::verify::Judged;
use super::{conditions, evidence, figures, ladder, prompts, remarks, shares, units};
use crate::cachemap::CacheMap;
use crate::chart::Figure;
use crate::fit::BreakEven;
use crate::plan::{Arm, Role};
use crate::sample::Outcome;
use crate::stats::curve::Crossing;
use crate::stats::{quantile, robust, sorted};
use crate::verdict::Claim;

/// Everything a format may print.
#[derive(Debug, Clone)]
pub struct Report {
    pub title: String,
    /// What was found, in plain words; the first says the most.
    pub findings: Vec<String>,
    /// What the reader must know beside it.
    pub remarks: Vec<String>,
    /// The map of each session that mapped a cache, as JSON has it.
    pub maps: Vec<CacheMap>,
    /// The claim, where the rows are the pairs of one session.
    pub claim: Option<Claim>,
    pub tables: Vec<Table>,
    pub figures: Vec<Figure>,
    /// What the logs say about how they came to be, each with its name.
    pub conditions: Vec<(String, String)>,
}

impl Report {
    /// The report of `data`. Always the same for the same rows.
    pub fn of(data: &Data) -> Report {
        let judged = Judged::all(data);
        let mapped = Mapped::all(data);
        let sweeps = Sweep::all(data);
        let effects = effects(data, &judged, &sweeps);
        let curves = Curves::of(data, &sweeps);
        let loads = Load::all(data);
        let mut tables = vec![rates::table(data)];
        tables.extend(load::tables(data, &loads));
        tables.extend([prompts::table(data), effect_table(data, &effects)]);
        tables.extend(judged.iter().map(|judged| of_log(data, judged.log, judged.table())));
        tables.extend(sweeps.iter().map(|sweep| of_log(data, sweep.log, sweep.trust_table())));
        tables.extend(mapped.iter().map(|mapped| of_log(data, mapped.log, mapped.table())));
        tables.extend([
            lengths::table(data, &sweeps),
            shares::table(data),
            arm_table(data),
            evidence::table(data),
            fit_table(data, &curves),
            ladder::table(data),
            failure_table(data),
        ]);
        Report {
            title: title(data),
            findings: findings(data, (&judged, &mapped, &loads), &sweeps, &effects, &curves),
            remarks: remarks::all(data, (&judged, &mapped, &loads), &sweeps, &effects),
            claim: if let [one] = judged.as_slice() { Some(one.verdict.claim) } else { None },
            maps: mapped.iter().map(|mapped| mapped.map.clone()).collect(),
            tables: tables.into_iter().filter(|table| !table.rows.is_empty()).collect(),
            figures: figures::all(data, &curves, &mapped),
            conditions: conditions::all(data),
        }
    }
}

fn title(data: &Data) -> String {
    let names: Vec<&str> = data.logs.iter().map(|log| log.label.as_str()).collect();
    format!("ttft: {}", names.join(", "))
}

/// What pairs decided where there are pairs, else what the arms show.
fn effects(data: &Data, judged: &[Judged], sweeps: &[Sweep]) -> Vec<Effect> {
    let mut effects: Vec<Effect> = judged.iter().filter_map(Judged::effect).collect();
    effects.extend(sweeps.iter().flat_map(Sweep::effects));
    let decided: Vec<usize> = judged.iter().map(|of| of.log).chain(sweeps.iter().map(|of| of.log)).collect();
    effects.extend(Effect::all(data).into_iter().filter(|effect| !decided.contains(&effect.log)));
    effects.retain(|effect| is_seen(data, effect));
    effects.sort_by_key(|effect| effect.log);
    effects
}

/// Whether it is larger than the client's own error, where that was measured.
fn is_seen(data: &Data, effect: &Effect) -> bool {
    let smallest = data.logs[effect.log].smallest_effect_ns();
    smallest.is_none_or(|smallest| effect.saved().abs() >= smallest as f64)
}

/// One sentence a log at one length, or over its lengths; else what was measured at all.
fn findings(
    data: &Data,
    (judged, mapped, loads): (&[Judged], &[Mapped], &[Load<'_>]),
    sweeps: &[Sweep],
    effects: &[Effect],
    curves: &Curves,
) -> Vec<String> {
    let is_tabled = rates::is_tabled(data);
    let rates = Rates::all(data);
    let mut findings: Vec<String> = rates.iter().filter(|of| of.arm.is_none()).filter_map(Rates::finding).collect();
    findings.extend(side_by_side(data));
    for log in 0..data.logs.len() {
        let verdicts = judged.iter().filter(|judged| judged.log == log).flat_map(Judged::findings);
        let before = findings.len();
        let swept = sweeps.iter().filter(|sweep| sweep.log == log).flat_map(Sweep::findings);
        findings.extend(swept.map(|sentence| named(data, log, &sentence)));
        findings.extend(verdicts.map(|sentence| named(data, log, &sentence)));
        let maps = mapped.iter().filter(|mapped| mapped.log == log).flat_map(Mapped::findings);
        findings.extend(maps.map(|sentence| named(data, log, &sentence)));
        let under_load = loads.iter().filter(|load| load.log() == log).flat_map(|load| load.findings(is_tabled));
        findings.extend(under_load.map(|sentence| named(data, log, &sentence)));
        let has_row = is_tabled && loads.iter().any(|load| load.log() == log);
        if findings.len() > before || has_row {
            continue;
        }
        findings.extend(evidence::warm_colds(data, log).map(|sentence| named(data, log, &sentence)));
        let mine: Vec<&Effect> = effects.iter().filter(|effect| effect.log == log).collect();
        let sentence = match mine.as_slice() {
            [] => no_effect(data, log),
            [effect] => effect.sentence(),
            [shortest, .., longest] => many_lengths(shortest, longest),
        };
        findings.push(named(data, log, &sentence));
        findings.extend(curves.break_even(log).map(|found| named(data, log, &pays_from(found))));
    }
    findings
}

/// The logs' hits at the length they share, the soonest first.
fn side_by_side(data: &Data) -> Option<String> {
    let length = data.main_length()?;
    let hits = data.cells().into_iter().filter(|cell| (cell.context_tokens, cell.arm) == (length, Arm::Hit));
    let mut medians: Vec<(f64, usize)> =
        hits.filter_map(|cell| Some((robust::median(&cell.times())?, cell.log))).collect();
    medians.sort_by(|one, other| one.0.total_cmp(&other.0));
    let words: Vec<String> =
        medians.iter().map(|(median, log)| format!("{} ({})", units::span(*median), data.logs[*log].label)).collect();
    let all = words.join(", ");
    (words.len() >= 2).then(|| format!("At {} tokens a hit has its first token after {all}.", units::count(length)))
}

pub(super) fn named(data: &Data, log: usize, sentence: &str) -> String {
    if data.is_labelled() { format!("{}: {sentence}", data.logs[log].label) } else { sentence.to_string() }
}

fn no_effect(data: &Data, log: usize) -> String {
    if Effect::all(data).iter().any(|effect| effect.log == log && !is_seen(data, effect)) {
        return "Cold and hit differ by less than can be seen from here: no effect is reported.".into();
    }
    let rows = data.logs[log].entries.iter().filter(|entry| entry.role == Role::Measure).count();
    let measured: Vec<&Entry> = data.logs[log].entries.iter().filter(|entry| entry.is_measured()).collect();
    let Some(first) = measured.first() else {
        return format!("Nothing usable was measured: {}, none with a first token.", plural(rows, "request"));
    };
    let times: Vec<f64> = measured.iter().filter_map(|entry| entry.ttft_ns).map(|ns| ns as f64).collect();
    let median = quantile::quantile(&sorted(&times), 0.5).unwrap_or_default();
    let arm = arm_name(first.arm);
    let only =
        if measured.iter().all(|entry| entry.arm == first.arm) { format!("only {arm}") } else { "no pair".into() };
    format!(
        "There is nothing to compare ({only} was measured): median TTFT {} over {}.",
        units::span(median),
        plural(measured.len(), "sample")
    )
}

/// The longest length first: it is what a cache is for.
fn many_lengths(shortest: &Effect, longest: &Effect) -> String {
    let change = |effect: &Effect| {
        let (cold, hit) = (units::span(effect.cold.median), units::span(effect.hit.median));
        match effect.ratio.value {
            ratio if ratio >= 1.0 => {
                format!("has its first token {} sooner than cold ({hit} instead of {cold})", units::ratio(ratio))
            }
            ratio => format!("takes {} as long as cold ({hit} instead of {cold})", units::ratio(1.0 / ratio)),
        }
    };
    format!(
        "A hit {} at {} tokens, and {} at {}.",
        change(longest),
        units::count(longest.context_tokens),
        change(shortest),
        units::count(shortest.context_tokens)
    )
}

fn pays_from(found: &BreakEven) -> String {
    let tokens = |tokens: f64| units::count(tokens.round() as u64);
    match found.at {
        Crossing::Below => {
            format!("By the fit, a hit pays at every length measured, from {} tokens on.", tokens(found.range.low))
        }
        Crossing::Above => format!("By the fit, a hit does not pay up to {} tokens.", tokens(found.range.high)),
        Crossing::At(at) => {
            let end = |crossing: Crossing| match crossing {
                Crossing::Below => format!("below {}", tokens(found.range.low)),
                Crossing::At(at) => tokens(at),
                Crossing::Above => format!("above {}", tokens(found.range.high)),
            };
            let interval = found.interval.map(|(low, high)| format!(" (90 % interval {} to {})", end(low), end(high)));
            format!("By the fit, a hit pays from {} tokens on{}.", tokens(at), interval.unwrap_or_default())
        }
    }
}

pub(super) fn plural(n: usize, word: &str) -> String {
    format!("{} {word}{}", units::count(n as u64), if n == 1 { "" } else { "s" })
}

fn effect_table(data: &Data, effects: &[Effect]) -> Table {
    let mut columns = vec![
        Column::number("context_tokens", "tokens"),
        Column::number("cold_ns", "cold"),
        Column::number("hit_ns", "hit"),
        Column::number("saved_ns", "saved"),
        Column::number("ratio", "cold/hit"),
        Column::number("ratio_interval_95", "95 % interval"),
        Column::words("samples", "n"),
    ];
    let row = |effect: &Effect| {
        let interval = Cell::known(effect.ratio.interval, |i| Cell::Ratios(i.low, i.high));
        vec![
            Cell::Count(effect.context_tokens),
            Cell::Time(effect.cold.median),
            Cell::Time(effect.hit.median),
            Cell::Time(effect.saved()),
            Cell::Ratio(effect.ratio.value),
            interval,
            Cell::Words(format!("{}+{}", effect.cold.samples, effect.hit.samples)),
        ]
    };
    let rows = effects.iter().map(|effect| labelled(data, effect.log, row(effect))).collect();
    label_column(data, &mut columns);
    Table { name: "effect", title: "What a hit saves (median TTFT)".into(), is_detail: false, columns, rows }
}

/// More lengths than this, and a terminal shows their effects alone.
const COMPACT: usize = 3;

fn arm_table(data: &Data) -> Table {
    let mut columns = vec![
        Column::number("context_tokens", "tokens"),
        Column::words("arm", "arm"),
        Column::number("samples", "n"),
        Column::number("ttft_min_ns", "min").detail(),
        Column::number("ttft_p50_ns", "median"),
        Column::number("ttft_p90_ns", "p90"),
        Column::number("ttft_max_ns", "max").detail(),
        Column::number("cached_share", "cached"),
        Column::number("ttft_p50_interval_95_ns", "95 % of median"),
    ];
    let rows: Vec<_> = data.cells().iter().map(|group| labelled(data, group.log, arm_row(group))).collect();
    label_column(data, &mut columns);
    let is_detail = rows.len() > 2 * COMPACT;
    Table { name: "ttft", title: "TTFT by context length and arm".into(), is_detail, columns, rows }
}

fn arm_row(group: &Group) -> Vec<Cell> {
    let times = sorted(&group.times());
    let at = |p| Cell::known(quantile::quantile(&times, p), Cell::Time);
    let shares: Vec<f64> = group
        .entries
        .iter()
        .filter_map(|entry| Some(entry.cached_tokens()? as f64 / entry.prompt_tokens().filter(|n| *n > 0)? as f64))
        .collect();
    vec![
        Cell::Count(group.context_tokens),
        Cell::Words(arm_name(group.arm).into()),
        Cell::Count(times.len() as u64),
        at(0.0),
        at(0.5),
        // A tail that so few samples cannot bound is not printed.
        if quantile::is_bounded_above(times.len(), 0.9, 0.95) { at(0.9) } else { Cell::Missing },
        at(1.0),
        Cell::known(quantile::quantile(&sorted(&shares), 0.5), Cell::Share),
        Cell::known(quantile::interval(&times, 0.5, 0.95), |i| Cell::Times(i.low, i.high)),
    ]
}

fn fit_table(data: &Data, curves: &Curves) -> Table {
    let mut columns = vec![
        Column::words("arm", "arm"),
        Column::number("fixed_ns", "fixed"),
        Column::number("tokens_per_second", "tokens/s"),
        Column::number("tokens_per_second_interval_90", "90 % interval"),
        Column::number("break_even_tokens", "break-even"),
    ];
    let row = |drawn: &Drawn| {
        let rate = drawn.fitted.tokens_per_s();
        let pays_from = curves.break_even(drawn.log).and_then(BreakEven::tokens).filter(|_| drawn.arm == Arm::Hit);
        vec![
            Cell::Words(arm_name(drawn.arm).into()),
            drawn.fitted.fixed_ns().map_or(Cell::NotIdentified, |fixed| Cell::Time(fixed.value)),
            rate.map_or(Cell::NotIdentified, |rate| Cell::Count(rate.value.round() as u64)),
            Cell::known(rate.and_then(|rate| rate.interval), |i| {
                Cell::Counts(i.low.round() as u64, i.high.round() as u64)
            }),
            Cell::known(pays_from, |n| Cell::Count(n.round() as u64)),
        ]
    };
    let rows = curves.drawn.iter().map(|drawn| labelled(data, drawn.log, row(drawn))).collect();
    label_column(data, &mut columns);
    Table {
        name: "fit",
        title: "Fitted curves: fixed time, tokens per second at short lengths".into(),
        is_detail: false,
        columns,
        rows,
    }
}

fn failure_table(data: &Data) -> Table {
    let mut kinds: Vec<(usize, &'static str, String, u64)> = Vec::new();
    for (log, entry) in data.entries() {
        let Some(outcome) = entry.failure() else { continue };
        let (kind, detail) = (outcome.name(), detail(outcome));
        match kinds.iter_mut().find(|seen| (seen.0, seen.1) == (log, kind)) {
            Some(seen) => seen.3 += 1,
            None => kinds.push((log, kind, detail, 1)),
        }
    }
    let mut columns = vec![
        Column::words("outcome", "outcome"),
        Column::number("requests", "n"),
        Column::words("first_detail", "the first of them"),
    ];
    let row = |(log, kind, detail, n): (usize, &str, String, u64)| {
        labelled(data, log, vec![Cell::Words(kind.into()), Cell::Count(n), Cell::Words(detail)])
    };
    let rows = kinds.into_iter().map(row).collect();
    label_column(data, &mut columns);
    Table { name: "failures", title: "Requests that failed".into(), is_detail: false, columns, rows }
}

/// What an outcome adds to its name.
fn detail(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Ok | Outcome::Truncated | Outcome::NoToken | Outcome::Interrupted => String::new(),
        Outcome::Unreachable { phase, message } | Outcome::Reset { phase, message } => format!("{phase}: {message}"),
        Outcome::NotAStream { content_type } => content_type.clone().unwrap_or_default(),
        Outcome::TooLong { status, message } | Outcome::Rejected { status, message } => format!("{status}: {message}"),
        Outcome::ServerError { message } | Outcome::Malformed { message } => message.clone(),
        Outcome::Timeout { phase } => phase.clone(),
    }
}

/// The table of one log, which says so beside those of others.
fn of_log(data: &Data, log: usize, table: Table) -> Table {
    if data.is_labelled() { table.of_log(&data.logs[log].label) } else { table }
}

pub(super) fn label_column(data: &Data, columns: &mut Vec<Column>) {
    if data.is_labelled() {
        columns.insert(0, Column::words("log", "log"));
    }
}

pub(super) fn labelled(data: &Data, log: usize, mut row: Vec<Cell>) -> Vec<Cell> {
    if data.is_labelled() {
        row.insert(0, Cell::Words(data.logs[log].label.clone()));
    }
    row
}

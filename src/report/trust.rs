//! The trust block of a verdict: what a reviewer asks, and the answer, a line each. No line is wider than a terminal.

use std::fmt::Display;
use std::time::Duration;

use super::table::{Cell, Column, Table};
use super::units;
use super::verify::{Judged, own_error};
use crate::pairs::Control;
use crate::plan::ColdBy;
use crate::record::{Conditions, NO_BUDGET};
use crate::stats::Estimate;
use crate::verdict::{Below, Caveat, OverLengths, Proof, Trust, Verdict};

/// The questions and their answers.
pub fn rows(judged: &Judged) -> Vec<(&'static str, String)> {
    let Verdict { comparison, among_hits, control, trust, .. } = &judged.verdict;
    let mut rows = Vec::new();
    if let Some(c) = comparison {
        let looks = format!("look {} of {}, level {}", c.looks_used, c.looks_planned, c.alpha);
        rows.push(("pairs", format!("{}, in random order; decided at {looks}", c.pairs)));
    }
    rows.extend(made_cold(trust).map(|by| ("cold by", by)));
    rows.push(("cold proof", cold_proof(trust, &judged.verdict.caveats)));
    rows.push(("hit proof", hit_proof(trust)));
    let found = if judged.found.is_empty() { "nothing: no request was measured" } else { &judged.found };
    rows.push(("found", found.to_owned()));
    rows.extend(among_hits.map(|among| ("among hits", units::estimate(among))));
    rows.extend(
        judged.verdict.below.iter().flat_map(|below| [("tier", tier(below)), ("tier proof", tier_proof(below))]),
    );
    rows.push(("replicas", replicas(trust)));
    rows.push(("A/A control", self::control(control.as_ref())));
    rows.extend(noise(trust));
    rows.push(("selftest", judged.selftest.as_ref().map_or("not run".into(), own_error)));
    rows.extend(circumstances(trust, &[judged.conditions.as_ref()]));
    rows
}

/// The same of pairs at so many `lengths`; `said` is under what conditions each session measured, as far as the log tells.
pub fn rows_over_lengths(
    of: &OverLengths,
    lengths: usize,
    said: &[Option<&Conditions>],
) -> Vec<(&'static str, String)> {
    let OverLengths { control, trust, caveats, .. } = of;
    let mut rows = vec![
        ("pairs", format!("{}, in random order over {lengths} lengths", trust.replays)),
        ("cold proof", cold_proof(trust, caveats)),
        ("hit proof", hit_proof(trust)),
        ("replicas", replicas(trust)),
        ("A/A control", self::control(control.as_ref())),
    ];
    rows.extend(noise(trust));
    rows.extend(circumstances(trust, said));
    rows
}

/// What the sessions spent of what they might, over which connections and with which texts.
fn circumstances(trust: &Trust, said: &[Option<&Conditions>]) -> Vec<(&'static str, String)> {
    let budgets: Vec<Option<&str>> = said.iter().map(|of| of.and_then(|of| of.budget.as_deref())).collect();
    let mut rows = match budgets.as_slice() {
        [_, _, ..] => vec![("spent", spent(trust)), ("budget", budget(&budgets))],
        _ => vec![("spent", format!("{}; {}", spent(trust), budget(&budgets)))],
    };
    let known = || said.iter().flatten();
    rows.extend(each("connection", known().map(|of| connection(of))));
    rows.extend(each("nonce", known().map(|of| of.nonce.to_string())));
    rows
}

/// A row for each finding that is not that of the session before.
fn each(check: &'static str, findings: impl Iterator<Item = String>) -> Vec<(&'static str, String)> {
    let mut findings: Vec<String> = findings.collect();
    findings.dedup();
    findings.into_iter().map(|finding| (check, finding)).collect()
}

/// What each session might spend. A budget is a session's own, so that several may spend several.
fn budget(sessions: &[Option<&str>]) -> String {
    let known: Option<Vec<&str>> = sessions.iter().copied().collect();
    match known.as_deref() {
        None | Some([]) => "budget not known".into(),
        Some(all) if all.iter().all(|budget| *budget == NO_BUDGET) => "no budget".into(),
        Some([budget]) => format!("budget {budget}"),
        Some(all) => format!("of {} sessions: {}", all.len(), all.join(", ")),
    }
}

/// The rows as a table.
pub fn table(rows: Vec<(&'static str, String)>) -> Table {
    let rows = rows.into_iter().map(|(key, value)| vec![Cell::Words(key.into()), Cell::Words(value)]);
    Table {
        name: "trust",
        title: "Why it may be believed".into(),
        is_detail: false,
        columns: vec![Column::words("check", "check"), Column::words("finding", "finding")],
        rows: rows.collect(),
    }
}

fn control(control: Option<&Control>) -> String {
    let Some(control) = control else { return "not completed".into() };
    let word = if control.is_passed() { "passed" } else { "failed" };
    format!("{word}: {}, new against new, {} pairs", units::estimate(as_ratio(control.shift)), control.pairs)
}

fn noise(trust: &Trust) -> [(&'static str, String); 3] {
    let scatter = trust.sigma.map(|s| format!("times scatter by {} (standard deviation)", units::share(s)));
    let far = |s| format!("{} of the times are far above their neighbours", units::share(s));
    [
        ("noise", known(scatter)),
        ("outliers", known(trust.outlier_share.map(far))),
        ("drift", known(trust.drift_per_minute.map(drift))),
    ]
}

/// How cold was made cold, where it was no new text.
fn made_cold(trust: &Trust) -> Option<String> {
    let canary = trust.canary.filter(|canary| canary.is_gone)?;
    let left = match (canary.cached_tokens, canary.prompt_tokens) {
        (Some(cached), Some(prompt)) => format!("had {} of {} tokens", units::count(cached), units::count(prompt)),
        _ => "was as slow as no hit".to_owned(),
    };
    Some(match canary.by {
        ColdBy::Salt => format!("cache_salt: cached text with another salt {left}"),
        ColdBy::Reset => format!("the reset: a document cached before it {left}"),
    })
}

fn cold_proof(trust: &Trust, caveats: &[Caveat]) -> String {
    let is_refuted = |caveat: &Caveat| matches!(caveat, Caveat::ColdIsNotCold { .. });
    let is_unproven = |caveat: &Caveat| matches!(caveat, Caveat::ColdUnproven { .. });
    if caveats.iter().any(is_refuted) {
        return "refuted: what was to be cold came out of the cache".into();
    }
    if caveats.iter().any(is_unproven) {
        return "none".into();
    }
    let template = units::count(trust.template_tokens);
    match trust.cold_proof {
        Proof::CachedTokens => format!("the server's count: no more cached than the template, {template} tokens"),
        Proof::Counters => format!("the server's counters: no more cached than the template, {template} tokens"),
        Proof::Timing => "timing: cold takes longer".into(),
        Proof::None => "none".into(),
    }
}

fn hit_proof(trust: &Trust) -> String {
    let replays = trust.replays;
    match (trust.hit_proof, trust.hits) {
        _ if replays == 0 => "none: no replay was measured".into(),
        (Proof::CachedTokens, Some(hits)) => format!("the server's count: {hits} of {replays} replays hit"),
        (Proof::Counters, Some(hits)) => format!("the server's counters: {hits} of {replays} replays hit"),
        (Proof::Timing, _) => "timing: a replay takes less".into(),
        (_, Some(_)) => format!("none: 0 of {replays} replays hit by the server's count"),
        (_, None) => "none".into(),
    }
}

fn tier(below: &Below) -> String {
    format!("{}: replays came behind {} tokens of fillers", below.tier, units::count(below.filler_tokens))
}

fn tier_proof(below: &Below) -> String {
    let times = below.below_ns.zip(below.near_ns);
    match (below.outside, times) {
        (Some(outside), _) => format!("the server's: {outside} of {} replays from outside the engine", below.replays),
        (None, Some((behind, at_once))) if below.is_slower => {
            format!("timing: {} behind the fillers, {} at once", units::time(behind), units::time(at_once))
        }
        _ => "none".to_owned(),
    }
}

/// One server hits every replay; several, picked at random, a share of them.
fn replicas(trust: &Trust) -> String {
    match (trust.hits, trust.replicas) {
        _ if trust.replays == 0 => "not known: no replay was measured".into(),
        (None, _) => "not known: the server does not count hits".into(),
        (Some(_), None) => "not known: no replay hit".into(),
        (Some(hits), Some(_)) if hits == trust.replays => format!("1: all {hits} replays hit"),
        (Some(_), Some(of)) => {
            let interval = of.interval.map(|i| format!(" [{:.1} to {:.1}]", i.low, i.high)).unwrap_or_default();
            format!("about {:.1}{interval} by the share of hits, if picked at random", of.value)
        }
    }
}

fn drift(per_minute: Estimate) -> String {
    let signed = |x: f64| format!("{}{}", if x < 0.0 { "" } else { "+" }, units::share(x));
    let interval = per_minute.interval.map(|i| format!(" [{} to {}]", signed(i.low), signed(i.high)));
    let is_seen = per_minute.interval.is_some_and(|i| !i.contains(0.0));
    let word = if is_seen { "cold changes by" } else { "none seen in cold:" };
    format!("{word} {}{} a minute", signed(per_minute.value), interval.unwrap_or_default())
}

fn spent(trust: &Trust) -> String {
    let spent = trust.spent;
    let tokens = match spent.prompt_tokens {
        0 => String::new(),
        tokens => format!("{} prompt tokens, ", units::count(tokens)),
    };
    let seconds = Duration::from_nanos(spent.time_ns).as_secs_f64().round() as u64;
    let (requests, time) = (units::count(spent.requests as u64), Duration::from_secs(seconds));
    format!("{tokens}{requests} requests, {}", humantime::format_duration(time))
}

fn connection(said: &Conditions) -> String {
    let stamps = match said.stamps {
        crate::sample::StampKind::Kernel => "kernel stamps",
        crate::sample::StampKind::Read => "stamps at the read",
    };
    match said.connection.as_str() {
        "fresh" => format!("one a request, opened before its clock; {stamps}"),
        _ => format!("one for all requests; {stamps}"),
    }
}

fn as_ratio(shift: Estimate) -> Estimate {
    Estimate { value: shift.value.exp(), interval: shift.interval.map(|interval| interval.map(f64::exp)) }
}

fn known(value: Option<impl Display>) -> String {
    value.map_or("-".into(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_told_of_every_session_or_of_none() {
        for (sessions, told) in [
            (&[Some("none")][..], "no budget"),
            (&[Some("60k")], "budget 60k"),
            (&[Some("none"), Some("none")], "no budget"),
            (&[Some("60k"), Some("none")], "of 2 sessions: 60k, none"),
            (&[Some("60k"), Some("60k")], "of 2 sessions: 60k, 60k"),
            (&[Some("60k"), None], "budget not known"),
            (&[None], "budget not known"),
            (&[], "budget not known"),
        ] {
            assert_eq!(budget(sessions), told, "{sessions:?}");
        }
    }

    #[test]
    fn what_sessions_have_in_common_is_said_once() {
        let of = |texts: &[&str]| each("connection", texts.iter().map(|text| text.to_string())).len();
        assert_eq!([of(&["fresh", "fresh"]), of(&["fresh", "reuse"]), of(&[])], [1, 2, 0]);
    }
}

//! The verdict on each session of pairs, as sentences and a table.

use std::fmt::Display;

use super::data::{Data, Log};
use super::effect::{Arms, Effect};
use super::table::{Cell, Column, Table};
use super::{evidence, units};
use crate::record::SelfTest;
use crate::sample::{Place, Sample};
use crate::stats::Estimate;
use crate::stats::looks::Rule;
use crate::verdict::{self, Claim, Proof, Verdict};

/// A session's verdict and where it was measured.
#[derive(Debug, Clone)]
pub struct Judged {
    pub log: usize,
    pub context_tokens: u64,
    pub verdict: Verdict,
    /// What the measured requests found, in a few words.
    pub found: String,
    pub selftest: Option<SelfTest>,
}

impl Judged {
    /// One for each session that measured pairs, unless they ask different things and have a table of their own.
    pub fn all(data: &Data) -> Vec<Judged> {
        let sessions = data.logs.iter().enumerate().flat_map(|(nth, log)| {
            log.entries.chunk_by(|one, next| one.session == next.session).filter_map(move |entries| {
                let paired = entries.iter().find(|e| e.sample.as_ref().is_some_and(|s| is_paired(&s.place)));
                // A session that was to measure pairs may have ended before its first.
                let judged = paired.or_else(|| entries.first().filter(|_| log.rule.is_some()))?;
                let samples: Vec<Sample> = entries.iter().filter_map(|entry| entry.sample.clone()).collect();
                let verdict = Verdict::of(&samples, &rule_of(log)).seen_from(log.smallest_effect_ns());
                Some(Judged {
                    log: nth,
                    context_tokens: judged.context_tokens,
                    verdict,
                    found: evidence::words(entries),
                    selftest: log.selftest.clone(),
                })
            })
        });
        sessions.collect()
    }

    /// The effect that was decided on; `None` when no look was reached, or when it cannot be seen from here.
    pub fn effect(&self) -> Option<Effect> {
        let comparison = self.verdict.comparison.as_ref().filter(|_| self.verdict.below_floor().is_none())?;
        let arm = |median: u64| Arms { samples: comparison.pairs, median: median as f64 };
        Some(Effect {
            log: self.log,
            context_tokens: self.context_tokens,
            cold: arm(comparison.cold_ns),
            hit: arm(comparison.hit_ns),
            ratio: comparison.ratio,
        })
    }

    /// The claim, its size and its grade.
    pub fn findings(&self) -> Vec<String> {
        let verdict = &self.verdict;
        let claim = match (&verdict.comparison, verdict.claim) {
            (_, claim) if verdict.below_floor().is_some() => {
                format!("{claim}: cold and hit differ by less than can be seen from here.")
            }
            (None, claim) => format!("{claim}: too few pairs were measured to say anything."),
            (Some(comparison), claim) => {
                let (cold, hit) = (units::time(comparison.cold_ns), units::time(comparison.hit_ns));
                let saved = comparison.saved_ns();
                let change = units::time(saved.unsigned_abs());
                let saved = if saved >= 0 { format!("{change} saved") } else { format!("{change} lost") };
                format!(
                    "{claim} {}: {cold} cold, {hit} on a hit, {saved}.{}",
                    units::estimate(comparison.ratio),
                    advice(claim)
                )
            }
        };
        vec![claim, format!("Grade {}: {}.", verdict.grade.letter, verdict.grade.reason)]
    }

    /// The trust block: what a reviewer asks, and the answer.
    pub fn table(&self) -> Table {
        let rows = self.trust().into_iter().map(|(key, value)| vec![Cell::Words(key.into()), Cell::Words(value)]);
        Table {
            name: "trust",
            title: "Why it may be believed".into(),
            is_detail: false,
            columns: vec![Column::words("check", "check"), Column::words("finding", "finding")],
            rows: rows.collect(),
        }
    }

    fn trust(&self) -> Vec<(&'static str, String)> {
        let Verdict { comparison, among_hits, control, trust, .. } = &self.verdict;
        let mut rows = Vec::new();
        if let Some(c) = comparison {
            let looks = format!("look {} of {} at level {}", c.looks_used, c.looks_planned, c.alpha);
            rows.push(("pairs", format!("{}, in random order; {looks}", c.pairs)));
        }
        rows.push(("cold proof", cold_proof(trust.cold_proof, trust.template_tokens)));
        rows.push(("hit proof", hit_proof(trust.hit_proof, trust.hits, trust.replays)));
        rows.push(("found", self.found.clone()));
        rows.extend(among_hits.map(|among| ("among hits", units::estimate(among))));
        rows.push((
            "A/A control",
            match control {
                None => "not completed".into(),
                Some(control) => {
                    let word = if control.is_passed() { "passed" } else { "failed" };
                    format!(
                        "{word}: {}, new against new, {} pairs",
                        units::estimate(as_ratio(control.shift)),
                        control.pairs
                    )
                }
            },
        ));
        rows.push(("noise", known(trust.sigma.map(|s| format!("{} a request", units::share(s))))));
        rows.push(("outliers", known(trust.outlier_share.map(units::share))));
        rows.push(("drift", known(trust.drift_per_minute.map(drift))));
        rows.push(("selftest", self.selftest.as_ref().map_or("not run".into(), own_error)));
        rows
    }

    /// The caveats, each a sentence of advice, and what stays open.
    pub fn remarks(&self) -> Vec<String> {
        let caveats = self.verdict.caveats.iter().map(|caveat| sentence(&caveat.to_string()));
        let open = format!("Not identified: {}.", self.verdict.not_identified.join("; "));
        caveats.chain([open]).collect()
    }
}

/// The rule that a log's conditions name; the usual one where they name none.
pub(super) fn rule_of(log: &Log) -> Rule {
    log.rule.clone().unwrap_or_else(|| verdict::rule(usize::MAX, verdict::PRECISION))
}

fn is_paired(place: &Place) -> bool {
    place.pair.is_some() && place.prompt.is_none() && place.asked_tokens.is_none()
}

fn advice(claim: Claim) -> &'static str {
    match claim {
        Claim::NoMaterialEffect => " The whole interval lies within 5 %.",
        Claim::Inconclusive => " Measure more pairs, or a quieter server.",
        Claim::Helps | Claim::Hurts => "",
    }
}

fn cold_proof(proof: Proof, template_tokens: u64) -> String {
    match proof {
        Proof::CachedTokens => {
            format!("the server's count: no more cached than the template, {template_tokens} tokens")
        }
        Proof::Counters => {
            format!("the server's counters: no more cached than the template, {template_tokens} tokens")
        }
        Proof::Timing => "timing: cold takes longer".into(),
        Proof::None => "none".into(),
    }
}

fn hit_proof(proof: Proof, hits: Option<usize>, replays: usize) -> String {
    match (proof, hits) {
        (Proof::CachedTokens, Some(hits)) => format!("the server's count: {hits} of {replays} replays hit"),
        (Proof::Counters, Some(hits)) => format!("the server's counters: {hits} of {replays} replays hit"),
        (Proof::Timing, _) => "timing: a replay takes less".into(),
        (_, Some(_)) => format!("none: 0 of {replays} replays hit by the server's count"),
        (_, None) => "none".into(),
    }
}

fn drift(per_minute: Estimate) -> String {
    let signed = |x: f64| format!("{}{}", if x < 0.0 { "" } else { "+" }, units::share(x));
    let interval = per_minute.interval.map(|i| format!(" [{} to {}]", signed(i.low), signed(i.high)));
    format!("{}{} a minute, cold", signed(per_minute.value), interval.unwrap_or_default())
}

/// What a selftest found, and what cannot be seen for it.
pub(super) fn own_error(test: &SelfTest) -> String {
    let (p99, smallest) = (units::time(test.p99_error_ns), units::time(test.smallest_effect_ns()));
    format!("own error {p99} (99 %): effects below {smallest} cannot be seen")
}

fn as_ratio(shift: Estimate) -> Estimate {
    Estimate { value: shift.value.exp(), interval: shift.interval.map(|interval| interval.map(f64::exp)) }
}

fn known(value: Option<impl Display>) -> String {
    value.map_or("-".into(), |value| value.to_string())
}

/// With a capital and a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

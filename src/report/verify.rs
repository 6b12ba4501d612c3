//! The verdict on each session of pairs, as sentences and a table.

use super::data::{Data, Log};
use super::effect::{Arms, Effect};
use super::table::Table;
use super::{evidence, trust, units};
use crate::record::{Conditions, SelfTest};
use crate::sample::{Place, Sample};
use crate::stats::looks::Rule;
use crate::verdict::{self, Caveat, Claim, Storing, Verdict};

/// A session's verdict and where it was measured.
#[derive(Debug, Clone)]
pub struct Judged {
    pub log: usize,
    pub context_tokens: u64,
    pub verdict: Verdict,
    /// What the measured requests found, in a few words.
    pub found: String,
    pub selftest: Option<SelfTest>,
    /// What storing costs, where that was asked.
    pub store: Option<Storing>,
    /// Under what conditions; `None` where the log does not say.
    pub conditions: Option<Conditions>,
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
                let stated = log.stated.iter().find(|(of, _)| *of == judged.session).map(|(_, said)| said.clone());
                Some(Judged {
                    log: nth,
                    context_tokens: judged.context_tokens,
                    verdict,
                    found: evidence::words(entries),
                    selftest: log.selftest.clone(),
                    store: Storing::of(&samples, stated.as_ref().and_then(|said| said.cache_off.as_ref())),
                    conditions: stated,
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
        let is_void = verdict.caveats.iter().any(Caveat::is_void);
        let claim = match (&verdict.comparison, verdict.claim) {
            (_, claim) if verdict.below_floor().is_some() => {
                format!("{claim}: cold and hit differ by less than can be seen from here.")
            }
            (_, claim) if is_void => format!("{claim}: {}, so nothing can be said of the cache.", verdict.grade.reason),
            (None, claim) => format!("{claim}: too few pairs were measured to say anything."),
            (Some(comparison), claim) => {
                let (cold, hit) = (units::time(comparison.cold_ns), units::time(comparison.hit_ns));
                let saved = comparison.saved_ns();
                let change = units::time(saved.unsigned_abs());
                let saved = if saved >= 0 { format!("{change} saved") } else { format!("{change} lost") };
                // Where the server says that nothing hit, no time is one of a hit.
                let again = if verdict.trust.hits == Some(0) { "a replay" } else { "a hit" };
                format!(
                    "{claim} {}: {cold} cold, {hit} on {again}, {saved}.{}",
                    units::estimate(comparison.ratio),
                    advice(claim)
                )
            }
        };
        let grade = format!("Grade {}: {}.", verdict.grade.letter, verdict.grade.reason);
        [claim, grade].into_iter().chain(self.store.as_ref().map(store_sentence)).collect()
    }

    /// The trust block: what a reviewer asks, and the answer.
    pub fn table(&self) -> Table {
        trust::table(trust::rows(self))
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
    log.rule.clone().unwrap_or_else(|| verdict::rule(usize::MAX, verdict::PRECISION, 0.0))
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

/// `Store penalty 1.08x [1.05x to 1.12x]: cold takes 46.2 ms with the cache on, 42.9 ms with it off; 1 reuse pays it back.`
fn store_sentence(storing: &Storing) -> String {
    let store = match storing {
        Storing::Costs(store) => store,
        Storing::NeverOff => {
            return "The store penalty is not known: a replay with the fields of --cache_off still hit, so they switch \
                    nothing off."
                .to_owned();
        }
    };
    let (ratio, on, off) = (units::estimate(store.ratio), units::time(store.on_ns), units::time(store.off_ns));
    let from = store.log.as_ref().map(|path| format!(" ({path})")).unwrap_or_default();
    let doubt = if store.is_off_shown { "" } else { " (that it is off, this server does not show)" };
    let times = format!("cold takes {on} with the cache on, {off} with it off{from}{doubt}");
    let paid = match store.paid_back_after() {
        None => "no reuse pays it back, since a hit saves nothing".to_owned(),
        Some(1) => "1 reuse pays it back".to_owned(),
        Some(reuses) => format!("{} reuses pay it back", units::count(reuses)),
    };
    match store.is_seen() {
        true => format!("Store penalty {ratio}: {times}; {paid}."),
        false => format!("No store penalty is seen, {ratio}: {times}."),
    }
}

/// What a selftest found, and what cannot be seen for it.
pub(super) fn own_error(test: &SelfTest) -> String {
    let (p99, smallest) = (units::time(test.p99_error_ns), units::time(test.smallest_effect_ns()));
    format!("own error {p99} (99 %): effects below {smallest} cannot be seen")
}

/// With a capital and a full stop.
pub(super) fn sentence(text: &str) -> String {
    format!("{}.", units::capital(text))
}

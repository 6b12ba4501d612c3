//! The bursts and levels of a search for the knee: what each came to, and what they say together.
//!
//! Every level is a session of the log with its own moments. Each is judged alone: requests at half the ceiling and near
//! it have no quantile in common.

use super::rates::Rates;
use super::reuse::Found;
use super::slo::keeps;
use crate::cli::slo::Slo;
use crate::load::knee::{self, Answer, Ceiling, Limit, Measured, Reuse, Worth};
use crate::record::{LevelNote, LoadNote, SloNote};
use crate::report::data::Entry;
use crate::report::units;
use crate::sample::Sample;
use crate::stats::Interval;

/// More requests than this that find something in the cache, and they were not sent without one.
const MOST_WARM: f64 = 0.1;

/// One session of a search.
#[derive(Debug, Clone)]
pub(super) struct Level {
    session: usize,
    note: LevelNote,
    measured: Measured,
    found: Found,
}

/// What a search has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// What was asked for.
    Told,
    /// The cache takes requests away.
    Loss,
    /// Not beyond doubt, or nothing.
    Untold,
}

/// All levels of a log.
#[derive(Debug, Clone, Default)]
pub struct Levels {
    all: Vec<Level>,
    asked: Option<SloNote>,
}

impl Levels {
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn has(&self, session: usize) -> bool {
        self.all.iter().any(|level| level.session == session)
    }

    /// The rows of this session are a level's.
    pub(super) fn begin(&mut self, session: usize, asked: &LoadNote, slo: Option<SloNote>) {
        let Some(note) = asked.level else { return };
        let load = match (note.per_second, note.of_ceiling) {
            (Some(per_second), Some(of_ceiling)) => knee::Load::Rate { per_second, of_ceiling },
            _ => knee::Load::Burst,
        };
        let of = knee::Level { reuse: note.reuse, load };
        let measured = Measured { of, answers: Vec::new(), processors: asked.processors };
        self.asked = self.asked.or(slo);
        self.all.push(Level { session, note, measured, found: Found::default() });
    }

    pub(super) fn take(&mut self, entry: &Entry, sample: &Sample) {
        let Some(level) = self.all.last_mut().filter(|level| level.session == entry.session) else { return };
        level.measured.answers.push(answer(sample, self.asked.as_ref().map(|asked| &asked.slo)));
        level.found.take(entry);
    }

    /// The sessions of a log behind another's, numbered on from `sessions`.
    pub(super) fn merge(&mut self, other: Levels, sessions: usize) {
        self.asked = self.asked.or(other.asked);
        self.all.extend(other.all.into_iter().map(|level| Level { session: level.session + sessions, ..level }));
    }

    /// With the cache before without it, where there are both.
    pub(super) fn arms(&self) -> Vec<Reuse> {
        let mut arms: Vec<Reuse> = self.all.iter().map(|level| level.note.reuse).collect();
        arms.sort_unstable();
        arms.dedup();
        arms
    }

    /// The open loops of an arm that the client did not spoil.
    pub(super) fn rates(&self, reuse: Reuse) -> impl Iterator<Item = &Measured> {
        let is_rate = |level: &&Measured| matches!(level.of.load, knee::Load::Rate { .. }) && !level.is_void();
        self.all.iter().map(|level| &level.measured).filter(move |of| of.of.reuse == reuse).filter(is_rate)
    }

    pub(super) fn asked(&self) -> Option<f64> {
        self.asked.map(|asked| asked.share)
    }

    /// How it ends.
    pub fn shown(&self) -> Shown {
        let worth = self.worth();
        match (self.asked, worth) {
            (Some(_), Ok(worth)) if worth.is_gain() => Shown::Told,
            (Some(_), Ok(worth)) if worth.is_loss() => Shown::Loss,
            (Some(_), _) => Shown::Untold,
            (None, _) if Rates::of_levels(self, Reuse::Usual).knee().is_some() => Shown::Told,
            (None, _) => Shown::Untold,
        }
    }

    /// In the order of what they say.
    pub(super) fn findings(&self) -> Vec<String> {
        let rates = Rates::of_levels(self, Reuse::Usual);
        let mut said: Vec<String> = Vec::new();
        if let Some(asked) = &self.asked {
            said.push(self.worth_sentence());
            said.extend(self.arms().iter().filter_map(|reuse| self.limit_sentence(*reuse, asked)));
        }
        said.extend(rates.finding());
        said.extend(self.arms().iter().map(|reuse| self.ceiling_sentence(*reuse)));
        if rates.knee().is_none() && rates.steps.len() == knee::SHARES.len() && self.asked.is_none() {
            said.push("The burst may not have saturated the server: give it more --streams.".into());
        }
        said
    }

    /// What a reader must know of it.
    pub(super) fn remarks(&self) -> Vec<String> {
        let mut said: Vec<String> = self.arms().iter().filter_map(|reuse| self.found_sentence(*reuse)).collect();
        let faults = self.all.iter().flat_map(|level| {
            let name = level.name();
            level.measured.faults().into_iter().map(move |fault| format!("{name}: {fault}."))
        });
        said.extend(faults);
        said
    }

    pub(super) fn limit(&self, reuse: Reuse) -> Option<Limit> {
        Limit::of(self.all.iter().map(|level| &level.measured), reuse, self.asked()?)
    }

    /// What the cache is worth, or why that cannot be said.
    fn worth(&self) -> Result<Worth, String> {
        let spoiled = |reuse| {
            let is_void = |level: &Level| level.note.reuse == reuse && level.measured.is_void();
            match self.all.iter().any(is_void) {
                true => format!("the client did not keep up {}", with(reuse)),
                false => format!("no level was measured {}", with(reuse)),
            }
        };
        let limit = |reuse| self.limit(reuse).ok_or_else(|| spoiled(reuse));
        let (usual, nothing) = (limit(Reuse::Usual)?, limit(Reuse::Nothing)?);
        if let Some((colds, told)) = self.found(Reuse::Nothing).colds()
            && ((told - colds) as f64) > MOST_WARM * told as f64
        {
            let (warm, told) = (units::count(told - colds), units::count(told));
            return Err(format!("{warm} of {told} requests without the cache found their new text in it all the same"));
        }
        Ok(Worth::of(&usual, &nothing))
    }

    fn worth_sentence(&self) -> String {
        let untold = |why: &str| format!("What the cache is worth in requests a second cannot be told: {why}.");
        let worth = match self.worth() {
            Ok(worth) => worth,
            Err(why) => return untold(&why),
        };
        let number = units::number;
        let ends = |low: f64, high: Option<f64>| match high {
            Some(high) => format!("95 % interval {} to {}", number(low), number(high)),
            None => format!("with 95 % confidence at least {}", number(low)),
        };
        if let Some(low) = worth.low.filter(|_| worth.is_gain()) {
            let so = match worth.value {
                Some(value) => format!("{} more requests a second", number(value)),
                None => format!("at least {} more requests a second", number(low)),
            };
            return format!("The cache is worth {so} under this SLO ({}).", ends(low, worth.high));
        }
        if let Some(high) = worth.high.filter(|_| worth.is_loss()) {
            let value = worth.value.unwrap_or(high);
            let least = worth.low.map(|low| format!(", at most {}", number(-low))).unwrap_or_default();
            return format!(
                "With the cache the SLO is kept up to {} fewer requests a second than without it (at least {}{least}).",
                number(-value),
                number(-high)
            );
        }
        let is_so = |reuse, is_so: fn(&Limit) -> bool| self.limit(reuse).is_some_and(|limit| is_so(&limit));
        untold(if is_so(Reuse::Nothing, |limit| limit.all_kept) {
            "without it the SLO is kept at every level, and a stricter --slo would tell"
        } else if [Reuse::Usual, Reuse::Nothing].into_iter().all(|reuse| is_so(reuse, |limit| limit.none_kept)) {
            "the SLO is kept at no level, with the cache or without, and a laxer --slo would tell"
        } else {
            "it may be nothing, and more --requests would tell"
        })
    }

    fn limit_sentence(&self, reuse: Reuse, asked: &SloNote) -> Option<String> {
        let limit = self.limit(reuse)?;
        let what = format!("{} of the requests keep {}", units::share(asked.share), asked.slo);
        let rate = |rate: f64| format!("{} requests a second", units::number(rate));
        let over = format!("over {} levels", limit.levels);
        let whose = units::capital(with(reuse));
        Some(match (limit.value, limit.low, limit.high) {
            (Some(value), low, Some(high)) if low > 0.0 => format!(
                "{whose} {what} up to {} (95 % interval {} to {}), {over}.",
                rate(value),
                units::number(low),
                units::number(high)
            ),
            (Some(value), low, high) => {
                let known = match high {
                    Some(high) => {
                        format!("below {} with 95 % confidence, and so few requests show no lower end", rate(high))
                    }
                    None if low > 0.0 => format!("at least {} with 95 % confidence", rate(low)),
                    None => "so few requests show no interval".to_owned(),
                };
                format!("{whose} {what} up to about {}: {known}, {over}.", rate(value))
            }
            _ if limit.all_kept => format!(
                "{whose} {what} at every level up to {}; the highest rate that does was not reached.",
                rate(limit.highest)
            ),
            _ => format!("{whose} no level was found at which {what}; the lowest was {}.", rate(limit.lowest)),
        })
    }

    fn ceiling(&self, reuse: Reuse) -> Option<(Ceiling, u64)> {
        self.all
            .iter()
            .filter(|level| level.note.reuse == reuse && !level.measured.is_void())
            .find_map(|level| Some((level.measured.ceiling()?, level.note.streams?)))
    }

    fn ceiling_sentence(&self, reuse: Reuse) -> String {
        let whose = if self.arms().len() > 1 { format!("{} a", units::capital(with(reuse))) } else { "A".to_owned() };
        let Some((Ceiling { per_second, interval, ends }, streams)) = self.ceiling(reuse) else {
            let bursts = self.all.iter().filter(|level| level.note.reuse == reuse && level.note.streams.is_some());
            let (sent, answered) = bursts.fold((0, 0), |(sent, answered), level| {
                let ended = level.measured.answers.iter().filter(|answer| answer.end_ns.is_some()).count();
                (sent + level.measured.answers.len(), answered + ended)
            });
            return format!(
                "{whose} burst did not show what the server gets through: {} of its {} requests were answered.",
                units::count(answered as u64),
                units::count(sent as u64)
            );
        };
        let interval = interval
            .map(|Interval { low, high }| format!("95 % interval {} to {}, ", units::number(low), units::number(high)));
        format!(
            "{whose} burst of {} streams got {} requests a second through ({}{} answers).",
            units::count(streams),
            units::number(per_second),
            interval.unwrap_or_default(),
            units::count(ends as u64)
        )
    }

    fn found(&self, reuse: Reuse) -> Found {
        let mut all = Found::default();
        self.all.iter().filter(|level| level.note.reuse == reuse).for_each(|level| all.merge(level.found));
        all
    }

    fn found_sentence(&self, reuse: Reuse) -> Option<String> {
        let found = self.found(reuse);
        match reuse {
            Reuse::Usual => found.sentence(),
            Reuse::Nothing => Some(match found.colds() {
                None => "without the cache: each prompt is new text, and the server does not say what it found of it."
                    .into(),
                Some((colds, told)) => format!(
                    "without the cache: each prompt is new text, and by the server's count {} of {} were cold.",
                    units::count(colds),
                    units::count(told)
                ),
            }),
        }
    }
}

impl Level {
    fn name(&self) -> String {
        let with = with(self.note.reuse);
        match self.measured.of.load {
            knee::Load::Burst => format!("the burst {with}"),
            knee::Load::Rate { per_second, .. } => format!("{} {with}", units::rate(per_second)),
        }
    }
}

/// What a request of a level showed; `slo` is what it was to keep.
pub fn answer(sample: &Sample, slo: Option<&Slo>) -> Answer {
    let stamps = &sample.stamps;
    let since = |moment: Option<u64>| moment.map(|at| at.saturating_sub(stamps.start_ns.unwrap_or(0)));
    let ttft_ns = sample.ttft_ns();
    let late = stamps.due_ns.zip(stamps.sent_ns).map(|(due, sent)| sent.saturating_sub(due));
    Answer {
        due_ns: since(stamps.due_ns),
        sent_ns: since(stamps.sent_ns),
        end_ns: ttft_ns.and(since(stamps.end_ns)),
        ttft_from_due_ns: ttft_ns.zip(late).map(|(ttft, late)| ttft + late),
        lag_ns: stamps.lag_ns(),
        cpu_ns: stamps.client_cpu_ns,
        kept: slo.and_then(|slo| keeps(slo, sample)),
    }
}

/// What an arm is called.
pub(super) fn with(reuse: Reuse) -> &'static str {
    match reuse {
        Reuse::Usual => "with the cache",
        Reuse::Nothing => "without the cache",
    }
}

#[cfg(test)]
mod tests;

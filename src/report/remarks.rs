//! What a reader must know beside the findings, as sentences.

use super::data::{Data, Entry, Log};
use super::effect::Effect;
use super::lengths::Sweep;
use super::load::Load;
use super::map::Mapped;
use super::model::plural;
use super::verify::{Judged, own_error};
use super::{evidence, units};
use crate::buffering;
use crate::plan::Role;

/// Below this many samples of an arm no interval of its median exists at 95 %.
const FEW: usize = 6;

/// All of them, in the order they are printed; what is said of several logs in the same words is said once.
pub(super) fn all(
    data: &Data,
    (judged, mapped, loads): (&[Judged], &[Mapped], &[Load<'_>]),
    sweeps: &[Sweep],
    effects: &[Effect],
) -> Vec<String> {
    let mut said = Said::default();
    for (log, of) in data.logs.iter().enumerate() {
        let cut = of.cut.map(|line| format!("The log ends in the middle of line {line}; it was read up to there."));
        said.of(log, cut);
        said.of(log, evidence::remarks(data, log));
    }
    judged.iter().for_each(|judged| said.of(judged.log, judged.remarks()));
    sweeps.iter().for_each(|sweep| said.of(sweep.log, sweep.remarks()));
    mapped.iter().for_each(|mapped| said.of(mapped.log, mapped.remarks()));
    let unjudged = || data.logs.iter().enumerate().filter(|(log, _)| judged.iter().all(|judged| judged.log != *log));
    // What can be told apart is decided by the worst of them.
    let tests = || unjudged().filter_map(|(log, of)| Some((log, of.selftest.as_ref()?)));
    if let Some((_, worst)) = tests().max_by_key(|(_, test)| test.p99_error_ns) {
        tests().for_each(|(log, _)| said.of(log, [format!("Selftest: {}.", own_error(worst))]));
    }
    unjudged().for_each(|(log, of)| said.of(log, buffered(of)));
    data.logs.iter().enumerate().for_each(|(log, of)| said.of(log, cut_in_silence(of)));
    let is_stepped = |entry: &Entry| entry.sample.as_ref().is_some_and(|sample| sample.clock_stepped);
    let stepped = data.entries().filter(|(_, entry)| is_stepped(entry)).count();
    if stepped > 0 {
        said.of_all(format!(
            "The system's clock was stepped during {}: for a second after, arrivals are stamped at the read, which may be \
             late. Measure again when the clock is set.",
            plural(stepped, "request")
        ));
    }
    if data.entries().any(|(_, entry)| entry.sample.is_none()) {
        said.of_all(
            "Rows of three keys do not say what was asked: run 1 counts as cold, the runs after it as hits.".into(),
        );
    }
    if effects.iter().any(|effect| effect.cold.samples.min(effect.hit.samples) < FEW) {
        said.of_all("A few requests prove little; ttft verify measures until the interval is known.".into());
    }
    loads.iter().for_each(|load| said.of(load.log(), load.remarks()));
    let failed = data.entries().filter(|(_, entry)| entry.failure().is_some()).count();
    if failed > 0 {
        said.of_all(format!(
            "{} failed and {} not count.",
            plural(failed, "request"),
            if failed == 1 { "does" } else { "do" }
        ));
    }
    said.sentences(data)
}

/// Sentences and the logs that each is said of; of none are those that hold for all.
#[derive(Default)]
struct Said(Vec<(Vec<usize>, String)>);

impl Said {
    fn of(&mut self, log: usize, sentences: impl IntoIterator<Item = String>) {
        for sentence in sentences {
            match self.0.iter_mut().find(|(_, known)| *known == sentence) {
                Some((logs, _)) if logs.contains(&log) => {}
                Some((logs, _)) => logs.push(log),
                None => self.0.push((vec![log], sentence)),
            }
        }
    }

    fn of_all(&mut self, sentence: String) {
        self.0.push((Vec::new(), sentence));
    }

    fn sentences(self, data: &Data) -> Vec<String> {
        let written = |(logs, sentence): (Vec<usize>, String)| {
            let names: Vec<&str> = logs.iter().map(|log| data.logs[*log].label.as_str()).collect();
            match names.is_empty() || !data.is_labelled() {
                true => sentence,
                false => format!("{}: {sentence}", names.join(", ")),
            }
        };
        self.0.into_iter().map(written).collect()
    }
}

/// The alarm, where a log has no verdict that would be graded down for it.
fn buffered(log: &Log) -> Option<String> {
    let measured = log.entries.iter().filter(|entry| entry.role == Role::Measure);
    let streams = buffering::streams(measured.filter_map(|entry| entry.sample.as_ref()))?;
    Some(format!("Grade C: in {} {}.", plural(streams, "stream"), buffering::ALARM))
}

/// A prompt with so much less than its document, by the server's count, was cut. Tokenizers that are guessed differ less.
const CUT_SHARE: f64 = 0.7;

/// Said when a server answered less of a prompt than it was sent.
fn cut_in_silence(log: &Log) -> Option<String> {
    let is_cut = |entry: &&Entry| {
        entry.prompt_tokens().is_some_and(|tokens| (tokens as f64) < CUT_SHARE * entry.context_tokens as f64)
    };
    let first = log.entries.iter().find(|entry| entry.is_measured() && is_cut(entry))?;
    Some(format!(
        "The server counted {} prompt tokens for a document of {}: it cuts longer prompts in silence, so that the times are \
         those of shorter ones. Give its context with --model_ctx.",
        units::count(first.prompt_tokens()?),
        units::count(first.context_tokens)
    ))
}

//! What a reader must know beside the findings, as sentences.

use super::data::{Data, Entry, Log};
use super::effect::Effect;
use super::lengths::Sweep;
use super::load::Load;
use super::map::Mapped;
use super::model::{named, plural};
use super::verify::{Judged, own_error};
use super::{evidence, units};
use crate::buffering;
use crate::plan::Role;

/// Below this many samples of an arm no interval of its median exists at 95 %.
const FEW: usize = 6;

/// All of them, in the order they are printed.
pub(super) fn all(
    data: &Data,
    (judged, mapped, loads): (&[Judged], &[Mapped], &[Load<'_>]),
    sweeps: &[Sweep],
    effects: &[Effect],
) -> Vec<String> {
    let mut remarks = Vec::new();
    for (log, of) in data.logs.iter().enumerate() {
        let cut = of.cut.map(|line| format!("The log ends in the middle of line {line}; it was read up to there."));
        remarks.extend(cut.map(|sentence| named(data, log, &sentence)));
        remarks.extend(evidence::remarks(data, log).iter().map(|sentence| named(data, log, sentence)));
    }
    remarks.extend(judged.iter().flat_map(|judged| judged.remarks().into_iter().map(|r| named(data, judged.log, &r))));
    remarks.extend(sweeps.iter().flat_map(|sweep| sweep.remarks().into_iter().map(|r| named(data, sweep.log, &r))));
    remarks.extend(mapped.iter().flat_map(|mapped| mapped.remarks().into_iter().map(|r| named(data, mapped.log, &r))));
    for (log, of) in data.logs.iter().enumerate().filter(|(log, _)| judged.iter().all(|judged| judged.log != *log)) {
        remarks.extend(of.selftest.as_ref().map(|test| named(data, log, &format!("Selftest: {}.", own_error(test)))));
        remarks.extend(buffered(of).map(|sentence| named(data, log, &sentence)));
    }
    remarks.extend(data.logs.iter().enumerate().filter_map(|(log, of)| Some(named(data, log, &cut_in_silence(of)?))));
    let is_stepped = |entry: &Entry| entry.sample.as_ref().is_some_and(|sample| sample.clock_stepped);
    let stepped = data.entries().filter(|(_, entry)| is_stepped(entry)).count();
    if stepped > 0 {
        remarks.push(format!(
            "The system's clock was stepped during {}: for a second after, arrivals are stamped at the read, which may be \
             late. Measure again when the clock is set.",
            plural(stepped, "request")
        ));
    }
    if data.entries().any(|(_, entry)| entry.sample.is_none()) {
        remarks.push(
            "Rows of three keys do not say what was asked: run 1 counts as cold, the runs after it as hits.".into(),
        );
    }
    if effects.iter().any(|effect| effect.cold.samples.min(effect.hit.samples) < FEW) {
        remarks.push("A few requests prove little; ttft verify measures until the interval is known.".into());
    }
    remarks.extend(loads.iter().flat_map(|load| load.remarks().into_iter().map(|r| named(data, load.log(), &r))));
    let failed = data.entries().filter(|(_, entry)| entry.failure().is_some()).count();
    if failed > 0 {
        remarks.push(format!(
            "{} failed and {} not count.",
            plural(failed, "request"),
            if failed == 1 { "does" } else { "do" }
        ));
    }
    remarks
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

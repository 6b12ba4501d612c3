//! Why pairs at several lengths may be believed: the same figures and doubts as under a verdict, over all lengths.
//!
//! Times at two lengths cannot be compared, so noise and outliers are those of each length, and drift is that of a time
//! against the median of its own length.

use std::collections::BTreeMap;

use super::trust::{self, Proof, Spent, Trust};
use super::{Caveat, Grade, doubt};
use crate::pairs::{Control, Pair, Pairs, came_from_cache};
use crate::plan::Role;
use crate::sample::Sample;
use crate::stats::robust;

/// The trust in a sweep of pairs.
#[derive(Debug, Clone, PartialEq)]
pub struct OverLengths {
    /// The A/A control; `None` when it was not run to its end.
    pub control: Option<Control>,
    pub trust: Trust,
    pub caveats: Vec<Caveat>,
    pub grade: Grade,
    /// What this sweep cannot say.
    pub not_identified: Vec<&'static str>,
}

impl OverLengths {
    /// Of one or more sessions, each with its samples in the order they were sent. `pays` says whether any length is
    /// proved to be quicker on a hit. `None` without a session.
    pub fn of(sessions: &[Vec<Sample>], pays: bool) -> Option<OverLengths> {
        let mut all = sessions.iter().map(|samples| Pairs::of(samples));
        let mut pairs = all.next()?;
        all.for_each(|more| pairs.absorb(more));
        let lengths = by_length(&pairs.measured);
        let samples: Vec<Sample> = sessions.concat();
        let mut trust = over(&lengths, &sessions[0]);
        trust.spent = sessions.iter().map(|samples| Spent::of(samples)).fold(Spent::default(), Spent::and);
        let control = pairs.control();
        let mut caveats: Vec<Caveat> = doubt::of_cold(&pairs).into_iter().collect();
        caveats.extend(doubt::of_control(control.as_ref()));
        let failed = pairs.failed.len();
        caveats.extend((failed > 0).then_some(Caveat::Failed { requests: failed }));
        caveats.extend(match trust.hits {
            None => Some(Caveat::NotCounted),
            Some(0) => pays.then_some(Caveat::SavedButNotCounted),
            Some(hits) if hits < trust.replays => Some(Caveat::HitsMissed { hits, replays: trust.replays }),
            Some(_) => None,
        });
        caveats.extend(doubt::of_counters(&samples));
        caveats.extend(has_little_room(&samples).then_some(Caveat::LittleRoom));
        caveats.extend(doubt::of_noise(&trust));
        caveats.extend(doubt::buffered(&samples));
        let open = trust::not_identified(&samples);
        let not_identified = open.into_iter().filter(|what| !what.contains("context lengths")).collect();
        Some(OverLengths { control, trust, grade: Grade::of(&caveats), caveats, not_identified })
    }

    /// Why nothing can be said, whatever the times; `None` where something can.
    pub fn void(&self) -> Option<&'static str> {
        self.caveats.iter().find(|caveat| caveat.is_void()).map(Caveat::reason)
    }
}

/// The pairs of each length, in the order they were measured.
fn by_length<'a>(pairs: &[Pair<'a>]) -> BTreeMap<u64, Vec<Pair<'a>>> {
    let mut lengths: BTreeMap<u64, Vec<Pair>> = BTreeMap::new();
    for pair in pairs {
        lengths.entry(pair.cold.place.asked_tokens.unwrap_or(0)).or_default().push(*pair);
    }
    lengths
}

/// The figures over all lengths; what belongs to no length is the session's.
fn over(lengths: &BTreeMap<u64, Vec<Pair>>, session: &[Sample]) -> Trust {
    let whole = Trust::of(session, &[]);
    let each: Vec<Trust> = lengths.values().map(|pairs| Trust::of(session, pairs)).collect();
    let middle = |of: fn(&Trust) -> Option<f64>| robust::median(&each.iter().filter_map(of).collect::<Vec<_>>());
    let best = |of: fn(&Trust) -> Proof| each.iter().map(of).min_by_key(|proof| rank(*proof));
    let replays = each.iter().map(|trust| trust.replays).sum();
    let all = lengths.values().flatten();
    let hits = all.filter(|pair| came_from_cache(pair.other) == Some(true)).count();
    Trust {
        sigma: middle(|trust| trust.sigma),
        outlier_share: middle(|trust| trust.outlier_share),
        drift_per_minute: trust::drift(lengths.values().map(Vec::as_slice)),
        cold_proof: best(|trust| trust.cold_proof).unwrap_or(whole.cold_proof),
        hit_proof: best(|trust| trust.hit_proof).unwrap_or(whole.hit_proof),
        hits: whole.hits.map(|_| hits),
        replays,
        replicas: whole.hits.and_then(|_| trust::replicas(hits, replays)),
        ..whole
    }
}

/// The most trusted first.
fn rank(proof: Proof) -> usize {
    match proof {
        Proof::CachedTokens => 0,
        Proof::Counters => 1,
        Proof::Timing => 2,
        Proof::None => 3,
    }
}

/// Whether some length had a prime for each of its replays, as the machine does where a chain does not fit.
fn has_little_room(samples: &[Sample]) -> bool {
    let is_own_prime = |two: &[Sample]| {
        let is_in_visit = two[1].role == Role::Measure && two[0].role == Role::Prime;
        is_in_visit && two[0].place.document == two[1].place.document
    };
    let mut primed: BTreeMap<Option<u64>, usize> = BTreeMap::new();
    for two in samples.windows(2).filter(|two| is_own_prime(two)) {
        *primed.entry(two[1].place.asked_tokens).or_default() += 1;
    }
    // A chain of five has one prime, and half of the chains begin with its replay.
    let pairs = by_length(&Pairs::of(samples).measured);
    primed.into_iter().any(|(asked, primed)| {
        let measured = pairs.get(&asked.unwrap_or(0)).map_or(0, Vec::len);
        measured >= 4 && 2 * primed > measured
    })
}

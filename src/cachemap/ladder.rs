//! Lifetime: documents for every rung of a ladder of idle times, stored at once and each looked for once, since a use may
//! start the time anew. All rungs share one wait, that of the longest.
//!
//! A pair for each rung is left alone. A third document is used once in the middle of its rung's time: where the pair is
//! gone and the third is there, a use starts the time anew; where all are gone, the time counts from the storing.
//!
//! A map that is stopped on the ladder and goes on does not know how long it was away. What still stood on the ladder is
//! then stored again, and the rungs that were climbed stay climbed.

use super::Piece;
use super::found::Property;
use super::lab::{Lab, Stop};
use crate::clock::Nanos;
use crate::plan::map::Stage;

const FIRST_RUNG_NS: f64 = 5e9;
const RATIO: f64 = 1.25;
const DOCUMENTS: u64 = 3;

pub(super) async fn climb(lab: &mut Lab) -> Result<(), Stop> {
    let Some(longest) = lab.design.ttl_ns else {
        lab.note(|map| map.give_up("ttl_seconds", "not looked for; --ttl says up to how long"));
        return Ok(());
    };
    if !lab.levels.is_separable() {
        lab.note(|map| map.give_up("ttl_seconds", "one request does not tell a hit from a miss"));
        return Ok(());
    }
    let rungs: Vec<Nanos> = std::iter::successors(Some(FIRST_RUNG_NS), |rung| Some(rung * RATIO))
        .take_while(|rung| *rung <= longest as f64)
        .map(|rung| rung as Nanos)
        .collect();
    let capacity = lab.known(|map| map.capacity_tokens.value.or(map.capacity_tokens.interval.map(|i| i.0 as u64)));
    if capacity.is_some_and(|capacity| 4 * DOCUMENTS * rungs.len() as u64 * lab.levels.tokens > 3 * capacity) {
        lab.note(|map| map.give_up("ttl_seconds", "the cache is too small to tell its lifetime from its eviction"));
        return Ok(());
    }
    let mut kept: Nanos = 0;
    let mut left = rungs.as_slice();
    while !left.is_empty() {
        let mut ladder = Ladder::store(lab, left).await?;
        for nth in 0..ladder.rungs.len() {
            let Some(climbed) = ladder.climb(lab, nth).await? else { break };
            if !climbed.is_there {
                note(lab, kept, &climbed);
                return Ok(());
            }
            kept = climbed.idle;
            left = &left[1..];
        }
    }
    let seconds = kept as f64 / 1e9;
    lab.note(|map| {
        map.ttl_seconds = Property::bound(seconds, None, format!("still found after {seconds:.0} s idle"));
        map.give_up("ttl_seconds", format!("longer than the {seconds:.0} s that were waited"));
    });
    Ok(())
}

fn note(lab: &Lab, kept: Nanos, climbed: &Climbed) {
    let seconds = |ns: Nanos| ns as f64 / 1e9;
    let manner = match climbed.is_used_there {
        true => "a use in between starts the time anew",
        false => "a use in between does not start it anew",
    };
    let (low, high) = (seconds(kept), seconds(climbed.idle));
    let evidence = format!("still found after {low:.0} s idle, gone after {high:.0} s; {manner}");
    let found = Property::found(f64::midpoint(low, high), evidence, lab.levels.confidence());
    lab.note(|map| map.ttl_seconds = found.within(low, high));
}

/// The rungs that one process stored.
struct Ladder {
    rungs: Vec<Rung>,
    /// Rungs whose third document was used.
    uses: usize,
    process: usize,
}

#[derive(Clone, Copy)]
struct Rung {
    idle: Nanos,
    pair: [Piece; 2],
    used: Piece,
    since: Nanos,
}

impl Rung {
    fn middle(&self) -> Nanos {
        self.since + self.idle / 2
    }
}

/// What a rung showed.
struct Climbed {
    is_there: bool,
    is_used_there: bool,
    idle: Nanos,
}

impl Ladder {
    async fn store(lab: &mut Lab, idle: &[Nanos]) -> Result<Ladder, Stop> {
        let process = lab.process;
        let mut rungs = Vec::with_capacity(idle.len());
        for &idle in idle {
            let [one, other, used] = std::array::from_fn(|_| lab.new_piece(lab.levels.words));
            for piece in [one, other, used] {
                lab.store(Stage::Ttl, vec![piece]).await?;
            }
            rungs.push(Rung { idle, pair: [one, other], used, since: lab.now_ns });
        }
        Ok(Ladder { rungs, uses: 0, process })
    }

    /// Waits for a rung and looks; on the way the documents that are to be used are used. `None` when another process
    /// came to it.
    async fn climb(&mut self, lab: &mut Lab, nth: usize) -> Result<Option<Climbed>, Stop> {
        let Rung { idle, pair, used, since } = self.rungs[nth];
        while let Some(other) = self.rungs.get(self.uses).filter(|other| other.middle() < since + idle) {
            let (middle, document) = (other.middle(), other.used);
            lab.wait(middle.saturating_sub(lab.now_ns)).await;
            lab.measure(Stage::Ttl, vec![document]).await?;
            self.uses += 1;
            if lab.process != self.process {
                return Ok(None);
            }
        }
        lab.wait((since + idle).saturating_sub(lab.now_ns)).await;
        let (mut is_there, mut last) = (false, 0);
        for piece in pair {
            let seen = lab.measure(Stage::Ttl, vec![piece]).await?;
            if lab.process != self.process {
                return Ok(None);
            }
            is_there |= lab.levels.is_hit(&seen);
            last = seen.sent_ns;
        }
        let is_used_there = !is_there && {
            let seen = lab.measure(Stage::Ttl, vec![used]).await?;
            lab.levels.is_hit(&seen)
        };
        Ok(Some(Climbed { is_there, is_used_there, idle: last.saturating_sub(since) }))
    }
}

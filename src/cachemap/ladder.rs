//! Lifetime: two documents for every rung of a ladder of idle times, stored at once and each looked for once, since a use
//! may start the time anew. All rungs share one wait, that of the longest.

use super::found::Property;
use super::lab::{Lab, Stop};
use crate::clock::Nanos;
use crate::plan::map::Stage;

const FIRST_RUNG_NS: f64 = 5e9;
const RATIO: f64 = 1.25;

pub(super) async fn climb(lab: &mut Lab) -> Result<(), Stop> {
    let Some(longest) = lab.design.ttl_ns else {
        lab.note(|map| map.give_up("ttl_seconds", "not looked for; --ttl says up to how long"));
        return Ok(());
    };
    if !lab.levels.is_separable() {
        lab.note(|map| map.give_up("ttl_seconds", "one request does not tell a hit from a miss"));
        return Ok(());
    }
    let mut rungs = Vec::new();
    let mut rung = FIRST_RUNG_NS;
    while rung <= longest as f64 {
        rungs.push(rung as Nanos);
        rung *= RATIO;
    }
    let capacity = lab.known(|map| map.capacity_tokens.value.or(map.capacity_tokens.interval.map(|i| i.0 as u64)));
    if capacity.is_some_and(|capacity| 4 * 2 * rungs.len() as u64 * lab.levels.tokens > 3 * capacity) {
        lab.note(|map| map.give_up("ttl_seconds", "the cache is too small to tell its lifetime from its eviction"));
        return Ok(());
    }
    let mut stored = Vec::new();
    let mut now = 0;
    for _ in &rungs {
        let pair = [lab.new_piece(lab.levels.words), lab.new_piece(lab.levels.words)];
        for piece in pair {
            now = lab.store(Stage::Ttl, vec![piece]).await?.end_ns;
        }
        stored.push((pair, now));
    }
    let mut kept: Nanos = 0;
    for (rung, (pair, since)) in rungs.iter().zip(stored) {
        lab.wait((since + rung).saturating_sub(now)).await;
        let mut is_there = false;
        let mut idle = 0;
        for piece in pair {
            let seen = lab.measure(Stage::Ttl, vec![piece]).await?;
            is_there |= lab.levels.is_hit(&seen);
            idle = seen.sent_ns.saturating_sub(since);
            now = seen.end_ns;
        }
        if !is_there {
            let seconds = |ns: Nanos| ns as f64 / 1e9;
            let evidence = format!("still found after {:.0} s idle, gone after {:.0} s", seconds(kept), seconds(idle));
            let middle = seconds(u64::midpoint(kept, idle));
            let found = Property::found(middle, evidence, lab.levels.confidence());
            lab.note(|map| map.ttl_seconds = found.within(seconds(kept), seconds(idle)));
            return Ok(());
        }
        kept = idle;
    }
    let seconds = kept as f64 / 1e9;
    lab.note(|map| {
        map.ttl_seconds = Property::bound(seconds, None, format!("still found after {seconds:.0} s idle"));
        map.give_up("ttl_seconds", format!("longer than the {seconds:.0} s that were waited"));
    });
    Ok(())
}

//! Two paces: what others store while the map waits takes room too.
//!
//! The cache in thought says in which order documents leave, and after how many stored tokens each has left. After a pause
//! in which the map stores nothing, nothing should have left. The first document that is still there bounds from above what
//! others stored, the last that is gone bounds it from below. At that rate they also stored during the fill, so the
//! capacity that was found is what they left of it.
//!
//! A cache with a lifetime loses documents in a pause as well, but then the newest too.

use std::collections::HashSet;

use super::Fill;
use crate::cachemap::found::Confidence;
use crate::cachemap::lab::{Lab, Stop};
use crate::cachemap::policy::{Explained, Policy};
use crate::clock::Nanos;

/// The pause is as long as the fill was, within these.
const SHORTEST_NS: Nanos = 500_000_000;
const LONGEST_NS: Nanos = 60_000_000_000;
const MOST_LOOKS: usize = 24;
/// Misses that are believed, where an answer may be late.
const BELIEVED: usize = 2;
/// Others' tokens are worth a word from this share of the capacity on, during the whole fill.
const MATTERS: f64 = 0.01;

impl Fill {
    pub async fn compare_paces(&mut self, lab: &mut Lab, explained: Explained) -> Result<(), Stop> {
        if explained.kind.policy == Policy::NoAdmit || !lab.known(|map| map.policy.is_known()) {
            return Ok(());
        }
        let filled = lab.now_ns - self.began_ns;
        let last = self.documents.store(lab).await?;
        lab.settle().await;
        let pause = filled.clamp(SHORTEST_NS, LONGEST_NS);
        let process = lab.process;
        lab.wait(pause).await;
        let Some((gone, left)) = self.foreign_tokens(lab, &explained).await? else { return Ok(()) };
        let is_newest_there = self.documents.hits(lab, last).await? || self.documents.hits(lab, last).await?;
        if lab.process != process {
            // Nobody knows how long the pause was.
            return Ok(());
        }
        let paused = pause as f64;
        if gone == 0 {
            // Only what is too slow to matter can have been missed.
            let rate = left as f64 / paused * 1e9;
            let said =
                format!("; a pause of {:.1} s moved nothing: others store below {rate:.0} tokens/s", paused / 1e9);
            lab.note(|map| map.capacity_tokens.evidence.push_str(&said));
            return Ok(());
        }
        let rate = u64::midpoint(gone, left) as f64 / paused;
        let during = rate * filled as f64;
        if during < MATTERS * explained.capacity as f64 {
            return Ok(());
        }
        lab.note(|map| {
            let said = if is_newest_there {
                map.foreign_tokens_per_s = Some(rate * 1e9);
                format!(
                    "others stored {gone} to {left} tokens in a pause of {:.1} s, so this is what they left: alone it would be about {:.0}",
                    paused / 1e9,
                    explained.capacity as f64 + during
                )
            } else {
                format!("all of it was gone after a pause of {:.1} s: it is kept for a time only", paused / 1e9)
            };
            let found = &mut map.capacity_tokens;
            found.evidence = format!("{said}; {}", found.evidence);
            found.confidence = Some(Confidence::C);
            // The fill may have met less of them than the pause, and the pause less than the fill.
            found.interval = found.interval.map(|(low, high)| (low, high.map(|high| high + 2.0 * during)));
        });
        Ok(())
    }

    /// Tokens that others stored since the last request, at least and at most; `None` where nobody can say.
    async fn foreign_tokens(&mut self, lab: &mut Lab, explained: &Explained) -> Result<Option<(u64, u64)>, Stop> {
        let accesses = self.documents.accesses(lab);
        let cache = self.case(lab, &accesses).after(explained.kind, explained.low);
        let usual = self.documents.usual();
        // What may have left already, at the largest capacity, tells nothing.
        let unsure = explained.high - explained.low + usual;
        let mut known = HashSet::new();
        // A document in several places has left when the first of them has.
        let first = cache.leaving().filter(|(number, _)| known.insert(*number));
        let order: Vec<(usize, u64)> = first
            .filter(|(_, leaves_after)| *leaves_after >= unsure + usual)
            .filter_map(|(number, leaves_after)| Some((self.documents.numbered(number)?, leaves_after)))
            .collect();
        let (mut gone, mut stored_again) = (0, 0);
        let (mut nth, mut step, mut looks, mut missed) = (0, 1, 0, 0);
        while let Some(&(document, leaves_after)) = order.get(nth).filter(|_| looks < MOST_LOOKS) {
            looks += 1;
            let before = gone;
            if self.take(lab, document).await? {
                return Ok(Some((before, leaves_after.saturating_sub(stored_again))));
            }
            stored_again += self.documents.held[document];
            missed += 1;
            if missed < BELIEVED {
                nth += 1;
                continue;
            }
            (missed, step) = (0, 2 * step);
            gone = leaves_after.saturating_sub(stored_again).max(gone).max(1);
            nth += step;
        }
        let all = order.last().map(|(_, leaves_after)| *leaves_after);
        Ok(all.filter(|_| gone > 0).map(|all| (gone, all)))
    }
}

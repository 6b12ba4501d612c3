//! The fill itself: its head, its growth until the cache overflows, and the halving of the border.

use super::Fill;
use crate::cachemap::found::Property;
use crate::cachemap::lab::{Lab, Stop};

/// Triples at the head.
pub(super) const TRIPLES: usize = 4;
/// Uses of what is used often, beside its storing.
const USES: usize = 2;
const FIRST_DOCUMENTS: usize = 16;
/// The most documents of a fill.
const MOST_DOCUMENTS: usize = 20_000;
/// The bracket's width, in documents and as a share of its upper end, from which the replay of the log goes on.
const BRACKET_DOCUMENTS: u64 = 3;
const BRACKET_SHARE: f64 = 0.02;
/// Documents that have to miss one after the other, of which some are only late where the clock tells.
const MISSES_COUNTED: usize = 2;
const MISSES_TIMED: usize = 3;

/// How the growth ended.
pub(super) enum Growth {
    Overflow,
    NoAdmission {
        low: u64,
        high: u64,
    },
    /// No more than a few documents fit.
    Few {
        low: u64,
        high: u64,
    },
    Enough {
        low: u64,
    },
}

impl Fill {
    pub async fn head(&mut self, lab: &mut Lab) -> Result<(), Stop> {
        for _ in 0..TRIPLES {
            let [h, r, n] =
                [self.documents.store(lab).await?, self.documents.store(lab).await?, self.documents.store(lab).await?];
            self.often.push(h);
            self.again.push(r);
            self.never.push(n);
        }
        lab.settle().await;
        for _ in 0..USES {
            let often = self.often.clone();
            self.documents.hits_of(lab, &often).await?;
        }
        Ok(())
    }

    pub async fn grow(&mut self, lab: &mut Lab) -> Result<Growth, Stop> {
        let mut target = FIRST_DOCUMENTS;
        let mut filled = 0;
        let mut stored = self.documents.total();
        loop {
            while filled < target {
                let document = self.documents.store(lab).await?;
                self.untouched.push(document);
                filled += 1;
            }
            lab.settle().await;
            let again = self.again.clone();
            self.again_hits = self.documents.hits_of(lab, &again).await?;
            let Some(missing) = self.newest_missing(lab).await? else {
                let first = self.never.clone();
                if 2 * self.documents.hits_of(lab, &first).await? < TRIPLES {
                    return self.few(lab).await;
                }
                // What was sent before the fill stays as well.
                let all = self.documents.accesses(lab);
                let all: u64 = all.iter().filter(|access| access.is_new).map(|access| access.held).sum();
                let low = self.documents.template + stored;
                return Ok(Growth::NoAdmission { low, high: self.documents.template + all });
            };
            // By the clock a document of which a part was stored looks stored.
            let beside = if lab.levels.exact { 0 } else { self.documents.usual() };
            stored = self.documents.total() - missing - beside;
            if self.oldest_has_left(lab).await? {
                return Ok(Growth::Overflow);
            }
            let low = self.low + self.documents.usual();
            lab.note(|map| map.capacity_tokens = Property::bound(low as f64, None, "the fill, as far as it went"));
            if stored >= lab.design.most_fill_tokens || filled >= MOST_DOCUMENTS {
                return Ok(Growth::Enough { low });
            }
            target += (2 * target).div_ceil(5);
        }
    }

    /// The newest tokens that were not stored; `None` when so many documents were not that nothing is admitted any more.
    async fn newest_missing(&mut self, lab: &mut Lab) -> Result<Option<u64>, Stop> {
        let mut missing = 0;
        for _ in 0..misses(lab) {
            let Some(newest) = self.untouched.pop() else { break };
            if self.documents.hits(lab, newest).await? {
                return Ok(Some(missing));
            }
            missing += 2 * self.documents.usual();
        }
        Ok(None)
    }

    /// After how many others a document is still there, where what came first has left and what came last as well.
    async fn few(&mut self, lab: &mut Lab) -> Result<Growth, Stop> {
        let mut kept = 0;
        for others in 0..FIRST_DOCUMENTS {
            let mut hits = 0;
            for _ in 0..2 {
                let document = self.documents.store(lab).await?;
                for _ in 0..others {
                    self.documents.store(lab).await?;
                }
                lab.settle().await;
                hits += usize::from(self.documents.hits(lab, document).await?);
            }
            if hits == 0 {
                break;
            }
            kept = others as u64 + 1;
        }
        let (template, usual) = (self.documents.template, self.documents.usual());
        Ok(Growth::Few { low: template + kept * usual, high: template + (kept + 1) * usual })
    }

    /// Whether the oldest untouched documents have left.
    async fn oldest_has_left(&mut self, lab: &mut Lab) -> Result<bool, Stop> {
        for _ in 0..misses(lab) {
            if self.untouched.is_empty() {
                return Ok(false);
            }
            let oldest = self.untouched.remove(0);
            let distance = self.documents.distance(oldest);
            if self.documents.hits(lab, oldest).await? {
                self.low = self.low.max(distance);
                return Ok(false);
            }
            self.high = distance;
        }
        Ok(true)
    }

    /// Halves the bracket until it is a few documents wide, or precise enough.
    pub async fn bracket(&mut self, lab: &mut Lab) -> Result<(), Stop> {
        let usual = self.documents.usual();
        while self.high.saturating_sub(self.low)
            > (BRACKET_DOCUMENTS * usual).max((BRACKET_SHARE * self.high as f64) as u64)
        {
            let middle = u64::midpoint(self.low, self.high);
            let Some((distance, document)) = self.nearest(middle, |d| self.low < d && d < self.high) else { break };
            if self.take(lab, document).await? {
                self.low = distance;
                continue;
            }
            let beside = self.nearest(distance, |d| d >= self.low && d.abs_diff(distance) <= 2 * usual);
            if let Some((other, neighbour)) = beside
                && self.take(lab, neighbour).await?
            {
                self.low = self.low.max(other);
                continue;
            }
            self.high = distance;
        }
        Ok(())
    }

    fn nearest(&self, to: u64, is_wanted: impl Fn(u64) -> bool) -> Option<(u64, usize)> {
        let untouched: std::collections::HashSet<usize> = self.untouched.iter().copied().collect();
        let all = self.documents.by_distance();
        let wanted = all.into_iter().filter(|(distance, d)| is_wanted(*distance) && untouched.contains(d));
        wanted.min_by_key(|(distance, _)| distance.abs_diff(to))
    }

    pub async fn take(&mut self, lab: &mut Lab, document: usize) -> Result<bool, Stop> {
        self.untouched.retain(|&other| other != document);
        self.documents.hits(lab, document).await
    }
}

fn misses(lab: &Lab) -> usize {
    if lab.levels.exact { MISSES_COUNTED } else { MISSES_TIMED }
}

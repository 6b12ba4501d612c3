//! Capacity and policy in one fill.
//!
//! ```text
//! head      triples H, R, N; every H is used three times more
//! growth    new documents up to half as many again; every R is used; the newest and the oldest untouched one are looked
//!           for, until two of the oldest have left
//! bracket   the untouched document nearest to the middle of the bracket; a miss counts when a neighbour confirms it
//! litmus    are H, N and the newest there?        LRU: R, X   FIFO: X   frequency: H, R, X   no admission: H, R, N
//! boundary  where answers count: older and older documents, to the one of which a part is left
//! ```
//! The reuse distance of a document is what was sent since its last use, every other document once (Mattson 1970): under
//! LRU a document is found if, and only if, the distance and the document together fit into the cache. All of it comes
//! from the log of what was sent, what the looking itself moved included.

use super::found::{Confidence, Point, Property};
use super::lab::{Lab, Look, Seen, Sent, Stop};
use super::policy::{self, Access, Explained, Policy};
use super::{Piece, Probe};
use crate::plan::map::Stage;
use crate::plan::{Arm, Role};

/// Triples at the head.
const TRIPLES: usize = 5;
const FIRST_DOCUMENTS: usize = 8;
/// The most documents of a fill.
const MOST_DOCUMENTS: usize = 20_000;
const LIKELY_BLOCK: u64 = 256;
/// Tokens of a prompt beyond its last whole block.
const AFTER_BLOCK: u64 = 8;
/// The bracket's width that is good enough, as a share of its upper end.
const PRECISE: f64 = 0.01;

/// What was sent, and what of it was found.
#[derive(Debug, Default)]
pub(super) struct Documents {
    pieces: Vec<Piece>,
    /// Tokens that the cache holds of each, beside the template.
    held: Vec<u64>,
    /// When each was sent last, counted in what was sent in all.
    last: Vec<usize>,
    /// Tokens of the chat template that the cache holds once.
    template: u64,
    /// What a cache holds of a prompt is a multiple of it.
    block: u64,
}

impl Documents {
    /// Sends a document that nobody has seen.
    async fn store(&mut self, lab: &mut Lab) -> Result<usize, Stop> {
        self.store_of(lab, lab.levels.words).await
    }

    async fn store_of(&mut self, lab: &mut Lab, words: u64) -> Result<usize, Stop> {
        let piece = lab.new_piece(words);
        let seen = lab.store(Stage::Fill, vec![piece]).await?;
        self.pieces.push(piece);
        self.held.push(self.held(seen.tokens));
        self.last.push(lab.sent.len());
        Ok(self.pieces.len() - 1)
    }

    /// What a cache holds of a prompt of so many tokens, beside the template.
    fn held(&self, tokens: u64) -> u64 {
        (tokens / self.block * self.block).saturating_sub(self.template)
    }

    /// All that was sent, as a cache sees it.
    fn accesses(&self, lab: &Lab) -> Vec<Access> {
        let access = |sent: &Sent| Access {
            document: sent.document as usize,
            held: self.held(sent.tokens),
            found: sent.look.and_then(|look| look.cached).map(|cached| cached.saturating_sub(self.template)),
            is_hit: sent.look.is_some_and(|look| look.is_hit),
            is_new: sent.is_new,
            is_look: sent.look.is_some(),
        };
        lab.sent.iter().map(access).collect()
    }

    /// Looks for one that was sent.
    pub async fn look(&mut self, lab: &mut Lab, stage: Stage, document: usize) -> Result<Seen, Stop> {
        let distance = self.distance(document);
        let probe = lab.probe(stage, Arm::Hit, Role::Measure, vec![self.pieces[document]]);
        let seen = lab.send(Probe { reuse_tokens: Some(distance), ..probe }).await?;
        let is_hit = lab.levels.is_hit(&seen);
        let look = Look { cached: seen.cached.filter(|_| lab.levels.exact), is_hit };
        if let Some(sent) = lab.sent.last_mut() {
            sent.look = Some(look);
        }
        self.last[document] = lab.sent.len();
        let point = Point { reuse_tokens: distance, ttft_ns: seen.ttft, is_hit };
        lab.note(|map| map.points.push(point));
        Ok(seen)
    }

    async fn hits(&mut self, lab: &mut Lab, document: usize) -> Result<bool, Stop> {
        let seen = self.look(lab, Stage::Fill, document).await?;
        Ok(lab.levels.is_hit(&seen))
    }

    async fn hits_of(&mut self, lab: &mut Lab, documents: &[usize]) -> Result<usize, Stop> {
        let mut hits = 0;
        for &document in documents {
            hits += usize::from(self.hits(lab, document).await?);
        }
        Ok(hits)
    }

    /// Tokens of other documents since this one was sent.
    pub fn distance(&self, document: usize) -> u64 {
        let since = self.last[document];
        self.last.iter().zip(&self.held).filter(|(last, _)| **last > since).map(|(_, held)| *held).sum()
    }

    /// All documents with their distances, the nearest first.
    pub fn by_distance(&self) -> Vec<(u64, usize)> {
        let mut order: Vec<usize> = (0..self.pieces.len()).collect();
        order.sort_unstable_by_key(|&document| std::cmp::Reverse(self.last[document]));
        let mut distance = 0;
        let add = |document: usize| {
            let at = distance;
            distance += self.held[document];
            (at, document)
        };
        order.into_iter().map(add).collect()
    }

    /// Tokens of a document, the typical one.
    pub fn usual(&self) -> u64 {
        self.held.first().copied().unwrap_or(1).max(1)
    }

    pub fn total(&self) -> u64 {
        self.held.iter().sum()
    }
}

/// A fill that came to its end.
#[derive(Debug)]
pub(super) struct Filled {
    pub documents: Documents,
}

pub(super) async fn fill(lab: &mut Lab) -> Result<Option<Filled>, Stop> {
    if !lab.levels.is_separable() {
        let why = refusal(lab);
        for property in ["capacity_tokens", "tiers", "policy"] {
            lab.note(|map| map.give_up(property, why.clone()));
        }
        return Ok(None);
    }
    // Where the block is not known, it is thought to be a part of this, as most are.
    let block = lab.known(|map| map.block_size.value).unwrap_or(LIKELY_BLOCK);
    let template = lab.levels.template_tokens / block * block;
    // A prompt that ends soon after a block's end fills as many blocks whatever its answer adds.
    let tokens = lab.levels.words + lab.levels.frame_tokens;
    let beyond = AFTER_BLOCK.min(block / 2);
    let wanted = (tokens + block / 2) / block * block + beyond;
    let wanted = if wanted > lab.levels.frame_tokens + block / 2 { wanted } else { wanted + block };
    lab.levels.words = wanted - lab.levels.frame_tokens;
    let mut fill = Fill { documents: Documents { template, block, ..Documents::default() }, ..Fill::default() };
    fill.head(lab).await?;
    match fill.grow(lab).await? {
        Growth::Overflow => {
            fill.bracket(lab).await?;
            fill.judge(lab).await?;
        }
        Growth::NoAdmission { low, high } => {
            let evidence = "what came first stays, what came last was not stored".to_owned();
            let confidence = lab.levels.confidence();
            lab.note(|map| {
                map.policy = Property::found(Policy::NoAdmit, evidence.clone(), confidence);
                map.capacity_tokens = Property::bound(low as f64, Some(high as f64), evidence);
                map.give_up("capacity_tokens", "a cache that admits nothing when full shows bounds only");
            });
        }
        Growth::Enough { low } => {
            let why = format!("the fill ended at {low} tokens with everything still there");
            lab.note(|map| {
                map.capacity_tokens = Property::bound(low as f64, None, why.clone());
                map.give_up("capacity_tokens", why.clone());
                map.give_up("policy", "nothing had to leave");
            });
        }
    }
    Ok(Some(Filled { documents: fill.documents }))
}

fn refusal(lab: &Lab) -> String {
    let levels = &lab.levels;
    let separability = levels.separability();
    if levels.is_refuted {
        return "hits and misses were mixed up where that could be checked; longer documents would do".to_owned();
    }
    let would_do = levels.words as f64 * (super::opening::SEPARABLE / separability.max(0.1)).powi(2);
    format!(
        "at {} words a hit lies {separability:.1} standard deviations below a new document, and 6 are needed: \
         documents of about {:.0} words, or a quieter server, would do",
        levels.words,
        would_do.min(1e9)
    )
}

enum Growth {
    Overflow,
    NoAdmission { low: u64, high: u64 },
    Enough { low: u64 },
}

#[derive(Debug, Default)]
struct Fill {
    documents: Documents,
    often: Vec<usize>,
    again: Vec<usize>,
    never: Vec<usize>,
    /// The fill beneath the head that was sent once only, the oldest first.
    untouched: Vec<usize>,
    /// The largest distance that hit and the smallest that missed.
    low: u64,
    high: u64,
    again_hits: usize,
}

impl Fill {
    async fn head(&mut self, lab: &mut Lab) -> Result<(), Stop> {
        for _ in 0..TRIPLES {
            let [h, r, n] =
                [self.documents.store(lab).await?, self.documents.store(lab).await?, self.documents.store(lab).await?];
            self.often.push(h);
            self.again.push(r);
            self.never.push(n);
        }
        lab.settle().await;
        for _ in 0..3 {
            let often = self.often.clone();
            self.documents.hits_of(lab, &often).await?;
        }
        Ok(())
    }

    async fn grow(&mut self, lab: &mut Lab) -> Result<Growth, Stop> {
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
                // What was sent before the fill stays as well.
                let all = self.documents.accesses(lab);
                let all: u64 = all.iter().filter(|access| access.is_new).map(|access| access.held).sum();
                let low = self.documents.template + stored;
                return Ok(Growth::NoAdmission { low, high: self.documents.template + all });
            };
            stored = self.documents.total() - missing;
            if self.oldest_has_left(lab).await? {
                return Ok(Growth::Overflow);
            }
            let low = self.low + self.documents.usual();
            lab.note(|map| map.capacity_tokens = Property::bound(low as f64, None, "the fill, as far as it went"));
            if stored >= lab.design.most_fill_tokens || filled >= MOST_DOCUMENTS {
                return Ok(Growth::Enough { low });
            }
            target += target.div_ceil(2);
        }
    }

    /// The newest tokens that were not stored; two documents that were not are needed to give up.
    async fn newest_missing(&mut self, lab: &mut Lab) -> Result<Option<u64>, Stop> {
        let mut missing = 0;
        for _ in 0..2 {
            let Some(newest) = self.untouched.pop() else { break };
            if self.documents.hits(lab, newest).await? {
                return Ok(Some(missing));
            }
            missing += 2 * self.documents.usual();
        }
        Ok(None)
    }

    /// Whether the oldest untouched documents have left; two are needed to say so.
    async fn oldest_has_left(&mut self, lab: &mut Lab) -> Result<bool, Stop> {
        for _ in 0..2 {
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

    /// Halves the bracket until it is a document wide, or precise enough.
    async fn bracket(&mut self, lab: &mut Lab) -> Result<(), Stop> {
        let usual = self.documents.usual();
        while self.high.saturating_sub(self.low) > usual.max((PRECISE * self.high as f64) as u64) {
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

    async fn take(&mut self, lab: &mut Lab, document: usize) -> Result<bool, Stop> {
        self.untouched.retain(|&other| other != document);
        self.documents.hits(lab, document).await
    }

    /// The litmus documents, the replay, and the verdict.
    async fn judge(&mut self, lab: &mut Lab) -> Result<(), Stop> {
        let newest = self.untouched.split_off(self.untouched.len().saturating_sub(TRIPLES));
        let (often, never) = (self.often.clone(), self.never.clone());
        let there = [
            self.documents.hits_of(lab, &newest).await?,
            self.documents.hits_of(lab, &often).await?,
            self.documents.hits_of(lab, &never).await?,
        ];
        let usual = self.documents.usual();
        let guess = u64::midpoint(self.low, self.high) + usual;
        let Some(explained) = policy::explain(&self.documents.accesses(lab), guess, usual) else { return Ok(()) };
        let litmus = format!(
            "still there of {TRIPLES}: often used {}, used again {}, used once {}, newest {}",
            there[1], self.again_hits, there[2], there[0]
        );
        let is_explained = explained.share >= 0.9;
        let is_sure = is_explained && explained.margin >= policy::CLAIMED;
        if is_sure {
            let evidence = format!("{litmus}; ahead of the next by {:.0} in log likelihood", explained.margin);
            let confidence = lab.levels.confidence();
            lab.note(|map| map.policy = Property::found(explained.policy, evidence, confidence));
        } else {
            let why = format!("no policy explains what hit ({:.0} % at best); {litmus}", 100.0 * explained.share);
            lab.note(|map| map.give_up("policy", why));
        }
        let whole = self.documents.template as f64;
        let looks = lab.sent.iter().filter(|sent| sent.look.is_some()).count();
        let evidence = format!("{looks} looks at one fill, replayed through model caches");
        if !is_explained {
            let low = usual as f64;
            lab.note(|map| {
                map.capacity_tokens = Property::bound(low, Some(whole + self.documents.total() as f64), evidence);
                map.give_up("capacity_tokens", "what hit does not depend on the reuse distance alone");
            });
            return Ok(());
        }
        let confidence = if is_sure { Confidence::B } else { Confidence::C };
        // A document of which only the head is left looks like a hit too, where the tail leaves first.
        let lost = (1.0 - lab.levels.least_hit()) * usual as f64;
        let value = (whole + explained.capacity - lost).round().max(0.0) as u64;
        let (low, high) = ((whole + explained.low - lost).max(0.0), whole + explained.high);
        lab.note(|map| map.capacity_tokens = Property::found(value, evidence, confidence).within(low, high));
        // Under other policies a document that is found in part lies in two places.
        if lab.levels.exact && is_sure && explained.policy == Policy::Lru {
            self.boundary(lab, explained).await?;
        }
        Ok(())
    }

    /// Reads the capacity off the document of which a part has left, where answers count tokens.
    async fn boundary(&mut self, lab: &mut Lab, explained: Explained) -> Result<(), Stop> {
        let usual = self.documents.usual();
        let mut start = (explained.capacity as u64).saturating_sub(2 * usual);
        for _ in 0..4 {
            let mut last_whole = None;
            for _ in 0..12 {
                let order = self.untouched.iter().rev().map(|&d| (self.documents.distance(d), d)).collect::<Vec<_>>();
                let next = order.into_iter().find(|(above, _)| *above >= start);
                let Some((above, document)) = next else { return Ok(()) };
                let before = last_whole;
                let held = self.documents.held[document];
                self.take(lab, document).await?;
                let cached = lab.sent.last().and_then(|sent| sent.look?.cached).unwrap_or(0);
                let found = cached.saturating_sub(self.documents.template);
                let is_whole = found + self.documents.block >= held;
                if is_whole {
                    last_whole = Some(above + held);
                    start = above;
                    continue;
                }
                if found > 0 {
                    let exact = (above + found) as f64;
                    // What the fill as a whole shows has to agree.
                    if explained.low - usual as f64 <= exact && exact <= explained.high + usual as f64 {
                        self.note_exact(lab, above + found);
                    }
                    return Ok(());
                }
                match before {
                    // The boundary is between two documents: shift everything by a part of one and look again.
                    Some(_) => break,
                    None => start = start.saturating_sub(2 * usual),
                }
            }
            self.documents.store_of(lab, lab.levels.words / 3).await?;
            lab.settle().await;
        }
        Ok(())
    }

    fn note_exact(&self, lab: &Lab, tokens: u64) {
        let tokens = tokens + self.documents.template;
        let confidence = lab.levels.confidence();
        let evidence = "the document of which a part was left, by cached_tokens".to_owned();
        let (low, high) = (tokens as f64, (tokens + self.documents.block - 1) as f64);
        lab.note(|map| map.capacity_tokens = Property::found(tokens, evidence, confidence).within(low, high));
    }
}

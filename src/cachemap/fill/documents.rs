//! The documents of a fill: what was sent, when each was sent last, and what was found of it.

use crate::cachemap::found::Point;
use crate::cachemap::lab::{Lab, Look, Seen, Sent, Stop};
use crate::cachemap::policy::Access;
use crate::cachemap::{Piece, Probe};
use crate::plan::map::Stage;
use crate::plan::{Arm, Role};

/// What was sent, and what of it was found.
#[derive(Debug, Default)]
pub(in crate::cachemap) struct Documents {
    pieces: Vec<Piece>,
    /// Tokens that the cache holds of each, beside the template.
    pub held: Vec<u64>,
    /// When each was sent last, counted in what was sent in all.
    last: Vec<usize>,
    /// Tokens of the chat template that the cache holds once.
    pub template: u64,
    /// What a cache holds of a prompt is a multiple of it.
    pub block: u64,
}

impl Documents {
    pub fn new(template: u64, block: u64) -> Documents {
        Documents { template, block, ..Documents::default() }
    }

    /// Sends a document that nobody has seen.
    pub async fn store(&mut self, lab: &mut Lab) -> Result<usize, Stop> {
        self.store_of(lab, lab.levels.words).await
    }

    pub async fn store_of(&mut self, lab: &mut Lab, words: u64) -> Result<usize, Stop> {
        let piece = lab.new_piece(words);
        let seen = lab.store(Stage::Fill, vec![piece]).await?;
        self.pieces.push(piece);
        self.held.push(self.held(seen.tokens));
        self.last.push(lab.sent.len());
        Ok(self.pieces.len() - 1)
    }

    /// The number that the lab gave it.
    pub fn number(&self, document: usize) -> usize {
        self.pieces[document].document as usize
    }

    /// The one of that number, if it is of the fill: numbers grow.
    pub fn numbered(&self, number: usize) -> Option<usize> {
        self.pieces.binary_search_by_key(&(number as u64), |piece| piece.document).ok()
    }

    /// What a cache holds of a prompt of so many tokens, beside the template.
    fn held(&self, tokens: u64) -> u64 {
        (tokens / self.block * self.block).saturating_sub(self.template)
    }

    /// All that was sent, as a cache sees it.
    pub fn accesses(&self, lab: &Lab) -> Vec<Access> {
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

    /// Looks for the beginning of one that was sent, some blocks shorter.
    pub async fn look_shorter(&mut self, lab: &mut Lab, document: usize, by: u64) -> Result<Seen, Stop> {
        let whole = self.pieces[document];
        let piece = Piece { words: whole.words.saturating_sub(by), ..whole };
        let reuse_tokens = Some(self.distance(document));
        let probe = lab.probe(Stage::Tiers, Arm::Hit, Role::Measure, vec![piece]);
        let seen = lab.send(Probe { reuse_tokens, ..probe }).await?;
        self.last[document] = lab.sent.len();
        Ok(seen)
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

    pub async fn hits(&mut self, lab: &mut Lab, document: usize) -> Result<bool, Stop> {
        let seen = self.look(lab, Stage::Fill, document).await?;
        Ok(lab.levels.is_hit(&seen))
    }

    pub async fn hits_of(&mut self, lab: &mut Lab, documents: &[usize]) -> Result<usize, Stop> {
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

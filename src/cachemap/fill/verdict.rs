//! What the fill shows: the litmus documents, the explanation of every look, and more looks where explanations differ.

use super::Fill;
use super::growth::TRIPLES;
use crate::cachemap::found::{Confidence, Property};
use crate::cachemap::lab::{Lab, Stop};
use crate::cachemap::policy::{self, Access, Case, Explained, KINDS, Kind, Policy, Sight};
use crate::cachemap::replay::Replay;

/// Looks at documents on which capacities disagree.
const MOST_REFINING: usize = 12;
/// What is explained by a cache in thought, as a share of all looks.
const EXPLAINED: f64 = 0.9;
/// A capacity is precise enough when its interval is as wide as this share of it, by the clock.
const PRECISE: f64 = 0.01;
/// A document tells capacities apart when its share, or its probability of a hit, differs by this.
const DIFFERS: f64 = 0.3;
/// Capacities, from the smallest to the largest in question, by which the next look is chosen.
const GRID: u64 = 8;
/// Of a document: the finest step of a capacity by the clock.
const STEPS: u64 = 16;

impl Fill {
    /// How looks tell, and in what steps a capacity is searched.
    pub fn case<'a>(&self, lab: &Lab, accesses: &'a [Access]) -> Case<'a> {
        let levels = &lab.levels;
        let held = self.documents.usual();
        let gain = (levels.cold / levels.hit).ln();
        let sight = Sight { block: self.documents.block, gain, least: levels.clearly_quicker(), sigma: levels.sigma };
        let finest = if levels.exact { 1 } else { (held / STEPS).max(1) };
        Case { accesses, sight, held, finest }
    }

    /// The litmus documents, the replay, and the verdict. `None` where nothing explains what was seen.
    pub async fn judge(&mut self, lab: &mut Lab) -> Result<Option<Explained>, Stop> {
        let newest = self.untouched.split_off(self.untouched.len().saturating_sub(TRIPLES));
        let (often, never) = (self.often.clone(), self.never.clone());
        let there = [
            self.documents.hits_of(lab, &newest).await?,
            self.documents.hits_of(lab, &often).await?,
            self.documents.hits_of(lab, &never).await?,
        ];
        let guess = u64::midpoint(self.low, self.high) + self.documents.usual();
        let accesses = self.documents.accesses(lab);
        let Some(explained) = self.case(lab, &accesses).explain(guess) else { return Ok(None) };
        let litmus = format!(
            "still there of {TRIPLES}: often used {}, used again {}, used once {}, newest {}",
            there[1], self.again_hits, there[2], there[0]
        );
        let is_explained = explained.share >= EXPLAINED;
        if is_explained && explained.margin >= policy::CLAIMED {
            let evidence = format!("{litmus}; ahead of the next by {:.0} in log likelihood", explained.margin);
            let confidence = lab.levels.confidence();
            lab.note(|map| map.policy = Property::found(explained.kind.policy, evidence, confidence));
        } else {
            let why = format!("no policy explains what hit ({:.0} % at best); {litmus}", 100.0 * explained.share);
            lab.note(|map| map.give_up("policy", why));
        }
        if is_explained {
            self.note_capacity(lab, &explained);
            return Ok(Some(explained));
        }
        let (low, high) = (self.documents.usual() as f64, (self.documents.template + self.documents.total()) as f64);
        lab.note(|map| {
            map.capacity_tokens = Property::bound(low, Some(high), "one fill, replayed through caches in thought");
            map.give_up("capacity_tokens", "what hit does not depend on the reuse distance alone");
        });
        Ok(None)
    }

    /// A cache that admits nothing when full, of somewhere between `low` and `high` tokens.
    pub async fn bound(&mut self, lab: &mut Lab, (low, high): (u64, u64)) -> Result<(), Stop> {
        let evidence = "what came first stays, what came last was not stored".to_owned();
        let confidence = lab.levels.confidence();
        lab.note(|map| {
            map.policy = Property::found(Policy::NoAdmit, evidence.clone(), confidence);
            map.capacity_tokens = Property::bound(low as f64, Some(high as f64), evidence);
            map.give_up("capacity_tokens", "a cache that admits nothing when full shows bounds only");
        });
        let accesses = self.documents.accesses(lab);
        let kinds: Vec<Kind> = KINDS.into_iter().filter(|kind| kind.policy == Policy::NoAdmit).collect();
        if let Some(explained) = self.case(lab, &accesses).explain_by(&kinds, u64::midpoint(low, high))
            && explained.share >= EXPLAINED
        {
            self.note_capacity(lab, &explained);
            self.refine(lab, explained).await?;
        }
        Ok(())
    }

    /// Looks for the documents on which the capacities still in question disagree most.
    pub async fn refine(&mut self, lab: &mut Lab, mut explained: Explained) -> Result<Explained, Stop> {
        for _ in 0..MOST_REFINING {
            let accesses = self.documents.accesses(lab);
            let case = self.case(lab, &accesses);
            if explained.high - explained.low < self.precise(lab, &explained) {
                break;
            }
            let Some(document) = self.telling(lab, &case, &explained) else { break };
            self.take(lab, document).await?;
            let accesses = self.documents.accesses(lab);
            let Some(again) = self.case(lab, &accesses).refined(&explained) else { break };
            explained = again;
            self.note_capacity(lab, &explained);
        }
        Ok(explained)
    }

    fn precise(&self, lab: &Lab, explained: &Explained) -> u64 {
        match lab.levels.exact {
            true => self.documents.block,
            false => ((PRECISE * explained.capacity as f64) as u64).max(self.documents.usual() / 2),
        }
    }

    /// The document that halves what is left: of capacities from the smallest to the largest, half would find it.
    fn telling(&self, lab: &Lab, case: &Case<'_>, explained: &Explained) -> Option<usize> {
        let width = explained.high - explained.low;
        let after: Vec<Replay> =
            (0..=GRID).map(|nth| case.after(explained.kind, explained.low + nth * width / GRID)).collect();
        let shown = |document: usize| {
            let held = self.documents.held[document].max(1);
            let number = self.documents.number(document);
            let shares = after.iter().map(|cache| {
                let share = cache.found(number).min(held) as f64 / held as f64;
                if lab.levels.exact { share } else { case.sight.hit_probability(share) }
            });
            let shares: Vec<f64> = shares.collect();
            let most = shares.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let least = shares.iter().copied().fold(f64::INFINITY, f64::min);
            (most - least, (shares.iter().sum::<f64>() / shares.len() as f64 - 0.5).abs())
        };
        let differs = if lab.levels.exact { 0.0 } else { DIFFERS };
        (0..self.documents.held.len())
            .map(|document| (document, shown(document)))
            .filter(|(_, (difference, _))| *difference > differs)
            .min_by(|(_, x), (_, y)| x.1.total_cmp(&y.1))
            .map(|(document, _)| document)
    }

    fn note_capacity(&self, lab: &Lab, explained: &Explained) {
        let (template, block) = (self.documents.template, self.documents.block);
        let looks = lab.sent.iter().filter(|sent| sent.look.is_some()).count();
        let is_sure = explained.margin >= policy::CLAIMED;
        // Under another policy than LRU the looks themselves decide who leaves, and an engine need not do so to the block.
        let is_lru = explained.kind.policy == Policy::Lru;
        let is_block_known = lab.known(|map| map.block_size.is_known());
        // A cache holds whole blocks. Where no number of them lies in the range, what was thought is off by a little.
        let tokens = (template + explained.high) / block * block;
        let is_whole = explained.high - explained.low < block && tokens >= template + explained.low;
        let property = if lab.levels.exact && is_block_known && is_lru && is_sure && is_whole {
            let evidence = format!("documents of which a part was left, by cached_tokens; {looks} looks at one fill");
            let found = Property::found(tokens, evidence, lab.levels.confidence());
            found.within(tokens as f64, (tokens + block - 1) as f64)
        } else {
            let evidence = format!("{looks} looks at one fill, replayed through caches in thought");
            let confidence = if is_sure { Confidence::B } else { Confidence::C };
            // The replay is of whole documents at its finest where engines are not quite what was thought.
            let beside = self.documents.usual();
            let low = template + explained.low.saturating_sub(beside);
            let high = template + explained.high + beside;
            if explained.kind.policy == Policy::NoAdmit {
                let bound = Property::bound(low as f64, Some(high as f64), evidence);
                return lab.note(|map| map.capacity_tokens = bound);
            }
            Property::found(template + explained.capacity, evidence, confidence).within(low as f64, high as f64)
        };
        lab.note(|map| map.capacity_tokens = property);
    }
}

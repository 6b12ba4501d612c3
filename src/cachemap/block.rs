//! Block size, phase and the shortest prefix that is found.
//!
//! From cached tokens: prompts that share random numbers of words with one long document are told multiples of the block
//! size, so it is their greatest common divisor; ten values are enough in 99.8 % of cases. Then the word at which the
//! count jumps is searched: it jumps by exactly a block, which corrects a divisor that came out too large, and its place
//! tells how many tokens of a block the chat template fills.

use rand::RngExt;

use super::found::{Property, Semantics};
use super::lab::{Lab, Stop};
use super::{Piece, sawtooth};
use crate::plan::map::Stage;
use crate::rng;

/// Words of the document that is shared: five of the largest blocks known.
const LONG_WORDS: u64 = 8_192;
/// Words of each probe's own end.
pub(super) const TAIL_WORDS: u64 = 24;
const PROBES: usize = 12;

pub(super) async fn find(lab: &mut Lab) -> Result<(), Stop> {
    let semantics = lab.known(|map| map.semantics.value);
    if !matches!(semantics, None | Some(Semantics::Prefix | Semantics::NonPrefix)) {
        lab.note(|map| map.give_up("block_size", "no part of a prefix is found, only what requests ended with"));
        lab.note(|map| map.give_up("min_prefix_tokens", "no part of a prefix is found"));
        return Ok(());
    }
    if lab.levels.exact { exact(lab).await } else { sawtooth::find(lab).await }
}

/// Shares of one document, and what the server counted of them.
struct Shares {
    document: Piece,
    /// Words shared and tokens cached.
    told: Vec<(u64, u64)>,
}

impl Shares {
    async fn ask(&mut self, lab: &mut Lab, words: u64) -> Result<u64, Stop> {
        if let Some((_, cached)) = self.told.iter().find(|(asked, _)| *asked == words) {
            return Ok(*cached);
        }
        let tail = lab.new_piece(TAIL_WORDS);
        let pieces = vec![Piece { words, ..self.document }, tail];
        let cached = lab.measure(Stage::Block, pieces).await?.cached.unwrap_or(0);
        self.told.push((words, cached));
        Ok(cached)
    }

    /// The fewest words above `low` of which more than `below` tokens are found; `high` words are known to be enough.
    async fn jump(&mut self, lab: &mut Lab, below: u64, mut low: u64, mut high: u64) -> Result<(u64, u64), Stop> {
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if self.ask(lab, middle).await? > below { high = middle } else { low = middle }
        }
        Ok((high, self.ask(lab, high).await?))
    }
}

async fn exact(lab: &mut Lab) -> Result<(), Stop> {
    let mut random = rng::stream(lab.design.seed, "shares");
    let long = LONG_WORDS.min(lab.design.most_words.saturating_sub(TAIL_WORDS));
    let document = lab.new_piece(long);
    lab.store(Stage::Block, vec![document]).await?;
    lab.settle().await;
    let mut shares = Shares { document, told: Vec::new() };
    for _ in 0..PROBES {
        let words = random.random_range(long / 64..=long);
        shares.ask(lab, words).await?;
    }
    // What the template alone is found by is no measurement of the document.
    let none = shares.ask(lab, 0).await?;
    let more: Vec<(u64, u64)> = shares.told.iter().copied().filter(|(_, cached)| *cached > none).collect();
    let Some(&(most, cached)) = more.iter().max_by_key(|(words, _)| *words) else {
        lab.note(|map| map.give_up("block_size", format!("no shared prefix of up to {long} words was found again")));
        return Ok(());
    };
    let divisor = more.iter().map(|(_, cached)| *cached).chain([none]).fold(0, gcd);
    // The last jump below the most that was found.
    let reached = shares.ask(lab, most).await?.max(cached);
    let before = shares.told.iter().copied().filter(|(_, cached)| *cached < reached).max_by_key(|(words, _)| *words);
    let (low, below) = before.unwrap_or((0, none));
    let (words, at) = shares.jump(lab, below, low, most).await?;
    let jump = at.saturating_sub(below);
    let block = gcd(divisor, jump).max(1);
    let phase = (block - words % block) % block;
    let confidence = lab.levels.confidence();
    let evidence = format!(
        "greatest common divisor of {} cached_tokens; at {words} shared words they jump by {jump}; \
         the template fills {phase} tokens of a block",
        more.len()
    );
    lab.note(|map| {
        map.block_size = Property::found(block, evidence, confidence).within(block as f64, block as f64);
    });
    shortest(lab, &mut shares, none, block).await
}

/// The shortest prefix that is found.
async fn shortest(lab: &mut Lab, shares: &mut Shares, none: u64, block: u64) -> Result<(), Stop> {
    let confidence = lab.levels.confidence();
    if none > 0 {
        let evidence = format!("{none} tokens of the template are found already, so it is no more");
        let found = Property::found(none, evidence, confidence).within(1.0, none as f64);
        lab.note(|map| map.min_prefix_tokens = found);
        return Ok(());
    }
    let fewest = shares.told.iter().filter(|(_, cached)| *cached > 0).map(|(words, _)| *words).min();
    let Some(fewest) = fewest else { return Ok(()) };
    let low = shares.told.iter().filter(|(words, cached)| *cached == 0 && *words < fewest).map(|(words, _)| *words);
    let low = low.max().unwrap_or(0);
    let (words, cached) = shares.jump(lab, 0, low, fewest).await?;
    let evidence = format!("{words} shared words are the fewest of which anything is found, {cached} tokens");
    let low = cached.saturating_sub(block) + 1;
    let found = Property::found(cached, evidence, confidence).within(low as f64, cached as f64);
    lab.note(|map| map.min_prefix_tokens = found);
    Ok(())
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

//! Capacity and policy in one fill.
//!
//! ```text
//! head      triples H, R, N; every H is used twice more
//! growth    new documents, four tenths as many again at each step; every R is used; the newest and the oldest untouched
//!           one are looked for, until several of the oldest have left
//! bracket   the untouched document nearest to the middle of the bracket; a miss counts when a neighbour confirms it
//! verdict   are H, N and the newest there?        LRU: R, X   FIFO: X   frequency: H, R, X   no admission: H, R, N
//!           then those documents are looked for on which the capacities left in question disagree
//! pace      a pause, and another look: what others store in the meantime takes room too
//! ```
//! The reuse distance of a document is what was sent since its last use, every other document once (Mattson 1970): under
//! LRU a document is found if, and only if, the distance and the document together fit into the cache. All of it comes
//! from the log of what was sent, what the looking itself moved included.

mod documents;
mod growth;
mod pace;
mod verdict;

pub(super) use documents::Documents;

use super::found::Property;
use super::lab::{Lab, Stop};
use crate::clock::Nanos;
use growth::Growth;

const LIKELY_BLOCK: u64 = 256;
/// Tokens of a prompt beyond its last whole block.
const AFTER_BLOCK: u64 = 8;

/// A fill that came to its end.
#[derive(Debug)]
pub(super) struct Filled {
    pub documents: Documents,
}

/// A fill under way.
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
    /// When it began, in the lab's time.
    began_ns: Nanos,
}

pub(super) async fn fill(lab: &mut Lab) -> Result<Option<Filled>, Stop> {
    if !lab.levels.is_separable() {
        let why = refusal(lab);
        for property in ["capacity_tokens", "tiers", "policy"] {
            lab.note(|map| map.give_up(property, why.clone()));
        }
        return Ok(None);
    }
    let mut fill = Fill { documents: suit_to_blocks(lab), began_ns: lab.now_ns, ..Fill::default() };
    fill.head(lab).await?;
    match fill.grow(lab).await? {
        Growth::Overflow => {
            fill.bracket(lab).await?;
            if let Some(explained) = fill.judge(lab).await? {
                let explained = fill.refine(lab, explained).await?;
                fill.compare_paces(lab, explained).await?;
            }
        }
        Growth::NoAdmission { low, high } => fill.bound(lab, (low, high)).await?,
        Growth::Few { low, high } => {
            let kept = low / fill.documents.usual();
            let why = format!("a document is found after {} others and not after {kept}", kept.saturating_sub(1));
            lab.note(|map| {
                map.capacity_tokens = Property::bound(low as f64, Some(high as f64), why.clone());
                map.give_up("capacity_tokens", format!("{why}; shorter documents would tell it more closely"));
                map.give_up("policy", "so few documents fit that policies look alike");
                map.give_up("tiers", "so few documents fit that reuse distances look alike");
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

/// Chooses the length of a document so that it ends soon after a block's end: then it fills as many blocks whatever its
/// answer adds. Where the block is not known, it is thought to be a part of 256 tokens, as most are.
fn suit_to_blocks(lab: &mut Lab) -> Documents {
    let block = lab.known(|map| map.block_size.value).unwrap_or(LIKELY_BLOCK);
    let template = lab.levels.template_tokens / block * block;
    let tokens = lab.levels.words + lab.levels.frame_tokens;
    let beyond = AFTER_BLOCK.min(block / 2);
    let wanted = (tokens + block / 2) / block * block + beyond;
    let wanted = if wanted > lab.levels.frame_tokens + block / 2 { wanted } else { wanted + block };
    lab.levels.words = wanted - lab.levels.frame_tokens;
    Documents::new(template, block)
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

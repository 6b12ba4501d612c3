//! Which words are one token, where no tokenizer is at hand: by what the answers count.
//!
//! Lengths are to be known to the token, so documents are made of words that are one token each. A prompt of an opening and
//! 64 words of the list should count 64 tokens more than the opening alone. Where it counts more, its first half is asked,
//! and what is not in that is in the other half, until the words that are longer stand alone; they stand in no document. A
//! word has a token at least, so that as many tokens as words are one each.

use std::collections::VecDeque;
use std::ops::Range;

use super::found::Words;
use super::lab::{Lab, Stop};
use super::{Piece, Probe};
use crate::document::{LISTED, listed};
use crate::plan::map::Stage;
use crate::plan::{Arm, Role};

/// Words of the opening: as many bits as a nonce, so that nobody else's prompt begins like it.
const OPENING_WORDS: u64 = 15;
const GROUP: u64 = 64;
/// Prompts that are sent at most. What is not decided by then is left out.
const MOST_PROMPTS: u64 = 192;
/// With fewer words a document's beginning would have to be long to be nobody else's.
const FEWEST: u64 = 64;

pub(super) async fn check(lab: &mut Lab) -> Result<(), Stop> {
    if !lab.design.check_words {
        return Ok(());
    }
    let opening = lab.new_piece(OPENING_WORDS);
    let Some(alone) = count(lab, opening, 0..0).await? else {
        lab.note(|map| map.words = Some(Words::Uncounted));
        return Ok(());
    };
    let mut left_out: Vec<u64> = Vec::new();
    let mut longer: VecDeque<Longer> = VecDeque::new();
    for first in (0..LISTED).step_by(GROUP as usize) {
        let words = first..(first + GROUP).min(LISTED);
        let excess = excess(lab, opening, alone, words.clone()).await?;
        longer.extend(Longer::of(words, excess));
    }
    let mut prompts = 1 + LISTED.div_ceil(GROUP);
    while let Some(Longer { words, excess: of_both }) = longer.pop_front() {
        if words.end - words.start == 1 || prompts == MOST_PROMPTS {
            left_out.extend(words);
            continue;
        }
        prompts += 1;
        let middle = u64::midpoint(words.start, words.end);
        let of_first = excess(lab, opening, alone, words.start..middle).await?;
        longer.extend(Longer::of(words.start..middle, of_first));
        longer.extend(Longer::of(middle..words.end, of_both - of_first));
    }
    left_out.sort_unstable();
    let is_enough = LISTED - left_out.len() as u64 >= FEWEST;
    let left_out = left_out.into_iter().map(|word| listed(word..word + 1)).collect();
    lab.note(|map| map.words = Some(if is_enough { Words::Checked { left_out } } else { Words::TooFew }));
    Ok(())
}

/// Words of which some are more than a token.
struct Longer {
    words: Range<u64>,
    /// Tokens beyond one each.
    excess: i64,
}

impl Longer {
    /// `None` where they are one token each.
    fn of(words: Range<u64>, excess: i64) -> Option<Longer> {
        (excess != 0).then_some(Longer { words, excess })
    }
}

/// Tokens beyond one for each of the words, by the answer's count. An answer that does not count makes them suspect.
async fn excess(lab: &mut Lab, opening: Piece, alone: u64, words: Range<u64>) -> Result<i64, Stop> {
    let expected = alone + words.end - words.start;
    let counted = count(lab, opening, words).await?;
    Ok(counted.map_or(1, |counted| counted.cast_signed() - expected.cast_signed()))
}

/// The prompt's tokens by the answer's count.
async fn count(lab: &mut Lab, opening: Piece, words: Range<u64>) -> Result<Option<u64>, Stop> {
    let list = Piece { words: words.end - words.start, ..lab.new_piece(0) };
    let probe = lab.probe(Stage::Words, Arm::Cold, Role::Warmup, vec![opening, list]);
    Ok(lab.send(Probe { listed: Some(words.start), ..probe }).await?.counted)
}

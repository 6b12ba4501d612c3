//! Counting a text's tokens and cutting it to a number of them.
//!
//! A cut is a prefix of the text as it stands, found by where a token ends in it. Cutting the list of ids and decoding
//! what is left would give the same prefix from a tokenizer that keeps every byte, but not from one that normalises,
//! and what goes out must be the document. A prefix may have more tokens than the ids that were kept, when cutting
//! undoes a merge: it is counted again, and shortened until it fits.

/// Counts tokens: a tokenizer, a server that offers one, or a rule of thumb.
pub trait CountTokens {
    /// What counts, in the words the log uses.
    fn name(&self) -> String;

    /// The tokens of `text` itself, without beginning-of-sequence or other special tokens.
    ///
    /// # Errors
    /// When the tokenizer, or the server that has it, fails.
    fn count(&self, text: &str) -> Result<u64, CountError>;

    /// A prefix of `text` that has at most `limit` tokens, as long as can be found with little work; all of `text`
    /// when that fits.
    ///
    /// # Errors
    /// As for [`CountTokens::count`].
    fn cut(&self, text: &str, limit: u64) -> Result<Cut, CountError>;

    /// The tokens of `text` themselves; `None` where they are counted and not told.
    ///
    /// # Errors
    /// As for [`CountTokens::count`].
    fn ids(&self, _text: &str) -> Result<Option<Vec<u32>>, CountError> {
        Ok(None)
    }
}

/// Where a text was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// The length of the prefix; a character boundary.
    pub bytes: usize,
    /// Tokens of the prefix, counted after the cut.
    pub tokens: u64,
}

/// A text could not be counted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{counter} could not count a text of {bytes} bytes: {reason}")]
pub struct CountError {
    pub counter: String,
    pub bytes: usize,
    pub reason: String,
}

/// Four characters to the token, for when nothing better can be had. Characters are Unicode scalar values.
#[derive(Debug, Clone, Copy, Default)]
pub struct Heuristic;

const CHARS_PER_TOKEN: u64 = 4;

impl CountTokens for Heuristic {
    fn name(&self) -> String {
        "4 characters a token".to_owned()
    }

    fn count(&self, text: &str) -> Result<u64, CountError> {
        Ok((text.chars().count() as u64).div_ceil(CHARS_PER_TOKEN))
    }

    fn cut(&self, text: &str, limit: u64) -> Result<Cut, CountError> {
        let chars = usize::try_from(limit.saturating_mul(CHARS_PER_TOKEN)).unwrap_or(usize::MAX);
        let bytes = text.char_indices().nth(chars).map_or(text.len(), |(at, _)| at);
        Ok(Cut { bytes, tokens: self.count(&text[..bytes])? })
    }
}

/// Bytes of text looked at first for each token wanted. Prose has four or five; a text of more is looked at again.
const BYTES_PER_TOKEN: usize = 8;

/// Cuts `text` to `limit` tokens with a tokenizer that tells where each token ends: `ends_of` gives the byte offsets,
/// one for each token, in order.
///
/// # Errors
/// Those of `ends_of`.
pub fn cut_at_ends<E>(
    mut ends_of: impl FnMut(&str) -> Result<Vec<usize>, E>,
    text: &str,
    limit: u64,
) -> Result<Cut, E> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let (reach, ends) = look_ahead(&mut ends_of, Vec::len, text, limit)?;
    if ends.len() <= limit {
        return Ok(Cut { bytes: reach, tokens: ends.len() as u64 });
    }
    let mut keep = limit;
    while keep > 0 {
        let bytes = text.floor_char_boundary(ends[keep - 1].min(reach));
        let tokens = ends_of(&text[..bytes])?.len();
        if tokens <= limit {
            return Ok(Cut { bytes, tokens: tokens as u64 });
        }
        keep = keep.saturating_sub(tokens - limit);
    }
    Ok(Cut { bytes: 0, tokens: 0 })
}

/// How often [`cut_by_counting`] corrects its guess: each count may be a request to a server.
const CORRECTIONS: usize = 6;

/// Cuts `text` to `limit` tokens with something that can count and no more. It guesses from the density of tokens seen so
/// far, a few times, and keeps the longest prefix that fits.
///
/// # Errors
/// Those of `count`.
pub fn cut_by_counting<E>(mut count: impl FnMut(&str) -> Result<u64, E>, text: &str, limit: u64) -> Result<Cut, E> {
    let mut counted = |head: &str| count(head).map(|tokens| usize::try_from(tokens).unwrap_or(usize::MAX));
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let (reach, total) = look_ahead(&mut counted, |tokens| *tokens, text, limit)?;
    if total <= limit {
        return Ok(Cut { bytes: reach, tokens: total as u64 });
    }
    // The answer lies between the two: `fits` has at most `limit` tokens, `over` has more.
    let (mut fits, mut over) = ((0, 0), (reach, total));
    for _ in 0..CORRECTIONS {
        let share = (limit - fits.1) as f64 / (over.1 - fits.1) as f64;
        let guess = text.floor_char_boundary(fits.0 + ((over.0 - fits.0) as f64 * share).round() as usize);
        if guess <= fits.0 || guess >= over.0 {
            break;
        }
        match counted(&text[..guess])? {
            tokens if tokens > limit => over = (guess, tokens),
            tokens => fits = (guess, tokens),
        }
        if fits.1 == limit {
            break;
        }
    }
    Ok(Cut { bytes: fits.0, tokens: fits.1 as u64 })
}

/// Looks at no more of `text` than it takes to see that it has more than `limit` tokens: a book is not counted through
/// for the thousand tokens at its head. Gives how far it looked and what it saw.
fn look_ahead<T, E>(
    look: &mut impl FnMut(&str) -> Result<T, E>,
    tokens: impl Fn(&T) -> usize,
    text: &str,
    limit: usize,
) -> Result<(usize, T), E> {
    let mut reach = text.ceil_char_boundary(limit.saturating_add(1).saturating_mul(BYTES_PER_TOKEN));
    loop {
        let seen = look(&text[..reach])?;
        if tokens(&seen) > limit || reach == text.len() {
            return Ok((reach, seen));
        }
        reach = text.ceil_char_boundary(reach.saturating_mul(2));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::convert::Infallible;

    /// A greedy tokenizer whose longest entry wins: its tokens depend on what follows, as a real one's do.
    fn greedy(text: &str) -> Result<Vec<usize>, Infallible> {
        const VOCABULARY: [&str; 6] = ["aaaa", "aa", "ab", "bba", " b", "b a"];
        let mut ends = Vec::new();
        let mut at = 0;
        while at < text.len() {
            let longest = VOCABULARY.iter().filter(|entry| text[at..].starts_with(**entry)).map(|e| e.len()).max();
            at += longest.unwrap_or_else(|| text[at..].chars().next().map_or(1, char::len_utf8));
            ends.push(at);
        }
        Ok(ends)
    }

    /// A word is one token when a space follows it and is spelt letter by letter at the end of a text, so that a cut
    /// inside of a text undoes a merge.
    fn unmerging(text: &str) -> Result<Vec<usize>, Infallible> {
        let letters = text.rfind(' ').map_or(0, |at| at + 1);
        let spaces = text[..letters].match_indices(' ').flat_map(|(at, space)| [at, at + space.len()]);
        let spelt = text[letters..].char_indices().map(|(at, c)| letters + at + c.len_utf8());
        let mut ends: Vec<usize> = spaces.filter(|end| *end > 0).chain(spelt).collect();
        ends.dedup();
        Ok(ends)
    }

    fn sound(cut: Cut, text: &str, limit: u64, tokens: impl Fn(&str) -> u64) {
        assert!(text.is_char_boundary(cut.bytes));
        assert_eq!(tokens(&text[..cut.bytes]), cut.tokens, "the count is that of the cut text");
        assert!(cut.tokens <= limit);
        if tokens(text) <= limit {
            assert_eq!(cut.bytes, text.len(), "what fits is left whole");
        }
    }

    proptest! {
        #[test]
        fn a_cut_by_ends_fits_and_is_counted_truly(text in "[ab é\u{4e2d}]{0,80}", limit in 0_u64..40) {
            for ends_of in [greedy, unmerging] {
                let Ok(cut) = cut_at_ends(ends_of, &text, limit);
                sound(cut, &text, limit, |head| ends_of(head).map_or(0, |ends| ends.len() as u64));
            }
        }

        #[test]
        fn a_cut_by_counting_fits_and_is_counted_truly(text in "[ab é\u{4e2d}]{0,80}", limit in 0_u64..40) {
            for ends_of in [greedy, unmerging] {
                let tokens = |head: &str| ends_of(head).map_or(0, |ends| ends.len() as u64);
                let Ok(cut) = cut_by_counting(|head| Ok::<_, Infallible>(tokens(head)), &text, limit);
                sound(cut, &text, limit, tokens);
            }
        }

        #[test]
        fn the_heuristic_cuts_at_whole_characters(text in "\\PC{0,60}", limit in 0_u64..20) {
            let cut = Heuristic.cut(&text, limit).unwrap();
            sound(cut, &text, limit, |head| Heuristic.count(head).unwrap());
            prop_assert!(cut.bytes == text.len() || cut.tokens == limit);
        }
    }

    #[test]
    fn a_cut_that_undoes_a_merge_is_stepped_back() {
        // "one two" are three of the four tokens of "one two ", and five when they end the text.
        assert_eq!(unmerging("one two "), Ok(vec![3, 4, 7, 8]));
        assert_eq!(unmerging("one two"), Ok(vec![3, 4, 5, 6, 7]));
        assert_eq!(cut_at_ends(unmerging, "one two ", 3), Ok(Cut { bytes: 3, tokens: 3 }));
    }

    #[test]
    fn counting_finds_a_cut_in_a_handful_of_counts() {
        let text = crate::document::filler(crate::rng::Nonce::fresh(), "count", 140_000);
        let mut counts = 0;
        let tokens = |head: &str| head.split_ascii_whitespace().count() as u64;
        let cut = cut_by_counting(
            |head| {
                counts += 1;
                Ok::<_, Infallible>(tokens(head))
            },
            &text,
            131_072,
        );
        assert_eq!(cut.map(|cut| cut.tokens), Ok(131_072));
        assert!(counts <= 5, "{counts} counts");
    }

    #[test]
    fn only_the_head_of_a_long_text_is_looked_at() {
        let text = "word ".repeat(100_000);
        let mut looked_at = 0;
        let cut = cut_at_ends(
            |head| {
                looked_at += head.len();
                greedy(head)
            },
            &text,
            100,
        );
        assert_eq!(cut.map(|cut| cut.tokens), Ok(100));
        assert!(looked_at < 2_000, "{looked_at} bytes");
    }
}

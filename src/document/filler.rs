//! Generated text: common English words drawn from a nonce's stream.
//!
//! Every word has three or four letters, four or five characters with its space, and is one token with that space to
//! GPT-2, cl100k, o200k, Llama 2 and 3, Gemma 3, Qwen 3 and DeepSeek V3. Words, and not random tokens: a text of random
//! tokens comes back from a tokenizer with another length.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::LazyLock;

use rand::Rng;

use crate::rng::Nonce;

/// 512 words, so that nine random bits draw one.
const WORDS: &str = include_str!("words.txt");
const BITS: u32 = 9;

/// How many words there are.
pub const LISTED: u64 = 1 << BITS;

static LIST: LazyLock<Vec<&str>> = LazyLock::new(|| {
    let words: Vec<_> = WORDS.split_ascii_whitespace().collect();
    assert_eq!(words.len(), 1 << BITS, "the list has a word for every draw");
    words
});

/// `words` words with single spaces between them, about one token each, decided by `nonce` and `name` alone. A shorter
/// filler of the same two is the beginning of a longer one.
///
/// The whole text is drawn, not only its head: fillers of two nonces part at the first word in 511 of 512 cases, and
/// nothing later lines up either.
pub fn filler(nonce: Nonce, name: &str, words: u64) -> String {
    Vocabulary::default().filler(nonce, name, words)
}

/// The words that texts are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vocabulary {
    /// For each draw the word's number in the list.
    drawn: Vec<usize>,
}

impl Default for Vocabulary {
    fn default() -> Vocabulary {
        Vocabulary { drawn: (0..LIST.len()).collect() }
    }
}

/// Words checked at once.
const GROUP: usize = 64;
/// What stands before the first of them, so that all have their space.
const BEFORE: &str = "the";

impl Vocabulary {
    /// All words but some; each of those is drawn as one of the others.
    pub fn without(left_out: &[String]) -> Vocabulary {
        let is_kept = |number: &usize| left_out.iter().all(|out| out != LIST[*number]);
        let kept: Vec<usize> = (0..LIST.len()).filter(is_kept).collect();
        if kept.is_empty() {
            return Vocabulary::default();
        }
        let drawn = |number| if is_kept(&number) { number } else { kept[number % kept.len()] };
        Vocabulary { drawn: (0..LIST.len()).map(drawn).collect() }
    }

    /// As [`filler`].
    pub fn filler(&self, nonce: Nonce, name: &str, words: u64) -> String {
        text_of(self.numbers(nonce, name, words))
    }

    /// The same as the numbers of its words in the list.
    pub fn numbers(&self, nonce: Nonce, name: &str, words: u64) -> impl Iterator<Item = usize> {
        let mut stream = nonce.stream(name);
        let mut bits = 0_u64;
        let draw = move |drawn: u64| {
            if drawn.is_multiple_of(u64::from(u64::BITS / BITS)) {
                bits = stream.next_u64();
            }
            let number = self.drawn[(bits & ((1 << BITS) - 1)) as usize];
            bits >>= BITS;
            number
        };
        (0..words).map(draw)
    }
}

/// Words of the list with single spaces between them.
pub fn text_of(numbers: impl IntoIterator<Item = usize>) -> String {
    let numbers = numbers.into_iter();
    let mut text = String::with_capacity(5 * numbers.size_hint().0);
    for number in numbers {
        text.push_str(LIST[number]);
        text.push(' ');
    }
    text.pop();
    text
}

/// Some words of the list, in its order.
pub fn listed(numbers: Range<u64>) -> String {
    text_of(numbers.start as usize..numbers.end as usize)
}

/// The words that are more than one token with the space before them, by `count`: some groups in a few requests, and
/// where a group has more tokens than words, its halves.
///
/// # Errors
/// Those of `count`.
pub fn longer_than_a_token<E>(mut count: impl FnMut(&str) -> Result<u64, E>) -> Result<Vec<String>, E> {
    let before = count(BEFORE)?;
    let mut left_out = Vec::new();
    let mut groups: Vec<&[&str]> = LIST.chunks(GROUP).collect();
    while let Some(group) = groups.pop() {
        // A word has a token at least, so that as many tokens as words are one each.
        if count(&format!("{BEFORE} {}", group.join(" ")))? == before + group.len() as u64 {
            continue;
        }
        match group {
            [word] => left_out.push((*word).to_owned()),
            _ => groups.extend([&group[..group.len() / 2], &group[group.len() / 2..]]),
        }
    }
    left_out.sort_unstable();
    Ok(left_out)
}

/// The token of each word of the list with its space, and 0 for those that are left out, by `ids`. `None` where it tells
/// no ids, or not one for each word.
///
/// # Errors
/// Those of `ids`.
pub fn ids_of_words<E>(
    left_out: &[String],
    mut ids: impl FnMut(&str) -> Result<Option<Vec<u32>>, E>,
) -> Result<Option<Vec<u32>>, E> {
    let kept: Vec<usize> = (0..LIST.len()).filter(|number| left_out.iter().all(|out| out != LIST[*number])).collect();
    let Some(before) = ids(BEFORE)? else { return Ok(None) };
    let mut found = vec![0; LIST.len()];
    for group in kept.chunks(GROUP) {
        let told = ids(&format!("{BEFORE} {}", text_of(group.iter().copied())))?;
        let Some(told) = told.filter(|told| told.len() == before.len() + group.len()) else { return Ok(None) };
        for (number, id) in group.iter().zip(&told[before.len()..]) {
            found[*number] = *id;
        }
    }
    let differing: HashSet<u32> = kept.iter().map(|number| found[*number]).collect();
    Ok((differing.len() == kept.len()).then_some(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nonce(last: u8) -> Nonce {
        format!("{:030}{last:02x}", 0).parse().unwrap()
    }

    #[test]
    fn the_words_differ_and_are_of_four_or_five_characters_with_the_space() {
        assert_eq!(LIST.iter().collect::<HashSet<_>>().len(), 512);
        for word in LIST.iter() {
            assert!(matches!(word.len(), 3 | 4) && word.bytes().all(|byte| byte.is_ascii_lowercase()), "{word}");
        }
    }

    #[test]
    fn nonce_and_name_decide_the_text() {
        assert_eq!(filler(nonce(1), "a", 500), filler(nonce(1), "a", 500));
        assert_ne!(filler(nonce(1), "a", 500), filler(nonce(2), "a", 500));
        assert_ne!(filler(nonce(1), "a", 500), filler(nonce(1), "b", 500));
    }

    #[test]
    fn words_of_several_tokens_are_found_and_left_out() {
        // Every letter is a token to words with a q or a z.
        let tokens = |word: &str| if word.contains(['q', 'z']) { word.len() as u64 } else { 1 };
        let count = |text: &str| Ok::<_, std::convert::Infallible>(text.split(' ').map(tokens).sum());
        let left_out = longer_than_a_token(count).unwrap();
        let expected = LIST.iter().filter(|word| word.contains(['q', 'z'])).count();
        assert!(expected > 0 && left_out.len() == expected, "{left_out:?}");
        let text = Vocabulary::without(&left_out).filler(nonce(1), "a", 20_000);
        assert!(!text.contains(['q', 'z']));
        assert_eq!(text.split(' ').count(), 20_000);
    }

    #[test]
    fn ids_are_those_of_the_words_and_only_where_each_has_its_own() {
        let left_out = [LIST[3].to_owned()];
        let by_length = |text: &str| Ok::<_, std::convert::Infallible>(Some(vec![1; text.split(' ').count()]));
        assert_eq!(ids_of_words(&left_out, by_length), Ok(None), "all the same");
        let numbered = |text: &str| {
            let id =
                |word| LIST.iter().position(|listed| *listed == word).map_or(7_000, |number| 1_000 + number as u32);
            Ok::<_, std::convert::Infallible>(Some(text.split(' ').map(id).collect()))
        };
        let ids = ids_of_words(&left_out, numbered).unwrap().expect("ids");
        assert_eq!((ids[2], ids[3], ids[4], ids.len()), (1_002, 0, 1_004, 512));
        assert_eq!(ids_of_words(&[], |_| Ok::<_, std::convert::Infallible>(None)), Ok(None));
    }

    #[test]
    fn the_list_is_told_in_its_order() {
        assert_eq!(listed(0..3), LIST[..3].join(" "));
        assert_eq!(listed(5..5), "");
    }

    #[test]
    fn with_all_words_nothing_changes() {
        assert_eq!(Vocabulary::without(&[]).filler(nonce(1), "a", 500), filler(nonce(1), "a", 500));
    }

    #[test]
    fn a_filler_has_as_many_words_as_it_was_asked_for() {
        for words in [0, 1, 2, 7, 8, 1_000] {
            assert_eq!(filler(nonce(1), "a", words).split_ascii_whitespace().count() as u64, words);
        }
    }

    #[test]
    fn a_shorter_filler_is_the_beginning_of_a_longer_one() {
        assert!(filler(nonce(1), "a", 1_000).starts_with(&filler(nonce(1), "a", 300)));
    }

    #[test]
    fn fillers_of_different_nonces_part_at_once_and_never_line_up() {
        let texts: Vec<String> = (0..100).map(|last| filler(nonce(last), "a", 200)).collect();
        let firsts: HashSet<&str> = texts.iter().filter_map(|text| text.split(' ').next()).collect();
        assert!(firsts.len() > 80, "{} first words among 100", firsts.len());
        // Eight words in a row are 72 random bits: no run of them appears twice.
        let mut runs = HashSet::new();
        for text in &texts {
            let words: Vec<&str> = text.split(' ').collect();
            assert!(words.windows(8).all(|run| runs.insert(run.join(" "))));
        }
    }
}

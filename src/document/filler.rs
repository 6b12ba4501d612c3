//! Generated text: common English words drawn from a nonce's stream.
//!
//! Every word has three or four letters, four or five characters with its space, and is one token with that space to
//! GPT-2, cl100k, o200k, Llama 2 and 3, Gemma 3, Qwen 3 and DeepSeek V3. Words, and not random tokens: a text of random
//! tokens comes back from a tokenizer with another length.

use std::sync::LazyLock;

use rand::Rng;

use crate::rng::Nonce;

/// 512 words, so that nine random bits draw one.
const WORDS: &str = include_str!("words.txt");
const BITS: u32 = 9;

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
    /// For each draw the word.
    drawn: Vec<&'static str>,
}

impl Default for Vocabulary {
    fn default() -> Vocabulary {
        Vocabulary { drawn: LIST.clone() }
    }
}

/// Words checked at once.
const GROUP: usize = 64;

impl Vocabulary {
    /// All words but some; each of those is drawn as one of the others.
    pub fn without(left_out: &[String]) -> Vocabulary {
        let kept: Vec<&str> = LIST.iter().copied().filter(|word| left_out.iter().all(|out| out != word)).collect();
        if kept.is_empty() {
            return Vocabulary::default();
        }
        let drawn =
            LIST.iter().enumerate().map(|(nth, word)| if kept.contains(word) { *word } else { kept[nth % kept.len()] });
        Vocabulary { drawn: drawn.collect() }
    }

    /// As [`filler`].
    pub fn filler(&self, nonce: Nonce, name: &str, words: u64) -> String {
        let mut stream = nonce.stream(name);
        let mut text = String::with_capacity(usize::try_from(words).unwrap_or(0).saturating_mul(5));
        let mut bits = 0_u64;
        for drawn in 0..words {
            if drawn.is_multiple_of(u64::from(u64::BITS / BITS)) {
                bits = stream.next_u64();
            }
            text.push_str(self.drawn[(bits & ((1 << BITS) - 1)) as usize]);
            text.push(' ');
            bits >>= BITS;
        }
        text.pop();
        text
    }
}

/// The words that are more than one token with the space before them, by `count`: some groups in a few requests, and
/// where a group has more tokens than words, its halves.
///
/// # Errors
/// Those of `count`.
pub fn longer_than_a_token<E>(mut count: impl FnMut(&str) -> Result<u64, E>) -> Result<Vec<String>, E> {
    const BEFORE: &str = "the";
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

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

//! A prompt as a cache sees it: a number of tokens, and keys that name its prefixes and its pieces.
//!
//! A prefix key is a hash chained over every token before it, so that equal keys mean equal prefixes (to 64 bits).
//! Prompts of a million tokens can be given as [`Segment`]s, whose keys cost one hash a block and not one a token.

/// The name of a prefix or a piece of a prompt.
pub type Key = u64;

/// A run of tokens that is known by its id alone: the first `tokens` tokens of the text `id`. Two segments of one id
/// share their tokens as far as the shorter reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    pub id: u64,
    pub tokens: u64,
}

/// The tokens of a prompt, in either form. The two forms of one text have different keys: a cache is used with one.
#[derive(Debug, Clone, Copy)]
pub enum Prompt<'a> {
    Ids(&'a [u32]),
    Segments(&'a [Segment]),
}

impl Prompt<'_> {
    /// The prompt's length in tokens.
    pub fn tokens(&self) -> u64 {
        match self {
            Prompt::Ids(ids) => ids.len() as u64,
            Prompt::Segments(segments) => segments.iter().map(|segment| segment.tokens).sum(),
        }
    }

    /// The keys of all prefixes whose length is a multiple of `block`, shortest first. Prompts of different
    /// `identity` share no key.
    pub fn prefix_keys(&self, identity: u64, block: u64) -> Vec<Key> {
        let mut keys = Vec::with_capacity((self.tokens() / block) as usize);
        match self {
            Prompt::Ids(ids) => {
                let mut state = mix(block, identity);
                for chunk in ids.chunks_exact(block as usize) {
                    state = chunk.iter().fold(state, |state, id| mix(state, u64::from(*id)));
                    keys.push(state);
                }
            }
            Prompt::Segments(segments) => {
                let mut state = mix(block, identity);
                let mut begin = 0;
                for Segment { id, tokens } in segments.iter().copied() {
                    let of_segment = mix(state, id);
                    let mut end = (begin / block + 1) * block;
                    while end <= begin + tokens {
                        keys.push(mix(of_segment, end - begin));
                        end += block;
                    }
                    // An empty segment leaves no trace.
                    if tokens > 0 {
                        state = mix(of_segment, tokens);
                        begin += tokens;
                    }
                }
            }
        }
        keys
    }

    /// The keys of the `block` tokens from every position on, wherever they stand: a rolling polynomial hash.
    pub fn piece_keys(&self, identity: u64, block: u64) -> Vec<Key> {
        let tokens: Vec<u64> = match self {
            Prompt::Ids(ids) => ids.iter().map(|id| mix(1, u64::from(*id))).collect(),
            Prompt::Segments(segments) => {
                segments.iter().flat_map(|s| (0..s.tokens).map(|place| mix(mix(1, s.id), place))).collect()
            }
        };
        let block = block as usize;
        if tokens.len() < block {
            return Vec::new();
        }
        let leaving = BASE.wrapping_pow(block as u32);
        let mut rolling = tokens[..block].iter().fold(0, |sum: u64, token| sum.wrapping_mul(BASE).wrapping_add(*token));
        let mut keys = vec![mix(identity, rolling)];
        for (old, new) in tokens.iter().zip(&tokens[block..]) {
            rolling = rolling.wrapping_mul(BASE).wrapping_add(*new).wrapping_sub(leaving.wrapping_mul(*old));
            keys.push(mix(identity, rolling));
        }
        keys
    }
}

/// Odd, so that no power of it vanishes.
const BASE: u64 = 0xD6E8_FEB8_6659_FD93;

/// One step of the hash chain.
pub(super) fn mix(state: u64, word: u64) -> u64 {
    let product = (state.rotate_left(23) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    product ^ (product >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn segment(id: u64, tokens: u64) -> Segment {
        Segment { id, tokens }
    }

    #[test]
    fn only_whole_blocks_have_keys() {
        assert_eq!(Prompt::Ids(&[1; 31]).prefix_keys(0, 16).len(), 1);
        assert_eq!(Prompt::Segments(&[segment(1, 30), segment(2, 34)]).prefix_keys(0, 16).len(), 4);
    }

    #[test]
    fn segments_share_keys_as_far_as_they_share_text() {
        let whole = Prompt::Segments(&[segment(7, 1000)]).prefix_keys(0, 16);
        let half = Prompt::Segments(&[segment(7, 500), segment(9, 500)]).prefix_keys(0, 16);
        assert_eq!(whole[..31], half[..31]);
        assert!(whole[31..].iter().zip(&half[31..]).all(|(a, b)| a != b));
    }

    #[test]
    fn another_identity_shares_nothing() {
        let prompt = Prompt::Ids(&[5; 64]);
        assert!(prompt.prefix_keys(0, 16).iter().zip(prompt.prefix_keys(1, 16)).all(|(a, b)| *a != b));
    }

    proptest! {
        #[test]
        fn equal_prefixes_and_only_those_have_equal_keys(
            common in prop::collection::vec(any::<u32>(), 0..80),
            (one, other) in (prop::collection::vec(0..9_u32, 1..40), prop::collection::vec(10..19_u32, 1..40)),
            block in 1..20_u64,
        ) {
            let (a, b) = ([&common[..], &one].concat(), [&common[..], &other].concat());
            let (a, b) = (Prompt::Ids(&a).prefix_keys(3, block), Prompt::Ids(&b).prefix_keys(3, block));
            let shared = common.len() / block as usize;
            prop_assert_eq!(&a[..shared], &b[..shared]);
            prop_assert!(a[shared..].iter().zip(&b[shared..]).all(|(a, b)| a != b));
        }

        #[test]
        fn a_piece_has_the_same_key_wherever_it_stands(
            before in prop::collection::vec(any::<u32>(), 0..50),
            piece in prop::collection::vec(any::<u32>(), 8..=8),
        ) {
            let whole = [&before[..], &piece].concat();
            let found = Prompt::Ids(&whole).piece_keys(0, 8);
            prop_assert_eq!(&found[found.len() - 1..], Prompt::Ids(&piece).piece_keys(0, 8));
        }
    }
}

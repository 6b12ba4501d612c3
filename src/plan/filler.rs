//! How much has to come between a document and its replay, so that a lower tier of the cache answers.
//!
//! A document leaves a tier once more tokens have come after it than the tier holds. So the fillers are 1.2 times what the
//! tiers above reach, and where it is known how far the tier itself reaches, no more than nine tenths of that.

/// How far a tier and those above it reach, in tokens of reuse distance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// The tiers above, together.
    pub above_tokens: u64,
    /// The tier itself, where that is known.
    pub own_tokens: Option<u64>,
}

/// Why there are no such fillers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the tier reaches {own_tokens} tokens and those above it {above_tokens}, so nothing fits between that pushes a document \
     of {document_tokens} tokens out of the one and not of the other; take fewer --context_tokens"
)]
pub struct NoRoom {
    above_tokens: u64,
    own_tokens: u64,
    document_tokens: u64,
}

/// Documents that a chain of pairs holds at once.
const CHAIN: u64 = 3;

impl Reach {
    /// Tokens of all fillers between a document and its replay.
    ///
    /// # Errors
    /// [`NoRoom`].
    pub fn filler_tokens(self, document_tokens: u64) -> Result<u64, NoRoom> {
        let Reach { above_tokens, own_tokens } = self;
        let (least, enough) = (above_tokens + above_tokens / 20, above_tokens + above_tokens / 5);
        let Some(own_tokens) = own_tokens else { return Ok(enough) };
        let most = (own_tokens / 10 * 9).saturating_sub(CHAIN * document_tokens);
        if most < least { Err(NoRoom { above_tokens, own_tokens, document_tokens }) } else { Ok(enough.min(most)) }
    }
}

/// Fillers of equal length that come to `tokens` together and have `most` at most: how many, and the length of each.
pub fn split(tokens: u64, most: u64) -> (u64, u64) {
    let count = tokens.div_ceil(most.max(1)).max(1);
    (count, tokens.div_ceil(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fillers_push_out_of_the_upper_tiers_and_not_of_the_one_that_is_measured() {
        let tokens = |above_tokens, own_tokens| Reach { above_tokens, own_tokens }.filler_tokens(2_000);
        assert_eq!(tokens(100_000, None), Ok(120_000));
        assert_eq!(tokens(100_000, Some(1_000_000)), Ok(120_000));
        assert_eq!(tokens(100_000, Some(130_000)), Ok(111_000), "less than usual, so that the lower tier keeps it");
        assert!(tokens(100_000, Some(115_000)).is_err());
    }

    #[test]
    fn fillers_are_equal_and_none_is_too_long() {
        assert_eq!(split(120_000, 32_768), (4, 30_000));
        assert_eq!(split(1_000, 32_768), (1, 1_000));
        assert_eq!(split(100, 0), (100, 1));
    }
}

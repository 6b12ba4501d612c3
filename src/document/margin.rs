//! How much of a model's context a document may take.

/// What is kept free for the chat template, the question and the quirks of tokenizers.
const SAFETY_MARGIN: u64 = 2_048;

/// With the model's context unknown, a limit up to this is taken at its word.
const BELIEVED: u64 = 65_536;

/// The tokens of document to send, when at most `max_ctx_tokens` are wanted from a model whose context is `model_ctx`
/// and that is to answer with `max_tokens`.
///
/// `min(max_ctx_tokens, model_ctx - 2048 - max_tokens)`. A context of which that would leave less than half keeps an
/// eighth of itself as margin in place of the 2,048. With the context unknown, `max_ctx_tokens` up to 65,536 and 2,048
/// less above that, where it is likely to be the model's whole context.
pub fn tokens_to_send(max_ctx_tokens: u64, model_ctx: Option<u64>, max_tokens: u64) -> u64 {
    match model_ctx {
        Some(context) => max_ctx_tokens.min(room(context, max_tokens)),
        None if max_ctx_tokens <= BELIEVED => max_ctx_tokens,
        None => max_ctx_tokens - SAFETY_MARGIN,
    }
}

fn room(context: u64, max_tokens: u64) -> u64 {
    let left = |margin: u64| context.saturating_sub(margin).saturating_sub(max_tokens);
    if left(SAFETY_MARGIN) < context.div_ceil(2) { left(context / 8) } else { left(SAFETY_MARGIN) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_context_keeps_its_margin_and_the_answer() {
        assert_eq!(tokens_to_send(131_072, Some(131_072), 16), 131_072 - 2_048 - 16);
        assert_eq!(tokens_to_send(1_000, Some(131_072), 16), 1_000);
        assert_eq!(tokens_to_send(32_000, Some(32_768), 16), 32_768 - 2_048 - 16);
    }

    #[test]
    fn a_small_context_keeps_an_eighth() {
        // 4,096 - 2,048 - 16 is less than half of 4,096.
        assert_eq!(tokens_to_send(131_072, Some(4_096), 16), 4_096 - 512 - 16);
        // 4,128 is the smallest context of which half is left.
        assert_eq!(tokens_to_send(131_072, Some(4_128), 16), 2_064);
        assert_eq!(tokens_to_send(131_072, Some(4_127), 16), 4_127 - 515 - 16);
    }

    #[test]
    fn a_context_too_small_for_the_answer_leaves_nothing() {
        assert_eq!(tokens_to_send(1_000, Some(16), 16), 0);
        assert_eq!(tokens_to_send(1_000, Some(0), 0), 0);
    }

    #[test]
    fn an_unknown_context_is_taken_for_the_limit() {
        assert_eq!(tokens_to_send(50, None, 16), 50);
        assert_eq!(tokens_to_send(65_536, None, 16), 65_536);
        assert_eq!(tokens_to_send(65_537, None, 16), 63_489);
        assert_eq!(tokens_to_send(131_072, None, 16), 129_024);
    }
}

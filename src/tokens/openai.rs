//! tiktoken's tables for the names of OpenAI's models, whose tokenizers no server and no hub offers.
//!
//! Two tables are compiled in, 5.3 MB: `o200k_base` for GPT-4o and everything since, `cl100k_base` for GPT-4 and GPT-3.5.
//! The models before those are gone.

use tiktoken_rs::tokenizer::{Tokenizer, get_tokenizer};
use tiktoken_rs::{CoreBPE, cl100k_base_singleton, o200k_base_singleton};

use crate::document::{CountError, CountTokens, Cut, cut_at_ends};

/// One of the two tables, loaded when it is first used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenAi {
    O200k,
    Cl100k,
}

impl OpenAi {
    /// The table of the model called `model`, with or without the `openai/` that gateways put before it; `None` when
    /// that is no model of OpenAI's.
    pub fn for_model(model: &str) -> Option<OpenAi> {
        match get_tokenizer(model.strip_prefix("openai/").unwrap_or(model))? {
            // The two differ in their special tokens alone, and a document has none.
            Tokenizer::O200kBase | Tokenizer::O200kHarmony => Some(OpenAi::O200k),
            Tokenizer::Cl100kBase => Some(OpenAi::Cl100k),
            _ => None,
        }
    }

    fn table(self) -> &'static CoreBPE {
        match self {
            OpenAi::O200k => o200k_base_singleton(),
            OpenAi::Cl100k => cl100k_base_singleton(),
        }
    }
}

impl CountTokens for OpenAi {
    fn name(&self) -> String {
        match self {
            OpenAi::O200k => "tiktoken o200k_base".to_owned(),
            OpenAi::Cl100k => "tiktoken cl100k_base".to_owned(),
        }
    }

    fn count(&self, text: &str) -> Result<u64, CountError> {
        Ok(self.table().count_ordinary(text) as u64)
    }

    fn cut(&self, text: &str, limit: u64) -> Result<Cut, CountError> {
        let ends_of = |head: &str| {
            let mut end = 0;
            let ids = self.table().encode_ordinary(head);
            ids.iter()
                .map(|id| {
                    end += self
                        .table()
                        .decode_bytes(&[*id])
                        .map_err(|error| CountError {
                            counter: self.name(),
                            bytes: head.len(),
                            reason: error.to_string(),
                        })?
                        .len();
                    Ok(end)
                })
                .collect()
        };
        cut_at_ends(ends_of, text, limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_openais_models_are_known_and_others_are_not() {
        for (model, table) in [
            ("gpt-4o-mini", Some(OpenAi::O200k)),
            ("openai/gpt-oss-120b", Some(OpenAi::O200k)),
            ("gpt-5", Some(OpenAi::O200k)),
            ("o3", Some(OpenAi::O200k)),
            ("gpt-4", Some(OpenAi::Cl100k)),
            ("davinci", None),
            ("mistralai/Mistral-7B-Instruct-v0.1", None),
        ] {
            assert_eq!(OpenAi::for_model(model), table, "{model}");
        }
    }

    #[test]
    fn every_word_of_a_filler_is_one_token() {
        let text = crate::document::filler(crate::rng::Nonce::fresh(), "openai", 20_000);
        for table in [OpenAi::O200k, OpenAi::Cl100k] {
            assert_eq!(table.count(&text), Ok(20_000), "{}", table.name());
        }
    }

    #[test]
    fn a_text_is_cut_at_whole_characters_and_to_the_token() {
        let text = "naïve 東京 🚀 tokens, and \u{feff}\r\n more of them".repeat(50);
        for limit in [1, 2, 3, 7, 100] {
            let cut = OpenAi::O200k.cut(&text, limit).unwrap();
            assert_eq!(OpenAi::O200k.count(&text[..cut.bytes]), Ok(cut.tokens));
            assert!(cut.tokens <= limit && cut.tokens + 3 >= limit, "{} of {limit}", cut.tokens);
        }
    }
}

//! The server's own `/tokenize`, as vLLM, SGLang, llama.cpp and TGI have it.
//!
//! | server | request | answer |
//! |---|---|---|
//! | vLLM, SGLang | `prompt`, `add_special_tokens` | `count`, `tokens` |
//! | llama.cpp | `content`, `add_special` | `tokens` |
//! | TGI | `inputs` | an array of `id`, `text`, `start`, `stop` |
//!
//! Which one a server speaks is seen from its answer to a short text that is sent in all three fields. A document is cut
//! by counting ([`cut_by_counting`]), four or five requests for a text of any length: the ids alone do not tell where
//! in the text a token ends, and the pieces that some servers can add do so only for tokenizers that keep every byte.

use anyhow::{Context, bail};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;

use crate::document::{CountError, CountTokens, Cut, cut_by_counting};

/// A server that can be sent JSON.
pub trait Tokenize {
    /// Posts `body` to `path`, which is relative to the server's root and not to `/v1`.
    ///
    /// # Errors
    /// When no answer came; any status is an answer.
    fn post(&self, path: &str, body: Vec<u8>) -> anyhow::Result<Reply>;
}

impl<F: Fn(&str, Vec<u8>) -> anyhow::Result<Reply>> Tokenize for F {
    fn post(&self, path: &str, body: Vec<u8>) -> anyhow::Result<Reply> {
        self(path, body)
    }
}

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    pub body: Vec<u8>,
}

const PATH: &str = "/tokenize";

/// Has more than one token to every tokenizer, and none of them is white space, whose extent TGI does not tell.
const PROBE: &str = "tokens?";

/// A server that tokenizes.
pub struct ServerTokenizer<'a> {
    server: &'a dyn Tokenize,
    model: String,
    shape: Shape,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// vLLM and SGLang.
    Prompt,
    LlamaCpp,
    /// TGI adds its special tokens, as many to every text, and cannot be told not to.
    Tgi {
        specials: u64,
    },
}

impl<'a> ServerTokenizer<'a> {
    /// Asks the server for the tokens of a short text; `None` when it has no `/tokenize`.
    ///
    /// # Errors
    /// When the server does not answer, or answers something else than tokens.
    pub fn probe(server: &'a dyn Tokenize, model: &str) -> anyhow::Result<Option<ServerTokenizer<'a>>> {
        let body = json!({
            "model": model,
            "prompt": PROBE, "add_special_tokens": false,
            "content": PROBE, "add_special": false,
            "inputs": PROBE,
        });
        let reply = server.post(PATH, body.to_string().into_bytes()).context("asking the server's /tokenize")?;
        match reply.status {
            200 => (),
            404 | 405 | 501 => return Ok(None),
            status => bail!("the server's /tokenize answered {status}: {}", start_of(&reply.body)),
        }
        match shape_of(&reply.body) {
            Some(shape) => Ok(Some(ServerTokenizer { server, model: model.to_owned(), shape })),
            None => bail!("the server's /tokenize answered no tokens but {}", start_of(&reply.body)),
        }
    }

    /// What it answers to a text.
    fn ask(&self, text: &str) -> anyhow::Result<Vec<u8>> {
        let body = match self.shape {
            Shape::Prompt => json!({ "model": self.model, "prompt": text, "add_special_tokens": false }),
            Shape::LlamaCpp => json!({ "content": text, "add_special": false }),
            Shape::Tgi { .. } => json!({ "inputs": text }),
        };
        let reply = self.server.post(PATH, body.to_string().into_bytes())?;
        if reply.status != 200 {
            bail!("status {}: {}", reply.status, start_of(&reply.body));
        }
        Ok(reply.body)
    }

    fn failed(&self, text: &str, error: &anyhow::Error) -> CountError {
        CountError { counter: self.name(), bytes: text.len(), reason: format!("{error:#}") }
    }
}

impl CountTokens for ServerTokenizer<'_> {
    fn name(&self) -> String {
        "the server's /tokenize".to_owned()
    }

    fn count(&self, text: &str) -> Result<u64, CountError> {
        if text.is_empty() {
            return Ok(0);
        }
        let counted = self
            .ask(text)
            .and_then(|body| self.shape.count(&body).with_context(|| format!("no count in {}", start_of(&body))));
        counted.map_err(|error| self.failed(text, &error))
    }

    fn cut(&self, text: &str, limit: u64) -> Result<Cut, CountError> {
        cut_by_counting(|head| self.count(head), text, limit)
    }

    fn ids(&self, text: &str) -> Result<Option<Vec<u32>>, CountError> {
        let body = self.ask(text).map_err(|error| self.failed(text, &error))?;
        Ok(self.shape.ids(&body))
    }
}

/// An answer of vLLM, SGLang or llama.cpp. The tokens are counted and not kept.
#[derive(Deserialize)]
struct Tokens {
    count: Option<u64>,
    tokens: Vec<IgnoredAny>,
}

/// The same answer for its tokens.
#[derive(Deserialize)]
struct Ids {
    tokens: Vec<u32>,
}

/// A token of TGI's answer. A special token covers no text.
#[derive(Deserialize)]
struct Span {
    id: u32,
    start: Option<u64>,
    stop: Option<u64>,
}

fn shape_of(body: &[u8]) -> Option<Shape> {
    if let Ok(spans) = serde_json::from_slice::<Vec<Span>>(body) {
        let specials = spans.iter().filter(|span| span.start.is_some() && span.start == span.stop).count();
        return (spans.len() > specials).then_some(Shape::Tgi { specials: specials as u64 });
    }
    let answer: Tokens = serde_json::from_slice(body).ok()?;
    // A count of nothing, or of more tokens than bytes, is not a count of this text.
    (1..=PROBE.len()).contains(&answer.tokens.len()).then_some(match answer.count {
        Some(_) => Shape::Prompt,
        None => Shape::LlamaCpp,
    })
}

impl Shape {
    fn count(self, body: &[u8]) -> Option<u64> {
        match self {
            Shape::Prompt | Shape::LlamaCpp => {
                let answer: Tokens = serde_json::from_slice(body).ok()?;
                Some(answer.count.unwrap_or(answer.tokens.len() as u64))
            }
            Shape::Tgi { specials } => {
                let spans: Vec<IgnoredAny> = serde_json::from_slice(body).ok()?;
                (spans.len() as u64).checked_sub(specials)
            }
        }
    }

    /// `None` where the answer tells them in another form, as llama.cpp does with pieces.
    fn ids(self, body: &[u8]) -> Option<Vec<u32>> {
        match self {
            Shape::Prompt | Shape::LlamaCpp => Some(serde_json::from_slice::<Ids>(body).ok()?.tokens),
            Shape::Tgi { .. } => {
                let spans: Vec<Span> = serde_json::from_slice(body).ok()?;
                let of_text = spans.iter().filter(|span| span.start.is_none() || span.start != span.stop);
                Some(of_text.map(|span| span.id).collect())
            }
        }
    }
}

/// As much of an answer as fits into a sentence.
fn start_of(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(200)]);
    format!("{:?}", text.trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::cell::RefCell;

    fn reply(status: u16, body: impl ToString) -> anyhow::Result<Reply> {
        Ok(Reply { status, body: body.to_string().into_bytes() })
    }

    /// A server whose tokens are words, in one of the three shapes, and the field it read them from.
    fn words(field: &'static str, log: &RefCell<Vec<String>>) -> impl Fn(&str, Vec<u8>) -> anyhow::Result<Reply> {
        move |path, body| {
            assert_eq!(path, "/tokenize");
            let request: Value = serde_json::from_slice(&body)?;
            let text = request[field].as_str().expect("the field this server reads");
            log.borrow_mut().push(text.to_owned());
            let ids: Vec<usize> = (0..text.split_ascii_whitespace().count()).collect();
            match field {
                "prompt" if request["add_special_tokens"] == false => {
                    reply(200, json!({ "count": ids.len(), "max_model_len": 4096, "tokens": ids }))
                }
                "content" if request["add_special"] == false => reply(200, json!({ "tokens": ids })),
                "inputs" => {
                    let special = json!({ "id": 1, "text": "<s>", "start": 0, "stop": 0 });
                    let word = json!({ "id": 2, "text": "word", "start": 0, "stop": 4 });
                    let tokens: Vec<_> = std::iter::once(&special).chain(ids.iter().map(|_| &word)).collect();
                    reply(200, json!(tokens))
                }
                _ => panic!("special tokens were asked for"),
            }
        }
    }

    #[test]
    fn every_shape_counts_the_text_without_special_tokens() {
        for field in ["prompt", "content", "inputs"] {
            let log = RefCell::default();
            let server = words(field, &log);
            let tokenizer = ServerTokenizer::probe(&server, "m").unwrap().expect(field);
            assert_eq!(tokenizer.count("one two three"), Ok(3), "{field}");
            assert_eq!(tokenizer.count(""), Ok(0), "{field}");
            let ids = if field == "inputs" { vec![2, 2, 2] } else { vec![0, 1, 2] };
            assert_eq!(tokenizer.ids("one two three"), Ok(Some(ids)), "{field}");
        }
    }

    #[test]
    fn a_document_is_cut_exactly_in_a_handful_of_requests() {
        let log = RefCell::default();
        let server = words("prompt", &log);
        let tokenizer = ServerTokenizer::probe(&server, "m").unwrap().expect("a tokenizer");
        let text = crate::document::filler(crate::rng::Nonce::fresh(), "cut", 120_000);
        assert_eq!(tokenizer.cut(&text, 100_000).map(|cut| cut.tokens), Ok(100_000));
        assert!(log.borrow().len() <= 6, "{} requests", log.borrow().len());
    }

    #[test]
    fn a_server_without_the_endpoint_is_no_failure() {
        for status in [404, 405, 501] {
            let server = move |_: &str, _: Vec<u8>| reply(status, "nothing here");
            assert!(ServerTokenizer::probe(&server, "m").is_ok_and(|found| found.is_none()));
        }
    }

    #[test]
    fn what_is_no_answer_of_tokens_is_refused_with_its_beginning() {
        for (status, body) in [
            (200, "<html>sign in</html>"),
            (200, r#"{"tokens":[]}"#),
            (200, "[]"),
            (500, "the server caught fire"),
            (401, "no key"),
        ] {
            let server = move |_: &str, _: Vec<u8>| reply(status, body);
            let error = ServerTokenizer::probe(&server, "m").err().expect(body).to_string();
            assert!(error.contains(&body.replace('"', "\\\"")), "{error}");
        }
    }

    #[test]
    fn a_count_that_fails_later_names_the_counter_and_the_reason() {
        let calls = RefCell::new(0);
        let server = |_: &str, _: Vec<u8>| {
            *calls.borrow_mut() += 1;
            if *calls.borrow() == 1 { reply(200, r#"{"tokens":[1,2]}"#) } else { reply(503, "busy") }
        };
        let tokenizer = ServerTokenizer::probe(&server, "m").unwrap().expect("a tokenizer");
        let error = tokenizer.count("hello").unwrap_err().to_string();
        assert_eq!(error, r#"the server's /tokenize could not count a text of 5 bytes: status 503: "busy""#);
    }
}

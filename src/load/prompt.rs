//! What a request says, as pieces of generated text: equal pieces are equal bytes, and a request that begins with the
//! pieces of another one finds them in a prefix cache.

use std::borrow::Cow;
use std::sync::Arc;

use crate::document::filler;
use crate::rng::Nonce;
use crate::wire::body::{Conversation, Message, Role, Say};

/// A text that the nonce, `kind` and `id` decide, about `tokens` tokens long. A shorter one is the beginning of a longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Piece {
    pub kind: Kind,
    pub id: u64,
    pub tokens: u64,
}

/// Pieces of different kinds have nothing in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Document,
    Question,
    Answer,
    /// A block of a trace.
    Block,
    /// What one request of a trace has alone.
    Own,
    /// In the place of a document, what no other request has.
    Apart,
}

impl Piece {
    pub fn document(id: u64, tokens: u64) -> Piece {
        Piece { kind: Kind::Document, id, tokens }
    }

    pub fn question(id: u64, tokens: u64) -> Piece {
        Piece { kind: Kind::Question, id, tokens }
    }

    pub fn answer(id: u64, tokens: u64) -> Piece {
        Piece { kind: Kind::Answer, id, tokens }
    }
}

/// One request's prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prompt {
    /// Documents are handed over, then question, answer, question and so on: an odd number of turns. A question of no
    /// tokens is the user's prompt alone.
    Documents { documents: Vec<Piece>, turns: Vec<Piece> },
    /// All in one message.
    Blocks(Vec<Piece>),
    /// The first `count` of these messages, `tokens` long by a rule of thumb.
    Given { messages: Arc<[Message]>, count: usize, tokens: u64 },
}

impl Prompt {
    /// A document and the user's prompt.
    pub fn about(document: Piece) -> Prompt {
        Prompt::asking(document, Piece::question(0, 0))
    }

    /// A document and a question of its own before the user's prompt.
    pub fn asking(document: Piece, question: Piece) -> Prompt {
        Prompt::Documents { documents: vec![document], turns: vec![question] }
    }

    /// As long, and from the beginning unlike any other: number `number` of those.
    pub fn apart(self, number: u64) -> Prompt {
        let own = |mut pieces: Vec<Piece>| {
            if let Some(first) = pieces.first_mut() {
                (first.kind, first.id) = (Kind::Apart, number);
            }
            pieces
        };
        match self {
            Prompt::Documents { documents, turns } => Prompt::Documents { documents: own(documents), turns },
            Prompt::Blocks(pieces) => Prompt::Blocks(own(pieces)),
            // Texts that a trace gives are as they are.
            Prompt::Given { .. } => self,
        }
    }

    /// Tokens of the generated text; what stands around it is left out.
    pub fn tokens(&self) -> u64 {
        match self {
            Prompt::Documents { documents, turns } => documents.iter().chain(turns).map(|piece| piece.tokens).sum(),
            Prompt::Blocks(pieces) => pieces.iter().map(|piece| piece.tokens).sum(),
            Prompt::Given { tokens, .. } => *tokens,
        }
    }
}

/// Makes the text: all of it from the nonce and the piece's name, its first characters included.
#[derive(Debug, Clone)]
pub struct Texts {
    pub nonce: Nonce,
    /// Words that make a token, by whoever counts tokens; about 1.
    pub words_per_token: f64,
    /// Tokens of the line with the nonce, likewise.
    pub head_tokens: u64,
    /// The question that the user asks of every document.
    pub prompt: String,
}

/// A prompt whose text is made when it is sent and kept by nobody: thousands of requests wait for their answers at once.
#[derive(Debug, Clone, Copy)]
pub struct Unwritten<'a> {
    pub texts: &'a Texts,
    pub prompt: &'a Prompt,
}

impl Say for Unwritten<'_> {
    fn messages(&self) -> Cow<'_, [Message]> {
        Cow::Owned(self.texts.messages(self.prompt))
    }

    fn text(&self) -> Cow<'_, str> {
        Cow::Owned((&self.texts.messages(self.prompt)[..]).text().into_owned())
    }
}

impl Texts {
    fn messages(&self, prompt: &Prompt) -> Vec<Message> {
        match prompt {
            Prompt::Documents { documents, turns } => {
                let head = documents.first().map(|first| self.nonce.derive(&name(first)).to_string());
                let document = documents.iter().map(|piece| self.text(piece)).collect::<Vec<_>>().join("\n\n");
                let first = turns.first().map_or(String::new(), |question| self.question(question));
                let opening = Conversation { nonce: head.as_deref(), document: &document, prompt: &first };
                let mut messages = opening.messages().into_owned();
                messages.extend(turns.iter().skip(1).map(|piece| match piece.kind {
                    Kind::Answer => Message { role: Role::Assistant, content: self.text(piece) },
                    _ => Message { role: Role::User, content: self.question(piece) },
                }));
                messages
            }
            Prompt::Blocks(pieces) => vec![Message { role: Role::User, content: self.joined(pieces) }],
            Prompt::Given { messages, count, .. } => {
                // One nonce for all, so that what is the same in two conversations is the same here.
                let head = self.nonce.derive("load given");
                let mut messages = messages[..*count].to_vec();
                if let Some(first) = messages.first_mut() {
                    first.content.insert_str(0, &format!("{head}\n"));
                }
                messages
            }
        }
    }

    /// The pieces in a row, after a nonce that the first of them decides and that is a part of its length.
    fn joined(&self, pieces: &[Piece]) -> String {
        let Some((first, rest)) = pieces.split_first() else { return String::new() };
        let begin = Piece { tokens: first.tokens.saturating_sub(self.head_tokens).max(1), ..*first };
        let mut text = format!("{}\n{}", self.nonce.derive(&name(first)), self.text(&begin));
        for piece in rest {
            text.push(' ');
            text.push_str(&self.text(piece));
        }
        text
    }

    fn question(&self, piece: &Piece) -> String {
        match piece.tokens {
            0 => self.prompt.clone(),
            _ => format!("{}\n\n{}", self.text(piece), self.prompt),
        }
    }

    fn text(&self, piece: &Piece) -> String {
        filler(self.nonce, &name(piece), (piece.tokens as f64 * self.words_per_token).round() as u64)
    }
}

/// What tells a piece from all others of its nonce.
fn name(piece: &Piece) -> String {
    let kind = match piece.kind {
        Kind::Document => "document",
        Kind::Question => "question",
        Kind::Answer => "answer",
        Kind::Block => "block",
        Kind::Own => "own",
        Kind::Apart => "apart",
    };
    format!("load {kind} {}", piece.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts() -> Texts {
        let nonce = "000102030405060708090a0b0c0d0e0f".parse().unwrap();
        Texts { nonce, words_per_token: 1.0, head_tokens: 20, prompt: "Why?".to_owned() }
    }

    #[test]
    fn a_document_begins_with_a_nonce_of_its_own_and_ends_with_the_question() {
        let of = |id| texts().messages(&Prompt::about(Piece::document(id, 50)));
        assert_eq!(of(1), of(1));
        assert_eq!(of(1)[2].content, "Why?");
        assert_ne!(of(1)[0].content[..32], of(2)[0].content[..32]);
        assert!(of(1)[0].content[..32].bytes().all(|byte| byte.is_ascii_hexdigit()));
    }

    #[test]
    fn a_later_turn_begins_with_all_that_was_said_before() {
        let documents = vec![Piece::document(1, 20)];
        let [first, answer, second] = [Piece::question(1, 5), Piece::answer(1, 9), Piece::question(2, 5)];
        let early = Prompt::Documents { documents: documents.clone(), turns: vec![first] };
        let late = Prompt::Documents { documents, turns: vec![first, answer, second] };
        let (before, after) = (texts().messages(&early), texts().messages(&late));
        assert_eq!(after[..3], before[..]);
        assert_eq!(after.iter().map(|of| of.role).collect::<Vec<_>>()[3..], [Role::Assistant, Role::User]);
        assert_eq!((early.tokens(), late.tokens()), (25, 39));
    }

    #[test]
    fn blocks_are_as_long_together_as_they_say_and_equal_ones_are_equal_text() {
        let block = |id| Piece { kind: Kind::Block, id, tokens: 100 };
        let of = |ids: &[u64]| {
            let messages = texts().messages(&Prompt::Blocks(ids.iter().map(|id| block(*id)).collect()));
            messages[0].content.clone()
        };
        let (one, other) = (of(&[1, 2, 3]), of(&[1, 2, 4]));
        assert_eq!(one.split_ascii_whitespace().count(), 1 + 80 + 200);
        let same = one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
        assert!(one[..same].split_ascii_whitespace().count() >= 1 + 80 + 100);
    }
}

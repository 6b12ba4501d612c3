//! The prompt table: which questions are compared, and in which order their requests go out.
//!
//! ```text
//! for each prompt:  prime a document, then pairs of [cold: a new document, hit: the replay of the last new one]
//! ```
//! Each cold document is what the next pair replays. The order inside a pair is drawn, and of every two pairs one begins
//! with its cold, so that a penalty on whoever comes first falls on both arms alike.

use rand::RngExt;

use super::{Arm, Role};
use crate::rng;

/// A question about the document.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Prompt {
    /// What kind of question it is; empty where nobody said.
    #[serde(rename = "type")]
    pub kind: String,
    pub prompt: String,
}

/// The questions recommended for a first look, in the languages and of the kinds that differ most.
const RECOMMENDED: [(&str, &str); 5] = [
    ("简单问答", "这个文档主要讲了什么？"),
    ("中文总结", "请用中文总结这个文档的主要内容"),
    ("英文问答", "What is the main topic of this document?"),
    ("功能询问", "FFmpeg的主要功能有哪些？"),
    ("结构分析", "分析这个文档的结构和特点"),
];

/// A file held no prompt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no prompt in it; write one a line, and before it its type and a tab if you like")]
pub struct NoPrompt;

impl Prompt {
    /// The recommended prompts.
    pub fn recommended() -> Vec<Prompt> {
        RECOMMENDED.map(|(kind, prompt)| Prompt { kind: kind.to_owned(), prompt: prompt.to_owned() }).to_vec()
    }

    /// The prompts of a file: one a line, `[type TAB] prompt`. Empty lines and lines that begin with `#` are passed over.
    ///
    /// # Errors
    /// When no line is left.
    pub fn parse(text: &str) -> Result<Vec<Prompt>, NoPrompt> {
        let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let prompts: Vec<Prompt> = lines
            .map(|line| {
                let (kind, prompt) = line.split_once('\t').unwrap_or(("", line));
                Prompt { kind: kind.trim().to_owned(), prompt: prompt.trim().to_owned() }
            })
            .collect();
        if prompts.is_empty() { Err(NoPrompt) } else { Ok(prompts) }
    }
}

/// One request of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    /// Which prompt, from 0.
    pub prompt: usize,
    /// Which document: equal numbers are equal bytes, and no two prompts share one.
    pub document: u64,
    /// Which pair, from 1 over all prompts; `None` outside of pairs.
    pub pair: Option<u64>,
    pub arm: Arm,
    pub role: Role,
}

/// The requests for `prompts` prompts with `pairs` pairs each, in the order that `seed` decides. Two throw-away requests
/// come first and pay for what the server does once.
pub fn questions(prompts: usize, pairs: u64, seed: u64) -> Vec<Question> {
    let mut order = rng::stream(seed, "prompts");
    let mut documents = 0..;
    let mut new_document = || documents.next().expect("there is always another number");
    let mut questions = Vec::new();
    for _ in 0..2 {
        let document = new_document();
        questions.push(Question { prompt: 0, document, pair: None, arm: Arm::Cold, role: Role::Warmup });
    }
    for prompt in 0..prompts {
        let mut last = new_document();
        questions.push(Question { prompt, document: last, pair: None, arm: Arm::Cold, role: Role::Prime });
        let mut cold_first = false;
        for nth in 1..=pairs {
            let pair = prompt as u64 * pairs + nth;
            cold_first = if nth % 2 == 1 { order.random() } else { !cold_first };
            let new = new_document();
            let of = |arm, document| Question { prompt, document, pair: Some(pair), arm, role: Role::Measure };
            let (cold, hit) = (of(Arm::Cold, new), of(Arm::Hit, last));
            questions.extend(if cold_first { [cold, hit] } else { [hit, cold] });
            last = new;
        }
    }
    questions
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn prompt(kind: &str, prompt: &str) -> Prompt {
        Prompt { kind: kind.to_owned(), prompt: prompt.to_owned() }
    }

    #[test]
    fn a_file_has_a_prompt_a_line_with_or_without_its_type() {
        let text = "\u{feff}# mine\r\nsummary\tSum it up.\r\n\r\n  What is it?  \n";
        assert_eq!(Prompt::parse(text), Ok(vec![prompt("summary", "Sum it up."), prompt("", "What is it?")]));
        assert_eq!(Prompt::parse("# nothing\n\n"), Err(NoPrompt));
    }

    #[test]
    fn every_hit_replays_what_its_prompt_has_sent_and_every_cold_is_new() {
        let (mut seen, mut newest) = (HashSet::new(), None);
        for question in questions(3, 10, 7) {
            match question.arm {
                Arm::Hit => assert!(seen.contains(&(question.prompt, question.document))),
                _ => {
                    assert!(seen.insert((question.prompt, question.document)), "{question:?}");
                    assert!(newest < Some(question.document), "no other prompt has had it");
                    newest = Some(question.document);
                }
            }
        }
    }

    #[test]
    fn each_pair_has_one_cold_and_one_hit_and_each_goes_first_as_often() {
        let questions = questions(2, 10, 3);
        let measured: Vec<&Question> = questions.iter().filter(|question| question.role == Role::Measure).collect();
        assert_eq!(measured.len(), 2 * 10 * 2);
        let mut cold_first = 0;
        for pair in measured.chunks(2) {
            assert_eq!((pair[0].prompt, pair[0].pair), (pair[1].prompt, pair[1].pair));
            assert_ne!(pair[0].arm, pair[1].arm);
            cold_first += usize::from(pair[0].arm == Arm::Cold);
        }
        assert_eq!(cold_first, 10);
    }

    #[test]
    fn the_seed_decides_the_order_and_nothing_else() {
        assert_eq!(questions(2, 10, 1), questions(2, 10, 1));
        assert_ne!(questions(2, 10, 1), questions(2, 10, 2));
        let sorted = |seed| {
            let mut all = questions(2, 10, seed);
            all.sort_by_key(|question| (question.prompt, question.pair, question.arm == Arm::Hit, question.document));
            all
        };
        assert_eq!(sorted(1), sorted(2));
    }
}

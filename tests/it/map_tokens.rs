//! `ttft map` knows its lengths to the token: by token ids, by a tokenizer, by the answers' usage, and says so by which.

use serde_json::Value;

use super::bench::{Bench, Printed, prompt};

const QUICK: &str =
    "7b,template=20,base=1ms,per_token=2us,quadratic=0ns,decode=0ns,noise=0.03,jitter=0ns,block_size=16";
/// The opening and the block size, of documents of 512 words.
const BLOCK: &str = "map --yes --context_tokens 512 --skip replicas,semantics,fill,delay";
/// Words of the list with a `k` that does not begin them.
const LONG: usize = 34;

fn mapped(args: &str, faults: &[&str]) -> (Bench, Printed, Vec<Value>) {
    let bench = Bench::new(QUICK, faults, 1);
    let printed = bench.measure(args);
    let rows = bench.rows("map.jsonl");
    assert_eq!(rows.len(), bench.requests(), "{}", printed.stderr);
    assert_eq!(bench.report(&["map.jsonl"]), printed.stdout);
    (bench, printed, rows)
}

fn map_of(rows: &[Value]) -> &Value {
    &rows[0]["conditions"]["map"]
}

/// Tokens of the prompts that are of one document, by the server's count.
fn documents(rows: &[Value]) -> Vec<u64> {
    rows.iter().filter(|row| row["stage"] == "opening" && row["role"] != "warmup").map(prompt).collect()
}

#[test]
fn completions_are_asked_with_token_ids_of_whole_words() {
    let (_bench, printed, rows) = mapped(&format!("{BLOCK} --endpoint completions"), &["long_words"]);
    assert_eq!(printed.code, Some(0), "{}{}", printed.stdout, printed.stderr);
    assert!(
        printed.says("Prompts were token ids, of words that are one token each by the server's /tokenize"),
        "{}",
        printed.stdout
    );
    assert!(printed.says("in blocks of 16"), "{}", printed.stdout);
    // Text would have begun with the token that begins every text.
    assert!(documents(&rows).iter().all(|tokens| *tokens == 512), "{:?}", documents(&rows));
    let ids = map_of(&rows)["word_ids"].as_array().expect("ids");
    assert_eq!((ids.len(), ids.iter().filter(|id| **id == 0).count()), (512, LONG));
}

#[test]
fn a_server_that_takes_no_ids_is_sent_the_same_words_as_text() {
    let (_bench, printed, rows) = mapped(&format!("{BLOCK} --endpoint completions"), &["refuse_ids"]);
    assert_eq!(printed.code, Some(0), "{}{}", printed.stdout, printed.stderr);
    assert!(
        printed.says("Prompts of token ids were refused, so the same words were sent as text"),
        "{}",
        printed.stdout
    );
    assert!(
        rows.iter().all(|row| row["adapted"][0] == "prompt of token ids -> text" && row["outcome"] == "ok"),
        "{}",
        rows[0]
    );
    assert!(documents(&rows).iter().all(|tokens| *tokens == 513), "{:?}", documents(&rows));
}

#[test]
fn words_that_are_two_tokens_to_the_servers_tokenizer_stand_in_no_document() {
    let (_bench, printed, rows) = mapped(BLOCK, &["long_words"]);
    assert!(printed.says("in blocks of 16"), "{}", printed.stdout);
    assert_eq!(map_of(&rows)["words_left_out"].as_array().map(Vec::len), Some(LONG));
    let documents = documents(&rows);
    assert!(documents.iter().all(|tokens| *tokens == documents[0]), "{documents:?}");
}

#[test]
fn without_a_tokenizer_the_answers_usage_tells_which_words_are_one_token() {
    let (_bench, printed, rows) = mapped(BLOCK, &["no_tokenize", "long_words"]);
    assert_eq!(printed.code, Some(0), "{}{}", printed.stdout, printed.stderr);
    let said = format!(
        "No tokenizer was at hand: by what the answers count, the words are one token each; {LONG} that are more"
    );
    assert!(printed.says(&said), "{}", printed.stdout);
    assert!(printed.says("in blocks of 16") && !printed.says("A word of the documents is"), "{}", printed.stdout);
    let checks: Vec<&Value> = rows.iter().filter(|row| row["stage"] == "words").collect();
    assert!(
        !checks.is_empty() && checks.len() <= 192 && checks.iter().all(|row| row["role"] == "warmup"),
        "{}",
        checks.len()
    );
    let documents = documents(&rows);
    assert!(documents.iter().all(|tokens| *tokens == documents[0]), "{documents:?}");
}

#[test]
fn where_nobody_counts_tokens_lengths_are_said_to_be_words() {
    // The clock has to tell a hit, so that the server is one on which it easily does.
    let bench = Bench::new("7b,base=5ms,per_token=100us,quadratic=0ns,noise=0", &["no_tokenize", "no_usage"], 1);
    let printed = bench.measure("map --yes --context_tokens 512 --skip replicas,semantics,block,fill,delay");
    assert!(printed.says("every length here is one in words"), "{}", printed.stdout);
    let rows = bench.rows("map.jsonl");
    assert_eq!(rows.iter().filter(|row| row["stage"] == "words").count(), 1, "one answer shows that");
}

#[test]
fn with_a_tokenizer_nothing_is_sent_to_learn_of_words() {
    let (_bench, _, rows) = mapped(BLOCK, &[]);
    assert!(rows.iter().all(|row| row["stage"] != "words"));
    assert_eq!(map_of(&rows)["words_counted_by"], "the server's /tokenize");
}

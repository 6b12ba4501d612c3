//! A document of 131,072 tokens with a tokenizer of 151,643: time and peak memory, beside two rivals that cut the usual
//! way, by cutting ids, decoding them and encoding what came out.
//!
//! `cargo bench --bench tokens`. The tokenizer is made up for the run, of the size and kind of Qwen's; a real one is used
//! with `TTFT_BENCH_TOKENIZER=/path/to/tokenizer.json`. Each line is a process of its own, so that the peak is its own.

#![expect(clippy::print_stdout, reason = "what a bench finds is its output")]

use std::path::Path;
use std::process::Command;

use tiktoken_rs::o200k_base_singleton;
use tokenizers::Tokenizer;
use ttft::clock::{Clock, Monotonic};
use ttft::document::{CountTokens, Document, filler};
use ttft::rng::Nonce;
use ttft::tokens::LocalTokenizer;

#[path = "shared/vocabulary.rs"]
mod vocabulary;

use vocabulary::{VOCABULARY, tokenizer_of};

const TOKENS: u64 = 131_072;
const MOST_SECONDS: f64 = 1.0;
const MOST_MB: f64 = 250.0;

/// A line of the table and the work behind it, which gives the tokens of what it made.
type Line = (&'static str, fn(&Path) -> u64);

const LINES: [Line; 4] = [
    ("ttft: load, make a document", made),
    ("ttft: load, cut a longer text", cut),
    ("tokenizers 0.23: load, cut by ids", cut_by_ids),
    ("tiktoken-rs 0.12 o200k: load, cut by ids", cut_by_ids_of_tiktoken),
];

fn main() {
    if let [line, path] = std::env::args().skip_while(|arg| arg != "--line").skip(1).collect::<Vec<_>>().as_slice() {
        return measure(line, Path::new(path));
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path =
        std::env::var_os("TTFT_BENCH_TOKENIZER").map_or_else(|| folder.path().join("tokenizer.json"), Into::into);
    if !path.exists() {
        std::fs::write(&path, tokenizer_of(VOCABULARY)).expect("a file");
    }
    let this = std::env::current_exe().expect("this program");
    println!("{:<42} {:>8} {:>8} {:>8} {:>8}", "", "tokens", "seconds", "on CPU", "peak MB");
    for (line, _) in LINES {
        let status = Command::new(&this).arg("--line").arg(line).arg(&path).status().expect("a process");
        assert!(status.success(), "{line}");
    }
    println!("limits for ttft: {MOST_SECONDS} s, {MOST_MB} MB");
}

fn measure(line: &str, path: &Path) {
    let (_, work) = LINES.iter().find(|(name, _)| *name == line).expect("a line of the table");
    let start = Monotonic.now();
    let tokens = work(path);
    let seconds = Monotonic.now().since(start).expect("time goes on") as f64 / 1e9;
    println!("{line:<42} {tokens:>8} {seconds:>8.3} {:>8.3} {:>8.0}", cpu_seconds(), peak_mb());
    if line.starts_with("ttft") {
        assert!(seconds <= MOST_SECONDS, "{line}: {seconds} s are more than {MOST_SECONDS}");
        assert!(peak_mb() <= MOST_MB, "{line}: {} MB are more than {MOST_MB}", peak_mb());
    }
}

fn made(path: &Path) -> u64 {
    let tokenizer = LocalTokenizer::open(path).expect("a tokenizer");
    Document::synthetic(Nonce::fresh(), "bench", TOKENS, &tokenizer).expect("a document").context_tokens
}

fn cut(path: &Path) -> u64 {
    let tokenizer = LocalTokenizer::open(path).expect("a tokenizer");
    tokenizer.cut(&longer(), TOKENS).expect("a cut").tokens
}

fn cut_by_ids(path: &Path) -> u64 {
    let tokenizer = Tokenizer::from_file(path).expect("a tokenizer");
    let ids = tokenizer.encode(longer(), false).expect("an encoding").get_ids().to_vec();
    let text = tokenizer.decode(&ids[..TOKENS as usize], false).expect("a text");
    tokenizer.encode(text, false).expect("an encoding").len() as u64
}

fn cut_by_ids_of_tiktoken(_: &Path) -> u64 {
    let table = o200k_base_singleton();
    let ids = table.encode_ordinary(&longer());
    let text = table.decode(&ids[..TOKENS as usize]).expect("a text");
    table.encode_ordinary(&text).len() as u64
}

/// A text of somewhat more tokens than wanted.
fn longer() -> String {
    filler(Nonce::fresh(), "bench", TOKENS + TOKENS / 16)
}

/// The time the process has had on processors, all of its threads together, to the hundredth of a second.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let (_, fields) = stat.rsplit_once(") ").expect("a name in parentheses");
    let ticks = fields.split(' ').skip(11).take(2).map(|field| field.parse::<f64>().expect("a number"));
    ticks.sum::<f64>() / 100.0
}

/// The highest resident memory this process has had.
fn peak_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    line.trim().trim_end_matches(" kB").parse::<f64>().expect("a number") / 1024.0
}

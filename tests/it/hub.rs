//! The tokenizer chain against a stand-in for the Hugging Face hub.

use std::cell::RefCell;
use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use ttft::tokens::hub::Hub;
use ttft::tokens::{Chain, Reply, Tokenize};

use super::relay;

/// A tokenizer to which every word is one token.
const WORDS: &str = r#"{
    "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
    "pre_tokenizer": {"type": "WhitespaceSplit"}, "post_processor": null, "decoder": null,
    "model": {"type": "WordLevel", "vocab": {"?": 0}, "unk_token": "?"}
}"#;

const MODEL: &str = "org/name";
const PATH: &str = "/org/name/resolve/main/tokenizer.json";

/// What a stand-in answers: status line and headers, then a body that may be shorter than they say.
struct Answer(String, &'static str);

impl Answer {
    fn new(status: &str, headers: &[&str], body: &'static str) -> Answer {
        let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        Answer(
            format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n", body.len()),
            body,
        )
    }
}

/// A server on a free port that answers each request with what `answer` makes of its path, and keeps what it was sent.
struct StandIn {
    address: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl StandIn {
    fn start(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> StandIn {
        let heads = Arc::new(Mutex::new(Vec::new()));
        let kept = heads.clone();
        let address = relay::serve(move |mut connection| {
            let head = String::from_utf8(relay::request(&mut connection)?).map_err(std::io::Error::other)?;
            kept.lock().expect("no test panics holding it").push(head.to_lowercase());
            let Answer(status, body) = answer(head.split(' ').nth(1).unwrap_or_default());
            connection.write_all(status.as_bytes())?;
            connection.write_all(body.as_bytes())
        });
        StandIn { address: format!("http://{address}"), heads }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("no test panics holding it").clone()
    }
}

/// What the chain chose, and what it said on the way.
struct Outcome {
    name: String,
    count: u64,
    said: Vec<String>,
}

/// Runs the chain for `model` with the hub at `endpoint` and the Hugging Face home at `home`.
fn chain(model: &str, endpoint: &str, home: &Path, more: &[(&str, &str)], server: Option<&dyn Tokenize>) -> Outcome {
    let var = |name: &str| match name {
        "HF_ENDPOINT" => Some(OsString::from(endpoint)),
        "HF_HOME" => Some(home.as_os_str().to_owned()),
        _ => more.iter().find(|(var, _)| *var == name).map(|(_, value)| OsString::from(value)),
    };
    let hub = Hub::from_env(var, None);
    let said = RefCell::new(Vec::new());
    let chain = Chain { model, named: None, server, hub: &hub };
    let counter = chain.find(&mut |sentence| said.borrow_mut().push(sentence.to_owned())).expect("a counter");
    let count = counter.count("one two three four five").expect("a count");
    Outcome { name: counter.name(), count, said: said.into_inner() }
}

fn hub_with_tokenizer() -> StandIn {
    StandIn::start(|path| match path {
        PATH => Answer::new("200 OK", &["X-Repo-Commit: c0ffee", "ETag: \"e7a6\""], WORDS),
        _ => Answer::new("404 Not Found", &[], ""),
    })
}

#[test]
fn a_tokenizer_is_fetched_once_and_then_read_from_the_cache() {
    let home = tempfile::tempdir().unwrap();
    let hub = hub_with_tokenizer();
    let first = chain(MODEL, &hub.address, home.path(), &[], None);
    assert_eq!((first.name.as_str(), first.count), ("tokenizer.json of org/name", 5));
    assert_eq!(first.said, [format!("fetching the tokenizer of org/name from {}", hub.address)]);
    let second = chain(MODEL, &hub.address, home.path(), &[], None);
    let kept = home.path().join("hub/models--org--name/snapshots/c0ffee/tokenizer.json");
    assert_eq!((second.name, second.count), (kept.display().to_string(), 5));
    assert!(second.said.is_empty(), "{:?}", second.said);
    assert_eq!(hub.heads().len(), 1, "one request in all");
}

#[test]
fn a_redirect_is_followed_and_the_key_stays_with_the_hub() {
    let home = tempfile::tempdir().unwrap();
    let store = StandIn::start(|_| Answer::new("200 OK", &["ETag: \"of-the-store\""], WORDS));
    let elsewhere = format!("Location: {}/blob?sig=1", store.address);
    let hub = StandIn::start(move |path| match path {
        PATH => Answer::new("307 Temporary Redirect", &["Location: /renamed/name/resolve/main/tokenizer.json"], ""),
        "/renamed/name/resolve/main/tokenizer.json" => {
            let linked = ["X-Repo-Commit: c0ffee", "X-Linked-Etag: \"e7a6\"", &elsewhere];
            Answer::new("302 Found", &linked, "")
        }
        _ => Answer::new("404 Not Found", &[], ""),
    });
    let found = chain(MODEL, &hub.address, home.path(), &[("HF_TOKEN", "hf_secret")], None);
    assert_eq!((found.name.as_str(), found.count), ("tokenizer.json of org/name", 5));
    assert!(home.path().join("hub/models--org--name/blobs/e7a6").is_file(), "the hub's etag names the blob");
    let hub_heads = hub.heads();
    assert_eq!(hub_heads.len(), 2);
    assert!(hub_heads.iter().all(|head| head.contains("authorization: bearer hf_secret")), "{hub_heads:?}");
    let store_heads = store.heads();
    assert!(store_heads.len() == 1 && !store_heads[0].contains("hf_secret"), "{store_heads:?}");
}

/// The chain goes on to the heuristic, and says why in one sentence that has `reason` in it.
fn falls_back(answer: impl Fn(&str) -> Answer + Send + Sync + 'static, reason: &str) {
    let home = tempfile::tempdir().unwrap();
    let hub = StandIn::start(answer);
    let found = chain(MODEL, &hub.address, home.path(), &[], None);
    assert_eq!((found.name.as_str(), found.count), ("4 characters a token", 6));
    let [fetching, failed, last] = found.said.as_slice() else { panic!("three sentences: {:?}", found.said) };
    assert!(fetching.starts_with("fetching "), "{fetching}");
    assert!(failed.contains(reason) && !failed.contains('\n'), "{failed:?} says {reason:?}");
    assert!(last.contains("4 characters are counted as a token"), "{last}");
    assert!(!home.path().join("hub").exists(), "nothing is kept");
}

#[test]
fn what_the_hub_does_not_give_is_said_and_the_chain_goes_on() {
    falls_back(|_| Answer::new("401 Unauthorized", &[], ""), "set HF_TOKEN");
    falls_back(|_| Answer::new("403 Forbidden", &[], ""), "accept the model's terms");
    falls_back(|_| Answer::new("404 Not Found", &[], ""), "no such file");
    falls_back(|_| Answer::new("500 Internal Server Error", &[], ""), "status 500");
    falls_back(|_| Answer::new("302 Found", &["Location: /again"], ""), "redirects");
    falls_back(|_| Answer::new("302 Found", &[], ""), "a redirect to nowhere");
}

#[test]
fn a_broken_download_is_neither_used_nor_kept() {
    let cut_off = |_: &str| {
        let Answer(head, body) = Answer::new("200 OK", &["X-Repo-Commit: c0ffee", "ETag: \"e7a6\""], WORDS);
        Answer(head, &body[..body.len() / 2])
    };
    falls_back(cut_off, "the download broke off");
    let short = |_: &str| Answer::new("200 OK", &["X-Linked-Size: 12345"], WORDS);
    falls_back(short, "of 12345 bytes");
    let altered = |_: &str| {
        let sum = format!("X-Linked-Etag: \"{:064}\"", 0);
        Answer::new("200 OK", &["X-Repo-Commit: c0ffee", &sum], WORDS)
    };
    falls_back(altered, "SHA-256");
    falls_back(|_| Answer::new("200 OK", &["X-Repo-Commit: c", "ETag: \"e\""], "<html>sign in</html>"), "no tokenizer");
}

#[test]
fn a_hub_that_is_not_there_is_said_at_once() {
    let home = tempfile::tempdir().unwrap();
    for endpoint in ["http://127.0.0.1:1", "not an address"] {
        let found = chain(MODEL, endpoint, home.path(), &[], None);
        assert_eq!(found.name, "4 characters a token");
        assert_eq!(found.said.len(), 3, "{:?}", found.said);
        assert!(found.said[1].contains(endpoint), "{:?}", found.said);
    }
}

#[test]
fn the_hub_is_not_asked_offline_nor_for_what_it_cannot_have() {
    let home = tempfile::tempdir().unwrap();
    let hub = hub_with_tokenizer();
    let offline = chain(MODEL, &hub.address, home.path(), &[("HF_HUB_OFFLINE", "1")], None);
    assert_eq!(offline.name, "4 characters a token");
    assert_eq!(chain("gpt-4o", &hub.address, home.path(), &[], None).name, "tiktoken o200k_base");
    assert_eq!(chain("llama3:8b", &hub.address, home.path(), &[], None).name, "4 characters a token");
    assert!(hub.heads().is_empty(), "{:?}", hub.heads());
}

#[test]
fn the_servers_own_tokenizer_comes_before_all_others() {
    let home = tempfile::tempdir().unwrap();
    let hub = hub_with_tokenizer();
    let server = |_: &str, _: Vec<u8>| Ok(Reply { status: 200, body: br#"{"tokens":[1,2,3]}"#.to_vec() });
    let found = chain(MODEL, &hub.address, home.path(), &[], Some(&server));
    assert_eq!((found.name.as_str(), found.count), ("the server's /tokenize", 3));
    assert!(hub.heads().is_empty());
    let failing = |_: &str, _: Vec<u8>| Ok(Reply { status: 500, body: b"out of memory".to_vec() });
    let found = chain(MODEL, &hub.address, home.path(), &[], Some(&failing));
    assert_eq!(found.name, "tokenizer.json of org/name");
    assert!(found.said[0].contains("500") && found.said[0].contains("out of memory"), "{:?}", found.said);
}

#[test]
fn a_tokenizer_that_was_named_is_used_before_the_server_and_must_work() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("tokenizer.json");
    let server = |_: &str, _: Vec<u8>| Ok(Reply { status: 200, body: br#"{"tokens":[1,2,3]}"#.to_vec() });
    let hub = Hub::from_env(|_| None, None);
    let chain = Chain { model: MODEL, named: Some(&path), server: Some(&server), hub: &hub };
    let mut quiet = |sentence: &str| panic!("nothing to say: {sentence}");
    let error = format!("{:#}", chain.find(&mut quiet).err().expect("no file, no counter"));
    assert!(error.starts_with("--tokenizer must name a tokenizer.json: reading "), "{error}");
    std::fs::write(&path, WORDS).unwrap();
    let counter = chain.find(&mut quiet).unwrap();
    assert_eq!(counter.count("one two"), Ok(2));
    assert_eq!(counter.name(), path.display().to_string());
}

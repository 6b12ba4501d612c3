//! Recorded answers of real servers (`tests/wire/`), decoded the way the client does it, in pieces of many sizes.

use std::fs;
use std::path::{Path, PathBuf};

use ttft::wire::chat::{self, Timings, Usage};
use ttft::wire::http1::{self, Method, Part, ResponseDecoder};
use ttft::wire::refusal::{self, Refusal};
use ttft::wire::sse;

/// What a stream came to.
#[derive(Debug, Default, PartialEq)]
struct Answer {
    events: usize,
    /// Index of the first event that proves a token.
    first_token: Option<usize>,
    token_events: usize,
    text: String,
    finish_reason: Option<String>,
    usage: Option<Usage>,
    timings: Option<Timings>,
    done: bool,
}

impl Answer {
    fn take(&mut self, event: sse::Event<'_>) {
        assert!(!event.unterminated);
        let delta = chat::parse(event.data);
        assert_eq!(delta.malformed, None);
        assert_eq!(delta.error, None);
        if delta.is_token() {
            self.first_token.get_or_insert(self.events);
            self.token_events += 1;
        }
        self.events += 1;
        self.text.extend(delta.choices.iter().map(|choice| &*choice.content));
        self.finish_reason = delta.finish_reason().map(str::to_owned).or(self.finish_reason.take());
        self.timings = delta.timings.or(self.timings);
        self.done |= delta.done;
        if let Some(usage) = delta.usage {
            self.usage.get_or_insert_default().absorb(&usage);
        }
    }
}

fn recorded(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire").join(path)
}

/// The answer's bytes as they were on the wire; a chunked body is coded again, a line to a chunk.
fn wire(name: &str, extension: &str) -> Vec<u8> {
    let mut bytes = fs::read(recorded(&format!("{name}.headers"))).expect(name);
    let body = fs::read(recorded(&format!("{name}.{extension}"))).expect(name);
    if !String::from_utf8_lossy(&bytes).to_ascii_lowercase().contains("transfer-encoding: chunked") {
        bytes.extend(body);
        return bytes;
    }
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        bytes.extend(format!("{:x}\r\n", line.len()).bytes());
        bytes.extend_from_slice(line);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

/// Head and body, decoded from pieces of the given size.
fn decode(bytes: &[u8], size: usize, take: &mut impl FnMut(&[u8])) -> http1::Head {
    let (mut decoder, mut head, mut ended) = (ResponseDecoder::new(Method::Post), None, false);
    let mut out = |part: Part<'_>| match part {
        Part::Head(found) => head = Some(found.clone()),
        Part::Body(data) => take(data),
        Part::End => ended = true,
    };
    for piece in bytes.chunks(size) {
        decoder.push(piece, &mut out).expect("HTTP as the server sent it");
    }
    assert!(ended, "the body ends by itself");
    head.expect("a head")
}

fn stream(name: &str) -> Answer {
    let bytes = wire(name, "sse");
    let read = |size: usize| {
        let (mut answer, mut events) = (Answer::default(), sse::Decoder::new());
        let mut out = |item: sse::Item<'_>| {
            if let sse::Item::Event(event) = item {
                answer.take(event);
            }
        };
        let head = decode(&bytes, size, &mut |data| events.push(data, &mut out).expect("short events"));
        events.finish(&mut out).expect("short events");
        assert_eq!(head.status, 200);
        assert!(head.is_event_stream() && head.keeps_alive());
        answer
    };
    let answer = read(bytes.len());
    for size in [1, 2, 3, 7, 64, 1000] {
        assert_eq!(read(size), answer, "{name} in pieces of {size}");
    }
    assert!(answer.done && answer.finish_reason.as_deref() == Some("length"), "{name}");
    answer
}

fn body(name: &str) -> (http1::Head, Vec<u8>) {
    let mut body = Vec::new();
    let head = decode(&wire(name, "json"), 100, &mut |data| body.extend_from_slice(data));
    (head, body)
}

fn refused(name: &str) -> refusal::Refused {
    let (head, body) = body(name);
    assert_eq!(head.content_type(), Some("application/json"));
    refusal::classify(head.status, &body)
}

fn usage(prompt: u64, completion: u64, cached: u64) -> Usage {
    Usage {
        prompt_tokens: Some(prompt),
        completion_tokens: Some(completion),
        cached_tokens: Some(cached),
        ..Usage::default()
    }
}

/// Where tokens lie in a stream: events, first of them with a token, how many with one.
fn ladder(answer: &Answer) -> (usize, Option<usize>, usize) {
    (answer.events, answer.first_token, answer.token_events)
}

#[test]
fn llama_cpp_reports_its_cache_in_usage_and_timings_alike() {
    for folder in ["llama-server", "xllamacpp"] {
        for (name, cached) in [("cold", 0), ("hit", 1051)] {
            let answer = stream(&format!("{folder}/{name}"));
            assert_eq!(ladder(&answer), (16, Some(1), 12), "role, twelve tokens, finish, usage, [DONE]");
            assert_eq!(answer.usage, Some(usage(1052, 12, cached)));
            let timings = answer.timings.expect("llama.cpp times every answer");
            assert_eq!((timings.cache_n, timings.prompt_n), (Some(cached), Some(1052 - cached)));
            assert_eq!(timings.predicted_n, Some(12));
        }
    }
    assert_eq!(stream("llama-server/cold").timings.unwrap().prompt_ms, Some(20152.085));
}

#[test]
fn llama_cpp_without_usage_still_tells_its_timings() {
    let answer = stream("llama-server/without_usage");
    assert_eq!(ladder(&answer), (15, Some(1), 12));
    assert_eq!(answer.usage, None);
    assert_eq!(answer.timings.unwrap().cache_n, Some(1051));
}

#[test]
fn llama_cpp_ignores_a_wish_for_continuous_usage() {
    assert_eq!(stream("llama-server/continuous_usage").usage, Some(usage(1052, 12, 1051)));
}

#[test]
fn vllm_reports_what_it_cached_and_what_it_stored() {
    for folder in ["vllm", "lmcache"] {
        for (name, cached, created) in [("cold", 0, 768), ("hit", 768, 0)] {
            let answer = stream(&format!("{folder}/{name}"));
            assert_eq!(ladder(&answer), (15, Some(1), 12), "role, twelve tokens, usage, [DONE]");
            let expected = Usage { created_cache_tokens: Some(created), ..usage(846, 12, cached) };
            assert_eq!(answer.usage, Some(expected));
            assert_eq!(answer.timings, None);
        }
    }
}

#[test]
fn vllm_without_usage_says_nothing_about_its_cache() {
    let answer = stream("vllm/without_usage");
    assert_eq!(ladder(&answer), (14, Some(1), 12));
    assert_eq!(answer.usage, None);
}

#[test]
fn continuous_usage_ends_with_the_same_sum_as_the_last_chunks() {
    let expected = Usage { created_cache_tokens: Some(0), ..usage(846, 12, 768) };
    assert_eq!(stream("vllm/continuous_usage").usage, Some(expected));
}

#[test]
fn completions_begin_with_a_token() {
    let vllm = stream("vllm/completions");
    assert_eq!(ladder(&vllm), (8, Some(0), 6));
    assert_eq!(vllm.usage, Some(usage(8, 6, 0)));
    let llama = stream("llama-server/completions");
    assert_eq!(ladder(&llama), (8, Some(0), 6));
    assert_eq!(llama.usage, Some(usage(6, 6, 1)));
    assert_eq!(llama.text, " the capital of the country of");
}

#[test]
fn a_whole_answer_is_what_its_stream_was() {
    for (server, prompt, cached) in [("llama-server", 1052, 1051), ("vllm", 846, 768)] {
        let (head, body) = body(&format!("{server}/nostream"));
        assert!(head.status == 200 && !head.is_event_stream());
        let whole = chat::parse_whole(&body);
        assert_eq!(whole.malformed, None);
        assert_eq!(whole.finish_reason(), Some("length"));
        let streamed = stream(&format!("{server}/hit"));
        assert_eq!(whole.choices[0].content, streamed.text);
        let told = whole.usage.unwrap();
        assert_eq!((told.prompt_tokens, told.cached_tokens), (Some(prompt), Some(cached)));
        assert_eq!(whole.timings.is_some(), server == "llama-server");
    }
}

#[test]
fn refusals_mean_what_they_say() {
    let too_long = |name: &str| refused(name).refusal;
    assert_eq!(too_long("llama-server/toolong"), Refusal::TooLong { n_prompt_tokens: Some(80024), n_ctx: Some(16384) });
    assert_eq!(too_long("vllm/toolong"), Refusal::TooLong { n_prompt_tokens: None, n_ctx: Some(16384) });
    assert_eq!(refused("vllm/badmodel").refusal, Refusal::UnknownModel { known: vec!["dummy-mid".into()] });
    assert_eq!(refused("vllm/nope").refusal, Refusal::NotFound);
    assert_eq!(refused("llama-server/malformed").refusal, Refusal::ServerFailed);
    for name in ["llama-server/badtype", "vllm/badtype", "vllm/max0"] {
        let refused = refused(name);
        assert_eq!((refused.status, refused.refusal), (400, Refusal::Other), "{name}");
        assert!(!refused.message.is_empty());
    }
}

//! The order in which each server says things, and where the first token lies in it.

use super::*;
use crate::wire::sse;

/// What must be found in a stream. Events are counted from 0.
#[derive(Debug, Default, PartialEq)]
struct Found {
    role: Option<usize>,
    token: Option<usize>,
    visible: Option<usize>,
    finish: Option<String>,
    cached: Option<u64>,
    completion: Option<u64>,
    error: Option<String>,
    done: bool,
}

fn read(stream: &str) -> Found {
    let (mut found, mut usage, mut events) = (Found::default(), Usage::default(), 0);
    let mut note = |item: sse::Item<'_>| {
        let sse::Item::Event(event) = item else { return };
        let delta = parse(event.data);
        assert_eq!(delta.malformed, None, "{}", String::from_utf8_lossy(event.data));
        let mark = |place: &mut Option<usize>, seen: bool| *place = place.or(seen.then_some(events));
        mark(&mut found.role, delta.names_role());
        mark(&mut found.token, delta.is_token());
        mark(&mut found.visible, delta.is_visible());
        found.finish = delta.finish_reason().map(str::to_owned).or(found.finish.take());
        found.error = delta.error.map(|error| error.message).or(found.error.take());
        found.done |= delta.done;
        usage.absorb(&delta.usage.unwrap_or_default());
        events += 1;
    };
    let mut decoder = sse::Decoder::new();
    decoder.push(stream.as_bytes(), &mut note).unwrap();
    decoder.finish(&mut note).unwrap();
    Found { cached: usage.cached_tokens, completion: usage.completion_tokens, ..found }
}

/// A stream of these payloads.
fn stream(payloads: &[&str]) -> String {
    payloads.iter().map(|payload| format!("data: {payload}\n\n")).collect()
}

/// A chat's `choices` with one delta.
fn choice(delta: &str, finish_reason: &str) -> String {
    format!(r#"{{"choices":[{{"index":0,"delta":{delta},"finish_reason":{finish_reason}}}]}}"#)
}

fn reason(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn openai_names_the_role_at_once_and_pads_its_chunks() {
    let found = read(&stream(&[
        r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"finish_reason":null}],"usage":null,"obfuscation":"x"}"#,
        r#"{"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}],"usage":null,"obfuscation":"yz"}"#,
        r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}"#,
        r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}}}"#,
        "[DONE]",
    ]));
    let token = Some(1);
    let expected =
        Found { role: Some(0), token, visible: token, finish: reason("stop"), cached: Some(0), ..found_done(1) };
    assert_eq!(found, expected);
}

#[test]
fn azure_begins_with_a_filter_note() {
    let note = r#"{"choices":[],"prompt_filter_results":[{"prompt_index":0,"content_filter_results":{}}]}"#;
    let found =
        read(&stream(&[note, &choice(r#"{"role":"assistant"}"#, "null"), &choice(r#"{"content":"Hi"}"#, "null")]));
    assert_eq!((found.role, found.token), (Some(1), Some(2)));
    assert!(parse(note.as_bytes()).filtered);
    assert!(parse(br#"{"choices":[{"delta":{},"content_filter_results":{"hate":{}}}]}"#).filtered);
}

#[test]
fn sglang_finishes_in_a_chunk_of_its_own_and_leaves_a_cold_count_null() {
    let found = read(&stream(&[
        &choice(r#"{"role":"assistant","content":""}"#, "null"),
        &choice(r#"{"content":null,"reasoning_content":"Hm"}"#, "null"),
        &choice(r#"{"content":"Hi","reasoning_content":null}"#, "null"),
        &choice(r#"{"content":null}"#, r#""stop""#),
        r#"{"choices":[],"sglext":{"cached_tokens_details":null}}"#,
        r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2,"prompt_tokens_details":null}}"#,
        "[DONE]",
    ]));
    let expected = Found { role: Some(0), token: Some(1), visible: Some(2), finish: reason("stop"), ..found_done(2) };
    assert_eq!(found, expected);
}

#[test]
fn tgi_repeats_the_role_and_finishes_every_completion_chunk_with_an_empty_reason() {
    let chat = read(&stream(&[
        &choice(r#"{"role":"assistant","content":""}"#, "null"),
        &choice(r#"{"role":"assistant","content":"Hi"}"#, r#""length""#),
    ]));
    assert_eq!((chat.role, chat.token, chat.finish), (Some(0), Some(1), reason("length")));
    let completion = read(&stream(&[
        r#"{"choices":[{"index":0,"text":"Hi","finish_reason":""}]}"#,
        r#"{"choices":[{"index":0,"text":"!","finish_reason":"length"}],"usage":{"prompt_tokens":3,"completion_tokens":2}}"#,
    ]));
    assert_eq!((completion.token, completion.finish, completion.completion), (Some(0), reason("length"), Some(2)));
}

#[test]
fn tensorrt_llm_leaves_a_space_behind_every_payload() {
    let payloads = [
        choice(r#"{"role":"assistant"}"#, "null"),
        choice(r#"{"content":"","reasoning_content":""}"#, "null"),
        choice(r#"{"content":"Hi","reasoning_content":""}"#, r#""length""#),
        "[DONE]".to_owned(),
    ]
    .map(|payload| payload + " ");
    let found = read(&stream(&payloads.each_ref().map(String::as_str)));
    assert_eq!((found.role, found.token, found.done), (Some(0), Some(2), true));
}

#[test]
fn ollama_puts_zeros_into_every_usage_but_the_last() {
    let zeros = r#"{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}"#;
    let chunk = |text: &str, usage: &str| format!(r#"{{"choices":[{{"text":"{text}"}}],"usage":{usage}}}"#);
    let last = r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2}}"#;
    let found = read(&stream(&[&chunk("a", zeros), &chunk("b", zeros), last, &chunk("", zeros), "[DONE]"]));
    assert_eq!((found.token, found.completion, found.done), (Some(0), Some(2), true));
}

#[test]
fn deepseek_and_openrouter_send_comments_while_the_request_waits() {
    let token = choice(r#"{"role":"assistant","content":null,"reasoning_content":"Hm"}"#, "null");
    let usage = r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":1,"prompt_cache_hit_tokens":8,"prompt_cache_miss_tokens":1}}"#;
    let found = read(&format!(": keep-alive\n\n: OPENROUTER PROCESSING\n\n{}", stream(&[&token, usage])));
    assert_eq!((found.role, found.token, found.visible, found.cached), (Some(0), Some(0), None, Some(8)));
}

#[test]
fn litellm_sends_usage_with_choices_and_again_without_the_details() {
    let details = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":8}}}"#;
    let again = r#"{"choices":[{"index":0,"delta":{}}],"usage":{"prompt_tokens":9,"completion_tokens":2}}"#;
    let found = read(&stream(&[&choice(r#"{"content":"Hi"}"#, "null"), details, again]));
    assert_eq!((found.token, found.cached, found.completion), (Some(0), Some(8), Some(2)));
}

#[test]
fn an_error_before_the_end_mark_is_still_an_error() {
    let vllm = r#"{"error":{"message":"engine died","type":"InternalServerError","param":null,"code":500}}"#;
    let found = read(&stream(&[&choice(r#"{"role":"assistant","content":""}"#, "null"), vllm, "[DONE]"]));
    let expected = Found { role: Some(0), error: reason("engine died"), done: true, ..Found::default() };
    assert_eq!(found, expected);
    let openrouter = r#"{"error":{"code":502,"message":"upstream"},"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}]}"#;
    let found = read(&stream(&[openrouter]));
    assert_eq!((found.error, found.finish, found.token), (reason("upstream"), reason("error"), None));
}

#[test]
fn a_stream_cut_off_keeps_what_came() {
    let mut text = stream(&[&choice(r#"{"content":"Hi"}"#, "null"), &choice("{}", r#""stop""#)]);
    text.truncate(text.len() - 2);
    let found = read(&text);
    assert_eq!((found.token, found.finish, found.done), (Some(0), reason("stop"), false));
}

#[test]
fn llama_cpp_tells_its_progress_before_the_first_token() {
    let progress = r#"{"choices":[{"index":0,"delta":{"role":null,"content":null}}],"prompt_progress":{"total":9,"cache":4,"processed":6,"time_ms":5}}"#;
    let found = read(&stream(&[
        progress,
        &choice(r#"{"role":"assistant","content":null}"#, "null"),
        &choice(r#"{"content":"H"}"#, "null"),
    ]));
    assert_eq!((found.role, found.token), (Some(1), Some(2)));
    assert_eq!(parse(progress.as_bytes()).progress.unwrap().processed, Some(6));
}

#[test]
fn a_tool_call_alone_is_a_visible_token() {
    let call = choice(
        r#"{"tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"f","arguments":""}}]}"#,
        "null",
    );
    let found = read(&stream(&[&choice(r#"{"role":"assistant","content":null}"#, "null"), &call]));
    assert_eq!((found.token, found.visible), (Some(1), Some(1)));
}

fn found_done(completion: u64) -> Found {
    Found { completion: Some(completion), done: true, ..Found::default() }
}

use super::*;

fn only(json: &str) -> Delta<'_> {
    let delta = parse(json.as_bytes());
    assert_eq!(delta.malformed, None, "{json}");
    delta
}

/// A chat chunk whose `delta` is the given JSON.
fn chat(delta: &str) -> String {
    format!(r#"{{"object":"chat.completion.chunk","choices":[{{"index":0,"delta":{delta},"finish_reason":null}}]}}"#)
}

fn usage(json: &str) -> Option<Usage> {
    let chunk = format!(r#"{{"choices":[],"usage":{json}}}"#);
    only(&chunk).usage
}

#[test]
fn generated_text_of_every_kind_proves_a_token() {
    for (delta, visible) in [
        (r#"{"content":"Hi"}"#, true),
        (r#"{"role":"assistant","content":" "}"#, true),
        (r#"{"refusal":"No"}"#, true),
        (r#"{"tool_calls":[{"index":0,"function":{"name":"f"}}]}"#, true),
        (r#"{"function_call":{"name":"f"}}"#, true),
        (r#"{"reasoning":"Hm"}"#, false),
        (r#"{"reasoning_content":"Hm","content":""}"#, false),
        (r#"{"reasoning":null,"reasoning_content":"Hm","content":null}"#, false),
    ] {
        let chunk = chat(delta);
        let delta = only(&chunk);
        assert!(delta.is_token(), "{chunk}");
        assert_eq!(delta.is_visible(), visible, "{chunk}");
    }
    assert!(only(r#"{"choices":[{"text":"a","index":0,"finish_reason":""}]}"#).is_visible());
}

#[test]
fn nothing_else_proves_a_token() {
    for json in [
        &chat(r#"{"role":"assistant","content":""}"#),
        &chat(r#"{"role":"assistant","content":null}"#),
        &chat(r#"{"role":"assistant"}"#),
        &chat(r#"{"content":"","reasoning_content":"","refusal":null,"tool_calls":[]}"#),
        &chat("{}"),
        &chat("null"),
        r#"{"choices":[]}"#,
        r#"{"choices":null}"#,
        r#"{"choices":[],"usage":{"prompt_tokens":3}}"#,
        r#"{"choices":[{"index":0,"text":"","finish_reason":"length"}]}"#,
        r#"{"choices":[],"prompt_filter_results":[{"prompt_index":0}]}"#,
        r#"{"choices":[],"prompt_progress":{"total":9,"cache":1,"processed":4,"time_ms":2}}"#,
        r#"{"error":{"message":"out of memory"}}"#,
        "[DONE]",
        "not json",
    ] {
        assert!(!parse(json.as_bytes()).is_token(), "{json}");
    }
}

#[test]
fn a_role_is_told_apart_from_a_token() {
    let chunk = chat(r#"{"role":"assistant","content":""}"#);
    assert!(only(&chunk).names_role());
    assert!(!only(&chat(r#"{"role":""}"#)).names_role());
}

#[test]
fn the_end_mark_is_compared_whole_and_trimmed() {
    for data in ["[DONE]", "[DONE] ", " [DONE]\t\r"] {
        assert!(parse(data.as_bytes()).done, "{data:?}");
    }
    let chunk = chat(r#"{"content":"[DONE]"}"#);
    assert!(!only(&chunk).done && only(&chunk).is_token());
}

#[test]
fn an_empty_finish_reason_is_none() {
    let reason = |json: &str| {
        only(&format!(r#"{{"choices":[{{"text":"a","finish_reason":{json}}}]}}"#)).finish_reason().map(str::to_owned)
    };
    assert_eq!(reason("null"), None);
    assert_eq!(reason(r#""""#), None);
    assert_eq!(reason(r#""length""#).as_deref(), Some("length"));
}

#[test]
fn absent_cached_tokens_are_not_zero() {
    let cached = |details: &str| {
        usage(&format!(r#"{{"prompt_tokens":9,"completion_tokens":1,"prompt_tokens_details":{details}}}"#)).unwrap()
    };
    assert_eq!(cached("null").cached_tokens, None);
    assert_eq!(cached("{}").cached_tokens, None);
    assert_eq!(cached(r#"{"cached_tokens":null}"#).cached_tokens, None);
    assert_eq!(cached(r#"{"cached_tokens":0}"#).cached_tokens, Some(0));
    assert_eq!(cached(r#"{"cached_tokens":8.0}"#).cached_tokens, Some(8));
    assert_eq!(cached(r#"{"cached_tokens":8.5}"#).cached_tokens, None);
    assert_eq!(cached(r#"{"cached_tokens":1e300}"#).cached_tokens, None);
    assert_eq!(cached(r#"{"cached_tokens":"8"}"#).cached_tokens, None);
    assert_eq!(cached(r#"{"cached_tokens":-1}"#).cached_tokens, None);
}

#[test]
fn each_server_names_its_cache_in_its_own_way() {
    let vllm = usage(
        r#"{"prompt_tokens":846,"completion_tokens":12,"prompt_tokens_details":
            {"cached_tokens":768,"local_cached_tokens":512,"external_cached_tokens":256,"created_cache_tokens":0}}"#,
    );
    let expected = Usage {
        prompt_tokens: Some(846),
        completion_tokens: Some(12),
        cached_tokens: Some(768),
        local_cached_tokens: Some(512),
        external_cached_tokens: Some(256),
        created_cache_tokens: Some(0),
        ..Usage::default()
    };
    assert_eq!(vllm, Some(expected));

    let deepseek =
        r#"{"prompt_tokens":9,"completion_tokens":2,"prompt_cache_hit_tokens":0,"prompt_cache_miss_tokens":9}"#;
    assert_eq!(usage(deepseek).unwrap().cached_tokens, Some(0));
    assert_eq!(usage(r#"{"prompt_tokens":9,"prompt_cache_miss_tokens":3}"#).unwrap().cached_tokens, Some(6));

    let tiers = r#"{"device":64,"host":128,"storage":0,"storage_backend":"file"}"#;
    let sglang = format!(r#"{{"choices":[],"sglext":{{"routed_experts":null,"cached_tokens_details":{tiers}}}}}"#);
    let usage = only(&sglang).usage.unwrap();
    assert_eq!(usage.device_cached_tokens, Some(64));
    assert_eq!(usage.host_cached_tokens, Some(128));
    assert_eq!(usage.storage_cached_tokens, Some(0));
    assert_eq!(usage.cached_tokens, None);
}

#[test]
fn a_usage_of_zeros_says_nothing() {
    assert_eq!(usage(r#"{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}"#), None);
    let with_details = r#"{"prompt_tokens":0,"completion_tokens":0,"prompt_tokens_details":{"cached_tokens":0}}"#;
    assert_eq!(usage(with_details), None);
    assert_eq!(usage("{}"), None);
    assert_eq!(usage("null"), None);
    assert!(usage(r#"{"prompt_tokens":9,"completion_tokens":0}"#).is_some());
    let unread = usage(r#"{"prompt_tokens":0,"completion_tokens":12}"#).unwrap();
    assert_eq!((unread.prompt_tokens, unread.completion_tokens), (None, Some(12)), "no prompt has 0 tokens");
}

#[test]
fn a_later_usage_adds_and_corrects_and_does_not_erase() {
    let mut usage =
        Usage { prompt_tokens: Some(9), completion_tokens: Some(1), cached_tokens: Some(4), ..Usage::default() };
    usage.absorb(&Usage { completion_tokens: Some(2), host_cached_tokens: Some(4), ..Usage::default() });
    let expected = Usage {
        prompt_tokens: Some(9),
        completion_tokens: Some(2),
        cached_tokens: Some(4),
        host_cached_tokens: Some(4),
        ..Usage::default()
    };
    assert_eq!(usage, expected);
}

#[test]
fn usage_may_come_with_choices() {
    let delta = only(r#"{"choices":[{"index":0,"delta":{"content":"a"}}],"usage":{"prompt_tokens":9}}"#);
    assert!(delta.is_token());
    assert_eq!(delta.usage.unwrap().prompt_tokens, Some(9));
}

#[test]
fn what_the_server_measured_is_read() {
    let delta = only(
        r#"{"choices":[],"timings":{"cache_n":7,"prompt_n":2,"prompt_ms":1.5,"predicted_n":3,"predicted_ms":null},
            "metrics":{"time_to_first_token_ms":12,"queue_time_ms":0.5,"tokens_per_second":"fast"},
            "prompt_progress":{"total":9,"cache":7,"processed":8,"time_ms":3}}"#,
    );
    let timings = Timings {
        cache_n: Some(7),
        prompt_n: Some(2),
        prompt_ms: Some(1.5),
        predicted_n: Some(3),
        ..Timings::default()
    };
    assert_eq!(delta.timings, Some(timings));
    let metrics =
        ServerMetrics { time_to_first_token_ms: Some(12.0), queue_time_ms: Some(0.5), ..ServerMetrics::default() };
    assert_eq!(delta.metrics, Some(metrics));
    assert_eq!(
        delta.progress,
        Some(Progress { total: Some(9), cache: Some(7), processed: Some(8), time_ms: Some(3.0) })
    );
}

#[test]
fn errors_are_recognised_in_every_shape() {
    for (json, message, code) in [
        (r#"{"error":{"message":"m","type":"t","param":null,"code":400}}"#, "m", Some("400")),
        (r#"{"error":{"message":"m","code":"context_length_exceeded"}}"#, "m", Some("context_length_exceeded")),
        (r#"{"error":{"message":"m","code":null}}"#, "m", None),
        (r#"{"error":"m","error_type":"generation"}"#, "m", None),
        (r#"{"object":"error","message":"m","type":"BadRequestError","param":null,"code":400}"#, "m", Some("400")),
        (r#"{"detail":"m"}"#, "m", None),
        (r#"{"detail":[{"loc":["body","n"],"msg":"must be 1","type":"x"}]}"#, "body.n: must be 1", None),
        (
            r#"{"id":"gen-1","choices":[{"delta":{"content":""},"finish_reason":"error"}],"error":{"code":502,"message":"m"}}"#,
            "m",
            Some("502"),
        ),
    ] {
        let error = only(json).error.unwrap_or_else(|| panic!("{json}"));
        assert_eq!(error.message, message, "{json}");
        assert_eq!(error.code.as_deref(), code, "{json}");
    }
    assert_eq!(only(r#"{"error":"m","error_type":"generation"}"#).error.unwrap().kind.as_deref(), Some("generation"));
    for json in [r#"{"error":null,"choices":[]}"#, r#"{"error":"","choices":[]}"#, r#"{"error":{},"choices":[]}"#] {
        assert_eq!(only(json).error, None, "{json}");
    }
}

#[test]
fn what_is_no_chunk_is_malformed_and_nothing_else() {
    for data in
        [&b"{\"choices\":["[..], b"", b"hello", b"7", b"[]", b"{\"choices\":[{\"text\":\"\xFF\"}]}", b"{\"choices\":7}"]
    {
        let delta = parse(data);
        assert!(delta.malformed.is_some(), "{data:?}");
        assert_eq!(Delta { malformed: None, ..delta }, Delta::default());
    }
}

#[test]
fn several_answers_are_told_by_their_index() {
    let delta = only(
        r#"{"choices":[{"index":1,"delta":{"content":"b"}},{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}"#,
    );
    let indexes: Vec<u64> = delta.choices.iter().map(|choice| choice.index).collect();
    assert_eq!(indexes, [1, 0]);
    assert_eq!(delta.finish_reason(), Some("stop"));
}

#[test]
fn text_is_borrowed_unless_it_holds_escapes() {
    let chunk = chat(r#"{"content":"a","reasoning":"\n"}"#);
    let delta = only(&chunk);
    assert!(matches!(delta.choices[0].content, Cow::Borrowed("a")));
    assert!(matches!(&delta.choices[0].reasoning, Cow::Owned(text) if text == "\n"));
}

#[test]
fn a_whole_answer_is_read_like_one_chunk() {
    let chat = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"a"},"finish_reason":"length"}],
        "usage":{"prompt_tokens":9,"completion_tokens":1}}"#;
    let delta = parse_whole(chat.as_bytes());
    assert!(delta.malformed.is_none() && delta.is_token());
    assert_eq!(delta.finish_reason(), Some("length"));
    let completion = parse_whole(br#"{"choices":[{"text":"a","index":0}]}"#);
    assert_eq!(completion.choices[0].content, "a");
    assert!(parse_whole(b"{}").malformed.is_some());
    assert!(parse_whole(b"[DONE]").malformed.is_some());
    let refused = parse_whole(br#"{"error":{"message":"m"}}"#);
    assert!(refused.malformed.is_none() && refused.error.is_some());
}

#[test]
fn usage_in_the_log_keeps_null_apart_from_zero() {
    let usage = Usage { prompt_tokens: Some(9), completion_tokens: Some(0), ..Usage::default() };
    let line = serde_json::to_string(&usage).unwrap();
    assert_eq!(line, r#"{"prompt_tokens":9,"completion_tokens":0,"cached_tokens":null}"#);
    assert_eq!(serde_json::from_str::<Usage>(&line).unwrap(), usage);
}

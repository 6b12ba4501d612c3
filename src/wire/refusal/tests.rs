use super::*;

/// A 400 with the message in OpenAI's shape.
fn refusal(message: &str) -> Refusal {
    let body = serde_json::json!({ "error": { "message": message } });
    classify(400, body.to_string().as_bytes()).refusal
}

fn too_long(n_prompt_tokens: impl Into<Option<u64>>, n_ctx: impl Into<Option<u64>>) -> Refusal {
    Refusal::TooLong { n_prompt_tokens: n_prompt_tokens.into(), n_ctx: n_ctx.into() }
}

#[test]
fn a_prompt_that_is_too_long_is_recognised_in_vllms_words() {
    assert_eq!(
        refusal(
            "This model's maximum context length is 4096 tokens. However, you requested 100 output tokens and your \
             prompt contains 5000 input tokens, for a total of 5100 tokens."
        ),
        too_long(5000, 4096)
    );
    let bound = "This model's maximum context length is 16384 tokens. However, your prompt contains at least 16385 \
                 input tokens, which exceeds this limit even without any output tokens.";
    assert_eq!(refusal(bound), too_long(None, 16384), "a bound is not a count");
    assert_eq!(
        refusal(
            "This model's maximum context length is 4096 tokens. However, you requested 5016 tokens (5000 in the \
             messages, 16 in the completion). Please reduce the length of the messages or completion."
        ),
        too_long(5000, 4096)
    );
    assert_eq!(
        refusal("The decoder prompt (length 5000) is longer than the maximum model length of 4096. Make sure that ..."),
        too_long(5000, 4096)
    );
}

#[test]
fn a_prompt_that_is_too_long_is_recognised_in_the_words_of_others() {
    let sglang = br#"{"object":"error","message":"The input (61709 tokens) is longer than the model's context length (40960 tokens).","type":"BadRequestError","param":null,"code":400}"#;
    assert_eq!(classify(400, sglang).refusal, too_long(61709, 40960));
    let pool =
        refusal("Input length (9000 tokens) exceeds the maximum allowed length (8192 tokens). Use a shorter input");
    assert_eq!(pool, too_long(None, 8192));

    let llamacpp = br#"{"error":{"code":400,"message":"request (4390 tokens) exceeds the available context size (4096 tokens), try increasing it","type":"exceed_context_size_error","n_prompt_tokens":4390,"n_ctx":4096}}"#;
    assert_eq!(classify(400, llamacpp).refusal, too_long(4390, 4096));
    assert_eq!(refusal("request (4390 tokens) exceeds the available context size (4096 tokens)"), too_long(4390, 4096));
    let midway = br#"{"error":{"code":500,"message":"Context size has been exceeded.","type":"server_error"}}"#;
    assert_eq!(classify(500, midway).refusal, too_long(None, None));

    let tgi = br#"{"error":"Input validation error: `inputs` must have less than 4095 tokens. Given: 5000","error_type":"validation"}"#;
    assert_eq!(classify(422, tgi).refusal, too_long(5000, 4095));
    let sum = br#"{"error":"Input validation error: `inputs` tokens + `max_new_tokens` must be <= 2048. Given: 3000 `inputs` tokens and 20 `max_new_tokens`","error_type":"validation"}"#;
    assert_eq!(classify(422, sum).refusal, too_long(3000, 2048));

    let openai = br#"{"error":{"message":"Your input is larger than this model takes.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#;
    assert_eq!(classify(400, openai).refusal, too_long(None, None));
    let resulted =
        refusal("This model's maximum context length is 4097 tokens. However, your messages resulted in 5000 tokens.");
    assert_eq!(resulted, too_long(5000, 4097));
}

#[test]
fn a_parameter_that_is_not_supported_is_named() {
    for (message, parameter) in [
        (
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
            Parameter::MaxTokens,
        ),
        (
            "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is supported.",
            Parameter::Temperature,
        ),
        ("Unrecognized request argument supplied: stream_options", Parameter::StreamOptions),
        ("Unknown parameter: 'cache_prompt'.", Parameter::Other("cache_prompt".into())),
        ("Unknown parameter: 'max_completion_tokens'.", Parameter::Other("max_completion_tokens".into())),
    ] {
        assert_eq!(refusal(message), Refusal::Parameter(parameter), "{message}");
    }
    let fastapi = br#"{"detail":[{"type":"extra_forbidden","loc":["body","stream_options"],"msg":"Extra inputs are not permitted"}]}"#;
    assert_eq!(classify(422, fastapi).refusal, Refusal::Parameter(Parameter::StreamOptions));
    let vllm =
        br#"{"error":{"message":"1 validation error: extra_forbidden","param":"body.stream_options","code":400}}"#;
    assert_eq!(classify(400, vllm).refusal, Refusal::Parameter(Parameter::StreamOptions));
    let by_param = br#"{"error":{"message":"This is not supported with this model.","param":"temperature","code":"unsupported_value"}}"#;
    assert_eq!(classify(400, by_param).refusal, Refusal::Parameter(Parameter::Temperature));
}

#[test]
fn a_wrong_value_is_no_unsupported_parameter() {
    let low = br#"{"error":{"message":"max_tokens must be at least 1, got 0. (parameter=max_tokens, value=0)","type":"BadRequestError","param":"max_tokens","code":400}}"#;
    assert_eq!(classify(400, low).refusal, Refusal::Other);
}

#[test]
fn an_unknown_model_comes_with_those_that_are_known() {
    let vllm = br#"{"error":{"message":"The model `x` does not exist. Valid aliases: a/b, c.","type":"NotFoundError","param":"model","code":404}}"#;
    assert_eq!(classify(404, vllm).refusal, Refusal::UnknownModel { known: vec!["a/b".into(), "c".into()] });
    let ollama = br#"{"error":{"message":"model 'x' not found","type":"api_error","param":null,"code":null}}"#;
    assert_eq!(classify(404, ollama).refusal, Refusal::UnknownModel { known: vec![] });
    let openai = br#"{"error":{"message":"No.","type":"invalid_request_error","param":null,"code":"model_not_found"}}"#;
    assert_eq!(classify(404, openai).refusal, Refusal::UnknownModel { known: vec![] });
}

#[test]
fn a_wrong_path_is_not_an_unknown_model() {
    assert_eq!(classify(404, br#"{"detail":"Not Found"}"#).refusal, Refusal::NotFound);
    let llamacpp = br#"{"error":{"message":"File Not Found","type":"not_found_error","code":404}}"#;
    assert_eq!(classify(404, llamacpp).refusal, Refusal::NotFound);
    assert_eq!(classify(404, b"404 page not found").refusal, Refusal::NotFound);
    assert_eq!(classify(405, br#"{"detail":"Method Not Allowed"}"#).refusal, Refusal::NotFound);
}

#[test]
fn the_status_decides_where_words_do_not() {
    let loading = br#"{"error":{"message":"Loading model","type":"unavailable_error","code":503}}"#;
    assert_eq!(classify(503, loading).refusal, Refusal::Loading);
    assert_eq!(classify(503, b"upstream connect error").refusal, Refusal::ServerFailed);
    assert_eq!(classify(401, b"").refusal, Refusal::Unauthorized);
    assert_eq!(classify(403, b"").refusal, Refusal::Unauthorized);
    assert_eq!(classify(413, b"<html>").refusal, Refusal::TooLarge);
    assert_eq!(
        classify(429, br#"{"error":"Model is overloaded","error_type":"overloaded"}"#).refusal,
        Refusal::Overloaded
    );
    assert_eq!(classify(307, b"").refusal, Refusal::Moved);
    assert_eq!(classify(500, b"Internal Server Error").refusal, Refusal::ServerFailed);
    assert_eq!(classify(418, b"").refusal, Refusal::Other);
}

#[test]
fn the_message_is_one_line_whatever_the_body_is() {
    let message = |body: &str| classify(502, body.as_bytes()).message;
    assert_eq!(
        message("<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>nginx</body></html>"),
        "an HTML page titled \"502 Bad Gateway\""
    );
    assert_eq!(message("<!DOCTYPE html><p>no title"), "an HTML page");
    assert_eq!(message("upstream\n  timed out\n"), "upstream timed out");
    assert_eq!(message(r#"{"error":{"message":"two\nlines"}}"#), "two lines");
    assert_eq!(message(r#"{"message":"no Route matched"}"#), "no Route matched");
    assert_eq!(message(r#"[{"error":{"message":"in a list","code":400}}]"#), "in a list");
    assert_eq!(message(""), "");
    assert_eq!(message(&"é".repeat(1000)).chars().count(), 403);
    assert_eq!(classify(502, b"\xFF\xFE").message, "\u{fffd}\u{fffd}");
}

//! What goes wrong, and that it is a row with an outcome and never a time.

use super::Server;

behaviours! {
    14 error_then_done "an error event, then `[DONE]`" ["--fault error_event_done=2"]
    "a failure, although tokens came and the stream ended as it should" |server| {
        server.run("").failed("server_error", "inside the stream");
    };
    15 error_without_done "an error event, and no `[DONE]`" ["--fault error_event=2"]
    "a failure" |server| {
        server.run("").failed("server_error", "inside the stream");
    };
    16 eof "the stream ends without a finish reason" ["--fault eof_no_finish"]
    "truncated, not whole" |server| {
        server.run("").failed("truncated", "without a finish reason");
    };
    21 json "200 with one JSON object" ["--fault json_instead_of_stream"]
    "no stream, so there is no first token" |server| {
        server.run("").failed("not_a_stream", "the server ignores \"stream\": true");
    };
    22 refusals "429 with seconds or a date, 503 while loading, a page of 502, a prompt that is too long in five shapes"
    ["--fault 429=7", "--fault 429_date=7", "--fault loading=600", "--fault html_502", "--flavor vllm --fault too_long=300",
     "--flavor sglang --fault too_long=300", "--flavor llamacpp --fault too_long=300", "--flavor tgi --fault too_long=300",
     "--flavor openai --fault too_long=300"]
    "the refusal is named with what to do; a document that does not fit is cut openly" is_refused;
    23 rst_on_reuse "a reset on a used connection" ["--fault rst_on_reuse"]
    "a row of its own; nothing is sent twice" |server| {
        let seen = server.run("--num_following 2 --connection reuse");
        let outcomes: Vec<&str> = seen.rows.iter().filter_map(|row| row["outcome"].as_str()).collect();
        assert_eq!(outcomes, ["ok", "reset", "ok"]);
        assert_eq!(seen.printed.code, Some(1));
        assert!(server.bench.requests() <= 3, "{}", server.bench.requests());
    };
    24 stall "nothing more comes after three tokens" ["--fault stall=3"]
    "a timeout that counts tokens" |server| {
        let seen = server.run("--num_following 0 --timeout 700ms");
        assert_eq!(seen.failed("timeout", "no further token").rows[0]["detail"]["phase"], "next_token");
    };
    27 redirects "301 and 307" ["--fault redirect_301", "--fault redirect_307"]
    "said and not followed" |server| {
        let told = server.ttft("--max_ctx_tokens 400");
        assert_eq!(told.code, Some(1), "{}", told.stderr);
        assert!(told.stderr.contains("redirects are not followed"), "{}", told.stderr);
    };
}

fn is_refused(server: &Server) {
    let seen = server.ttft("--max_ctx_tokens 400");
    let fault = server.flags.rsplit(' ').next().expect("a fault");
    let said = match fault {
        "429=7" => "Retry-After: 7",
        "429_date=7" => "GMT",
        "loading=600" => "--wait 120s waits for it",
        "html_502" => "answered 502",
        _ => {
            let row = &server.bench.rows("benchmark.jsonl")[0];
            assert_eq!((seen.code, &row["outcome"]), (Some(0), &"ok".into()), "{}: {}", server.flags, seen.stderr);
            let adapted = row["adapted"][0].as_str().unwrap_or_default();
            assert!(
                adapted.starts_with("body cut from ") && row["usage"]["prompt_tokens"].as_u64() < Some(300),
                "{row}"
            );
            return;
        }
    };
    assert_eq!(seen.code, Some(1), "{fault}: {}", seen.stderr);
    assert!(seen.stderr.contains(said), "{fault}: {}", seen.stderr);
}

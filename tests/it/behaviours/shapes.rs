//! What servers say in a stream, and which of it is a token.

behaviours! {
    1 vllm_v1 "role, then the first token in the same moment; finish reason with the last" ["--flavor vllm"]
    "the role ends no TTFT; cached tokens are counted" |server| {
        let seen = server.run("");
        assert!(seen.is_ok().between("role", "first_token") >= 0.0);
        assert!(seen.between("sent", "first_token") >= 40.0);
        assert!(matches!(seen.cached()[..], [Some(0), Some(300..)]), "{:?}", seen.cached());
    };
    2 vllm_v0 "the role long before the first token" ["--profile instant,base=600ms --fault early_role=400"]
    "TTFT ends at the token, not at the role" |server| {
        let seen = server.run("");
        assert!(seen.is_ok().between("role", "first_token") >= 300.0);
        assert!(seen.between("sent", "first_token") >= 600.0);
    };
    3 sglang "headers with the first token, finish reason apart, no cached tokens when cold"
    ["--profile instant,base=300ms,decode=4ms --flavor sglang"]
    "a missing count is not 0; the finish chunk is no token" |server| {
        let seen = server.run("");
        assert!(seen.is_ok().between("sent", "first_byte") >= 300.0);
        assert!(matches!(seen.cached()[..], [None, Some(300..)]), "{:?}", seen.cached());
        assert_eq!(seen.rows[0]["token_events"], 16);
    };
    4 llamacpp "role with null content, pings, progress, timings" ["--profile instant,base=1300ms,decode=4ms --flavor llamacpp"]
    "neither a ping nor progress is a token; timings count what was cached" |server| {
        let seen = server.run(r#"--extra_body {"return_progress":true}"#);
        assert!(seen.is_ok().between("sent", "first_token") >= 1300.0);
        assert!(seen.between("first_event", "first_token") >= 600.0);
        assert_eq!((&seen.rows[0]["timings"]["cache_n"], &seen.rows[0]["token_events"]), (&0.into(), &16.into()));
        assert!(seen.rows[1]["timings"]["cache_n"].as_u64() > Some(300), "{}", seen.rows[1]);
    };
    5 tgi "role on every chunk, an empty finish reason" ["--flavor tgi"]
    "an empty finish reason is none" |server| {
        server.run("").is_ok();
        assert_eq!(server.run("--endpoint completions").is_ok().rows[0]["token_events"], 16);
        let cut = super::Server::start("--flavor tgi --fault eof_no_finish");
        cut.run("--endpoint completions").failed("truncated", "without a finish reason");
    };
    6 trtllm "a space after every line of data, content and reasoning both empty" ["--flavor trtllm"]
    "`[DONE]` with a space is the end; empty text is no token" |server| {
        let seen = server.run("");
        assert_eq!(seen.is_ok().rows[0]["token_events"], 16);
        assert!(seen.between("sent", "first_token") >= 40.0);
    };
    7 ollama "usage of zeros on every chunk" ["--flavor ollama"]
    "the usage is the last one that is not zero" |server| {
        let seen = server.run("--endpoint completions");
        assert!(seen.is_ok().rows[0]["usage"]["prompt_tokens"].as_u64() > Some(300), "{}", seen.rows[0]);
        assert_eq!(seen.cached(), [None, None]);
    };
    8 openai "role when the stream opens, null usage and padding on every chunk"
    ["--profile instant,base=300ms,decode=4ms --flavor openai"]
    "TTFT ends at the token, hundreds of milliseconds after the role" |server| {
        let seen = server.run("");
        assert!(seen.is_ok().between("role", "first_token") >= 200.0);
        assert_eq!(seen.rows[0]["token_events"], 16);
    };
    9 azure "a filter's verdict first, without choices" ["--profile instant,base=300ms,decode=4ms --flavor azure"]
    "an event without choices is no token and no failure" |server| {
        let seen = server.run("");
        assert!(seen.is_ok().between("first_event", "first_token") >= 200.0);
        assert!(seen.between("first_event", "role") >= 0.0);
    };
    10 comments "comments while the request waits" ["--profile instant,base=1300ms,decode=4ms --flavor deepseek", "--fault comments"]
    "a comment is no token, and `--timeout` does not wait for it" |server| {
        let seen = server.run("");
        seen.is_ok();
        if server.flags.contains("deepseek") {
            assert!(seen.between("first_byte", "first_token") >= 1000.0);
            assert!(matches!(seen.cached()[..], [Some(0), Some(300..)]), "{:?}", seen.cached());
            server.run("--timeout 700ms").failed("timeout", "no first token came");
        }
    };
    11 litellm "usage on a chunk that has choices" ["--flavor litellm"]
    "the usage is read, and its chunk is no token" |server| {
        let seen = server.run("");
        assert_eq!(seen.is_ok().rows[0]["token_events"], 16);
    };
    12 reasoning "reasoning and never content" ["--fault reasoning_only"]
    "reasoning ends TTFT; there is no visible text" |server| {
        let seen = server.run("");
        assert!(seen.is_ok().between("sent", "first_token") >= 40.0);
        assert_eq!(seen.ms("sent", "first_content"), None);
    };
    13 tool_calls "a tool call and never content" ["--fault tool_calls_only"]
    "a part of a tool call ends TTFT, and is what the user gets to see" |server| {
        let seen = server.run("");
        assert!(seen.is_ok().between("sent", "first_token") >= 40.0);
        assert_eq!(seen.between("first_token", "first_content"), 0.0);
    };
    26 empty_tokens "first tokens that show no text" ["--fault empty_first_tokens=2"]
    "TTFT ends at the first text" |server| {
        let seen = server.run("");
        assert_eq!(seen.is_ok().rows[0]["token_events"], 14);
        assert!(seen.between("sent", "first_token") >= 48.0);
        assert!(seen.between("first_event", "first_token") > 0.0);
    };
}

//! How streams are framed, split and held back.

behaviours! {
    17 no_done "a finish reason and no `[DONE]`" ["--fault no_done"]
    "the stream is whole" |server| {
        server.run("").is_ok();
    };
    18 frames "CR LF, lone CR, no space after the colon, several lines of data, a byte order mark"
    ["--fault crlf", "--fault lone_cr", "--fault no_space", "--fault multiline", "--fault bom"]
    "every event is read" |server| {
        let seen = server.run("");
        assert_eq!(seen.is_ok().rows[0]["token_events"], 16, "{}", server.flags);
    };
    19 bytes "every byte by itself, in the middle of characters too" ["--fault byte_by_byte"]
    "an event counts when its last byte is there" |server| {
        let seen = server.run("");
        assert_eq!(seen.is_ok().rows[0]["token_events"], 16);
        assert!(seen.between("first_byte", "first_event") > 0.0);
    };
    20 buffered "all events in one write at the end" ["--fault buffered"]
    "the alarm: its TTFT is the time of the whole answer; grade C" |server| {
        let seen = server.run("");
        seen.is_ok();
        assert!(seen.printed.says("Grade C: in 2 streams all tokens arrived at once"), "{}", seen.printed.stdout);
    };
    25 slow_headers "the head of the response comes late" ["--fault slow_headers=300"]
    "what the server takes before its head is part of TTFT" |server| {
        let seen = server.run("");
        assert!(seen.is_ok().between("sent", "first_byte") >= 300.0);
        assert!(seen.between("sent", "first_token") >= 300.0);
    };
}

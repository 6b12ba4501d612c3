use super::*;

/// What came of one response: status, body, whether it ended, and the error that stopped it.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    status: u16,
    body: Vec<u8>,
    ended: bool,
    error: Option<Error>,
}

fn decode(asked: Method, pieces: &[&[u8]]) -> Seen {
    let mut seen = Seen::default();
    let mut decoder = ResponseDecoder::new(asked);
    let mut out = |part: Part<'_>| match part {
        Part::Head(head) => seen.status = head.status,
        Part::Body(data) => seen.body.extend_from_slice(data),
        Part::End => seen.ended = true,
    };
    let pushed = pieces.iter().try_for_each(|piece| decoder.push(piece, &mut out));
    seen.error = pushed.and_then(|()| decoder.eof(&mut out)).err();
    seen
}

/// The same whether the bytes come at once or one by one.
fn answer(bytes: &[u8]) -> Seen {
    let whole = decode(Method::Post, &[bytes]);
    let singles: Vec<&[u8]> = bytes.chunks(1).collect();
    let single = decode(Method::Post, &singles);
    assert_eq!((whole.status, &whole.body, whole.ended), (single.status, &single.body, single.ended));
    whole
}

fn head(text: &str) -> Head {
    let mut found = None;
    let mut decoder = ResponseDecoder::new(Method::Get);
    let keep = &mut |part: Part<'_>| {
        if let Part::Head(head) = part {
            found = Some(head.clone());
        }
    };
    decoder.push(text.as_bytes(), keep).unwrap();
    found.expect("a whole head")
}

fn whole(status: u16, body: &str) -> Seen {
    Seen { status, body: body.into(), ended: true, error: None }
}

#[test]
fn a_length_ends_the_body() {
    assert_eq!(answer(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"), whole(200, "hello"));
    assert_eq!(answer(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"), whole(404, ""));
}

#[test]
fn some_statuses_have_no_body_whatever_their_head_announces() {
    assert_eq!(answer(b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"), whole(204, ""));
    assert_eq!(answer(b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n"), whole(304, ""));
}

#[test]
fn chunks_extensions_and_trailers_are_taken_off() {
    let bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n\
        5;name=value\r\nhello\r\n00C\r\n, KV\r\ncache!\r\n0;last\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n";
    assert_eq!(answer(bytes), whole(200, "hello, KV\r\ncache!"));
}

#[test]
fn chunk_lines_may_end_in_a_bare_line_feed() {
    assert_eq!(answer(b"HTTP/1.1 200 OK\ntransfer-encoding: chunked\n\n2\nok\n0\n\n"), whole(200, "ok"));
}

#[test]
fn a_body_without_a_length_ends_with_the_connection() {
    assert_eq!(answer(b"HTTP/1.0 200 OK\r\n\r\ndata: 1\n\n"), whole(200, "data: 1\n\n"));
}

#[test]
fn interim_answers_are_passed_over() {
    let bytes = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n\
        HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    assert_eq!(answer(bytes), whole(200, "ok"));
}

#[test]
fn a_tunnel_is_open_when_its_head_ends_and_a_refused_one_has_a_body() {
    let opened = decode(Method::Connect, &[b"HTTP/1.1 200 Connection established\r\nContent-Length: 9\r\n\r\n"]);
    assert_eq!(opened, whole(200, ""));
    let refused = decode(Method::Connect, &[b"HTTP/1.1 407 Auth\r\nContent-Length: 2\r\n\r\nno"]);
    assert_eq!(refused, whole(407, "no"));
}

#[test]
fn a_cut_is_told_from_an_end() {
    let cut = |bytes: &[u8]| answer(bytes).error;
    assert_eq!(cut(b""), Some(Error::Unanswered));
    assert_eq!(cut(b"HTTP/1.1 200 OK\r\nConte"), Some(Error::TruncatedHead));
    assert_eq!(cut(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell"), Some(Error::TruncatedBody));
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n";
    assert_eq!(cut(chunked), Some(Error::TruncatedBody));
}

#[test]
fn bytes_behind_the_end_are_counted_and_refused() {
    let seen = decode(Method::Get, &[b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP"]);
    assert_eq!(seen, Seen { error: Some(Error::Surplus { bytes: 4 }), ..whole(200, "ok") });
}

#[test]
fn what_is_not_http_is_refused_at_its_first_bytes() {
    for bytes in [&b"SSH-2.0-OpenSSH_9.2\r\n"[..], b"\x15\x03\x01\x00\x02\x02F", b"HTTP/2.0 200 OK\r\n"] {
        assert!(matches!(answer(bytes).error, Some(Error::NotHttp(_))), "{bytes:?}");
    }
}

#[test]
fn a_head_has_a_bound() {
    let long = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(MAX_HEAD));
    assert_eq!(decode(Method::Get, &[long.as_bytes()]).error, Some(Error::HeadTooLong));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: 1\r\n".repeat(MAX_HEADERS + 1));
    assert_eq!(decode(Method::Get, &[many.as_bytes()]).error, Some(Error::HeadTooLong));
}

#[test]
fn contradictory_framing_is_refused() {
    let error = |headers: &str| answer(format!("HTTP/1.1 200 OK\r\n{headers}\r\n\r\nhello").as_bytes()).error;
    assert_eq!(error("Content-Length: 5\r\nContent-Length: 5"), None);
    assert_eq!(error("Content-Length: 5\r\nContent-Length: 4"), Some(Error::ContentLength("5".into())));
    assert_eq!(error("Content-Length: +5"), Some(Error::ContentLength("+5".into())));
    let coding = "gzip, chunked".to_owned();
    assert_eq!(error("Transfer-Encoding: gzip, chunked"), Some(Error::TransferEncoding(coding)));
    let twice = error("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked");
    assert_eq!(twice, Some(Error::TransferEncoding("chunked".into())));
}

#[test]
fn a_switch_of_protocols_is_refused() {
    let bytes = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\nHTTP/1.1 200 OK\r\n\r\n";
    assert_eq!(answer(bytes).error, Some(Error::SwitchedProtocols));
}

#[test]
fn a_broken_chunk_is_refused() {
    let error =
        |body: &str| answer(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}").as_bytes()).error;
    for body in ["xyz\r\n", "+5\r\nhello", "\r\n", "10000000000000000\r\n", "2\r\nhello\r\n"] {
        assert!(matches!(error(body), Some(Error::Chunk(_))), "{body:?}");
    }
    let trailers = format!("0\r\n{}\r\n", "X: 1\r\n".repeat(10_000));
    assert_eq!(error(&trailers), Some(Error::Chunk("endless trailers")));
    assert_eq!(error(&"0".repeat(100_000)), Some(Error::Chunk("a line without an end")));
}

#[test]
fn headers_are_found_whatever_their_case() {
    let head =
        head("HTTP/1.1 429 Slow down\r\nRETRY-AFTER: 7\r\ncontent-type: Text/Event-Stream; charset=utf-8\r\n\r\n");
    assert_eq!(head.retry_after(), Some("7"));
    assert_eq!(head.content_type(), Some("Text/Event-Stream"));
    assert!(head.is_event_stream());
    assert_eq!(head.location(), None);
    assert!(!self::head("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n").is_event_stream());
    assert!(!self::head("HTTP/1.1 200 OK\r\n\r\n").is_event_stream());
}

#[test]
fn a_connection_is_kept_only_when_both_the_version_and_the_body_allow_it() {
    let keeps = |text: &str| head(&format!("{text}\r\n\r\n")).keeps_alive();
    assert!(keeps("HTTP/1.1 200 OK\r\nContent-Length: 0"));
    assert!(keeps("HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: Keep-Alive"));
    assert!(!keeps("HTTP/1.0 200 OK\r\nContent-Length: 0"));
    assert!(!keeps("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: foo, close"));
    assert!(!keeps("HTTP/1.1 200 OK"));
}

//! Properties of the decoders that hold for any bytes and any split.

use proptest::prelude::*;
use ttft::wire::http1::{Method, Part, ResponseDecoder};
use ttft::wire::{chat, refusal, sse};

/// Everything a decoder handed out, with the body's pieces joined.
#[derive(Debug, Default, PartialEq)]
struct Response {
    heads: Vec<String>,
    body: Vec<u8>,
    ends: usize,
    failed: bool,
}

fn respond<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Response {
    let mut response = Response::default();
    let mut decoder = ResponseDecoder::new(Method::Post);
    let mut out = |part: Part<'_>| match part {
        Part::Head(head) => response.heads.push(format!("{head:?}")),
        Part::Body(data) => response.body.extend_from_slice(data),
        Part::End => response.ends += 1,
    };
    let pushed = pieces.into_iter().try_for_each(|piece| decoder.push(piece, &mut out));
    response.failed = pushed.and_then(|()| decoder.eof(&mut out)).is_err();
    response
}

fn events<'a>(limit: usize, pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<String>, bool) {
    let mut items = Vec::new();
    let mut decoder = sse::Decoder::with_limit(limit);
    let mut out = |item: sse::Item<'_>| items.push(format!("{item:?}"));
    let pushed = pieces.into_iter().try_for_each(|piece| decoder.push(piece, &mut out));
    let failed = pushed.and_then(|()| decoder.finish(&mut out)).is_err();
    (items, failed)
}

/// `bytes` cut at the given places, taken modulo the length.
fn cut<'a>(bytes: &'a [u8], places: &[usize]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = places.iter().map(|place| place % (bytes.len() + 1)).collect();
    places.sort_unstable();
    let mut pieces = Vec::new();
    let mut start = 0;
    for place in places.into_iter().chain([bytes.len()]) {
        pieces.push(&bytes[start..place]);
        start = place;
    }
    pieces
}

fn places() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(any::<usize>(), 0..12)
}

/// A response in one of the three framings, sometimes with something wrong in the middle.
fn response() -> impl Strategy<Value = Vec<u8>> {
    let body = prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..6);
    (0..3u8, body, prop::option::of((any::<usize>(), any::<u8>()))).prop_map(|(framing, pieces, damage)| {
        let whole = pieces.concat();
        let mut bytes = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nServer: x\r\n".to_vec();
        match framing {
            0 => bytes.extend(format!("Content-Length: {}\r\n\r\n", whole.len()).bytes().chain(whole)),
            1 => bytes.extend(b"\r\n".iter().copied().chain(whole)),
            _ => {
                bytes.extend(b"Transfer-Encoding: chunked\r\n\r\n");
                for piece in &pieces {
                    bytes.extend(format!("{:x};a=b\r\n", piece.len()).bytes());
                    bytes.extend(piece.iter().chain(b"\r\n"));
                }
                bytes.extend(b"0\r\nX-Trailer: 1\r\n\r\n");
            }
        }
        if let Some((place, byte)) = damage {
            let place = place % bytes.len();
            bytes[place] = byte;
        }
        bytes
    })
}

/// Lines as a server would write them, and some it would not.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        "data: ?[ -~é漢🙂]{0,20}".prop_map(String::into_bytes),
        ": ?[a-z]{0,5}".prop_map(String::into_bytes),
        Just(b"event: error".to_vec()),
        Just(b"\xEF\xBB\xBF".to_vec()),
        Just(Vec::new()),
        Just(Vec::new()),
        prop::collection::vec(any::<u8>(), 0..8),
    ];
    let end = prop_oneof![Just(&b"\n"[..]), Just(&b"\r\n"[..]), Just(&b"\r"[..]), Just(&b""[..])];
    prop::collection::vec((line, end), 0..20)
        .prop_map(|lines| lines.into_iter().flat_map(|(line, end)| [line, end.to_vec()].concat()).collect())
}

/// The data of every event, by the standard's rules applied to a whole stream at once.
fn by_the_book(bytes: &[u8]) -> Vec<Vec<u8>> {
    let text: Vec<u8> = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes).to_vec();
    let mut lines = vec![Vec::new()];
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b'\r' if text.get(at + 1) == Some(&b'\n') => {
                at += 1;
                lines.push(Vec::new());
            }
            b'\r' | b'\n' => lines.push(Vec::new()),
            byte => lines.last_mut().unwrap().push(byte),
        }
        at += 1;
    }
    let mut events = Vec::new();
    let mut data: Option<Vec<Vec<u8>>> = None;
    // The standard drops an event without its blank line; the decoder delivers it.
    for line in lines.into_iter().chain([Vec::new()]) {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        match (line.is_empty(), parts.next(), parts.next()) {
            (true, ..) => events.extend(data.take().map(|lines| lines.join(&b'\n'))),
            (_, Some(b"data"), value) => {
                let value = value.unwrap_or_default();
                data.get_or_insert_default().push(value.strip_prefix(b" ").unwrap_or(value).to_vec());
            }
            _ => {}
        }
    }
    events
}

proptest! {
    #[test]
    fn a_response_reads_the_same_however_it_is_split(bytes in response(), places in places()) {
        let whole = respond([&bytes[..]]);
        prop_assert_eq!(&respond(cut(&bytes, &places)), &whole);
        prop_assert_eq!(&respond(bytes.chunks(1)), &whole);
    }

    #[test]
    fn a_response_of_any_bytes_ends_at_most_once(bytes in prop::collection::vec(any::<u8>(), 0..300), places in places()) {
        let seen = respond(cut(&bytes, &places));
        prop_assert!(seen.ends <= 1 && seen.heads.len() <= 1);
    }

    #[test]
    fn a_stream_reads_the_same_however_it_is_split(bytes in stream(), places in places(), limit in 1..64usize) {
        for limit in [limit, usize::MAX] {
            let whole = events(limit, [&bytes[..]]);
            prop_assert_eq!(&events(limit, cut(&bytes, &places)), &whole);
            prop_assert_eq!(&events(limit, bytes.chunks(1)), &whole);
        }
    }

    #[test]
    fn a_stream_reads_as_the_standard_says(bytes in stream()) {
        let mut data = Vec::new();
        let mut decoder = sse::Decoder::new();
        let mut out = |item: sse::Item<'_>| if let sse::Item::Event(event) = item {
            data.push(event.data.to_vec());
        };
        decoder.push(&bytes, &mut out).unwrap();
        decoder.finish(&mut out).unwrap();
        prop_assert_eq!(data, by_the_book(&bytes));
    }

    #[test]
    fn a_chunk_is_a_token_exactly_when_it_carries_text(text in ".{0,8}", reasoning in ".{0,8}") {
        let chunk = serde_json::json!({"choices": [{"delta": {"content": text, "reasoning": reasoning}}]}).to_string();
        let delta = chat::parse(chunk.as_bytes());
        prop_assert_eq!(delta.is_visible(), !text.is_empty());
        prop_assert_eq!(delta.is_token(), !(text.is_empty() && reasoning.is_empty()));
        prop_assert_eq!(&delta.choices[0].content, &text);
    }

    #[test]
    fn any_bytes_are_a_delta_and_a_refusal(bytes in prop::collection::vec(any::<u8>(), 0..200), status in 0..=999u16) {
        let delta = chat::parse(&bytes);
        prop_assert!(delta.done || delta.malformed.is_some() || serde_json::from_slice::<serde_json::Value>(&bytes).is_ok());
        prop_assert_eq!(refusal::classify(status, &bytes).status, status);
    }
}

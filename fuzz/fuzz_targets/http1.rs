//! A response yields the same head and body whole and in pieces; the first byte of the input is the size of a piece.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ttft::wire::http1::{Method, Part, ResponseDecoder};

fuzz_target!(|input: &[u8]| {
    let Some((size, bytes)) = input.split_first() else { return };
    let whole = decode(bytes, bytes.len().max(1));
    assert_eq!(decode(bytes, usize::from(*size).max(1)), whole);
});

/// Heads, body, ends, and whether an error came.
fn decode(bytes: &[u8], size: usize) -> (Vec<String>, Vec<u8>, usize, bool) {
    let (mut heads, mut body, mut ends) = (Vec::new(), Vec::new(), 0);
    let mut decoder = ResponseDecoder::new(Method::Post);
    let mut out = |part: Part<'_>| match part {
        Part::Head(head) => heads.push(format!("{head:?}")),
        Part::Body(data) => body.extend_from_slice(data),
        Part::End => ends += 1,
    };
    let pushed = bytes.chunks(size).try_for_each(|piece| decoder.push(piece, &mut out));
    let failed = pushed.and_then(|()| decoder.eof(&mut out)).is_err();
    (heads, body, ends, failed)
}

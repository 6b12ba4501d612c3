//! A stream yields the same items whole and in pieces; the first byte of the input is the size of a piece.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ttft::wire::sse::{Decoder, Item, TooLong};

fuzz_target!(|input: &[u8]| {
    let Some((size, stream)) = input.split_first() else { return };
    let whole = items(stream, stream.len().max(1));
    assert_eq!(items(stream, usize::from(*size).max(1)), whole);
});

fn items(stream: &[u8], size: usize) -> (Vec<String>, Result<(), TooLong>) {
    let (mut decoder, mut items) = (Decoder::with_limit(4096), Vec::new());
    let mut out = |item: Item<'_>| items.push(format!("{item:?}"));
    let pushed = stream.chunks(size).try_for_each(|piece| decoder.push(piece, &mut out));
    let ended = pushed.and_then(|()| decoder.finish(&mut out));
    (items, ended)
}

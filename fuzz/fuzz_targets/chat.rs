//! Any bytes are a delta, and a refusal of any status; a malformed one claims nothing else.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ttft::wire::chat::{self, Delta};
use ttft::wire::refusal;

fuzz_target!(|data: &[u8]| {
    let delta = chat::parse(data);
    assert!(!delta.is_visible() || delta.is_token());
    if delta.malformed.is_some() {
        assert_eq!(Delta { malformed: None, ..delta }, Delta::default());
    }
    for status in [400, 404, 503] {
        assert_eq!(refusal::classify(status, data).status, status);
    }
});

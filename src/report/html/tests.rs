use std::io::Read;

use flate2::read::GzDecoder;

use super::*;
use crate::report::fixture::{data, failed, jsonl, only, sweep};
use crate::report::markdown;
use crate::sample::Outcome;

#[test]
fn the_page_hands_out_exactly_the_rows() {
    let data = only(&sweep("sweep", 3, 1.0));
    let page = write(&Report::of(&data), &data);
    let (_, link) = page.split_once("data:application/gzip;base64,").expect("the link");
    let packed = BASE64.decode(link.split_once('"').expect("its end").0).expect("base64");
    let mut unpacked = String::new();
    GzDecoder::new(packed.as_slice()).read_to_string(&mut unpacked).expect("gzip");
    let rows: Vec<&str> = data.entries().map(|(_, entry)| entry.raw.as_str()).collect();
    assert_eq!(unpacked.lines().collect::<Vec<_>>(), rows);
}

#[test]
fn nothing_in_a_log_becomes_markup() {
    const HOSTILE: &str = "</code></script><script>alert(1)</script><img src=x onerror=alert(1)>'\"&";
    let mut rows = sweep("sweep", 1, 1.0);
    rows[0] = failed(rows[0].clone(), Outcome::ServerError { message: HOSTILE.into() });
    rows[1].sample.finish_reason = Some(HOSTILE.into());
    let mut data = data(&[(HOSTILE, jsonl(&rows)), ("plain", jsonl(&rows))]);
    data.logs[0].conditions.push(vec![(HOSTILE.into(), HOSTILE.into()), ("model".into(), HOSTILE.into())]);
    let report = Report::of(&data);
    let page = write(&report, &data);
    assert_eq!(page.matches("<script").count(), 1, "the page's own");
    assert_eq!(page.matches("</script").count(), 1);
    assert!(!page.contains("<img"));
    let markdown = markdown::write(&report);
    assert!(!markdown.contains('<'), "{markdown}");
    for figure in &report.figures {
        assert!(crate::chart::png(&figure.svg()).is_ok(), "{}: still well-formed", figure.name);
    }
}

#[test]
fn the_script_of_the_page_is_the_one_its_policy_admits() {
    use sha2::{Digest, Sha256};
    let data = only(&sweep("sweep", 1, 1.0));
    let page = write(&Report::of(&data), &data);
    let script = page.split_once("<script>").and_then(|(_, rest)| rest.split_once("</script>")).expect("a script").0;
    assert!(page.contains(&format!("script-src 'sha256-{}'", BASE64.encode(Sha256::digest(script)))));
}

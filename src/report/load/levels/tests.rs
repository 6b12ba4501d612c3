use super::*;
use crate::plan::Arm;
use crate::record::Row;
use crate::report::data::Data;
use crate::report::fixture::{jsonl, load, only};
use crate::report::{Report, text};

/// Served a second by the server of the fixture, half of whose requests hit.
const CEILING: f64 = 33.3;

/// A session of the search: a level, or the burst where there is no share.
fn session(reuse: Reuse, of_ceiling: Option<f64>, slo: Option<&str>, requests: u64) -> Vec<Row> {
    // What is not cached takes 40 ms each: as if half as many came twice as slowly.
    let ceiling = if reuse == Reuse::Usual { CEILING } else { 25.0 };
    let per_second = of_ceiling.map(|share| share * ceiling);
    let mut rows = load(&format!("{reuse:?} {of_ceiling:?}"), per_second.unwrap_or(1_000.0), requests);
    let mut free = 0_u64;
    for row in &mut rows {
        let stamps = &mut row.sample.stamps;
        stamps.start_ns = Some(0);
        if reuse == Reuse::Nothing {
            let due = stamps.due_ns.unwrap();
            free = free.max(due) + 40_000_000;
            (stamps.first_token_ns, stamps.last_token_ns, stamps.end_ns) = (Some(free), Some(free), Some(free));
            row.sample.arm = Arm::Cold;
            row.sample.usage.as_mut().unwrap().cached_tokens = Some(0);
        }
        if of_ceiling.is_none() {
            let first = stamps.first_token_ns.unwrap();
            // Eight streams: each sends when the one eight before has ended.
            (stamps.due_ns, stamps.sent_ns) = (None, Some(first.saturating_sub(8 * 30_000_000)));
        }
        let is_hit = row.sample.arm == Arm::Hit;
        row.sample.place.reusable_tokens = Some(if is_hit { row.context_tokens } else { 0 });
        row.ttft_seconds = row.sample.ttft_ns().map(|ns| ns as f64 / 1e9);
    }
    let conditions = rows[0].conditions.as_mut().unwrap();
    conditions.slo = slo.map(|slo| SloNote { slo: slo.parse().unwrap(), share: 0.9 });
    let mut note = serde_json::json!({
        "workload": "mix", "arrivals": "", "seed": 1, "shard": {"index": 0, "count": 1}, "processors": 2,
        "level": {"reuse": reuse},
    });
    match per_second {
        None => note["level"]["streams"] = 8.into(),
        Some(per_second) => {
            note["level"]["per_second"] = per_second.into();
            note["level"]["of_ceiling"] = of_ceiling.into();
        }
    }
    conditions.load = Some(serde_json::from_value(note).unwrap());
    rows
}

fn arm(reuse: Reuse, slo: Option<&str>, requests: u64) -> Vec<Row> {
    let levels = knee::SHARES.map(|share| session(reuse, Some(share), slo, requests));
    [session(reuse, None, slo, 100)].into_iter().chain(levels).flatten().collect()
}

fn both(slo: &str, requests: u64) -> Vec<Row> {
    [arm(Reuse::Usual, Some(slo), requests), arm(Reuse::Nothing, Some(slo), requests)].concat()
}

fn shown(rows: &[Row]) -> (Shown, String) {
    let data = only(rows);
    let levels = &data.logs[0].load.as_ref().expect("a load").levels;
    (levels.shown(), Report::of(&data).findings.join("\n"))
}

#[test]
fn the_knee_stands_with_the_ceiling_and_the_levels_in_one_table() {
    let rows = arm(Reuse::Usual, None, 300);
    let (shown, said) = shown(&rows);
    assert_eq!(shown, Shown::Told, "{said}");
    assert!(said.starts_with("The knee lies between ") && said.contains("A burst of 8 streams got 33."), "{said}");
    let report = Report::of(&only(&rows));
    let table = report.tables.iter().find(|table| table.name == "rates").expect("a row a level");
    let names: Vec<&str> = report.tables.iter().map(|table| table.name).collect();
    assert_eq!((table.rows.len(), names), (6, vec!["rates", "evidence"]), "levels have nothing else in common");
    let counted = table.columns.iter().position(|column| column.key == "samples").unwrap();
    assert!(table.rows.iter().all(|row| row[counted].text() == "240"), "without the first fifth");
    assert_eq!(report.figures.iter().map(|figure| figure.name.as_str()).collect::<Vec<_>>(), ["load"]);
}

#[test]
fn what_the_cache_is_worth_is_said_first_and_as_a_whole() {
    let written = text::write(&Report::of(&only(&both("ttft:150ms", 1_000))));
    assert!(written.lines().all(|line| line.chars().count() <= 80), "{written}");
    let words = written.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        words.starts_with("The cache is worth ") && words.contains(" more requests a second under this SLO (95 % "),
        "{words}"
    );
    for arm in ["With", "Without"] {
        assert!(words.contains(&format!("{arm} the cache 90 % of the requests keep ttft:150ms up to ")), "{words}");
        assert!(words.contains(&format!("{arm} the cache a burst of 8 streams got ")), "{words}");
    }
    assert!(words.contains("by the server's count 6,100 of 6,100 were cold"), "{words}");
}

#[test]
fn more_rows_than_are_kept_say_the_same() {
    let rows = both("ttft:150ms", 300);
    let logged = crate::record::Reading::parse(std::path::Path::new("a.jsonl"), jsonl(&rows).as_bytes()).unwrap().lines;
    let mut digested = Data::default();
    let stream = logged.into_iter().map(Ok::<_, std::convert::Infallible>);
    let Ok(log) = digested.add(None, "benchmark.jsonl".into(), stream, 100);
    assert!(log.is_digested());
    let (few, all) = (Report::of(&digested), Report::of(&only(&rows)));
    assert_eq!(few.findings, all.findings);
    assert_eq!(few.tables[0].rows, all.tables[0].rows);
}

#[test]
fn what_cannot_be_told_is_not_told() {
    for (slo, why) in [
        ("ttft:1m", "without it the SLO is kept at every level, and a stricter --slo would tell"),
        ("ttft:1ms", "the SLO is kept at no level, with the cache or without, and a laxer --slo would tell"),
    ] {
        let (shown, said) = shown(&both(slo, 300));
        assert_eq!(shown, Shown::Untold, "{said}");
        assert!(said.contains(why), "{said}");
    }
    let (shown_few, said) = shown(&both("ttft:150ms", 30));
    assert_eq!(shown_few, Shown::Untold, "{said}");
    assert!(said.contains("cannot be told: it may be nothing, and more --requests would tell"), "{said}");
    let (one, said) = shown(&arm(Reuse::Usual, Some("ttft:150ms"), 300));
    assert_eq!(one, Shown::Untold);
    assert!(said.contains("cannot be told: no level was measured without the cache"), "{said}");
}

#[test]
fn a_second_arm_that_was_warm_is_none() {
    let mut rows = both("ttft:150ms", 300);
    let half = rows.len() / 2;
    for row in &mut rows[half..] {
        row.sample.usage.as_mut().unwrap().cached_tokens = Some(1_500);
    }
    let (shown, said) = shown(&rows);
    assert_eq!(shown, Shown::Untold);
    assert!(
        said.contains("1,900 of 1,900 requests without the cache found their new text in it all the same"),
        "{said}"
    );
}

#[test]
fn a_level_that_the_client_spoiled_is_named_and_does_not_count() {
    let mut rows = arm(Reuse::Usual, None, 300);
    // The last level's requests go out 50 ms late.
    for row in rows.iter_mut().rev().take(300) {
        row.sample.stamps.sent_ns = row.sample.stamps.sent_ns.map(|sent| sent + 50_000_000);
        row.sample.stamps.first_token_ns = row.sample.stamps.first_token_ns.map(|first| first + 50_000_000);
    }
    let data = only(&rows);
    let report = Report::of(&data);
    assert!(
        report.remarks.iter().any(|remark| remark.starts_with("31.6/s with the cache: ") && remark.contains("void")),
        "{:?}",
        report.remarks
    );
    assert_eq!(report.tables[0].rows.len(), 5);
}

#[test]
fn a_burst_that_nobody_answered_says_so() {
    use crate::report::fixture::failed;
    use crate::sample::Outcome;
    let rows: Vec<Row> =
        session(Reuse::Usual, None, None, 100).into_iter().map(|row| failed(row, Outcome::NoToken)).collect();
    let (shown, said) = shown(&rows);
    assert_eq!(shown, Shown::Untold);
    assert!(
        said.contains("A burst did not show what the server gets through: 0 of its 100 requests were answered."),
        "{said}"
    );
}

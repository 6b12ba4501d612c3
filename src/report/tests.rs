use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest, Sha256};

use super::data::Data;
use super::fixture::{classic, data, failed, jsonl, load, only, pairs, row, sweep, verify};
use super::table::Cell;
use super::*;
use crate::plan::Arm;
use crate::record::{Conditions, Row};
use crate::sample::{Outcome, Place};
use crate::verdict::Claim;

fn pair() -> Vec<Row> {
    vec![row(1, 32_000, Arm::Cold, 1.0), row(2, 32_000, Arm::Hit, 1.0)]
}

fn classic_run() -> Data {
    only(&pair())
}

fn three() -> Data {
    let log = |name, hit_speed| (name, jsonl(&sweep(name, 3, hit_speed)));
    data(&[log("vllm", 1.0), log("lmcache", 0.4), log("sglang", 1.8)])
}

#[test]
fn the_text_of_a_classic_run() {
    insta::assert_snapshot!(text::write(&Report::of(&classic_run())));
}

#[test]
fn the_text_of_a_sweep() {
    insta::assert_snapshot!(text::write(&Report::of(&only(&sweep("sweep", 6, 1.0)))));
}

#[test]
fn the_text_of_a_verify_run() {
    insta::assert_snapshot!(text::write(&Report::of(&only(&verify(1.0)))));
}

#[test]
fn a_cache_that_is_slower_than_computing_is_said_to_hurt() {
    let report = Report::of(&only(&pairs(40, 0.05)));
    assert!(report.findings[0].starts_with("HURTS "), "{:?}", report.findings);
    assert_eq!(report.claim, Some(crate::verdict::Claim::Hurts));
}

#[test]
fn a_log_that_is_cut_is_read_up_to_there_and_says_so() {
    let text = jsonl(&pair());
    let cut = data(&[("cut", text[..text.len() - 40].to_string())]);
    let report = Report::of(&cut);
    assert_eq!(cut.entries().count(), 1);
    assert_eq!(report.remarks[0], "The log ends in the middle of line 2; it was read up to there.");
}

#[test]
fn a_classic_row_begins_a_session_where_its_number_does_not_grow() {
    let twice = classic(&pair()).repeat(2);
    let sessions: Vec<usize> = data(&[("twice", twice)]).entries().map(|(_, entry)| entry.session).collect();
    assert_eq!(sessions, [0, 0, 1, 1]);
}

#[test]
fn the_markdown_of_a_classic_run() {
    insta::assert_snapshot!(markdown::write(&Report::of(&classic_run())));
}

#[test]
fn the_json_of_a_classic_run() {
    insta::assert_snapshot!(json::write(&Report::of(&classic_run())));
}

#[test]
fn the_csv_of_a_classic_run_and_of_one_in_three_keys() {
    let rows = [classic_run(), data(&[("classic", classic(&pair()))])];
    insta::assert_snapshot!(rows.iter().map(csv::write).collect::<String>());
}

#[test]
fn no_line_of_the_text_is_wider_than_80_columns() {
    for data in [classic_run(), only(&sweep("sweep", 2, 1.0)), only(&pairs(20, 1.0)), three()] {
        for line in text::write(&Report::of(&data)).lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}

/// The labels of the ticks of a figure's axes, as the picture has them.
fn ticks(figure: &crate::chart::Figure) -> Vec<String> {
    let svg = figure.svg();
    let frame =
        svg.split_once(r#"<g class="frame">"#).and_then(|(_, rest)| rest.split_once("</g>")).expect("a frame").0;
    let lines: Vec<&str> = frame.lines().collect();
    lines.windows(2).filter(|pair| pair[0].starts_with("<text")).map(|pair| pair[1].to_owned()).collect()
}

/// A cold request that takes so long.
fn at(number: u64, tokens: u64, ttft_ns: u64) -> Row {
    let mut row = row(number, tokens, Arm::Cold, 1.0);
    row.sample.stamps.first_token_ns = row.sample.stamps.sent_ns.map(|sent| sent + ttft_ns);
    row.sample.stamps.first_byte_ns = None;
    row
}

/// Where the labels under the x axis begin and end, in pixels: about, as every font is another.
fn labels_below(figure: &crate::chart::Figure) -> Vec<(f64, f64, String)> {
    let svg = figure.svg();
    let lines: Vec<&str> = svg.lines().collect();
    let below = lines.windows(2).filter(|pair| pair[0].contains(r#"dy="0.76em""#));
    let place = |pair: &[&str]| {
        let x: f64 = pair[0].split('"').nth(1).expect("x").parse().expect("a number");
        let half = pair[1].chars().count() as f64 * 12.0 * 0.56 / 2.0;
        (x - half, x + half, pair[1].to_owned())
    };
    let mut places: Vec<_> = below.map(place).collect();
    places.sort_by(|one, other| one.0.total_cmp(&other.0));
    places
}

#[test]
fn no_two_labels_below_an_axis_touch_at_any_scale() {
    for low_ns in [50_000, 1_000_000, 70_000_000, 999_000_000, 30_000_000_000_u64] {
        for factor in [1.02, 1.1, 1.5, 2.0, 3.0, 5.0, 8.0, 10.0, 30.0, 300.0, 10_000.0, 1e7] {
            let high = |low: u64| (low as f64 * factor) as u64;
            let tokens = (low_ns / 1_000).min(100_000);
            let rows = [
                at(1, tokens, low_ns),
                at(2, tokens, high(low_ns).min(1_000_000_000_000)),
                at(3, high(tokens).min(10_000_000), high(low_ns).min(1_000_000_000_000)),
            ];
            for figure in Report::of(&only(&rows)).figures {
                let labels = labels_below(&figure);
                assert!(labels.len() >= 2, "{} from {low_ns} by {factor}: {labels:?}", figure.name);
                for pair in labels.windows(2) {
                    assert!(pair[0].1 + 4.0 <= pair[1].0, "{} from {low_ns} by {factor}: {labels:?}", figure.name);
                }
            }
        }
    }
}

#[test]
fn a_run_under_load_is_drawn_from_the_scheduled_moment_by_what_was_found() {
    let figures = Report::of(&only(&load("once", 10.0, 100))).figures;
    for name in ["ecdf", "order"] {
        let figure = figures.iter().find(|figure| figure.name == name).expect("the figure");
        let series: Vec<&str> = figure.series.iter().map(|series| series.name.as_str()).collect();
        assert_eq!(series, ["cold", "hit"], "{name}");
        assert!(format!("{}{}", figure.x.label, figure.y.label).contains("from the scheduled moment"), "{name}");
    }
}

#[test]
fn ticks_have_their_units_from_50_us_to_500_s_and_from_50_to_10_million_tokens() {
    let shown = |rows: &[Row], name: &str| {
        let figures = Report::of(&only(rows)).figures;
        ticks(figures.iter().find(|figure| figure.name == name).expect("the figure"))
    };
    let whole = [at(1, 50, 50_000), at(2, 8_000, 300_000_000), at(3, 10_000_000, 500_000_000_000)];
    insta::assert_debug_snapshot!(shown(&whole, "ttft"));
    insta::assert_debug_snapshot!(shown(&whole, "ttft_linear"));
    let small = [at(1, 50, 50_000), at(2, 60, 61_000), at(3, 70, 73_000)];
    insta::assert_debug_snapshot!(shown(&small, "ttft"));
    insta::assert_debug_snapshot!(shown(&small, "ttft_linear"));
}

#[test]
fn the_same_rows_make_the_same_report() {
    let page = || html::write(&Report::of(&three()), &three());
    assert_eq!(page(), page());
}

#[test]
fn the_fit_finds_the_break_even_that_the_rows_were_made_with() {
    // 20 ms + 80 us n + 2 ns n^2 = 30 ms + 10 us n at n = 142.3.
    let finding = &Report::of(&only(&sweep("sweep", 10, 1.0))).findings[1];
    let tokens: f64 = finding.split(' ').nth(7).and_then(|word| word.parse().ok()).expect("a length");
    assert!((tokens / 142.3 - 1.0).abs() < 0.1, "{finding}");
}

#[test]
fn a_run_without_a_hit_says_that_there_is_nothing_to_compare() {
    let report = Report::of(&only(&[row(1, 1_000, Arm::Cold, 1.0)]));
    assert_eq!(
        report.findings,
        ["There is nothing to compare (only cold was measured): median TTFT 102 ms over 1 sample."]
    );
}

#[test]
fn a_cold_request_that_was_warm_counts_neither_as_cold_nor_as_a_hit() {
    let mut rows = [row(1, 1_000, Arm::Cold, 1.0), row(2, 1_000, Arm::Hit, 1.0)];
    rows[0].sample.usage = rows[1].sample.usage;
    let report = Report::of(&only(&rows));
    assert_eq!(
        report.findings,
        [
            "Run 1 found the document in the cache (992 of 1,020 prompt tokens), so it does not count as cold.",
            "There is nothing to compare (only hit was measured): median TTFT 40.0 ms over 1 sample."
        ]
    );
}

#[test]
fn a_run_of_failures_lists_them_by_kind_and_claims_nothing() {
    let refused = |status| Outcome::Rejected { status, message: "slow down".into() };
    let rows = [
        failed(row(1, 1_000, Arm::Cold, 1.0), refused(429)),
        failed(row(2, 1_000, Arm::Hit, 1.0), refused(503)),
        failed(row(3, 1_000, Arm::Hit, 1.0), Outcome::NoToken),
    ];
    let report = Report::of(&only(&rows));
    assert_eq!(report.findings, ["Nothing usable was measured: 3 requests, none with a first token."]);
    assert!(report.figures.is_empty());
    insta::assert_snapshot!(text::write(&report));
}

/// Stands for a text of thousands of lines.
fn digest(text: &str) -> String {
    BASE64.encode(Sha256::digest(text))
}

#[test]
fn a_thousand_samples_and_ten_thousand() {
    for (repeats, samples, megabytes) in [(50, 1_000, 3), (500, 10_000, 15)] {
        let data = only(&sweep("sweep", repeats, 1.0));
        let report = Report::of(&data);
        let csv = csv::write(&data);
        assert_eq!(csv.lines().count(), samples + 1);
        let mut all = text::write(&report) + &markdown::write(&report) + &json::write(&report);
        all += &format!("csv: {}\n", digest(&csv));
        for figure in &report.figures {
            all += &format!("{}.svg: {}\n", figure.name, digest(&figure.svg()));
        }
        insta::assert_snapshot!(format!("{samples}_samples"), all);
        let page = html::write(&report, &data);
        assert!(page.len() <= megabytes * 1_000_000, "{samples} samples: {} bytes", page.len());
        let ttft = report.figures.iter().find(|figure| figure.name == "ttft").expect("ten lengths");
        assert_eq!(ttft.svg().matches("<circle cx=").count(), samples, "every sample is a dot");
        let json: serde_json::Value = json::write(&report).parse().expect("JSON");
        assert_eq!(json["tables"]["ttft"].as_array().map(Vec::len), Some(20));
    }
}

#[test]
fn each_of_several_logs_keeps_its_own_trust_block() {
    let logs = [("vllm", jsonl(&verify(1.0))), ("sglang", jsonl(&verify(2.0)))];
    let data = data(&logs);
    let report = Report::of(&data);
    let json: serde_json::Value = json::write(&report).parse().expect("JSON");
    let of = |label: &str| -> usize {
        let rows = json["tables"]["trust"].as_array().expect("the blocks");
        rows.iter().filter(|row| row["log"] == label && row["check"] == "cold proof").count()
    };
    assert_eq!((of("vllm"), of("sglang")), (1, 1));
    let written = text::write(&report);
    assert!(written.contains("Why it may be believed: vllm") && written.contains("Why it may be believed: sglang"));
    assert!(html::write(&report, &data).contains("<summary>Why it may be believed: sglang</summary>"));
}

#[test]
fn what_is_the_same_in_all_logs_is_said_once() {
    let rows = |stamps: &str| {
        let mut rows = verify(1.0);
        let mut of = conditions("verify", serde_json::Value::Null);
        of.host = Some(stamps.into());
        rows[0].conditions = Some(of);
        jsonl(&rows)
    };
    let data = data(&[("vllm", rows("one")), ("sglang", rows("two"))]);
    let said = Report::of(&data).conditions;
    let keys: Vec<&str> = said.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys.iter().filter(|key| **key == "connection").count(), 1, "{keys:?}");
    assert!(keys.contains(&"vllm host") && keys.contains(&"sglang host") && !keys.contains(&"host"), "{keys:?}");
}

#[test]
fn moments_of_several_logs_stand_a_row_a_log_and_arm() {
    let logs = [("vllm", jsonl(&pair())), ("sglang", jsonl(&pair()))];
    let report = Report::of(&data(&logs));
    let table = report.tables.iter().find(|table| table.name == "ladders").expect("full rows");
    assert_eq!(table.rows.len(), 4);
    assert!(table.rows.iter().all(|row| row.len() == table.columns.len()));
    let head = |head: &str| table.columns.iter().position(|column| column.head == head).expect("a column");
    // 20 ms + 80 us n + 2 ns n^2 for a cold request of 32,000 tokens; the connection took 300 us.
    assert_eq!(table.rows[0][head("first token")], Cell::Time(4.628e9));
    assert_eq!(table.rows[0][head("connecting")], Cell::Time(300e3));
}

/// The conditions of a session of this command.
fn conditions(command: &str, selftest: serde_json::Value) -> Conditions {
    let conditions = serde_json::json!({
        "command": command, "version": "0", "argv": [], "host": null, "started_at": "", "endpoint": "", "api": "chat",
        "model": "", "server": null, "model_ctx": null, "model_ctx_from": null, "document": null, "connection": "fresh",
        "stamps": "kernel", "nonce": "00000000000000000000000000000000", "prompt": null, "max_tokens": 4,
        "rule": { "max_pairs": 10, "precision": 0.1 }, "selftest": selftest,
    });
    serde_json::from_value(conditions).unwrap()
}

#[test]
fn a_verdict_goes_by_the_rule_its_session_was_started_with() {
    let mut rows = verify(1.0);
    assert!(text::write(&Report::of(&only(&rows))).contains("look 1 of 5, level 0.0158"));
    rows[0].conditions = Some(conditions("verify", serde_json::Value::Null));
    assert!(text::write(&Report::of(&only(&rows))).contains("look 1 of 1, level 0.05"));
}

/// What a selftest found whose smallest visible effect is `ms`.
fn selftest(ms: u64) -> serde_json::Value {
    serde_json::json!({"streams": 1, "samples": 100, "median_error_ns": 20_000, "p99_error_ns": ms * 500_000})
}

#[test]
fn an_effect_below_the_client_s_own_error_is_not_reported() {
    // 381 ms cold, 71 ms on a hit.
    for (floor_ms, is_seen) in [(1, true), (300, true), (320, false)] {
        let mut rows = verify(1.0);
        rows[0].conditions = Some(conditions("verify", selftest(floor_ms)));
        let report = Report::of(&only(&rows));
        let (written, claim) = (text::write(&report), report.claim);
        assert_eq!(claim == Some(Claim::Helps), is_seen, "{floor_ms}: {written}");
        assert_eq!(written.contains("INCONCLUSIVE: cold and hit differ by less than can be seen from here"), !is_seen);
        assert_eq!(report.tables.iter().any(|table| table.name == "effect"), is_seen, "{written}");
        assert_eq!(written.contains("Grade C: too small to be seen from here"), !is_seen, "{written}");
        assert!(written.contains(&format!("effects below {floor_ms}")), "{written}");
    }
}

#[test]
fn the_same_holds_where_there_is_no_verdict() {
    for (floor_ms, is_seen) in [(1, true), (320, false)] {
        let mut rows: Vec<Row> = verify(1.0);
        rows.iter_mut().for_each(|row| row.sample.place = Place::default());
        rows[0].conditions = Some(Conditions { rule: None, ..conditions("run", selftest(floor_ms)) });
        let report = Report::of(&only(&rows));
        let written = text::write(&report);
        assert_eq!(report.tables.iter().any(|table| table.name == "effect"), is_seen, "{written}");
        assert_eq!(written.contains("no effect is reported"), !is_seen, "{written}");
        assert!(written.contains("Selftest: own error "), "{written}");
    }
}

#[test]
fn a_clock_that_was_stepped_and_a_prompt_that_was_cut_are_said() {
    let mut rows = vec![row(1, 8_000, Arm::Cold, 1.0), row(2, 8_000, Arm::Hit, 1.0)];
    let said =
        |rows: &[Row]| Report::of(&only(rows)).remarks.join("\n").split_whitespace().collect::<Vec<_>>().join(" ");
    let honest = said(&rows);
    assert!(!honest.contains("clock") && !honest.contains("in silence"), "{honest}");
    rows[1].sample.clock_stepped = true;
    rows[0].sample.usage.as_mut().unwrap().prompt_tokens = Some(2_048);
    let told = said(&rows);
    assert!(told.contains("The system's clock was stepped during 1 request:"), "{told}");
    assert!(told.contains("The server counted 2,048 prompt tokens for a document of 8,000"), "{told}");
}

#[test]
fn partial_hits_have_a_table_of_their_own_and_no_part_in_the_arms() {
    let mut rows = verify(1.0);
    let arms =
        |rows: &[Row]| Report::of(&only(rows)).tables.into_iter().find(|table| table.name == "ttft").unwrap().rows;
    let before = arms(&rows);
    for percent in [0, 50, 100] {
        for _ in 0..6 {
            let mut partial = row(rows.len() as u64 + 1, 4_096, Arm::Hit, 1.0 + f64::from(percent));
            partial.sample.place.shared_percent = Some(percent);
            partial.session = rows[0].session.clone();
            rows.push(partial);
        }
    }
    assert_eq!(arms(&rows), before);
    let report = Report::of(&only(&rows));
    let shares = report.tables.iter().find(|table| table.name == "shares").unwrap();
    let shared: Vec<&Cell> = shares.rows.iter().map(|row| &row[0]).collect();
    assert_eq!(shared, [&Cell::Share(0.0), &Cell::Share(0.5), &Cell::Share(1.0)]);
    assert!(shares.rows.iter().all(|row| row[1] == Cell::Count(6)));
}

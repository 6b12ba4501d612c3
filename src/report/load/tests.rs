use std::path::Path;

use serde_json::{Value, json};

use crate::plan::Arm;
use crate::record::{Reading, Row, SloNote};
use crate::report::data::Data;
use crate::report::fixture::{failed, jsonl, only, row};
use crate::report::load::Gate;
use crate::report::{Report, json, text};
use crate::sample::Outcome;
use crate::wire::chat::ServerMetrics;
use crate::wire::metrics::{Span, Spans};

const MS: u64 = 1_000_000;

/// Ten requests a second, each due 1 ms before it is sent: every other one hits. TTFT grows by 1 ms a request from 100 ms
/// on, twice that for cold ones.
fn under_load(requests: u64) -> Vec<Row> {
    let mut rows: Vec<Row> = (0..requests)
        .map(|nth| {
            let arm = if nth % 2 == 0 { Arm::Hit } else { Arm::Cold };
            let mut row = row(nth + 1, 1_000, arm, 1.0);
            let due = nth * 100 * MS;
            let (sent, first) = (due + MS, due + MS + (100 + nth) * MS * (1 + nth % 2));
            let stamps = &mut row.sample.stamps;
            stamps.chunk_ns.clear();
            (stamps.due_ns, stamps.dial_ns, stamps.connect_ns) = (Some(due), None, None);
            (stamps.sent_ns, stamps.first_token_ns) = (Some(sent), Some(first));
            (stamps.last_token_ns, stamps.end_ns) = (Some(first + 15 * 20 * MS), Some(first + 301 * MS));
            row.ttft_seconds = row.sample.ttft_ns().map(|ns| ns as f64 / 1e9);
            (0..15).for_each(|_| row.sample.itl_counts.add(20 * MS));
            row
        })
        .collect();
    let conditions = json!({
        "command": "load", "version": "0", "argv": [], "host": null, "started_at": "", "endpoint": "", "api": "chat",
        "model": "", "server": null, "model_ctx": null, "model_ctx_from": null, "document": null,
        "connection": "reuse", "stamps": "kernel", "nonce": "00000000000000000000000000000000", "prompt": null,
        "max_tokens": 16, "selftest": null,
    });
    rows[0].conditions = Some(serde_json::from_value(conditions).unwrap());
    rows
}

/// The rows of a table of the report of `rows`, as JSON.
fn table(rows: &[Row], name: &str) -> Vec<Value> {
    let report = Report::of(&only(rows));
    let table = report.tables.iter().find(|table| table.name == name);
    table.map_or(Vec::new(), |table| table.objects())
}

fn line<'a>(table: &'a [Value], metric: &str, found: &str) -> &'a Value {
    let is_it = |row: &&Value| row["metric"] == metric && row["found"] == found;
    table.iter().find(is_it).unwrap_or_else(|| panic!("no {metric} of {found}: {table:?}"))
}

#[test]
fn every_metric_is_split_by_what_was_found_and_counts_from_the_due_time() {
    let table = table(&under_load(400), "load");
    for (metric, median) in [("ttft", 299.0), ("ttft_from_due", 300.0)] {
        let hit = line(&table, metric, "hit");
        assert_eq!((&hit["samples"], &hit["p50_ns"]), (&json!(200), &json!(median * MS as f64)));
    }
    // Cold: (101 + 2k) * 2 ms for k of 0 to 199.
    assert_eq!(line(&table, "ttft", "cold")["p50_ns"], json!(600.0 * MS as f64));
    assert_eq!(line(&table, "tpot", "all")["p99_ns"], json!(20.0 * MS as f64));
    let itl = line(&table, "itl", "all");
    assert_eq!(itl["samples"], 6_000);
    let gap = itl["p999_ns"].as_f64().unwrap_or_else(|| itl["p99_ns"].as_f64().unwrap());
    assert!((gap / (20.0 * MS as f64) - 1.0).abs() < 1.0 / 1024.0, "{gap}");
    assert!(itl["p50_interval_95_ns"].is_null(), "gaps of one answer are not independent");
}

#[test]
fn no_quantile_is_shown_that_the_sample_cannot_carry() {
    let few = table(&under_load(100), "load");
    let all = line(&few, "ttft_from_due", "all");
    assert!(all["p95_ns"].is_f64() && all.get("p99_ns").is_none() && all.get("p999_ns").is_none(), "{all}");
    let more = table(&under_load(400), "load");
    let all = line(&more, "ttft_from_due", "all");
    let (low, at, high) = (&all["p99_interval_95_ns"][0], &all["p99_ns"], &all["p99_interval_95_ns"][1]);
    assert!(low.as_f64() < at.as_f64() && at.as_f64() < high.as_f64(), "{all}");
    assert!(line(&more, "ttft_from_due", "hit")["p99_ns"].is_null(), "200 hits cannot carry it");
    assert!(all.get("p999_ns").is_none());
}

#[test]
fn failures_stand_in_the_same_table_and_in_no_time() {
    let mut rows = under_load(60);
    for at in [10, 20, 30] {
        rows[at] = failed(rows[at].clone(), Outcome::Timeout { phase: "first_token".into() });
    }
    let table = table(&rows, "load");
    assert_eq!(line(&table, "failed", "timeout")["samples"], 3);
    assert_eq!(line(&table, "ttft_from_due", "all")["samples"], 57);
}

#[test]
fn rates_count_what_was_asked_for_sent_and_answered() {
    let rates = &table(&under_load(400), "load_rates")[0];
    let of = |key: &str| rates[key].as_f64().unwrap_or_else(|| panic!("{key}: {rates}"));
    assert!((of("asked_per_second") - 10.0).abs() < 1e-9 && (of("sent_per_second") - 10.0).abs() < 1e-9);
    // From the first sent to the last one's end: 39.9 s, and 998 ms and 301 ms behind it.
    let seconds = 39.9 + 0.998 + 0.301;
    assert!((of("answered_per_second") - 400.0 / seconds).abs() < 1e-3, "{rates}");
    assert!((of("completion_tokens_per_second") - 16.0 * 400.0 / seconds).abs() < 1e-2, "{rates}");
}

#[test]
fn the_servers_own_clocks_tell_the_queue_from_the_prefill() {
    assert_eq!(table(&under_load(10), "load_server"), [] as [Value; 0]);
    let mut by_answer = under_load(10);
    for row in &mut by_answer {
        let told =
            ServerMetrics { queue_time_ms: Some(30.0), time_to_first_token_ms: Some(50.0), ..Default::default() };
        row.sample.server_metrics = Some(told);
    }
    let parts = table(&by_answer, "load_server");
    assert_eq!(parts.iter().map(|part| &part["part"]).collect::<Vec<_>>(), ["queue", "prefill", "rest"]);
    assert_eq!((&parts[0]["p50_ns"], &parts[1]["mean_ns"]), (&json!(30e6), &json!(50e6)));

    let mut by_metrics = under_load(10);
    let span = |ms: u64| Some(Span { sum_ns: 10 * ms * MS, requests: 10 });
    by_metrics[9].server_spans = Some(Spans { queue: span(40), prefill: span(60), ttft: span(100) });
    let parts = table(&by_metrics, "load_server");
    let mean = |part: usize| parts[part]["mean_ns"].as_f64().unwrap();
    assert_eq!(mean(0), 40e6);
    assert_eq!(parts[3]["part"], "rest");
    // The client's mean TTFT is 157 ms: hits 104, cold ones 210.
    assert!((mean(3) - (157e6 - 100e6)).abs() < 1.0, "{parts:?}");

    by_metrics[9].server_spans = Some(Spans { ttft: Some(Span { sum_ns: MS, requests: 25 }), ..Default::default() });
    let report = Report::of(&only(&by_metrics));
    assert!(report.remarks.iter().any(|remark| remark.contains("others use it too")), "{:?}", report.remarks);
}

#[test]
fn the_text_of_a_run_under_load() {
    let data: Data = only(&under_load(400));
    let written = text::write(&Report::of(&data));
    assert!(written.lines().all(|line| line.chars().count() <= 80), "{written}");
    insta::assert_snapshot!(written);
    assert!(json::write(&Report::of(&data)).contains("p99_interval_95_ns"));
}

/// The same, of which `share` have to keep the limits.
fn with_slo(requests: u64, slo: &str, share: f64) -> Vec<Row> {
    let mut rows = under_load(requests);
    let note = SloNote { slo: slo.parse().unwrap(), share };
    rows[0].conditions.as_mut().unwrap().slo = Some(note);
    rows
}

fn gate(rows: &[Row]) -> Option<Gate> {
    only(rows).logs[0].load.as_ref().unwrap().gate()
}

#[test]
fn an_slo_counts_from_the_due_time_and_a_failure_breaks_it() {
    // TTFT from the due time: 101 to 500 ms in steps of 1 ms, twice that for every other request.
    assert_eq!(gate(&under_load(400)), None);
    assert_eq!(gate(&with_slo(400, "ttft:1s", 1.0)), Some(Gate::Kept));
    assert_eq!(gate(&with_slo(400, "ttft:998ms", 1.0)), Some(Gate::Missed), "999 ms from the due time");
    let mut rows = with_slo(400, "ttft:1s", 0.99);
    for row in &mut rows[..4] {
        *row = failed(row.clone(), Outcome::NoToken);
    }
    assert_eq!(gate(&rows), Some(Gate::Kept), "4 of 400 are 1 %");
    rows[4] = failed(rows[4].clone(), Outcome::NoToken);
    assert_eq!(gate(&rows), Some(Gate::Missed));
    let finding = Report::of(&only(&rows)).findings.pop().unwrap();
    assert!(finding.starts_with("98.8 % of the requests kept ttft:1s (95 % interval"), "{finding}");
    assert!(finding.ends_with("The SLO asks for 99 %: missed."), "{finding}");
}

#[test]
fn the_longest_gap_is_what_itl_limits() {
    let mut rows = with_slo(20, "itl:100ms", 1.0);
    assert_eq!(gate(&rows), Some(Gate::Kept));
    rows[7].sample.itl_counts.add(101 * MS);
    assert_eq!(gate(&rows), Some(Gate::Missed));
}

#[test]
fn what_the_server_does_not_tell_leaves_an_slo_unknown() {
    let mut rows = with_slo(20, "tpot:30ms", 0.9);
    assert_eq!(gate(&rows), Some(Gate::Kept));
    for row in &mut rows[..3] {
        row.sample.usage.as_mut().unwrap().completion_tokens = None;
    }
    assert_eq!(gate(&rows), Some(Gate::Unknown), "17 of 20 are known, 18 are asked for");
}

#[test]
fn more_rows_than_are_kept_give_the_same_figures() {
    let rows = under_load(400);
    let logged = Reading::parse(Path::new("a.jsonl"), jsonl(&rows).as_bytes()).unwrap().lines;
    let mut digested = Data::default();
    let stream = logged.into_iter().map(Ok::<_, std::convert::Infallible>);
    let Ok(log) = digested.add(None, "benchmark.jsonl".into(), stream, 100);
    assert!(log.is_digested() && log.entries.is_empty());
    let (few, all) = (Report::of(&digested), Report::of(&only(&rows)));
    assert_eq!(few.findings, all.findings);
    for name in ["load", "load_rates"] {
        let table = |report: &Report| report.tables.iter().find(|table| table.name == name).unwrap().rows.clone();
        assert_eq!(table(&few), table(&all));
    }
}

#[test]
fn an_effect_below_the_client_s_own_error_is_not_reported() {
    let said = |p99_error_ns: u64| {
        let mut rows = under_load(100);
        let selftest = json!({"streams": 8, "samples": 100, "median_error_ns": 1, "p99_error_ns": p99_error_ns});
        rows[0].conditions.as_mut().unwrap().selftest = Some(serde_json::from_value(selftest).unwrap());
        text::write(&Report::of(&only(&rows)))
    };
    // The medians are 150 ms apart.
    for (p99_error_ns, is_seen) in [(MS, true), (100 * MS, false)] {
        let text = said(p99_error_ns);
        assert_eq!(text.contains("Under this load a hit had its first token after"), is_seen, "{text}");
        assert_eq!(text.contains("differ by less than can be seen from here"), !is_seen, "{text}");
    }
}

use super::*;
use crate::report::fixture::{data, jsonl, load, only};
use crate::report::{Report, text};

const RATES: [f64; 5] = [4.0, 10.0, 18.0, 26.0, 32.0];

fn at(per_second: f64) -> String {
    jsonl(&load(&format!("load {per_second}"), per_second, 300))
}

fn one_log() -> Data {
    data(&[("load", RATES.map(at).concat())])
}

#[test]
fn sessions_of_one_log_and_logs_named_by_their_rate_have_the_same_curve() {
    let labels = RATES.map(|rate| rate.to_string());
    let logs: Vec<(&str, String)> = labels.iter().map(String::as_str).zip(RATES.map(at)).collect();
    for data in [one_log(), data(&logs)] {
        let [server] = &Rates::all(&data)[..] else { panic!("one server") };
        let asked: Vec<f64> = server.steps.iter().map(|step| step.per_second).collect();
        assert_eq!(asked.len(), RATES.len());
        // A Poisson schedule of 300 requests is off by 6 %.
        assert!(asked.iter().zip(RATES).all(|(found, asked)| (found / asked - 1.0).abs() < 0.25), "{asked:?}");
        let knee = server.knee().expect("a server that takes 33 a second has one");
        assert!(knee.low > 9.0 && knee.high < 36.0, "{knee:?}");
        assert!(
            Report::of(&data).findings[0].starts_with("The knee lies between "),
            "{:?}",
            Report::of(&data).findings
        );
    }
}

#[test]
fn each_step_of_one_session_is_a_rate_of_its_own() {
    let mut rows = load("steps", 10.0, 400);
    // 20 seconds at what is 10 a second here, then the same requests in half the time.
    let note = serde_json::json!({
        "workload": "mix", "arrivals": "poisson at 10:20s,20 a second", "seed": 1, "shard": {"index": 0, "count": 1},
        "processors": 2, "legs": [{"from": 10.0, "to": 10.0, "seconds": 20.0}, {"from": 20.0, "to": 20.0}],
    });
    rows[0].conditions.as_mut().unwrap().load = Some(serde_json::from_value(note).unwrap());
    for row in &mut rows {
        row.sample.stamps.start_ns = Some(0);
        let due = row.sample.stamps.due_ns.unwrap();
        let late = due.saturating_sub(20_000_000_000) / 2;
        row.sample.stamps.due_ns = Some(due - late);
        row.sample.stamps.sent_ns = row.sample.stamps.sent_ns.map(|sent| sent - late);
        row.sample.stamps.first_token_ns = row.sample.stamps.first_token_ns.map(|first| first - late);
    }
    let data = only(&rows);
    let [server] = &Rates::all(&data)[..] else { panic!("one server") };
    let asked: Vec<f64> = server.steps.iter().map(|step| step.per_second).collect();
    assert!(
        asked.len() == 2 && (asked[0] / 10.0 - 1.0).abs() < 0.2 && (asked[1] / 20.0 - 1.0).abs() < 0.2,
        "{asked:?}"
    );
    assert_eq!(table(&data).rows.len(), 2);
}

#[test]
fn servers_with_names_have_a_curve_each() {
    let quick = [4.0, 10.0].map(at);
    let logs = [("vllm", quick[0].clone()), ("vllm", quick[1].clone()), ("sglang", at(4.0)), ("sglang", at(10.0))];
    let data = data(&logs);
    let servers = Rates::all(&data);
    let names: Vec<(&str, usize)> = servers.iter().map(|of| (of.server.as_str(), of.steps.len())).collect();
    assert_eq!(names, [("vllm", 2), ("sglang", 2)]);
    assert_eq!(servers[0].knee(), None, "two rates are no curve");
    assert_eq!(table(&data).rows.len(), 4);
}

#[test]
fn a_server_that_keeps_up_has_no_knee_and_a_single_rate_no_table() {
    let data = data(&[("load", [2.0, 3.0, 4.0].map(at).concat())]);
    assert!(Rates::all(&data)[0].finding().is_some_and(|said| said.starts_with("No knee up to ")));
    let single = only(&load("once", 4.0, 50));
    assert!(table(&single).rows.is_empty());
    assert!(Report::of(&single).figures.iter().all(|figure| figure.name != "load"));
}

#[test]
fn a_tail_that_so_few_requests_cannot_carry_is_not_drawn() {
    let few = only(&[load("a", 4.0, 40), load("b", 8.0, 40)].concat());
    let figure = Report::of(&few).figures.into_iter().find(|figure| figure.name == "load").expect("two rates");
    let names: Vec<&str> = figure.series.iter().map(|series| series.name.as_str()).collect();
    assert_eq!(names, ["p50", "p90"]);
}

#[test]
fn the_text_of_load_at_several_rates() {
    insta::assert_snapshot!(text::write(&Report::of(&one_log())));
}

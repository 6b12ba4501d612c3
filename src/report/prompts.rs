//! The prompt table: for each prompt that was compared, what a hit saves and the word for it.

use super::data::{Data, Log};
use super::effect::{ALPHA, Contrast};
use super::model::{label_column, labelled};
use super::rating::Rating;
use super::table::{Cell, Column, Table};
use crate::pairs::Pairs;
use crate::plan::prompts::Prompt;
use crate::sample::Sample;

/// One row for each prompt of each log; none where prompts were not compared.
pub fn table(data: &Data) -> Table {
    let mut columns = vec![
        Column::words("type", "type"),
        Column::words("prompt", "prompt"),
        Column::number("cold_ns", "cold"),
        Column::number("hit_ns", "hit"),
        Column::number("ratio", "cold/hit"),
        Column::number("ratio_interval_95", "95 % interval"),
        Column::words("rating", "rating").whole(),
        Column::number("pairs", "pairs").detail(),
    ];
    let mut rows = Vec::new();
    for (at, log) in data.logs.iter().enumerate() {
        let of_log = log.prompts.iter().enumerate().map(|(number, prompt)| row(log, prompt, number));
        rows.extend(of_log.map(|row| labelled(data, at, row)));
    }
    label_column(data, &mut columns);
    let title = format!("What a hit saves by prompt (median TTFT, {:.0} % interval)", 100.0 * (1.0 - ALPHA));
    Table { name: "prompts", title, is_detail: false, columns, rows }
}

fn row(log: &Log, prompt: &Prompt, number: usize) -> Vec<Cell> {
    let (colds, hits) = times(log, number);
    let found = Contrast::of(&colds, &hits);
    let interval = found.and_then(|found| found.ratio.interval);
    vec![
        Cell::Words(prompt.kind.clone()),
        Cell::Words(prompt.prompt.clone()),
        Cell::known(found, |found| Cell::Time(found.cold.median)),
        Cell::known(found, |found| Cell::Time(found.hit.median)),
        Cell::known(found, |found| Cell::Ratio(found.ratio.value)),
        Cell::known(interval, |i| Cell::Ratios(i.low, i.high)),
        Cell::Words(Rating::of(interval).to_string()),
        Cell::Count(colds.len() as u64),
    ]
}

/// The times of the prompt's pairs that count, cold and hit, in the order they were measured.
fn times(log: &Log, number: usize) -> (Vec<f64>, Vec<f64>) {
    let (mut colds, mut hits) = (Vec::new(), Vec::new());
    for session in log.sessions() {
        let asked = session.iter().filter(|entry| entry.prompt == Some(number));
        let samples: Vec<Sample> = asked.filter_map(|entry| entry.sample.clone()).collect();
        for pair in Pairs::of(&samples).measured {
            let both = pair.cold.ttft_ns().zip(pair.other.ttft_ns());
            colds.extend(both.map(|(cold, _)| cold as f64));
            hits.extend(both.map(|(_, hit)| hit as f64));
        }
    }
    (colds, hits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Arm;
    use crate::record::{Conditions, Row};
    use crate::report::fixture::{failed, only, row};
    use crate::report::{Report, text};
    use crate::sample::{Outcome, Place};

    /// Times to first token in ms, cold and hit; `None` where the request failed.
    type Times = (Option<f64>, Option<f64>);

    /// A log in which each prompt was asked in pairs.
    fn asked(prompts: &[Prompt], pairs: impl Fn(usize) -> Vec<Times>) -> Data {
        let mut rows: Vec<Row> = Vec::new();
        for prompt in 0..prompts.len() {
            for (cold, hit) in pairs(prompt) {
                let pair = rows.len() as u64 / 2;
                for (arm, ms) in [(Arm::Cold, cold), (Arm::Hit, hit)] {
                    let mut row = row(rows.len() as u64 + 1, 1_000, arm, 1.0);
                    row.sample.place = Place { prompt: Some(prompt as u64), pair: Some(pair), ..Place::default() };
                    let sent = row.sample.stamps.sent_ns.expect("it was sent");
                    row.sample.stamps.first_token_ns = ms.map(|ms| sent + (ms * 1e6) as u64);
                    rows.push(if ms.is_some() { row } else { failed(row, Outcome::NoToken) });
                }
            }
        }
        rows[0].conditions = Some(conditions(prompts));
        only(&rows)
    }

    fn conditions(prompts: &[Prompt]) -> Conditions {
        let known = serde_json::json!({
            "command": "prompts", "version": "0", "argv": [], "started_at": "2026-01-01T00:00:00Z",
            "endpoint": "http://localhost:8000/v1", "api": "chat", "model": "m", "connection": "fresh",
            "stamps": "kernel", "nonce": "00000000000000000000000000000000", "max_tokens": 16, "prompts": prompts,
        });
        serde_json::from_value(known).expect("what a session says of itself")
    }

    fn one(pairs: &[Times]) -> Vec<String> {
        let prompt = Prompt { kind: "question".into(), prompt: "What is it?".into() };
        let data = asked(&[prompt], |_| pairs.to_vec());
        table(&data).rows[0].iter().map(Cell::text).collect()
    }

    #[test]
    fn a_prompt_has_its_effect_and_the_word_for_it() {
        let pairs: Vec<Times> =
            (0..10).map(|i| (Some(167.0 + f64::from(i % 3)), Some(100.0 + f64::from(i % 2)))).collect();
        let row = one(&pairs);
        assert_eq!(row[..4], ["question", "What is it?", "168 ms", "100 ms"]);
        assert_eq!((row[4].as_str(), row[6].as_str(), row[7].as_str()), ("1.67x", "excellent/优秀", "10"));
    }

    #[test]
    fn a_pair_that_lost_a_request_is_left_out_and_too_few_decide_nothing() {
        let row = one(&[(Some(200.0), Some(100.0)), (None, Some(1.0)), (Some(900.0), None)]);
        assert_eq!(row[2..], ["200 ms", "100 ms", "2.00x", "-", "undecided/未定", "1"]);
    }

    #[test]
    fn a_prompt_that_was_never_answered_has_its_row_all_the_same() {
        assert_eq!(one(&[(None, None)])[2..], ["-", "-", "-", "-", "undecided/未定", "0"]);
    }

    #[test]
    fn a_terminal_shows_every_rating_and_as_much_of_each_prompt_as_fits() {
        let data = asked(&Prompt::recommended(), |prompt| {
            let cold = [167.0, 106.0, 106.0, 104.0, 103.0][prompt];
            (0..10).map(|pair| 0.1 * f64::from(pair)).map(|more| (Some(cold + more), Some(100.0 + more))).collect()
        });
        insta::assert_snapshot!(text::write(&Report::of(&data)));
    }
}

use super::*;
use crate::report::fixture::{data, jsonl, verify};
use crate::report::text;

/// Two logs of 4,096 tokens, the second's hits `speed` times as quick.
fn before_and_after(speed: f64) -> Data {
    data(&[("before", jsonl(&verify(1.0))), ("after", jsonl(&verify(speed)))])
}

#[test]
fn a_comparison_names_what_changed_and_by_how_much() {
    let data = before_and_after(1.0 / 1.2);
    let compared = Compared::of(&data);
    insta::assert_snapshot!(text::write(&compared.report(&data)));
    let hit = compared.changes.iter().find(|change| change.arm == Arm::Hit).unwrap();
    assert!(hit.ratio.interval.unwrap().contains(1.2), "{hit:?}");
    assert_eq!(compared.exit(Some(0.05)), Exit::Missed);
    assert_eq!(compared.exit(Some(0.50)), Exit::Ok);
    assert_eq!(compared.exit(Some(0.20)), Exit::Inconclusive);
    assert_eq!(compared.exit(None), Exit::Ok);
}

#[test]
fn logs_of_two_models_or_without_a_common_length_are_not_compared() {
    let mut data = before_and_after(1.0);
    data.logs[0].conditions.push(vec![("model".into(), "a".into())]);
    data.logs[1].conditions.push(vec![("model".into(), "b".into())]);
    let compared = Compared::of(&data);
    assert_eq!(compared.mismatches, [Mismatch::OtherModel { before: "a".into(), after: "b".into() }]);
    assert_eq!(compared.exit(Some(0.05)), Exit::Inconclusive);
    assert!(text::write(&compared.report(&data)).starts_with("Not comparable: the models differ, a and b."));

    let mut data = before_and_after(1.0);
    data.logs[1].entries.iter_mut().for_each(|entry| entry.context_tokens *= 2);
    let other = Mismatch::OtherLengths { before: vec![4_096], after: vec![8_192] };
    assert_eq!(Compared::of(&data).mismatches, [other]);
}

#[test]
fn other_stamps_other_connections_and_unproved_cold_are_not_compared() {
    for (key, one, other) in [("stamps", "kernel", "read"), ("connection", "fresh", "reuse")] {
        let mut data = before_and_after(1.0);
        data.logs[0].conditions.push(vec![(key.into(), one.into())]);
        data.logs[1].conditions.push(vec![(key.into(), other.into())]);
        let compared = Compared::of(&data);
        let expected = Mismatch::OtherCondition { key, before: one.into(), after: other.into() };
        assert_eq!((&compared.mismatches, compared.exit(Some(0.05))), (&vec![expected], Exit::Inconclusive));
    }
    // A server that counts nothing, and whose replays are no quicker: not even the clock tells.
    let mut rows = verify(0.2);
    rows.iter_mut().for_each(|row| row.sample.usage = None);
    let data = data(&[("before", jsonl(&verify(1.0))), ("after", jsonl(&rows))]);
    let compared = Compared::of(&data);
    assert_eq!(compared.mismatches, [Mismatch::ColdUnverified { log: "after".into() }]);
    assert_eq!((compared.exit(None), compared.exit(Some(0.05))), (Exit::Inconclusive, Exit::Inconclusive));
    assert!(text::write(&compared.report(&data)).starts_with("Not comparable: nothing proves that cold is cold"));
}

#[test]
fn replays_that_missed_are_no_hits_and_an_absent_count_of_a_server_that_counts_is_cold() {
    let mut rows = verify(1.0);
    let mut hits = 0;
    for row in &mut rows {
        let usage = row.sample.usage.as_mut().unwrap();
        match row.sample.arm {
            // As SGLang does.
            Arm::Cold => usage.cached_tokens = None,
            Arm::Hit => {
                hits += 1;
                if hits > 7 {
                    usage.cached_tokens = Some(0);
                    row.sample.stamps.first_token_ns = row.sample.stamps.first_token_ns.map(|ns| ns + 900_000_000);
                }
            }
            Arm::Unseen => {}
        }
    }
    let data = data(&[("before", jsonl(&verify(1.0))), ("after", jsonl(&rows))]);
    let compared = Compared::of(&data);
    assert_eq!(compared.mismatches, [Mismatch::LeftOut { log: "after".into(), arm: Arm::Hit, samples: 3 }]);
    let hit = compared.changes.iter().find(|change| change.arm == Arm::Hit).unwrap();
    assert_eq!((hit.evidence[0].times.len(), hit.evidence[1].times.len(), hit.evidence[1].proved), (10, 7, 7));
    assert!(hit.ratio.interval.unwrap().contains(1.0), "{hit:?}");
    let cold = compared.changes.iter().find(|change| change.arm == Arm::Cold).unwrap();
    assert_eq!((cold.evidence[1].times.len(), cold.evidence[1].proved), (20, 20));
}

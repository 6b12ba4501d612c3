//! Whether the client kept up: how late it was, and how busy. A late client shows itself and not the server.

use std::collections::BTreeSet;

use super::tally::{Tally, Timed};
use crate::clock::Nanos;
use crate::load::validity::{Conduct, faults};
use crate::record::LoadNote;
use crate::report::units;
use crate::stats::quantile;

impl Tally {
    /// How the client behaved of whom `asked` was asked, by session.
    pub fn conduct(&self, asked: &[(usize, LoadNote)]) -> Conduct {
        let quantile_of = |values: &[f64], p| quantile::quantile(values, p).map(|ns| ns as Nanos);
        let shares = self.busy().filter_map(|(session, busy)| {
            let (_, note) = asked.iter().find(|(of, _)| *of == session)?;
            Some(busy / note.processors.max(1) as f64)
        });
        Conduct {
            lag_p99_ns: quantile_of(&self.lags(), 0.99),
            median_ttft_ns: quantile_of(&self.all(Timed::TtftFromDue), 0.5),
            cpu_share: shares.reduce(f64::max),
        }
    }
}

/// What a reader is told of it, and what is wrong with it.
pub(super) fn remarks(tally: &Tally, asked: &[(usize, LoadNote)]) -> Vec<String> {
    let conduct = tally.conduct(asked);
    let lag = conduct.lag_p99_ns.zip(conduct.median_ttft_ns).map(|(lag, ttft)| {
        let share = units::share(lag as f64 / ttft.max(1) as f64);
        format!("lag behind the schedule: p99 {}, {share} of the median TTFT", units::span(lag as f64))
    });
    let cpu = conduct.cpu_share.map(|share| {
        let processors = asked.iter().map(|(_, note)| note.processors).max().unwrap_or(1);
        let whose = if processors == 1 { "its processor".to_owned() } else { format!("its {processors} processors") };
        format!("the client used {} of {whose}", units::share(share))
    });
    let said: Vec<String> = lag.into_iter().chain(cpu).collect();
    let first = (!said.is_empty()).then(|| format!("{}.", said.join("; ")));
    let faults = faults(&conduct).into_iter().map(|fault| format!("{fault}."));
    first.into_iter().chain(faults).chain(missing_shards(asked)).collect()
}

/// A run is known as a whole when each of its shards is there.
fn missing_shards(asked: &[(usize, LoadNote)]) -> Option<String> {
    let (_, note) = asked.iter().max_by_key(|(_, note)| note.shard.count)?;
    let (count, senders) = (note.shard.count, note.shard.senders.unwrap_or(note.shard.count));
    let found: BTreeSet<u64> = asked.iter().map(|(_, note)| note.shard.index).collect();
    let missing = (0..senders).filter(|index| !found.contains(index)).map(|index| index.to_string());
    let missing: Vec<String> = missing.collect();
    (!missing.is_empty()).then(|| {
        format!("this is a part of a run of {count} shards: the logs of shard {} are missing.", missing.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::plan::Arm;
    use crate::record::{Conditions, Reading, Row, ShardNote};
    use crate::report::Report;
    use crate::report::data::{Data, Named};
    use crate::report::fixture::{jsonl, row};

    const MS: u64 = 1_000_000;

    fn note(index: u64, count: u64) -> LoadNote {
        LoadNote {
            workload: "mix".into(),
            arrivals: "constant".into(),
            seed: 1,
            shard: ShardNote { index, count, senders: None },
            processors: 2,
            legs: Vec::new(),
            level: None,
        }
    }

    /// Requests every 200 ms of a shard whose session began `began_ms` before the load; the client has one processor busy.
    fn shard(asked: LoadNote, began_ms: u64) -> Vec<Row> {
        let mut rows: Vec<Row> = (0..21)
            .map(|nth| {
                let mut row = row(nth + 1, 1_000, Arm::Hit, 1.0);
                let due = (began_ms + nth * 200) * MS;
                let stamps = &mut row.sample.stamps;
                stamps.chunk_ns.clear();
                (stamps.start_ns, stamps.due_ns) = (Some(began_ms * MS), Some(due));
                (stamps.dial_ns, stamps.connect_ns, stamps.sent_ns) = (None, None, Some(due + MS));
                (stamps.first_token_ns, stamps.last_token_ns) = (Some(due + 101 * MS), Some(due + 101 * MS));
                (stamps.end_ns, stamps.client_cpu_ns) = (Some(due + 102 * MS), Some((nth * 200 + 101) * MS));
                row.sample.place.reusable_tokens = Some(500);
                row
            })
            .collect();
        let conditions = serde_json::json!({
            "command": "load", "version": "0", "argv": [], "started_at": "", "endpoint": "", "api": "chat", "model": "",
            "connection": "reuse", "stamps": "kernel", "nonce": "00000000000000000000000000000000", "max_tokens": 16,
        });
        let known: Conditions = serde_json::from_value(conditions).expect("what a session says of itself");
        let session = format!("{:016}", asked.shard.index);
        rows[0].conditions = Some(Conditions { load: Some(asked), ..known });
        rows.iter_mut().for_each(|row| row.session.clone_from(&session));
        rows
    }

    fn read(logs: &[Vec<Row>]) -> Data {
        let named = |(at, rows): (usize, &Vec<Row>)| {
            let path = format!("load-{at}.jsonl");
            let reading = Reading::parse(Path::new(&path), jsonl(rows).as_bytes()).expect("a log");
            Named { label: None, path, reading }
        };
        Data::of(logs.iter().enumerate().map(named).collect())
    }

    fn said(data: &Data) -> String {
        Report::of(data).remarks.join("\n")
    }

    #[test]
    fn shards_that_ran_side_by_side_send_their_rates_together() {
        let data = read(&[shard(note(0, 2), 100), shard(note(1, 2), 7_000)]);
        assert_eq!(data.logs.len(), 1, "two shards are one log");
        let tally = data.logs[0].load.as_ref().expect("a load");
        assert_eq!(tally.answered(), 42);
        let (asked, sent) = (tally.asked_rate().unwrap(), tally.sent_rate().unwrap());
        assert!((asked - 41.0 / 4.0).abs() < 0.01 && (sent - 41.0 / 4.0).abs() < 0.01, "{asked} {sent}");
        assert!(!said(&data).contains("missing"), "{}", said(&data));
    }

    #[test]
    fn a_part_of_a_run_says_so() {
        let data = read(&[shard(note(2, 3), 100)]);
        assert!(
            said(&data).contains("a part of a run of 3 shards: the logs of shard 0, 1 are missing"),
            "{}",
            said(&data)
        );
    }

    #[test]
    fn a_shard_that_had_nothing_to_send_is_not_missing() {
        let of = |index| {
            let asked = note(index, 4);
            LoadNote { shard: ShardNote { senders: Some(2), ..asked.shard }, ..asked }
        };
        assert!(!said(&read(&[shard(of(0), 100), shard(of(1), 100)])).contains("missing"));
        assert!(said(&read(&[shard(of(0), 100)])).contains("the logs of shard 1 are missing"));
    }

    #[test]
    fn two_runs_are_two_logs() {
        let other = LoadNote { seed: 2, ..note(1, 2) };
        assert_eq!(read(&[shard(note(0, 2), 100), shard(other, 100)]).logs.len(), 2);
        assert_eq!(read(&[shard(note(0, 1), 100), shard(note(0, 1), 100)]).logs.len(), 2);
    }

    #[test]
    fn the_client_s_lag_and_its_processors_are_said() {
        let said = said(&read(&[shard(note(0, 1), 100)]));
        assert!(said.contains("lag behind the schedule: p99 1.00 ms, 1 % of the median TTFT"), "{said}");
        assert!(said.contains("the client used 50 % of its 2 processors"), "{said}");
        assert!(
            said.contains("an endless prefix cache would find 50 % of the prompt tokens, and this one found"),
            "{said}"
        );
    }
}

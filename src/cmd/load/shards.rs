//! Which part of the schedule this process sends, and where its samples go.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::cli::load::LoadArgs;
use crate::clock::Monotonic;
use crate::cmd::UsageError;
use crate::endpoint::Endpoint;
use crate::load::shard::Shard;
use crate::progress::Voice;
use crate::wire::http1::Method;

/// How far this clock and the server's may be apart before it is worth a word. `Date` has whole seconds.
const APART: Duration = Duration::from_secs(1);

/// The shard of `--shard`, else the one that a launcher names; said where there are several.
pub fn in_force(args: &LoadArgs, voice: Voice) -> anyhow::Result<Shard> {
    let named = args.shard.as_deref().map(str::parse::<Shard>).transpose();
    let named = named.map_err(|error| UsageError(format!("--shard: {error}")))?;
    let launched = || Shard::from_launcher(|name| std::env::var(name).ok());
    let (shard, from) = match named {
        Some(shard) => (shard, "--shard"),
        None => match launched().map_err(|error| UsageError(format!("the launcher's environment: {error}")))? {
            Some(shard) => (shard, "the launcher's environment"),
            None => return Ok(Shard::WHOLE),
        },
    };
    if shard.count() == 1 {
        return Ok(shard);
    }
    voice.note(&format!("shard {shard}, from {from}"));
    let usage = |text: &str| Err(UsageError(text.to_owned()).into());
    if args.session.pace.nonce.is_none() {
        return usage(
            "shards need the same --nonce, from which each makes the one schedule and its texts; give 32 hex digits",
        );
    }
    if args.concurrency.is_some_and(|streams| streams < shard.count()) {
        return usage("--concurrency is below the number of shards; give each at least one stream");
    }
    if args.start_at.is_none() && args.barrier.is_none() {
        voice.warn("nothing lines the shards up, so each begins when it is ready; --start_at or --barrier does");
    }
    Ok(shard)
}

/// The log of this shard: its number stands before the ending, since all of them may be told the same name.
pub fn log_of(out: &Path, shard: Shard) -> PathBuf {
    if shard.count() == 1 {
        return out.to_owned();
    }
    let stem = out.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let ending = out.extension().map(|ending| format!(".{}", ending.to_string_lossy())).unwrap_or_default();
    out.with_file_name(format!("{stem}-{}{ending}", shard.index()))
}

/// Warns when this machine's clock and the server's are apart: shards are lined up by their machines' clocks. No duration
/// comes from either.
pub fn compare_clocks(endpoint: &Endpoint, voice: Voice) {
    let before = Monotonic.wall();
    let Ok(answer) = endpoint.ask(Method::Get, &endpoint.base.api("models"), None) else { return };
    let after = Monotonic.wall();
    let Some(date) = answer.head.get("date").and_then(|date| httpdate::parse_http_date(date).ok()) else { return };
    if let Some(apart) = apart(before, date, after).filter(|apart| *apart > APART) {
        voice.warn(&format!(
            "this machine's clock and the server's are {} s apart; shards start by the clocks of their machines, so see \
             that these are set (no time that is measured comes from them)",
            apart.as_secs()
        ));
    }
}

/// By how much a `Date`, which is cut to whole seconds, lies at least outside of the time in which it was asked for.
fn apart(before: SystemTime, date: SystemTime, after: SystemTime) -> Option<Duration> {
    let is_ahead = date.duration_since(after).ok();
    let is_behind = before.duration_since(date + Duration::from_secs(1)).ok();
    is_ahead.or(is_behind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_has_its_shard_s_number_before_the_ending() {
        let of = |out: &str, shard: &str| log_of(Path::new(out), shard.parse().unwrap());
        assert_eq!(of("a/load.jsonl", "3/4"), Path::new("a/load-3.jsonl"));
        assert_eq!(of("shard", "0/2"), Path::new("shard-0"));
        assert_eq!(of("load.jsonl", "0/1"), Path::new("load.jsonl"));
    }

    #[test]
    fn clocks_within_the_second_that_a_date_leaves_open_are_not_apart() {
        let at = |seconds: f64| SystemTime::UNIX_EPOCH + Duration::from_secs_f64(seconds);
        assert_eq!(apart(at(10.9), at(10.0), at(11.0)), None);
        assert_eq!(apart(at(10.0), at(15.0), at(10.5)), Some(Duration::from_millis(4_500)));
        assert_eq!(apart(at(20.0), at(10.0), at(20.5)), Some(Duration::from_secs(9)));
    }
}

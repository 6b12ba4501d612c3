//! What the server says of itself, beside what was found of it.

use crate::cachemap::{CacheMap, Policy};
use crate::record::MapNote;
use crate::report::units;
use crate::wire::lmcache::Status;

/// Two numbers that differ by less are one.
const SAME: f64 = 0.03;

/// A sentence for each thing that it says.
pub(super) fn remarks(map: &CacheMap, note: &MapNote) -> Vec<String> {
    let block = Found { value: map.block_size.value, interval: map.block_size.interval };
    let (own, behind) = (Found::own(map), Found::behind(map, note));
    let has_behind = note.said_host_tokens.is_some() || note.said_lmcache.is_some();
    let is_told_apart = map.tiers.value.as_ref().is_some_and(|tiers| tiers.len() > 1);
    let block = note.said_block_size.and_then(|said| block.beside("block size", &[exactly(said)]));
    // Where tiers were not told apart, what was found is of all of them.
    let engine = note.said_capacity_tokens.filter(|_| is_told_apart || !has_behind);
    let engine = engine.and_then(|said| own.beside("capacity", &[exactly(said)]));
    let host = note.said_host_tokens.and_then(|said| {
        behind.beside("capacity with its host memory", &with_and_without(exactly(said), note.said_capacity_tokens))
    });
    let lmcache = note.said_lmcache.iter().flat_map(|status| of_lmcache(status, map, note, behind));
    [block, engine, host].into_iter().flatten().chain(lmcache).chain(slots(note)).collect()
}

/// A number that is said: within what range it lies.
type Said = (u64, u64);

fn exactly(tokens: u64) -> Said {
    (tokens, tokens)
}

/// A tier holds what the one above it holds as well, or only what left that one. One that is smaller is never seen.
fn with_and_without((low, high): Said, above: Option<u64>) -> Vec<Said> {
    let above = above.unwrap_or(0);
    vec![(low.max(above), high.max(above)), (low + above, high + above)]
}

/// What was found of a quantity.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Found {
    value: Option<u64>,
    interval: Option<(f64, Option<f64>)>,
}

impl Found {
    /// Of the engine's own cache.
    fn own(map: &CacheMap) -> Found {
        Found::tier(map, 0).unwrap_or_else(|| Found::whole(map))
    }

    /// Of what lies behind it: the memory that is said, and where stores lie behind that no tier beyond.
    fn behind(map: &CacheMap, note: &MapNote) -> Found {
        let is_outermost = note.said_lmcache.as_ref().is_none_or(|status| status.outer_stores == 0);
        let last = map.tiers.value.as_ref().map_or(0, |tiers| tiers.len().saturating_sub(1));
        Found::tier(map, if is_outermost { last } else { 1 }).unwrap_or_else(|| Found::whole(map))
    }

    /// Of one of several tiers.
    fn tier(map: &CacheMap, nth: usize) -> Option<Found> {
        let tier = map.tiers.value.as_ref().filter(|tiers| tiers.len() > 1)?.get(nth)?;
        let (low, high) = tier.reach_interval;
        Some(Found { value: Some(tier.reach_tokens), interval: Some((low as f64, Some(high as f64))) })
    }

    fn whole(map: &CacheMap) -> Found {
        Found { value: map.capacity_tokens.value, interval: map.capacity_tokens.interval }
    }

    fn agrees(self, (low, high): Said) -> bool {
        let (low, high) = (low as f64, high as f64);
        let is_near = |found: f64| low * (1.0 - SAME) <= found && found <= high * (1.0 + SAME);
        let is_within = self.interval.is_some_and(|(from, to)| from <= high && to.is_none_or(|to| low <= to));
        self.value.is_some_and(|value| is_near(value as f64)) || is_within
    }

    /// The server's word beside it; `None` where nothing was found. Of several readings of what is said, one has to agree.
    fn beside(self, what: &str, readings: &[Said]) -> Option<String> {
        let (low, high) = *readings.first()?;
        let said = range(low, high);
        let agrees = readings.iter().any(|said| self.agrees(*said));
        let found = match (self.value, self.interval) {
            (Some(value), _) => units::count(value),
            (None, Some((low, Some(high)))) => range(low as u64, high as u64),
            (None, Some((low, None))) => format!("at least {}", units::count(low as u64)),
            (None, None) => return None,
        };
        Some(match (agrees, self.value) {
            (true, Some(_)) => format!("The server's own {what}, {said} tokens, agrees with what was found."),
            (true, None) => format!("The server's own {what}, {said} tokens, lies within what was found."),
            (false, _) => format!(
                "The server says that its {what} is {said} tokens, and {found} were found; believe neither before you know why."
            ),
        })
    }
}

fn range(low: u64, high: u64) -> String {
    if low == high { units::count(low) } else { format!("{} to {}", units::count(low), units::count(high)) }
}

fn of_lmcache(status: &Status, map: &CacheMap, note: &MapNote, behind: Found) -> Vec<String> {
    let memory = status.memory_bytes.map(|bytes| format!(" in {:.2} GB of memory", bytes as f64 / 1e9));
    let stores = match status.outer_stores {
        0 => String::new(),
        1 => ", with one store behind it".to_owned(),
        stores => format!(", with {stores} stores behind it"),
    };
    let chunk = units::count(status.chunk_tokens);
    let mut said =
        vec![format!("LMCache says that it keeps chunks of {chunk} tokens{}{stores}.", memory.unwrap_or_default())];
    match status.memory_tokens(note.kv_bytes_per_token) {
        Some(tokens) => said.extend(behind.beside("capacity with LMCache", &with_and_without(tokens, note.said_capacity_tokens))),
        None if status.memory_bytes.is_some() => said.push(
            "How many tokens that is, LMCache does not tell; --kv_bytes_per_token would, or another map when it holds some."
                .to_owned(),
        ),
        None => {}
    }
    if let Some(block) = map.block_size.value.filter(|block| !status.chunk_tokens.is_multiple_of(*block)) {
        said.push(format!(
            "A chunk of {chunk} tokens is no whole number of the blocks of {} that were found; believe neither before you know why.",
            units::count(block)
        ));
    }
    if let (Some(name), Some(found)) = (&status.policy, map.policy.value)
        && policy(name).is_some_and(|policy| policy != found)
    {
        said.push(format!("LMCache says that {name} decides who leaves, and {} was found.", found.name()));
    }
    said
}

fn policy(name: &str) -> Option<Policy> {
    match name.to_ascii_lowercase().as_str() {
        "lru" => Some(Policy::Lru),
        "fifo" => Some(Policy::Fifo),
        "lfu" => Some(Policy::Frequency),
        "noop" => Some(Policy::NoAdmit),
        _ => None,
    }
}

/// What it says that is no property of the map.
fn slots(note: &MapNote) -> Vec<String> {
    let slots = note.said_slots.zip(note.said_slot_tokens).map(|(slots, tokens)| {
        format!(
            "The server says that it has {} of {} tokens each. A slot keeps the last prompt that it answered and what \
             that has in common with the next one; blocks, reuse distances and policies are words for something else.",
            if slots == 1 { "one slot".to_owned() } else { format!("{slots} slots") },
            units::count(tokens)
        )
    });
    let lmcache = (note.says_lmcache && note.said_lmcache.is_none()).then(|| {
        "LMCache reports to the server's /metrics, but neither the size of its chunks nor what it holds; --lmcache_url \
         names a server of its own, which tells."
            .to_owned()
    });
    slots.into_iter().chain(lmcache).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(value: Option<u64>, low: f64, high: Option<f64>) -> Found {
        Found { value, interval: Some((low, high)) }
    }

    #[test]
    fn what_is_said_agrees_within_three_percent_or_the_interval() {
        let exact = found(Some(60_000), 60_000.0, Some(60_015.0));
        assert!(exact.agrees(exactly(60_000)) && exact.agrees(exactly(61_000)) && !exact.agrees(exactly(120_000)));
        assert!(exact.agrees((48_000, 60_000)), "a cache that makes room ahead holds less");
        let wide = found(Some(60_000), 50_000.0, Some(70_000.0));
        assert!(wide.agrees(exactly(68_000)) && !wide.agrees(exactly(75_000)));
        assert!(found(None, 300_000.0, None).agrees(exactly(400_000)));
        let said = found(None, 300_000.0, None).beside("capacity", &[exactly(60_000)]).unwrap();
        assert!(said.contains("is 60,000 tokens, and at least 300,000 were found"), "{said}");
        assert_eq!(Found { value: None, interval: None }.beside("capacity", &[exactly(1)]), None);
    }

    #[test]
    fn a_lower_tier_may_hold_what_the_upper_one_holds_or_not() {
        assert_eq!(with_and_without((200, 250), Some(60)), [(200, 250), (260, 310)]);
        assert_eq!(with_and_without((20, 25), Some(60)), [(60, 60), (80, 85)]);
    }
}

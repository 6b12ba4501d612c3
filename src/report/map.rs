//! The map of each session that mapped a cache: a table of properties, what was not identified, and what the server says.

mod said;

use std::fmt::Display;

use super::data::Data;
use super::table::{Cell, Column, Table};
use super::units;
use crate::cachemap::{CacheMap, Map, Property, Tier, Words};
use crate::record::MapNote;
use crate::sample::Sample;
use crate::wire::body::IDS_AS_TEXT;

/// A session's map and what its log says beside it.
#[derive(Debug, Clone)]
pub struct Mapped {
    pub log: usize,
    pub map: CacheMap,
    note: MapNote,
    /// Whether prompts of token ids were refused.
    is_sent_as_text: bool,
}

impl Mapped {
    /// One for each session that mapped a cache.
    pub fn all(data: &Data) -> Vec<Mapped> {
        let sessions = data.logs.iter().enumerate().flat_map(|(nth, log)| {
            log.entries.chunk_by(|one, next| one.session == next.session).filter_map(move |entries| {
                let (_, note) = log.maps.iter().find(|(session, _)| *session == entries[0].session)?;
                let samples: Vec<Sample> = entries.iter().filter_map(|entry| entry.sample.clone()).collect();
                let is_sent_as_text =
                    samples.iter().any(|sample| sample.adapted.iter().any(|change| change == IDS_AS_TEXT));
                let map = Map::of(note.design.clone(), &samples);
                Some(Mapped { log: nth, map, note: note.clone(), is_sent_as_text })
            })
        });
        sessions.collect()
    }

    /// The map in a sentence or two.
    pub fn findings(&self) -> Vec<String> {
        let map = &self.map;
        let capacity = match (&map.capacity_tokens.value, map.capacity_tokens.interval) {
            (Some(tokens), _) => format!("The cache holds {} tokens{}", units::count(*tokens), self.in_bytes(*tokens)),
            (None, Some((low, Some(high)))) if high > 0.0 && low > 0.0 => {
                format!("The cache holds {} to {} tokens", whole(low), whole(high))
            }
            (None, Some((low, None))) => format!("The cache holds at least {} tokens", whole(low)),
            _ => "The cache's capacity was not identified".to_owned(),
        };
        let block = map.block_size.value.map(|block| match block {
            1 => ", found token by token".to_owned(),
            block => format!(", in blocks of {}", units::count(block)),
        });
        let policy = map.policy.value.map(|policy| format!("; who leaves: {}", policy.name()));
        let tiers = map.tiers.value.as_ref().filter(|tiers| tiers.len() > 1);
        let tiers = tiers.map(|tiers| format!("; {} tiers", tiers.len()));
        let more = [block, policy, tiers].into_iter().flatten().collect::<String>();
        vec![format!("{capacity}{more}.")]
    }

    pub fn table(&self) -> Table {
        let map = &self.map;
        let mut rows = vec![
            row("block_size", &map.block_size, |n| format!("{} tokens", units::count(*n))),
            row("min_prefix_tokens", &map.min_prefix_tokens, |n| format!("{} tokens", units::count(*n))),
            row("semantics", &map.semantics, |semantics| semantics.name().to_owned()),
            row("capacity_tokens", &map.capacity_tokens, |n| {
                format!("{} tokens{}", units::count(*n), self.in_bytes(*n))
            }),
        ];
        rows.extend(self.tier_rows());
        rows.extend([
            row("policy", &map.policy, |policy| policy.name().to_owned()),
            row("write_back_seconds", &map.write_back_seconds, |s| format!("{s} s")),
            row("ttl_seconds", &map.ttl_seconds, |s| format!("{s:.0} s")),
            row("sharing", &map.sharing, Clone::clone),
            row("replicas", &map.replicas, u64::to_string),
        ]);
        Table {
            name: "map",
            title: "The cache, from outside".into(),
            is_detail: false,
            columns: vec![
                Column::words("property", "property").whole(),
                Column::words("value", "value").whole(),
                Column::words("interval", "interval").whole(),
                Column::words("confidence", "grade"),
                Column::words("evidence", "evidence"),
            ],
            rows,
        }
    }

    fn tier_rows(&self) -> Vec<Vec<Cell>> {
        let tiers = &self.map.tiers;
        let Some(found) = &tiers.value else { return vec![row("tiers", tiers, |_| String::new())] };
        let text = |tier: &Tier| {
            let in_bytes = |rate: f64| {
                let bytes = self.note.kv_bytes_per_token.map(|bytes| format!(", {:.2} GB/s", rate * bytes / 1e9));
                bytes.unwrap_or_default()
            };
            let load = match (tier.load_tokens_per_s, tier.load_interval) {
                (Some(rate), Some((low, Some(high)))) => Some(format!(
                    ", loads {} tokens/s ({} to {}){}",
                    rounded(rate),
                    rounded(low),
                    rounded(high),
                    in_bytes(rate)
                )),
                (None, Some((low, _))) => Some(format!(", loads at least {} tokens/s{}", rounded(low), in_bytes(low))),
                _ => None,
            };
            let reach = format!("{} tokens{}", units::count(tier.reach_tokens), self.in_bytes(tier.reach_tokens));
            format!("reach {reach}{}", load.unwrap_or_default())
        };
        let rows = found.iter().enumerate().map(|(nth, tier)| {
            let (low, high) = tier.reach_interval;
            vec![
                Cell::Words(format!("tier {}", nth + 1)),
                Cell::Words(text(tier)),
                Cell::Words(format!("{} to {}", units::count(low), units::count(high))),
                grade(tiers),
                Cell::Words(format!("TTFT {}; {}", units::time(tier.ttft_ns), tiers.evidence)),
            ]
        });
        rows.collect()
    }

    /// What was not identified, and where the server says something else.
    pub fn remarks(&self) -> Vec<String> {
        let words = self.map.tokens_per_word.map(|per_word| {
            format!(
                "A word of the documents is {per_word:.2} tokens to this model; lengths are what its answers count."
            )
        });
        let reasons = self.map.not_identified.value.iter().flatten();
        let open = reasons.map(|reason| format!("Not identified: {} ({}).", reason.property, reason.why));
        words.into_iter().chain(self.tokens()).chain(said::remarks(&self.map, &self.note)).chain(open).collect()
    }

    /// By what a length in words is one in tokens, where that is not plainly the server's tokenizer.
    fn tokens(&self) -> Option<String> {
        let said = match (&self.map.words, self.note.word_ids.is_empty()) {
            (_, false) if self.is_sent_as_text => {
                "Prompts of token ids were refused, so the same words were sent as text.".to_owned()
            }
            (_, false) => {
                let counted_by = self.note.words_counted_by.as_deref().unwrap_or("a tokenizer");
                format!("Prompts were token ids, of words that are one token each by {counted_by}.")
            }
            (Some(Words::Uncounted), _) => {
                "Neither a tokenizer nor the answers count tokens: every length here is one in words.".to_owned()
            }
            (Some(Words::Checked { left_out }), _) => {
                let left_out = match left_out.len() {
                    0 => String::new(),
                    left_out => format!("; {left_out} that are more, or could not be checked, were left out"),
                };
                format!("No tokenizer was at hand: by what the answers count, the words are one token each{left_out}.")
            }
            (Some(Words::TooFew) | None, _) => return None,
        };
        Some(said)
    }

    fn in_bytes(&self, tokens: u64) -> String {
        let bytes = self.note.kv_bytes_per_token.map(|bytes| format!(" ({:.2} GB)", bytes * tokens as f64 / 1e9));
        bytes.unwrap_or_default()
    }
}

fn row<T>(name: &str, property: &Property<T>, text: impl Fn(&T) -> String) -> Vec<Cell> {
    let interval = property.interval.map(|(low, high)| match high {
        Some(high) if high == low => number(low),
        Some(high) => format!("{} to {}", number(low), number(high)),
        None => format!("at least {}", number(low)),
    });
    vec![
        Cell::Words(name.to_owned()),
        property.value.as_ref().map_or(Cell::Missing, |value| Cell::Words(text(value))),
        interval.map_or(Cell::Missing, Cell::Words),
        grade(property),
        Cell::Words(property.evidence.clone()),
    ]
}

fn grade<T>(property: &Property<T>) -> Cell {
    property.confidence.map_or(Cell::Missing, |confidence| Cell::Words(format!("{confidence:?}")))
}

fn number(x: f64) -> String {
    if x.fract() == 0.0 { whole(x) } else { format!("{x:.2}") }
}

/// Three digits, which is more than a rate is known by.
fn rounded(x: f64) -> String {
    let unit = 10_f64.powf((x.max(1.0).log10().floor() - 2.0).max(0.0));
    whole((x / unit).round() * unit)
}

fn whole(x: impl Into<f64> + Display) -> String {
    units::count(x.into().round() as u64)
}

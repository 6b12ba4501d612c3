//! `ttft map`: drives the machine that maps a cache against a server, and ends with the map of its log.

mod note;
mod resume;

use std::time::Duration;

use anyhow::bail;
use serde_json::json;

use super::consent::{Cost, Spent};
use super::journal::{self, Journal};
use super::open::Opened;
use super::setup::Setup;
use super::{UsageError, advice, report};
use crate::cachemap::{Map, Probe, Step, Texts, Words};
use crate::cli::map::{Identity, MapArgs, Pin};
use crate::document::Vocabulary;
use crate::endpoint::AUTHORIZATION;
use crate::exit::Exit;
use crate::plan::map::Stage;
use crate::progress::Voice;
use crate::record::MapNote;
use crate::sample::Outcome;
use crate::session::{Ask, Manner, Session, Unwatched};
use crate::wire::body::Exactly;
use resume::Before;

/// Tokens that everything but the fill sends at most, beside forty documents.
const BESIDE_FILL: u64 = 450_000;
/// Tokens that a fill sends, as a multiple of the capacity that it finds.
const PER_CAPACITY: f64 = 2.5;

pub fn run(args: MapArgs, argv: Vec<String>) -> anyhow::Result<Exit> {
    let voice = Voice::new(&args.session.output);
    let before = if args.resume { Some(Before::read(&args.out)?) } else { None };
    if args.identities.contains(&Identity::ApiKey) && args.other_api_key.is_none() {
        bail!(UsageError("--identities api_key needs another key; name it with --other_api_key".to_owned()));
    }
    let log = journal::prepare(&args.out, &args.session.output)?;
    let mut setup = Setup::of(&args.session, voice)?;
    if let Some(key) = &args.other_api_key {
        setup.opened.endpoint.secrets = setup.opened.endpoint.secrets.and(key.0.clone());
    }
    let note = before.as_ref().map_or_else(|| note::of(&args, &setup), |before| before.note.clone());
    setup.nonce = before.as_ref().map_or(setup.nonce, |before| before.nonce);
    let usual = setup.manner();
    voice.warn(
        "a map fills the cache: prompts of other users are pushed out of it, and their traffic shrinks what is found",
    );
    setup.ask_consent(cost(&args, &note))?;
    let mut conditions = setup.conditions("map", argv);
    conditions.map = Some(note.clone());
    let (map, journal, spent, taken) = match before {
        None => (Map::new(note.design.clone()), Journal::new(log, conditions), Spent::default(), 0),
        Some(before) => {
            let (map, taken) = before.map()?;
            let spent = Spent { prompt_tokens: before.prompt_tokens(), ..Spent::default() };
            voice.note(&format!("going on after {taken} requests of {}", args.out.display()));
            (map, Journal::resumed(log.append()?, before.session, &before.samples), spent, taken)
        }
    };
    let mut run = Run {
        texts: Texts { nonce: setup.nonce, vocabulary: vocabulary(&note, &map), ids: note.word_ids.clone() },
        note: &note,
        session: setup.session(Manner { keep_token_times: false, ..usual.clone() }),
        usual,
        args: &args,
        opened: &setup.opened,
        map,
        journal,
        spent,
        taken,
        voice,
    };
    run.measure()?;
    run.finish()
}

/// A run under way.
struct Run<'a> {
    args: &'a MapArgs,
    opened: &'a Opened,
    voice: Voice,
    map: Map,
    texts: Texts,
    note: &'a MapNote,
    session: Session<'a>,
    /// How requests are sent that are neither pinned nor of another identity.
    usual: Manner,
    journal: Journal,
    spent: Spent,
    /// Requests of the log that is gone on with.
    taken: u64,
}

impl Run<'_> {
    fn measure(&mut self) -> anyhow::Result<()> {
        if self.taken == 0 {
            self.journal.begin()?;
        }
        let mut stage = None;
        // Whoever goes on has waited long enough, and how long nobody knows.
        let mut has_sent = self.taken == 0;
        while !self.session.is_interrupted() {
            match self.map.next() {
                Step::Done => break,
                Step::Wait(_) if !has_sent => {}
                Step::Wait(span) => self.session.pause(Duration::from_nanos(span)),
                Step::Probe(probe) => {
                    self.spent.time = Duration::from_nanos(self.session.elapsed());
                    if let Some(what) = self.spent.is_enough(probe.words(), &self.args.session.pace) {
                        self.voice.warn(&format!("the budget of {what} is spent; the map ends with bounds"));
                        break;
                    }
                    if stage.replace(probe.stage) != Some(probe.stage) {
                        let tokens = self.spent.prompt_tokens;
                        self.voice.note(&format!("{} (after {tokens} tokens)", title(probe.stage)));
                        self.texts.vocabulary = vocabulary(self.note, &self.map);
                    }
                    self.perform(&probe)?;
                    has_sent = true;
                    self.session.pause(self.args.session.pace.gap.0);
                }
            }
        }
        Ok(())
    }

    fn perform(&mut self, probe: &Probe) -> anyhow::Result<()> {
        let (text, ids) = (self.texts.of(probe), self.texts.ids_of(probe));
        *self.session.manner_mut() = self.manner(probe);
        let ask = Ask {
            arm: probe.arm,
            role: probe.role,
            place: probe.place(),
            conversation: Exactly { text: &text, ids: ids.as_deref() },
            max_tokens: self.args.session.pace.max_tokens,
        };
        let mut sample = self.session.perform(&ask, &mut Unwatched);
        sample.trial += self.taken;
        self.spent.prompt_tokens += sample.prompt_tokens().unwrap_or(probe.words());
        self.map.observe(&sample);
        if !sample.outcome.is_ok() && sample.outcome != Outcome::Interrupted {
            let said = advice::failed(&sample.outcome, &self.opened.models);
            self.voice.warn(&format!("request {} failed: {said}", sample.trial));
        }
        self.journal.write(sample.trial, probe.words(), sample, None)?;
        Ok(())
    }

    /// How this probe is sent: the pin, and the identity.
    fn manner(&self, probe: &Probe) -> Manner {
        let mut manner = Manner { keep_token_times: false, ..self.usual.clone() };
        let mut extra = manner.extra.take().unwrap_or_default();
        let token = self.texts.nonce.derive("pin").to_string();
        match self.args.pin.filter(|_| probe.is_pinned) {
            None => {}
            Some(Pin::Connection) => manner.reuse = true,
            Some(Pin::Header) => manner.headers.push(("x-session-id".to_owned(), token)),
            Some(Pin::PromptCacheKey) => {
                extra.insert("prompt_cache_key".to_owned(), json!(token));
            }
        }
        let identities = &self.args.identities;
        let identity = probe.identity.checked_sub(1).and_then(|nth| identities.get(nth));
        // Whether another connection finds it is seen only when everybody else keeps to one.
        if probe.stage == Stage::Sharing && identities.contains(&Identity::Connection) {
            manner.reuse = identity != Some(&Identity::Connection);
        }
        match identity {
            None | Some(Identity::Connection) => {}
            Some(Identity::ApiKey) => {
                let key = self.args.other_api_key.iter();
                manner.headers.extend(key.map(|key| (AUTHORIZATION.to_owned(), format!("Bearer {}", key.0))));
            }
            Some(field) => {
                let other = self.texts.nonce.derive(field.name()).to_string();
                extra.insert(field.name().to_owned(), json!(other));
            }
        }
        manner.extra = Some(extra).filter(|extra| !extra.is_empty());
        manner
    }

    fn finish(self) -> anyhow::Result<Exit> {
        let path = self.journal.path();
        report::print_log(path, self.args.format.format())?;
        self.voice.note(&journal::whereabouts(path));
        let found = self.map.found();
        let has_found = found.block_size.is_known() || found.capacity_tokens.interval.is_some_and(|(low, _)| low > 0.0);
        Ok(match (self.session.is_interrupted(), has_found || found.replicas.is_known()) {
            (true, _) => Exit::Interrupted,
            (_, true) => Exit::Ok,
            (_, false) => Exit::Inconclusive,
        })
    }
}

/// What the map sends at most: the fill of what the server says it holds, else of all that may be filled.
fn cost(args: &MapArgs, note: &MapNote) -> Cost {
    let design = &note.design;
    let capacity = said_tokens(note).unwrap_or(u64::MAX).min(args.max_fill_tokens.0);
    let fill = if design.skip.contains(&Stage::Fill) { 0 } else { (PER_CAPACITY * capacity as f64) as u64 };
    let prompt_tokens = fill + BESIDE_FILL + 40 * design.words;
    Cost { requests: fill / design.words + 200, prompt_tokens }
}

/// Tokens that all tiers together hold by the server's word; `None` where it does not tell of all of them.
fn said_tokens(note: &MapNote) -> Option<u64> {
    let behind = match &note.said_lmcache {
        Some(status) if status.outer_stores == 0 => {
            status.memory_tokens(note.kv_bytes_per_token).map(|(_, tokens)| tokens)
        }
        None if !note.says_lmcache => Some(0),
        _ => None,
    };
    Some(note.said_capacity_tokens? + note.said_host_tokens.unwrap_or(0) + behind?)
}

/// The words of the documents: without those that a tokenizer, or what the answers count, says are more than a token.
fn vocabulary(note: &MapNote, map: &Map) -> Vocabulary {
    let found = map.found();
    let checked = found.words.iter().flat_map(Words::left_out);
    Vocabulary::without(&note.words_left_out.iter().chain(checked).cloned().collect::<Vec<_>>())
}

fn title(stage: Stage) -> &'static str {
    match stage {
        Stage::Words => "words: which are one token, by what the answers count",
        Stage::Opening => "opening: how much quicker is a hit, and is it counted",
        Stage::Replicas => "replicas: how many servers answer",
        Stage::Semantics => "semantics: what is a hit",
        Stage::Block => "block: its size and the shortest prefix",
        Stage::Fill => "fill: capacity and policy",
        Stage::Tiers => "tiers: levels over the reuse distance",
        Stage::Delay => "delay: how soon a stored prompt is found",
        Stage::Sharing => "sharing: who finds it",
        Stage::Ttl => "ttl: how long it is kept",
    }
}

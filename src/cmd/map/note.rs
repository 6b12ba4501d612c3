//! What a map is to find, the words that its documents are made of, and what the server says of itself.

use crate::cli::map::{MapArgs, Part};
use crate::cmd::counters;
use crate::cmd::open::Opened;
use crate::cmd::setup::Setup;
use crate::document::{CountTokens, longer_than_a_token};
use crate::plan::map::{Design, Stage};
use crate::record::MapNote;
use crate::tokens::{LocalTokenizer, ServerTokenizer};
use crate::wire::http1::Method;
use crate::wire::{limits, metrics};

/// The longest prompt of a map, in tokens, where the model takes more.
const LONGEST: u64 = 32_768;
/// Of the model's context, left for the template.
const TEMPLATE_ROOM: u64 = 256;
/// With fewer words a document's beginning would have to be long to be nobody else's.
const FEWEST_WORDS: usize = 64;
const ALL_WORDS: usize = 512;

pub(super) fn of(args: &MapArgs, setup: &Setup<'_>) -> MapNote {
    let opened = &setup.opened;
    let context = setup.context_tokens().unwrap_or(LONGEST);
    let most = context.saturating_sub(args.session.pace.max_tokens + TEMPLATE_ROOM).min(LONGEST);
    let metrics_page = counters::page(&opened.endpoint);
    let props = props(opened);
    let slots = props.as_deref().and_then(limits::slots);
    let (words_counted_by, words_left_out) = words(args, setup);
    MapNote {
        design: Design {
            words: args.context_tokens.0.clamp(64, most.max(64)),
            most_words: most,
            most_fill_tokens: args.max_fill_tokens.0,
            seed: setup.seed("lengths"),
            skip: args.skip.iter().map(stage).collect(),
            ttl_ns: args.ttl.map(|span| span.0.as_nanos() as u64),
            identities: args.identities.iter().map(|identity| identity.name().to_owned()).collect(),
            pin: args.pin.map(|pin| pin.name().to_owned()),
        },
        kv_bytes_per_token: args.kv_bytes_per_token,
        said_block_size: metrics_page.as_deref().and_then(metrics::block_size),
        said_capacity_tokens: metrics_page.as_deref().and_then(metrics::capacity_tokens),
        said_slots: slots,
        said_slot_tokens: slots.and(props.as_deref()).and_then(limits::from_props),
        says_lmcache: metrics_page.is_some_and(|page| page.contains("lmcache:")),
        words_counted_by,
        words_left_out,
    }
}

fn stage(part: &Part) -> Stage {
    match part {
        Part::Replicas => Stage::Replicas,
        Part::Semantics => Stage::Semantics,
        Part::Block => Stage::Block,
        Part::Fill => Stage::Fill,
        Part::Tiers => Stage::Tiers,
        Part::Delay => Stage::Delay,
    }
}

/// What llama.cpp says of itself.
fn props(opened: &Opened) -> Option<Vec<u8>> {
    let answer = opened.endpoint.ask(Method::Get, &opened.endpoint.base.beside("/props"), None).ok()?;
    (answer.status == 200).then_some(answer.body)
}

/// Who counted the words, and those that are more than a token. Where nobody can, the answers' usage has to tell.
fn words(args: &MapArgs, setup: &Setup<'_>) -> (Option<String>, Vec<String>) {
    let (opened, voice) = (&setup.opened, setup.voice);
    let named = args.session.tokens.tokenizer.as_deref();
    let counter: Option<Box<dyn CountTokens + '_>> = match named.map(LocalTokenizer::open) {
        Some(Ok(tokenizer)) => Some(Box::new(tokenizer)),
        Some(Err(error)) => {
            voice.warn(&format!("{error:#}"));
            None
        }
        None => match ServerTokenizer::probe(&opened.endpoint, &opened.model) {
            Ok(tokenizer) => tokenizer.map(|tokenizer| Box::new(tokenizer) as Box<dyn CountTokens + '_>),
            Err(error) => {
                voice.note(&format!("{error:#}"));
                None
            }
        },
    };
    let Some(counter) = counter else { return (None, Vec::new()) };
    match longer_than_a_token(|text| counter.count(text)) {
        Ok(left_out) if ALL_WORDS - left_out.len() < FEWEST_WORDS => {
            voice.warn("nearly all words are more than one token to this model; lengths are what its answers count");
            (Some(counter.name()), Vec::new())
        }
        Ok(left_out) => (Some(counter.name()), left_out),
        Err(error) => {
            voice.note(&error.to_string());
            (None, Vec::new())
        }
    }
}

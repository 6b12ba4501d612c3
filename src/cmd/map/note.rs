//! What a map is to find, the words that its documents are made of, and what the server says of itself.

use crate::cli::Api;
use crate::cli::map::{MapArgs, Part};
use crate::cmd::counters;
use crate::cmd::open::Opened;
use crate::cmd::setup::Setup;
use crate::document::{CountTokens, LISTED, ids_of_words, longer_than_a_token};
use crate::endpoint::Endpoint;
use crate::plan::map::{Design, Stage};
use crate::progress::Voice;
use crate::record::MapNote;
use crate::tokens::{LocalTokenizer, ServerTokenizer};
use crate::wire::http1::Method;
use crate::wire::lmcache::Status;
use crate::wire::{limits, metrics};

/// The longest prompt of a map, in tokens, where the model takes more.
const LONGEST: u64 = 32_768;
/// Of the model's context, left for the template.
const TEMPLATE_ROOM: u64 = 256;
/// With fewer words a document's beginning would have to be long to be nobody else's.
const FEWEST_WORDS: usize = 64;

pub(super) fn of(args: &MapArgs, setup: &Setup<'_>) -> MapNote {
    let opened = &setup.opened;
    let context = setup.context_tokens().unwrap_or(LONGEST);
    let most = context.saturating_sub(args.session.pace.max_tokens + TEMPLATE_ROOM).min(LONGEST);
    let metrics_page = counters::page(&opened.endpoint);
    let page = metrics_page.as_deref();
    let props = props(opened);
    let slots = props.as_deref().and_then(limits::slots);
    let words = Words::counted(args, setup);
    MapNote {
        design: Design {
            words: args.context_tokens.0.clamp(64, most.max(64)),
            most_words: most,
            most_fill_tokens: args.max_fill_tokens.0,
            seed: setup.seed("lengths"),
            check_words: words.counted_by.is_none(),
            skip: args.skip.iter().map(stage).collect(),
            ttl_ns: args.ttl.map(|span| span.0.as_nanos() as u64),
            identities: args.identities.iter().map(|identity| identity.name().to_owned()).collect(),
            pin: args.pin.map(|pin| pin.name().to_owned()),
        },
        kv_bytes_per_token: args.kv_bytes_per_token,
        said_block_size: page.and_then(metrics::block_size),
        said_capacity_tokens: page.and_then(metrics::capacity_tokens),
        said_host_tokens: page.and_then(metrics::host_tokens),
        said_lmcache: opened.lmcache.as_ref().and_then(|server| status(server, setup.voice)),
        said_slots: slots,
        said_slot_tokens: slots.and(props.as_deref()).and_then(limits::from_props),
        says_lmcache: page.is_some_and(|page| page.contains("lmcache")),
        words_counted_by: words.counted_by,
        words_left_out: words.left_out,
        word_ids: words.ids,
    }
}

/// What LMCache's own server says of itself.
fn status(server: &Endpoint, voice: Voice) -> Option<Status> {
    let answer = server.ask(Method::Get, &server.base.beside("/status"), None).ok();
    let status = answer.filter(|answer| answer.status == 200).and_then(|answer| Status::parse(&answer.body));
    if status.is_none() {
        let url = server.base.url();
        voice.warn(&format!("--lmcache_url: {url} shows no /status of LMCache, so its own word is not compared"));
    }
    status
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

/// Which words the documents are made of, and in what form they are sent.
#[derive(Default)]
struct Words {
    /// Who counted their tokens. Where nobody could, the answers' usage has to tell.
    counted_by: Option<String>,
    left_out: Vec<String>,
    /// Empty where prompts are sent as text.
    ids: Vec<u32>,
}

impl Words {
    fn counted(args: &MapArgs, setup: &Setup<'_>) -> Words {
        let voice = setup.voice;
        let Some(counter) = counter(args, setup) else { return Words::default() };
        let left_out = match longer_than_a_token(|text| counter.count(text)) {
            Ok(left_out) => left_out,
            Err(error) => {
                voice.note(&error.to_string());
                return Words::default();
            }
        };
        let counted_by = Some(counter.name());
        if LISTED as usize - left_out.len() < FEWEST_WORDS {
            voice.warn("nearly all words are more than one token to this model; lengths are what its answers count");
            return Words { counted_by, ..Words::default() };
        }
        let sends_ids = args.session.endpoint.endpoint == Api::Completions;
        let ids = sends_ids.then(|| ids_of_words(&left_out, |text| counter.ids(text)));
        let ids = ids.transpose().unwrap_or_else(|error| {
            voice.note(&error.to_string());
            None
        });
        Words { counted_by, left_out, ids: ids.flatten().unwrap_or_default() }
    }
}

/// Who counts exactly what the server counts: the tokenizer that the user names, else the server itself.
fn counter<'a>(args: &MapArgs, setup: &'a Setup<'_>) -> Option<Box<dyn CountTokens + 'a>> {
    if let Some(path) = args.session.tokens.tokenizer.as_deref() {
        let tokenizer = LocalTokenizer::open(path).inspect_err(|error| setup.voice.warn(&format!("{error:#}")));
        return tokenizer.ok().map(|tokenizer| Box::new(tokenizer) as Box<dyn CountTokens>);
    }
    let probed = ServerTokenizer::probe(&setup.opened.endpoint, &setup.opened.model);
    let tokenizer = probed.inspect_err(|error| setup.voice.note(&format!("{error:#}")));
    tokenizer.ok().flatten().map(|tokenizer| Box::new(tokenizer) as Box<dyn CountTokens + 'a>)
}

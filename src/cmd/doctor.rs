//! `ttft doctor`: a new document, the same again, and one page on what was seen.

use std::time::Duration;

use super::setup::Setup;
use super::{counters, print};
use crate::cli::doctor::DoctorArgs;
use crate::doctor::{self, Engine, Seen};
use crate::document::{CountTokens, Document, Heuristic};
use crate::endpoint::RESETS;
use crate::exit::Exit;
use crate::plan::{Arm, Role};
use crate::progress::Voice;
use crate::sample::Place;
use crate::session::{Ask, Manner, Unwatched};
use crate::wire::body::Conversation;
use crate::wire::metrics;

/// Tokens of the document: more than the 1,024 that some caches ask for.
const DOCUMENT: u64 = 1_500;

/// How long an address may take to take a connection.
const LISTENS: Duration = Duration::from_secs(2);

/// The variables that other clients take a proxy from.
const PROXIES: [&str; 6] = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// Looks at the server and prints the page.
///
/// # Errors
/// A server that cannot be reached.
pub fn run(args: &DoctorArgs) -> anyhow::Result<Exit> {
    let voice = Voice::new(&args.session.output);
    let setup = Setup::of(&args.session, voice)?;
    let opened = &setup.opened;
    let counter = setup.counter()?;
    let asked = setup.context_tokens().map_or(DOCUMENT, |context| DOCUMENT.min(context / 2));
    let document = Document::synthetic(setup.nonce, "doctor", asked, &*counter)?;
    let mut session = setup.session(Manner { reuse: true, ..setup.manner() });
    let mut meter = setup.meter();
    let has_counters = meter.is_some();
    let mut send = |arm| {
        let conversation = Conversation { nonce: None, document: &document.text, prompt: "Summarize this text" };
        let max_tokens = args.session.pace.max_tokens;
        let ask = Ask { arm, role: Role::Measure, place: Place::default(), conversation, max_tokens };
        counters::metered(&mut meter, || session.perform(&ask, &mut Unwatched))
    };
    let (cold, replay) = (send(Arm::Cold), send(Arm::Hit));
    if session.is_interrupted() {
        return Ok(Exit::Interrupted);
    }
    let source = opened.context.as_ref().map(|context| context.source);
    let engine = Engine::of(opened.server.as_deref(), source);
    // llama.cpp answers OPTIONS of any path.
    let shown = engine.filter(|engine| *engine != Engine::LlamaCpp);
    let reset = RESETS.iter().find(|reset| shown.is_some_and(|engine| engine.name() == reset.engine));
    let is_ok = cold.outcome.is_ok();
    let seen = Seen {
        url: opened.endpoint.base.url(),
        addresses: opened.endpoint.route.listeners(LISTENS),
        proxy: opened.endpoint.route.proxy.as_ref().map(|proxy| format!("{}:{}", proxy.host, proxy.port)),
        proxy_variables: PROXIES
            .iter()
            .filter(|name| std::env::var_os(name).is_some())
            .map(ToString::to_string)
            .collect(),
        models: opened.models.len(),
        model: opened.model.clone(),
        context: opened.context.as_ref().map(|context| (context.tokens, context.source)),
        asks_outside: counters::page(&opened.endpoint).as_deref().and_then(metrics::asks_outside),
        has_reset: reset.and_then(|reset| opened.endpoint.has_reset(reset)),
        engine,
        tokenizer: Some(counter.name()).filter(|name| *name != Heuristic.name()),
        has_counters,
        document_tokens: document.context_tokens,
        cold,
        replay,
    };
    let lines: Vec<String> = doctor::page(&seen).iter().map(|line| format!("{line}\n")).collect();
    print(&opened.endpoint.secrets.hide(&lines.concat()));
    Ok(if is_ok { Exit::Ok } else { Exit::Inconclusive })
}

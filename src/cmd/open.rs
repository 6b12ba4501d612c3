//! From flags to an endpoint that answered: the simulated one where asked, else the server at `--api_base`.

use anyhow::{Context, bail};

use super::{UsageError, advice};
use crate::cli::{EndpointArgs, SessionArgs, Stamps};
use crate::endpoint::{self, Base, ContextFrom, Endpoint, Login, Model};
use crate::net::{Route, StampSource, Stopwatch, Trust};
use crate::progress::Voice;
use crate::session::Interrupt;
use crate::sim::server::{Sim, SimConfig};
use crate::tokens::hub::Hub;

/// A server that answered, and the model to ask.
pub struct Opened {
    pub endpoint: Endpoint,
    pub model: String,
    /// All that the server lists.
    pub models: Vec<String>,
    pub context: Option<ContextFrom>,
    /// What the server says it is, by who owns its model.
    pub server: Option<String>,
    /// LMCache's own server, where `--lmcache_url` names one. Nothing but its counters is asked of it.
    pub lmcache: Option<Endpoint>,
    /// Where tokenizers are looked for.
    pub hub: Hub,
    /// Serves as long as this lives.
    _sim: Option<Sim>,
}

/// Opens the endpoint that the flags name.
pub fn open(session: &SessionArgs, interrupt: &Interrupt, voice: Voice) -> anyhow::Result<Opened> {
    let args = &session.endpoint;
    let sim = args.sim.as_deref().map(start_sim).transpose()?;
    let url = match (&sim, session.port) {
        (Some(sim), _) => sim.base_url(),
        (None, Some(port)) => format!("http://localhost:{port}/v1"),
        (None, None) => args.api_base.clone(),
    };
    let base = Base::parse(&url).map_err(|error| UsageError(format!("--api_base: {error}")))?;
    let proxy = args.proxy.as_deref().filter(|_| sim.is_none()).map(endpoint::proxy).transpose();
    let proxy = proxy.map_err(|error| UsageError(format!("--proxy: {error}")))?;
    let trust = trust(args, base.target.tls)?;
    let route = Route::resolve(base.target.clone(), proxy, trust)
        .map_err(|error| anyhow::anyhow!("{error}; check the host in --api_base"))?;
    let source = match args.stamps {
        Stamps::Kernel => StampSource::Kernel,
        Stamps::Read => StampSource::Read,
    };
    let stopwatch = Stopwatch::start(source).context("cannot start the stopwatch's threads")?;
    if source == StampSource::Kernel && stopwatch.source() == StampSource::Read {
        voice.warn("this system stamps nothing it receives; the clock at the read is used, and the samples say so");
    }
    let headers = args.header.iter().map(|header| (header.name.clone(), header.value.clone())).collect();
    let login = Login { api_key: args.api_key.0.clone(), headers };
    let endpoint = Endpoint::new(stopwatch, base, route, login);
    voice.detail(&format!("{} is at {:?}", endpoint.base.url(), endpoint.route.addresses()));
    identify(endpoint, session, interrupt, sim)
}

/// Asks for the models and the context.
fn identify(
    endpoint: Endpoint,
    session: &SessionArgs,
    interrupt: &Interrupt,
    sim: Option<Sim>,
) -> anyhow::Result<Opened> {
    let args = &session.endpoint;
    let hub = Hub::from_env(|name| std::env::var_os(name), args.proxy.clone());
    let lmcache = args.lmcache_url.as_deref().map(lmcache).transpose()?;
    let wait = args.wait.map(|span| span.0);
    let listing = match endpoint.await_models(wait, interrupt.flag()) {
        Ok(answer) => answer,
        Err(error) => bail!("{}", advice::unasked(&error)),
    };
    let listed = Model::list(&listing.body).filter(|_| listing.status == 200);
    // Without a list a server may still answer, if the user names the model.
    let is_no_listing = matches!(listing.status, 200 | 404 | 405);
    let models = match (listed, &args.model) {
        (Some(models), _) => models,
        (None, Some(_)) if is_no_listing => Vec::new(),
        (None, _) => {
            let url = format!("{}/models", endpoint.base.url());
            let said = endpoint.secrets.hide(&advice::refused(&url, &listing));
            match listing.status {
                200 => bail!(
                    "{url} answered 200, but not with a list of models; check --api_base, or name the model with --model"
                ),
                404 | 405 => bail!("{said}; or name the model with --model, if only the list is missing"),
                _ => bail!("{said}"),
            }
        }
    };
    let model = match (&args.model, models.first()) {
        (Some(model), _) => model.clone(),
        (None, Some(first)) => first.id.clone(),
        (None, None) => bail!("{}/models lists no model; load one, or name it with --model", endpoint.base.url()),
    };
    let context = match session.tokens.model_ctx {
        Some(tokens) => Some(ContextFrom { tokens: tokens.0, source: "--model_ctx" }),
        None => endpoint.context(&listing.body, &model).or_else(|| {
            let tokens = hub.model_ctx(&model)?;
            Some(ContextFrom { tokens, source: "tokenizer_config.json" })
        }),
    };
    let server = models.iter().find(|listed| listed.id == model).and_then(|listed| listed.owned_by.clone());
    let models = models.into_iter().map(|listed| listed.id).collect();
    Ok(Opened { endpoint, model, models, context, server, lmcache, hub, _sim: sim })
}

fn lmcache(url: &str) -> anyhow::Result<Endpoint> {
    let base = Base::parse(url).map_err(|error| UsageError(format!("--lmcache_url: {error}")))?;
    let route = Route::resolve(base.target.clone(), None, Trust::anyone())
        .map_err(|error| anyhow::anyhow!("{error}; check the host in --lmcache_url"))?;
    let stopwatch = Stopwatch::start(StampSource::Read).context("cannot start the stopwatch's threads")?;
    Ok(Endpoint::new(stopwatch, base, route, Login::default()))
}

fn start_sim(profile: &str) -> anyhow::Result<Sim> {
    let profile = profile.parse().map_err(|error| UsageError(format!("--sim: {error}")))?;
    Ok(Sim::start(SimConfig { profile, ..SimConfig::default() })?)
}

fn trust(args: &EndpointArgs, tls: bool) -> anyhow::Result<Trust> {
    if let Some(path) = &args.ca_file {
        let text =
            std::fs::read(path).with_context(|| format!("cannot read the certificates in {}", path.display()))?;
        return Trust::pem(&text).map_err(|reason| {
            anyhow::anyhow!("{} holds no certificates that can be used: {reason}; --ca_file wants PEM", path.display())
        });
    }
    // The system's roots take milliseconds to read, and nobody needs them without TLS.
    Ok(if args.insecure || !tls { Trust::anyone() } else { Trust::system() })
}

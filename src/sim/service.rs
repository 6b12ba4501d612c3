//! What the server does with a connection and with a request on it, up to the head of the response.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONNECTION, HeaderMap, HeaderName, HeaderValue, SERVER};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::{Method, Request, Version};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::cache::SpecError;
use super::call::{self, Call, CallError, Kind};
use super::engine::{Arrival, Engine};
use super::faults::{FaultKind, Faults};
use super::flavor::Flavor;
use super::flavor::refusal::Problem;
use super::fleet::By;
use super::profile::Isolate;
use super::prompt::mix;
use super::reply::{self, Reply};
use super::routes::{self, Found, Query};
use super::script::{Script, Title};
use super::server::{ALIASES, SimConfig};
use super::socket::{Socket, Turn, Wire};
use super::stream::{Answer, Stage, Ticket};
use super::timer::Timer;
use super::tokenizer::Words;
use super::truth::{Truth, TruthLog};
use crate::clock::{Clock, Monotonic, Stamp};

/// A server, but for its socket.
pub(super) struct Service {
    engine: Arc<Mutex<Engine>>,
    models: Vec<String>,
    flavor: Flavor,
    faults: Faults,
    log: Arc<TruthLog>,
    stop: Arc<Notify>,
    /// Requests of any kind, and completion requests among them.
    requests: AtomicU64,
    completions: AtomicU64,
}

/// A request that has been received.
struct Asked {
    head: Parts,
    body: Bytes,
    turn: Turn,
}

/// llama.cpp's server closes a connection after this many requests.
const LLAMACPP_REQUESTS: u64 = 100;

impl Service {
    pub fn new(config: SimConfig, log: Arc<TruthLog>, stop: Arc<Notify>) -> Result<Service, SpecError> {
        let SimConfig { mut profile, flavor, faults, seed, .. } = config;
        faults.apply(&mut profile);
        let models = std::iter::once(profile.model.as_str()).chain(ALIASES).map(str::to_owned).collect();
        let engine = Arc::new(Mutex::new(Engine::new(profile, seed)?));
        let (requests, completions) = Default::default();
        Ok(Service { engine, models, flavor, faults, log, stop, requests, completions })
    }

    /// Serves until it is stopped. The end of the runtime then ends all connections.
    pub async fn serve(self, listener: TcpListener, timer: Arc<Timer>) {
        let service = Arc::new(self);
        for connection in 1.. {
            let accepted = tokio::select! {
                () = service.stop.notified() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => drop(tokio::spawn(service.clone().connect(stream, connection, timer.clone()))),
                // Out of descriptors, most likely: they come back when connections end.
                Err(_) => timer.until(Monotonic.now().after(Duration::from_millis(10))).await,
            }
        }
    }

    /// Serves one connection until it ends or has been idle too long.
    async fn connect(self: Arc<Service>, stream: TcpStream, connection: u64, timer: Arc<Timer>) {
        // A socket without options is told by its first read what is wrong.
        let _ = stream.set_nodelay(!self.faults.has(FaultKind::Nagle, 0));
        let wire = Arc::new(Wire::new(connection));
        let keep_alive = self.engine().profile.keep_alive_ns.map(Duration::from_nanos);
        let service = hyper::service::service_fn(|request| self.answer(request, wire.clone(), timer.clone()));
        let socket = TokioIo::new(Socket::new(stream, wire.clone()));
        let mut serving = std::pin::pin!(http1::Builder::new().serve_connection(socket, service));
        while let Some(keep_alive) = keep_alive {
            let closes = wire.idle_since().unwrap_or_else(|| Monotonic.now()).after(keep_alive);
            tokio::select! {
                // How a connection ended is the client's to judge.
                _ = serving.as_mut() => return,
                () = timer.until(closes) => {}
            }
            if wire.idle_since().is_some_and(|idle| idle.after(keep_alive) <= Monotonic.now()) {
                serving.as_mut().graceful_shutdown();
                break;
            }
        }
        let _ = serving.await;
    }

    async fn answer(&self, request: Request<Incoming>, wire: Arc<Wire>, timer: Arc<Timer>) -> io::Result<Reply> {
        let turn = Turn::begin(wire);
        let on_connection = turn.nth;
        if on_connection > 1 && self.faults.has(FaultKind::RstOnReuse, 0) {
            turn.wire.reset();
            return Err(io::Error::other("the connection was used before"));
        }
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let mut reply = self.route(Asked { head, body, turn }, timer).await?;
        let headers = reply.headers_mut();
        if let Some(server) = self.flavor.shape().server {
            headers.insert(SERVER, HeaderValue::from_static(server));
        }
        if self.flavor == Flavor::LlamaCpp {
            headers.insert(HeaderName::from_static("keep-alive"), HeaderValue::from_static("timeout=5, max=100"));
            if on_connection >= LLAMACPP_REQUESTS {
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
        }
        Ok(reply)
    }

    async fn route(&self, asked: Asked, timer: Arc<Timer>) -> io::Result<Reply> {
        let nth = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let path = asked.head.uri.path();
        if self.faults.number(FaultKind::Loading, 0).is_some_and(|refused| nth <= refused) {
            return Ok(self.refused(&Problem::Loading));
        }
        if path.starts_with("/v1/") && self.faults.has(FaultKind::NoV1, 0) {
            return Ok(self.refused(&Problem::NotFound));
        }
        match (&asked.head.method, path) {
            (&Method::POST, "/v1/chat/completions") => self.complete(Kind::Chat, asked, timer).await,
            (&Method::POST, "/v1/completions") => self.complete(Kind::Completions, asked, timer).await,
            _ => Ok(self.beside(&asked.head, &asked.body)),
        }
    }

    /// A request that is not for a completion.
    fn beside(&self, head: &Parts, body: &[u8]) -> Reply {
        let path = head.uri.path();
        if path.starts_with("/v1/")
            && let Some(reply) = reply::of_fault(self.flavor, &self.faults, path, 0)
        {
            return reply;
        }
        let query = Query { method: &head.method, path, query: head.uri.query().unwrap_or(""), body };
        let found = routes::find(self.flavor, &self.faults, &self.models, &mut self.engine(), &query);
        match found {
            Some(Found::Json(value)) => reply::json(200, &value),
            Some(Found::Text(text)) => reply::text("text/plain; version=0.0.4; charset=utf-8", text),
            Some(Found::Empty) => reply::bytes(200, "application/json", Bytes::new()),
            Some(Found::Refused(status, value)) => reply::json(status, &value),
            None => self.refused(&Problem::NotFound),
        }
    }

    /// A request for a completion.
    async fn complete(&self, kind: Kind, asked: Asked, timer: Arc<Timer>) -> io::Result<Reply> {
        let Asked { head, body, turn } = asked;
        let nth = self.completions.fetch_add(1, Ordering::Relaxed) + 1;
        if self.faults.number(FaultKind::DiesAfter, 0).is_some_and(|served| nth > served) {
            turn.wire.reset();
            self.stop.notify_one();
            return Err(io::Error::other("the server has died"));
        }
        let received = turn.wire.received();
        if let Some(reply) = reply::of_fault(self.flavor, &self.faults, head.uri.path(), nth) {
            return Ok(reply);
        }
        let call = match self.read(kind, &body, nth) {
            Ok(call) => call,
            Err(problem) => return Ok(self.refused(&problem)),
        };
        let record = self.log.open(Truth {
            request_id: header(&head.headers, "x-request-id").map(str::to_owned),
            endpoint: kind.name().to_owned(),
            connection: turn.wire.connection,
            received_ns: received.0,
            ..Truth::default()
        });
        let arrival = Arrival {
            ids: &call.ids,
            identity: self.identity(&call, &head.headers, &turn.wire),
            uses_cache: call.cache_prompt || self.flavor != Flavor::LlamaCpp,
        };
        let affinity = |by| affinity(by, &call, &head.headers, &turn.wire);
        let id = self.arrive(arrival, affinity, received);
        let ticket = Ticket { engine: self.engine.clone(), id };
        let script = self.script(&call, nth);
        let mut answer = Answer::new(ticket, script, Stage { turn, record, timer: timer.clone() }, &self.faults, nth);
        if let Some(late) = self.faults.number(FaultKind::SlowHeaders, nth) {
            timer.until(Monotonic.now().after(Duration::from_millis(late))).await;
        }
        if !call.stream || self.faults.has(FaultKind::JsonInsteadOfStream, nth) {
            return Ok(reply::json(200, &answer.whole().await));
        }
        if self.flavor.shape().late_headers {
            answer.until_first().await;
        }
        let mut reply = reply::stream(answer, "text/event-stream; charset=utf-8");
        if self.faults.has(FaultKind::UntilClose, nth) {
            *reply.version_mut() = Version::HTTP_10;
        }
        Ok(reply)
    }

    /// Reads a body and checks it against what the model and the faults allow.
    fn read(&self, kind: Kind, body: &[u8], nth: u64) -> Result<Call, Problem> {
        let (template, context) = {
            let profile = &self.engine().profile;
            (profile.template_tokens, profile.context_tokens)
        };
        let words = Words { part_at_k: self.faults.has(FaultKind::LongWords, nth) };
        let mut call = Call::read(kind, body, template, words).map_err(Problem::Body)?;
        if call.says_ids && self.faults.has(FaultKind::RefuseIds, nth) {
            let message = "prompt: a string is expected and not an array of numbers";
            return Err(Problem::Body(CallError::Malformed(message.to_owned())));
        }
        let is_known = |model: &String| self.flavor.serves_any_model() || self.models.contains(model);
        if let Some(model) = call.model.clone().filter(|model| !is_known(model)) {
            return Err(Problem::UnknownModel { model, known: self.models.clone() });
        }
        let refusals = [
            (FaultKind::RefuseStreamOptions, call.says_stream_options, "stream_options"),
            (FaultKind::RefuseMaxTokens, call.says_max_tokens, "max_tokens"),
            (FaultKind::RefuseTemperature, call.says_temperature, "temperature"),
        ];
        if let Some((.., parameter)) = refusals.into_iter().find(|(kind, says, _)| *says && self.faults.has(*kind, nth))
        {
            return Err(Problem::Unsupported { parameter });
        }
        let answer = call.max_tokens.unwrap_or(0);
        let cut = self.faults.number(FaultKind::TruncatesPrompt, nth);
        if let Some(kept) = cut.or(self.flavor.truncates().then(|| context.saturating_sub(answer))) {
            call.ids.drain(..call.ids.len().saturating_sub(kept as usize));
        }
        let prompt_tokens = call.ids.len() as u64;
        let context = self.faults.number(FaultKind::TooLong, nth).unwrap_or(context);
        if prompt_tokens + answer > context {
            return Err(Problem::TooLong { prompt_tokens, max_tokens: answer, context });
        }
        Ok(call)
    }

    fn arrive(&self, arrival: Arrival, affinity: impl FnOnce(By) -> Option<u64>, received: Stamp) -> u64 {
        let mut engine = self.engine();
        if let Some(tokens) = self.faults.number(FaultKind::ForeignTraffic, 0) {
            engine.counters.prompt_tokens += tokens;
            engine.counters.hit_tokens[0] += tokens / 2;
            engine.counters.requests += 1;
        }
        engine.arrive(arrival, affinity, received)
    }

    fn script(&self, call: &Call, nth: u64) -> Script {
        let named = call.model.as_ref().filter(|_| !self.flavor.serves_any_model());
        let title = Title {
            model: named.unwrap_or(&self.models[0]),
            nth,
            created: Monotonic.wall().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        };
        Script::new(self.flavor, call, title, &self.engine().profile, &self.faults)
    }

    /// Whose tokens the request's are.
    fn identity(&self, call: &Call, headers: &HeaderMap, wire: &Wire) -> u64 {
        let key = || headers.get(AUTHORIZATION).and_then(|key| key.to_str().ok()).map(call::name);
        let identity = match self.engine().profile.isolate {
            Isolate::Nothing => None,
            Isolate::Salt => call.salt,
            Isolate::Key => key(),
            Isolate::User => call.user,
            Isolate::PromptCacheKey => call.prompt_cache_key,
            Isolate::Connection => Some(wire.connection),
        };
        identity.unwrap_or(0)
    }

    fn refused(&self, problem: &Problem) -> Reply {
        reply::refused(self.flavor, problem)
    }

    fn engine(&self) -> MutexGuard<'_, Engine> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a request has of a thing that routers look at.
fn affinity(by: By, call: &Call, headers: &HeaderMap, wire: &Wire) -> Option<u64> {
    const PREFIX: usize = 256;
    match by {
        By::Prefix => Some(call.ids.iter().take(PREFIX).fold(0, |state, id| mix(state, (*id).into()))),
        By::Connection => Some(wire.connection),
        By::PromptCacheKey => call.prompt_cache_key,
        By::Header => header(headers, "x-session-id").map(call::name),
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

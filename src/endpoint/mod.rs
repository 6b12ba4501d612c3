//! The server: where it is, what it can do, what may be asked of it. Found out by probing, never from a version string.

mod base;
mod models;
mod resets;
mod secrets;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use base64::Engine as _;

pub use base::{Base, BaseError, proxy};
pub use models::{ContextFrom, Model};
pub use resets::{RESETS, Reset};
pub use secrets::Secrets;

use crate::clock::{Clock, Monotonic};
use crate::net::{Connection, DialError, Ending, Event, Exchange, Keep, Outgoing, Route, Stopwatch};
use crate::wire::http1::{Connection as Wish, Head, Method, Request};
use crate::wire::refusal::{Refusal, classify};

/// How long anything but a measured request may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The header of a login.
pub const AUTHORIZATION: &str = "Authorization";

/// A server that can be asked.
#[derive(Debug)]
pub struct Endpoint {
    pub stopwatch: Stopwatch,
    pub base: Base,
    pub route: Route,
    pub secrets: Secrets,
    headers: Vec<(String, String)>,
}

/// Who asks: the headers that go with every request.
#[derive(Debug, Clone, Default)]
pub struct Login {
    pub api_key: String,
    pub headers: Vec<(String, String)>,
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub head: Head,
    pub body: Vec<u8>,
}

/// Why there is no answer. The text is a sentence without its end.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error("{url} did not answer within {} s", PATIENCE.as_secs())]
    Silent { url: String },
    #[error("{url} gave no answer: {reason}")]
    Broken { url: String, reason: String },
}

impl Endpoint {
    pub fn new(stopwatch: Stopwatch, base: Base, route: Route, login: Login) -> Endpoint {
        let mut headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
        let basic = base.userinfo.as_ref().map(|userinfo| base64::engine::general_purpose::STANDARD.encode(userinfo));
        let authorization = match &basic {
            Some(token) => format!("Basic {token}"),
            None => format!("Bearer {}", login.api_key),
        };
        headers.push((AUTHORIZATION.to_owned(), authorization));
        let mut secrets = vec![login.api_key];
        secrets.extend(login.headers.iter().map(|(_, value)| value.clone()));
        secrets.extend(basic);
        secrets.extend(base.userinfo.iter().filter_map(|userinfo| Some(userinfo.split_once(':')?.1.to_owned())));
        secrets.extend(base.query.clone());
        secrets.extend(route.proxy.iter().filter_map(|proxy| proxy.userinfo.clone()));
        headers.extend(login.headers);
        Endpoint { stopwatch, base, route, secrets: Secrets::new(secrets), headers }
    }

    /// The bytes of a request: head and body. The client's own headers come last, so that a user's replace ours.
    pub fn encode(
        &self,
        method: Method,
        target: &str,
        more: &[(&str, &str)],
        body: Option<&[u8]>,
        wish: Wish,
    ) -> Vec<u8> {
        let host = self.base.target.authority();
        let mut headers: Vec<(&str, &str)> = more.to_vec();
        // Another login replaces the usual one.
        let is_other_login = more.iter().any(|(name, _)| *name == AUTHORIZATION);
        let own = self.headers.iter().filter(|(name, _)| !(is_other_login && name == AUTHORIZATION));
        headers.extend(own.map(|(name, value)| (name.as_str(), value.as_str())));
        Request { method, target, host: &host, connection: wish, headers: &headers, body }.encode()
    }

    /// Opens a connection for a measured request.
    ///
    /// # Errors
    /// [`DialError`].
    pub fn open(&self, limit: Duration) -> Result<Connection, DialError> {
        self.stopwatch.open(&self.route, limit)
    }

    /// Asks for something that is not measured, on a connection of its own.
    ///
    /// # Errors
    /// [`AskError`]; any status is an answer.
    pub fn ask(&self, method: Method, target: &str, body: Option<&[u8]>) -> Result<Answer, AskError> {
        let url = || format!("{}{target}", self.base.url().strip_suffix(&self.base.path).unwrap_or_default());
        let mut connection = self.open(PATIENCE)?;
        let bytes = self.encode(method, target, &[], body, Wish::Close);
        let (sender, news) = mpsc::channel();
        let deadline = Monotonic.now().after(PATIENCE);
        connection.send(&Outgoing { flight: 0, method, bytes: &bytes, keep: Keep::default() }, sender);
        let exchange = loop {
            match news.recv_timeout(Monotonic.now().until(deadline)) {
                Ok(news) => {
                    if let Event::End(exchange) = news.event {
                        break exchange;
                    }
                }
                Err(_) => return Err(AskError::Silent { url: url() }),
            }
        };
        let Exchange { head, body, ending, .. } = *exchange;
        match (head, ending) {
            (Some(head), Ending::Complete) => Ok(Answer { status: head.status, head, body }),
            (_, ending) => Err(AskError::Broken { url: url(), reason: self.secrets.hide(&ending.to_string()) }),
        }
    }

    /// Asks again and again for as long as the server says that it is loading, or nobody listens yet; at most `limit`,
    /// and until `stop`.
    ///
    /// # Errors
    /// The last [`AskError`] when the time is up.
    pub fn await_models(&self, limit: Option<Duration>, stop: &AtomicBool) -> Result<Answer, AskError> {
        const PAUSE: Duration = Duration::from_millis(500);
        let deadline = Monotonic.now().after(limit.unwrap_or_default());
        loop {
            let answer = self.ask(Method::Get, &self.base.api("models"), None);
            let is_up = match &answer {
                Ok(answer) => !is_loading(answer),
                Err(AskError::Dial(DialError::Connect { .. }) | AskError::Silent { .. }) => false,
                Err(_) => true,
            };
            let now = Monotonic.now();
            if is_up || now >= deadline || stop.load(Ordering::Relaxed) {
                return answer;
            }
            Monotonic.sleep_until(now.after(PAUSE).min(deadline));
        }
    }
}

/// Whether the server says to come again when its model is there.
pub fn is_loading(answer: &Answer) -> bool {
    answer.status == 503 && matches!(classify(answer.status, &answer.body).refusal, Refusal::Loading)
}

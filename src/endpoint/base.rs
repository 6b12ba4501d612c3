//! Base URLs, in every form that people write.
//!
//! | written | base path |
//! |---|---|
//! | `http://host:8000/v1`, with or without a slash at the end | `/v1` |
//! | `http://host:8000` | `/v1` |
//! | `http://host/openai/v1/chat/completions`, `.../completions`, `.../models` | `/openai/v1` |
//! | `host:8000` | `/v1`, over plain HTTP |
//!
//! `/metrics`, `/tokenize` and their like live beside `/v1` and not under it.

use url::Url;

use crate::net::{Proxy, Target};

/// A base URL, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    pub target: Target,
    /// Of the API, without a slash at its end: `/v1`.
    pub path: String,
    /// `user:password` of the URL, sent as basic authentication.
    pub userinfo: Option<String>,
    /// Sent with every request to the API; Azure keeps its version there.
    pub query: Option<String>,
}

/// What cannot be a base URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BaseError {
    #[error("cannot read the URL {shown:?}: {reason}; write it as http://HOST:PORT/v1")]
    Unreadable { shown: String, reason: String },
    #[error("cannot use the URL {shown:?}: its scheme is {scheme:?}; only http and https are spoken")]
    Scheme { shown: String, scheme: String },
}

impl Base {
    /// Reads a base URL.
    ///
    /// # Errors
    /// [`BaseError`].
    pub fn parse(text: &str) -> Result<Base, BaseError> {
        let (url, target) = read(text)?;
        let path = url.path().trim_end_matches('/');
        let full = ["/chat/completions", "/completions", "/models"];
        let path = full.iter().find_map(|end| path.strip_suffix(end)).unwrap_or(path).trim_end_matches('/');
        let path = if path.is_empty() { "/v1" } else { path };
        // A doubled slash is nobody's path, and some servers redirect it.
        let path = path.split('/').filter(|part| !part.is_empty()).fold(String::new(), |path, part| path + "/" + part);
        Ok(Base { target, path, userinfo: userinfo(&url), query: url.query().map(str::to_owned) })
    }

    /// The path of an API call, such as `models`.
    pub fn api(&self, call: &str) -> String {
        let query = self.query.as_ref().map_or(String::new(), |query| format!("?{query}"));
        format!("{}/{call}{query}", self.path)
    }

    /// The path of something that lives beside the API, such as `/metrics`.
    pub fn beside(&self, path: &str) -> String {
        format!("{}{path}", self.path.strip_suffix("/v1").unwrap_or(""))
    }

    /// The URL as it may be shown: without userinfo and query.
    pub fn url(&self) -> String {
        let scheme = if self.target.tls { "https" } else { "http" };
        format!("{scheme}://{}{}", self.target.authority(), self.path)
    }
}

/// Reads the URL of a proxy.
///
/// # Errors
/// [`BaseError`].
pub fn proxy(text: &str) -> Result<Proxy, BaseError> {
    let (url, target) = read(text)?;
    if target.tls {
        return Err(BaseError::Scheme { shown: target.to_string(), scheme: "https".to_owned() });
    }
    Ok(Proxy { host: target.host, port: target.port, userinfo: userinfo(&url) })
}

fn read(text: &str) -> Result<(Url, Target), BaseError> {
    let text = text.trim();
    let written = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    // What a wrong URL holds in front of an @ may be a password.
    let shown = || written.rsplit('@').next().unwrap_or_default().split('?').next().unwrap_or_default().to_owned();
    let unreadable = |reason: String| BaseError::Unreadable { shown: shown(), reason };
    let url = Url::parse(&written).map_err(|error| unreadable(error.to_string()))?;
    let tls = match url.scheme() {
        "http" => false,
        "https" => true,
        scheme => return Err(BaseError::Scheme { shown: shown(), scheme: scheme.to_owned() }),
    };
    let host = url.host_str().ok_or_else(|| unreadable("it names no host".to_owned()))?.to_owned();
    let port = url.port_or_known_default().ok_or_else(|| unreadable("it names no port".to_owned()))?;
    Ok((url, Target { tls, host, port }))
}

fn userinfo(url: &Url) -> Option<String> {
    let decoded = |text: &str| {
        url::form_urlencoded::parse(text.replace('+', "%2B").as_bytes()).map(|(name, _)| name.into_owned()).next()
    };
    let name = decoded(url.username()).unwrap_or_default();
    let password = url.password().and_then(decoded);
    (!name.is_empty() || password.is_some()).then(|| format!("{name}:{}", password.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_means_the_same_base() {
        let forms = [
            "http://localhost:8000/v1",
            "http://localhost:8000/v1/",
            "http://localhost:8000//v1//",
            "http://localhost:8000",
            "http://localhost:8000/",
            "localhost:8000",
            "localhost:8000/v1",
            " http://localhost:8000/v1/chat/completions ",
            "http://localhost:8000/v1/completions",
            "http://localhost:8000/v1/models/",
        ];
        for form in forms {
            let base = Base::parse(form).unwrap();
            assert_eq!((base.url().as_str(), base.path.as_str()), ("http://localhost:8000/v1", "/v1"), "{form}");
            assert_eq!(base.api("models"), "/v1/models");
            assert_eq!(base.beside("/metrics"), "/metrics");
        }
    }

    #[test]
    fn a_base_may_lie_deeper_and_behind_tls() {
        let base = Base::parse("https://api.example.com/openai/v1").unwrap();
        assert_eq!(base.target, Target { tls: true, host: "api.example.com".to_owned(), port: 443 });
        assert_eq!(base.api("chat/completions"), "/openai/v1/chat/completions");
        assert_eq!(base.beside("/metrics"), "/openai/metrics");
        assert_eq!(Base::parse("http://host/api").unwrap().beside("/metrics"), "/metrics");
    }

    #[test]
    fn userinfo_and_query_are_used_and_not_shown() {
        let base = Base::parse("http://me:p%40ss@host/v1?api-version=2").unwrap();
        assert_eq!(base.userinfo.as_deref(), Some("me:p@ss"));
        assert_eq!(base.api("models"), "/v1/models?api-version=2");
        assert_eq!(base.url(), "http://host/v1");
    }

    #[test]
    fn what_is_no_url_is_said_without_its_secrets() {
        let error = Base::parse("http://me:secret@ho st/v1").unwrap_err().to_string();
        assert!(error.contains("cannot read the URL") && !error.contains("secret"), "{error}");
        assert!(matches!(Base::parse("ftp://host/v1"), Err(BaseError::Scheme { .. })));
        assert!(Base::parse("http://").is_err());
    }

    #[test]
    fn an_ipv6_host_keeps_its_brackets() {
        assert_eq!(Base::parse("http://[::1]:8000").unwrap().url(), "http://[::1]:8000/v1");
    }
}

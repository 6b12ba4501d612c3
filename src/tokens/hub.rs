//! One file from the Hugging Face hub, or from a mirror of it.
//!
//! | variable | what it decides |
//! |---|---|
//! | `HF_ENDPOINT` | the hub; `https://huggingface.co` without it |
//! | `HF_HUB_CACHE`, else `HF_HOME/hub`, else `XDG_CACHE_HOME/huggingface/hub`, else `~/.cache/huggingface/hub` | the cache |
//! | `HF_TOKEN`, else the file at `HF_TOKEN_PATH`, else `HF_HOME/token` | the key; none of it with `HF_HUB_DISABLE_IMPLICIT_TOKEN` but `HF_TOKEN` |
//! | `HF_HUB_OFFLINE` | `1`, `on`, `yes`, `true`: the hub is not asked |
//!
//! Redirects are followed here and not by the HTTP client, since the hub's own answer names the commit and the etag while
//! the bytes come from elsewhere, and since the key is for the hub alone. A proxy is used when the user named one, and
//! never because the environment has one.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use sha2::{Digest, Sha256};
use ureq::http::{HeaderMap, Response};
use ureq::{Agent, Body, Proxy};
use url::Url;

use super::cache::Cache;
use crate::wire::limits;

/// Which hub, with which key, kept where.
#[derive(Clone)]
pub struct Hub {
    /// The hub's address; an error's text when `HF_ENDPOINT` holds none.
    endpoint: String,
    token: Option<String>,
    cache: Cache,
    offline: bool,
    proxy: Option<String>,
}

/// A file and where the hub says it belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    pub bytes: Vec<u8>,
    pub commit: Option<String>,
    pub etag: Option<String>,
}

/// The name of a model on the hub: `org/name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository(String);

const PUBLIC: &str = "https://huggingface.co";

/// The largest tokenizer seen has 34 MB.
const MOST_BYTES: u64 = 256 << 20;
const MOST_REDIRECTS: usize = 5;
const CONNECT: Duration = Duration::from_secs(5);
/// The longest silence, before the answer and within it.
const SILENCE: Duration = Duration::from_secs(15);

impl Hub {
    /// The hub as the environment has it: `var` looks a variable up. `proxy` is what the user named.
    pub fn from_env(var: impl Fn(&str) -> Option<OsString>, proxy: Option<String>) -> Hub {
        let var = |name: &str| var(name).filter(|value| !value.is_empty());
        let text = |name: &str| var(name).and_then(|value| value.into_string().ok());
        let on = |name: &str| {
            text(name).is_some_and(|value| matches!(value.to_lowercase().as_str(), "1" | "on" | "yes" | "true"))
        };
        let home = var("HF_HOME").map(PathBuf::from).unwrap_or_else(|| {
            let caches = var("XDG_CACHE_HOME").map(PathBuf::from);
            caches.unwrap_or_else(|| PathBuf::from(var("HOME").unwrap_or_default()).join(".cache")).join("huggingface")
        });
        let kept_token = || {
            let path = var("HF_TOKEN_PATH").map_or_else(|| home.join("token"), PathBuf::from);
            fs::read_to_string(path).ok().filter(|_| !on("HF_HUB_DISABLE_IMPLICIT_TOKEN"))
        };
        Hub {
            endpoint: text("HF_ENDPOINT").unwrap_or_else(|| PUBLIC.to_owned()),
            token: text("HF_TOKEN").or_else(kept_token).map(|token| token.trim().to_owned()),
            cache: Cache::new(var("HF_HUB_CACHE").map_or_else(|| home.join("hub"), PathBuf::from)),
            offline: on("HF_HUB_OFFLINE"),
            proxy,
        }
    }

    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The context of `model` by its `tokenizer_config.json`, where that is on this machine. It is what the model was made
    /// for; a server may have less, and says so itself.
    pub fn model_ctx(&self, model: &str) -> Option<u64> {
        let path = self.cache.find(model, "tokenizer_config.json")?;
        limits::from_tokenizer_config(&fs::read(path).ok()?)
    }

    /// `model`, when it can be on the hub and the hub may be asked.
    pub fn repository(&self, model: &str) -> Option<Repository> {
        let plain = |part: &str| {
            let named = part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
            named && !part.starts_with('.') && !part.is_empty()
        };
        let (owner, name) = model.split_once('/')?;
        (!self.offline && plain(owner) && plain(name)).then(|| Repository(model.to_owned()))
    }

    /// The file `name` on the main branch of `repository`.
    ///
    /// # Errors
    /// When the hub does not answer, does not give it, or gives less than the whole of it.
    pub fn fetch(&self, repository: &Repository, name: &str) -> anyhow::Result<Fetched> {
        self.follow(repository, name)
            .with_context(|| format!("fetching {name} of {} from {}", repository.0, self.endpoint))
    }

    fn follow(&self, repository: &Repository, name: &str) -> anyhow::Result<Fetched> {
        let agent = self.agent()?;
        let start = format!("{}/{}/resolve/main/{name}", self.endpoint.trim_end_matches('/'), repository.0);
        let hub = Url::parse(&start).context("HF_ENDPOINT is no address")?;
        let (mut url, mut said) = (hub.clone(), Said::default());
        for _ in 0..=MOST_REDIRECTS {
            let mut request = agent.get(url.as_str());
            if let Some(token) = self.token.as_deref().filter(|_| url.origin() == hub.origin()) {
                request = request.header("authorization", format!("Bearer {token}"));
            }
            let response = request.call()?;
            said.note(response.headers());
            match response.status().as_u16() {
                200 => return said.checked(whole(response)?),
                301 | 302 | 303 | 307 | 308 => {
                    let target = header(response.headers(), "location").context("a redirect to nowhere")?;
                    url = url.join(&target).with_context(|| format!("a redirect to {target:?}"))?;
                }
                401 | 403 => {
                    bail!("not allowed; accept the model's terms on the hub and set HF_TOKEN, or use --tokenizer")
                }
                404 => bail!("no such file there"),
                status => bail!("status {status}"),
            }
        }
        bail!("more than {MOST_REDIRECTS} redirects")
    }

    fn agent(&self) -> anyhow::Result<Agent> {
        let proxy = self.proxy.as_deref().map(Proxy::new).transpose().context("--proxy")?;
        let config = Agent::config_builder()
            .proxy(proxy)
            .max_redirects(0)
            .http_status_as_error(false)
            .timeout_resolve(Some(CONNECT))
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(SILENCE))
            .timeout_per_read(Some(SILENCE))
            .user_agent(concat!("ttft/", env!("CARGO_PKG_VERSION")));
        Ok(config.build().new_agent())
    }
}

/// What the answers on the way said about the file. The hub's own come first, and the first word on anything counts.
#[derive(Default)]
struct Said {
    commit: Option<String>,
    etag: Option<String>,
    bytes: Option<u64>,
}

impl Said {
    fn note(&mut self, headers: &HeaderMap) {
        let etag = || {
            let quoted = header(headers, "x-linked-etag").or_else(|| header(headers, "etag"))?;
            Some(quoted.trim_start_matches("W/").trim_matches('"').to_owned())
        };
        self.commit = self.commit.take().or_else(|| header(headers, "x-repo-commit"));
        self.etag = self.etag.take().or_else(etag);
        self.bytes = self.bytes.or_else(|| header(headers, "x-linked-size")?.parse().ok());
    }

    /// The file, if it is all of it and what its name says: the etag of a large file is its SHA-256.
    fn checked(self, bytes: Vec<u8>) -> anyhow::Result<Fetched> {
        if let Some(expected) = self.bytes {
            ensure!(bytes.len() as u64 == expected, "the download has {} of {expected} bytes", bytes.len());
        }
        if let Some(etag) = self.etag.as_deref().filter(|etag| etag.len() == 64) {
            let found: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
            ensure!(found.eq_ignore_ascii_case(etag), "the download has SHA-256 {found} and should have {etag}");
        }
        Ok(Fetched { bytes, commit: self.commit, etag: self.etag })
    }
}

fn whole(response: Response<Body>) -> anyhow::Result<Vec<u8>> {
    let mut body = response.into_body();
    body.with_config().limit(MOST_BYTES).read_to_vec().context("the download broke off")
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hub(vars: &[(&str, &str)]) -> Hub {
        let find = |name: &str| vars.iter().find(|(var, _)| *var == name).map(|(_, value)| OsString::from(value));
        Hub::from_env(find, None)
    }

    #[test]
    fn the_cache_is_where_the_environment_says() {
        for (vars, folder) in [
            (&[("HOME", "/h")][..], "/h/.cache/huggingface/hub"),
            (&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x")], "/x/huggingface/hub"),
            (&[("XDG_CACHE_HOME", "/x"), ("HF_HOME", "/f")], "/f/hub"),
            (&[("HF_HOME", "/f"), ("HF_HUB_CACHE", "/c")], "/c"),
            (&[("HF_HOME", "/f"), ("HF_HUB_CACHE", "")], "/f/hub"),
        ] {
            assert_eq!(hub(vars).cache, Cache::new(folder.into()), "{vars:?}");
        }
    }

    #[test]
    fn the_key_is_the_variable_or_else_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().to_str().unwrap();
        fs::write(folder.path().join("token"), "hf_home\n").unwrap();
        let other = folder.path().join("other");
        fs::write(&other, "hf_path").unwrap();
        for (vars, token) in [
            (&[("HF_HOME", home)][..], Some("hf_home")),
            (&[("HF_HOME", home), ("HF_TOKEN_PATH", other.to_str().unwrap())], Some("hf_path")),
            (&[("HF_HOME", home), ("HF_TOKEN", "hf_var")], Some("hf_var")),
            (&[("HF_HOME", home), ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")], None),
            (&[("HF_TOKEN", "hf_var"), ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")], Some("hf_var")),
            (&[("HF_HOME", "/nowhere")], None),
        ] {
            assert_eq!(hub(vars).token.as_deref(), token, "{vars:?}");
        }
    }

    #[test]
    fn a_models_context_is_read_from_its_configuration_on_this_machine() {
        let folder = tempfile::tempdir().unwrap();
        let hub = hub(&[("HF_HUB_CACHE", folder.path().to_str().unwrap())]);
        assert_eq!(hub.model_ctx("org/name"), None);
        let bytes = br#"{"model_max_length": 32768}"#.to_vec();
        let file = Fetched { bytes, commit: Some("c".to_owned()), etag: Some("e".to_owned()) };
        hub.cache.store("org/name", "tokenizer_config.json", &file).unwrap();
        assert_eq!(hub.model_ctx("org/name"), Some(32_768));
    }

    #[test]
    fn only_a_name_of_the_hubs_form_is_asked_for_and_never_offline() {
        let online = hub(&[]);
        assert_eq!(online.repository("org/name-7B.v0_1"), Some(Repository("org/name-7B.v0_1".to_owned())));
        for model in ["gpt-4o", "/models/local", "org/", "a/b/c", "org/../up", "org/na me", "llama3:8b"] {
            assert_eq!(online.repository(model), None, "{model}");
        }
        for value in ["1", "ON", "yes", "True"] {
            assert_eq!(hub(&[("HF_HUB_OFFLINE", value)]).repository("org/name"), None, "{value}");
        }
        assert!(hub(&[("HF_HUB_OFFLINE", "0")]).repository("org/name").is_some());
    }

    #[test]
    fn a_download_must_have_the_length_and_the_sum_the_hub_named() {
        let sum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let said = |etag: &str, bytes| Said { commit: None, etag: Some(etag.to_owned()), bytes };
        assert!(said(sum, Some(3)).checked(b"abc".to_vec()).is_ok());
        assert!(said("not a sum", None).checked(b"abc".to_vec()).is_ok());
        let short = said("e", Some(3)).checked(b"ab".to_vec()).unwrap_err().to_string();
        assert_eq!(short, "the download has 2 of 3 bytes");
        let wrong = said(sum, None).checked(b"abd".to_vec()).unwrap_err().to_string();
        assert!(wrong.ends_with(&format!("should have {sum}")), "{wrong}");
    }
}

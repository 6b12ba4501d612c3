//! What the server serves: its models, and how long their context is.

use serde::Deserialize;

use super::Endpoint;
use crate::wire::http1::Method;
use crate::wire::limits;

/// Finds a context length in an answer.
type ReadLimit = fn(&[u8]) -> Option<u64>;

/// A model as `/models` lists it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Model {
    pub id: String,
    #[serde(default)]
    pub owned_by: Option<String>,
}

/// A context length and who told it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextFrom {
    pub tokens: u64,
    pub source: &'static str,
}

impl Model {
    /// The models in an answer of `/models`; `None` when it is no such answer.
    pub fn list(body: &[u8]) -> Option<Vec<Model>> {
        #[derive(Deserialize)]
        struct Listing {
            data: Vec<Model>,
        }
        serde_json::from_slice::<Listing>(body).ok().map(|listing| listing.data)
    }
}

impl Endpoint {
    /// The context of `model`: from the listing it is in, or from what llama.cpp and TGI say elsewhere.
    pub fn context(&self, listing: &[u8], model: &str) -> Option<ContextFrom> {
        if let Some(tokens) = limits::from_models(listing, model) {
            return Some(ContextFrom { tokens, source: "/models" });
        }
        let elsewhere: [(&'static str, ReadLimit); 2] = [("/props", limits::from_props), ("/info", limits::from_info)];
        elsewhere.into_iter().find_map(|(source, read)| {
            let answer = self.ask(Method::Get, &self.base.beside(source), None).ok()?;
            let tokens = read(&answer.body).filter(|_| answer.status == 200)?;
            Some(ContextFrom { tokens, source })
        })
    }
}

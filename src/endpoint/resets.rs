//! The endpoints that are said to empty a cache. What they answer proves nothing: vLLM answered 200 for years without
//! looking whether a block was freed, and may leave lower tiers as they are.

use super::Endpoint;
use crate::wire::http1::Method;

/// An endpoint that is said to empty a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reset {
    pub engine: &'static str,
    pub path: &'static str,
    /// What the engine has to be started with.
    pub needs: Option<&'static str>,
}

/// Those that are known, in the order they are tried.
pub const RESETS: [Reset; 3] = [
    Reset {
        engine: "vLLM",
        path: "/reset_prefix_cache?reset_external=true",
        needs: Some("VLLM_SERVER_DEV_MODE=1 in its environment"),
    },
    Reset { engine: "SGLang", path: "/flush_cache", needs: None },
    Reset { engine: "llama.cpp", path: "/slots/0?action=erase", needs: Some("--slot-save-path") },
];

impl Endpoint {
    /// Whether a reset is there, without trying it: a path that exists refuses `OPTIONS` for the method (405), and one that
    /// does not for the path (404). `None` where the server answers otherwise.
    pub fn has_reset(&self, reset: &Reset) -> Option<bool> {
        let path = reset.path.split('?').next().unwrap_or_default();
        match self.ask(Method::Options, &self.base.beside(path), None).ok()?.status {
            405 => Some(true),
            404 => Some(false),
            _ => None,
        }
    }

    /// Asks every reset that the server may have; the one that answered 200, if any did.
    pub fn reset(&self) -> Option<Reset> {
        let answers = |reset: &Reset| {
            let answer = self.ask(Method::Post, &self.base.beside(reset.path), Some(b"{}"));
            answer.is_ok_and(|answer| answer.status == 200)
        };
        RESETS.into_iter().find(answers)
    }
}

//! Where the endpoint is, what it serves and who it looks like.

use super::State::{Missing, Ok, Wrong};
use super::{Engine, Page, Seen};

impl Page {
    pub(super) fn place(&mut self, seen: &Seen) {
        self.say(Ok, "reachable", seen.url.clone());
        self.addresses(seen);
        self.proxy(seen);
        match seen.models {
            0 => self.say(Missing, "models", format!("no list; {} is taken from --model", seen.model)),
            1 => self.say(Ok, "models", seen.model.clone()),
            more => self.say(Ok, "models", format!("{more}, of which {} is asked; --model names another", seen.model)),
        }
        match seen.context {
            Some((tokens, source)) => self.say(Ok, "context", format!("{tokens} tokens, by {source}")),
            None => self.say(Missing, "context", Engine::name_the_context(seen.engine)),
        }
        match &seen.tokenizer {
            Some(name) => self.say(Ok, "tokenizer", name.clone()),
            None => self.say(
                Missing,
                "tokenizer",
                "none found, lengths are guessed; give a tokenizer.json with --tokenizer",
            ),
        }
        match seen.engine {
            Some(engine) => self.say(Ok, "looks like", engine.name()),
            None => self.say(
                Missing,
                "looks like",
                "no engine that ttft knows by its list of models; what follows is for any server",
            ),
        }
    }

    fn addresses(&mut self, seen: &Seen) {
        let words = |(address, listens): &(std::net::SocketAddr, bool)| {
            format!("{}{}", address.ip(), if *listens { "" } else { " (nobody listens)" })
        };
        let whose = if seen.proxy.is_some() { "of the proxy: " } else { "" };
        let shown = format!("{whose}{}", seen.addresses.iter().map(words).collect::<Vec<_>>().join(", "));
        let listening = seen.addresses.iter().find(|(_, listens)| *listens);
        match (seen.addresses.iter().all(|(_, listens)| *listens), listening) {
            (false, Some((address, _))) => self.say(
                Wrong,
                "addresses",
                format!(
                    "{shown}: a client that tries the wrong one first may lose time there, ttft does not (it dials \
                     before its clock); name {} instead of the host",
                    address.ip()
                ),
            ),
            _ => self.say(Ok, "addresses", shown),
        }
    }

    fn proxy(&mut self, seen: &Seen) {
        let text = match (&seen.proxy, seen.proxy_variables.as_slice()) {
            (Some(proxy), _) => format!("through {proxy}, by --proxy: its time is in every request"),
            (None, []) => "no proxy variable is set".to_owned(),
            (None, set) => {
                format!("{} set and not used; other clients may use it. --proxy goes through one", set.join(", "))
            }
        };
        self.say(Ok, "proxy", text);
    }
}

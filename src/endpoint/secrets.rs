//! What must not be shown: the values of `--api_key` and `--header`, userinfo and queries.

/// The secrets of a session.
#[derive(Clone, Default)]
pub struct Secrets(Vec<String>);

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secrets({})", self.0.len())
    }
}

/// A shorter secret would blank out half of what a server says, and protects nothing.
const SHORTEST: usize = 4;

/// The key that local servers ignore is no secret.
const NO_KEY: &str = "EMPTY";

impl Secrets {
    pub fn new(values: impl IntoIterator<Item = String>) -> Secrets {
        let mut values: Vec<_> = values.into_iter().filter(|v| v.len() >= SHORTEST && v != NO_KEY).collect();
        // A secret that holds another goes first.
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        Secrets(values)
    }

    /// These and one more.
    pub fn and(&self, value: String) -> Secrets {
        Secrets::new(self.0.iter().cloned().chain([value]))
    }

    /// The text with `***` for every secret in it.
    pub fn hide(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| {
            if text.contains(secret.as_str()) { text.replace(secret.as_str(), "***") } else { text }
        })
    }

    /// The same for bytes that may be no text.
    pub fn hide_bytes(&self, bytes: &[u8]) -> Vec<u8> {
        self.0.iter().fold(bytes.to_vec(), |bytes, secret| {
            let mut out = Vec::with_capacity(bytes.len());
            let mut rest = bytes.as_slice();
            while let Some(at) = memchr::memmem::find(rest, secret.as_bytes()) {
                out.extend_from_slice(&rest[..at]);
                out.extend_from_slice(b"***");
                rest = &rest[at + secret.len()..];
            }
            out.extend_from_slice(rest);
            out
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_wherever_they_stand() {
        let secrets = Secrets::new(["sk-12".to_owned(), "sk-1234".to_owned(), "EMPTY".to_owned(), "a".to_owned()]);
        assert_eq!(secrets.hide("sk-1234, sk-12, EMPTY, a"), "***, ***, EMPTY, a");
        assert_eq!(secrets.hide_bytes(b"\xffsk-1234\xfe"), b"\xff***\xfe");
    }
}

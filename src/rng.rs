//! Seeded randomness with named sub-streams, and nonces from the operating system.
//!
//! A seed decides order and arrivals only, so that a run can be repeated. A [`Nonce`] decides the text of every
//! generated document; it comes from the operating system and never from the seed, since a document that a server has
//! seen before is not cold.

use std::fmt;
use std::str::FromStr;

use rand::{Rng, SeedableRng, TryRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The stream of random numbers that `seed` and `name` decide between them. Streams of different names are independent,
/// so that a change in how one thing is drawn leaves all others as they were.
pub fn stream(seed: u64, name: &str) -> ChaCha8Rng {
    keyed(&[&seed.to_le_bytes(), name.as_bytes()])
}

/// 128 bits from the operating system's generator; 32 hexadecimal digits where it is written down.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Nonce([u8; 16]);

impl Nonce {
    /// A fresh nonce.
    ///
    /// # Panics
    /// When the operating system has no randomness to give, since no cold can be guaranteed without it.
    pub fn fresh() -> Nonce {
        let mut bytes = [0; 16];
        rand::rngs::SysRng.try_fill_bytes(&mut bytes).expect("the operating system gives random bytes");
        Nonce(bytes)
    }

    /// The nonce of the part `name` of whatever has this one.
    pub fn derive(self, name: &str) -> Nonce {
        let mut bytes = [0; 16];
        self.stream(name).fill_bytes(&mut bytes);
        Nonce(bytes)
    }

    /// The stream of random numbers from which the document `name` of this nonce is made.
    pub fn stream(self, name: &str) -> ChaCha8Rng {
        keyed(&[&self.0, name.as_bytes()])
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Nonce({self})")
    }
}

/// A nonce was not 32 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a nonce is 32 hexadecimal digits, such as one from an earlier log; found {0:?}")]
pub struct NonceError(String);

impl FromStr for Nonce {
    type Err = NonceError;

    fn from_str(text: &str) -> Result<Nonce, NonceError> {
        let whole = || NonceError(text.to_owned());
        if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(whole());
        }
        u128::from_str_radix(text, 16).map(|n| Nonce(n.to_be_bytes())).map_err(|_| whole())
    }
}

impl From<Nonce> for String {
    fn from(nonce: Nonce) -> String {
        nonce.to_string()
    }
}

impl TryFrom<String> for Nonce {
    type Error = NonceError;

    fn try_from(text: String) -> Result<Nonce, NonceError> {
        text.parse()
    }
}

fn keyed(parts: &[&[u8]]) -> ChaCha8Rng {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    ChaCha8Rng::from_seed(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_and_a_name_decide_the_stream() {
        assert_eq!(stream(7, "order").next_u64(), stream(7, "order").next_u64());
        assert_ne!(stream(7, "order").next_u64(), stream(7, "arrivals").next_u64());
        assert_ne!(stream(7, "order").next_u64(), stream(8, "order").next_u64());
    }

    #[test]
    fn a_nonce_survives_being_printed() {
        let nonce = Nonce::fresh();
        assert_eq!(nonce.to_string().parse(), Ok(nonce));
        assert_eq!("00ff00ff00ff00ff00ff00ff00ff00ff".parse::<Nonce>().unwrap().to_string().len(), 32);
    }

    #[test]
    fn a_nonce_and_a_name_decide_the_nonce_of_a_part() {
        let nonce = Nonce::fresh();
        assert_eq!(nonce.derive("a"), nonce.derive("a"));
        assert_ne!(nonce.derive("a"), nonce.derive("b"));
        assert_ne!(nonce.derive("a"), Nonce::fresh().derive("a"));
    }

    #[test]
    fn anything_else_is_no_nonce() {
        for text in ["", "12", "+0ff00ff00ff00ff00ff00ff00ff00ff", "zzff00ff00ff00ff00ff00ff00ff00ff"] {
            assert!(text.parse::<Nonce>().is_err(), "{text}");
        }
    }

    #[test]
    fn two_fresh_nonces_differ() {
        assert_ne!(Nonce::fresh(), Nonce::fresh());
    }
}

//! Several sizes at once, for a sweep.
//!
//! ```text
//! sizes = part ["," part]...
//! part  = tokens                      1000, 8k
//!       | tokens ".." tokens "*" n    1k..32k*2 is 1k,2k,4k,8k,16k,32k
//!       | tokens ".." tokens "+" n    8k..32k+8k is 8k,16k,24k,32k
//! ```

use std::fmt;
use std::str::FromStr;

use super::parse::Tokens;

/// Sizes in tokens, in the order they were named, each once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sizes(pub Vec<u64>);

/// What could not be read as sizes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected sizes such as 1000,8k,32k or 1k..32k*2, found {0:?}")]
pub struct SizesError(String);

/// More sizes than anyone means.
const MOST: usize = 1_000;

impl FromStr for Sizes {
    type Err = SizesError;

    fn from_str(text: &str) -> Result<Sizes, SizesError> {
        let unread = || SizesError(text.to_owned());
        let mut sizes = Vec::new();
        for part in text.split(',') {
            for size in part_of(part.trim()).ok_or_else(unread)? {
                if !sizes.contains(&size) {
                    sizes.push(size);
                }
            }
        }
        if sizes.contains(&0) || sizes.len() > MOST { Err(unread()) } else { Ok(Sizes(sizes)) }
    }
}

fn part_of(part: &str) -> Option<Vec<u64>> {
    let tokens = |text: &str| text.parse::<Tokens>().ok().map(|Tokens(tokens)| tokens);
    let Some((first, rest)) = part.split_once("..") else { return Some(vec![tokens(part)?]) };
    let (last, next): (u64, Box<dyn Fn(u64) -> Option<u64>>) = if let Some((last, factor)) = rest.split_once('*') {
        let factor: u64 = factor.parse().ok().filter(|factor| *factor > 1)?;
        (tokens(last)?, Box::new(move |size: u64| size.checked_mul(factor)))
    } else {
        let (last, step) = rest.split_once('+')?;
        let step = tokens(step).filter(|step| *step > 0)?;
        (tokens(last)?, Box::new(move |size: u64| size.checked_add(step)))
    };
    let first = tokens(first).filter(|first| (1..=last).contains(first))?;
    let sizes = std::iter::successors(Some(first), |size| next(*size).filter(|next| *next <= last));
    Some(sizes.take(MOST + 1).collect())
}

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, size) in self.0.iter().enumerate() {
            write!(f, "{}{}", if at > 0 { "," } else { "" }, Tokens(*size))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(text: &str) -> Result<Vec<u64>, SizesError> {
        text.parse::<Sizes>().map(|sizes| sizes.0)
    }

    #[test]
    fn sizes_are_listed_or_grow_by_a_factor_or_a_step() {
        assert_eq!(sizes("1000,8k, 32k"), Ok(vec![1_000, 8_000, 32_000]));
        assert_eq!(sizes("1k..32k*2"), Ok(vec![1_000, 2_000, 4_000, 8_000, 16_000, 32_000]));
        assert_eq!(sizes("50,8k..30k+8k"), Ok(vec![50, 8_000, 16_000, 24_000]));
        assert_eq!(sizes("3000,1000,3000"), Ok(vec![3_000, 1_000]), "the order stays, and each comes once");
    }

    #[test]
    fn what_is_no_size_is_refused_whole() {
        for text in ["", "1000,", "0", "1k..2k", "2k..1k*2", "1k..2k*1", "1k..2k+0", "0..4*2", "1..100000+1", "ten"] {
            assert_eq!(sizes(text), Err(SizesError(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn sizes_read_what_they_print() {
        for text in ["50,1k,128k", "1k..32k*2"] {
            let sizes: Sizes = text.parse().unwrap();
            assert_eq!(sizes.to_string().parse(), Ok(sizes));
        }
    }
}

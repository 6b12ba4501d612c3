//! Which of several machines sends a request. Every shard makes the one schedule from the seed and keeps its own part,
//! so that the parts together are exactly the run asked for, whatever their number.

use std::fmt;
use std::str::FromStr;

/// Part `index` of `count`, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    index: u64,
    count: u64,
}

impl Shard {
    pub const WHOLE: Shard = Shard { index: 0, count: 1 };

    /// `None` unless `index` is below `count`.
    pub fn new(index: u64, count: u64) -> Option<Shard> {
        (index < count).then_some(Shard { index, count })
    }

    pub fn index(self) -> u64 {
        self.index
    }

    pub fn count(self) -> u64 {
        self.count
    }

    /// Whether this shard sends the request of this number; give the number of a session for requests that belong to
    /// one, since a conversation stays on one machine.
    pub fn keeps(self, number: u64) -> bool {
        number % self.count == self.index
    }

    /// This shard's part of a closed loop's concurrency; the parts differ by one at most.
    pub fn part_of(self, concurrency: u64) -> u64 {
        concurrency / self.count + u64::from(self.index < concurrency % self.count)
    }

    /// The shard that a launcher tells its processes: a Slurm step, Open MPI, torchrun. `None` without one; an error when
    /// it tells nonsense. A bare `RANK` counts only beside torchrun's own name, since many systems set it.
    pub fn from_launcher(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Shard>, ShardError> {
        let pairs = [
            ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", None),
            ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", None),
            ("RANK", "WORLD_SIZE", Some("TORCHELASTIC_RUN_ID")),
        ];
        let told = pairs.iter().find_map(|(index, count, only_with)| {
            only_with.is_none_or(|name| variable(name).is_some()).then_some(())?;
            Some(format!("{}/{}", variable(index)?, variable(count)?))
        });
        told.map(|text| text.parse()).transpose()
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

/// A text that names no shard.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a shard is i/n with i from 0 to n - 1, such as 0/4; found {0:?}")]
pub struct ShardError(String);

impl FromStr for Shard {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Shard, ShardError> {
        let parts = text.split_once('/').and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
        parts.and_then(|(index, count)| Shard::new(index, count)).ok_or_else(|| ShardError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_concurrency_add_up() {
        for concurrency in [0, 1, 3, 4, 1_000, 1_001] {
            let parts: Vec<u64> = (0..4).map(|index| Shard::new(index, 4).unwrap().part_of(concurrency)).collect();
            assert_eq!(parts.iter().sum::<u64>(), concurrency);
            assert!(parts.iter().max().unwrap() - parts.iter().min().unwrap() <= 1);
        }
    }

    #[test]
    fn a_shard_survives_being_printed_and_nothing_else_is_one() {
        assert_eq!("3/4".parse::<Shard>().unwrap().to_string(), "3/4");
        for text in ["", "4/4", "-1/4", "1", "0/0", "a/b"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }

    fn told(pairs: &[(&str, &str)]) -> Result<Option<Shard>, ShardError> {
        let find = |name: &str| pairs.iter().find(|pair| pair.0 == name).map(|pair| pair.1.to_owned());
        Shard::from_launcher(find)
    }

    #[test]
    fn a_launcher_names_the_shard_but_a_bare_batch_shell_or_rank_does_not() {
        assert_eq!(told(&[("SLURM_PROCID", "2"), ("SLURM_STEP_NUM_TASKS", "4")]), Ok(Shard::new(2, 4)));
        assert_eq!(told(&[("SLURM_PROCID", "0"), ("SLURM_NTASKS", "4")]), Ok(None));
        assert_eq!(told(&[("OMPI_COMM_WORLD_RANK", "1"), ("OMPI_COMM_WORLD_SIZE", "2")]), Ok(Shard::new(1, 2)));
        assert_eq!(told(&[("RANK", "1"), ("WORLD_SIZE", "2")]), Ok(None));
        let torchrun = [("RANK", "1"), ("WORLD_SIZE", "2"), ("TORCHELASTIC_RUN_ID", "x")];
        assert_eq!(told(&torchrun), Ok(Shard::new(1, 2)));
        assert!(told(&[("SLURM_PROCID", "4"), ("SLURM_STEP_NUM_TASKS", "4")]).is_err());
    }
}

//! When the shards of a run begin together: at a moment of the wall clock, or when all of them stand at a barrier.
//!
//! A barrier is a file on a path that all shards see. Each shard says that it is ready in a file of its own, `FILE.0`,
//! `FILE.1` and so on; the first one waits for all of them and writes the moment of the start into `FILE`. The moment is
//! one of the wall clock, since machines have no other clock in common; what is measured after it is not.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};

use super::crew::Crew;
use crate::clock::{Clock, Monotonic, Stamp};
use crate::cmd::UsageError;
use crate::load::shard::Shard;
use crate::progress::Voice;
use crate::rng::Nonce;

/// From the moment when all are ready to the start, so that every shard has read it by then.
const LEAD: Duration = Duration::from_secs(3);

/// How often the shared path is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// How long a shard waits for the others.
const PATIENCE: Duration = Duration::from_secs(600);

/// What is waited for before the load begins.
pub enum Gate {
    /// Nothing.
    Open,
    At(SystemTime),
    Barrier(Barrier),
}

pub struct Barrier {
    file: PathBuf,
    shard: Shard,
    nonce: Nonce,
}

impl Gate {
    /// # Errors
    /// When the moment has passed or cannot be read, or the barrier is one of an earlier run.
    pub fn of(start_at: Option<&str>, barrier: Option<&Path>, shard: Shard, nonce: Nonce) -> anyhow::Result<Gate> {
        match (start_at, barrier) {
            (Some(text), _) => {
                let at = moment(text)?;
                match Monotonic.at(at) {
                    Some(_) => Ok(Gate::At(at)),
                    None => Err(UsageError(format!("--start_at {text} has passed; give a later moment")).into()),
                }
            }
            (None, Some(file)) => {
                let barrier = Barrier { file: file.to_owned(), shard, nonce };
                for left in [barrier.file.clone(), barrier.ready(shard.index())] {
                    if left.exists() {
                        bail!(
                            "the barrier {} is there already, from an earlier run; remove {1} and {1}.*, or name another",
                            left.display(),
                            barrier.file.display()
                        );
                    }
                }
                Ok(Gate::Barrier(barrier))
            }
            (None, None) => Ok(Gate::Open),
        }
    }

    /// Waits for the others, and returns the start; `None` where nothing lines the shards up.
    ///
    /// # Errors
    /// When the start has passed before this shard was ready, or the others do not come.
    pub fn pass(&self, crew: &Crew<'_>, voice: Voice) -> anyhow::Result<Option<Stamp>> {
        let at = match self {
            Gate::Open => return Ok(None),
            Gate::At(at) => *at,
            Gate::Barrier(barrier) => match barrier.wait(crew, voice)? {
                Some(at) => at,
                None => return Ok(None),
            },
        };
        let said = humantime::format_rfc3339_millis(at);
        let Some(start) = Monotonic.at(at) else {
            bail!("the start at {said} passed before this shard was ready; give a later --start_at, or use --barrier");
        };
        voice.note(&format!("the load begins at {said}"));
        Ok(Some(start))
    }
}

impl Barrier {
    /// The file in which a shard says that it is ready.
    fn ready(&self, index: u64) -> PathBuf {
        let mut name = self.file.as_os_str().to_owned();
        name.push(format!(".{index}"));
        PathBuf::from(name)
    }

    /// The moment of the start; `None` when the user stops.
    fn wait(&self, crew: &Crew<'_>, voice: Voice) -> anyhow::Result<Option<SystemTime>> {
        let unwritable = || format!("cannot write at the barrier {}", self.file.display());
        place(&self.ready(self.shard.index()), &self.nonce.to_string()).with_context(unwritable)?;
        voice.note(&format!("ready at the barrier {}", self.file.display()));
        let until = Monotonic.now().after(PATIENCE);
        while !crew.is_over() {
            if let Ok(text) = std::fs::read_to_string(&self.file) {
                return moment(text.trim()).map(Some);
            }
            let absent = self.absent();
            if self.shard.index() == 0 && absent.is_empty() {
                let at = Monotonic.wall() + LEAD;
                place(&self.file, &humantime::format_rfc3339_nanos(at).to_string()).with_context(unwritable)?;
                continue;
            }
            if Monotonic.now() >= until {
                let absent: Vec<String> = absent.iter().map(u64::to_string).collect();
                let who = if absent.is_empty() { "0".to_owned() } else { absent.join(", ") };
                bail!("waited 10 minutes at the barrier {} for shard {who}; see whether it runs", self.file.display());
            }
            crew.wait(Monotonic.now().after(LOOK));
        }
        Ok(None)
    }

    /// The shards that are not ready. A file with another nonce is of another run.
    fn absent(&self) -> Vec<u64> {
        let nonce = self.nonce.to_string();
        let is_ready = |index: &u64| std::fs::read_to_string(self.ready(*index)).is_ok_and(|text| text == nonce);
        (0..self.shard.count()).filter(|index| !is_ready(index)).collect()
    }
}

/// Writes a file that is there as a whole or not at all.
fn place(path: &Path, text: &str) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    std::fs::write(&name, text)?;
    std::fs::rename(&name, path)
}

/// Seconds since 1970, or RFC 3339.
fn moment(text: &str) -> anyhow::Result<SystemTime> {
    let seconds = text.parse().ok().filter(|seconds: &f64| (0.0..1e11).contains(seconds));
    let seconds = seconds.map(|seconds| SystemTime::UNIX_EPOCH + Duration::from_secs_f64(seconds));
    let unread = || {
        UsageError(format!("{text:?} is no moment; give one such as 2026-01-31T12:00:00Z, or in seconds since 1970"))
    };
    let read = seconds.or_else(|| humantime::parse_rfc3339_weak(text).ok());
    Ok(read.ok_or_else(unread)?)
}

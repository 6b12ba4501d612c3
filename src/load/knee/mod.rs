//! The search for the rate that a server can take, as a machine without I/O: it says which level to load the server with
//! next and is told what came of it.
//!
//! ```text
//! burst    many streams at once, the mix exact in every ten: what the server gets through, its ceiling
//! levels   an open loop at .5 .6 .7 .8 .9 .95 of the ceiling                             each has its queue run empty
//! slo      where limits are to be kept: between the last level that kept them and the first that did not, half way;
//!          then towards the levels that kept them and missed them beyond doubt, the farther one first, until none of
//!          these steps is more than 5 % of the ceiling, or 10 levels; where none kept them, half the lowest
//! ```
//!
//! With limits there are two arms: the load as it is, then the same load of which no request finds anything of another's.
//! The second needs no knee, so that its levels are tried from the middle. Its ceiling is its own.
//!
//! The ceiling comes from a burst and not from ever higher rates: a mix that is exact in every ten knows it to 1 to 2 %
//! after 100 requests, and bisection with a test for a growing queue needs thousands for 6 %.

mod level;
mod limit;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use level::{Answer, Ceiling, Kept, Measured, Standing};
pub use limit::{Limit, Worth};

/// The levels, as shares of the ceiling.
pub const SHARES: [f64; 6] = [0.5, 0.6, 0.7, 0.8, 0.9, 0.95];

/// No two rates that matter are to be farther apart, as a share of the ceiling.
const NEAR: f64 = 0.05;

/// A server that does not keep the limits at this share of its ceiling does not keep them at any rate of interest.
const LOWEST: f64 = 0.05;

/// Most levels of an arm.
pub const MOST_LEVELS: u64 = 10;

/// What requests may find of each other's prompts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reuse {
    /// What the workload lets them find.
    Usual,
    /// Nothing: each prompt begins with a text of its own.
    Nothing,
}

/// A load to put on the server.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    pub reuse: Reuse,
    pub load: Load,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Load {
    /// As many streams at once as saturate it.
    Burst,
    /// An open loop.
    Rate { per_second: f64, of_ceiling: f64 },
}

/// What the machine wants next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Step {
    /// Do this and [`Search::observe`] what came of it.
    Load(Level),
    Done,
}

/// The machine. To stop early is to stop calling: what was measured stands.
#[derive(Debug)]
pub struct Search {
    arms: Vec<Arm>,
    /// The share of requests that has to keep the limits, where there are any.
    asked: Option<f64>,
}

/// The search with one reuse.
#[derive(Debug)]
struct Arm {
    reuse: Reuse,
    ceiling: Option<f64>,
    tried: Vec<Tried>,
    /// Nothing that could follow would say more.
    is_over: bool,
}

#[derive(Debug, Clone, Copy)]
struct Tried {
    of_ceiling: f64,
    has_kept: bool,
    /// `None` where there are no limits.
    standing: Option<Standing>,
}

impl Search {
    /// `asked` is the share of requests that has to keep the limits; `None` finds the knee alone.
    pub fn new(asked: Option<f64>) -> Search {
        let arm = |reuse| Arm { reuse, ceiling: None, tried: Vec::new(), is_over: false };
        let arms = if asked.is_some() { vec![Reuse::Usual, Reuse::Nothing] } else { vec![Reuse::Usual] };
        Search { arms: arms.into_iter().map(arm).collect(), asked }
    }

    /// What to do next. What was asked for before must have been observed.
    pub fn next(&self) -> Step {
        let next = self.arms.iter().find_map(|arm| Some(Level { reuse: arm.reuse, load: arm.next(self.asked)? }));
        next.map_or(Step::Done, Step::Load)
    }

    /// Takes what came of a level.
    pub fn observe(&mut self, measured: &Measured) {
        let asked = self.asked;
        if let Some(arm) = self.arms.iter_mut().find(|arm| arm.reuse == measured.of.reuse) {
            arm.observe(measured, asked);
        }
    }
}

impl Arm {
    fn next(&self, asked: Option<f64>) -> Option<Load> {
        if self.is_over {
            return None;
        }
        let Some(ceiling) = self.ceiling else { return Some(Load::Burst) };
        let of_ceiling = match asked {
            // The knee needs all of them.
            _ if self.reuse == Reuse::Usual && self.untried().next().is_some() => self.untried().next(),
            Some(_) => self.between(),
            None => None,
        }?;
        Some(Load::Rate { per_second: of_ceiling * ceiling, of_ceiling })
    }

    fn untried(&self) -> impl Iterator<Item = f64> {
        SHARES.into_iter().filter(|share| self.tried.iter().all(|tried| tried.of_ceiling != *share))
    }

    /// Where the limits may begin to be missed: among the levels the middle one, then half way, then into whichever side
    /// is longer in doubt.
    fn between(&self) -> Option<f64> {
        let least = |is_it: &dyn Fn(&Tried) -> bool| {
            self.tried.iter().filter(|tried| is_it(tried)).map(|tried| tried.of_ceiling).reduce(f64::min)
        };
        let missed = least(&|tried| !tried.has_kept);
        // What kept them above a level that did not was luck.
        let most = |is_it: &dyn Fn(&Tried) -> bool| {
            let below = self.tried.iter().filter(|tried| missed.is_none_or(|missed| tried.of_ceiling < missed));
            below.filter(|tried| is_it(tried)).map(|tried| tried.of_ceiling).reduce(f64::max)
        };
        let kept = most(&|tried| tried.has_kept);
        let is_open =
            |share: &f64| kept.is_none_or(|kept| *share > kept) && missed.is_none_or(|missed| *share < missed);
        let open: Vec<f64> = self.untried().filter(is_open).collect();
        if let Some(middle) = open.get(open.len() / 2) {
            return Some(*middle);
        }
        let missed = missed?;
        let Some(kept) = kept else { return Some(missed / 2.0).filter(|half| *half >= LOWEST) };
        if missed - kept > NEAR {
            return Some(f64::midpoint(kept, missed));
        }
        let below = kept - most(&|tried| tried.standing == Some(Standing::Kept)).unwrap_or(0.0);
        let top = least(&|tried| tried.standing == Some(Standing::Missed)).unwrap_or(SHARES[SHARES.len() - 1]);
        let above = top - missed;
        match below.max(above) {
            doubt if doubt <= NEAR => None,
            doubt if doubt == above => Some(missed + doubt / 2.0),
            doubt => Some(kept - doubt / 2.0),
        }
    }

    fn observe(&mut self, measured: &Measured, asked: Option<f64>) {
        // A client that cannot keep up at this rate cannot at a higher one.
        if measured.is_void() {
            self.is_over = true;
            return;
        }
        match measured.of.load {
            Load::Burst => {
                self.ceiling = measured.ceiling().map(|ceiling| ceiling.per_second);
                self.is_over = self.ceiling.is_none();
            }
            Load::Rate { of_ceiling, .. } => {
                let kept = asked.and_then(|asked| measured.kept(asked));
                let has_kept = asked.is_none_or(|asked| kept.is_some_and(|kept| kept.share() >= asked));
                self.tried.push(Tried { of_ceiling, has_kept, standing: kept.map(|kept| kept.standing) });
                self.is_over |= self.tried.len() as u64 >= MOST_LEVELS;
            }
        }
    }
}

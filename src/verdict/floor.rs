//! What cannot be seen from here: a difference below the client's own error is no finding about the server.

use super::{Caveat, Claim, Grade, MATERIAL_RATIO, Verdict};
use crate::clock::Nanos;

impl Verdict {
    /// The same, seen by a client that cannot tell differences below `floor_ns` from its own error (see
    /// [`crate::selftest`]); `None` where that was not measured.
    ///
    /// HELPS and HURTS rest on the difference of the medians, NO MATERIAL EFFECT on one of 5 %. A claim that rests on less
    /// than the floor is taken back.
    pub fn seen_from(mut self, floor_ns: Option<Nanos>) -> Verdict {
        let (Some(floor_ns), Some(comparison)) = (floor_ns, &self.comparison) else { return self };
        let rests_on_ns = match self.claim {
            Claim::Helps | Claim::Hurts => comparison.saved_ns().unsigned_abs(),
            Claim::NoMaterialEffect => (comparison.cold_ns as f64 * (MATERIAL_RATIO - 1.0)) as Nanos,
            Claim::Inconclusive => return self,
        };
        if rests_on_ns < floor_ns {
            self.claim = Claim::Inconclusive;
            self.caveats.insert(0, Caveat::BelowFloor { floor_ns });
            self.grade = Grade::of(&self.caveats);
        }
        self
    }

    /// The client's own error, where the claim would rest on less.
    pub fn below_floor(&self) -> Option<Nanos> {
        let of = |caveat: &Caveat| if let Caveat::BelowFloor { floor_ns } = caveat { Some(*floor_ns) } else { None };
        self.caveats.iter().find_map(of)
    }
}

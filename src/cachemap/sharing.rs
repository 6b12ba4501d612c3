//! Sharing: does another identity hit what the usual one stored? Only our own documents, which nobody else can guess.
//!
//! For each identity eight documents are stored by the usual one and looked for once by the other, and as many are looked
//! for by the usual one, in a random order, so that a cache that has lost them is not taken for one that keeps identities
//! apart.

use rand::RngExt;

use super::Probe;
use super::found::Property;
use super::lab::{Lab, Stop};
use crate::plan::map::Stage;
use crate::plan::{Arm, Role};
use crate::rng;

const DOCUMENTS: usize = 8;

pub(super) async fn ask(lab: &mut Lab) -> Result<(), Stop> {
    if lab.design.identities.is_empty() || !lab.levels.is_separable() {
        lab.note(|map| map.give_up("sharing", "no other identity was named, or a hit cannot be told"));
        return Ok(());
    }
    let mut random = rng::stream(lab.design.seed, "sharing");
    let (mut shared, mut apart) = (Vec::new(), Vec::new());
    for (nth, name) in lab.design.identities.clone().into_iter().enumerate() {
        let (mut own, mut other) = (0, 0);
        for _ in 0..DOCUMENTS {
            let mut turns = [(nth + 1, &mut other), (0, &mut own)];
            if random.random_bool(0.5) {
                turns.reverse();
            }
            for (identity, hits) in turns {
                let piece = lab.new_piece(lab.levels.words);
                lab.store(Stage::Sharing, vec![piece]).await?;
                lab.settle().await;
                let probe = lab.probe(Stage::Sharing, Arm::Hit, Role::Measure, vec![piece]);
                let seen = lab.send(Probe { identity, ..probe }).await?;
                *hits += usize::from(lab.levels.is_near_hit(&seen));
            }
        }
        if 2 * own <= DOCUMENTS {
            continue;
        }
        if 2 * other > DOCUMENTS { shared.push(name) } else { apart.push(name) }
    }
    if shared.is_empty() && apart.is_empty() {
        lab.note(|map| map.give_up("sharing", "the usual identity did not find its own documents again"));
        return Ok(());
    }
    let list = |names: &[String]| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let evidence = format!(
        "{DOCUMENTS} documents each, and as many of one's own; shared across another {}; kept apart by another {}",
        list(&shared),
        list(&apart)
    );
    let confidence = lab.levels.confidence();
    lab.note(|map| map.sharing = Property::found(list(&shared), evidence, confidence));
    Ok(())
}

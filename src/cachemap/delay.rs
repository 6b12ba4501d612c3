//! Write-back: how long after its first token a prompt can be hit. A fresh document for every delay, looked for once.

use super::found::Property;
use super::lab::{Lab, Stop};
use super::opening::{DELAYS, FIRST_DELAY_NS};
use crate::plan::map::Stage;

const TRIES: usize = 2;

pub(super) async fn measure(lab: &mut Lab) -> Result<(), Stop> {
    if !lab.levels.is_separable() {
        lab.note(|map| map.give_up("write_back_seconds", "one request does not tell a hit from a miss"));
        return Ok(());
    }
    let mut missed = None;
    for nth in 0..=DELAYS {
        let delay = nth.checked_sub(1).map_or(0, |nth| FIRST_DELAY_NS << nth);
        // A late hit looks like a miss, so a miss is believed the second time.
        for _ in 0..TRIES {
            let seen = loop {
                let piece = lab.new_piece(lab.levels.words);
                lab.store(Stage::Delay, vec![piece]).await?;
                let process = lab.process;
                lab.wait(delay).await;
                let seen = lab.measure(Stage::Delay, vec![piece]).await?;
                // When the map was stopped in between, nobody knows how long that was.
                if lab.process == process {
                    break seen;
                }
            };
            if lab.levels.is_hit(&seen) {
                let seconds = |ns: Option<u64>| ns.unwrap_or(0) as f64 / 1e9;
                let evidence = match missed {
                    None => "a document is found at once".to_owned(),
                    Some(_) => format!("a document is found after {} s and was not before", seconds(Some(delay))),
                };
                let found = Property::found(seconds(Some(delay)), evidence, lab.levels.confidence());
                lab.note(|map| map.write_back_seconds = found.within(seconds(missed), seconds(Some(delay))));
                return Ok(());
            }
        }
        missed = Some(delay);
    }
    lab.note(|map| map.give_up("write_back_seconds", "nothing was found within 10 s"));
    Ok(())
}

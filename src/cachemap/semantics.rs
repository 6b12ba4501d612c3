//! What is a hit? Five questions about bodies A, B, C, D, E, after [A][B] was sent:
//!
//! | sent | a hit means |
//! |---|---|
//! | [A][B][D] | a prompt survives its continuation |
//! | [A][C] | a part of a prefix is found: a real cache of blocks |
//! | [A][E], after [A][C] | a prefix that two prompts share is found once it was seen twice |
//! | [F][A] | a part that is no prefix is found |
//!
//! The replay of the whole is what the opening asked. Each question is asked of three sets of bodies and answered by two.

use super::Piece;
use super::found::{Property, Semantics};
use super::lab::{Lab, Seen, Stop};
use crate::plan::map::Stage;
use crate::stats::robust::median;

/// Words of a body: more than the largest blocks known, of 1,600 tokens or so.
const BODY_WORDS: u64 = 2_048;
const SETS: usize = 3;

pub(super) async fn ask(lab: &mut Lab) -> Result<(), Stop> {
    let body = (BODY_WORDS.max(lab.levels.words / 3)).min(lab.design.most_words / 3);
    let colds = Colds::measure(lab, body).await?;
    let mut votes = [0; 4];
    for _ in 0..SETS {
        let [a, b, c, d, e, f] = std::array::from_fn(|_| lab.new_piece(body));
        lab.store(Stage::Semantics, vec![a, b]).await?;
        lab.settle().await;
        for (nth, pieces) in [vec![a, c], vec![a, e], vec![a, b, d], vec![f, a]].into_iter().enumerate() {
            let shared = match nth {
                2 => 2 * body,
                _ => body,
            };
            let seen = lab.measure(Stage::Semantics, pieces.clone()).await?;
            lab.settle().await;
            votes[nth] += usize::from(colds.is_hit(lab, &seen, &pieces, shared));
        }
    }
    let [diverges, diverges_again, extends, elsewhere] = votes.map(|hits| 2 * hits > SETS);
    let semantics = match (elsewhere, diverges, diverges_again, extends) {
        (true, ..) => Semantics::NonPrefix,
        (_, true, ..) => Semantics::Prefix,
        (_, _, true, _) => Semantics::Units,
        (_, _, _, true) => Semantics::RequestEnd,
        _ => Semantics::Replay,
    };
    let evidence = format!(
        "hits of {SETS}: extension {}, divergence {}, divergence again {}, elsewhere {}, by {}, bodies of {body} words",
        votes[2],
        votes[0],
        votes[1],
        votes[3],
        lab.levels.means()
    );
    let confidence = lab.levels.confidence();
    lab.note(|map| map.semantics = Property::found(semantics, evidence, confidence));
    Ok(())
}

/// Times of unseen prompts of two and three bodies, for the clock to compare with.
struct Colds {
    two: f64,
    three: f64,
    body: u64,
}

impl Colds {
    async fn measure(lab: &mut Lab, body: u64) -> Result<Colds, Stop> {
        let mut times = [0.0; 2];
        if !lab.levels.exact {
            for (at, bodies) in [2, 3].into_iter().enumerate() {
                let mut seen = Vec::new();
                for _ in 0..5 {
                    let pieces = vec![lab.new_piece(bodies * body)];
                    seen.push(lab.store(Stage::Semantics, pieces).await?.ttft);
                }
                times[at] = median(&seen).expect("five were measured");
            }
        }
        Ok(Colds { two: times[0], three: times[1], body })
    }

    fn is_hit(&self, lab: &Lab, seen: &Seen, pieces: &[Piece], shared: u64) -> bool {
        let levels = &lab.levels;
        if levels.exact {
            return seen.cached.is_some_and(|cached| 4 * cached.saturating_sub(levels.template_tokens) >= shared);
        }
        let words: u64 = pieces.iter().map(|piece| piece.words).sum();
        let cold = if words > 2 * self.body { self.three } else { self.two };
        // What is shared takes a third of the time at least; half of that is enough of a difference.
        (cold / seen.ttft).ln() > (3.5 * levels.sigma).clamp(0.2, 0.3)
    }
}

//! A cache in thought: what is kept of documents when they are requested one after the other, to the token.
//!
//! The cache holds spans of documents. A policy says in which order they have to leave ([`Keeping`]), and `leaves` says how:
//! the tail of a span first and no more than is needed (blocks, as in vLLM), or all of it at once (whole documents). What
//! was lost of a document and is stored again lies in another place than what stayed, except under LRU, where a use moves
//! all of it.

use std::collections::BTreeMap;

/// Who has to leave when room is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keeping {
    /// The least recently used.
    Recency,
    /// The first that came.
    Arrival,
    /// The least often used; among equals the least recently used.
    Count,
    /// A second use protects, for up to four fifths of the room.
    SecondUse,
    /// Nobody: what does not fit is not stored.
    Nothing,
}

/// How much leaves at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaves {
    Tail,
    Whole,
}

/// Uses are counted up to here.
const MOST_USES: u32 = 15;
const PROTECTED: u32 = 1;

/// Its place in the order of leaving: uses that count, and the moment.
type Place = (u32, u64);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    document: usize,
    start: u64,
    end: u64,
}

impl Span {
    fn tokens(self) -> u64 {
        self.end - self.start
    }
}

/// The cache.
#[derive(Debug, Clone)]
pub(super) struct Replay {
    keeping: Keeping,
    leaves: Leaves,
    capacity: u64,
    used: u64,
    protected: u64,
    moments: u64,
    /// The first leaves first.
    spans: BTreeMap<Place, Span>,
    /// The places of each document's spans.
    of: Vec<Vec<Place>>,
}

impl Replay {
    pub fn new(capacity: u64, keeping: Keeping, leaves: Leaves) -> Replay {
        Replay { keeping, leaves, capacity, used: 0, protected: 0, moments: 0, spans: BTreeMap::new(), of: Vec::new() }
    }

    /// Asks for the first `tokens` tokens of a document, stores what is missing, and says how many were found from the
    /// first on.
    pub fn request(&mut self, document: usize, tokens: u64) -> u64 {
        if self.of.len() <= document {
            self.of.resize(document + 1, Vec::new());
        }
        let held = self.held(document);
        let found = prefix(&held);
        // What does not fit at all is not stored.
        if tokens <= self.capacity {
            self.keep(document, tokens, &held);
        }
        found.min(tokens)
    }

    /// Tokens of a document that would be found, from the first on.
    pub fn found(&self, document: usize) -> u64 {
        prefix(&self.held(document))
    }

    /// A document's spans in their order.
    fn held(&self, document: usize) -> Vec<(Place, Span)> {
        let places = self.of.get(document).into_iter().flatten();
        let mut held: Vec<(Place, Span)> = places.map(|place| (*place, self.spans[place])).collect();
        held.sort_unstable_by_key(|(_, span)| span.start);
        held
    }

    fn keep(&mut self, document: usize, tokens: u64, held: &[(Place, Span)]) {
        let mut missing = Vec::new();
        let mut end = 0;
        for (_, span) in held {
            if span.start > end && end < tokens {
                missing.push(Span { document, start: end, end: span.start.min(tokens) });
            }
            end = end.max(span.end);
        }
        if end < tokens {
            missing.push(Span { document, start: end, end: tokens });
        }
        if self.keeping == Keeping::Recency {
            held.iter().for_each(|(place, span)| self.take_until(*place, *span, tokens));
            self.make_room(tokens, document);
            return self.put(0, Span { document, start: 0, end: tokens });
        }
        // The tail first, so that the head leaves last.
        for (place, span) in held.iter().rev().filter(|(_, span)| span.start < tokens) {
            let uses = match self.keeping {
                Keeping::Count => (place.0 + 1).min(MOST_USES),
                Keeping::SecondUse => PROTECTED,
                _ => continue,
            };
            self.take_until(*place, *span, tokens);
            self.put(uses, Span { end: span.end.min(tokens), ..*span });
        }
        if self.keeping == Keeping::SecondUse {
            self.shrink_protected();
        }
        if self.keeping == Keeping::Nothing {
            for span in missing {
                let fitting = span.tokens().min(self.capacity - self.used);
                self.put(0, Span { end: span.start + fitting, ..span });
            }
            return;
        }
        for span in missing.into_iter().rev() {
            self.make_room(span.tokens(), document);
            self.put(0, span);
        }
    }

    /// Takes what is used of a span; what lies behind it stays where it is.
    fn take_until(&mut self, place: Place, span: Span, tokens: u64) {
        self.take(place);
        if span.end > tokens {
            self.put_at(place, Span { start: span.start.max(tokens), ..span });
        }
    }

    /// What was protected first loses it, the tail first.
    fn shrink_protected(&mut self) {
        while 5 * self.protected > 4 * self.capacity {
            let excess = self.protected - 4 * self.capacity / 5;
            let Some((&place, &span)) = self.spans.range((PROTECTED, 0)..).next() else { return };
            self.take(place);
            let kept = span.tokens().saturating_sub(excess);
            if kept > 0 {
                self.put_at(place, Span { end: span.start + kept, ..span });
            }
            self.put(0, Span { start: span.start + kept, ..span });
        }
    }

    /// Lets others than `document` leave until `tokens` fit.
    fn make_room(&mut self, tokens: u64, document: usize) {
        while self.used + tokens > self.capacity {
            let Some((&place, &span)) = self.spans.iter().find(|(_, span)| span.document != document) else { return };
            self.take(place);
            let needed = (self.used + span.tokens() + tokens).saturating_sub(self.capacity);
            if self.leaves == Leaves::Tail && needed < span.tokens() {
                self.put_at(place, Span { end: span.end - needed, ..span });
            }
        }
    }

    fn put(&mut self, uses: u32, span: Span) {
        self.moments += 1;
        self.put_at((uses, self.moments), span);
    }

    fn put_at(&mut self, place: Place, span: Span) {
        if span.tokens() == 0 {
            return;
        }
        self.used += span.tokens();
        self.protected += if place.0 >= PROTECTED { span.tokens() } else { 0 };
        self.spans.insert(place, span);
        self.of[span.document].push(place);
    }

    fn take(&mut self, place: Place) {
        let Some(span) = self.spans.remove(&place) else { return };
        self.used -= span.tokens();
        self.protected -= if place.0 >= PROTECTED { span.tokens() } else { 0 };
        self.of[span.document].retain(|other| *other != place);
    }

    /// The documents in the order in which they leave, each with the tokens that are stored until it has left.
    pub fn leaving(&self) -> impl Iterator<Item = (usize, u64)> {
        let mut before = self.capacity.saturating_sub(self.used);
        self.spans.values().map(move |span| {
            before += span.tokens();
            (span.document, before)
        })
    }
}

/// Where the first gap begins.
fn prefix(held: &[(Place, Span)]) -> u64 {
    held.iter().fold(0, |end, (_, span)| if span.start <= end { end.max(span.end) } else { end })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found of documents of 10 tokens that are asked for in turn.
    fn found(capacity: u64, keeping: Keeping, leaves: Leaves, order: &[usize]) -> Vec<u64> {
        let mut replay = Replay::new(capacity, keeping, leaves);
        order.iter().map(|document| replay.request(*document, 10)).collect()
    }

    #[test]
    fn the_tail_of_the_first_to_leave_leaves_first() {
        assert_eq!(found(25, Keeping::Recency, Leaves::Tail, &[0, 1, 2, 0]), [0, 0, 0, 5]);
        assert_eq!(found(25, Keeping::Recency, Leaves::Whole, &[0, 1, 2, 1, 2, 0]), [0, 0, 0, 10, 10, 0]);
    }

    #[test]
    fn a_use_keeps_under_recency_and_not_under_arrival() {
        assert_eq!(found(20, Keeping::Recency, Leaves::Tail, &[0, 1, 0, 2, 0, 1]), [0, 0, 10, 0, 10, 0]);
        assert_eq!(found(20, Keeping::Arrival, Leaves::Tail, &[0, 1, 0, 2, 0, 1]), [0, 0, 10, 0, 0, 0]);
    }

    #[test]
    fn what_was_lost_and_stored_again_lies_in_another_place_under_arrival() {
        // Of 0 the tail left for 2 and comes back at the cost of the tail of 1. That one takes the head of 0, and what is
        // left of 0 is of no use.
        assert_eq!(found(25, Keeping::Arrival, Leaves::Tail, &[0, 1, 2, 0, 2, 1, 0]), [0, 0, 0, 5, 10, 5, 0]);
    }

    #[test]
    fn what_was_used_twice_stays_under_both_kinds_of_frequency() {
        for keeping in [Keeping::Count, Keeping::SecondUse] {
            assert_eq!(found(30, keeping, Leaves::Tail, &[0, 0, 1, 2, 3, 4, 0, 1])[6..], [10, 0], "{keeping:?}");
        }
    }

    #[test]
    fn of_a_document_that_is_used_in_part_the_rest_is_not_used() {
        for keeping in [Keeping::Recency, Keeping::Count, Keeping::SecondUse] {
            let mut replay = Replay::new(30, keeping, Leaves::Tail);
            [(0, 10), (1, 10), (0, 4), (2, 10), (3, 6)].into_iter().for_each(|(document, tokens)| {
                replay.request(document, tokens);
            });
            assert_eq!((replay.found(0), replay.found(1)), (4, 10), "{keeping:?}");
        }
    }

    #[test]
    fn nothing_is_admitted_when_it_is_full() {
        assert_eq!(found(25, Keeping::Nothing, Leaves::Tail, &[0, 1, 2, 2, 0, 3, 3]), [0, 0, 0, 5, 10, 0, 0]);
    }

    #[test]
    fn the_order_of_leaving_counts_the_room_that_is_left() {
        let mut replay = Replay::new(35, Keeping::Recency, Leaves::Tail);
        [0, 1, 2, 0].into_iter().for_each(|document| {
            replay.request(document, 10);
        });
        assert_eq!(replay.leaving().collect::<Vec<_>>(), [(1, 15), (2, 25), (0, 35)]);
    }
}

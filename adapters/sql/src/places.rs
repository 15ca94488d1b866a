//! The places of a page among all matches.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use scim_core::{Page, Position, Query, Start};

/// Finds the places of a page among all matches. Of those that come in any order it keeps no more than lie
/// between the start of the answer (or the given position) and the end of the page; of those that come in
/// the order of the query, no more than are on the page.
pub(crate) struct Places<'q> {
    query: &'q Query,
    /// How many places are kept.
    room: usize,
    /// How many places in front of the page are not kept.
    skipped: u64,
    total: u64,
    /// Matches at or in front of the given position.
    in_front: u64,
    kept: BinaryHeap<Place<'q>>,
}

/// A match. The greatest of all is the one that gives way when there is no more room.
struct Place<'q> {
    query: &'q Query,
    position: Position,
    n: i64,
}

impl<'q> Places<'q> {
    pub(crate) fn new(query: &'q Query, in_order: bool) -> Self {
        let (room, skipped) = match query.page.start {
            Start::Offset(skip) if in_order => (query.page.count, skip),
            Start::Offset(skip) => {
                (usize::try_from(skip).unwrap_or(usize::MAX).saturating_add(query.page.count), 0)
            }
            Start::After(_) | Start::Before(_) => (query.page.count, 0),
        };
        Self { query, room, skipped, total: 0, in_front: 0, kept: BinaryHeap::new() }
    }

    pub(crate) fn offer(&mut self, position: Position, n: i64) {
        self.total += 1;
        let (in_front, wanted) = match &self.query.page.start {
            Start::Offset(_) => (false, self.total > self.skipped),
            Start::After(given) => {
                let in_front = position.compare(given, self.query).is_le();
                (in_front, !in_front)
            }
            Start::Before(given) => {
                let in_front = position.compare(given, self.query).is_lt();
                (in_front, in_front)
            }
        };
        self.in_front += u64::from(in_front);
        if !wanted || self.room == 0 {
            return;
        }
        let place = Place { query: self.query, position, n };
        if self.kept.len() < self.room {
            self.kept.push(place);
        } else if let Some(mut worst) = self.kept.peek_mut()
            && place < *worst
        {
            *worst = place;
        }
    }

    /// The rows of the page in order, and the page without them.
    pub(crate) fn into_page(self) -> (Vec<i64>, Page) {
        let Self { query, total, in_front, kept, skipped, .. } = self;
        let mut places = kept.into_sorted_vec();
        let (from, to) = match query.page.start {
            Start::Offset(skip) => {
                let from = skip.min(total);
                let kept = usize::try_from(from.saturating_sub(skipped)).unwrap_or(usize::MAX);
                places.drain(..kept.min(places.len()));
                (from, from + places.len() as u64)
            }
            Start::After(_) => (in_front, in_front + places.len() as u64),
            Start::Before(_) => {
                places.reverse();
                (in_front - places.len() as u64, in_front)
            }
        };
        let page = Page { resources: Vec::new(), total, more_after: to < total, more_before: from > 0 };
        (places.into_iter().map(|place| place.n).collect(), page)
    }
}

impl Ord for Place<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let order = self.position.compare(&other.position, self.query);
        // In front of a position those nearest to it are wanted: the last ones.
        match self.query.page.start {
            Start::Before(_) => order.reverse(),
            Start::Offset(_) | Start::After(_) => order,
        }
    }
}

impl PartialOrd for Place<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Place<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Place<'_> {}

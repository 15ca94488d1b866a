//! Who looks for attempts, and how much room there is for them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use scim_schema::DateTime;
use tokio::sync::watch;

use super::DispatcherConfig;
use super::health::{closed_until, slots};
use super::look::Queue;
use super::target::Target;
use super::turns::{Rates, Turns};

/// This part of the room for attempts is for endpoints that have none under way. So those that hang, or have a lot, are in
/// nobody's way.
const RESERVED: usize = 4;

/// Who looks and when, and what is remembered. Clones share.
#[derive(Clone, Debug)]
pub(super) struct Search {
    pub(super) holder: Arc<str>,
    pub(super) now: DateTime,
    pub(super) config: DispatcherConfig,
    /// What is under way or not recorded: the endpoint of each delivery, by its position.
    pub(super) taken: Arc<HashMap<i64, i64>>,
    /// Of them, what is being recorded now.
    pub(super) landed: Arc<HashSet<i64>>,
    pub(super) turns: Arc<Turns>,
    pub(super) rates: Arc<Rates>,
    /// Whether the dispatcher is told to stop, where somebody may.
    pub(super) shutdown: Option<watch::Receiver<bool>>,
}

pub(super) fn is_true(shutdown: Option<&watch::Receiver<bool>>) -> bool {
    shutdown.is_some_and(|shutdown| *shutdown.borrow())
}

impl Search {
    pub(super) fn is_taken(&self, position: i64) -> bool {
        self.taken.contains_key(&position) && !self.landed.contains(&position)
    }

    pub(super) fn taken_of(&self, endpoint: i64) -> usize {
        self.taken.iter().filter(|(position, of)| **of == endpoint && !self.landed.contains(position)).count()
    }

    /// For how many attempts there is room in all: for none when the word to stop has come, also while the transaction
    /// was at the database.
    pub(super) fn free(&self) -> usize {
        if is_true(self.shutdown.as_ref()) {
            return 0;
        }
        self.config.concurrency.saturating_sub(self.taken.len().saturating_sub(self.landed.len()))
    }

    /// For how many of them there is room at one endpoint, which has some under way.
    pub(super) fn share(&self, free: usize, under_way: usize) -> usize {
        let first = free.min(usize::from(under_way == 0));
        free.saturating_sub(self.config.concurrency / RESERVED).max(first)
    }
}

/// What may be begun at an endpoint.
pub(super) enum Room {
    /// So many attempts.
    For(usize),
    /// None before then, or before an attempt of this dispatcher ends.
    NotBefore(Option<DateTime>),
    /// None before attempts of this dispatcher end, at whatever endpoint.
    Short,
}

pub(super) fn room(target: &Target, search: &Search, others: Option<&(usize, DateTime)>) -> Room {
    if let Some(end) = closed_until(&target.health, search.now) {
        return Room::NotBefore(Some(end));
    }
    let concurrency = target.concurrency.and_then(|n| usize::try_from(n).ok());
    let slots = slots(&target.health, concurrency.unwrap_or(search.config.per_endpoint));
    let under_way = search.taken_of(target.number) + others.map_or(0, |(count, _)| *count);
    let free = slots.saturating_sub(under_way);
    if free == 0 {
        return Room::NotBefore(others.map(|(_, end)| *end));
    }
    let free = free.min(search.share(search.free(), under_way));
    if free == 0 {
        return Room::Short;
    }
    let Some(rate) = target.rate else { return Room::For(free) };
    match search.rates.allowance(target.number, rate, search.now) {
        (0, next) => Room::NotBefore(next),
        (allowed, _) => Room::For(free.min(allowed)),
    }
}

pub(super) fn earlier(next: &mut Option<DateTime>, other: Option<DateTime>) {
    *next = next.iter().copied().chain(other).min();
}

/// When the next delivery of a queue falls due that is not due now.
pub(super) fn next_of(queue: &Queue, now: DateTime) -> Option<DateTime> {
    if queue.is_paused {
        return None;
    }
    if queue.first > now { Some(queue.first) } else { queue.later }
}

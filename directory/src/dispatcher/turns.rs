//! Whose turn it is, as far as a process remembers it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use scim_schema::DateTime;

use super::look::{Candidate, Queue};

/// So many organizations, and so many endpoints with a rate, are remembered.
const REMEMBERED: usize = 10_000;
/// A rate is so many attempts in this time.
const RATE_TIME: Duration = Duration::from_secs(1);

/// Which directories were served last. An endpoint serves organizations in turn, and of an organization its
/// directories.
#[derive(Clone, Debug, Default)]
pub(super) struct Turns {
    /// Organization and directory that were served last, by endpoint and lane.
    last: HashMap<(i64, i64), (Arc<str>, i64)>,
    /// The directory that was served last, by endpoint and organization.
    within: HashMap<(i64, Arc<str>), i64>,
    /// The endpoint that was served last.
    endpoint: i64,
}

/// An attempt was begun.
#[derive(Clone, Debug)]
pub(super) struct Served {
    pub(super) endpoint: i64,
    pub(super) lane: i64,
    pub(super) organization: Arc<str>,
    pub(super) directory: i64,
    /// Whether the endpoint has a rate.
    pub(super) has_rate: bool,
    pub(super) time: DateTime,
}

impl Turns {
    /// Behind which endpoint the next look begins.
    pub(super) fn after_endpoint(&self) -> i64 {
        self.endpoint
    }

    /// Behind which directory it begins.
    pub(super) fn after_directory(&self, endpoint: i64, lane: i64) -> i64 {
        self.last.get(&(endpoint, lane)).map_or(-1, |(_, directory)| *directory)
    }

    /// The queues of an endpoint's lane in the order of their turns: one of each organization, then one more of each.
    pub(super) fn order(&self, endpoint: i64, lane: i64, mut queues: Vec<Queue>) -> VecDeque<Queue> {
        let last = self.last.get(&(endpoint, lane)).map(|(organization, _)| organization);
        // Those behind the last one come first.
        queues.sort_by_cached_key(|queue| {
            let within = self.within.get(&(endpoint, Arc::clone(&queue.organization)));
            let is_served = within.is_some_and(|last| queue.directory <= *last);
            let organization = Arc::clone(&queue.organization);
            (last.is_some_and(|last| organization <= *last), organization, is_served, queue.directory)
        });
        let mut organizations: Vec<VecDeque<Queue>> = Vec::new();
        for queue in queues {
            match organizations.last_mut() {
                Some(last) if last.back().is_some_and(|q| q.organization == queue.organization) => {
                    last.push_back(queue);
                }
                _ => organizations.push(VecDeque::from([queue])),
            }
        }
        let mut order = VecDeque::new();
        while !organizations.is_empty() {
            organizations.retain_mut(|queues| {
                order.extend(queues.pop_front());
                !queues.is_empty()
            });
        }
        order
    }

    pub(super) fn serve(&mut self, served: &Served) {
        let Served { endpoint, lane, organization, directory, .. } = served;
        self.endpoint = *endpoint;
        self.last.insert((*endpoint, *lane), (Arc::clone(organization), *directory));
        if self.within.len() >= REMEMBERED {
            self.within.clear();
        }
        self.within.insert((*endpoint, Arc::clone(organization)), *directory);
    }
}

/// Candidates of several queues in the order of turns: one of each queue, then one more of each. The queues are
/// in the order of [`Turns::order`].
pub(super) fn interleave(mut queues: Vec<(Queue, VecDeque<Candidate>)>) -> VecDeque<(Queue, Candidate)> {
    let mut order = VecDeque::new();
    while !queues.is_empty() {
        // One of each organization: of two directories of one organization the first that has something.
        let mut served: Vec<Arc<str>> = Vec::new();
        for (queue, candidates) in &mut queues {
            if !served.contains(&queue.organization)
                && let Some(candidate) = candidates.pop_front()
            {
                served.push(Arc::clone(&queue.organization));
                order.push_back((queue.clone(), candidate));
                queue.taken += 1;
            }
        }
        queues.retain(|(_, candidates)| !candidates.is_empty());
        // Whoever was served least is next within an organization.
        queues.sort_by_key(|(queue, _)| (queue.taken, queue.directory));
    }
    order
}

/// When attempts were begun at endpoints that have a rate, as far back as it matters.
#[derive(Clone, Debug, Default)]
pub(super) struct Rates {
    begun: HashMap<i64, VecDeque<DateTime>>,
}

impl Rates {
    /// How many attempts may be begun now, and if none, when the next one may.
    pub(super) fn allowance(&self, endpoint: i64, rate: u32, now: DateTime) -> (usize, Option<DateTime>) {
        let rate = usize::try_from(rate).unwrap_or(usize::MAX);
        let Some(begun) = self.begun.get(&endpoint) else { return (rate, None) };
        let recent: Vec<DateTime> = begun.iter().copied().filter(|time| is_recent(*time, now)).collect();
        let left = rate.saturating_sub(recent.len());
        let next = recent.get(recent.len().saturating_sub(rate)).map(|time| time.plus(RATE_TIME));
        (left, next.filter(|_| left == 0))
    }

    /// An attempt was begun at an endpoint that has a rate.
    pub(super) fn begin(&mut self, endpoint: i64, now: DateTime) {
        if self.begun.len() >= REMEMBERED {
            self.begun.retain(|_, begun| begun.back().is_some_and(|time| is_recent(*time, now)));
        }
        let begun = self.begun.entry(endpoint).or_default();
        while begun.front().is_some_and(|time| !is_recent(*time, now)) {
            begun.pop_front();
        }
        begun.push_back(now);
    }
}

/// A time that lies ahead is of a clock that was set back.
fn is_recent(time: DateTime, now: DateTime) -> bool {
    time <= now && time.plus(RATE_TIME) > now
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(organization: &str, directory: i64) -> Queue {
        Queue {
            endpoint: 1,
            lane: 1,
            directory,
            organization: organization.into(),
            is_paused: false,
            first: DateTime::from_unix_micros(0),
            later: None,
            taken: 0,
        }
    }

    fn directories(order: &VecDeque<Queue>) -> Vec<i64> {
        order.iter().map(|queue| queue.directory).collect()
    }

    fn serve(turns: &mut Turns, organization: &str, directory: i64) {
        let time = DateTime::from_unix_micros(0);
        let organization = organization.into();
        turns.serve(&Served { endpoint: 1, lane: 1, organization, directory, has_rate: false, time });
    }

    #[test]
    fn organizations_take_turns_and_their_directories_too() {
        let mut turns = Turns::default();
        let queues = || vec![queue("a", 1), queue("a", 2), queue("b", 3), queue("c", 4)];
        assert_eq!(directories(&turns.order(1, 1, queues())), [1, 3, 4, 2]);
        serve(&mut turns, "a", 1);
        assert_eq!(directories(&turns.order(1, 1, queues())), [3, 4, 2, 1]);
        serve(&mut turns, "b", 3);
        serve(&mut turns, "a", 2);
        assert_eq!(directories(&turns.order(1, 1, queues())), [3, 4, 1, 2]);
        serve(&mut turns, "b", 3);
        assert_eq!(directories(&turns.order(1, 1, queues())), [4, 1, 3, 2]);
        // Other lanes and endpoints have turns of their own.
        assert_eq!(directories(&turns.order(2, 1, queues())), [1, 3, 4, 2]);
    }

    #[test]
    fn one_of_each_organization_and_then_one_more() {
        let candidates = |from: i64, count: i64| {
            (from..from + count)
                .map(|event| Candidate { event, subject: String::new() })
                .collect::<VecDeque<_>>()
        };
        let queues = vec![
            (queue("a", 1), candidates(10, 5)),
            (queue("b", 2), candidates(20, 2)),
            (queue("a", 3), candidates(30, 2)),
        ];
        let order: Vec<i64> = interleave(queues).into_iter().map(|(_, c)| c.event).collect();
        assert_eq!(order, [10, 20, 30, 21, 11, 31, 12, 13, 14]);
    }

    #[test]
    fn a_rate_is_kept_in_each_second() {
        let at = |millis: i64| DateTime::from_unix_micros(millis * 1000);
        let mut rates = Rates::default();
        assert_eq!(rates.allowance(1, 3, at(0)), (3, None));
        for millis in [0, 100, 200] {
            rates.begin(1, at(millis));
        }
        assert_eq!(rates.allowance(1, 3, at(300)), (0, Some(at(1000))));
        assert_eq!(rates.allowance(1, 3, at(999)), (0, Some(at(1000))));
        assert_eq!(rates.allowance(1, 3, at(1000)), (1, None));
        assert_eq!(rates.allowance(1, 1, at(1000)), (0, Some(at(1200))));
        assert_eq!(rates.allowance(2, 3, at(300)), (3, None));
        assert_eq!(rates.allowance(1, 3, at(-1)), (3, None), "the clock was set back");
    }
}

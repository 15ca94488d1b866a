//! The receivers at the other end, as they behave and as they do not.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use scim_directory::{Attempt, Clock, Transport};
use scim_schema::DateTime;
use scim_webhook::{Failure, Outcome, Report};
use serde_json::Value;
use tokio::sync::Notify;

use super::random::Random;
use crate::support::{VirtualClock, parse};

/// How an endpoint behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    Healthy,
    /// Its answers take long, and some do not come.
    Slow,
    /// It is away for an hour at a time.
    Flapping,
    /// It asks to be left alone.
    Overloaded,
    /// It processes what it gets, and says that it failed.
    Forgetful,
    /// It wants nothing more after a while.
    Gone,
    /// It never answers.
    Dead,
}

impl Manner {
    pub(super) const ALL: [Self; 7] = [
        Self::Healthy,
        Self::Slow,
        Self::Flapping,
        Self::Overloaded,
        Self::Forgetful,
        Self::Gone,
        Self::Dead,
    ];
}

/// An attempt that arrived.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) event_id: String,
    pub(super) number: u32,
    pub(super) at: DateTime,
    /// Grows when the clock is set back, or deliveries are begun anew.
    pub(super) era: u32,
    pub(super) body: Value,
    pub(super) was_processed: bool,
    /// The receiver's answer was a failure.
    pub(super) has_failed: bool,
}

impl Sent {
    pub(super) fn subject(&self) -> &str {
        self.body["subject"].as_str().unwrap()
    }

    pub(super) fn sequence(&self) -> u64 {
        self.body["sequence"].as_u64().unwrap()
    }
}

#[derive(Debug)]
pub(super) struct Wire {
    clock: Arc<VirtualClock>,
    lease: Duration,
    /// Attempts that are not answered wait for it.
    answer: Notify,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    random: Random,
    manners: HashMap<String, Manner>,
    is_repaired: bool,
    era: u32,
    sent: BTreeMap<String, Vec<Sent>>,
    /// When the attempts under way were claimed, and in which era, by URL and subject.
    under_way: HashMap<(String, String), Vec<(DateTime, u32)>>,
    hanging: usize,
    violations: Vec<String>,
}

/// An attempt is under way as long as this lives.
struct UnderWay<'w> {
    wire: &'w Wire,
    key: (String, String),
    began: (DateTime, u32),
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut state = self.wire.state();
        if let Some(began) = state.under_way.get_mut(&self.key)
            && let Some(at) = began.iter().position(|began| *began == self.began)
        {
            began.remove(at);
        }
    }
}

impl Wire {
    pub(super) fn new(clock: &Arc<VirtualClock>, lease: Duration, random: Random) -> Arc<Self> {
        let state = State {
            random,
            manners: HashMap::new(),
            is_repaired: false,
            era: 0,
            sent: BTreeMap::new(),
            under_way: HashMap::new(),
            hanging: 0,
            violations: Vec::new(),
        };
        Arc::new(Self { clock: Arc::clone(clock), lease, answer: Notify::new(), state: Mutex::new(state) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(super) fn add(&self, url: &str, manner: Manner) {
        self.state().manners.insert(url.to_owned(), manner);
        self.state().sent.insert(url.to_owned(), Vec::new());
    }

    /// From now on what was sent before says nothing of when the next attempt may come.
    pub(super) fn begin_era(&self) {
        self.state().era += 1;
    }

    /// From now on all receivers are well.
    pub(super) fn repair(&self) {
        self.state().is_repaired = true;
        self.answer.notify_waiters();
    }

    /// Lets those answer that take long.
    pub(super) fn answer(&self) {
        self.answer.notify_waiters();
    }

    pub(super) fn hanging(&self) -> usize {
        self.state().hanging
    }

    pub(super) fn sent(&self, url: &str) -> Vec<Sent> {
        self.state().sent[url].clone()
    }

    pub(super) fn violations(&self) -> Vec<String> {
        self.state().violations.clone()
    }

    /// Notes that an attempt begins: the only one of its subject, unless a lease may have ended meanwhile.
    fn begin(&self, url: &str, body: &Value, claimed: DateTime) -> UnderWay<'_> {
        let mut state = self.state();
        let began = (claimed, state.era);
        let key = (url.to_owned(), body["subject"].as_str().unwrap().to_owned());
        let lease = i64::try_from(self.lease.as_micros()).unwrap();
        let there = state.under_way.entry(key.clone()).or_default();
        let is_excused =
            |other: &(DateTime, u32)| other.1 != began.1 || other.0.plus_micros(lease) <= began.0;
        let is_alone = there.iter().all(is_excused);
        there.push(began);
        if !is_alone {
            state.violations.push(format!("two attempts at once: {key:?}"));
        }
        drop(state);
        UnderWay { wire: self, key, began }
    }

    /// Whether the answer takes long, whether the event is processed, and the answer.
    fn decide(&self, url: &str) -> (bool, bool, Outcome) {
        let now = self.clock.seconds();
        let mut state = self.state();
        let count = state.sent[url].len();
        let good = Outcome::Delivered { status: 200 };
        let bad =
            |status| Outcome::Failed { status: Some(status), reason: Failure::Status, retry_after: None };
        let silent = Outcome::unanswered(Failure::Timeout);
        if state.is_repaired {
            return (false, true, good);
        }
        match state.manners[url] {
            Manner::Healthy => (false, true, good),
            Manner::Slow => match state.random.below(6) {
                0 => (true, true, silent),
                1 => (true, false, silent),
                2 | 3 => (true, true, good),
                _ => (false, true, good),
            },
            Manner::Flapping if now.rem_euclid(7200) < 3600 => (false, false, bad(503)),
            Manner::Flapping => (false, true, good),
            Manner::Overloaded => match state.random.below(3) {
                0 => {
                    let retry_after = Some(Duration::from_secs(state.random.below(300)));
                    let status = Some(if state.random.below(2) == 0 { 429 } else { 503 });
                    (false, false, Outcome::Failed { status, reason: Failure::Status, retry_after })
                }
                _ => (false, true, good),
            },
            Manner::Forgetful => match state.random.below(3) {
                0 => (false, true, bad(500)),
                1 => (false, true, Outcome::unanswered(Failure::Protocol)),
                _ => (false, true, good),
            },
            Manner::Gone if count > 12 => {
                let gone = Outcome::Failed { status: Some(410), reason: Failure::Gone, retry_after: None };
                (false, false, gone)
            }
            Manner::Gone => (false, true, good),
            Manner::Dead => (false, false, silent),
        }
    }
}

#[async_trait]
impl Transport for Wire {
    async fn attempt(&self, attempt: &Attempt) -> Report {
        let body = parse(std::str::from_utf8(&attempt.body).unwrap());
        let _under_way = self.begin(&attempt.url, &body, attempt.time);
        let (takes_long, was_processed, outcome) = self.decide(&attempt.url);
        let sent = Sent {
            event_id: attempt.event_id.clone(),
            number: attempt.number,
            at: self.clock.now(),
            era: self.state().era,
            body,
            was_processed,
            has_failed: !matches!(outcome, Outcome::Delivered { .. }),
        };
        self.state().sent.get_mut(&attempt.url).unwrap().push(sent);
        if takes_long {
            self.state().hanging += 1;
            let _hangs = Hanging(self);
            self.answer.notified().await;
        }
        Report::of(outcome)
    }
}

struct Hanging<'w>(&'w Wire);

impl Drop for Hanging<'_> {
    fn drop(&mut self) {
        self.0.state().hanging -= 1;
    }
}

//! What must be there, and the figures.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

/// A user as a writer wants it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) user_name: String,
    pub(crate) title: Option<String>,
    /// The groups that the writer has put it in.
    pub(crate) groups: BTreeSet<String>,
}

/// What one writer knows.
#[derive(Debug, Default)]
pub(crate) struct Model {
    /// What was acknowledged, by id.
    pub(crate) users: BTreeMap<String, User>,
    /// The highest version that was acknowledged, by id.
    pub(crate) versions: BTreeMap<String, u64>,
    /// Users whose deletion was acknowledged.
    pub(crate) deleted: BTreeSet<String>,
    /// Every user name that was ever sent.
    pub(crate) sent: BTreeSet<String>,
}

/// What came out.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Figures {
    pub(crate) kills: u64,
    pub(crate) seed: u64,
    pub(crate) acknowledged: usize,
    /// Requests that a kill left without an answer; of these, how many were done.
    pub(crate) unanswered: usize,
    pub(crate) unanswered_done: usize,
    pub(crate) users: usize,
    pub(crate) deleted: usize,
    pub(crate) groups: usize,
    pub(crate) lost_writes: usize,
    pub(crate) phantom_resources: usize,
    pub(crate) broken_invariants: usize,
    /// Changes: the versions of all resources, living and deleted.
    pub(crate) changes: usize,
    pub(crate) events: usize,
    pub(crate) changes_without_event: usize,
    pub(crate) events_without_change: usize,
    /// What the receiver outside got.
    pub(crate) deliveries: usize,
    pub(crate) undelivered_events: usize,
    pub(crate) repeated_deliveries: usize,
    pub(crate) slowest_restart_ms: u128,
    /// From a restart until all events of what was acknowledged before were delivered; the slowest.
    pub(crate) delivered_ms: u128,
    pub(crate) problems: Vec<String>,
}

impl Figures {
    pub(crate) fn restarted_after(&mut self, time: Duration) {
        self.slowest_restart_ms = self.slowest_restart_ms.max(time.as_millis());
    }

    pub(crate) fn delivered_after(&mut self, time: Duration, limit: Duration) {
        self.delivered_ms = self.delivered_ms.max(time.as_millis());
        if time > limit {
            self.problem(format!("{} s after a restart not all was delivered", time.as_secs()));
        }
    }

    /// Notes what is wrong.
    pub(crate) fn problem(&mut self, sentence: String) {
        // The first ones say what there is to know.
        if self.problems.len() < 20 {
            self.problems.push(sentence);
        }
    }

    pub(crate) fn table(&self) -> String {
        let rows = [
            ("kills", self.kills.to_string()),
            ("acknowledged writes", self.acknowledged.to_string()),
            ("  lost", self.lost_writes.to_string()),
            ("unanswered writes", self.unanswered.to_string()),
            ("  done nevertheless", self.unanswered_done.to_string()),
            ("users at the end", self.users.to_string()),
            ("users deleted", self.deleted.to_string()),
            ("groups", self.groups.to_string()),
            ("phantom resources", self.phantom_resources.to_string()),
            ("broken invariants", self.broken_invariants.to_string()),
            ("changes", self.changes.to_string()),
            ("  without event", self.changes_without_event.to_string()),
            ("events", self.events.to_string()),
            ("  without change", self.events_without_change.to_string()),
            ("deliveries", self.deliveries.to_string()),
            ("  missing", self.undelivered_events.to_string()),
            ("repeated deliveries", self.repeated_deliveries.to_string()),
            ("slowest restart (ms)", self.slowest_restart_ms.to_string()),
            ("all delivered after (ms)", self.delivered_ms.to_string()),
        ];
        rows.iter().fold(String::new(), |mut text, (name, value)| {
            let _ = writeln!(text, "{name:<24}{value:>10}");
            text
        })
    }
}

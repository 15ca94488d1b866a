//! Where in the order of creation the n-th resource is.
//!
//! A page far from both ends would cost as many steps over the index as there are resources in front of
//! it. So the first such page counts them once, and remembers a fence at every thousandth; the change log
//! tells what came and went since. Nothing is written, and a tenant whose clients never ask for such a
//! page costs nothing.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use crate::engine::{Tx, int, params};
use crate::error::DatabaseError;

/// How many lists of resources have fences; the one that was not used for longest gives way.
const LISTS: usize = 64;
/// With more changes than this since, counting again is quicker.
const CHANGES: u64 = 50_000;
/// How many changes are remembered for reads whose view is older than the fences.
const RECENT: usize = 10_000;

/// The fences of a process.
#[derive(Debug)]
pub(crate) struct Fences {
    state: Mutex<State>,
}

/// A place to start from, at or in front of the wanted resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fence {
    pub(crate) created: i64,
    pub(crate) id: String,
    /// How many resources are to be skipped from there, beginning with that of the fence.
    pub(crate) skip: u64,
}

#[derive(Debug, Default)]
struct State {
    /// How many resources lie between two fences.
    step: u64,
    /// The last change that the fences know of.
    seen: u64,
    lists: HashMap<ListKey, List>,
    /// The last changes that moved fences, the newest at the end.
    recent: VecDeque<(u64, Moved)>,
    /// Changes up to this one are not in `recent` any more.
    forgotten: u64,
    /// Counts uses.
    uses: u64,
}

/// Tenant and type.
type ListKey = (String, String);

#[derive(Debug, Default)]
struct List {
    /// The first resource of each block; before the first block there is nothing.
    starts: Vec<(i64, String)>,
    /// How many resources each block has.
    counts: Vec<u64>,
    /// The change after which they were made.
    since: u64,
    used: u64,
}

/// A resource that came or went.
#[derive(Clone, Debug)]
struct Moved {
    list: ListKey,
    place: (i64, String),
    came: bool,
}

impl Fences {
    /// With so many resources between two fences.
    pub(crate) fn new(step: u64) -> Self {
        Self { state: Mutex::new(State { step: step.max(1), ..State::default() }) }
    }

    /// The fence for the resource that has `skip` others of its type in front of it; `None` where the view
    /// of the data is too old to tell.
    pub(crate) fn find(
        &self,
        tx: &impl Tx,
        tenant: &str,
        resource_type: &str,
        skip: u64,
        total: u64,
    ) -> Result<Option<Fence>, DatabaseError> {
        let view = newest(tx)?;
        let list = (tenant.to_owned(), resource_type.to_owned());
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if view > state.seen {
            state.catch_up(tx, view)?;
        }
        state.make(tx, &list, view, total)?;
        state.find(tx, &list, view, skip)
    }
}

/// The newest change that is visible.
fn newest(tx: &impl Tx) -> Result<u64, DatabaseError> {
    let sql = "SELECT seq FROM scim_changes WHERE seq > 0 ORDER BY seq DESC LIMIT 1";
    Ok(tx.first(sql, &[], |row| row.unsigned(0))?.unwrap_or(0))
}

impl State {
    fn catch_up(&mut self, tx: &impl Tx, view: u64) -> Result<(), DatabaseError> {
        if self.lists.is_empty() || view - self.seen > CHANGES {
            self.lists.clear();
            self.recent.clear();
            self.forgotten = view;
            self.seen = view;
            return Ok(());
        }
        let mut moved = Vec::new();
        tx.query(
            "SELECT seq, tenant, type, created, id, kind FROM scim_changes
             WHERE seq > ?1 AND seq <= ?2 AND kind <> 'updated' ORDER BY seq",
            params![int(self.seen), int(view)],
            |row| {
                let list = (row.text(1)?.to_owned(), row.text(2)?.to_owned());
                let place = (row.int(3)?, row.text(4)?.to_owned());
                moved.push((row.unsigned(0)?, Moved { list, place, came: row.text(5)? == "created" }));
                Ok::<_, DatabaseError>(())
            },
        )?;
        self.seen = view;
        for (seq, moved) in moved {
            let Some(list) = self.lists.get_mut(&moved.list) else { continue };
            list.apply(&moved.place, moved.came);
            self.recent.push_back((seq, moved));
        }
        while self.recent.len() > RECENT {
            if let Some((seq, _)) = self.recent.pop_front() {
                self.forgotten = seq;
            }
        }
        Ok(())
    }

    /// Counts a list that has no fences, or wrong ones.
    fn make(&mut self, tx: &impl Tx, key: &ListKey, view: u64, total: u64) -> Result<(), DatabaseError> {
        let is_current = view == self.seen;
        if !is_current {
            return Ok(());
        }
        if self.lists.get(key).is_some_and(|list| list.counts.iter().sum::<u64>() == total) {
            return Ok(());
        }
        if self.lists.len() >= LISTS
            && let Some(oldest) = self.lists.iter().min_by_key(|(_, list)| list.used).map(|(k, _)| k.clone())
        {
            self.lists.remove(&oldest);
        }
        self.recent.retain(|(_, moved)| moved.list != *key);
        let starts = vec![(i64::MIN, String::new())];
        let list = List { starts, counts: vec![total], since: view, used: self.uses };
        self.lists.insert(key.clone(), list);
        self.split(tx, key, 0)
    }

    fn find(
        &mut self,
        tx: &impl Tx,
        key: &ListKey,
        view: u64,
        skip: u64,
    ) -> Result<Option<Fence>, DatabaseError> {
        if view < self.forgotten {
            return Ok(None);
        }
        self.uses += 1;
        let uses = self.uses;
        let Some(list) = self.lists.get_mut(key).filter(|list| view >= list.since) else { return Ok(None) };
        list.used = uses;
        let mut counts = list.counts.clone();
        // What the view does not see yet is taken back.
        for (_, moved) in self.recent.iter().rev().take_while(|(seq, _)| *seq > view) {
            if moved.list == *key
                && let Some(count) = counts.get_mut(list.block(&moved.place))
            {
                *count = if moved.came { count.saturating_sub(1) } else { *count + 1 };
            }
        }
        let mut passed = 0;
        for (at, count) in counts.iter().enumerate() {
            if passed + count > skip {
                let Some((created, id)) = list.starts.get(at).cloned() else { return Ok(None) };
                if *count > 2 * self.step && view == self.seen {
                    self.split(tx, key, at)?;
                    return self.find(tx, key, view, skip);
                }
                return Ok(Some(Fence { created, id, skip: skip - passed }));
            }
            passed += count;
        }
        Ok(None)
    }

    /// Puts fences into a block that has become long. The view must be that of the fences.
    fn split(&mut self, tx: &impl Tx, key: &ListKey, mut at: usize) -> Result<(), DatabaseError> {
        let Some(list) = self.lists.get_mut(key) else { return Ok(()) };
        while let (Some((created, id)), Some(count)) = (list.starts.get(at).cloned(), list.counts.get(at)) {
            let count = *count;
            if count < 2 * self.step {
                break;
            }
            let next = tx.first(
                "SELECT r.created, r.id FROM scim_resources r WHERE r.tenant = ?1 AND r.type = ?2
                 AND (r.created, r.id) >= (?3, ?4) ORDER BY r.created, r.id LIMIT 1 OFFSET ?5",
                params![&key.0, &key.1, created, &id, int(self.step)],
                |row| Ok::<_, DatabaseError>((row.int(0)?, row.text(1)?.to_owned())),
            )?;
            let Some(next) = next else {
                // There are fewer than were counted: count again when it is asked for the next time.
                self.lists.remove(key);
                return Ok(());
            };
            if let Some(first) = list.counts.get_mut(at) {
                *first = self.step;
            }
            at += 1;
            list.starts.insert(at, next);
            list.counts.insert(at, count - self.step);
        }
        Ok(())
    }
}

impl List {
    /// The block in which a place is.
    fn block(&self, place: &(i64, String)) -> usize {
        self.starts.partition_point(|start| start <= place).saturating_sub(1)
    }

    fn apply(&mut self, place: &(i64, String), came: bool) {
        let at = self.block(place);
        if let Some(count) = self.counts.get_mut(at) {
            *count = if came { *count + 1 } else { count.saturating_sub(1) };
        }
    }
}

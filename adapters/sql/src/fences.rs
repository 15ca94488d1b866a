//! Where in the order of creation the n-th resource is.
//!
//! A page far from both ends would cost as many steps over the index as there are resources in front of
//! it. So the first such page counts them once, and remembers a fence at every thousandth; the change log
//! tells what came and went since. Nothing is written, and a tenant whose clients never ask for such a
//! page costs nothing.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use crate::error::DatabaseError;
use crate::feed;
use crate::params;
use crate::session::{Engine, Session, int};

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
    step: i64,
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
    /// How many resources each block has. In between, while it is not known yet what goes again, a block may
    /// lack some.
    counts: Vec<i64>,
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
        Self { state: Mutex::new(State { step: int(step.max(1)), ..State::default() }) }
    }

    /// The fence for the resource that has `skip` others of its type in front of it; `None` where the view
    /// of the data is too old to tell.
    pub(crate) fn find(
        &self,
        session: &Session<'_>,
        tenant: &str,
        resource_type: &str,
        skip: u64,
        total: u64,
    ) -> Result<Option<Fence>, DatabaseError> {
        let list = (tenant.to_owned(), resource_type.to_owned());
        let view = View { newest: feed::newest(session)?, pending: pending(session, &list)? };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if view.newest > state.seen {
            state.catch_up(session, view.newest)?;
        }
        state.make(session, &list, &view, total)?;
        state.find(session, &list, &view, skip)
    }
}

/// How much of the change log a reader sees.
struct View {
    /// The place of the newest change that has one.
    newest: u64,
    /// What came to or went from the list with changes that have no place yet: when they get one, they do not
    /// get it in the order in which they became visible.
    pending: Vec<Moved>,
}

fn pending(session: &Session<'_>, list: &ListKey) -> Result<Vec<Moved>, DatabaseError> {
    if session.engine() == Engine::Sqlite {
        return Ok(Vec::new());
    }
    session.all(
        "SELECT c.created, c.id, c.kind FROM scim_unsequenced u JOIN scim_changes c ON c.seq = u.seq
         WHERE c.tenant = ?1 AND c.type = ?2 AND c.kind <> 'updated' ORDER BY u.seq",
        params![&list.0, &list.1],
        |row| {
            let place = (row.int(0)?, row.text(1)?.to_owned());
            Ok(Moved { list: list.clone(), place, came: row.text(2)? == "created" })
        },
    )
}

impl State {
    fn catch_up(&mut self, session: &Session<'_>, view: u64) -> Result<(), DatabaseError> {
        if self.lists.is_empty() || view - self.seen > CHANGES {
            self.lists.clear();
            self.recent.clear();
            self.forgotten = view;
            self.seen = view;
            return Ok(());
        }
        let mut moved = Vec::new();
        session.query(feed::moves(session), params![int(self.seen), int(view)], |row| {
            let list = (row.text(1)?.to_owned(), row.text(2)?.to_owned());
            let place = (row.int(3)?, row.text(4)?.to_owned());
            moved.push((row.unsigned(0)?, Moved { list, place, came: row.text(5)? == "created" }));
            Ok::<_, DatabaseError>(())
        })?;
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
    fn make(
        &mut self,
        session: &Session<'_>,
        key: &ListKey,
        view: &View,
        total: u64,
    ) -> Result<(), DatabaseError> {
        let is_current = view.newest == self.seen;
        if !is_current {
            return Ok(());
        }
        let sum = |list: &List| list.with(&view.pending).iter().sum::<i64>();
        if self.lists.get(key).is_some_and(|list| sum(list) == int(total)) {
            return Ok(());
        }
        if self.lists.len() >= LISTS
            && let Some(oldest) = self.lists.iter().min_by_key(|(_, list)| list.used).map(|(k, _)| k.clone())
        {
            self.lists.remove(&oldest);
        }
        self.recent.retain(|(_, moved)| moved.list != *key);
        let starts = vec![(i64::MIN, String::new())];
        let list = List { starts, counts: vec![int(total)], since: view.newest, used: self.uses };
        self.lists.insert(key.clone(), list);
        self.split(session, key, 0)?;
        // What is pending is counted already, and comes with the log once more.
        if let Some(list) = self.lists.get_mut(key) {
            view.pending.iter().for_each(|moved| list.apply(&moved.place, !moved.came));
        }
        Ok(())
    }

    fn find(
        &mut self,
        session: &Session<'_>,
        key: &ListKey,
        view: &View,
        skip: u64,
    ) -> Result<Option<Fence>, DatabaseError> {
        if view.newest < self.forgotten {
            return Ok(None);
        }
        self.uses += 1;
        let uses = self.uses;
        let Some(list) = self.lists.get_mut(key).filter(|list| view.newest >= list.since) else {
            return Ok(None);
        };
        list.used = uses;
        let mut counts = list.with(&view.pending);
        // What the view does not see yet is taken back.
        for (_, moved) in self.recent.iter().rev().take_while(|(seq, _)| *seq > view.newest) {
            if moved.list == *key
                && let Some(count) = counts.get_mut(list.block(&moved.place))
            {
                *count += if moved.came { -1 } else { 1 };
            }
        }
        let (mut passed, wanted) = (0, int(skip));
        for (at, count) in counts.iter().enumerate() {
            if passed + count > wanted {
                let Some((created, id)) = list.starts.get(at).cloned() else { return Ok(None) };
                if *count > 2 * self.step && view.newest == self.seen && view.pending.is_empty() {
                    self.split(session, key, at)?;
                    return self.find(session, key, view, skip);
                }
                return Ok(Some(Fence { created, id, skip: u64::try_from(wanted - passed).unwrap_or(0) }));
            }
            passed += count;
        }
        Ok(None)
    }

    /// Puts fences into a block that has become long. The view must be that of the fences.
    fn split(&mut self, session: &Session<'_>, key: &ListKey, mut at: usize) -> Result<(), DatabaseError> {
        let Some(list) = self.lists.get_mut(key) else { return Ok(()) };
        while let (Some((created, id)), Some(count)) = (list.starts.get(at).cloned(), list.counts.get(at)) {
            let count = *count;
            if count < 2 * self.step {
                break;
            }
            let next = session.first(
                "SELECT r.created, r.id FROM scim_resources r WHERE r.tenant = ?1 AND r.type = ?2
                 AND (r.created, r.id) >= (?3, ?4) ORDER BY r.created, r.id LIMIT 1 OFFSET ?5",
                params![&key.0, &key.1, created, &id, self.step],
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

    /// How many resources each block has when more came and went.
    fn with(&self, moves: &[Moved]) -> Vec<i64> {
        let mut counts = self.counts.clone();
        for moved in moves {
            if let Some(count) = counts.get_mut(self.block(&moved.place)) {
                *count += if moved.came { 1 } else { -1 };
            }
        }
        counts
    }

    fn apply(&mut self, place: &(i64, String), came: bool) {
        let at = self.block(place);
        if let Some(count) = self.counts.get_mut(at) {
            *count += if came { 1 } else { -1 };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::channel;

    use scim_core::{Batch, Cause, Change, Document, Precondition, Store, TenantId, Write};
    use scim_schema::{DateTime, Registry, Resource};

    use super::*;
    use crate::{Database, SqlStore};

    async fn commit(store: &SqlStore, ids: impl Iterator<Item = usize>, change: impl Fn(&str) -> Change) {
        let resource_type = Arc::clone(store.registry().resource_type("Group").unwrap());
        let write = |n| {
            let id = format!("{n:03}");
            let change = change(&id);
            let precondition = match &change {
                Change::Insert { .. } => Precondition::Absent,
                _ => Precondition::Any,
            };
            Write { resource_type: Arc::clone(&resource_type), id, precondition, change }
        };
        let now = DateTime::from_unix_micros(7);
        let batch =
            Batch { writes: ids.map(write).collect(), now, cause: Cause::default(), check_members: true };
        store.commit(&TenantId::new("acme"), batch).await.unwrap();
    }

    fn insert(id: &str) -> Change {
        let text = format!(r#"{{"schemas": [], "id": "{id}", "displayName": "x"}}"#);
        let resource = Resource::from_canonical(serde_json::from_str(&text).unwrap());
        Change::Insert { document: Document { unique: Vec::new(), resource }, members: Vec::new() }
    }

    /// The id of the resource that a fence leads to.
    fn at(session: &Session<'_>, fences: &Fences, skip: u64, total: u64) -> Option<String> {
        let fence = fences.find(session, "acme", "Group", skip, total).unwrap()?;
        assert!(fence.skip <= 20, "{fence:?}");
        session.first(
            "SELECT id FROM scim_resources WHERE (created, id) >= (?1, ?2) ORDER BY created, id LIMIT 1 OFFSET ?3",
            params![fence.created, &fence.id, int(fence.skip)],
            |row| Ok::<_, DatabaseError>(row.text(0)?.to_owned()),
        )
        .unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_older_view_sees_its_own_places() {
        let folder = tempfile::TempDir::new().unwrap();
        let database = Database::open(folder.path().join("db")).await.unwrap();
        let store = SqlStore::new(database, Registry::standard()).await.unwrap();
        commit(&store, (0..200).filter(|n| n % 2 == 0), insert).await;
        let fences = Arc::new(Fences::new(10));
        let look = |skip, total| {
            let fences = Arc::clone(&fences);
            store.database().read(move |c| Ok::<_, DatabaseError>(at(c, &fences, skip, total)))
        };
        assert_eq!(look(50, 100).await.unwrap().as_deref(), Some("100"));

        let ((seen, wait_seen), (go, wait_go)) = (channel(), channel());
        let (database, shared) = (store.database().clone(), Arc::clone(&fences));
        let older = tokio::spawn(async move {
            let look = move |c: &Session<'_>| {
                feed::newest(c)?;
                seen.send(()).unwrap();
                wait_go.recv().unwrap();
                Ok::<_, DatabaseError>((at(c, &shared, 50, 100), at(c, &Fences::new(10), 50, 100)))
            };
            database.read(look).await
        });
        wait_seen.recv().unwrap();
        commit(&store, (0..200).filter(|n| n % 2 == 1), insert).await;
        commit(&store, 0..30, |_| Change::Delete).await;
        assert_eq!(look(50, 170).await.unwrap().as_deref(), Some("080"));
        assert_eq!(look(169, 170).await.unwrap().as_deref(), Some("199"));
        assert_eq!(look(170, 170).await.unwrap(), None);
        go.send(()).unwrap();
        let expected = Some("100".to_owned());
        assert_eq!(older.await.unwrap().unwrap(), (expected.clone(), expected));
        assert_eq!(look(0, 170).await.unwrap().as_deref(), Some("030"));
    }

    #[tokio::test]
    async fn lists_are_counted_again_when_much_has_changed_or_too_many_are_kept() {
        let folder = tempfile::TempDir::new().unwrap();
        let database = Database::open(folder.path().join("db")).await.unwrap();
        let store = SqlStore::new(database, Registry::standard()).await.unwrap();
        commit(&store, 0..100, insert).await;
        let find = move |c: &Session<'_>| {
            let fences = Fences::new(10);
            for n in 0..LISTS + 5 {
                fences.find(c, &format!("tenant {n}"), "Group", 0, 0)?;
            }
            let kept = fences.state.lock().unwrap().lists.len();
            let found = at(c, &fences, 99, 100);
            // A total that the fences do not add up to means that they are wrong.
            let wrong =
                fences.state.lock().unwrap().lists.get_mut(&("acme".into(), "Group".into())).map(|list| {
                    list.counts.pop();
                });
            Ok::<_, DatabaseError>((kept, found, wrong.is_some(), at(c, &fences, 99, 100)))
        };
        let expected = Some("099".to_owned());
        assert_eq!(store.database().read(find).await.unwrap(), (LISTS, expected.clone(), true, expected));
    }
}

//! What a trial is given: a fresh store, and short ways to use it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use scim_core::{
    Batch, ChangeEntry, ChangeFeed, Committed, FeedCursor, Include, Page, Query, Store, StoreError, Stored,
    TenantId, Write,
};

use super::build::{acme, batch, query, type_named};
use super::check::{Wrong, found};

pub(super) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;
pub(super) type Make<S, G> = Arc<dyn Fn() -> BoxFuture<(S, G)> + Send + Sync>;
pub(super) type FeedOf<S> = fn(Arc<S>) -> Arc<dyn ChangeFeed>;
pub(super) type Reopen<S, G> = Arc<dyn Fn(Arc<G>) -> BoxFuture<S> + Send + Sync>;

pub(super) fn boxed<T>(future: impl Future<Output = T> + Send + 'static) -> BoxFuture<T> {
    Box::pin(future)
}

/// A store, and its feed where it has one.
#[derive(Clone, Debug)]
pub(super) struct Handle {
    pub(super) store: Arc<dyn Store>,
    pub(super) feed: Option<Arc<dyn ChangeFeed>>,
}

/// Opens stores, whatever their type.
pub(super) trait Opened: Send + Sync {
    /// A fresh store, what opens it anew, and what must be kept until the end.
    fn open(&self) -> BoxFuture<(Handle, Option<Again>, Guard)>;
    /// Whether stores can be opened anew.
    fn reopens(&self) -> bool;
    /// Whether stores are tried with their feed.
    fn has_feed(&self) -> bool;
}

pub(super) type Guard = Box<dyn Send>;

/// Opens a store anew.
#[derive(Clone)]
pub(super) struct Again(Arc<dyn Fn() -> BoxFuture<Handle> + Send + Sync>);

impl fmt::Debug for Again {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Again")
    }
}

pub(super) struct Maker<S, G> {
    pub(super) make: Make<S, G>,
    pub(super) feed: Option<FeedOf<S>>,
    pub(super) reopen: Option<Reopen<S, G>>,
}

impl<S: Store, G: Send + Sync + 'static> Opened for Maker<S, G> {
    fn open(&self) -> BoxFuture<(Handle, Option<Again>, Guard)> {
        let (made, feed, reopen) = ((self.make)(), self.feed, self.reopen.clone());
        Box::pin(async move {
            let (store, guard) = made.await;
            let guard = Arc::new(guard);
            let again = reopen.map(|reopen| {
                let guard = Arc::clone(&guard);
                Again(Arc::new(move || {
                    let opened = reopen(Arc::clone(&guard));
                    Box::pin(async move { handle(opened.await, feed) })
                }))
            });
            (handle(store, feed), again, Box::new(guard) as Guard)
        })
    }

    fn reopens(&self) -> bool {
        self.reopen.is_some()
    }

    fn has_feed(&self) -> bool {
        self.feed.is_some()
    }
}

fn handle<S: Store>(store: S, feed: Option<FeedOf<S>>) -> Handle {
    let store = Arc::new(store);
    Handle { feed: feed.map(|feed| feed(Arc::clone(&store))), store }
}

/// A fresh store under trial.
#[derive(Clone, Debug)]
pub(super) struct Lab {
    pub(super) handle: Handle,
    pub(super) again: Option<Again>,
    /// From which to make things up.
    pub(super) seed: u64,
    /// How many things to make up.
    pub(super) cases: usize,
}

impl Lab {
    pub(super) fn store(&self) -> &dyn Store {
        self.handle.store.as_ref()
    }

    pub(super) fn feed(&self) -> Result<&dyn ChangeFeed, Wrong> {
        found("a change feed", self.handle.feed.as_deref())
    }

    /// Closes the store and opens it anew.
    pub(super) async fn reopen(self) -> Result<Self, Wrong> {
        let Self { handle, again, seed, cases } = self;
        let again = found("a way to open the store anew", again)?;
        drop(handle);
        let handle = (again.0)().await;
        Ok(Self { handle, again: Some(again), seed, cases })
    }

    /// Commits one write.
    pub(super) async fn commit(&self, write: Write, now: i64) -> Result<Committed, StoreError> {
        self.commit_in(&acme(), write, now).await
    }

    pub(super) async fn commit_in(
        &self,
        tenant: &TenantId,
        write: Write,
        now: i64,
    ) -> Result<Committed, StoreError> {
        let mut answers = self.store().commit(tenant, batch(vec![write], now)).await?;
        let wrong = || StoreError::Other { store: "suite", source: "one write was not answered once".into() };
        match (answers.pop(), answers.is_empty()) {
            (Some(answer), true) => Ok(answer),
            _ => Err(wrong()),
        }
    }

    /// Commits several writes.
    pub(super) async fn commit_all(
        &self,
        writes: Vec<Write>,
        now: i64,
    ) -> Result<Vec<Committed>, StoreError> {
        self.batch(batch(writes, now)).await
    }

    pub(super) async fn batch(&self, batch: Batch) -> Result<Vec<Committed>, StoreError> {
        self.store().commit(&acme(), batch).await
    }

    /// A resource with everything, if it is there.
    pub(super) async fn look(&self, name: &str, id: &str) -> Result<Option<Stored>, StoreError> {
        self.look_for(name, id, Include::ALL).await
    }

    pub(super) async fn look_for(
        &self,
        name: &str,
        id: &str,
        include: Include,
    ) -> Result<Option<Stored>, StoreError> {
        self.store().get(&acme(), type_named(name), id, include).await
    }

    /// A resource with everything.
    pub(super) async fn get(&self, name: &str, id: &str) -> Result<Stored, Wrong> {
        let stored = self.look(name, id).await?;
        found(format_args!("the {name} {id}"), stored)
    }

    pub(super) async fn query(&self, query: &Query) -> Result<Page, StoreError> {
        self.store().query(&acme(), query).await
    }

    /// The ids of all that match, in order.
    pub(super) async fn ids(&self, types: &[&str], filter: Option<&str>) -> Result<Vec<String>, Wrong> {
        Ok(super::build::ids(&self.query(&query(types, filter)?).await?))
    }

    /// All entries of the feed so far.
    pub(super) async fn entries(&self) -> Result<Vec<ChangeEntry>, Wrong> {
        self.entries_after(FeedCursor::START).await
    }

    pub(super) async fn entries_after(&self, mut cursor: FeedCursor) -> Result<Vec<ChangeEntry>, Wrong> {
        let mut entries = Vec::new();
        loop {
            let some = self.feed()?.after(cursor, 500).await?;
            let Some(last) = some.last() else { return Ok(entries) };
            if last.cursor <= cursor {
                return Err(Wrong::new(format_args!(
                    "the feed goes round: {:?} is not behind {cursor:?}",
                    last.cursor
                )));
            }
            cursor = last.cursor;
            entries.extend(some);
        }
    }

    /// The cursor of the last entry so far.
    pub(super) async fn end_of_feed(&self) -> Result<FeedCursor, Wrong> {
        Ok(self.entries().await?.last().map_or(FeedCursor::START, |entry| entry.cursor))
    }

    /// Everything that can be seen of the tenant: all resources, and the feed where there is one.
    pub(super) async fn everything(&self) -> Result<(Vec<Stored>, Vec<ChangeEntry>), Wrong> {
        let mut all = query(&["User", "Group"], None)?;
        all.include = Include::ALL;
        all.page.count = 100_000;
        let resources = self.query(&all).await?.resources;
        let entries = if self.handle.feed.is_some() { self.entries().await? } else { Vec::new() };
        Ok((resources, entries))
    }
}

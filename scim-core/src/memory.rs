//! The reference store: everything in memory, with a change feed.

mod narrow;
mod tenant;

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use async_trait::async_trait;
use scim_schema::{Registry, ResourceType};

use crate::feed::{ChangeEntry, ChangeFeed, FeedCursor};
use crate::page::Page;
use crate::store::{Batch, Capabilities, Committed, Include, Query, Store, StoreError, Stored, TenantId};
use tenant::Tenant;

/// Keeps everything in memory. It is the model that other stores are compared with, and enough for tests
/// and small services. Clones share their content.
///
/// ```
/// use scim_core::MemoryStore;
/// let store = MemoryStore::standard();
/// # let _ = store;
/// ```
#[derive(Clone, Debug)]
pub struct MemoryStore {
    registry: Arc<Registry>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    tenants: HashMap<TenantId, Tenant>,
    feed: Vec<ChangeEntry>,
    waiting: Vec<Waker>,
}

impl MemoryStore {
    /// An empty store for the resource types of a registry.
    pub fn new(registry: impl Into<Arc<Registry>>) -> Self {
        Self { registry: registry.into(), state: Arc::default() }
    }

    /// An empty store for User and Group.
    pub fn standard() -> Self {
        Self::new(Registry::standard())
    }

    /// A panic while the lock was held can't have left a batch half done: batches are undone on error.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities { change_feed: true }
    }

    async fn get(
        &self,
        tenant: &TenantId,
        resource_type: &ResourceType,
        id: &str,
        include: Include,
    ) -> Result<Option<Stored>, StoreError> {
        let state = self.state();
        Ok(state.tenants.get(tenant).and_then(|t| t.get(resource_type, id, include, &self.registry)))
    }

    async fn types_of(&self, tenant: &TenantId, ids: &[String]) -> Result<Vec<Option<String>>, StoreError> {
        let state = self.state();
        let tenant = state.tenants.get(tenant);
        Ok(ids.iter().map(|id| tenant.and_then(|t| t.type_of(id))).collect())
    }

    async fn query(&self, tenant: &TenantId, query: &Query) -> Result<Page, StoreError> {
        let state = self.state();
        Ok(state.tenants.get(tenant).map(|t| t.query(query, &self.registry)).unwrap_or_default())
    }

    async fn commit(&self, tenant: &TenantId, batch: Batch) -> Result<Vec<Committed>, StoreError> {
        let mut state = self.state();
        let first = state.feed.len() as u64 + 1;
        let content = state.tenants.entry(tenant.clone()).or_default();
        let (committed, mut entries) = content.commit(tenant, batch)?;
        for (entry, number) in entries.iter_mut().zip(first..) {
            entry.cursor = FeedCursor::from_parts(0, number);
        }
        state.feed.append(&mut entries);
        for waker in state.waiting.drain(..) {
            waker.wake();
        }
        Ok(committed)
    }
}

#[async_trait]
impl ChangeFeed for MemoryStore {
    async fn after(&self, cursor: FeedCursor, limit: usize) -> Result<Vec<ChangeEntry>, StoreError> {
        let seen = usize::try_from(cursor.parts().1).unwrap_or(usize::MAX);
        Ok(self.state().feed.iter().skip(seen).take(limit).cloned().collect())
    }

    async fn wait(&self, cursor: FeedCursor) -> Result<(), StoreError> {
        poll_fn(|context| {
            let mut state = self.state();
            if state.feed.len() as u64 > cursor.parts().1 {
                return Poll::Ready(Ok(()));
            }
            if !state.waiting.iter().any(|w| w.will_wake(context.waker())) {
                state.waiting.push(context.waker().clone());
            }
            Poll::Pending
        })
        .await
    }
}

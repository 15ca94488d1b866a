//! A store whose calls fail when they are told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use scim_core::{
    Batch, Capabilities, Committed, Include, Page, Query, ResourceType, Store, StoreError, Stored, TenantId,
    WithMembers,
};

/// When a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is no third")]
pub enum Fault {
    /// Before it has any effect.
    Before,
    /// After it had its effect: the answer is lost.
    LostAnswer,
}

/// A store around another, of which one call fails with [`StoreError::Unavailable`]. Clones count together.
///
/// With it an application proves that it survives: its work is done with the first call failing, then with
/// the second, and so on until no call fails any more, and each time the outcome must be right.
///
/// ```
/// use scim_conformance::store::{Fault, Faulty};
/// use scim_core::MemoryStore;
///
/// let store = Faulty::new(MemoryStore::standard());
/// store.fail(1, Fault::LostAnswer);
/// // … the next call has its effect, and fails …
/// assert!(!store.has_failed());
/// ```
#[derive(Clone, Debug)]
pub struct Faulty {
    store: Arc<dyn Store>,
    /// How many calls until one fails; 0 for never.
    left: Arc<AtomicU64>,
    /// Whether the answer is lost.
    lost: Arc<AtomicU64>,
    failed: Arc<AtomicU64>,
}

impl Faulty {
    /// A store that does not fail yet.
    pub fn new(store: impl Store) -> Self {
        Self::shared(Arc::new(store))
    }

    /// The same for a store that is shared.
    pub fn shared(store: Arc<dyn Store>) -> Self {
        Self { store, left: Arc::default(), lost: Arc::default(), failed: Arc::default() }
    }

    /// Lets the `nth` call from now on fail, counted from 1, and no other.
    pub fn fail(&self, nth: u64, fault: Fault) {
        self.lost.store(u64::from(fault == Fault::LostAnswer), Ordering::SeqCst);
        self.failed.store(0, Ordering::SeqCst);
        self.left.store(nth, Ordering::SeqCst);
    }

    /// Whether the call that was to fail has done so.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::SeqCst) > 0
    }

    /// Whether this call is the one that fails, and when.
    fn turn(&self) -> Option<Fault> {
        let count = |left: u64| left.checked_sub(1);
        let last = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, count) == Ok(1);
        if !last {
            return None;
        }
        self.failed.fetch_add(1, Ordering::SeqCst);
        Some(if self.lost.load(Ordering::SeqCst) == 1 { Fault::LostAnswer } else { Fault::Before })
    }

    async fn through<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let fault = self.turn();
        if fault == Some(Fault::Before) {
            return Err(unavailable());
        }
        let answer = call.await;
        if fault == Some(Fault::LostAnswer) { Err(unavailable()) } else { answer }
    }
}

fn unavailable() -> StoreError {
    StoreError::Unavailable { retry_after: Some(Duration::ZERO), source: "a fault that was asked for".into() }
}

#[async_trait]
impl Store for Faulty {
    fn capabilities(&self) -> Capabilities {
        self.store.capabilities()
    }

    async fn get(
        &self,
        tenant: &TenantId,
        resource_type: &ResourceType,
        id: &str,
        include: Include,
    ) -> Result<Option<Stored>, StoreError> {
        self.through(self.store.get(tenant, resource_type, id, include)).await
    }

    async fn get_with_members(
        &self,
        tenant: &TenantId,
        resource_type: &ResourceType,
        ids: &[String],
        include: Include,
        enough: usize,
    ) -> Result<Vec<Option<WithMembers>>, StoreError> {
        self.through(self.store.get_with_members(tenant, resource_type, ids, include, enough)).await
    }

    async fn types_of(&self, tenant: &TenantId, ids: &[String]) -> Result<Vec<Option<String>>, StoreError> {
        self.through(self.store.types_of(tenant, ids)).await
    }

    async fn query(&self, tenant: &TenantId, query: &Query) -> Result<Page, StoreError> {
        self.through(self.store.query(tenant, query)).await
    }

    async fn commit(&self, tenant: &TenantId, batch: Batch) -> Result<Vec<Committed>, StoreError> {
        self.through(self.store.commit(tenant, batch)).await
    }
}

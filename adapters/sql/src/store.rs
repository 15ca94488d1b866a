//! The store and its feed.

use std::borrow::Borrow;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use scim_core::{
    Batch, Capabilities, ChangeEntry, ChangeFeed, Committed, FeedCursor, Include, Page, Query, Start, Store,
    StoreError, Stored, TenantId, WithMembers, Write,
};
use scim_schema::{Registry, Resource, ResourceType};

use crate::alike::Alike;
use crate::commit::{Draft, Request};
use crate::database::Database;
use crate::error::{DatabaseError, OpenError};
use crate::fences::Fences;
use crate::index::{Index, RefreshError, StoreOptions, Thresholds};
use crate::look_up::is_look_up;
use crate::postgres::Manner;
use crate::query::Reader;
use crate::session::{Engine, Session};
use crate::{alike, commit, feed, tables};

/// How often who waits looks by himself, should nobody tell him.
const POLL: Duration = Duration::from_millis(250);
/// So many rows are found by their keys in less time than another thread takes to begin.
const FEW: usize = 10;

/// Resources, memberships and the change feed in a [`Database`]. Clones share it.
#[derive(Clone, Debug)]
pub struct SqlStore {
    database: Database,
    types: Arc<Types>,
}

#[derive(Debug)]
struct Types {
    registry: Arc<Registry>,
    index: Arc<Index>,
    thresholds: Thresholds,
    fences: Fences,
}

impl Types {
    fn new(registry: Arc<Registry>, options: &StoreOptions) -> Result<Self, OpenError> {
        let index =
            Index::new(&registry, options).map_err(|attribute| OpenError::NotIndexable { attribute })?;
        let thresholds = options.thresholds.clone();
        Ok(Self { registry, index: Arc::new(index), fences: Fences::new(thresholds.step), thresholds })
    }
}

impl SqlStore {
    /// A store for the resource types of a registry, with the default [`StoreOptions`].
    ///
    /// # Errors
    /// As [`SqlStore::with_options`].
    pub async fn new(database: Database, registry: impl Into<Arc<Registry>>) -> Result<Self, OpenError> {
        Self::with_options(database, registry, &StoreOptions::default()).await
    }

    /// A store for the resource types of a registry: brings its tables up to date, and the index where
    /// the schemas or the list of indexed attributes are others than before.
    ///
    /// # Errors
    /// [`OpenError::NotIndexable`] when an attribute can't be indexed;
    /// [`OpenError::FromTheFuture`] when a newer version has written the tables;
    /// [`OpenError::NotUnique`] when the schemas have become stricter than the resources are.
    pub async fn with_options(
        database: Database,
        registry: impl Into<Arc<Registry>>,
        options: &StoreOptions,
    ) -> Result<Self, OpenError> {
        let types = Types::new(registry.into(), options)?;
        database.migrate(tables::NAMESPACE, tables::MIGRATIONS).await?;
        if database.engine() == Engine::Postgres {
            database.migrate(tables::FEED_NAMESPACE, tables::FEED_MIGRATIONS).await?;
        }
        let types = Arc::new(types);
        let refresh = Arc::clone(&types);
        let manner = Manner { patient: true, ..Manner::default() };
        database
            .write_in(manner, move |session| refresh.index.refresh(session, &refresh.registry))
            .await
            .map_err(|error: RefreshError| error.into_open_error(database.place()))?;
        Ok(Self { database, types })
    }

    /// A store whose tables are taken as they are, to look at them.
    ///
    /// # Errors
    /// [`OpenError::NotIndexable`] when an attribute can't be indexed.
    pub fn look(
        database: Database,
        registry: impl Into<Arc<Registry>>,
        options: &StoreOptions,
    ) -> Result<Self, OpenError> {
        Ok(Self { database, types: Arc::new(Types::new(registry.into(), options)?) })
    }

    /// Takes the store's tables away, with all that is in them.
    ///
    /// # Errors
    /// As [`Database::migrate`].
    pub async fn drop_tables(database: &Database) -> Result<(), OpenError> {
        if database.engine() == Engine::Postgres {
            database.migrate_to(tables::FEED_NAMESPACE, tables::FEED_MIGRATIONS, 0).await?;
        }
        database.migrate_to(tables::NAMESPACE, tables::MIGRATIONS, 0).await
    }

    /// How many migrations the tables of this version have, by namespace.
    pub fn versions() -> Vec<(&'static str, usize)> {
        vec![
            (tables::NAMESPACE, tables::MIGRATIONS.len()),
            (tables::FEED_NAMESPACE, tables::FEED_MIGRATIONS.len()),
        ]
    }

    /// The database, for tables of one's own beside the store's.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// The resource types.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.types.registry
    }

    /// As [`Store::commit`], in a transaction of one's own: what else is written in it stays if the batch
    /// does. After an error the transaction must be given up, as [`Session`] says.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub fn commit_in(
        &self,
        session: &Session<'_>,
        tenant: &TenantId,
        batch: &Batch,
    ) -> Result<Vec<Committed>, StoreError> {
        self.commit_drafts_in(session, tenant, batch, &[])
    }

    /// What a write will put into the tables for its document, if it has one. It can be made ahead, in another
    /// thread than the transaction's.
    pub fn draft(&self, write: &Write) -> Option<Draft> {
        commit::draft(&self.types.index, write)
    }

    /// As [`SqlStore::commit_in`], with the drafts of writes at the same places of the batch. Those that are
    /// not given are made.
    ///
    /// # Errors
    /// As [`SqlStore::commit_in`].
    pub fn commit_drafts_in(
        &self,
        session: &Session<'_>,
        tenant: &TenantId,
        batch: &Batch,
        drafts: &[Option<&Draft>],
    ) -> Result<Vec<Committed>, StoreError> {
        let given = drafts.iter().copied().chain(std::iter::repeat(None));
        let missing = |(write, given): (&Write, Option<&Draft>)| match given {
            Some(_) => None,
            None => self.draft(write),
        };
        let made: Vec<Option<Draft>> = batch.writes.iter().zip(given.clone()).map(missing).collect();
        let drafts: Vec<_> = given.zip(&made).map(|(given, made)| given.or(made.as_ref())).collect();
        commit::commit(session, &self.types.index, tenant, batch, &drafts)
    }

    /// Finds, for each of some resources of one type, those of the tenant that have the same value of an
    /// attribute: of one that is unique or indexed, by canonical path. All of them are looked up together.
    ///
    /// # Errors
    /// When the database can't answer.
    pub fn alike_in(
        &self,
        session: &Session<'_>,
        tenant: &TenantId,
        resource_type: &ResourceType,
        attribute: &str,
        like: &[impl Borrow<Resource>],
    ) -> Result<Vec<Alike>, StoreError> {
        alike::find(session, &self.types.index, tenant, resource_type, attribute, like)
    }

    /// As [`SqlStore::alike_in`], but finds only the ids.
    ///
    /// # Errors
    /// When the database can't answer.
    pub fn ids_alike_in(
        &self,
        session: &Session<'_>,
        tenant: &TenantId,
        resource_type: &ResourceType,
        attribute: &str,
        like: &[impl Borrow<Resource>],
    ) -> Result<Vec<Alike<String>>, StoreError> {
        alike::find(session, &self.types.index, tenant, resource_type, attribute, like)
    }

    /// As [`Store::types_of`], in a transaction of one's own.
    ///
    /// # Errors
    /// When the database can't answer.
    pub fn types_of_in(
        &self,
        session: &Session<'_>,
        tenant: &TenantId,
        ids: &[String],
    ) -> Result<Vec<Option<String>>, StoreError> {
        alike::types_of(session, tenant, ids)
    }

    pub(crate) fn index(&self) -> &Index {
        &self.types.index
    }

    pub(crate) async fn rebuild_index(&self) -> Result<(), OpenError> {
        let types = Arc::clone(&self.types);
        let manner = Manner { patient: true, ..Manner::default() };
        let work = move |session: &Session<'_>| types.index.remake(session, &types.registry);
        let done = self.database.write_in(manner, work).await;
        done.map_err(|error: RefreshError| error.into_open_error(self.database.place()))
    }

    /// A caller's type may be one that is not registered here.
    fn known(&self, resource_type: &ResourceType) -> Arc<ResourceType> {
        let known = self.types.registry.resource_type(resource_type.name()).cloned();
        known.unwrap_or_else(|| Arc::new(resource_type.clone()))
    }

    /// Gives positions to changes, where many have none: nobody may have read the feed for long, and the places
    /// of far pages are worked out from it.
    async fn sequence_many(&self) -> Result<(), StoreError> {
        if self.database.engine() == Engine::Sqlite {
            return Ok(());
        }
        while self.database.read(feed::has_many_unsequenced).await? {
            self.database.write_quietly(feed::sequence).await?;
        }
        Ok(())
    }

    /// Work that reads with one view of the tenant's data.
    fn reading<T, F>(
        &self,
        tenant: &TenantId,
        mut work: F,
    ) -> impl FnMut(&Session<'_>) -> Result<T, StoreError> + Send + 'static
    where
        T: Send + 'static,
        F: FnMut(&Reader<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (types, tenant) = (Arc::clone(&self.types), tenant.clone());
        move |session| {
            let Types { registry, index, thresholds, fences } = &*types;
            work(&Reader { session, registry, index, thresholds, fences, tenant: &tenant })
        }
    }
}

#[async_trait]
impl Store for SqlStore {
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
        let resource_type = self.known(resource_type);
        let id = id.to_owned();
        let work = self.reading(tenant, move |reader| reader.get(&resource_type, &id, include));
        // Members may be many.
        if include.members { self.database.read(work).await } else { self.database.look_up(work).await }
    }

    async fn get_with_members(
        &self,
        tenant: &TenantId,
        resource_type: &ResourceType,
        ids: &[String],
        include: Include,
        enough: usize,
    ) -> Result<Vec<Option<WithMembers>>, StoreError> {
        let resource_type = self.known(resource_type);
        let ids = ids.to_vec();
        let work = move |reader: &Reader<'_>| reader.get_with_members(&resource_type, &ids, include, enough);
        self.database.read(self.reading(tenant, work)).await
    }

    async fn types_of(&self, tenant: &TenantId, ids: &[String]) -> Result<Vec<Option<String>>, StoreError> {
        let ids = ids.to_vec();
        let few = ids.len() <= FEW;
        let work = self.reading(tenant, move |reader| alike::types_of(reader.session, reader.tenant, &ids));
        if few { self.database.look_up(work).await } else { self.database.read(work).await }
    }

    async fn query(&self, tenant: &TenantId, query: &Query) -> Result<Page, StoreError> {
        let query = query.clone();
        if matches!(query.page.start, Start::Offset(skip) if skip > self.types.thresholds.far) {
            self.sequence_many().await?;
        }
        let look_up = is_look_up(&query, &self.types.index);
        let work = self.reading(tenant, move |reader| reader.query(&query));
        if look_up { self.database.look_up(work).await } else { self.database.read(work).await }
    }

    async fn commit(&self, tenant: &TenantId, batch: Batch) -> Result<Vec<Committed>, StoreError> {
        self.database.commit(Request::new(&self.types.index, tenant, batch)).await
    }
}

#[async_trait]
impl ChangeFeed for SqlStore {
    async fn after(&self, cursor: FeedCursor, limit: usize) -> Result<Vec<ChangeEntry>, StoreError> {
        let types = Arc::clone(&self.types);
        let read = move |session: &Session<'_>| feed::after(session, &types.registry, cursor, limit);
        let found = self.database.read(read.clone()).await?;
        if !found.unsequenced {
            return Ok(found.entries);
        }
        self.database.write_quietly(feed::sequence).await?;
        Ok(self.database.read(read).await?.entries)
    }

    async fn wait(&self, cursor: FeedCursor) -> Result<(), StoreError> {
        let mut commits = self.database.commits();
        loop {
            // Before looking, so that a commit after the look is noticed.
            commits.borrow_and_update();
            if self.database.read(move |session| feed::is_behind(session, cursor)).await? {
                return Ok(());
            }
            let committed = commits.changed();
            let committed = match self.database.engine() {
                Engine::Sqlite => committed.await,
                // Another process may have committed something.
                Engine::Postgres => tokio::time::timeout(POLL, committed).await.unwrap_or(Ok(())),
            };
            committed.map_err(|_| DatabaseError::Stopped)?;
        }
    }
}

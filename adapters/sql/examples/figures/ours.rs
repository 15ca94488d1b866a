//! The store, as the protocol uses it.

use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use scim_core::{
    Batch, Cause, Change, Document, Include, Matcher, Member, MembersChange, Page, PageRequest, Precondition,
    Query, Start, Store, StoreError, TenantId, Write,
};
use scim_schema::{DateTime, Registry, Resource, ResourceType};
use scim_sql::{Database, SqlStore};

use crate::documents::User;
use crate::figures::Turn;
use crate::{Effort, Result};

/// Later resources are created later: in the indexes that have the time they stand behind each other.
fn now() -> DateTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    DateTime::from_unix_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// A directory of a store. Clones share it.
#[derive(Clone)]
pub(crate) struct Ours {
    store: Arc<dyn Store>,
    user: Arc<ResourceType>,
    group: Arc<ResourceType>,
    tenant: TenantId,
}

impl Ours {
    pub(crate) async fn new(database: Database, tenant: &str) -> Result<Self> {
        let registry = Arc::new(Registry::standard());
        let store = SqlStore::new(database, Arc::clone(&registry)).await?;
        Self::of(Arc::new(store), &registry, tenant)
    }

    pub(crate) fn of(store: Arc<dyn Store>, registry: &Registry, tenant: &str) -> Result<Self> {
        let user = Arc::clone(registry.resource_type("User").ok_or("there is no User")?);
        let group = Arc::clone(registry.resource_type("Group").ok_or("there is no Group")?);
        Ok(Self { store, user, group, tenant: TenantId::new(tenant) })
    }

    /// One user a commit, by so many clients that each wait for their answer. They take the users in turn: who
    /// is written at the same time has ids that follow each other, as the floor's have.
    pub(crate) async fn inserts(&self, clients: usize, users: Vec<User>, effort: Effort) -> Result<Turn> {
        let mut shares: Vec<Vec<Write>> = vec![Vec::new(); clients];
        let mut users = users.into_iter();
        while users.len() >= clients {
            for (share, user) in shares.iter_mut().zip(users.by_ref()) {
                share.push(self.insertion(user));
            }
        }
        let began = Instant::now();
        let client = |share: Vec<Write>| {
            let ours = self.clone();
            tokio::spawn(async move {
                let mut times = Vec::with_capacity(share.len());
                for write in share {
                    let started = Instant::now();
                    ours.commit(vec![write]).await?;
                    times.push(started.elapsed());
                    if began.elapsed() >= effort.turn {
                        break;
                    }
                }
                Ok::<_, StoreError>(times)
            })
        };
        let clients: Vec<_> = shares.into_iter().map(client).collect();
        let mut times = Vec::new();
        for client in clients {
            times.append(&mut client.await??);
        }
        Turn::within(times, began.elapsed())
    }

    /// What a POST of the user asks of the store.
    pub(crate) fn insertion(&self, user: User) -> Write {
        let unique = self.user.unique_keys(&user.resource);
        let document = Document { resource: user.resource, unique };
        let change = Change::Insert { document, members: Vec::new() };
        let resource_type = Arc::clone(&self.user);
        Write { resource_type, id: user.id, precondition: Precondition::Absent, change }
    }

    /// Makes a group, if there is none of this id.
    pub(crate) async fn group(&self, id: &str, members: &[String]) -> Result<()> {
        if self.store.get(&self.tenant, &self.group, id, Include::NONE).await?.is_some() {
            return Ok(());
        }
        let mut resource = Resource::default();
        resource.set_schemas(&self.group);
        resource.set_id(id);
        resource.attributes_mut().insert("displayName", id);
        let document = Document { unique: self.group.unique_keys(&resource), resource };
        let members = members.iter().map(Member::new).collect();
        let change = Change::Insert { document, members };
        let resource_type = Arc::clone(&self.group);
        let precondition = Precondition::Absent;
        self.commit(vec![Write { resource_type, id: id.to_owned(), precondition, change }]).await?;
        Ok(())
    }

    /// Whether the change of a group's members changed something.
    pub(crate) async fn change_members(&self, id: &str, members: MembersChange) -> Result<bool, StoreError> {
        let change = Change::Update { document: None, changes: Vec::new(), members };
        let resource_type = Arc::clone(&self.group);
        let precondition = Precondition::Any;
        self.commit(vec![Write { resource_type, id: id.to_owned(), precondition, change }]).await
    }

    /// Whether all writes changed something.
    pub(crate) async fn commit(&self, writes: Vec<Write>) -> Result<bool, StoreError> {
        let now = now();
        let cause = Cause { kind: "scim".into(), request_id: "0b86d5b4".into() };
        let batch = Batch { writes, now, cause, check_members: true };
        let committed = self.store.commit(&self.tenant, batch).await?;
        Ok(committed.iter().all(|write| write.changed))
    }

    /// A question for users, in the order of creation, as `GET /Users` asks it.
    pub(crate) fn question(&self, start: Start, count: usize, filter: Option<Arc<Matcher>>) -> Query {
        Query {
            resource_types: vec![Arc::clone(&self.user)],
            filter,
            sort: None,
            page: PageRequest { start, count },
            include: Include::ALL,
        }
    }

    pub(crate) async fn answer(&self, query: &Query) -> Result<Page> {
        Ok(self.store.query(&self.tenant, query).await?)
    }

    pub(crate) fn user(&self) -> &ResourceType {
        &self.user
    }
}

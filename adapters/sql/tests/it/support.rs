//! What the tests build their stores and resources with.

use std::sync::{Arc, LazyLock};

use scim_core::{
    Batch, Cause, Change, Committed, Document, Include, Matcher, Member, MemberDelta, MembersChange, Page,
    PageRequest, Precondition, Query, Sort, Start, Store, StoreError, Stored, TenantId, Write,
};
use scim_filter::{Filter, MatchOptions};
use scim_schema::{DateTime, Registry, Resource, ResourceType};
use scim_sql::{Database, PostgresOptions, SqlStore};
use scim_test_postgres::Cluster;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A moment; tests count microseconds from it.
pub(crate) const START: i64 = 1_700_000_000_000_000;

/// Makes three tests of each function, one for each kind of database.
macro_rules! on_all_kinds {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
            async fn $name() {
                super::$name($crate::support::Kind::Sqlite).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
            async fn $name() {
                super::$name($crate::support::Kind::Postgres).await;
            })*
        }
        mod pooled {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
            async fn $name() {
                super::$name($crate::support::Kind::Pooled).await;
            })*
        }
    };
}
pub(crate) use on_all_kinds;

/// The kinds of databases.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
    /// PostgreSQL as it is used behind a pooler.
    Pooled,
}

pub(crate) struct Fixture {
    pub(crate) store: SqlStore,
    pub(crate) place: Place,
}

/// Where a database is.
pub(crate) enum Place {
    Folder(TempDir),
    Server(Box<PostgresOptions>),
}

impl Place {
    pub(crate) fn new(kind: Kind) -> Self {
        if matches!(kind, Kind::Sqlite) {
            return Self::Folder(TempDir::new().unwrap());
        }
        let mut options = PostgresOptions::new(&Cluster::shared().unwrap().database().unwrap()).unwrap();
        options.prepare = matches!(kind, Kind::Postgres);
        Self::Server(Box::new(options))
    }

    pub(crate) async fn open(&self) -> Database {
        match self {
            Self::Folder(folder) => Database::open(folder.path().join("scim.db")).await.unwrap(),
            Self::Server(options) => Database::connect((**options).clone()).await.unwrap(),
        }
    }
}

impl Fixture {
    pub(crate) async fn reopen(self) -> Self {
        let Self { store, place } = self;
        drop(store);
        Self::at(place).await
    }

    async fn at(place: Place) -> Self {
        let store = SqlStore::new(place.open().await, Registry::standard()).await.unwrap();
        Self { store, place }
    }
}

pub(crate) async fn fixture(kind: Kind) -> Fixture {
    Fixture::at(Place::new(kind)).await
}

pub(crate) fn acme() -> TenantId {
    TenantId::new("acme")
}

pub(crate) fn at(micros: i64) -> DateTime {
    DateTime::from_unix_micros(START + micros)
}

pub(crate) fn type_named(name: &str) -> Arc<ResourceType> {
    static STANDARD: LazyLock<Registry> = LazyLock::new(Registry::standard);
    Arc::clone(STANDARD.resource_type(name).unwrap())
}

pub(crate) fn document(resource_type: &ResourceType, id: &str, attributes: Value) -> Document {
    let mut object = json!({"schemas": [resource_type.schema().id()], "id": id});
    object.as_object_mut().unwrap().extend(attributes.as_object().unwrap().clone());
    let resource = Resource::from_canonical(serde_json::from_value(object).unwrap());
    Document { unique: resource_type.unique_keys(&resource), resource }
}

pub(crate) fn write(name: &str, id: &str, precondition: Precondition, change: Change) -> Write {
    Write { resource_type: type_named(name), id: id.into(), precondition, change }
}

pub(crate) fn insert(name: &str, id: &str, attributes: Value) -> Write {
    insert_with(name, id, attributes, &[])
}

pub(crate) fn insert_with(name: &str, id: &str, attributes: Value, members: &[&str]) -> Write {
    let document = document(&type_named(name), id, attributes);
    let members = members.iter().map(|m| Member::new(*m)).collect();
    write(name, id, Precondition::Absent, Change::Insert { document, members })
}

pub(crate) fn user(id: &str) -> Write {
    insert("User", id, json!({"userName": format!("{id}@example.com")}))
}

pub(crate) fn group(id: &str, members: &[&str]) -> Write {
    insert_with("Group", id, json!({"displayName": format!("The {id}")}), members)
}

pub(crate) fn replace(name: &str, id: &str, attributes: Value) -> Write {
    let document = Some(document(&type_named(name), id, attributes));
    let change = Change::Update { document, changes: Vec::new(), members: MembersChange::Keep };
    write(name, id, Precondition::Any, change)
}

pub(crate) fn members(id: &str, members: MembersChange) -> Write {
    let change = Change::Update { document: None, changes: Vec::new(), members };
    write("Group", id, Precondition::Any, change)
}

pub(crate) fn delta(id: &str, add: &[&str], remove: &[&str]) -> Write {
    let add = add.iter().map(|m| Member::new(*m)).collect();
    let remove = remove.iter().map(|&r| r.to_owned()).collect();
    members(id, MembersChange::Delta(MemberDelta { clear: false, add, remove }))
}

pub(crate) fn delete(name: &str, id: &str) -> Write {
    write(name, id, Precondition::Any, Change::Delete)
}

pub(crate) fn batch(writes: Vec<Write>, now: i64) -> Batch {
    let cause = Cause { kind: "scim".into(), request_id: format!("request-{now}") };
    Batch { writes, now: at(now), cause, check_members: true }
}

/// Commits one write.
pub(crate) async fn commit(store: &dyn Store, write: Write, now: i64) -> Result<Committed, StoreError> {
    Ok(store.commit(&acme(), batch(vec![write], now)).await?.remove(0))
}

pub(crate) async fn get(store: &dyn Store, name: &str, id: &str) -> Option<Stored> {
    store.get(&acme(), &type_named(name), id, Include::ALL).await.unwrap()
}

/// The values of a multi-valued attribute, such as the ids of members.
pub(crate) fn values(stored: &Stored, attribute: &str) -> Vec<String> {
    let elements = stored.resource.get(attribute).map(scim_schema::Value::elements).unwrap_or_default();
    elements.iter().map(|v| v.get("value").unwrap().as_str().unwrap().to_owned()).collect()
}

pub(crate) fn query(types: &[&str], filter: Option<&str>) -> Query {
    let resource_types: Vec<Arc<ResourceType>> = types.iter().map(|t| type_named(t)).collect();
    let filter = filter.map(|text| {
        let filter = Filter::parse(text).unwrap();
        Arc::new(Matcher::new(&filter, &resource_types, &MatchOptions::default()).unwrap())
    });
    Query {
        resource_types,
        filter,
        sort: None,
        page: PageRequest { start: Start::Offset(0), count: 1000 },
        include: Include::NONE,
    }
}

pub(crate) fn sorted(mut query: Query, by: &str, descending: bool) -> Query {
    query.sort = Some(Sort::new(by, descending, &query.resource_types).unwrap());
    query
}

pub(crate) fn paged(mut query: Query, start: Start, count: usize) -> Query {
    query.page = PageRequest { start, count };
    query
}

pub(crate) fn ids(page: &Page) -> Vec<String> {
    page.resources.iter().map(|stored| stored.resource.id().to_owned()).collect()
}

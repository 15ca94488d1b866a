//! What SQLite makes of the statements of queries: no scans, and no sorting where an index has the order.

use std::cell::RefCell;
use std::sync::Arc;

use scim_core::{
    Batch, Cause, Change, Document, Include, Matcher, Member, PageRequest, Position, Precondition, Query,
    Sort, SortKey, Start, Store, TenantId, Write,
};
use scim_filter::{Filter, MatchOptions};
use scim_schema::{DateTime, Registry, Resource};
use serde_json::json;

use crate::fences::Fences;
use crate::index::Index;
use crate::query::Reader;
use crate::session::Session;
use crate::{Database, DatabaseError, SqlStore, StoreOptions, Thresholds};

async fn store() -> (tempfile::TempDir, SqlStore) {
    let folder = tempfile::TempDir::new().unwrap();
    let database = Database::open(folder.path().join("db")).await.unwrap();
    let store = SqlStore::new(database, Registry::standard()).await.unwrap();
    let mut writes = Vec::new();
    for n in 0..12 {
        let (name, attributes) = match n {
            0..10 => (
                "User",
                json!({"userName": format!("ann{n}"), "externalId": format!("{}", n % 2), "active": n % 3 == 0,
                    "displayName": "Ann", "emails": [{"value": format!("a{n}@x.org"), "type": "work"}]}),
            ),
            _ => ("Group", json!({"displayName": format!("Staff {n}"), "externalId": "1"})),
        };
        let resource_type = Arc::clone(store.registry().resource_type(name).unwrap());
        let mut object = json!({"schemas": [resource_type.schema().id()], "id": format!("{n}")});
        object.as_object_mut().unwrap().extend(attributes.as_object().unwrap().clone());
        let resource = Resource::from_canonical(serde_json::from_value(object).unwrap());
        let document = Document { unique: resource_type.unique_keys(&resource), resource };
        let members = if n < 10 { Vec::new() } else { ["1", "2", "3"].map(Member::new).into() };
        writes.push(Write {
            resource_type,
            id: format!("{n}"),
            precondition: Precondition::Absent,
            change: Change::Insert { document, members },
        });
    }
    let now = DateTime::from_unix_micros(1_700_000_000_000_000);
    let batch = Batch { writes, now, cause: Cause::default(), check_members: true };
    store.commit(&TenantId::new("acme"), batch).await.unwrap();
    (folder, store)
}

/// The plans of all statements of a query that has more candidates and matches than are looked at one by
/// one, or of one that has not.
async fn plans(
    store: &SqlStore,
    many: bool,
    name: &str,
    filter: &str,
    sort: &str,
    start: Start,
) -> Vec<String> {
    let registry = Arc::clone(store.registry());
    let resource_type = Arc::clone(registry.resource_type(name).unwrap());
    let filter = (!filter.is_empty()).then(|| {
        let filter = Filter::parse(filter).unwrap();
        Arc::new(Matcher::new(&filter, [&resource_type], &MatchOptions::default()).unwrap())
    });
    let (path, descending) = sort.strip_prefix('-').map_or((sort, false), |path| (path, true));
    let resource_types = vec![resource_type];
    let sort = (!sort.is_empty()).then(|| Sort::new(path, descending, &resource_types).unwrap());
    let page = PageRequest { start, count: 2 };
    let query = Query { resource_types, filter, sort, page, include: Include::NONE };
    let few = Thresholds::default();
    let many = many.then_some(Thresholds { small: 0, read: 0, sorted: 0, far: 1, step: 2 });
    let thresholds = many.unwrap_or(few);
    let explain = move |session: &Session<'_>| {
        let index = Index::new(&registry, &StoreOptions::default()).unwrap();
        let plans = RefCell::default();
        let session = session.explained(&plans);
        let reader = Reader {
            session: &session,
            registry: &registry,
            index: &index,
            thresholds: &thresholds,
            fences: &Fences::new(2),
            tenant: &TenantId::new("acme"),
        };
        reader.query(&query).map_err(|error| panic!("{error:?}")).unwrap();
        Ok::<_, DatabaseError>(plans.into_inner())
    };
    store.database().read(explain).await.unwrap()
}

/// Only what is materialised within a statement may be scanned.
fn is_scan(step: &str) -> bool {
    let own = ["SCAN q", "SCAN i", "SCAN 2-ROW VALUES", "SCAN (subquery"];
    step.starts_with("SCAN") && !own.iter().any(|prefix| step.starts_with(prefix))
}

const VALUE: &str = "PRIMARY KEY (tenant=? AND type=? AND attribute=? AND value=?)";
const RANGE: &str = "PRIMARY KEY (tenant=? AND type=? AND attribute=? AND value>? AND value<?)";
const BY_ID: &str = "INDEX scim_resources_by_id (tenant=? AND id=?)";
const IN_ORDER: &str = "INDEX scim_resources_by_creation (tenant=? AND type=?";

/// Filters on indexed attributes.
const INDEXED: [(&str, &str, &str); 24] = [
    ("User", "userName eq \"ann1\"", VALUE),
    ("User", "userName sw \"ann\"", RANGE),
    ("User", "userName co \"n1\"", "PRIMARY KEY (tenant=? AND type=? AND attribute=?)"),
    ("User", "userName ge \"b\"", RANGE),
    ("User", "externalId eq \"1\"", VALUE),
    ("Group", "externalId eq \"1\"", VALUE),
    ("User", "externalId pr", RANGE),
    ("User", "externalId eq null", VALUE),
    ("User", "emails.value eq \"a1@x.org\"", VALUE),
    ("User", "emails eq \"a1@x.org\"", VALUE),
    ("User", "emails[type eq \"work\" and value eq \"a1@x.org\"]", VALUE),
    ("User", "emails.value sw \"a\"", RANGE),
    ("User", "displayName eq \"Ann\" and title co \"x\"", VALUE),
    ("User", "displayName eq \"Ann\" or userName eq \"ann1\"", VALUE),
    ("Group", "displayName eq \"Staff 11\"", VALUE),
    ("User", "active eq true", VALUE),
    ("User", "active eq false and externalId eq \"1\"", VALUE),
    ("User", "not (active eq true)", VALUE),
    ("User", "id eq \"1\"", BY_ID),
    (
        "User",
        "meta.lastModified gt \"2023-01-01T00:00:00Z\"",
        "INDEX scim_resources_by_change (tenant=? AND type=? AND modified>? AND modified<?)",
    ),
    (
        "User",
        "meta.created gt \"2023-01-01T00:00:00Z\"",
        "INDEX scim_resources_by_creation (tenant=? AND type=? AND created>? AND created<?)",
    ),
    ("Group", "members.value eq \"1\"", "INDEX scim_members_by_member (tenant=? AND member_key=?)"),
    ("User", "groups.value eq \"11\"", "PRIMARY KEY (tenant=? AND holder=?)"),
    ("User", "groups eq \"11\" and title co \"x\"", "PRIMARY KEY (tenant=? AND holder=?)"),
];

#[tokio::test]
async fn filters_on_indexed_attributes_use_an_index() {
    let (_folder, store) = store().await;
    for (name, filter, expected) in INDEXED {
        for many in [false, true] {
            let plans = plans(&store, many, name, filter, "", Start::Offset(0)).await;
            assert!(plans.iter().any(|plan| plan.contains(expected)), "{filter}: {plans:#?}");
            for plan in &plans {
                assert!(!plan.split("; ").any(is_scan), "{filter}: {plan}");
            }
        }
    }
}

#[tokio::test]
async fn pages_come_in_the_order_of_an_index() {
    let (_folder, store) = store().await;
    let at = |key: &str| {
        let key = if key.is_empty() { SortKey::Missing } else { SortKey::Text(key.into()) };
        Position { key, created: 1_700_000_000_000_000, id: "5".into() }
    };
    let filters = ["", "active eq false", "externalId eq \"1\" and active eq false", "userName sw \"ann\""];
    let sorts = [("", IN_ORDER), ("userName", "PRIMARY KEY (tenant=? AND type=? AND attribute=?")];
    for filter in filters {
        for (sort, expected) in sorts {
            let key = if sort.is_empty() { "" } else { "ann5" };
            let starts = [Start::Offset(0), Start::Offset(4), Start::After(at(key)), Start::Before(at(key))];
            for start in starts {
                let plans = plans(&store, true, "User", filter, sort, start.clone()).await;
                let what = format!("{filter} {sort} {start:?}: {plans:#?}");
                let own = if sort.is_empty() && filter.contains("active") { VALUE } else { expected };
                assert!(plans.iter().any(|plan| plan.contains(own.trim_end_matches(')'))), "{what}");
                for plan in &plans {
                    assert!(!plan.contains("TEMP B-TREE"), "{what}");
                    assert!(!plan.split("; ").any(is_scan), "{what}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_descending_order_sorts_only_ties() {
    let (_folder, store) = store().await;
    for sort in ["-userName", "-meta.lastModified", "meta.lastModified", "-meta.created"] {
        for start in [Start::Offset(0), Start::Offset(5)] {
            let plans = plans(&store, true, "User", "", sort, start).await;
            assert!(
                !plans.iter().any(|plan| plan.contains("TEMP B-TREE FOR ORDER BY")),
                "{sort}: {plans:#?}"
            );
            assert!(!plans.iter().any(|plan| plan.split("; ").any(is_scan)), "{sort}: {plans:#?}");
        }
    }
}

//! Which way queries go, and that they say the same on each.

use scim_core::{Include, MemoryStore, Start, Store};
use scim_schema::Registry;
use scim_sql::{Database, DatabaseError, SqlStore, StoreOptions};
use serde_json::json;

use crate::support::*;

#[tokio::test]
async fn the_index_is_remade_when_the_list_of_indexed_attributes_changes() {
    let folder = tempfile::TempDir::new().unwrap();
    let filter = || query(&["User"], Some("title eq \"boss\""));
    let rows = "SELECT count(*) FROM scim_values WHERE attribute = 'title' AND value = 'boss'";
    for (title, rows_expected) in [(true, 1), (false, 0), (true, 1)] {
        let database = Database::open(folder.path().join("scim.db")).await.unwrap();
        let mut options = StoreOptions::default();
        if title {
            options.indexed.push("TITLE".into());
        }
        let store = SqlStore::with_options(database, Registry::standard(), &options).await.unwrap();
        if get(&store, "User", "a").await.is_none() {
            let attributes = json!({"userName": "a", "title": "Boss"});
            commit(&store, insert("User", "a", attributes), 1).await.unwrap();
        }
        let count: Result<i64, DatabaseError> =
            store.database().read(move |c| Ok(c.query_row(rows, [], |row| row.get(0))?)).await;
        assert_eq!(count.unwrap(), rows_expected);
        assert_eq!(ids(&store.query(&acme(), &filter()).await.unwrap()), ["a"]);
    }
}

#[tokio::test]
async fn an_attribute_that_does_not_exist_is_not_indexed() {
    let folder = tempfile::TempDir::new().unwrap();
    let database = Database::open(folder.path().join("scim.db")).await.unwrap();
    let mut options = StoreOptions::default();
    options.indexed.push("shoeSize".into());
    let error = SqlStore::with_options(database, Registry::standard(), &options).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "shoeSize can't be indexed: it is not the path of a simple attribute of a resource type"
    );
}

/// Pages from remembered places, while resources come and go.
#[tokio::test]
async fn far_pages_stay_right_when_resources_come_and_go() {
    let f = fixture_of_many().await;
    let model = MemoryStore::standard();
    let stores: [&dyn Store; 2] = [&f.store, &model];
    let mut random = 7_u64;
    for step in 0..400_i64 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let id = format!("u{}", (random >> 33) % 60);
        for store in stores {
            let write = match store.get(&acme(), &type_named("User"), &id, Include::NONE).await.unwrap() {
                Some(_) => delete("User", &id),
                None => user(&id),
            };
            // Clocks jump.
            commit(store, write, step % 37).await.unwrap();
        }
        for skip in [3, 11, 23] {
            let query = paged(query(&["User"], None), Start::Offset(skip), 4);
            let expected = model.query(&acme(), &query).await.unwrap();
            assert_eq!(f.store.query(&acme(), &query).await.unwrap(), expected, "{step} {skip}");
        }
    }
}

//! Which way queries go, and that they say the same on each.

use scim_core::{ChangeFeed as _, Include, MemoryStore, Start, Store};
use scim_schema::Registry;
use scim_sql::{Database, DatabaseError, SqlStore, StoreOptions};
use serde_json::json;

use crate::support::*;

on_all_kinds! {
    the_index_is_remade_when_the_list_of_indexed_attributes_changes,
    far_pages_stay_right_when_resources_come_and_go,
    far_pages_stay_right_while_many_write,
}

async fn the_index_is_remade_when_the_list_of_indexed_attributes_changes(kind: Kind) {
    let place = Place::new(kind);
    let filter = || query(&["User"], Some("title eq \"boss\""));
    let rows = "SELECT count(*) FROM scim_values WHERE attribute = 'title' AND value = 'boss'";
    for (title, rows_expected) in [(true, 1), (false, 0), (true, 1)] {
        let database = place.open().await;
        let mut options = StoreOptions::default();
        if title {
            options.indexed.push("TITLE".into());
        }
        let store = SqlStore::with_options(database, Registry::standard(), &options).await.unwrap();
        if get(&store, "User", "a").await.is_none() {
            let attributes = json!({"userName": "a", "title": "Boss"});
            commit(&store, insert("User", "a", attributes), 1).await.unwrap();
        }
        let count: Result<Option<i64>, DatabaseError> =
            store.database().read(move |session| session.first(rows, &[], |row| row.int(0))).await;
        assert_eq!(count.unwrap(), Some(rows_expected));
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
async fn far_pages_stay_right_when_resources_come_and_go(kind: Kind) {
    let f = fixture_of_many(kind).await;
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

/// Changes become visible in another order than that of their numbers where there are several writers.
async fn far_pages_stay_right_while_many_write(kind: Kind) {
    let f = fixture_of_many(kind).await;
    for n in 0..60 {
        commit(&f.store, user(&format!("first-{n:02}")), n).await.unwrap();
    }
    let page_at = |skip| paged(query(&["User"], None), Start::Offset(skip), 3);
    for round in 0..20 {
        let mut tasks = tokio::task::JoinSet::new();
        for writer in 0..4 {
            let store = f.store.clone();
            tasks.spawn(async move {
                for n in 0..5 {
                    let id = format!("{round}-{writer}-{n}");
                    commit(&store, user(&id), 100 * round + n).await.unwrap();
                    if n % 2 == 0 {
                        commit(&store, delete("User", &id), 100 * round + n).await.unwrap();
                    }
                }
            });
        }
        while !tasks.is_empty() {
            f.store.query(&acme(), &page_at(17)).await.unwrap();
            tasks.try_join_next();
            tokio::task::yield_now().await;
        }
        // Page by page it is the same as all at once.
        let all = ids(&f.store.query(&acme(), &query(&["User"], None)).await.unwrap());
        let mut walked = Vec::new();
        while walked.len() < all.len() {
            let page = f.store.query(&acme(), &page_at(walked.len() as u64)).await.unwrap();
            assert_eq!(page.total, all.len() as u64);
            walked.extend(ids(&page));
        }
        assert_eq!(walked, all, "{round}");
        if round % 5 == 0 {
            f.store.after(scim_core::FeedCursor::START, 10).await.unwrap();
        }
    }
}

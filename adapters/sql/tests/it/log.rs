//! What the change log says of a resource that was only created, and later.

use scim_core::{ChangeFeed as _, FeedCursor, Precondition, Store as _};
use scim_sql::{DatabaseError, SqlStore};
use serde_json::json;

use crate::support::*;

on_all_kinds! {
    a_document_is_stored_once_until_it_changes,
    the_log_tells_the_same_before_and_after_a_change,
    of_a_creation_that_fails_nothing_is_logged,
}

/// The documents in the log itself, in its order.
async fn logged(store: &SqlStore) -> Vec<bool> {
    let is_there = "SELECT CASE document WHEN '' THEN 0 ELSE 1 END FROM scim_changes ORDER BY seq";
    let read = store.database().read(move |session| session.all(is_there, &[], |row| row.flag(0)));
    read.await.map_err(|error: DatabaseError| error.to_string()).unwrap()
}

/// Kind, id, version and userName or displayName of all changes.
async fn told(store: &SqlStore) -> Vec<String> {
    let entries = store.after(FeedCursor::START, 100).await.unwrap();
    let name = |entry: &scim_core::ChangeEntry| {
        let named = entry.resource.get("userName").or(entry.resource.get("displayName"));
        named.unwrap().as_str().unwrap().to_owned()
    };
    let tell = |e: &scim_core::ChangeEntry| format!("{} {} {} {}", e.kind.as_str(), e.id, e.version, name(e));
    entries.iter().map(tell).collect()
}

async fn a_document_is_stored_once_until_it_changes(kind: Kind) {
    let f = fixture(kind).await;
    let several = vec![user("a"), user("b"), user("c"), group("g", &["a", "b"]), group("h", &[])];
    f.store.commit(&acme(), batch(several, 0)).await.unwrap();
    assert_eq!(logged(&f.store).await, [false; 5]);
    commit(&f.store, replace("User", "a", json!({"userName": "ann"})), 1).await.unwrap();
    assert_eq!(logged(&f.store).await, [true, false, false, false, false, true]);
    commit(&f.store, delta("h", &["c"], &[]), 2).await.unwrap();
    assert_eq!(logged(&f.store).await, [true, false, false, false, true, true, true]);
    // The group that had b changes too.
    commit(&f.store, delete("User", "b"), 3).await.unwrap();
    assert_eq!(logged(&f.store).await, [true, true, false, true, true, true, true, true, true]);
    // What changes nothing leaves the log alone.
    commit(&f.store, delta("h", &["c"], &["a"]), 4).await.unwrap();
    assert_eq!(logged(&f.store).await, [true, true, false, true, true, true, true, true, true]);
    let store = f.store.clone();
    let findings = f.store.database().read(move |session| store.check_in(session)).await.unwrap();
    assert!(findings.iter().all(|finding| finding.count == 0), "{findings:?}");
}

async fn the_log_tells_the_same_before_and_after_a_change(kind: Kind) {
    let f = fixture(kind).await;
    commit(&f.store, user("a"), 0).await.unwrap();
    commit(&f.store, group("g", &["a"]), 1).await.unwrap();
    let mut expected = vec!["created a 1 a@example.com".to_owned(), "created g 1 The g".to_owned()];
    assert_eq!(told(&f.store).await, expected);
    for (now, name) in [(2, "ann"), (3, "anna")] {
        commit(&f.store, replace("User", "a", json!({"userName": name})), now).await.unwrap();
        expected.push(format!("updated a {now} {name}"));
        assert_eq!(told(&f.store).await, expected);
    }
    commit(&f.store, replace("Group", "g", json!({"displayName": "G"})), 4).await.unwrap();
    expected.push("updated g 2 G".into());
    assert_eq!(told(&f.store).await, expected);
    commit(&f.store, delete("User", "a"), 5).await.unwrap();
    expected.extend(["deleted a 3 anna".into(), "updated g 3 G".into()]);
    assert_eq!(told(&f.store).await, expected);
    // The same id once more is another resource.
    commit(&f.store, insert("User", "a", json!({"userName": "other"})), 6).await.unwrap();
    expected.push("created a 1 other".into());
    assert_eq!(told(&f.store).await, expected);
    let entries = f.store.after(FeedCursor::START, 1).await.unwrap();
    let meta = entries[0].resource.get("meta").unwrap();
    assert_eq!(meta.get("version").unwrap().as_str(), Some("W/\"1\""));
}

async fn of_a_creation_that_fails_nothing_is_logged(kind: Kind) {
    let f = fixture(kind).await;
    commit(&f.store, user("a"), 0).await.unwrap();
    let same_id = insert("User", "a", json!({"userName": "another"}));
    let same_name = insert("User", "b", json!({"userName": "a@example.com"}));
    for taken in [same_id.clone(), same_name.clone()] {
        commit(&f.store, taken, 1).await.unwrap_err();
    }
    for taken in [same_id, same_name] {
        f.store.commit(&acme(), batch(vec![user("c"), user("d"), taken], 2)).await.unwrap_err();
    }
    assert_eq!(told(&f.store).await, ["created a 1 a@example.com"]);
    let mut update = replace("User", "a", json!({"userName": "ann"}));
    update.precondition = Precondition::Version(7);
    commit(&f.store, update, 3).await.unwrap_err();
    assert_eq!(logged(&f.store).await, [false]);
}

//! The change feed of the memory store: what every reader of a feed may rely on.

use scim_core::{ChangeFeed, ChangeKind, FeedCursor};
use serde_json::json;

use crate::support::*;

#[test]
fn each_change_is_in_the_feed_once() {
    let scim = strict().build();
    let feed = |cursor: FeedCursor, limit: usize| block_on(scim.store.after(cursor, limit)).unwrap();
    let user = scim.user("u", json!({"title": "T", "password": "hunter2"})).id();
    let group = scim.group("G", &[&user]).id();
    let path = format!("/Users/{user}");
    // Nothing that changes nothing, and nothing that fails.
    scim.patch(&path, json!([{"op": "replace", "path": "title", "value": "T"}])).is(200);
    scim.patch(&path, json!([{"op": "replace", "path": "id", "value": "T"}])).is(400);
    scim.with_token(Some("other-token")).delete(&path).is(404);
    scim.patch(&path, json!([{"op": "replace", "path": "name.givenName", "value": "N"}])).is(200);
    scim.delete(&path).is(204);
    let entries = feed(FeedCursor::START, 100);
    let seen: Vec<_> = entries.iter().map(|e| (e.id.as_str(), e.kind, e.version)).collect();
    assert_eq!(
        seen,
        [
            (user.as_str(), ChangeKind::Created, 1),
            (group.as_str(), ChangeKind::Created, 1),
            (user.as_str(), ChangeKind::Updated, 2),
            (user.as_str(), ChangeKind::Deleted, 2),
            (group.as_str(), ChangeKind::Updated, 2),
        ]
    );
    assert_eq!(entries[1].members_added[0].id, user);
    assert_eq!(entries[2].changes[0].path, "name.givenName");
    assert_eq!(entries[3].resource.get("userName").unwrap().as_str(), Some("u"));
    assert_eq!(entries[4].members_removed[0].id, user);
    assert!(
        entries
            .iter()
            .all(|e| e.tenant.as_str() == "t1" && e.cause.kind == "scim" && e.cause.request_id == "request")
    );
    // A reader that keeps its cursor goes on where it was.
    let mut cursor = FeedCursor::START;
    let mut read = Vec::new();
    loop {
        let page = feed(cursor, 2);
        let Some(last) = page.last() else { break };
        cursor = last.cursor;
        read.extend(page);
    }
    assert_eq!(read, entries);
    // ledger: 7643-4.1.1-012, 7644-3.5.1-002
    assert!(!format!("{entries:?}").contains("hunter2"));
    assert!(!format!("{:?}", scim.store).contains("hunter2"));
}

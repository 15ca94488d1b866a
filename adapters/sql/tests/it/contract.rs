//! The obligations of `Store` and `ChangeFeed`, one by one.

use scim_core::{
    AttributeChange, Change, ChangeEntry, ChangeFeed, ChangeKind, FeedCursor, Include, Member, MemberDelta,
    MembersChange, Precondition, Start, Store, StoreError, TenantId,
};
use serde_json::json;

use crate::support::*;

on_all_kinds! {
    a_resource_of_another_tenant_does_not_exist,
    a_resource_is_found_by_its_own_type_only,
    a_batch_is_all_or_nothing,
    long_values_are_unique_too,
    what_was_committed_is_there_after_reopening,
    preconditions_are_checked,
    unique_values_are_unique_among_one_type_and_tenant,
    versions_grow_by_one_and_time_never_goes_back,
    a_write_that_changes_nothing_writes_nothing,
    a_change_of_members_says_who_really_came_and_went,
    members_must_exist_when_the_batch_is_done,
    deleting_removes_edges_both_ways_and_changes_the_holders,
    a_user_in_two_hundred_groups_goes_from_all_of_them,
    groups_are_direct_and_indirect_and_circles_end,
    computed_attributes_come_only_when_asked_for,
    the_feed_has_each_change_with_its_cause,
    waiting_ends_with_the_next_change,
    positions_stay_good_while_others_write,
}

async fn feed(store: &dyn ChangeFeed) -> Vec<ChangeEntry> {
    store.after(FeedCursor::START, 10_000).await.unwrap()
}

fn summary(entries: &[ChangeEntry]) -> Vec<(String, &'static str, u64)> {
    entries.iter().map(|e| (e.id.clone(), e.kind.as_str(), e.version)).collect()
}

async fn a_resource_of_another_tenant_does_not_exist(kind: Kind) {
    let f = fixture(kind).await;
    let (acme, other) = (acme(), TenantId::new("other"));
    f.store.commit(&acme, batch(vec![user("a"), group("g", &["a"])], 0)).await.unwrap();
    let user_type = type_named("User");
    assert!(f.store.get(&other, &user_type, "a", Include::ALL).await.unwrap().is_none());
    assert_eq!(f.store.types_of(&other, &["a".into()]).await.unwrap(), [None]);
    for filter in [None, Some("id eq \"a\""), Some("userName eq \"a@example.com\""), Some("userName pr")] {
        let page = f.store.query(&other, &query(&["User", "Group"], filter)).await.unwrap();
        assert_eq!((page.total, page.resources.len()), (0, 0));
    }
    for write in
        [delete("User", "a"), delta("g", &[], &["a"]), replace("User", "a", json!({"userName": "x"}))]
    {
        let error = f.store.commit(&other, batch(vec![write], 1)).await.unwrap_err();
        assert!(matches!(error, StoreError::NotFound), "{error:?}");
    }
    let error = f.store.commit(&other, batch(vec![group("h", &["a"])], 1)).await.unwrap_err();
    assert!(matches!(error, StoreError::UnknownMember), "{error:?}");
    // The same id and the same user name are free there.
    f.store.commit(&other, batch(vec![user("a"), group("g", &["a"])], 1)).await.unwrap();
    f.store.commit(&other, batch(vec![delete("User", "a")], 2)).await.unwrap();
    let left = get(&f.store, "Group", "g").await.unwrap();
    assert_eq!((left.version, values(&left, "members")), (1, vec!["a".to_owned()]));
}

async fn a_resource_is_found_by_its_own_type_only(kind: Kind) {
    let f = fixture(kind).await;
    commit(&f.store, user("a"), 0).await.unwrap();
    assert!(get(&f.store, "Group", "a").await.is_none());
    assert_eq!(f.store.query(&acme(), &query(&["Group"], Some("id eq \"a\""))).await.unwrap().total, 0);
    let error = commit(&f.store, delete("Group", "a"), 1).await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound), "{error:?}");
    let types = f.store.types_of(&acme(), &["x".into(), "a".into(), "a".into()]).await.unwrap();
    assert_eq!(types, [None, Some("User".into()), Some("User".into())]);
}

async fn long_values_are_unique_too(kind: Kind) {
    let f = fixture(kind).await;
    // Text that can't be compressed, longer than an entry of an index may be.
    let mut state = 7u64;
    let mut letters = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b'a' + u8::try_from((state >> 33) % 26).unwrap())
    };
    let name: String = (0..4000).map(|_| letters()).collect();
    let named = |id: &str, name: &str| insert("User", id, json!({"userName": name, "displayName": name}));
    commit(&f.store, named("a", &name), 0).await.unwrap();
    commit(&f.store, named("b", &format!("{name}b")), 1).await.unwrap();
    let error = commit(&f.store, named("c", &name.to_uppercase()), 2).await.unwrap_err();
    assert!(matches!(&error, StoreError::Conflict { attribute } if attribute == "userName"), "{error:?}");
    for (filter, expected) in [
        (format!("userName eq \"{name}\""), vec!["a"]),
        (format!("userName sw \"{name}\""), vec!["a", "b"]),
        (format!("displayName eq \"{name}b\""), vec!["b"]),
    ] {
        assert_eq!(ids(&f.store.query(&acme(), &query(&["User"], Some(&filter))).await.unwrap()), expected);
    }
    commit(&f.store, replace("User", "a", json!({"userName": "short"})), 3).await.unwrap();
    commit(&f.store, named("c", &name), 4).await.unwrap();
    commit(&f.store, delete("User", "c"), 5).await.unwrap();
    commit(&f.store, named("c", &name), 6).await.unwrap();
}

async fn a_batch_is_all_or_nothing(kind: Kind) {
    let f = fixture(kind).await;
    commit(&f.store, user("a"), 0).await.unwrap();
    let before = feed(&f.store).await;
    let failing = [
        delete("User", "nobody"),
        insert("User", "c", json!({"userName": "A@example.com"})),
        group("g2", &["nobody"]),
        write("User", "a", Precondition::Version(7), Change::Delete),
    ];
    for last in failing {
        let writes = vec![user("b"), group("g", &["a", "b"]), delete("User", "a"), last];
        f.store.commit(&acme(), batch(writes, 1)).await.unwrap_err();
        assert_eq!(feed(&f.store).await, before);
        let page = f.store.query(&acme(), &query(&["User", "Group"], None)).await.unwrap();
        assert_eq!(ids(&page), ["a"]);
        let page = f.store.query(&acme(), &query(&["User"], None)).await.unwrap();
        assert_eq!((page.total, ids(&page)), (1, vec!["a".to_owned()]));
    }
    let writes = vec![user("b"), group("g", &["a", "b"]), delete("User", "a")];
    let committed = f.store.commit(&acme(), batch(writes.clone(), 1)).await;
    // Of what was added as a member, a is gone when the batch is done.
    assert!(matches!(committed, Err(StoreError::UnknownMember)));
    let lenient = scim_core::Batch { check_members: false, ..batch(writes, 1) };
    assert_eq!(f.store.commit(&acme(), lenient).await.unwrap().len(), 3);
    assert_eq!(values(&get(&f.store, "Group", "g").await.unwrap(), "members"), ["b"]);
}

async fn what_was_committed_is_there_after_reopening(kind: Kind) {
    let f = fixture(kind).await;
    f.store.commit(&acme(), batch(vec![user("a"), group("g", &["a"])], 0)).await.unwrap();
    commit(&f.store, delete("User", "a"), 1).await.unwrap();
    let (group, entries) = (get(&f.store, "Group", "g").await.unwrap(), feed(&f.store).await);
    let f = f.reopen().await;
    let store = &f.store;
    assert_eq!(get(store, "Group", "g").await.unwrap(), group);
    assert_eq!(feed(store).await, entries);
    assert_eq!(entries.len(), 4);
    commit(store, user("b"), 2).await.unwrap();
    assert_eq!(feed(store).await.last().unwrap().cursor.parts(), (0, 5));
}

async fn preconditions_are_checked(kind: Kind) {
    let f = fixture(kind).await;
    commit(&f.store, user("a"), 0).await.unwrap();
    let error = commit(&f.store, user("a"), 1).await.unwrap_err();
    assert!(matches!(&error, StoreError::Conflict { attribute } if attribute == "id"), "{error:?}");
    // An id belongs to one resource, whatever its type.
    let error = commit(&f.store, group("a", &[]), 1).await.unwrap_err();
    assert!(matches!(&error, StoreError::Conflict { attribute } if attribute == "id"), "{error:?}");
    let at_version = |version, name: &str| {
        let mut write = replace("User", "a", json!({"userName": name}));
        write.precondition = Precondition::Version(version);
        write
    };
    let error = commit(&f.store, at_version(2, "b"), 1).await.unwrap_err();
    assert!(matches!(error, StoreError::VersionMismatch { current: 1 }), "{error:?}");
    assert_eq!(commit(&f.store, at_version(1, "b"), 1).await.unwrap().version, 2);
    let error = commit(&f.store, at_version(1, "c"), 1).await.unwrap_err();
    assert!(matches!(error, StoreError::VersionMismatch { current: 2 }), "{error:?}");
    for write in [replace("User", "x", json!({"userName": "x"})), delete("User", "x"), delta("x", &[], &[])] {
        let error = commit(&f.store, write, 1).await.unwrap_err();
        assert!(matches!(error, StoreError::NotFound), "{error:?}");
    }
}

async fn unique_values_are_unique_among_one_type_and_tenant(kind: Kind) {
    let f = fixture(kind).await;
    let named = |id: &str, name: &str| insert("User", id, json!({"userName": name}));
    commit(&f.store, named("a", "Ann"), 0).await.unwrap();
    for taken in ["ann", "ANN", "Ａnn"] {
        let error = commit(&f.store, named("b", taken), 1).await.unwrap_err();
        assert!(matches!(&error, StoreError::Conflict { attribute } if attribute == "userName"), "{error:?}");
    }
    commit(&f.store, named("b", "bob"), 1).await.unwrap();
    let error = commit(&f.store, replace("User", "b", json!({"userName": "aNN"})), 2).await.unwrap_err();
    assert!(matches!(error, StoreError::Conflict { .. }), "{error:?}");
    // Its own value in another spelling is no conflict; what it had is free then.
    commit(&f.store, replace("User", "a", json!({"userName": "ANN"})), 3).await.unwrap();
    commit(&f.store, replace("User", "a", json!({"userName": "anna"})), 4).await.unwrap();
    commit(&f.store, replace("User", "b", json!({"userName": "ann"})), 5).await.unwrap();
    commit(&f.store, delete("User", "b"), 6).await.unwrap();
    commit(&f.store, named("c", "Ann"), 7).await.unwrap();
    let page = f.store.query(&acme(), &query(&["User"], Some("userName eq \"ANN\""))).await.unwrap();
    assert_eq!(ids(&page), ["c"]);
}

async fn versions_grow_by_one_and_time_never_goes_back(kind: Kind) {
    let f = fixture(kind).await;
    let first = commit(&f.store, user("a"), 1000).await.unwrap();
    assert_eq!((first.version, first.created, first.last_modified), (1, at(1000), at(1000)));
    let mut last = first;
    for (i, now) in [5, 1000, 1001, 900, 5000].into_iter().enumerate() {
        let title = json!({"userName": "a@example.com", "title": format!("{i}")});
        let next = commit(&f.store, replace("User", "a", title), now).await.unwrap();
        assert_eq!((next.version, next.created), (last.version + 1, at(1000)));
        assert!(next.last_modified > last.last_modified);
        assert!(next.last_modified >= at(now));
        let stored = get(&f.store, "User", "a").await.unwrap();
        assert_eq!((stored.version, stored.last_modified), (next.version, next.last_modified));
        let meta = stored.resource.get("meta").unwrap();
        assert_eq!(meta.get("version").unwrap().as_str(), Some(&*format!("W/\"{}\"", next.version)));
        assert_eq!(meta.get("lastModified").unwrap().as_str(), Some(&*next.last_modified.to_string()));
        last = next;
    }
    assert_eq!(last.last_modified, at(5000));
}

async fn a_write_that_changes_nothing_writes_nothing(kind: Kind) {
    let f = fixture(kind).await;
    f.store.commit(&acme(), batch(vec![user("a"), user("b"), group("g", &["a"])], 0)).await.unwrap();
    let before = (get(&f.store, "Group", "g").await, feed(&f.store).await);
    let set = |ids: &[&str]| MembersChange::Set(ids.iter().map(|m| Member::new(*m)).collect());
    let same = json!({"displayName": "The g"});
    let clear = MemberDelta { clear: true, add: vec![Member::new("a")], remove: vec![] };
    let both = MemberDelta { clear: false, add: vec![Member::new("a")], remove: vec!["a".into()] };
    let nothing = [
        members("g", MembersChange::Keep),
        delta("g", &["a"], &["b", "x"]),
        members("g", set(&["a"])),
        members("g", set(&["a", "a"])),
        members("g", MembersChange::Delta(clear)),
        members("g", MembersChange::Delta(both)),
        replace("Group", "g", same),
    ];
    for write in nothing {
        let done = commit(&f.store, write.clone(), 9).await.unwrap();
        assert!(!done.changed, "{write:?}");
        assert_eq!((done.version, done.last_modified), (1, at(0)));
        assert!(done.members_added.is_empty() && done.members_removed.is_empty());
    }
    assert_eq!((get(&f.store, "Group", "g").await, feed(&f.store).await), before);
}

async fn a_change_of_members_says_who_really_came_and_went(kind: Kind) {
    let f = fixture(kind).await;
    let ann = Member { id: "a".into(), resource_type: Some("User".into()), display: Some("Ann".into()) };
    let mut with_ann = group("g", &[]);
    if let Change::Insert { members, .. } = &mut with_ann.change {
        *members = vec![ann.clone(), Member::new("b"), Member::new("a")];
    }
    let users = ["a", "b", "c", "d"].map(user).into_iter().chain([with_ann]).collect();
    let done = f.store.commit(&acme(), batch(users, 0)).await.unwrap();
    assert_eq!(done[4].members_added, [ann.clone(), Member::new("b")]);

    let done = commit(&f.store, delta("g", &["a", "c", "c"], &["b", "d"]), 1).await.unwrap();
    assert_eq!((done.changed, done.version), (true, 2));
    assert_eq!((done.members_added, done.members_removed), (vec![Member::new("c")], vec![Member::new("b")]));

    let set = vec![Member::new("d"), Member::new("a")];
    let done = commit(&f.store, members("g", MembersChange::Set(set)), 2).await.unwrap();
    assert_eq!((done.members_added, done.members_removed), (vec![Member::new("d")], vec![Member::new("c")]));

    // What was recorded with a member stays; the order is that of coming.
    let group = get(&f.store, "Group", "g").await.unwrap();
    let expected = json!([
        {"value": "a", "$ref": "Users/a", "type": "User", "display": "Ann"},
        {"value": "d"}
    ]);
    assert_eq!(serde_json::to_value(group.resource.get("members").unwrap()).unwrap(), expected);

    let clear = MemberDelta { clear: true, add: vec![Member::new("b")], remove: vec![] };
    let done = commit(&f.store, members("g", MembersChange::Delta(clear)), 3).await.unwrap();
    assert_eq!(
        (done.members_added, done.members_removed),
        (vec![Member::new("b")], vec![ann, Member::new("d")])
    );
    let entries = feed(&f.store).await;
    let last = entries.last().unwrap();
    assert_eq!((last.members_added.len(), last.members_removed.len(), last.version), (1, 2, 4));
}

async fn members_must_exist_when_the_batch_is_done(kind: Kind) {
    let f = fixture(kind).await;
    // Those inserted later in the batch count.
    f.store.commit(&acme(), batch(vec![group("g", &["a"]), user("a")], 0)).await.unwrap();
    for write in [delta("g", &["x"], &[]), group("h", &["a", "x"])] {
        let error = commit(&f.store, write.clone(), 1).await.unwrap_err();
        assert!(matches!(error, StoreError::UnknownMember), "{error:?}");
        let unchecked = scim_core::Batch { check_members: false, ..batch(vec![write], 1) };
        f.store.commit(&acme(), unchecked).await.unwrap();
    }
    assert_eq!(values(&get(&f.store, "Group", "g").await.unwrap(), "members"), ["a", "x"]);
    // A group may have itself as a member.
    commit(&f.store, group("self", &["self"]), 2).await.unwrap();
}

async fn deleting_removes_edges_both_ways_and_changes_the_holders(kind: Kind) {
    let f = fixture(kind).await;
    let writes = vec![
        user("a"),
        user("b"),
        group("g", &["a", "b"]),
        group("h", &["a", "g", "h"]),
        group("other", &["b"]),
    ];
    f.store.commit(&acme(), batch(writes, 0)).await.unwrap();
    let seen = feed(&f.store).await.last().unwrap().cursor;

    let done = commit(&f.store, delete("User", "a"), 1).await.unwrap();
    assert_eq!((done.changed, done.version), (true, 1));
    let entries = f.store.after(seen, 100).await.unwrap();
    assert_eq!(
        summary(&entries),
        [("a".into(), "deleted", 1), ("g".into(), "updated", 2), ("h".into(), "updated", 2)]
    );
    assert_eq!(entries[1].members_removed, [Member::new("a")]);
    let g = get(&f.store, "Group", "g").await.unwrap();
    assert_eq!((values(&g, "members"), g.version, g.last_modified), (vec!["b".to_owned()], 2, at(1)));
    assert_eq!(get(&f.store, "Group", "other").await.unwrap().version, 1);

    // A group that goes tells of all its members, itself among them, and leaves its own holders.
    commit(&f.store, delta("g", &["h"], &[]), 2).await.unwrap();
    let seen = feed(&f.store).await.last().unwrap().cursor;
    let done = commit(&f.store, delete("Group", "h"), 3).await.unwrap();
    assert_eq!(done.members_removed, [Member::new("g"), Member::new("h")]);
    let entries = f.store.after(seen, 100).await.unwrap();
    assert_eq!(summary(&entries), [("h".into(), "deleted", 2), ("g".into(), "updated", 4)]);
    assert_eq!(entries[0].members_removed, done.members_removed);
    assert_eq!(values(&get(&f.store, "User", "b").await.unwrap(), "groups"), ["g", "other"]);

    // A new resource of the same id has nothing of the old one.
    commit(&f.store, group("h", &[]), 4).await.unwrap();
    assert_eq!(values(&get(&f.store, "Group", "h").await.unwrap(), "members"), [] as [&str; 0]);
}

async fn a_user_in_two_hundred_groups_goes_from_all_of_them(kind: Kind) {
    let f = fixture(kind).await;
    let mut writes = vec![user("a"), user("b")];
    writes.extend((0..200).map(|i| group(&format!("g{i}"), &["a", "b"])));
    f.store.commit(&acme(), batch(writes, 0)).await.unwrap();
    commit(&f.store, delete("User", "a"), 1).await.unwrap();
    let mut all = query(&["Group"], None);
    all.include = Include::ALL;
    let page = f.store.query(&acme(), &all).await.unwrap();
    assert_eq!(page.resources.len(), 200);
    for stored in &page.resources {
        assert_eq!((stored.version, values(stored, "members")), (2, vec!["b".to_owned()]));
    }
    assert_eq!(feed(&f.store).await.len(), 202 + 201);
}

async fn groups_are_direct_and_indirect_and_circles_end(kind: Kind) {
    let f = fixture(kind).await;
    let writes = vec![
        user("u"),
        group("one", &["u"]),
        group("two", &["one"]),
        group("three", &["two", "u"]),
        group("empty", &[]),
    ];
    f.store.commit(&acme(), batch(writes, 0)).await.unwrap();
    commit(&f.store, delta("one", &["three"], &[]), 1).await.unwrap();
    let user = get(&f.store, "User", "u").await.unwrap();
    let expected = json!([
        {"value": "one", "$ref": "Groups/one", "display": "The one", "type": "direct"},
        {"value": "three", "$ref": "Groups/three", "display": "The three", "type": "direct"},
        {"value": "two", "$ref": "Groups/two", "display": "The two", "type": "indirect"}
    ]);
    assert_eq!(serde_json::to_value(user.resource.get("groups").unwrap()).unwrap(), expected);
    for group in ["two", "three"] {
        let filter = format!("groups.value eq \"{group}\"");
        let page = f.store.query(&acme(), &query(&["User"], Some(&filter))).await.unwrap();
        assert_eq!(ids(&page), ["u"]);
    }
}

async fn computed_attributes_come_only_when_asked_for(kind: Kind) {
    let f = fixture(kind).await;
    f.store.commit(&acme(), batch(vec![user("a"), group("g", &["a"])], 0)).await.unwrap();
    let by_member = query(&["Group"], Some("members.value eq \"a\""));
    let by_group = query(&["User"], Some("groups.value eq \"g\""));
    for (name, attribute, mut query) in [("Group", "members", by_member), ("User", "groups", by_group)] {
        for include in [Include::NONE, Include::ALL] {
            query.include = include;
            let page = f.store.query(&acme(), &query).await.unwrap();
            assert_eq!(page.resources.len(), 1);
            let id = page.resources[0].resource.id().to_owned();
            let got = f.store.get(&acme(), &type_named(name), &id, include).await.unwrap().unwrap();
            for stored in [&page.resources[0], &got] {
                assert_eq!(stored.resource.get(attribute).is_some(), include == Include::ALL);
                assert!(stored.resource.get("meta").is_some());
            }
        }
    }
}

async fn the_feed_has_each_change_with_its_cause(kind: Kind) {
    let f = fixture(kind).await;
    commit(&f.store, user("a"), 0).await.unwrap();
    let mut write = replace("User", "a", json!({"userName": "a@example.com", "title": "Boss"}));
    let change = AttributeChange { path: "title".into(), from: None, to: Some("Boss".into()) };
    if let Change::Update { changes, .. } = &mut write.change {
        changes.push(change.clone());
    }
    commit(&f.store, write, 1).await.unwrap();
    commit(&f.store, delete("User", "a"), 2).await.unwrap();

    let entries = feed(&f.store).await;
    assert_eq!(
        summary(&entries),
        [("a".into(), "created", 1), ("a".into(), "updated", 2), ("a".into(), "deleted", 2)]
    );
    assert_eq!(entries[1].changes, [change]);
    assert_eq!((entries[1].tenant.clone(), entries[1].resource_type.as_str()), (acme(), "User"));
    assert_eq!((entries[1].cause.kind.as_str(), entries[1].cause.request_id.as_str()), ("scim", "request-1"));
    assert_eq!(entries[1].time, at(1));
    assert!(entries[0].resource.get("title").is_none());
    for entry in &entries[1..] {
        assert_eq!(entry.resource.get("title").unwrap().as_str(), Some("Boss"));
        let meta = entry.resource.get("meta").unwrap();
        assert_eq!(meta.get("version").unwrap().as_str(), Some("W/\"2\""));
        assert_eq!(meta.get("location").unwrap().as_str(), Some("Users/a"));
    }
    assert_eq!(entries[2].kind, ChangeKind::Deleted);

    // In parts it is the same.
    let mut cursor = FeedCursor::START;
    let mut parts = Vec::new();
    while let Some(entry) = f.store.after(cursor, 1).await.unwrap().pop() {
        cursor = entry.cursor;
        parts.push(entry);
    }
    assert_eq!(parts, entries);
    assert!(f.store.after(cursor, 10).await.unwrap().is_empty());
}

async fn waiting_ends_with_the_next_change(kind: Kind) {
    let f = fixture(kind).await;
    commit(&f.store, user("a"), 0).await.unwrap();
    f.store.wait(FeedCursor::START).await.unwrap();
    let seen = feed(&f.store).await.last().unwrap().cursor;
    let waiting = tokio::spawn({
        let store = f.store.clone();
        async move { store.wait(seen).await }
    });
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    assert!(!waiting.is_finished());
    commit(&f.store, user("b"), 1).await.unwrap();
    let ended = tokio::time::timeout(std::time::Duration::from_secs(5), waiting).await;
    ended.unwrap().unwrap().unwrap();
}

async fn positions_stay_good_while_others_write(kind: Kind) {
    let f = fixture(kind).await;
    let all = (0..30).map(|i| user(&format!("u{i:02}"))).collect();
    f.store.commit(&acme(), batch(all, 0)).await.unwrap();
    for by_name in [false, true] {
        let base = || {
            let query = query(&["User"], None);
            if by_name { sorted(query, "userName", false) } else { query }
        };
        let mut seen = Vec::new();
        let mut start = Start::Offset(0);
        let mut round = 0;
        loop {
            let asked = paged(base(), start.clone(), 7);
            let page = f.store.query(&acme(), &asked).await.unwrap();
            seen.extend(ids(&page));
            let Some(last) = page.resources.last() else { break };
            start = Start::After(scim_core::Position::of(&asked, last));
            if !page.more_after {
                break;
            }
            // The one the page ended with goes away, and others come in front and behind.
            let gone = last.resource.id().to_owned();
            commit(&f.store, delete("User", &gone), 1).await.unwrap();
            commit(&f.store, user(&gone), -1).await.unwrap();
            round += 1;
        }
        let expected: Vec<String> = (0..30).map(|i| format!("u{i:02}")).collect();
        let mut sorted_once = seen.clone();
        sorted_once.sort();
        sorted_once.dedup();
        assert_eq!(sorted_once, expected);
        assert_eq!(seen.len(), 30, "{seen:?}");
        assert!(round >= 4);
        // Put back what moved to the front.
        for id in &expected {
            commit(&f.store, delete("User", id), 2).await.unwrap();
        }
        f.store.commit(&acme(), batch(expected.iter().map(|id| user(id)).collect(), 3)).await.unwrap();
    }
}

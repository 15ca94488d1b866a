//! The change feed.

use std::time::Duration;

use scim_core::{
    AttributeChange, Cause, Change, ChangeEntry, ChangeKind, FeedCursor, Member, MembersChange, TenantId,
};
use serde_json::json;

use super::super::Promise;
use super::super::build::*;
use super::super::check::{Proof, Wrong, found, holds, same};
use super::super::lab::Lab;
use super::{Need, Spec, trial};

pub(super) fn trials() -> Vec<Spec> {
    use Promise::{FeedCommits, FeedDelete, FeedGapless, FeedOnce, FeedTells, FeedWait};
    let trials = vec![
        trial("feed: an empty store has an empty feed", FeedCommits, empty),
        trial("feed: each change has one entry, in order", FeedOnce, each_change),
        trial("feed: the order of each resource is that of its versions", FeedOnce, order),
        trial("feed: an entry is there as soon as its commit is answered", FeedCommits, at_once),
        trial("feed: a write that fails makes no entry", FeedCommits, failed),
        trial("feed: cursors grow", FeedGapless, cursors_grow),
        trial("feed: read one by one it is the same", FeedGapless, one_by_one),
        trial("feed: read again from a cursor it is the same", FeedGapless, again),
        trial("feed: a limit is kept to", FeedGapless, limit),
        trial("feed: behind the last entry is nothing", FeedGapless, behind_last),
        trial("feed: a cursor made of its two numbers is the same cursor", FeedGapless, parts),
        trial("feed: entries stay as they were when the resource goes on", FeedTells, frozen),
        trial("feed: an entry has key, kind, version and time", FeedTells, key),
        trial("feed: an entry has the document with meta after the change", FeedTells, document_after),
        trial("feed: the entry of a delete has the document as it was", FeedTells, document_before),
        trial("feed: an entry's resource has no members and no groups", FeedTells, no_computed),
        trial("feed: an entry has the cause of its batch", FeedTells, cause),
        trial("feed: an entry has the changes as they were given", FeedTells, changes),
        trial("feed: created and deleted have no changes", FeedTells, no_changes),
        trial("feed: created tells all members", FeedTells, created_members),
        trial("feed: updated tells who really came and went", FeedTells, updated_members),
        trial("feed: deleted tells all members that went", FeedTells, deleted_members),
        trial("feed: members are told with type and display", FeedTells, labelled_members),
        trial("feed: a delete makes an entry for each holder that lost it", FeedDelete, holders),
        trial(
            "feed: the entry of a holder has its new version and what was recorded",
            FeedDelete,
            holder_entry,
        ),
        trial("feed: a delete that nobody notices makes one entry", FeedDelete, alone),
        trial("feed: a group that was its own member makes one entry when it goes", FeedDelete, own_member),
        trial("feed: several batches of one moment are in the order of commits", FeedOnce, one_moment),
        trial("feed: a clock that goes back changes nothing of the order", FeedOnce, clock_back),
        trial("feed: the entry of a change that no document shows", FeedTells, hidden_change),
        trial("feed: wait returns where there is something already", FeedWait, wait_at_once),
        trial("feed: wait returns when something comes", FeedWait, wait_wakes),
        trial("feed: wait wakes all that wait", FeedWait, wait_wakes_all),
        trial("feed: wait wakes for any tenant", FeedWait, wait_any_tenant),
        trial("feed: wait that is given up does no harm", FeedWait, wait_given_up),
        trial("feed: a thousand entries are told once each", FeedOnce, thousand),
    ];
    trials.into_iter().map(|trial| trial.needs(Need::Feed)).collect()
}

async fn last(lab: &Lab) -> Result<ChangeEntry, Wrong> {
    found("an entry", lab.entries().await?.pop())
}

async fn empty(lab: Lab) -> Proof {
    same("the feed", lab.feed()?.after(FeedCursor::START, 10).await?, Vec::new())
}

async fn each_change(lab: Lab) -> Proof {
    for write in [
        user("a"),
        user("b"),
        titled("a", "x"),
        group("g", &["a"]),
        delta("g", &["b"], &[]),
        delete("User", "b"),
    ] {
        lab.commit(write, 0).await?;
    }
    let entries = lab.entries().await?;
    let told = summary(&entries);
    let (updates, holder) = told.split_at(told.len().saturating_sub(2));
    let expected = [
        ("a", "created", 1),
        ("b", "created", 1),
        ("a", "updated", 2),
        ("g", "created", 1),
        ("g", "updated", 2),
    ];
    same("the first", updates, &expected[..])?;
    let mut holder = holder.to_vec();
    holder.sort_unstable();
    same("of the delete", holder, vec![("b", "deleted", 1), ("g", "updated", 3)])
}

async fn order(lab: Lab) -> Proof {
    lab.commit_all(vec![user("a"), user("b")], 0).await?;
    for i in 0..20 {
        lab.commit(titled(if i % 3 == 0 { "b" } else { "a" }, &i.to_string()), 20 - i).await?;
    }
    let entries = lab.entries().await?;
    for id in ["a", "b"] {
        let versions: Vec<u64> = entries.iter().filter(|e| e.id == id).map(|e| e.version).collect();
        let expected: Vec<u64> = (1..=versions.len() as u64).collect();
        same(id, versions, expected)?;
    }
    same("all", entries.len(), 22)
}

async fn at_once(lab: Lab) -> Proof {
    let mut cursor = FeedCursor::START;
    for i in 0..30 {
        lab.commit(user(&format!("u{i}")), i).await?;
        let some = lab.feed()?.after(cursor, 10).await?;
        same("what is behind the cursor", summary(&some), vec![(format!("u{i}").as_str(), "created", 1)])?;
        cursor = found("an entry", some.last())?.cursor;
    }
    Ok(())
}

async fn failed(lab: Lab) -> Proof {
    lab.commit_all(vec![user("a"), group("g", &["a"])], 0).await?;
    let before = lab.entries().await?;
    for write in [
        user("a"),
        named("b", "A@example.com"),
        delete("User", "x"),
        at_version(9, titled("a", "x")),
        delta("g", &["x"], &["a"]),
        group("h", &["x"]),
    ] {
        let what = format!("{write:?}");
        holds(format!("it fails: {what}"), lab.commit(write, 1).await.is_err())?;
        same(what, lab.entries().await?, before.clone())?;
    }
    Ok(())
}

/// Thirty entries of all kinds.
async fn history(lab: &Lab) -> Result<Vec<ChangeEntry>, Wrong> {
    for i in 0..6 {
        let (id, holder) = (format!("u{i}"), format!("g{i}"));
        lab.commit_all(vec![user(&id), group(&holder, &[&id])], i).await?;
        lab.commit(titled(&id, "x"), i).await?;
        lab.commit(delete("User", &id), i).await?;
    }
    let entries = lab.entries().await?;
    same("how many entries", entries.len(), 30)?;
    Ok(entries)
}

async fn cursors_grow(lab: Lab) -> Proof {
    let entries = history(&lab).await?;
    let grow = entries.windows(2).all(|pair| matches!(pair, [a, b] if a.cursor < b.cursor));
    holds("each cursor is greater than the one before", grow)?;
    holds("all are greater than the start", entries.iter().all(|entry| entry.cursor > FeedCursor::START))
}

async fn one_by_one(lab: Lab) -> Proof {
    let entries = history(&lab).await?;
    for limit in [1, 2, 7, 29, 30, 31] {
        let (mut cursor, mut parts) = (FeedCursor::START, Vec::new());
        loop {
            let some = lab.feed()?.after(cursor, limit).await?;
            let Some(last) = some.last() else { break };
            cursor = last.cursor;
            parts.extend(some);
            holds("it ends", parts.len() <= entries.len())?;
        }
        same(format!("by {limit}"), &parts, &entries)?;
    }
    Ok(())
}

async fn again(lab: Lab) -> Proof {
    let entries = history(&lab).await?;
    for (i, entry) in entries.iter().enumerate() {
        for _ in 0..2 {
            let rest = lab.feed()?.after(entry.cursor, 100).await?;
            same(format!("behind entry {i}"), Some(rest.as_slice()), entries.get(i + 1..))?;
        }
    }
    Ok(())
}

async fn limit(lab: Lab) -> Proof {
    let entries = history(&lab).await?;
    for limit in [0, 1, 5, 30, 1000] {
        let some = lab.feed()?.after(FeedCursor::START, limit).await?;
        same(format!("limit {limit}"), Some(some.as_slice()), entries.get(..limit.min(30)))?;
    }
    same("the largest", lab.feed()?.after(FeedCursor::START, usize::MAX).await?.len(), 30)
}

async fn behind_last(lab: Lab) -> Proof {
    let entries = history(&lab).await?;
    let end = found("an entry", entries.last())?.cursor;
    same("behind the last", lab.feed()?.after(end, 10).await?, Vec::new())?;
    lab.commit(user("new"), 99).await?;
    let some = lab.feed()?.after(end, 10).await?;
    same("then", summary(&some), vec![("new", "created", 1)])
}

async fn parts(lab: Lab) -> Proof {
    let entries = history(&lab).await?;
    for (i, entry) in entries.iter().enumerate() {
        let (major, minor) = entry.cursor.parts();
        let rest = lab.feed()?.after(FeedCursor::from_parts(major, minor), 100).await?;
        same(format!("behind entry {i}"), rest.len(), 29 - i)?;
    }
    Ok(())
}

async fn frozen(lab: Lab) -> Proof {
    lab.commit_all(vec![user("a"), group("g", &["a"])], 0).await?;
    lab.commit(titled("a", "x"), 1).await?;
    let before = lab.entries().await?;
    lab.commit(titled("a", "y"), 2).await?;
    lab.commit(replace("Group", "g", &json!({"displayName": "new"})), 3).await?;
    lab.commit(delete("User", "a"), 4).await?;
    lab.commit(named("a", "other"), 5).await?;
    let after = lab.entries().await?;
    same("the first entries", after.get(..before.len()), Some(before.as_slice()))
}

async fn key(lab: Lab) -> Proof {
    lab.commit(user("a"), 3).await?;
    lab.commit(titled("a", "x"), 5).await?;
    lab.commit(delete("User", "a"), 9).await?;
    let expected = [(ChangeKind::Created, 1, 3), (ChangeKind::Updated, 2, 5), (ChangeKind::Deleted, 2, 9)];
    let entries = lab.entries().await?;
    same("how many", entries.len(), 3)?;
    for (entry, (kind, version, time)) in entries.iter().zip(expected) {
        same(
            "the key",
            (&entry.tenant, entry.resource_type.as_str(), entry.id.as_str()),
            (&acme(), "User", "a"),
        )?;
        same("kind, version, time", (entry.kind, entry.version, entry.time), (kind, version, at(time)))?;
    }
    Ok(())
}

async fn document_after(lab: Lab) -> Proof {
    for write in [user("a"), titled("a", "x"), replace("User", "a", &json!({"userName": "b"}))] {
        lab.commit(write, 7).await?;
        let stored = lab.get("User", "a").await?;
        same(
            "the entry's resource and what get says",
            letters(&last(&lab).await?.resource),
            letters(&stored.resource),
        )?;
    }
    Ok(())
}

async fn document_before(lab: Lab) -> Proof {
    lab.commit(user("a"), 0).await?;
    lab.commit(titled("a", "x"), 1).await?;
    let stored = lab.get("User", "a").await?;
    lab.commit(delete("User", "a"), 2).await?;
    same("the entry's resource", letters(&last(&lab).await?.resource), letters(&stored.resource))
}

async fn no_computed(lab: Lab) -> Proof {
    lab.commit_all(vec![user("a"), group("g", &["a"])], 0).await?;
    lab.commit(titled("a", "x"), 1).await?;
    lab.commit(replace("Group", "g", &json!({"displayName": "x"})), 1).await?;
    lab.commit(delete("Group", "g"), 2).await?;
    lab.commit(delete("User", "a"), 3).await?;
    for entry in lab.entries().await? {
        for attribute in ["members", "groups"] {
            same(format!("{attribute} of {}", entry.id), entry.resource.get(attribute), None)?;
        }
        holds("meta is there", entry.resource.get("meta").is_some())?;
    }
    Ok(())
}

async fn cause(lab: Lab) -> Proof {
    let long = "r".repeat(300);
    for (i, (kind, request)) in
        [("scim", "1"), ("", ""), ("admin'\"%", "ü\u{1f600}"), ("scim", &long)].into_iter().enumerate()
    {
        let cause = Cause { kind: kind.into(), request_id: request.into() };
        let writes = vec![user(&format!("u{i}")), titled(&format!("u{i}"), "x")];
        let batch = scim_core::Batch { cause: cause.clone(), ..batch(writes, 0) };
        lab.batch(batch).await?;
        let entries = lab.entries().await?;
        same("the entries of the batch", entries.iter().filter(|entry| entry.cause == cause).count(), 2)?;
    }
    lab.commit_all(vec![user("a"), group("g", &["a"])], 0).await?;
    let cause = Cause { kind: "admin".into(), request_id: "the delete".into() };
    let seen = lab.end_of_feed().await?;
    lab.batch(scim_core::Batch { cause: cause.clone(), ..batch(vec![delete("User", "a")], 1) }).await?;
    let causes: Vec<Cause> = lab.entries_after(seen).await?.into_iter().map(|entry| entry.cause).collect();
    same("of a holder too", causes, vec![cause.clone(), cause])
}

async fn changes(lab: Lab) -> Proof {
    lab.commit(user("a"), 0).await?;
    let change = |path: &str, from: Option<&str>, to: Option<&str>| AttributeChange {
        path: path.into(),
        from: from.map(Into::into),
        to: to.map(Into::into),
    };
    let given = vec![
        change("title", None, Some("x")),
        change("name.familyName", Some("a\u{308}'\"\\"), Some("")),
        change(&format!("{ENTERPRISE}:department"), Some("D"), None),
        change("password", None, None),
        AttributeChange {
            path: "emails".into(),
            from: Some(json!([{"value": "a", "primary": true}]).into()),
            to: Some(json!([]).into()),
        },
    ];
    let mut write = titled("a", "x");
    if let Change::Update { changes, .. } = &mut write.change {
        changes.clone_from(&given);
    }
    lab.commit(write, 1).await?;
    same("the changes", last(&lab).await?.changes, given)
}

async fn no_changes(lab: Lab) -> Proof {
    lab.commit(user("a"), 0).await?;
    lab.commit(delete("User", "a"), 1).await?;
    let entries = lab.entries().await?;
    same("the changes", entries.iter().map(|entry| entry.changes.len()).collect::<Vec<_>>(), vec![0, 0])
}

async fn created_members(lab: Lab) -> Proof {
    lab.commit_all(vec![user("a"), user("b")], 0).await?;
    lab.commit(group("g", &["b", "a", "b"]), 1).await?;
    let entry = last(&lab).await?;
    same("who came and went", (entry.members_added, entry.members_removed), (plain(&["b", "a"]), Vec::new()))
}

async fn updated_members(lab: Lab) -> Proof {
    lab.commit_all(vec![user("a"), user("b"), user("c"), group("g", &["a", "b"])], 0).await?;
    for (write, came, went) in [
        (delta("g", &["a", "c"], &["b", "x"]), vec!["c"], vec!["b"]),
        (set("g", &["b", "c"]), vec!["b"], vec!["a"]),
        (clear("g", &["a"]), vec!["a"], vec!["c", "b"]),
        (replace("Group", "g", &json!({"displayName": "x"})), vec![], vec![]),
    ] {
        let what = format!("{write:?}");
        lab.commit(write, 1).await?;
        let entry = last(&lab).await?;
        same(what, (entry.members_added, entry.members_removed), (plain(&came), plain(&went)))?;
    }
    Ok(())
}

async fn deleted_members(lab: Lab) -> Proof {
    lab.commit_all(vec![user("a"), user("b"), group("g", &["b", "a"])], 0).await?;
    lab.commit(delete("Group", "g"), 1).await?;
    let entry = last(&lab).await?;
    same("who came and went", (entry.members_added, entry.members_removed), (Vec::new(), plain(&["b", "a"])))
}

async fn labelled_members(lab: Lab) -> Proof {
    let given = vec![
        labelled("a", "User", "Ann"),
        Member { display: None, ..labelled("b", "User", "") },
        Member::new("c"),
    ];
    lab.commit_all(["a", "b", "c"].map(user).into(), 0).await?;
    lab.commit(insert_with("Group", "g", &json!({"displayName": "x"}), given.clone()), 1).await?;
    same("created", last(&lab).await?.members_added, given.clone())?;
    lab.commit(members("g", MembersChange::Set(Vec::new())), 2).await?;
    same("updated, removed", last(&lab).await?.members_removed, given.clone())?;
    lab.commit(members("g", MembersChange::Set(given.clone())), 3).await?;
    same("updated, added", last(&lab).await?.members_added, given.clone())?;
    lab.commit(delete("Group", "g"), 4).await?;
    same("deleted", last(&lab).await?.members_removed, given)
}

async fn holders(lab: Lab) -> Proof {
    let writes =
        vec![user("a"), user("b"), group("g", &["a", "b"]), group("h", &["a", "g"]), group("i", &["b"])];
    lab.commit_all(writes, 0).await?;
    let seen = lab.end_of_feed().await?;
    lab.commit(delete("User", "a"), 1).await?;
    let entries = lab.entries_after(seen).await?;
    let mut told = summary(&entries);
    told.sort_unstable();
    same("the user", told, vec![("a", "deleted", 1), ("g", "updated", 2), ("h", "updated", 2)])?;
    let seen = lab.end_of_feed().await?;
    lab.commit(delete("Group", "g"), 2).await?;
    let entries = lab.entries_after(seen).await?;
    let mut told = summary(&entries);
    told.sort_unstable();
    same("the group", told, vec![("g", "deleted", 2), ("h", "updated", 3)])
}

async fn holder_entry(lab: Lab) -> Proof {
    let given = vec![Member::new("b"), labelled("a", "User", "Ann")];
    let group = insert_with("Group", "g", &json!({"displayName": "x"}), given);
    lab.commit_all(vec![user("a"), user("b"), group], 0).await?;
    lab.commit(delete("User", "a"), 7).await?;
    let entries = lab.entries().await?;
    let entry = found("an entry of the group", entries.iter().rev().find(|entry| entry.id == "g"))?;
    same("kind, version, time", (entry.kind, entry.version, entry.time), (ChangeKind::Updated, 2, at(7)))?;
    same("who went", &entry.members_removed, &vec![labelled("a", "User", "Ann")])?;
    same("who came, what changed", (entry.members_added.len(), entry.changes.len()), (0, 0))?;
    let stored = lab.look_for("Group", "g", scim_core::Include::NONE).await?;
    same("the resource", letters(&entry.resource), letters(&found("the group", stored)?.resource))
}

async fn alone(lab: Lab) -> Proof {
    lab.commit_all(vec![user("a"), user("b"), group("g", &["b"])], 0).await?;
    let seen = lab.end_of_feed().await?;
    lab.commit(delete("User", "a"), 1).await?;
    same("entries", summary(&lab.entries_after(seen).await?), vec![("a", "deleted", 1)])
}

async fn own_member(lab: Lab) -> Proof {
    lab.commit(group("g", &["g"]), 0).await?;
    let seen = lab.end_of_feed().await?;
    lab.commit(delete("Group", "g"), 1).await?;
    let entries = lab.entries_after(seen).await?;
    same("entries", summary(&entries), vec![("g", "deleted", 1)])?;
    same(
        "who went",
        entries.into_iter().flat_map(|entry| entry.members_removed).collect::<Vec<_>>(),
        plain(&["g"]),
    )
}

async fn one_moment(lab: Lab) -> Proof {
    for i in 0..20 {
        lab.commit(user(&format!("u{}", (i * 7) % 20)), 5).await?;
    }
    let expected: Vec<String> = (0..20).map(|i| format!("u{}", (i * 7) % 20)).collect();
    same("the order", lab.entries().await?.into_iter().map(|entry| entry.id).collect::<Vec<_>>(), expected)
}

async fn clock_back(lab: Lab) -> Proof {
    for i in 0..20 {
        lab.commit(user(&format!("u{i}")), 1000 - i * 10).await?;
    }
    let entries = lab.entries().await?;
    for (i, entry) in (0..).zip(&entries) {
        same("id and time", (entry.id.as_str(), entry.time), (format!("u{i}").as_str(), at(1000 - i * 10)))?;
    }
    same("how many", entries.len(), 20)
}

async fn hidden_change(lab: Lab) -> Proof {
    lab.commit(user("a"), 0).await?;
    let mut write = replace("User", "a", &json!({"userName": "a@example.com"}));
    let given = vec![AttributeChange { path: "password".into(), from: None, to: None }];
    if let Change::Update { changes, .. } = &mut write.change {
        changes.clone_from(&given);
    }
    lab.commit(write, 1).await?;
    let entry = last(&lab).await?;
    same(
        "kind, version, changes",
        (entry.kind, entry.version, entry.changes),
        (ChangeKind::Updated, 2, given),
    )
}

/// Waits, but not for ever.
async fn wait(lab: &Lab, cursor: FeedCursor) -> Proof {
    match tokio::time::timeout(Duration::from_secs(5), lab.feed()?.wait(cursor)).await {
        Ok(waited) => Ok(waited?),
        Err(_) => Err(Wrong::new("wait does not end though there is an entry behind the cursor")),
    }
}

/// Waits and looks again as readers do, for wait may return early.
async fn wait_for_entry(lab: &Lab, cursor: FeedCursor) -> Result<Vec<ChangeEntry>, Wrong> {
    loop {
        wait(lab, cursor).await?;
        let some = lab.feed()?.after(cursor, 10).await?;
        if !some.is_empty() {
            return Ok(some);
        }
        tokio::task::yield_now().await;
    }
}

async fn wait_at_once(lab: Lab) -> Proof {
    lab.commit_all(vec![user("a"), user("b")], 0).await?;
    wait(&lab, FeedCursor::START).await?;
    let entries = lab.entries().await?;
    wait(&lab, found("an entry", entries.first())?.cursor).await
}

async fn wait_wakes(lab: Lab) -> Proof {
    for i in 0..5 {
        let seen = lab.end_of_feed().await?;
        let waiting = lab.clone();
        let reader = tokio::spawn(async move { wait_for_entry(&waiting, seen).await });
        tokio::time::sleep(Duration::from_millis(20)).await;
        lab.commit(user(&format!("u{i}")), i).await?;
        let entries = reader.await.map_err(Wrong::new)??;
        same("what came", summary(&entries), vec![(format!("u{i}").as_str(), "created", 1)])?;
    }
    Ok(())
}

async fn wait_wakes_all(lab: Lab) -> Proof {
    lab.commit(user("a"), 0).await?;
    let seen = lab.end_of_feed().await?;
    let readers: Vec<_> = (0..10)
        .map(|_| {
            let lab = lab.clone();
            tokio::spawn(async move { wait_for_entry(&lab, seen).await.map(|entries| entries.len()) })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    lab.commit(user("b"), 1).await?;
    for reader in readers {
        same("what came", reader.await.map_err(Wrong::new)??, 1)?;
    }
    Ok(())
}

async fn wait_any_tenant(lab: Lab) -> Proof {
    lab.commit(user("a"), 0).await?;
    let seen = lab.end_of_feed().await?;
    let waiting = lab.clone();
    let reader = tokio::spawn(async move { wait_for_entry(&waiting, seen).await });
    tokio::time::sleep(Duration::from_millis(20)).await;
    lab.store().commit(&TenantId::new("other"), batch(vec![user("b")], 1)).await?;
    let entries = reader.await.map_err(Wrong::new)??;
    same("whose", entries.iter().map(|entry| entry.tenant.as_str()).collect::<Vec<_>>(), vec!["other"])
}

async fn wait_given_up(lab: Lab) -> Proof {
    for _ in 0..200 {
        let waited = tokio::time::timeout(Duration::ZERO, lab.feed()?.wait(FeedCursor::START)).await;
        if let Ok(early) = waited {
            early?;
        }
    }
    lab.commit(user("a"), 0).await?;
    wait(&lab, FeedCursor::START).await?;
    same("the feed", summary(&lab.entries().await?), vec![("a", "created", 1)])
}

async fn thousand(lab: Lab) -> Proof {
    for i in 0..10 {
        lab.commit_all((0..100).map(|j| user(&format!("u{}", i * 100 + j))).collect(), i).await?;
    }
    let ids: Vec<String> = lab.entries().await?.into_iter().map(|entry| entry.id).collect();
    same("the ids", ids, (0..1000).map(|i| format!("u{i}")).collect::<Vec<_>>())
}

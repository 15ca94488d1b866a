//! Batches: all or nothing, in order.

use scim_core::{Batch, StoreError, Write};
use serde_json::json;

use super::super::Promise;
use super::super::build::*;
use super::super::check::{Proof, refused, same, taken};
use super::super::invariants;
use super::super::lab::Lab;
use super::{Need, Spec, trial};

pub(super) fn trials() -> Vec<Spec> {
    let mut trials = Vec::new();
    for (why, _, _) in failing() {
        for (place, first) in [("first", true), ("last", false)] {
            let name = format!("batches: nothing stays if the {place} write fails: {why}");
            trials.push(trial(name, Promise::Atomic, move |lab| all_or_nothing(lab, why, first)));
        }
    }
    trials.extend([
        trial("batches: what failed can be done in parts afterwards", Promise::Atomic, parts),
        trial("batches: three hundred writes stay out if the last fails", Promise::Atomic, large),
        trial("batches: a batch without writes does nothing", Promise::Atomic, empty),
        trial("batches: answers are in the order of the writes", Promise::Writes, order),
        trial("batches: two writes of one resource are two versions", Promise::Monotone, twice),
        trial("batches: what comes and goes in one batch is not there", Promise::Atomic, comes_and_goes),
        trial("batches: an id is free after a delete in the same batch", Promise::Preconditions, id_again),
        trial(
            "batches: a name is free after its release in the same batch",
            Promise::Unique,
            name_handed_over,
        ),
        trial("batches: two users swap names by way of a third", Promise::Unique, swap),
        trial("batches: a name is not free before its release", Promise::Unique, too_early),
        trial("batches: two inserts of one name fail", Promise::Unique, same_name),
        trial("batches: two inserts of one id fail", Promise::Preconditions, same_id),
        trial("batches: a write sees the members of those before it", Promise::Edges, sees_members),
        trial(
            "batches: a delete takes the resource from a group of the same batch",
            Promise::Edges,
            delete_member,
        ),
        trial("batches: types may be mixed", Promise::Writes, mixed),
        trial("feed: a batch is in the feed in the order of its writes", Promise::FeedOnce, feed_order)
            .needs(Need::Feed),
        trial("feed: a batch that fails makes no entry", Promise::FeedCommits, feed_of_failed)
            .needs(Need::Feed),
    ]);
    trials
}

/// Why a write fails, the write, and the error.
fn failing() -> Vec<(&'static str, Write, StoreError)> {
    vec![
        ("no such resource", delete("User", "nobody"), StoreError::NotFound),
        ("the id is taken", named("z", "new"), taken("id")),
        ("the name is taken", named("n", "Z@EXAMPLE.com"), taken("userName")),
        ("another version", at_version(7, titled("z", "x")), StoreError::VersionMismatch { current: 1 }),
        ("an unknown member", group("n", &["nobody"]), StoreError::UnknownMember),
        ("an unknown member of a delta", delta("y", &["nobody"], &[]), StoreError::UnknownMember),
    ]
}

async fn all_or_nothing(lab: Lab, why: &'static str, first: bool) -> Proof {
    lab.commit_all(vec![user("z"), user("y1"), group("y", &["z", "y1"])], 0).await?;
    let before = lab.everything().await?;
    let Some((_, bad, expected)) = failing().into_iter().find(|(name, ..)| *name == why) else {
        return Ok(());
    };
    let mut writes = vec![
        user("b"),
        group("g", &["z", "b"]),
        delta("y", &["b"], &["z"]),
        titled("y1", "x"),
        delete("User", "y1"),
    ];
    writes.insert(if first { 0 } else { writes.len() }, bad);
    refused("the batch", lab.commit_all(writes, 1).await, &expected)?;
    same("everything", lab.everything().await?, before)?;
    same(
        "what lookups find",
        lab.ids(&["User"], Some("userName eq \"b@example.com\"")).await?,
        Vec::<&str>::new(),
    )?;
    same("the total", lab.query(&query(&["User", "Group"], None)?).await?.total, 3)?;
    invariants::check(&lab, &acme()).await
}

async fn parts(lab: Lab) -> Proof {
    lab.commit(user("z"), 0).await?;
    let good = || vec![user("b"), group("g", &["z", "b"]), delete("User", "z")];
    let mut writes = good();
    writes.push(delete("User", "nobody"));
    refused("the batch", lab.commit_all(writes, 1).await, &StoreError::NotFound)?;
    // The group would keep a member that is gone when the batch is done.
    refused("without it", lab.commit_all(good(), 2).await, &StoreError::UnknownMember)?;
    for write in good() {
        lab.commit(write, 3).await?;
    }
    same("the members", values(&lab.get("Group", "g").await?, "members"), vec!["b"])?;
    invariants::check(&lab, &acme()).await
}

async fn large(lab: Lab) -> Proof {
    let mut writes: Vec<Write> = (0..300).map(|i| user(&format!("u{i}"))).collect();
    writes.push(named("last", "U7@example.com"));
    refused("the batch", lab.commit_all(writes, 0).await, &taken("userName"))?;
    same("the total", lab.query(&query(&["User"], None)?).await?.total, 0)?;
    lab.commit(user("u7"), 1).await?;
    same("the ids", lab.ids(&["User"], None).await?, vec!["u7"])
}

async fn empty(lab: Lab) -> Proof {
    same("in an empty store", lab.commit_all(Vec::new(), 0).await?, Vec::new())?;
    lab.commit(user("a"), 0).await?;
    let before = lab.everything().await?;
    same("the answer", lab.commit_all(Vec::new(), 1).await?, Vec::new())?;
    same("everything", lab.everything().await?, before)
}

async fn order(lab: Lab) -> Proof {
    lab.commit_all(vec![user("a"), user("b")], 0).await?;
    lab.commit(titled("a", "1"), 1).await?;
    let writes = vec![titled("b", "x"), titled("a", "x"), user("c"), delete("User", "b"), titled("a", "y")];
    let done = lab.commit_all(writes, 2).await?;
    let versions: Vec<(u64, bool)> = done.iter().map(|done| (done.version, done.created == at(0))).collect();
    same("the versions", versions, vec![(2, true), (3, true), (1, false), (2, true), (4, true)])
}

async fn twice(lab: Lab) -> Proof {
    lab.commit(user("a"), 0).await?;
    let done = lab.commit_all(vec![titled("a", "x"), titled("a", "y"), titled("a", "z")], 5).await?;
    same("the versions", done.iter().map(|done| done.version).collect::<Vec<_>>(), vec![2, 3, 4])?;
    let stored = lab.get("User", "a").await?;
    same("the title", (text(&stored.resource, "title"), stored.version), (Some("z"), 4))?;
    same("the time", Some(stored.last_modified), done.last().map(|done| done.last_modified))
}

async fn comes_and_goes(lab: Lab) -> Proof {
    lab.commit_all(vec![user("a"), titled("a", "x"), delete("User", "a")], 0).await?;
    same("the user", lab.look("User", "a").await?, None)?;
    same("the total", lab.query(&query(&["User"], None)?).await?.total, 0)?;
    same("the name is free", lab.commit(named("b", "A@example.com"), 1).await?.version, 1)?;
    invariants::check(&lab, &acme()).await
}

async fn id_again(lab: Lab) -> Proof {
    lab.commit(user("a"), 0).await?;
    let done = lab.commit_all(vec![delete("User", "a"), named("a", "other"), titled("a", "x")], 1).await?;
    same("the versions", done.iter().map(|done| done.version).collect::<Vec<_>>(), vec![1, 1, 2])?;
    same("created", lab.get("User", "a").await?.created, at(1))?;
    invariants::check(&lab, &acme()).await
}

async fn name_handed_over(lab: Lab) -> Proof {
    lab.commit_all(vec![named("a", "x"), named("b", "y")], 0).await?;
    let renamed = replace("User", "a", &json!({"userName": "z"}));
    lab.commit_all(vec![renamed, named("c", "X"), delete("User", "b"), named("d", "Y")], 1).await?;
    for (name, id) in [("x", "c"), ("y", "d"), ("z", "a")] {
        same(name, lab.ids(&["User"], Some(&format!("userName eq \"{name}\""))).await?, vec![id])?;
    }
    Ok(())
}

async fn swap(lab: Lab) -> Proof {
    lab.commit_all(vec![named("a", "x"), named("b", "y")], 0).await?;
    let name = |id, name: &str| replace("User", id, &json!({"userName": name}));
    lab.commit_all(vec![name("a", "between"), name("b", "x"), name("a", "y")], 1).await?;
    same("x", lab.ids(&["User"], Some("userName eq \"x\"")).await?, vec!["b"])?;
    same("y", lab.ids(&["User"], Some("userName eq \"y\"")).await?, vec!["a"])
}

async fn too_early(lab: Lab) -> Proof {
    lab.commit(named("a", "x"), 0).await?;
    let writes = vec![named("b", "x"), delete("User", "a")];
    refused("the batch", lab.commit_all(writes, 1).await, &taken("userName"))?;
    same("the ids", lab.ids(&["User"], None).await?, vec!["a"])
}

async fn same_name(lab: Lab) -> Proof {
    let came = lab.commit_all(vec![named("a", "x"), named("b", "X")], 0).await;
    refused("the batch", came, &taken("userName"))?;
    same("the total", lab.query(&query(&["User"], None)?).await?.total, 0)
}

async fn same_id(lab: Lab) -> Proof {
    let came = lab.commit_all(vec![named("a", "x"), named("a", "y")], 0).await;
    refused("the batch", came, &taken("id"))?;
    same("the total", lab.query(&query(&["User"], None)?).await?.total, 0)
}

async fn sees_members(lab: Lab) -> Proof {
    let writes = vec![
        user("a"),
        user("b"),
        group("g", &["a"]),
        delta("g", &["b"], &["a"]),
        delta("g", &["b"], &["a"]),
    ];
    let done = lab.commit_all(writes, 0).await?;
    let told: Vec<(u64, bool, usize, usize)> = done
        .iter()
        .skip(2)
        .map(|d| (d.version, d.changed, d.members_added.len(), d.members_removed.len()))
        .collect();
    same("the answers", told, vec![(1, true, 1, 0), (2, true, 1, 1), (2, false, 0, 0)])?;
    same("the members", values(&lab.get("Group", "g").await?, "members"), vec!["b"])
}

async fn delete_member(lab: Lab) -> Proof {
    let writes = vec![user("a"), user("b"), group("g", &["a", "b"]), delete("User", "a")];
    lab.batch(lenient(writes, 0)).await?;
    let stored = lab.get("Group", "g").await?;
    same("members and version", (values(&stored, "members"), stored.version), (vec!["b".to_owned()], 2))?;
    invariants::check(&lab, &acme()).await
}

async fn mixed(lab: Lab) -> Proof {
    lab.commit_all(vec![group("g", &["a"]), user("a"), group("h", &["g"]), user("b")], 0).await?;
    same("all", lab.ids(&["User", "Group"], None).await?, vec!["a", "b", "g", "h"])?;
    same("users", lab.ids(&["User"], None).await?, vec!["a", "b"])
}

async fn feed_order(lab: Lab) -> Proof {
    let writes = vec![
        user("a"),
        user("b"),
        titled("a", "x"),
        group("g", &["b"]),
        delete("User", "a"),
        user("a"),
        delete("User", "b"),
    ];
    lab.batch(lenient(writes, 0)).await?;
    let entries = lab.entries().await?;
    let of = |id: &str| {
        let mine = summary(&entries).into_iter().filter(|(entry, ..)| *entry == id);
        mine.map(|(_, kind, version)| (kind, version)).collect::<Vec<_>>()
    };
    same("of a", of("a"), vec![("created", 1), ("updated", 2), ("deleted", 2), ("created", 1)])?;
    same("of b", of("b"), vec![("created", 1), ("deleted", 1)])?;
    same("of g", of("g"), vec![("created", 1), ("updated", 2)])?;
    same("all", entries.len(), 8)
}

async fn feed_of_failed(lab: Lab) -> Proof {
    lab.commit(user("z"), 0).await?;
    let before = lab.entries().await?;
    for (why, bad, expected) in failing() {
        if why.contains("delta") {
            continue;
        }
        let failing: Batch = batch(vec![user("b"), titled("z", "x"), at_version(2, titled("z", "y"))], 1);
        let mut writes = failing.writes;
        // The version that the failing write asks for is the one of the batch by then.
        let expected = match expected {
            StoreError::VersionMismatch { .. } => StoreError::VersionMismatch { current: 3 },
            other => other,
        };
        writes.push(bad);
        refused(why, lab.commit_all(writes, 1).await, &expected)?;
        same(why, lab.entries().await?, before.clone())?;
    }
    Ok(())
}

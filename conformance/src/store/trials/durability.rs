//! What was acknowledged is there when the store is opened anew.

use scim_core::{ChangeKind, FeedCursor, StoreError};

use super::super::Promise;
use super::super::build::*;
use super::super::check::{Proof, refused, same, taken};
use super::super::invariants;
use super::super::lab::Lab;
use super::{Need, Spec, trial};

pub(super) fn trials() -> Vec<Spec> {
    let trials = vec![
        trial("durability: resources, members and the feed are there again", Promise::Atomic, there_again),
        trial("durability: what was deleted stays deleted", Promise::Atomic, deleted),
        trial("durability: unique values stay taken", Promise::Unique, unique),
        trial("durability: versions and times go on", Promise::Monotone, versions),
        trial("durability: what failed is not there", Promise::Atomic, failed),
        trial("durability: the feed goes on behind its cursors", Promise::FeedGapless, feed),
        trial("durability: opened ten times, each time with all before", Promise::Atomic, ten_times),
    ];
    trials.into_iter().map(|trial| trial.needs(Need::Reopen)).collect()
}

async fn there_again(lab: Lab) -> Proof {
    lab.commit_all(vec![user("a"), user("b"), group("g", &["a", "b"]), group("h", &["g"])], 0).await?;
    lab.commit(titled("a", "x"), 1).await?;
    let before = lab.everything().await?;
    let lab = lab.reopen().await?;
    same("everything", lab.everything().await?, before)?;
    invariants::check(&lab, &acme()).await
}

async fn deleted(lab: Lab) -> Proof {
    lab.commit_all(vec![user("a"), user("b"), group("g", &["a", "b"])], 0).await?;
    lab.commit(delete("User", "a"), 1).await?;
    let lab = lab.reopen().await?;
    same("the user", lab.look("User", "a").await?, None)?;
    let stored = lab.get("Group", "g").await?;
    same("the group", (values(&stored, "members"), stored.version), (vec!["b".to_owned()], 2))?;
    invariants::check(&lab, &acme()).await
}

async fn unique(lab: Lab) -> Proof {
    lab.commit(named("a", "Ann"), 0).await?;
    let lab = lab.reopen().await?;
    refused("the name", lab.commit(named("b", "ANN"), 1).await, &taken("userName"))?;
    refused("the id", lab.commit(named("a", "other"), 1).await, &taken("id"))
}

async fn versions(lab: Lab) -> Proof {
    lab.commit(user("a"), 1000).await?;
    lab.commit(titled("a", "x"), 1000).await?;
    let lab = lab.reopen().await?;
    let old = at_version(1, titled("a", "y"));
    refused("an old version", lab.commit(old, 1).await, &StoreError::VersionMismatch { current: 2 })?;
    let done = lab.commit(at_version(2, titled("a", "y")), 1).await?;
    same("the next", (done.version, done.created, done.last_modified >= at(1000)), (3, at(1000), true))
}

async fn failed(lab: Lab) -> Proof {
    lab.commit(user("a"), 0).await?;
    let before = lab.everything().await?;
    let came = lab.commit_all(vec![user("b"), delete("User", "a"), delete("User", "nobody")], 1).await;
    refused("the batch", came, &StoreError::NotFound)?;
    let lab = lab.reopen().await?;
    same("everything", lab.everything().await?, before)
}

async fn feed(lab: Lab) -> Proof {
    if lab.handle.feed.is_none() {
        // Then there is an outcome of the same writes to compare with, and no feed.
        lab.commit(user("a"), 0).await?;
        return same("the user", lab.reopen().await?.get("User", "a").await?.version, 1);
    }
    lab.commit_all(vec![user("a"), user("b")], 0).await?;
    let before = lab.entries().await?;
    let seen = lab.end_of_feed().await?;
    let lab = lab.reopen().await?;
    same("the feed", lab.entries().await?, before)?;
    lab.commit(delete("User", "a"), 1).await?;
    let entries = lab.entries_after(seen).await?;
    same("what is new", summary(&entries), vec![("a", ChangeKind::Deleted.as_str(), 1)])?;
    same("all", lab.entries_after(FeedCursor::START).await?.len(), 3)
}

async fn ten_times(mut lab: Lab) -> Proof {
    for i in 0..10 {
        lab.commit(user(&format!("u{i}")), i).await?;
        lab = lab.reopen().await?;
        let expected: Vec<String> = (0..=i).map(|i| format!("u{i}")).collect();
        same("the ids", lab.ids(&["User"], None).await?, expected)?;
    }
    invariants::check(&lab, &acme()).await
}

//! What must hold for a write.

use scim_core::{Precondition, StoreError};
use serde_json::json;

use super::super::Promise;
use super::super::build::*;
use super::super::check::{Proof, refused, same, taken};
use super::super::lab::Lab;
use super::{Spec, trial};

pub(super) fn trials() -> Vec<Spec> {
    let of = |name, run| trial(format!("preconditions: {name}"), Promise::Preconditions, run);
    let mut trials = vec![
        trial("preconditions: Absent fails where the id is taken", Promise::Preconditions, absent),
        trial(
            "preconditions: Absent fails where another type has the id",
            Promise::Preconditions,
            absent_other_type,
        ),
        trial("preconditions: Absent holds after a delete", Promise::Preconditions, absent_after_delete),
        trial("preconditions: Version holds at that version only", Promise::Preconditions, version),
        trial("preconditions: Version guards a delete", Promise::Preconditions, version_delete),
        trial("preconditions: Version guards a change of members", Promise::Preconditions, version_members),
        trial(
            "preconditions: Version of what is not there is NotFound",
            Promise::Preconditions,
            version_missing,
        ),
        trial(
            "preconditions: Version sees the earlier writes of its batch",
            Promise::Preconditions,
            version_in_batch,
        ),
        trial(
            "preconditions: Version of a resource that came again is its new one",
            Promise::Preconditions,
            came_again,
        ),
        trial("preconditions: Any holds at any version", Promise::Preconditions, any),
        trial(
            "preconditions: a new version by the loss of a member counts",
            Promise::Preconditions,
            after_loss,
        ),
    ];
    for version in [0, 2, u64::from(u32::MAX) + 2, 1 << 63, u64::MAX] {
        trials.push(of(format!("version {version} is not version 1"), move |lab: Lab| async move {
            lab.commit(user("a"), 0).await?;
            let came = lab.commit(at_version(version, titled("a", "x")), 1).await;
            refused("the write", came, &StoreError::VersionMismatch { current: 1 })?;
            same("the version", lab.get("User", "a").await?.version, 1)
        }));
    }
    trials
}

async fn absent(lab: Lab) -> Proof {
    lab.commit(user("a"), 0).await?;
    refused("the same once more", lab.commit(user("a"), 1).await, &taken("id"))?;
    refused("another of the id", lab.commit(named("a", "other"), 1).await, &taken("id"))?;
    let stored = lab.get("User", "a").await?;
    same("what is there", (text(&stored.resource, "userName"), stored.version), (Some("a@example.com"), 1))
}

async fn absent_other_type(lab: Lab) -> Proof {
    lab.commit(user("a"), 0).await?;
    refused("a group", lab.commit(group("a", &[]), 1).await, &taken("id"))?;
    same("the group", lab.look("Group", "a").await?, None)
}

async fn absent_after_delete(lab: Lab) -> Proof {
    lab.commit(user("a"), 0).await?;
    lab.commit(delete("User", "a"), 1).await?;
    same("the version", lab.commit(group("a", &[]), 2).await?.version, 1)
}

async fn version(lab: Lab) -> Proof {
    lab.commit(user("a"), 0).await?;
    let at = |version, title: &str| at_version(version, titled("a", title));
    refused("too high", lab.commit(at(2, "b"), 1).await, &StoreError::VersionMismatch { current: 1 })?;
    same("the right one", lab.commit(at(1, "b"), 1).await?.version, 2)?;
    refused("too low", lab.commit(at(1, "c"), 1).await, &StoreError::VersionMismatch { current: 2 })?;
    same("the title", text(&lab.get("User", "a").await?.resource, "title"), Some("b"))
}

async fn version_delete(lab: Lab) -> Proof {
    lab.commit(user("a"), 0).await?;
    lab.commit(titled("a", "x"), 1).await?;
    let came = lab.commit(at_version(1, delete("User", "a")), 2).await;
    refused("another version", came, &StoreError::VersionMismatch { current: 2 })?;
    same("the version that is there", lab.get("User", "a").await?.version, 2)?;
    lab.commit(at_version(2, delete("User", "a")), 2).await?;
    same("then", lab.look("User", "a").await?, None)
}

async fn version_members(lab: Lab) -> Proof {
    lab.commit_all(vec![user("a"), user("b"), group("g", &["a"])], 0).await?;
    let came = lab.commit(at_version(3, delta("g", &["b"], &["a"])), 1).await;
    refused("another version", came, &StoreError::VersionMismatch { current: 1 })?;
    same("the members", values(&lab.get("Group", "g").await?, "members"), vec!["a"])?;
    lab.commit(at_version(1, delta("g", &["b"], &["a"])), 1).await?;
    same("then", values(&lab.get("Group", "g").await?, "members"), vec!["b"])
}

async fn version_missing(lab: Lab) -> Proof {
    for write in [titled("a", "x"), delete("User", "a"), delta("g", &[], &["x"])] {
        let what = format!("{write:?}");
        refused(what, lab.commit(at_version(1, write), 0).await, &StoreError::NotFound)?;
    }
    Ok(())
}

async fn version_in_batch(lab: Lab) -> Proof {
    let steps = || vec![at_version(1, titled("a", "x")), at_version(2, titled("a", "y"))];
    let mut writes = vec![user("a")];
    writes.extend(steps());
    let done = lab.commit_all(writes, 0).await?;
    same("the versions", done.iter().map(|done| done.version).collect::<Vec<_>>(), vec![1, 2, 3])?;
    refused("once more", lab.commit_all(steps(), 1).await, &StoreError::VersionMismatch { current: 3 })
}

async fn came_again(lab: Lab) -> Proof {
    lab.commit(user("a"), 0).await?;
    lab.commit(titled("a", "x"), 1).await?;
    lab.commit(delete("User", "a"), 2).await?;
    lab.commit(user("a"), 3).await?;
    let came = lab.commit(at_version(2, titled("a", "y")), 4).await;
    refused("the version of the old one", came, &StoreError::VersionMismatch { current: 1 })
}

async fn any(lab: Lab) -> Proof {
    lab.commit(user("a"), 0).await?;
    for i in 0..5 {
        let write = replace("User", "a", &json!({"userName": format!("n{i}")}));
        same("the precondition", write.precondition, Precondition::Any)?;
        same("the version", lab.commit(write, 1).await?.version, i + 2)?;
    }
    Ok(())
}

async fn after_loss(lab: Lab) -> Proof {
    lab.commit_all(vec![user("a"), group("g", &["a"])], 0).await?;
    lab.commit(delete("User", "a"), 1).await?;
    let came = lab.commit(at_version(1, replace("Group", "g", &json!({"displayName": "x"}))), 2).await;
    refused("the version before", came, &StoreError::VersionMismatch { current: 2 })
}

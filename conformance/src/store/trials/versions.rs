//! Versions, and writes that change nothing.

use scim_core::{AttributeChange, Change, MembersChange, StoreError, Write};
use serde_json::json;

use super::super::Promise;
use super::super::build::*;
use super::super::check::{Proof, refused, same};
use super::super::lab::Lab;
use super::{Need, Spec, trial};

pub(super) fn trials() -> Vec<Spec> {
    use Promise::{FeedNoChange, Monotone, NoChange};
    let mut trials = vec![
        trial("versions: they begin with 1 and grow by one", Monotone, grow),
        trial("versions: a change of document and members is one version", Monotone, one_for_both),
        trial("versions: a write that fails is no version", Monotone, failed),
        trial("versions: those of one resource do not depend on others", Monotone, apart),
        trial("versions: a change that no document shows is a version", NoChange, hidden_change),
        trial("versions: a change back and forth is two versions", Monotone, back_and_forth),
        trial("versions: a write that changes nothing still has its precondition", NoChange, precondition),
        trial("versions: beside changes, a write that changes nothing is told apart", NoChange, among_others),
    ];
    for (what, write) in nothing() {
        let (silent, told) = (write.clone(), write);
        trials.push(trial(format!("versions: {what} changes nothing"), NoChange, move |lab| {
            quiet(lab, silent.clone())
        }));
        let run = move |lab| no_entry(lab, told.clone());
        trials.push(trial(format!("feed: {what} makes no entry"), FeedNoChange, run).needs(Need::Feed));
    }
    trials
}

/// Writes that change nothing of a group `g` with the members `a` (labelled) and `b`.
fn nothing() -> Vec<(&'static str, Write)> {
    let relabelled = MembersChange::Set(vec![labelled("a", "User", "other"), labelled("b", "Group", "new")]);
    let mut both = delta("g", &["a"], &[]);
    if let Change::Update { members: MembersChange::Delta(delta), .. } = &mut both.change {
        delta.remove.push("a".into());
    }
    vec![
        ("keeping the members", members("g", MembersChange::Keep)),
        ("the same document", replace("Group", "g", &json!({"displayName": "The g"}))),
        ("an empty delta", delta("g", &[], &[])),
        ("adding a member that is there", delta("g", &["a"], &[])),
        ("removing a member that is not there", delta("g", &[], &["c", "x"])),
        ("adding and removing a member that is there", both),
        ("setting the same members", set("g", &["a", "b"])),
        ("setting the same members in another order", set("g", &["b", "a"])),
        ("setting the same members twice over", set("g", &["a", "b", "a", "b"])),
        ("setting the same members with other labels", members("g", relabelled)),
        ("clearing and adding the same members", clear("g", &["a", "b"])),
    ]
}

async fn prepare(lab: &Lab) -> Proof {
    let group = insert_with(
        "Group",
        "g",
        &json!({"displayName": "The g"}),
        vec![labelled("a", "User", "Ann"), scim_core::Member::new("b")],
    );
    lab.commit_all(vec![user("a"), user("b"), user("c"), group], 5).await?;
    Ok(())
}

async fn quiet(lab: Lab, write: Write) -> Proof {
    prepare(&lab).await?;
    let before = lab.get("Group", "g").await?;
    let done = lab.commit(write, 9).await?;
    same("changed", done.changed, false)?;
    same("version and times", (done.version, done.created, done.last_modified), (1, at(5), at(5)))?;
    same("who came and went", (done.members_added.len(), done.members_removed.len()), (0, 0))?;
    same("the group", lab.get("Group", "g").await?, before)
}

async fn no_entry(lab: Lab, write: Write) -> Proof {
    prepare(&lab).await?;
    let before = lab.entries().await?;
    lab.commit(write, 9).await?;
    same("the feed", lab.entries().await?, before)
}

async fn grow(lab: Lab) -> Proof {
    let mut versions = vec![lab.commit(user("a"), 0).await?.version];
    for i in 0..10 {
        versions.push(lab.commit(titled("a", &i.to_string()), i).await?.version);
        same("what get says", lab.get("User", "a").await?.version, versions.len() as u64)?;
    }
    same("the versions", versions, (1..=11).collect::<Vec<u64>>())
}

async fn one_for_both(lab: Lab) -> Proof {
    prepare(&lab).await?;
    let mut write = replace("Group", "g", &json!({"displayName": "new"}));
    if let Change::Update { members, .. } = &mut write.change {
        *members = MembersChange::Set(plain(&["c"]));
    }
    let done = lab.commit(write, 9).await?;
    same("the version", done.version, 2)?;
    let stored = lab.get("Group", "g").await?;
    let got = (text(&stored.resource, "displayName"), values(&stored, "members"), stored.version);
    same("the group", got, (Some("new"), vec!["c".to_owned()], 2))
}

async fn failed(lab: Lab) -> Proof {
    lab.commit_all(vec![user("a"), user("b")], 0).await?;
    let stolen = replace("User", "a", &json!({"userName": "b@example.com"}));
    refused("a name that is taken", lab.commit(stolen, 1).await, &super::super::check::taken("userName"))?;
    let old = at_version(7, titled("a", "x"));
    refused("another version", lab.commit(old, 1).await, &StoreError::VersionMismatch { current: 1 })?;
    same("the version", lab.get("User", "a").await?.version, 1)?;
    same("the next", lab.commit(titled("a", "y"), 2).await?.version, 2)
}

async fn apart(lab: Lab) -> Proof {
    lab.commit_all(vec![user("a"), user("b")], 0).await?;
    for i in 0..5 {
        lab.commit(titled("a", &i.to_string()), 1).await?;
    }
    same("the other's", lab.get("User", "b").await?.version, 1)?;
    same("the other's next", lab.commit(titled("b", "x"), 2).await?.version, 2)
}

async fn hidden_change(lab: Lab) -> Proof {
    lab.commit(insert("User", "a", &json!({"userName": "a@example.com", "title": "x"})), 0).await?;
    let mut write = titled("a", "x");
    if let Change::Update { changes, .. } = &mut write.change {
        changes.push(AttributeChange { path: "password".into(), from: None, to: None });
    }
    let done = lab.commit(write, 1).await?;
    same("changed and version", (done.changed, done.version), (true, 2))?;
    same("what get says", lab.get("User", "a").await?.version, 2)
}

async fn back_and_forth(lab: Lab) -> Proof {
    lab.commit(user("a"), 0).await?;
    let original = lab.get("User", "a").await?;
    lab.commit(titled("a", "x"), 1).await?;
    let back = replace("User", "a", &json!({"userName": "a@example.com"}));
    same("the version", lab.commit(back, 2).await?.version, 3)?;
    let stored = lab.get("User", "a").await?;
    same("the document", own_letters(&stored.resource), own_letters(&original.resource))
}

async fn precondition(lab: Lab) -> Proof {
    prepare(&lab).await?;
    for (what, write) in nothing() {
        let done = lab.commit(at_version(1, write.clone()), 9).await?;
        same(format!("{what}, at the right version"), done.changed, false)?;
        let came = lab.commit(at_version(2, write), 9).await;
        refused(format!("{what}, at another version"), came, &StoreError::VersionMismatch { current: 1 })?;
    }
    Ok(())
}

async fn among_others(lab: Lab) -> Proof {
    prepare(&lab).await?;
    let writes =
        vec![titled("a", "x"), delta("g", &["a"], &[]), delta("g", &["c"], &[]), delta("g", &["c"], &[])];
    let done = lab.commit_all(writes, 9).await?;
    let told: Vec<(bool, u64)> = done.iter().map(|done| (done.changed, done.version)).collect();
    same("changed and version of each", told, vec![(true, 2), (false, 1), (true, 2), (false, 2)])?;
    same("the time of nothing", done.get(1).map(|done| done.last_modified), Some(at(5)))
}

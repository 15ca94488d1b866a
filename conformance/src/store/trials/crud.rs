//! Resources come, change and go.

use scim_core::{Change, MembersChange, Precondition, StoreError};
use serde_json::json;

use super::super::Promise;
use super::super::build::*;
use super::super::check::{Proof, holds, refused, same};
use super::super::lab::Lab;
use super::{Spec, trial};

pub(super) fn trials() -> Vec<Spec> {
    use Promise::{Carries, Exact, Reads, Writes};
    vec![
        trial("crud: an inserted resource is read back", Reads, inserted),
        trial("crud: there is no resource that was never inserted", Reads, never_there),
        trial(
            "crud: an insert answers version 1, its time, and that it changed something",
            Writes,
            insert_answer,
        ),
        trial("crud: an update puts a new document in the place of the old", Exact, replaced),
        trial("crud: an update without a document leaves the document", Exact, no_document),
        trial("crud: an update answers the new version and both times", Writes, update_answer),
        trial("crud: a deleted resource is gone from get, query and types_of", Reads, deleted),
        trial("crud: a delete answers the version that was deleted", Writes, delete_answer),
        trial("crud: an update of what is not there is NotFound", Writes, update_missing),
        trial("crud: a delete of what is not there is NotFound", Writes, delete_missing),
        trial("crud: a second delete is NotFound", Writes, delete_twice),
        trial("crud: an id is free after a delete, and its versions begin anew", Writes, id_again),
        trial("crud: a new resource has nothing of a deleted one of its id", Exact, nothing_left),
        trial("crud: get finds a resource by its own type only", Reads, own_type),
        trial("crud: query finds a resource under its own type only", Reads, own_type_query),
        trial("crud: a write finds a resource by its own type only", Writes, own_type_write),
        trial("crud: types_of answers each id in order, also those given twice and unknown", Reads, types),
        trial("crud: types_of of no ids is empty", Reads, types_of_none),
        trial("crud: types_of answers a thousand ids", Reads, types_of_many),
        trial("crud: letter case tells ids apart", Reads, ids_are_exact),
        trial("crud: ids may have odd characters", Reads, odd_ids),
        trial("crud: five hundred resources of one batch are all there", Reads, five_hundred),
        trial("crud: what was committed is seen by other tasks at once", Reads, other_tasks),
        trial("meta: get hands out meta that goes with version and times", Carries, meta_of_get),
        trial("meta: query hands out the same resource as get", Carries, meta_of_query),
        trial("meta: location is relative to the base URL", Carries, location),
    ]
}

async fn inserted(lab: Lab) -> Proof {
    lab.commit(user("a"), 0).await?;
    let stored = lab.get("User", "a").await?;
    same("the name", text(&stored.resource, "userName"), Some("a@example.com"))?;
    same("the id", stored.resource.id(), "a")
}

async fn never_there(lab: Lab) -> Proof {
    same("in an empty store", lab.look("User", "a").await?, None)?;
    lab.commit(user("a"), 0).await?;
    same("beside another", lab.look("User", "b").await?, None)
}

async fn insert_answer(lab: Lab) -> Proof {
    let done = lab.commit(user("a"), 7).await?;
    same("changed", done.changed, true)?;
    same("version and times", (done.version, done.created, done.last_modified), (1, at(7), at(7)))?;
    same("members", (done.members_added.len(), done.members_removed.len()), (0, 0))
}

async fn replaced(lab: Lab) -> Proof {
    let first = json!({"userName": "a", "title": "x", "emails": [{"value": "a@x.org"}]});
    lab.commit(insert("User", "a", &first), 0).await?;
    lab.commit(replace("User", "a", &json!({"userName": "b", "nickName": "n"})), 1).await?;
    let expected = document("User", "a", &json!({"userName": "b", "nickName": "n"}));
    same("the document", own_letters(&lab.get("User", "a").await?.resource), letters(&expected.resource))
}

async fn no_document(lab: Lab) -> Proof {
    lab.commit_all(vec![user("a"), group("g", &[])], 0).await?;
    lab.commit(delta("g", &["a"], &[]), 1).await?;
    let stored = lab.get("Group", "g").await?;
    same("the label", text(&stored.resource, "displayName"), Some("The g"))
}

async fn update_answer(lab: Lab) -> Proof {
    lab.commit(user("a"), 7).await?;
    let done = lab.commit(titled("a", "x"), 9).await?;
    same("changed", done.changed, true)?;
    same("version and times", (done.version, done.created, done.last_modified), (2, at(7), at(9)))
}

async fn deleted(lab: Lab) -> Proof {
    lab.commit_all(vec![user("a"), user("b")], 0).await?;
    lab.commit(delete("User", "a"), 1).await?;
    same("get", lab.look("User", "a").await?, None)?;
    same("types_of", lab.store().types_of(&acme(), &["a".into()]).await?, vec![None])?;
    same("query", lab.ids(&["User"], None).await?, vec!["b"])?;
    same("query by id", lab.ids(&["User"], Some("id eq \"a\"")).await?, Vec::<&str>::new())?;
    same(
        "query by name",
        lab.ids(&["User"], Some("userName eq \"a@example.com\"")).await?,
        Vec::<&str>::new(),
    )?;
    same("total", lab.query(&query(&["User"], None)?).await?.total, 1)
}

async fn delete_answer(lab: Lab) -> Proof {
    lab.commit(user("a"), 3).await?;
    lab.commit(titled("a", "x"), 5).await?;
    let done = lab.commit(delete("User", "a"), 9).await?;
    same("version, created, changed", (done.version, done.created, done.changed), (2, at(3), true))
}

async fn update_missing(lab: Lab) -> Proof {
    for write in [titled("a", "x"), delta("g", &[], &[]), members("g", MembersChange::Keep)] {
        let what = format!("{write:?}");
        refused(what, lab.commit(write, 0).await, &StoreError::NotFound)?;
    }
    Ok(())
}

async fn delete_missing(lab: Lab) -> Proof {
    refused("a delete", lab.commit(delete("User", "a"), 0).await, &StoreError::NotFound)
}

async fn delete_twice(lab: Lab) -> Proof {
    lab.commit(user("a"), 0).await?;
    lab.commit(delete("User", "a"), 1).await?;
    refused("the second", lab.commit(delete("User", "a"), 2).await, &StoreError::NotFound)
}

async fn id_again(lab: Lab) -> Proof {
    lab.commit(user("a"), 0).await?;
    lab.commit(titled("a", "x"), 1).await?;
    lab.commit(delete("User", "a"), 2).await?;
    let done = lab.commit(user("a"), 3).await?;
    same("version and time", (done.version, done.created), (1, at(3)))
}

async fn nothing_left(lab: Lab) -> Proof {
    let full = json!({"displayName": "x", "externalId": "e"});
    lab.commit_all(vec![user("a"), insert_with("Group", "g", &full, plain(&["a"]))], 0).await?;
    lab.commit(delete("Group", "g"), 1).await?;
    same("what the member belongs to", values(&lab.get("User", "a").await?, "groups"), Vec::<String>::new())?;
    lab.commit(group("g", &[]), 2).await?;
    let stored = lab.get("Group", "g").await?;
    let expected = document("Group", "g", &json!({"displayName": "The g"}));
    same("the new one", own_letters(&stored.resource), letters(&expected.resource))
}

async fn own_type(lab: Lab) -> Proof {
    lab.commit_all(vec![user("a"), group("g", &[])], 0).await?;
    same("a user as a group", lab.look("Group", "a").await?, None)?;
    same("a group as a user", lab.look("User", "g").await?, None)
}

async fn own_type_query(lab: Lab) -> Proof {
    lab.commit_all(vec![user("a"), group("g", &[])], 0).await?;
    same("all groups", lab.ids(&["Group"], None).await?, vec!["g"])?;
    same("a user among groups", lab.ids(&["Group"], Some("id eq \"a\"")).await?, Vec::<&str>::new())?;
    same("a user among all", lab.ids(&["Group", "User"], Some("id eq \"a\"")).await?, vec!["a"])
}

async fn own_type_write(lab: Lab) -> Proof {
    lab.commit_all(vec![user("a"), group("g", &[])], 0).await?;
    refused("a delete", lab.commit(delete("Group", "a"), 1).await, &StoreError::NotFound)?;
    let update = replace("Group", "a", &json!({"displayName": "x"}));
    refused("an update", lab.commit(update, 1).await, &StoreError::NotFound)?;
    same("the user", lab.get("User", "a").await?.version, 1)
}

async fn types(lab: Lab) -> Proof {
    lab.commit_all(vec![user("a"), group("g", &[])], 0).await?;
    let asked = ["g", "x", "a", "a", "g", ""].map(str::to_owned);
    let expected = [Some("Group"), None, Some("User"), Some("User"), Some("Group"), None];
    same(
        "the types",
        lab.store().types_of(&acme(), &asked).await?,
        expected.map(|t| t.map(str::to_owned)).to_vec(),
    )
}

async fn types_of_none(lab: Lab) -> Proof {
    same("the types", lab.store().types_of(&acme(), &[]).await?, Vec::new())
}

async fn types_of_many(lab: Lab) -> Proof {
    lab.commit_all((0..50).map(|i| user(&format!("u{i}"))).collect(), 0).await?;
    let asked: Vec<String> = (0..1000).map(|i| format!("u{}", i % 100)).collect();
    let expected: Vec<Option<String>> =
        (0..1000).map(|i| (i % 100 < 50).then(|| "User".to_owned())).collect();
    same("the types", lab.store().types_of(&acme(), &asked).await?, expected)
}

async fn ids_are_exact(lab: Lab) -> Proof {
    lab.commit_all(vec![named("a", "one"), named("A", "two")], 0).await?;
    for (id, name) in [("a", "one"), ("A", "two")] {
        same(id, text(&lab.get("User", id).await?.resource, "userName"), Some(name))?;
        same("query", lab.ids(&["User"], Some(&format!("id eq \"{id}\""))).await?, vec![id])?;
    }
    lab.commit(delete("User", "A"), 1).await?;
    holds("deleting A leaves a", lab.look("User", "a").await?.is_some())
}

async fn odd_ids(lab: Lab) -> Proof {
    let long = "x".repeat(200);
    let odd = [
        "%",
        "_",
        "a%",
        "a_",
        "a'b",
        "a\"b",
        "a b",
        " ",
        "a\\b",
        "ü",
        "日本",
        "\u{1f600}",
        "-",
        "0",
        long.as_str(),
    ];
    for (n, id) in odd.into_iter().enumerate() {
        lab.commit(named(id, &format!("n{n}")), 0).await?;
    }
    for (n, id) in odd.into_iter().enumerate() {
        let stored = lab.get("User", id).await?;
        same("the name", text(&stored.resource, "userName"), Some(format!("n{n}").as_str()))?;
        same("the id", stored.resource.id(), id)?;
    }
    same("total", lab.query(&query(&["User"], None)?).await?.total, odd.len() as u64)
}

async fn five_hundred(lab: Lab) -> Proof {
    lab.commit_all((0..500).map(|i| user(&format!("u{i:03}"))).collect(), 0).await?;
    let expected: Vec<String> = (0..500).map(|i| format!("u{i:03}")).collect();
    same("the ids", lab.ids(&["User"], None).await?, expected)
}

async fn other_tasks(lab: Lab) -> Proof {
    for i in 0..20 {
        let id = format!("u{i}");
        lab.commit(user(&id), i).await?;
        let other = lab.clone();
        let seen = tokio::spawn(async move {
            let total = other.query(&query(&["User"], None)?).await?.total;
            Ok::<_, super::super::check::Wrong>((other.look("User", &id).await?.is_some(), total))
        });
        let seen = seen.await.map_err(super::super::check::Wrong::new)??;
        same("get and total in another task", seen, (true, i.unsigned_abs() + 1))?;
    }
    Ok(())
}

async fn meta_of_get(lab: Lab) -> Proof {
    lab.commit(user("a"), 1).await?;
    lab.commit(titled("a", "x"), 5).await?;
    let stored = lab.get("User", "a").await?;
    same("version and times", (stored.version, stored.created, stored.last_modified), (2, at(1), at(5)))?;
    let mut expected = document("User", "a", &json!({"userName": "a@example.com", "title": "x"})).resource;
    expected.set_meta(type_named("User"), at(1), at(5), 2);
    same("the resource", letters(&stored.resource), letters(&expected))
}

async fn meta_of_query(lab: Lab) -> Proof {
    lab.commit_all(vec![user("a"), user("b"), group("g", &["a"])], 1).await?;
    lab.commit(titled("a", "x"), 5).await?;
    for name in ["User", "Group"] {
        for stored in lab.query(&query(&[name], None)?).await?.resources {
            let got = lab.look_for(name, stored.resource.id(), scim_core::Include::NONE).await?;
            same("what get hands out", got.as_ref(), Some(&stored))?;
        }
    }
    Ok(())
}

async fn location(lab: Lab) -> Proof {
    lab.commit_all(vec![user("a"), group("g", &[])], 1).await?;
    for (name, id, expected) in [("User", "a", "Users/a"), ("Group", "g", "Groups/g")] {
        let stored = lab.get(name, id).await?;
        let meta = |name: &str| stored.resource.get("meta").and_then(|m| m.get(name)?.as_str());
        same("meta.location", meta("location"), Some(expected))?;
        same("meta.resourceType", meta("resourceType"), Some(name))?;
        same("meta.version", meta("version"), Some("W/\"1\""))?;
    }
    // Nothing of it depends on how the write was named.
    let again = write("User", "a", Precondition::Any, Change::Delete);
    lab.commit(again, 2).await?;
    same("after a delete", lab.look("User", "a").await?, None)
}

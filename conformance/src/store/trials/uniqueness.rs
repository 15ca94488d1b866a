//! Unique values.

use scim_core::{Change, Write};
use scim_schema::UniqueKey;
use serde_json::json;

use super::super::Promise;
use super::super::build::*;
use super::super::check::{Proof, refused, same, taken};
use super::super::lab::Lab;
use super::{Spec, trial};

pub(super) fn trials() -> Vec<Spec> {
    let mut trials = Vec::new();
    for (what, first, second) in [
        ("in the same letters", "ann", "ann"),
        ("in other letter case", "Ann", "aNN"),
        ("in other letter case, not ASCII", "Ärger", "äRGER"),
        ("in full-width letters", "bjensen", "ＢＪｅｎｓｅｎ"),
        ("in decomposed characters", "\u{e4}rger", "a\u{308}rger"),
        ("with a wildcard", "a%_b", "A%_B"),
        ("with quotes", "o'neil\"\\", "O'Neil\"\\"),
    ] {
        trials.push(trial(
            format!("uniqueness: a name is taken {what}"),
            Promise::Unique,
            move |lab: Lab| async move {
                lab.commit(named("a", first), 0).await?;
                refused("an insert", lab.commit(named("b", second), 1).await, &taken("userName"))?;
                lab.commit(named("b", "free"), 2).await?;
                let rename = replace("User", "b", &json!({"userName": second}));
                refused("an update", lab.commit(rename, 3).await, &taken("userName"))?;
                let stored = lab.get("User", "b").await?;
                same("the name", (text(&stored.resource, "userName"), stored.version), (Some("free"), 1))
            },
        ));
    }
    for (what, first, second) in [
        ("a blank at the end", "ann", "ann "),
        ("a wildcard that would fit", "ann", "a%"),
        ("a one-letter wildcard that would fit", "ann", "a_n"),
        ("an accent", "ann", "\u{e4}nn"),
        ("a letter that looks alike", "ann", "\u{430}nn"),
        ("a leading zero", "7", "07"),
        ("an empty name", "ann", ""),
        ("an invisible character", "ann", "a\u{200b}nn"),
    ] {
        trials.push(trial(
            format!("uniqueness: another name it is by {what}"),
            Promise::Unique,
            move |lab: Lab| async move {
                lab.commit(named("a", first), 0).await?;
                lab.commit(named("b", second), 1).await?;
                same("the ids", lab.ids(&["User"], None).await?, vec!["a", "b"])
            },
        ));
    }
    trials.extend([
        trial("uniqueness: an attribute is unique among one type", Promise::Unique, by_type),
        trial("uniqueness: a value of one attribute is free for another", Promise::Unique, by_attribute),
        trial(
            "uniqueness: the error names the attribute whose value is taken",
            Promise::Unique,
            names_attribute,
        ),
        trial("uniqueness: keys are compared as they are given", Promise::Unique, keys_as_given),
        trial("uniqueness: a resource may keep its value in another spelling", Promise::Unique, own_value),
        trial("uniqueness: a delete releases the value", Promise::Unique, released_by_delete),
        trial("uniqueness: an update releases the value", Promise::Unique, released_by_update),
        trial("uniqueness: an update without a document keeps the value", Promise::Unique, kept),
        trial("uniqueness: an update that changes nothing keeps the value", Promise::Unique, kept_by_nothing),
        trial("uniqueness: a commit that fails takes no value", Promise::Unique, failed_takes_nothing),
        trial("uniqueness: a commit that fails releases no value", Promise::Unique, failed_releases_nothing),
        trial("uniqueness: a document without keys takes nothing", Promise::Unique, no_keys),
        trial("uniqueness: keys of 1,024 characters of four bytes", Promise::Unique, long_keys),
        trial("uniqueness: a value goes from hand to hand", Promise::Unique, hand_to_hand),
    ]);
    trials
}

/// The write with these unique keys.
fn keyed(mut write: Write, keys: &[(&str, &str)]) -> Write {
    let unique = keys.iter().map(|(a, v)| UniqueKey { attribute: (*a).into(), value: (*v).into() }).collect();
    match &mut write.change {
        Change::Insert { document, .. } | Change::Update { document: Some(document), .. } => {
            document.unique = unique;
        }
        _ => {}
    }
    write
}

async fn by_type(lab: Lab) -> Proof {
    lab.commit(named("a", "ann"), 0).await?;
    lab.commit(keyed(group("g", &[]), &[("userName", "ann")]), 1).await?;
    let came = lab.commit(keyed(group("h", &[]), &[("userName", "ann")]), 2).await;
    refused("among groups", came, &taken("userName"))
}

async fn by_attribute(lab: Lab) -> Proof {
    lab.commit(keyed(user("a"), &[("userName", "ann"), ("nickName", "bob")]), 0).await?;
    lab.commit(keyed(user("b"), &[("userName", "bob"), ("nickName", "ann")]), 1).await?;
    same("the ids", lab.ids(&["User"], None).await?, vec!["a", "b"])
}

async fn names_attribute(lab: Lab) -> Proof {
    lab.commit(keyed(user("a"), &[("userName", "ann"), ("nickName", "bob")]), 0).await?;
    let came = lab.commit(keyed(user("b"), &[("userName", "x"), ("nickName", "bob")]), 1).await;
    refused("the second", came, &taken("nickName"))?;
    lab.commit(keyed(user("b"), &[("userName", "x"), ("nickName", "y")]), 2).await?;
    let change = keyed(titled("b", "t"), &[("userName", "ann"), ("nickName", "y")]);
    refused("an update", lab.commit(change, 3).await, &taken("userName"))
}

async fn keys_as_given(lab: Lab) -> Proof {
    for (n, key) in ["Ann", "ann", "ANN", "\u{e4}nn", "a\u{308}nn"].into_iter().enumerate() {
        lab.commit(keyed(user(&format!("u{n}")), &[("nickName", key)]), 0).await?;
    }
    refused("one of them", lab.commit(keyed(user("x"), &[("nickName", "ann")]), 1).await, &taken("nickName"))
}

async fn own_value(lab: Lab) -> Proof {
    lab.commit(named("a", "ann"), 0).await?;
    let done = lab.commit(replace("User", "a", &json!({"userName": "ANN"})), 1).await?;
    same("changed and version", (done.changed, done.version), (true, 2))?;
    same("the name", text(&lab.get("User", "a").await?.resource, "userName"), Some("ANN"))?;
    refused("for another", lab.commit(named("b", "Ann"), 2).await, &taken("userName"))
}

async fn released_by_delete(lab: Lab) -> Proof {
    lab.commit(named("a", "ann"), 0).await?;
    lab.commit(delete("User", "a"), 1).await?;
    lab.commit(named("b", "ANN"), 2).await?;
    same("who has it", lab.ids(&["User"], Some("userName eq \"ann\"")).await?, vec!["b"])
}

async fn released_by_update(lab: Lab) -> Proof {
    lab.commit(named("a", "ann"), 0).await?;
    lab.commit(replace("User", "a", &json!({"userName": "bob"})), 1).await?;
    lab.commit(named("b", "ann"), 2).await?;
    refused("the new name", lab.commit(named("c", "BOB"), 3).await, &taken("userName"))?;
    same("who has it", lab.ids(&["User"], Some("userName eq \"ann\"")).await?, vec!["b"])
}

async fn kept(lab: Lab) -> Proof {
    lab.commit_all(vec![user("a"), keyed(group("g", &[]), &[("displayName", "the g")])], 0).await?;
    lab.commit(delta("g", &["a"], &[]), 1).await?;
    let came = lab.commit(keyed(group("h", &[]), &[("displayName", "the g")]), 2).await;
    refused("after a delta", came, &taken("displayName"))?;
    lab.commit(delete("User", "a"), 3).await?;
    let came = lab.commit(keyed(group("h", &[]), &[("displayName", "the g")]), 4).await;
    refused("after the loss of a member", came, &taken("displayName"))
}

async fn kept_by_nothing(lab: Lab) -> Proof {
    lab.commit(named("a", "ann"), 0).await?;
    lab.commit(replace("User", "a", &json!({"userName": "ann"})), 1).await?;
    refused("the name", lab.commit(named("b", "ann"), 2).await, &taken("userName"))
}

async fn failed_takes_nothing(lab: Lab) -> Proof {
    let writes = vec![named("a", "ann"), delete("User", "nobody")];
    refused("the batch", lab.commit_all(writes, 0).await, &scim_core::StoreError::NotFound)?;
    same("the version", lab.commit(named("b", "ann"), 1).await?.version, 1)
}

async fn failed_releases_nothing(lab: Lab) -> Proof {
    lab.commit(named("a", "ann"), 0).await?;
    let rename = replace("User", "a", &json!({"userName": "bob"}));
    for first in [rename, delete("User", "a")] {
        let came = lab.commit_all(vec![first, delete("User", "nobody")], 1).await;
        refused("the batch", came, &scim_core::StoreError::NotFound)?;
        refused("the name", lab.commit(named("b", "ann"), 2).await, &taken("userName"))?;
        lab.commit(named("b", "bob"), 3).await?;
        lab.commit(delete("User", "b"), 4).await?;
    }
    Ok(())
}

async fn no_keys(lab: Lab) -> Proof {
    for id in ["a", "b"] {
        lab.commit(keyed(named(id, "ann"), &[]), 0).await?;
    }
    lab.commit(named("c", "ann"), 1).await?;
    same("the ids", lab.ids(&["User"], None).await?, vec!["a", "b", "c"])
}

async fn long_keys(lab: Lab) -> Proof {
    // Of characters that do not compress.
    let name = |last: u32| -> String {
        let code = |i: u32| 0x2_0000 + (i * 7919 + (i * i) % 10_007) % 40_000;
        (0..1023).map(code).chain([0x2_0000 + last]).filter_map(char::from_u32).collect()
    };
    lab.commit(named("a", &name(1)), 0).await?;
    lab.commit(named("b", &name(2)), 1).await?;
    refused("once more", lab.commit(named("c", &name(1)), 2).await, &taken("userName"))?;
    for (last, id) in [(1, "a"), (2, "b")] {
        let filter = format!("userName eq \"{}\"", name(last));
        same(format!("who has number {last}"), lab.ids(&["User"], Some(&filter)).await?, vec![id])?;
    }
    Ok(())
}

async fn hand_to_hand(lab: Lab) -> Proof {
    lab.commit_all((0..10).map(|i| named(&format!("u{i}"), &format!("n{i}"))).collect(), 0).await?;
    lab.commit(replace("User", "u0", &json!({"userName": "baton"})), 0).await?;
    for i in 1..10 {
        let (from, to) = (format!("u{}", i - 1), format!("u{i}"));
        let take = || replace("User", &to, &json!({"userName": "Baton"}));
        refused("before it is free", lab.commit(take(), i).await, &taken("userName"))?;
        lab.commit(replace("User", &from, &json!({"userName": from})), i).await?;
        lab.commit(take(), i).await?;
        same("who has it", lab.ids(&["User"], Some("userName eq \"BATON\"")).await?, vec![to])?;
    }
    Ok(())
}

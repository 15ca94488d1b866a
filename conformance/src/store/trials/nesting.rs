//! Groups in groups: what a user belongs to.

use scim_core::Stored;
use scim_core::edges::MAX_NESTING;
use serde_json::{Value as Json, json};

use super::super::Promise;
use super::super::build::*;
use super::super::check::{Proof, same};
use super::super::lab::Lab;
use super::{Spec, trial};

pub(super) fn trials() -> Vec<Spec> {
    use Promise::{Carries, Edges, Queries};
    vec![
        trial("nesting: a user belongs to the groups that have it", Carries, direct),
        trial("nesting: a user belongs to groups of its groups, indirectly", Carries, indirect),
        trial("nesting: a group that is both is direct, and there once", Carries, once),
        trial("nesting: a group that is reached in two ways is there once", Carries, diamond),
        trial("nesting: a circle of groups ends", Carries, circle),
        trial("nesting: a group in itself ends", Carries, in_itself),
        trial("nesting: a long chain is followed to its limit", Carries, chain),
        trial("nesting: a new label of a group shows in its members", Carries, relabelled),
        trial("nesting: a group without a label shows without one", Carries, unlabelled),
        trial("nesting: removing a group from a group ends what came through it", Edges, removed),
        trial("nesting: deleting a group in the middle ends what came through it", Edges, middle),
        trial("nesting: filters find by direct and indirect groups", Queries, filters),
        trial("nesting: lists show the same groups as get", Carries, lists),
        trial("nesting: a change of groups leaves the user's version", Edges, version),
    ]
}

fn shown(stored: &Stored) -> Json {
    stored
        .resource
        .get("groups")
        .map_or(Json::Null, |groups| serde_json::to_value(groups).unwrap_or_default())
}

fn holder(id: &str, kind: &str) -> Json {
    json!({"value": id, "$ref": format!("Groups/{id}"), "display": format!("The {id}"), "type": kind})
}

async fn expect(lab: &Lab, expected: &[(&str, &str)]) -> Proof {
    let expected: Vec<Json> = expected.iter().map(|(id, kind)| holder(id, kind)).collect();
    let expected = if expected.is_empty() { Json::Null } else { Json::Array(expected) };
    same("the groups", shown(&lab.get("User", "u").await?), expected)
}

async fn direct(lab: Lab) -> Proof {
    lab.commit_all(vec![user("u"), group("b", &["u"]), group("a", &["u"]), group("c", &[])], 0).await?;
    expect(&lab, &[("a", "direct"), ("b", "direct")]).await
}

async fn indirect(lab: Lab) -> Proof {
    lab.commit_all(vec![user("u"), group("b", &["u"]), group("a", &["b"]), group("c", &["a"])], 0).await?;
    expect(&lab, &[("b", "direct"), ("a", "indirect"), ("c", "indirect")]).await
}

async fn once(lab: Lab) -> Proof {
    lab.commit_all(vec![user("u"), group("a", &["u"]), group("b", &["a", "u"])], 0).await?;
    expect(&lab, &[("a", "direct"), ("b", "direct")]).await
}

async fn diamond(lab: Lab) -> Proof {
    let writes = vec![
        user("u"),
        group("a", &["u"]),
        group("b", &["u"]),
        group("c", &["a", "b"]),
        group("d", &["c", "a"]),
    ];
    lab.commit_all(writes, 0).await?;
    expect(&lab, &[("a", "direct"), ("b", "direct"), ("c", "indirect"), ("d", "indirect")]).await
}

async fn circle(lab: Lab) -> Proof {
    let writes = vec![user("u"), group("a", &["u", "c"]), group("b", &["a"]), group("c", &["b"])];
    lab.commit_all(writes, 0).await?;
    expect(&lab, &[("a", "direct"), ("b", "indirect"), ("c", "indirect")]).await
}

async fn in_itself(lab: Lab) -> Proof {
    lab.commit_all(vec![user("u"), group("a", &["u", "a"])], 0).await?;
    expect(&lab, &[("a", "direct")]).await
}

async fn chain(lab: Lab) -> Proof {
    let mut writes = vec![user("u"), group("g00", &["u"])];
    writes.extend((1..MAX_NESTING + 4).map(|i| group(&format!("g{i:02}"), &[&format!("g{:02}", i - 1)])));
    lab.commit_all(writes, 0).await?;
    let expected: Vec<String> = (0..MAX_NESTING).map(|i| format!("g{i:02}")).collect();
    same("the groups", values(&lab.get("User", "u").await?, "groups"), expected)
}

async fn relabelled(lab: Lab) -> Proof {
    lab.commit_all(vec![user("u"), group("a", &["u"])], 0).await?;
    lab.commit(replace("Group", "a", &json!({"displayName": "New"})), 1).await?;
    let expected = json!([{"value": "a", "$ref": "Groups/a", "display": "New", "type": "direct"}]);
    same("the groups", shown(&lab.get("User", "u").await?), expected)
}

async fn unlabelled(lab: Lab) -> Proof {
    lab.commit_all(vec![user("u"), insert_with("Group", "a", &json!({}), plain(&["u"]))], 0).await?;
    let expected = json!([{"value": "a", "$ref": "Groups/a", "type": "direct"}]);
    same("the groups", shown(&lab.get("User", "u").await?), expected)
}

async fn removed(lab: Lab) -> Proof {
    lab.commit_all(vec![user("u"), group("a", &["u"]), group("b", &["a"]), group("c", &["b"])], 0).await?;
    lab.commit(delta("b", &[], &["a"]), 1).await?;
    expect(&lab, &[("a", "direct")]).await?;
    lab.commit(delta("c", &["a"], &[]), 2).await?;
    expect(&lab, &[("a", "direct"), ("c", "indirect")]).await
}

async fn middle(lab: Lab) -> Proof {
    lab.commit_all(vec![user("u"), group("a", &["u"]), group("b", &["a"]), group("c", &["b"])], 0).await?;
    lab.commit(delete("Group", "b"), 1).await?;
    expect(&lab, &[("a", "direct")]).await?;
    same("what the outer one has", values(&lab.get("Group", "c").await?, "members"), Vec::<String>::new())
}

async fn filters(lab: Lab) -> Proof {
    let writes = vec![
        user("u"),
        user("v"),
        user("w"),
        group("a", &["u"]),
        group("b", &["a", "v"]),
        group("c", &["b"]),
    ];
    lab.commit_all(writes, 0).await?;
    for (filter, expected) in [
        ("groups.value eq \"a\"", vec!["u"]),
        ("groups.value eq \"b\"", vec!["u", "v"]),
        ("groups.value eq \"c\"", vec!["u", "v"]),
        ("groups[value eq \"b\" and type eq \"indirect\"]", vec!["u"]),
        ("groups.display sw \"the\"", vec!["u", "v"]),
        ("not (groups pr)", vec!["w"]),
        ("groups.value eq \"x\"", vec![]),
        ("groups.value eq \"c\" and userName sw \"V\"", vec!["v"]),
    ] {
        same(filter, lab.ids(&["User"], Some(filter)).await?, expected)?;
    }
    Ok(())
}

async fn lists(lab: Lab) -> Proof {
    let writes =
        vec![user("u"), user("v"), group("a", &["u"]), group("b", &["a", "v"]), group("c", &["b", "c"])];
    lab.commit_all(writes, 0).await?;
    let mut all = query(&["User", "Group"], None)?;
    all.include = scim_core::Include::ALL;
    for stored in lab.query(&all).await?.resources {
        let id = stored.resource.id().to_owned();
        let name = if id.len() == 1 && "uv".contains(&id) { "User" } else { "Group" };
        same(&id, letters(&lab.get(name, &id).await?.resource), letters(&stored.resource))?;
    }
    Ok(())
}

async fn version(lab: Lab) -> Proof {
    lab.commit_all(vec![user("u"), group("a", &["u"])], 0).await?;
    lab.commit(delta("a", &[], &["u"]), 1).await?;
    lab.commit(delta("a", &["u"], &[]), 2).await?;
    lab.commit(delete("Group", "a"), 3).await?;
    let stored = lab.get("User", "u").await?;
    same("version and time", (stored.version, stored.last_modified), (1, at(0)))
}

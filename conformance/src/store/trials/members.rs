//! Members: a set of edges.

use scim_core::edges::take_members;
use scim_core::{Change, Include, Member, MemberDelta, MembersChange, StoreError, Stored};
use serde_json::{Value as Json, json};

use super::super::Promise;
use super::super::build::*;
use super::super::check::{Proof, holds, refused, same};
use super::super::invariants;
use super::super::lab::Lab;
use super::{Need, Spec, trial};

pub(super) fn trials() -> Vec<Spec> {
    use Promise::{Edges, Exact, UnknownMembers, Writes};
    vec![
        trial("members: they are there as they came with an insert", Edges, inserted),
        trial("members: they are in the order in which they came", Edges, order),
        trial("members: one that is given twice is there once, as it was given first", Edges, given_twice),
        trial("members: a delta adds", Edges, adds),
        trial("members: a delta adds what is given twice once", Edges, adds_once),
        trial("members: a delta removes", Edges, removes),
        trial("members: a delta removes what is named twice once", Edges, removes_once),
        trial("members: a delta that removes and adds does both", Edges, both),
        trial("members: a delta that names an id in both lists keeps it", Edges, in_both_lists),
        trial("members: a delta clears", Edges, clears),
        trial("members: a delta that clears and adds leaves what it adds", Edges, clears_and_adds),
        trial("members: setting leaves these members", Edges, sets),
        trial("members: setting none leaves none", Edges, sets_none),
        trial("members: one that stays keeps what was recorded with it", Edges, keeps_recorded),
        trial("members: one that goes and comes again has what it came with", Edges, comes_again),
        trial("members: type and display are kept to the letter", Exact, to_the_letter),
        trial("members: the answer tells who really came", Writes, who_came),
        trial("members: the answer tells who really went, as recorded", Writes, who_went),
        trial("members: the answer of a delete tells all members", Writes, who_went_with_delete),
        trial("members: a new document leaves the members", Edges, document_leaves),
        trial("members: letter case tells members apart", Edges, exact_ids),
        trial("members: unknown ones of an insert are refused", UnknownMembers, unknown_insert),
        trial("members: unknown ones of a delta are refused", UnknownMembers, unknown_delta),
        trial("members: unknown ones of a set are refused", UnknownMembers, unknown_set),
        trial("members: one among many that is unknown is refused", UnknownMembers, unknown_among_many),
        trial("members: unknown ones are taken if nobody asked to check", UnknownMembers, unchecked),
        trial(
            "members: an unknown one that is there already is no obstacle",
            UnknownMembers,
            unknown_present,
        ),
        trial("members: removing an unknown one is no error", UnknownMembers, unknown_removed),
        trial("members: one that the same batch inserts later is known", UnknownMembers, inserted_later),
        trial("members: one that the same batch deletes is unknown", UnknownMembers, deleted_later),
        trial("members: a resource may be its own member", UnknownMembers, own_member),
        trial("members: a deleted resource is nobody's member", Edges, deleted_member),
        trial("members: who loses a member gets a new version", Edges, holders_change),
        trial("members: who loses nothing keeps its version", Edges, others_stay),
        trial("members: a deleted holder belongs to nobody's groups", Edges, deleted_holder),
        trial("members: a deleted resource that was its own member is gone", Edges, deleted_own_member),
        trial("members: one in two hundred groups goes from all of them", Edges, two_hundred),
        trial("members: a resource that came again is no member", Edges, came_again),
        trial("members: removing the last leaves none", Edges, last_one),
        trial("members: a group of 3,000 is read whole and in order", Edges, large),
        trial("members: beside their groups they are those that are in them", Promise::Reads, beside),
        trial("members: one comes to and goes from a group of 3,000", Edges, large_delta),
        trial("members: a group of 3,000 goes", Edges, large_delete),
        trial(
            "feed: a large group's entry tells of those that came, not of all",
            Promise::FeedTells,
            large_feed,
        )
        .needs(Need::Feed),
    ]
}

/// The members as clients see them.
fn shown(stored: &Stored) -> Json {
    stored
        .resource
        .get("members")
        .map_or(Json::Null, |members| serde_json::to_value(members).unwrap_or_default())
}

fn some(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|&id| id.to_owned()).collect()
}

/// Users `a` to `e`, and a group `g` of some.
async fn prepare(lab: &Lab, of: &[&str]) -> Proof {
    let mut writes: Vec<_> = ["a", "b", "c", "d", "e"].map(user).into();
    writes.push(group("g", of));
    lab.commit_all(writes, 0).await?;
    Ok(())
}

async fn expect(lab: &Lab, expected: &[&str]) -> Proof {
    let stored = lab.get("Group", "g").await?;
    same("the members", values(&stored, "members"), some(expected))?;
    for id in ["a", "b", "c", "d", "e"] {
        let member = expected.contains(&id);
        same(
            format!("the groups of {id}"),
            values(&lab.get("User", id).await?, "groups"),
            some(if member { &["g"] } else { &[] }),
        )?;
        let found = lab.ids(&["Group"], Some(&format!("members.value eq \"{id}\""))).await?;
        same(format!("who has {id}"), found, some(if member { &["g"] } else { &[] }))?;
    }
    Ok(())
}

async fn inserted(lab: Lab) -> Proof {
    prepare(&lab, &["a", "c"]).await?;
    expect(&lab, &["a", "c"]).await?;
    same("as shown", shown(&lab.get("Group", "g").await?), json!([{"value": "a"}, {"value": "c"}]))
}

async fn order(lab: Lab) -> Proof {
    prepare(&lab, &["c", "a"]).await?;
    lab.commit(delta("g", &["e", "b"], &[]), 1).await?;
    expect(&lab, &["c", "a", "e", "b"]).await?;
    lab.commit(set("g", &["b", "d", "a", "c"]), 2).await?;
    expect(&lab, &["c", "a", "b", "d"]).await
}

async fn given_twice(lab: Lab) -> Proof {
    lab.commit_all(vec![user("a"), user("b")], 0).await?;
    let given = vec![
        labelled("a", "User", "first"),
        Member::new("b"),
        labelled("a", "User", "second"),
        Member::new("b"),
    ];
    let done = lab.commit(insert_with("Group", "g", &json!({"displayName": "x"}), given), 1).await?;
    same("who came", done.members_added, vec![labelled("a", "User", "first"), Member::new("b")])?;
    let expected =
        json!([{"value": "a", "$ref": "Users/a", "type": "User", "display": "first"}, {"value": "b"}]);
    same("the members", shown(&lab.get("Group", "g").await?), expected)
}

async fn adds(lab: Lab) -> Proof {
    prepare(&lab, &["a"]).await?;
    let done = lab.commit(delta("g", &["b", "d"], &[]), 1).await?;
    same("changed and version", (done.changed, done.version), (true, 2))?;
    expect(&lab, &["a", "b", "d"]).await
}

async fn adds_once(lab: Lab) -> Proof {
    prepare(&lab, &["a"]).await?;
    let add = vec![labelled("b", "User", "first"), labelled("b", "User", "second"), Member::new("a")];
    let change = MembersChange::Delta(MemberDelta { clear: false, add, remove: Vec::new() });
    let done = lab.commit(members("g", change), 1).await?;
    same("who came", done.members_added, vec![labelled("b", "User", "first")])?;
    expect(&lab, &["a", "b"]).await
}

async fn removes(lab: Lab) -> Proof {
    prepare(&lab, &["a", "b", "c"]).await?;
    lab.commit(delta("g", &[], &["b"]), 1).await?;
    expect(&lab, &["a", "c"]).await
}

async fn removes_once(lab: Lab) -> Proof {
    prepare(&lab, &["a", "b", "c"]).await?;
    let done = lab.commit(delta("g", &[], &["b", "b", "x", "b"]), 1).await?;
    same("who went", done.members_removed, plain(&["b"]))?;
    expect(&lab, &["a", "c"]).await
}

async fn both(lab: Lab) -> Proof {
    prepare(&lab, &["a", "b"]).await?;
    let done = lab.commit(delta("g", &["c", "a"], &["b", "d"]), 1).await?;
    same("who came and went", (done.members_added, done.members_removed), (plain(&["c"]), plain(&["b"])))?;
    expect(&lab, &["a", "c"]).await
}

async fn in_both_lists(lab: Lab) -> Proof {
    prepare(&lab, &["a"]).await?;
    let done = lab.commit(delta("g", &["a", "b"], &["a", "b"]), 1).await?;
    same("who came and went", (done.members_added, done.members_removed), (plain(&["b"]), Vec::new()))?;
    expect(&lab, &["a", "b"]).await
}

async fn clears(lab: Lab) -> Proof {
    prepare(&lab, &["a", "b", "c"]).await?;
    let done = lab.commit(clear("g", &[]), 1).await?;
    same("who went", done.members_removed, plain(&["a", "b", "c"]))?;
    expect(&lab, &[]).await
}

async fn clears_and_adds(lab: Lab) -> Proof {
    prepare(&lab, &["a", "b", "c"]).await?;
    let done = lab.commit(clear("g", &["d", "b"]), 1).await?;
    same(
        "who came and went",
        (done.members_added, done.members_removed),
        (plain(&["d"]), plain(&["a", "c"])),
    )?;
    expect(&lab, &["b", "d"]).await
}

async fn sets(lab: Lab) -> Proof {
    prepare(&lab, &["a", "b"]).await?;
    let done = lab.commit(set("g", &["d", "b", "d"]), 1).await?;
    same("who came and went", (done.members_added, done.members_removed), (plain(&["d"]), plain(&["a"])))?;
    expect(&lab, &["b", "d"]).await
}

async fn sets_none(lab: Lab) -> Proof {
    prepare(&lab, &["a", "b"]).await?;
    same("the version", lab.commit(set("g", &[]), 1).await?.version, 2)?;
    expect(&lab, &[]).await
}

async fn keeps_recorded(lab: Lab) -> Proof {
    prepare(&lab, &[]).await?;
    let give = |label: &str| vec![labelled("a", "User", label)];
    let added = |add| MembersChange::Delta(MemberDelta { clear: false, add, remove: Vec::new() });
    lab.commit(members("g", added(give("Ann"))), 1).await?;
    let expected = json!([{"value": "a", "$ref": "Users/a", "type": "User", "display": "Ann"}]);
    let cleared = MembersChange::Delta(MemberDelta { clear: true, add: give("z"), remove: Vec::new() });
    for change in
        [added(give("x")), MembersChange::Set(give("y")), cleared, MembersChange::Set(plain(&["a"]))]
    {
        lab.commit(members("g", change), 2).await?;
        same("the members", shown(&lab.get("Group", "g").await?), expected.clone())?;
    }
    Ok(())
}

async fn comes_again(lab: Lab) -> Proof {
    prepare(&lab, &["a", "b"]).await?;
    lab.commit(delta("g", &[], &["a"]), 1).await?;
    lab.commit(
        members("g", MembersChange::Set(vec![labelled("b", "User", "x"), labelled("a", "User", "Ann")])),
        2,
    )
    .await?;
    let expected =
        json!([{"value": "b"}, {"value": "a", "$ref": "Users/a", "type": "User", "display": "Ann"}]);
    same("the members", shown(&lab.get("Group", "g").await?), expected)
}

async fn to_the_letter(lab: Lab) -> Proof {
    let labels = ["", " ", "%_'\"\\", "Ärger", "a\u{308}rger", "İIıi", "\u{1f600}", "line\nbreak", "null"];
    lab.commit_all((0..labels.len()).map(|i| user(&format!("u{i}"))).collect(), 0).await?;
    let given =
        (0..).zip(labels).map(|(i, label)| labelled(&format!("u{i}"), "User", label)).collect::<Vec<_>>();
    lab.commit(insert_with("Group", "g", &json!({"displayName": "x"}), given.clone()), 1).await?;
    let expected: Vec<Json> = given
        .iter()
        .map(|m| json!({"value": m.id, "$ref": format!("Users/{}", m.id), "type": "User", "display": m.display}))
        .collect();
    same("the members", shown(&lab.get("Group", "g").await?), Json::Array(expected))?;
    same("who went", lab.commit(set("g", &[]), 2).await?.members_removed, given)
}

async fn who_came(lab: Lab) -> Proof {
    prepare(&lab, &["a"]).await?;
    let done = lab.commit(delta("g", &["b", "a", "c"], &[]), 1).await?;
    same("a delta", (done.members_added, done.members_removed), (plain(&["b", "c"]), Vec::new()))?;
    let done = lab.commit(group("h", &["e", "d"]), 1).await?;
    same("an insert", (done.members_added, done.members_removed), (plain(&["e", "d"]), Vec::new()))
}

async fn who_went(lab: Lab) -> Proof {
    prepare(&lab, &["b"]).await?;
    let give =
        MembersChange::Set(vec![Member::new("b"), labelled("a", "User", "Ann"), labelled("c", "User", "Cy")]);
    lab.commit(members("g", give), 1).await?;
    let done = lab.commit(delta("g", &[], &["c", "a", "d"]), 2).await?;
    same("how many came", done.members_added.len(), 0)?;
    let mut went = done.members_removed;
    went.sort();
    same("who went", went, vec![labelled("a", "User", "Ann"), labelled("c", "User", "Cy")])
}

async fn who_went_with_delete(lab: Lab) -> Proof {
    prepare(&lab, &["b", "a"]).await?;
    let done = lab.commit(delete("Group", "g"), 1).await?;
    same("who went", (done.members_added, done.members_removed), (Vec::new(), plain(&["b", "a"])))
}

async fn document_leaves(lab: Lab) -> Proof {
    prepare(&lab, &["a", "b"]).await?;
    lab.commit(replace("Group", "g", &json!({"displayName": "new"})), 1).await?;
    expect(&lab, &["a", "b"]).await
}

async fn exact_ids(lab: Lab) -> Proof {
    lab.commit_all(vec![named("a", "one"), named("A", "two"), group("g", &["a", "A"])], 0).await?;
    lab.commit(delta("g", &[], &["A"]), 1).await?;
    same("the members", values(&lab.get("Group", "g").await?, "members"), vec!["a"])?;
    lab.commit(delta("g", &["A"], &[]), 2).await?;
    lab.commit(delete("User", "a"), 3).await?;
    same("then", values(&lab.get("Group", "g").await?, "members"), vec!["A"])
}

async fn unknown_insert(lab: Lab) -> Proof {
    refused("the insert", lab.commit(group("g", &["x"]), 0).await, &StoreError::UnknownMember)?;
    same("the group", lab.look("Group", "g").await?, None)
}

async fn unknown_delta(lab: Lab) -> Proof {
    prepare(&lab, &["a"]).await?;
    refused("the delta", lab.commit(delta("g", &["b", "x"], &["a"]), 1).await, &StoreError::UnknownMember)?;
    same("the version", lab.get("Group", "g").await?.version, 1)?;
    expect(&lab, &["a"]).await
}

async fn unknown_set(lab: Lab) -> Proof {
    prepare(&lab, &["a"]).await?;
    refused("the set", lab.commit(set("g", &["b", "x"]), 1).await, &StoreError::UnknownMember)?;
    refused("clear and add", lab.commit(clear("g", &["x"]), 1).await, &StoreError::UnknownMember)?;
    expect(&lab, &["a"]).await
}

async fn unknown_among_many(lab: Lab) -> Proof {
    let ids: Vec<String> = (0..1000).map(|i| format!("u{i}")).collect();
    lab.commit_all(ids.iter().filter(|id| *id != "u777").map(|id| user(id)).collect(), 0).await?;
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    refused("all of them", lab.commit(group("g", &ids), 1).await, &StoreError::UnknownMember)?;
    let known: Vec<&str> = ids.into_iter().filter(|id| *id != "u777").collect();
    same("the known ones", lab.commit(group("g", &known), 2).await?.members_added.len(), 999)
}

async fn unchecked(lab: Lab) -> Proof {
    lab.batch(lenient(vec![user("a"), group("g", &["a", "x"])], 0)).await?;
    lab.batch(lenient(vec![delta("g", &["y"], &[])], 1)).await?;
    same("the members", values(&lab.get("Group", "g").await?, "members"), vec!["a", "x", "y"])
}

async fn unknown_present(lab: Lab) -> Proof {
    lab.batch(lenient(vec![user("a"), user("b"), group("g", &["x"])], 0)).await?;
    lab.commit(delta("g", &["a", "x"], &[]), 1).await?;
    lab.commit(set("g", &["x", "b"]), 2).await?;
    same("the members", values(&lab.get("Group", "g").await?, "members"), vec!["x", "b"])
}

async fn unknown_removed(lab: Lab) -> Proof {
    lab.batch(lenient(vec![user("a"), group("g", &["x", "a"])], 0)).await?;
    same("who went", lab.commit(delta("g", &[], &["x", "y"]), 1).await?.members_removed, plain(&["x"]))
}

async fn inserted_later(lab: Lab) -> Proof {
    lab.commit_all(vec![group("g", &["a"]), delta("g", &["b"], &[]), user("a"), user("b")], 0).await?;
    same("the members", values(&lab.get("Group", "g").await?, "members"), vec!["a", "b"])
}

async fn deleted_later(lab: Lab) -> Proof {
    prepare(&lab, &[]).await?;
    let came = lab.commit_all(vec![delta("g", &["a", "b"], &[]), delete("User", "a")], 1).await;
    refused("the batch", came, &StoreError::UnknownMember)?;
    expect(&lab, &[]).await
}

async fn own_member(lab: Lab) -> Proof {
    lab.commit(group("g", &["g"]), 0).await?;
    lab.commit(group("h", &[]), 0).await?;
    lab.commit(delta("h", &["h"], &[]), 1).await?;
    for id in ["g", "h"] {
        same("the members", values(&lab.get("Group", id).await?, "members"), vec![id])?;
    }
    Ok(())
}

async fn deleted_member(lab: Lab) -> Proof {
    prepare(&lab, &["a", "b"]).await?;
    lab.commit(delete("User", "a"), 1).await?;
    same("the members", values(&lab.get("Group", "g").await?, "members"), vec!["b"])?;
    same("who has it", lab.ids(&["Group"], Some("members.value eq \"a\"")).await?, Vec::<&str>::new())?;
    invariants::check(&lab, &acme()).await
}

async fn holders_change(lab: Lab) -> Proof {
    prepare(&lab, &["a", "b"]).await?;
    lab.commit(group("h", &["a", "g"]), 0).await?;
    lab.commit(delete("User", "a"), 7).await?;
    for id in ["g", "h"] {
        let stored = lab.get("Group", id).await?;
        same(id, (stored.version, stored.created, stored.last_modified), (2, at(0), at(7)))?;
    }
    lab.commit(delete("Group", "g"), 8).await?;
    same("h without g", lab.get("Group", "h").await?.version, 3)
}

async fn others_stay(lab: Lab) -> Proof {
    prepare(&lab, &["a", "b"]).await?;
    lab.commit(group("h", &["b"]), 0).await?;
    let before = lab.get("Group", "h").await?;
    lab.commit(delete("User", "a"), 1).await?;
    same("a group without it", lab.get("Group", "h").await?, before)?;
    same("another member", lab.get("User", "b").await?.version, 1)?;
    lab.commit(delete("Group", "g"), 2).await?;
    same("a member of a deleted group", lab.get("User", "b").await?.version, 1)
}

async fn deleted_holder(lab: Lab) -> Proof {
    prepare(&lab, &["a", "b"]).await?;
    lab.commit(delete("Group", "g"), 1).await?;
    same("groups", values(&lab.get("User", "a").await?, "groups"), Vec::<String>::new())?;
    same("by group", lab.ids(&["User"], Some("groups.value eq \"g\"")).await?, Vec::<&str>::new())
}

async fn deleted_own_member(lab: Lab) -> Proof {
    prepare(&lab, &["a"]).await?;
    lab.commit(delta("g", &["g"], &[]), 1).await?;
    let done = lab.commit(delete("Group", "g"), 2).await?;
    same("who went, and the version", (done.members_removed, done.version), (plain(&["a", "g"]), 2))?;
    same("the group", lab.look("Group", "g").await?, None)?;
    invariants::check(&lab, &acme()).await
}

async fn two_hundred(lab: Lab) -> Proof {
    let mut writes = vec![user("a"), user("b")];
    writes.extend((0..200).map(|i| group(&format!("g{i}"), &["a", "b"])));
    lab.commit_all(writes, 0).await?;
    lab.commit(delete("User", "a"), 1).await?;
    let mut all = query(&["Group"], None)?;
    all.include = Include::ALL;
    let page = lab.query(&all).await?;
    same("how many", page.resources.len(), 200)?;
    for stored in &page.resources {
        same("version and members", (stored.version, values(stored, "members")), (2, some(&["b"])))?;
    }
    if lab.handle.feed.is_some() {
        same("the feed", lab.entries().await?.len(), 202 + 201)?;
    }
    Ok(())
}

async fn came_again(lab: Lab) -> Proof {
    prepare(&lab, &["a", "b"]).await?;
    lab.commit_all(vec![delete("User", "a"), user("a")], 1).await?;
    expect(&lab, &["b"]).await
}

async fn last_one(lab: Lab) -> Proof {
    prepare(&lab, &["a"]).await?;
    lab.commit(delta("g", &[], &["a"]), 1).await?;
    same("the attribute", lab.get("Group", "g").await?.resource.get("members"), None)?;
    same("groups without members", lab.ids(&["Group"], Some("not (members pr)")).await?, vec!["g"])?;
    expect(&lab, &[]).await
}

/// A group of 3,000, who need not exist.
async fn crowd(lab: &Lab) -> Result<Vec<String>, super::super::check::Wrong> {
    let ids: Vec<String> = (0..3000).map(|i| format!("m{}", (i * 7919) % 3000)).collect();
    let group = group("g", &ids.iter().map(String::as_str).collect::<Vec<_>>());
    lab.batch(lenient(vec![user("a"), group], 0)).await?;
    Ok(ids)
}

async fn large(lab: Lab) -> Proof {
    let ids = crowd(&lab).await?;
    let stored = lab.get("Group", "g").await?;
    holds("the members are there in order", values(&stored, "members") == ids)?;
    let without = lab.look_for("Group", "g", Include::NONE).await?;
    same("without", without.and_then(|stored| stored.resource.get("members").cloned()), None)
}

async fn beside(lab: Lab) -> Proof {
    prepare(&lab, &["b", "a"]).await?;
    lab.commit(group("h", &[]), 1).await?;
    lab.commit(group("i", &["g", "c"]), 2).await?;
    let (ids, kind) = (some(&["i", "a", "g", "nobody", "h", "g"]), type_named("Group"));
    for (include, enough) in [(Include::NONE, usize::MAX), (Include::ALL, usize::MAX), (Include::ALL, 3)] {
        let found = lab.store().get_with_members(&acme(), kind, &ids, include, enough).await?;
        let all = if enough == 3 { 3 } else { ids.len() };
        holds("there are all, or enough", (all..=ids.len()).contains(&found.len()))?;
        for (id, one) in ids.iter().zip(found) {
            let stored = lab.look_for("Group", id, Include { members: false, ..include }).await?;
            same("the resource", one.as_ref().map(|one| &one.stored), stored.as_ref())?;
            let mut whole = lab.look("Group", id).await?;
            let members =
                whole.as_mut().zip(kind.membership()).map(|(g, m)| take_members(&mut g.resource, m));
            same("the members", one.map(|one| one.members.part(0, usize::MAX)), members)?;
        }
    }
    same("none", lab.store().get_with_members(&acme(), kind, &[], Include::ALL, 9).await?.len(), 0)
}

async fn large_delta(lab: Lab) -> Proof {
    let mut ids = crowd(&lab).await?;
    let done = lab.commit(delta("g", &["a"], &[]), 1).await?;
    same("who came", (done.members_added, done.version), (plain(&["a"]), 2))?;
    let gone = ids.remove(1234);
    let done = lab.commit(delta("g", &["a", "m1"], &[&gone]), 2).await?;
    same("who went", (done.members_removed, done.version), (plain(&[&gone]), 3))?;
    ids.push("a".into());
    holds("the others stay in order", values(&lab.get("Group", "g").await?, "members") == ids)
}

async fn large_delete(lab: Lab) -> Proof {
    crowd(&lab).await?;
    let done = lab.commit(delete("Group", "g"), 1).await?;
    same("who went", done.members_removed.len(), 3000)?;
    same("the group", lab.look("Group", "g").await?, None)?;
    lab.commit(group("g", &["a"]), 2).await?;
    same("a new one", values(&lab.get("Group", "g").await?, "members"), vec!["a"])
}

async fn large_feed(lab: Lab) -> Proof {
    crowd(&lab).await?;
    let seen = lab.end_of_feed().await?;
    let mut write = delta("g", &["a"], &["m5"]);
    if let Change::Update { document, .. } = &mut write.change {
        *document = Some(document_of_g());
    }
    lab.commit(write, 1).await?;
    let entries = lab.entries_after(seen).await?;
    let told: Vec<_> = entries.iter().map(|e| (e.members_added.clone(), e.members_removed.clone())).collect();
    same("who came and went", told, vec![(plain(&["a"]), plain(&["m5"]))])?;
    let held = entries.iter().any(|entry| entry.resource.get("members").is_some());
    holds("the entry's resource has no members", !held)
}

fn document_of_g() -> scim_core::Document {
    document("Group", "g", &json!({"displayName": "new"}))
}

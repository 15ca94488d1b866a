//! `patch_user`, `patch_group_add`, `patch_group_remove`, `resource_parse` and `resource_project`.

mod harness;

use std::collections::HashSet;
use std::hint::black_box;

use harness::{Group, Harness, each};
use scim_benches::check::{self, Unfit};
use scim_benches::fixtures::{self, GROUP_SIZES, NEW_MEMBER, PatchFixture};
#[cfg(feature = "resource-peers")]
use scim_benches::peers;
use scim_benches::{floor, ours};
use scim_schema::{Resource, ResourceType, Value};

fn main() {
    let mut harness = Harness::from_args();
    let mut group = harness.group("patch_user", 300, 60);
    for fixture in fixtures::user_patches() {
        patch_user(&mut group, &fixture);
        #[cfg(feature = "resource-peers")]
        patch_user_peers(&mut group, &fixture);
    }
    drop(group);
    for name in ["patch_group_add", "patch_group_remove"] {
        let mut group = harness.group(name, 300, 60);
        for members in GROUP_SIZES {
            let add = name == "patch_group_add";
            patch_group(&mut group, members, add);
            #[cfg(feature = "resource-peers")]
            patch_group_peers(&mut group, members, add);
        }
    }
    let mut group = harness.group("resource_parse", 500, 60);
    parse(&mut group);
    #[cfg(feature = "resource-peers")]
    parse_peers(&mut group);
    drop(group);
    project(&mut harness.group("resource_project", 500, 60));
    harness.finish();
}

/// A body in our own values.
fn body(operations: &serde_json::Value) -> Value {
    fixtures::patch_body(operations).into()
}

fn patch_user(group: &mut Group<'_>, fixture: &PatchFixture) {
    let id = &*fixture.id;
    let json = fixtures::stored_user_json();
    let user = fixtures::stored_user();
    let body = body(&fixture.operations);
    let user_type = ours::user_type();
    group.time(id, "floor", Ok(()), each(|| black_box(&json).clone()));
    group.time(id, "clone_ours", Ok(()), each(|| black_box(&user).clone()));
    let outcome = ours::patch_user(&body, &user, user_type);
    let patched = serde_json::to_value(&outcome.resource).expect("JSON");
    let checked = patched_right(fixture, &patched)
        .and_then(|()| check::equal("touched the original", user != fixtures::stored_user(), false));
    group.time(id, "ours", checked, each(|| ours::patch_user(black_box(&body), &user, user_type)));
}

#[cfg(feature = "resource-peers")]
fn patch_user_peers(group: &mut Group<'_>, fixture: &PatchFixture) {
    let json = fixtures::stored_user_json();
    let patcher = peers::scim_server::Patcher::default();
    let operations = &fixture.operations;
    let checked = patcher.patch(&json, operations).and_then(|p| patched_right(fixture, &p));
    let work = || patcher.patch(black_box(&json), black_box(operations));
    group.time(&fixture.id, "scim-server", checked, each(work));
}

fn patched_right(fixture: &PatchFixture, patched: &serde_json::Value) -> Result<(), Unfit> {
    for (list, length) in &fixture.lengths {
        let found = patched[list].as_array().map_or(0, Vec::len);
        check::equal(&format!("values of {list}"), found, *length)?;
    }
    if *patched == fixture.expected { Ok(()) } else { Err(Unfit::Wrong("another result".into())) }
}

fn patch_group(group: &mut Group<'_>, size: usize, add: bool) {
    let id = size.to_string();
    let id = id.as_str();
    let operations = if add { fixtures::group_add() } else { fixtures::group_remove() };
    let body = body(&operations);
    let group_type: &ResourceType = ours::group_type();
    let mut members: HashSet<String> = fixtures::member_ids(size).collect();
    group.time(id, "floor", Ok(()), each(|| floor::insert_and_remove(black_box(&mut members))));

    let delta = ours::member_delta(&body, group_type);
    let added: Vec<_> = delta.add.iter().map(|member| member.id.as_str()).collect();
    let removed: Vec<_> = delta.remove.iter().map(String::as_str).collect();
    let (right_added, right_removed): (&[&str], &[&str]) =
        if add { (&[NEW_MEMBER], &[]) } else { (&[], &[NEW_MEMBER]) };
    let right = !delta.clear && added == right_added && removed == right_removed;
    let change = if add { ours::add_and_undo } else { ours::remove_and_undo };
    if !add {
        members.insert(NEW_MEMBER.to_owned());
    }
    let changed = change(&mut members, &body, group_type);
    let checked = check::equal("the delta", right, true).and(check::equal("members changed", changed, 1));
    group.time(id, "ours", checked, each(|| change(&mut members, black_box(&body), group_type)));
}

#[cfg(feature = "resource-peers")]
fn patch_group_peers(group: &mut Group<'_>, size: usize, add: bool) {
    let patcher = peers::scim_server::Patcher::default();
    let mut json = fixtures::group_json(size);
    let operations = if add { fixtures::group_add() } else { fixtures::group_remove() };
    if !add {
        let members = json["members"].as_array_mut().expect("members");
        members.push(serde_json::json!({"value": NEW_MEMBER}));
    }
    let checked = patcher.patch(&json, &operations).and_then(|patched| {
        let left = patched["members"].as_array().map_or(0, Vec::len);
        check::equal("members", left, if add { size + 1 } else { size })
    });
    let work = || patcher.patch(black_box(&json), black_box(&operations));
    group.time(&size.to_string(), "scim-server", checked, each(work));
}

fn parse(group: &mut Group<'_>) {
    let body = fixtures::user_body();
    let user_type = ours::user_type();
    let floor = || serde_json::from_slice::<serde_json::Value>(black_box(&body));
    group.time("user", "floor", Ok(()), each(floor));
    let checked = read_right(&ours::read_user(&body, user_type));
    group.time("user", "ours", checked, each(|| ours::read_user(black_box(&body), user_type)));
}

#[cfg(feature = "resource-peers")]
fn parse_peers(group: &mut Group<'_>) {
    use peers::{scim_server, scim_v2};

    let body = fixtures::user_body();
    let checked =
        scim_server::read_user(&body).and_then(|user| has_all(&scim_server::show_user(&user)?, &body));
    group.time("user", "scim-server", checked, each(|| scim_server::read_user(black_box(&body))));
    let checked = scim_v2::read_user(&body)
        .and_then(|user| has_all(&serde_json::to_value(&user).map_err(Unfit::refused)?, &body));
    group.time("user", "scim_v2", checked, each(|| scim_v2::read_user(black_box(&body))));
}

/// What a client sent is there, except what it may not set.
fn read_right(user: &Resource) -> Result<(), Unfit> {
    let mut expected: scim_schema::Object =
        serde_json::from_slice(&fixtures::user_body()).expect("the fixture is JSON");
    for readonly in ["id", "groups", "meta"] {
        expected.remove(readonly);
    }
    if let Some(manager) = expected
        .get_mut("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User")
        .and_then(|extension| extension.as_object_mut()?.get_mut("manager")?.as_object_mut())
    {
        manager.remove("displayName");
    }
    if *user.attributes() == expected {
        Ok(())
    } else {
        Err(Unfit::Wrong(format!("read as {:?}, not {expected:?}", user.attributes())))
    }
}

/// A library that takes what a client sent as it is must at least keep it.
#[cfg(feature = "resource-peers")]
fn has_all(shown: &serde_json::Value, body: &[u8]) -> Result<(), Unfit> {
    let sent: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(body).map_err(Unfit::refused)?;
    for (name, value) in &sent {
        let readonly = matches!(name.as_str(), "id" | "groups" | "meta" | "password");
        if !readonly && shown.get(name) != Some(value) {
            return Err(Unfit::Wrong(format!("{name} is not what was sent")));
        }
    }
    Ok(())
}

fn project(group: &mut Group<'_>) {
    let user = fixtures::stored_user();
    let user_type = ours::user_type();
    let json = fixtures::stored_user_json();
    group.time("user", "floor", Ok(()), each(|| serde_json::to_vec(black_box(&json))));
    let shown = ours::project_user(&user, user_type);
    let shown: serde_json::Value = serde_json::from_slice(&shown).expect("JSON");
    let checked = check::equal("as shown", shown == fixtures::shown_user_json(ours::BASE), true);
    group.time("user", "ours", checked, each(|| ours::project_user(black_box(&user), user_type)));
}

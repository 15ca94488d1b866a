//! PATCH through the service (RFC 7644 §3.5.2). What operations do is tested in scim-patch.

use serde_json::json;

use crate::support::*;

// ledger: 7644-3.5.2-001, 7644-3.5-002
#[test]
fn patch_is_announced() {
    assert_eq!(strict().build().get("/ServiceProviderConfig").body["patch"]["supported"], true);
}

// ledger: 7644-3.5.2-002, 7644-3.5.2-003, 7644-3.5.2-004, 7644-3.5.2-010, 7644-3.5.2-016
#[test]
fn a_malformed_patch_is_a_scim_error_and_changes_nothing() {
    let scim = strict().build();
    let user = scim.user("u", json!({}));
    let path = format!("/Users/{}", user.id());
    let good = json!({"op": "replace", "path": "title", "value": "x"});
    for body in [
        json!({"Operations": [good]}),
        json!({"schemas": [SEARCH], "Operations": [good]}),
        json!({"schemas": [PATCH]}),
        json!({"schemas": [PATCH], "Operations": {}}),
        json!({"schemas": [PATCH], "Operations": []}),
        json!({"schemas": [PATCH], "Operations": [good, {"op": "move", "path": "title", "value": "y"}]}),
        json!({"schemas": [PATCH], "Operations": [good, {"path": "title", "value": "y"}]}),
        json!({"schemas": [PATCH], "Operations": [null]}),
        json!([good]),
    ] {
        scim.send("PATCH", &path, &body).fails(400, "invalidSyntax");
    }
    assert_eq!(scim.get(&path).body, user.body);
    let add = json!([{"op": "Add", "path": "title", "value": "x"}]);
    assert_eq!(scim.patch(&path, add).is(200).body["title"], "x");
}

// ledger: 7644-3.5.2-015, 7644-3.5.2-017
#[test]
fn all_operations_or_none() {
    let scim = strict().build();
    scim.user("taken", json!({}));
    let user = scim.user("u", json!({"title": "before"}));
    let path = format!("/Users/{}", user.id());
    let change = json!({"op": "replace", "path": "title", "value": "after"});
    for (bad, status, scim_type) in [
        (json!({"op": "replace", "path": "emails[type eq \"zz\"].value", "value": "x"}), 400, "noTarget"),
        (json!({"op": "replace", "path": "id", "value": "x"}), 400, "mutability"),
        (json!({"op": "replace", "path": "userName", "value": "TAKEN"}), 409, "uniqueness"),
        (json!({"op": "remove"}), 400, "noTarget"),
        (json!({"op": "replace", "path": "emails[", "value": "x"}), 400, "invalidPath"),
        (json!({"op": "replace", "path": "emails[type zz \"x\"]", "value": "x"}), 400, "invalidFilter"),
        (json!({"op": "replace", "path": "active", "value": "maybe"}), 400, "invalidValue"),
    ] {
        scim.patch(&path, json!([change, bad])).fails(status, scim_type);
        let now = scim.get(&path);
        assert_eq!((&now.body, now.header("etag")), (&user.body, user.header("etag")), "{bad}");
    }
    let done = scim.patch(&path, json!([change])).is(200);
    assert_eq!(done.body, scim.get(&path).body);
    assert_ne!(done.header("etag"), user.header("etag"));
}

// ledger: 7644-3.5.2-018
#[test]
fn attributes_that_are_asked_for_are_shown() {
    let scim = lenient().config(|c| c.patch_no_content = true).build();
    let path = format!("/Users/{}", scim.user("u", json!({"title": "T"})).id());
    let operations = json!([{"op": "add", "path": "nickName", "value": "N"}]);
    let quiet = scim.patch(&path, operations.clone()).is(204);
    assert!(quiet.bytes.is_empty() && quiet.header("etag").is_some());
    let shown = scim.patch(&format!("{path}?attributes=userName"), operations).is(200);
    assert_eq!(shown.body["userName"], "u");
    assert!(shown.body.get("title").is_none());
}

// ledger: 7644-3.5.2.1-008
#[test]
fn what_is_there_already_changes_nothing() {
    let scim = strict().build();
    let user = scim.user("u", json!({"title": "T", "emails": [{"value": "a@x.example", "type": "work"}]}));
    let path = format!("/Users/{}", user.id());
    for operations in [
        json!([{"op": "add", "path": "title", "value": "T"}]),
        json!([{"op": "add", "path": "emails", "value": [{"value": "a@x.example", "type": "work"}]}]),
        json!([{"op": "replace", "value": {"title": "T"}}]),
        json!([{"op": "remove", "path": "nickName"}]),
        json!([{"op": "add", "path": "nickName", "value": "N"}, {"op": "remove", "path": "nickName"}]),
    ] {
        let done = scim.patch(&path, operations).is(200);
        assert_eq!((&done.body, done.header("etag")), (&user.body, user.header("etag")));
    }
    let group = scim.group("G", &[&user.id()]);
    let path = format!("/Groups/{}", group.id());
    for operations in [
        json!([{"op": "add", "path": "members", "value": [{"value": user.id(), "display": "other"}]}]),
        json!([{"op": "remove", "path": "members[value eq \"nobody\"]"}]),
        json!([{"op": "replace", "path": "members", "value": [{"value": user.id()}]}]),
        json!([{"op": "replace", "value": {"id": group.id(), "displayName": "G"}}]),
    ] {
        let done = scim.patch(&path, operations).is(200);
        assert_eq!((&done.body, done.header("etag")), (&group.body, group.header("etag")));
    }
}

/// Whatever way members come and go, both sides show it.
#[test]
fn members_come_and_go() {
    let scim = lenient().build();
    let ids: Vec<String> = (0..4).map(|n| scim.user(&format!("u{n}"), json!({})).id()).collect();
    let path = format!("/Groups/{}", scim.group("G", &[]).id());
    let value = |n: usize| json!({"value": ids[n]});
    let mut version = String::new();
    for (operations, expected) in [
        (json!([{"op": "add", "path": "members", "value": [value(0), value(1)]}]), vec![0, 1]),
        (json!([{"op": "Add", "path": "members", "value": value(2)}]), vec![0, 1, 2]),
        (json!([{"op": "remove", "path": format!("members[value eq \"{}\"]", ids[1])}]), vec![0, 2]),
        (json!([{"op": "Remove", "path": "members", "value": [{"$ref": null, "value": ids[0]}]}]), vec![2]),
        (json!([{"op": "replace", "path": "members", "value": [value(3), value(0)]}]), vec![3, 0]),
        (json!([{"op": "replace", "value": {"members": [value(1)]}}]), vec![1]),
        (
            json!([{"op": "replace", "value": {"displayName": "H"}}, {"op": "add", "path": "members", "value": [value(2)]}]),
            vec![1, 2],
        ),
        (
            json!([{"op": "remove", "path": "members[type eq \"User\"]"}, {"op": "add", "path": "members", "value": [value(3)]}]),
            vec![3],
        ),
        (json!([{"op": "remove", "path": "members"}]), vec![]),
    ] {
        let done = scim.patch(&path, operations).is(200);
        let members = done.body["members"].as_array().cloned().unwrap_or_default();
        let got: Vec<&str> = members.iter().map(|m| m["value"].as_str().unwrap()).collect();
        let wanted: Vec<&str> = expected.iter().map(|n| ids[*n].as_str()).collect();
        assert_eq!(got, wanted);
        assert_ne!(done.header("etag"), Some(version.as_str()));
        version = done.header("etag").unwrap().to_owned();
        for (n, id) in ids.iter().enumerate() {
            let groups = scim.get(&format!("/Users/{id}")).body["groups"].as_array().map_or(0, Vec::len);
            assert_eq!(groups, usize::from(expected.contains(&n)), "{n}");
        }
    }
    // Who is gone does not stop the others (Okta takes 400 for final).
    let mixed = json!([{"op": "add", "path": "members", "value": [value(0), {"value": "nobody"}]}]);
    let done = scim.patch(&path, mixed.clone()).is(200);
    assert_eq!(done.body["members"].as_array().unwrap().len(), 1);
    assert!(done.report.notes().iter().any(|n| n.kind == scim_schema::Leniency::MemberIgnored));
    // ledger: 7643-2.3.7-004
    let policy = |policy| lenient().config(|c| c.unknown_members = policy).build();
    let nobody =
        json!({"schemas": [GROUP], "displayName": "G", "members": [{"value": "nobody", "type": "User"}]});
    policy(scim_core::UnknownMembers::Reject).post("/Groups", nobody.clone()).fails(400, "invalidValue");
    let kept = policy(scim_core::UnknownMembers::Keep).post("/Groups", nobody).is(201);
    assert_eq!(
        kept.body["members"],
        json!([{"value": "nobody", "$ref": format!("{BASE}/Users/nobody"), "type": "User"}])
    );
}

/// Entra ID wants 204 for groups; a directory can be set to that.
#[test]
fn a_dialect_may_want_204_for_groups() {
    let mut setup = lenient();
    setup.dialect.group_patch_no_content = true;
    let scim = setup.build();
    let user = scim.user("u", json!({})).id();
    let path = format!("/Groups/{}", scim.group("G", &[]).id());
    let add = json!([{"op": "Add", "path": "members", "value": [{"value": user}]}]);
    scim.patch(&path, add.clone()).is(204);
    scim.patch(&format!("/Users/{user}"), json!([{"op": "Add", "path": "title", "value": "T"}])).is(200);
    scim.patch(&format!("{path}?attributes=members"), add).is(200);
}

#[test]
fn limits_of_a_patch() {
    let scim = lenient().config(|c| c.max_patch_operations = 3).build();
    let path = format!("/Users/{}", scim.user("u", json!({})).id());
    let operations = |n: usize| json!(vec![json!({"op": "add", "path": "title", "value": "x"}); n]);
    scim.patch(&path, operations(3)).is(200);
    scim.patch(&path, operations(4)).fails(413, "");
}

/// A password is stored nowhere, yet a new one is a change (RFC 7644 §3.5.2).
#[test]
fn a_new_password_is_a_new_version() {
    let scim = strict().build();
    let user = scim.user("u", json!({}));
    let path = format!("/Users/{}", user.id());
    let set = scim.patch(&path, json!([{"op": "replace", "path": "password", "value": "s3cret"}])).is(200);
    assert_ne!(set.header("etag"), user.header("etag"));
    let put = scim.put(&path, json!({"schemas": [USER], "userName": "u", "password": "other"})).is(200);
    assert_ne!(put.header("etag"), set.header("etag"));
    let same = scim.put(&path, json!({"schemas": [USER], "userName": "u"})).is(200);
    assert_eq!(same.header("etag"), put.header("etag"));
}

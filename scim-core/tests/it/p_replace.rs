//! PUT and DELETE (RFC 7644 §3.5.1, §3.6).

use scim_core::{RegistryBuilder, UnknownMembers};
use serde_json::json;

use crate::support::*;

// ledger: 7644-3.5-001, 7644-3.5.1-002, 7644-3.5.1-003, 7644-3.5.1-004, 7644-3.5.1-008, 7644-3.5.1-010
#[test]
fn a_put_replaces_what_clients_may_write() {
    let scim = strict().build();
    let user = scim.user("u", json!({"title": "T", "nickName": "N", "displayName": "D", "externalId": "x"}));
    let path = format!("/Users/{}", user.id());
    let group = scim.group("G", &[&user.id()]);
    let put = scim
        .put(
            &path,
            json!({"schemas": [USER], "userName": "u2", "nickName": "N2", "title": null, "emails": [],
            "id": "other", "meta": {"created": "1999-01-01T00:00:00Z"}, "groups": [], "password": "new"}),
        )
        .is(200);
    assert_eq!((&put.body["userName"], &put.body["nickName"]), (&json!("u2"), &json!("N2")));
    for gone in ["title", "displayName", "externalId", "emails", "password"] {
        assert!(put.body.get(gone).is_none(), "{gone}");
    }
    assert_eq!(put.body["id"], user.id());
    assert_eq!(put.body["meta"]["created"], user.body["meta"]["created"]);
    assert_eq!(put.body["groups"][0]["value"], group.id());
    assert_eq!(put.body, scim.get(&path).body);
    assert_eq!(put.header("location"), Some(format!("{BASE}{path}").as_str()));
}

// ledger: 7644-3.2-003, 7644-3.5.1-001
#[test]
fn a_put_creates_nothing() {
    let scim = strict().build();
    scim.put("/Users/unknown", json!({"schemas": [USER], "userName": "u"})).fails(404, "");
    assert_eq!(scim.get("/Users").body["totalResults"], 0);
}

// ledger: 7644-3.5.1-005, 7644-3.5.1-006, 7644-3.5.1-007, 7643-7-012, 7644-3.5.2-009
#[test]
fn immutable_attributes_are_set_once() {
    let urn = "urn:example:params:scim:schemas:1.0:Badge";
    let registry = RegistryBuilder::standard()
        .schema_json(
            &json!({"id": urn, "name": "Badge", "attributes": [
                {"name": "serial", "mutability": "immutable"}, {"name": "label"}]})
            .to_string(),
        )
        .unwrap()
        .resource_type_json(&json!({"name": "Badge", "schema": urn}).to_string())
        .unwrap()
        .build()
        .unwrap();
    let scim = strict().registry(registry).build();
    let path =
        format!("/Badges/{}", scim.post("/Badges", json!({"schemas": [urn], "label": "l"})).is(201).id());
    assert_eq!(scim.put(&path, json!({"schemas": [urn], "serial": "A"})).is(200).body["serial"], "A");
    scim.put(&path, json!({"schemas": [urn], "serial": "A", "label": "m"})).is(200);
    scim.put(&path, json!({"schemas": [urn], "serial": "B"})).fails(400, "mutability");
    scim.patch(&path, json!([{"op": "replace", "path": "serial", "value": "B"}])).fails(400, "mutability");
    scim.patch(&path, json!([{"op": "remove", "path": "serial"}])).fails(400, "mutability");
    // Left out, it stays: it can't be taken away.
    assert_eq!(scim.put(&path, json!({"schemas": [urn], "label": "n"})).is(200).body["serial"], "A");
    let other = format!("/Badges/{}", scim.post("/Badges", json!({"schemas": [urn]})).is(201).id());
    assert_eq!(
        scim.patch(&other, json!([{"op": "add", "path": "serial", "value": "Z"}])).is(200).body["serial"],
        "Z"
    );
}

// ledger: 7644-3.5.1-009
#[test]
fn a_put_needs_what_is_required() {
    let scim = strict().build();
    let path = format!("/Users/{}", scim.user("u", json!({})).id());
    scim.put(&path, json!({"schemas": [USER], "title": "T"})).fails(400, "invalidValue");
    assert!(scim.get(&path).body.get("title").is_none());
}

// ledger: 7644-3.5.1-011
#[test]
fn a_put_of_what_is_there_changes_nothing() {
    let scim = strict().build();
    let boss = scim.user("boss", json!({})).id();
    let user = scim
        .post(
            "/Users",
            json!({"schemas": [USER, ENTERPRISE], "userName": "u", "active": true,
            "emails": [{"value": "a@x.example", "primary": true}], "name": {"givenName": "G"},
            ENTERPRISE: {"manager": {"value": boss}, "department": "D"}}),
        )
        .is(201);
    let path = format!("/Users/{}", user.id());
    let group = scim.group("G", &[&user.id()]);
    let seen = scim.get(&path).body;
    let put = scim.put(&path, seen.clone()).is(200);
    assert_eq!(put.body, seen);
    assert_eq!(put.header("etag"), user.header("etag"));
    let path = format!("/Groups/{}", group.id());
    let put = scim.put(&path, scim.get(&path).body).is(200);
    assert_eq!(put.body, scim.get(&path).body);
    assert_eq!(put.header("etag"), group.header("etag"));
}

#[test]
fn a_put_of_a_group_sets_its_members() {
    let scim = strict().config(|c| c.unknown_members = UnknownMembers::Reject).build();
    let users: Vec<String> = (0..4).map(|n| scim.user(&format!("u{n}"), json!({})).id()).collect();
    let group = scim.group("G", &[&users[0], &users[1]]);
    let path = format!("/Groups/{}", group.id());
    let members = |ids: &[&String]| ids.iter().map(|i| json!({"value": i})).collect::<Vec<_>>();
    let put = scim
        .put(&path, json!({"schemas": [GROUP], "displayName": "G", "members": members(&[&users[1], &users[2], &users[2]])}))
        .is(200);
    let ids: Vec<&str> =
        put.body["members"].as_array().unwrap().iter().map(|m| m["value"].as_str().unwrap()).collect();
    assert_eq!(ids, [users[1].as_str(), users[2].as_str()]);
    assert_eq!(put.body["members"][0]["$ref"], format!("{BASE}/Users/{}", users[1]));
    assert_eq!(put.body["members"][0]["type"], "User");
    assert!(scim.get(&format!("/Users/{}", users[0])).body.get("groups").is_none());
    // Nothing of a request with an unknown member is done.
    let unknown = json!({"schemas": [GROUP], "displayName": "H", "members": [{"value": users[3]}, {"value": "nobody"}]});
    scim.put(&path, unknown).fails(400, "invalidValue");
    assert_eq!(scim.get(&path).body, put.body);
    let put = scim.put(&path, json!({"schemas": [GROUP], "displayName": "G"})).is(200);
    assert!(put.body.get("members").is_none());
}

// ledger: 7644-3.6-001, 7644-3.6-002, 7644-3.6-003, 7644-3.6-004, 7643-3.1-006
#[test]
fn what_is_deleted_is_gone() {
    let scim = strict().build();
    let user = scim.user("u", json!({}));
    let path = format!("/Users/{}", user.id());
    let group = scim.group("G", &[&user.id()]);
    let gone = scim.delete(&path).is(204);
    assert!(gone.bytes.is_empty());
    scim.get(&path).fails(404, "");
    scim.put(&path, json!({"schemas": [USER], "userName": "u"})).fails(404, "");
    scim.patch(&path, json!([{"op": "add", "path": "title", "value": "x"}])).fails(404, "");
    scim.delete(&path).fails(404, "");
    assert_eq!(scim.found("/Users", "userName eq \"u\""), [""; 0]);
    assert_eq!(scim.get("/Users").body["totalResults"], 0);
    let after = scim.get(&format!("/Groups/{}", group.id())).is(200);
    assert!(after.body.get("members").is_none());
    assert_ne!(after.header("etag"), group.header("etag"));
    let again = scim.user("u", json!({}));
    assert_ne!(again.id(), user.id());
}

#[test]
fn a_deleted_group_leaves_its_members() {
    let scim = strict().build();
    let user = scim.user("u", json!({})).id();
    let group = scim.group("G", &[&user]).id();
    let outer = scim.group("Outer", &[&group]).id();
    let groups = |reply: Reply| {
        let groups = reply.body["groups"].as_array().cloned().unwrap_or_default();
        groups
            .iter()
            .map(|g| (g["display"].as_str().unwrap().to_owned(), g["type"].as_str().unwrap().to_owned()))
            .collect::<Vec<_>>()
    };
    let path = format!("/Users/{user}");
    // ledger: 7643-4.1.2-008, 7643-4.1.2-010
    assert_eq!(groups(scim.get(&path)), [("G".into(), "direct".into()), ("Outer".into(), "indirect".into())]);
    scim.delete(&format!("/Groups/{group}")).is(204);
    assert_eq!(groups(scim.get(&path)), []);
    assert!(scim.get(&format!("/Groups/{outer}")).body.get("members").is_none());
}

/// Groups may be members of one another in a circle (RFC 7644 §3.7.1 wants such requests attempted).
#[test]
fn circles_of_groups_are_safe() {
    let scim = strict().build();
    let user = scim.user("u", json!({})).id();
    let a = scim.group("A", &[&user]).id();
    let b = scim.group("B", &[&a]).id();
    let add = |group: &str, member: &str| {
        scim.patch(
            &format!("/Groups/{group}"),
            json!([{"op": "add", "path": "members", "value": [{"value": member}]}]),
        )
        .is(200)
    };
    add(&a, &b);
    add(&a, &a);
    let seen = scim.get(&format!("/Users/{user}")).is(200);
    assert_eq!(seen.body["groups"].as_array().unwrap().len(), 2);
    assert_eq!(scim.found("/Users", "groups.display eq \"B\""), ["u"]);
    scim.delete(&format!("/Groups/{a}")).is(204);
    scim.get(&format!("/Groups/{b}")).is(200);
}

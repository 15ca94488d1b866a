//! Group and the enterprise extension (RFC 7643 §4.2 and §4.3).

use serde_json::{Value, json};

use crate::support::*;
use crate::things::below_base;

// ledger: 7643-4.2-001
#[test]
fn a_group_needs_a_display_name() {
    let scim = strict().build();
    scim.post("/Groups", json!({"schemas": [GROUP]})).fails(400, "invalidValue");
    scim.post("/Groups", json!({"schemas": [GROUP], "displayName": ""})).fails(400, "invalidValue");
    let schema = scim.get(&format!("/Schemas/{GROUP}")).is(200).body;
    let name = &schema["attributes"][0];
    assert_eq!((&name["name"], &name["required"]), (&json!("displayName"), &json!(true)));
}

// ledger: 7643-4.2-002
#[test]
fn members_come_and_go_but_do_not_change() {
    let scim = strict().build();
    let (a, b) = (scim.user("a", json!({})).id(), scim.user("b", json!({})).id());
    let group = json!({"schemas": [GROUP], "displayName": "g", "members": [{"value": a, "display": "A"}]});
    let path = format!("/Groups/{}", scim.post("/Groups", group).is(201).id());
    for (sub, value) in
        [("value", json!(b)), ("$ref", json!("Users/x")), ("type", json!("Group")), ("display", json!("x"))]
    {
        let change =
            json!([{"op": "replace", "path": format!("members[value eq \"{a}\"].{sub}"), "value": value}]);
        scim.patch(&path, change).fails(400, "mutability");
    }
    let ids = || {
        let members = scim.get(&path).is(200).body["members"].clone();
        let members = members.as_array().cloned().unwrap_or_default();
        members.iter().map(|m| m["value"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids(), std::slice::from_ref(&a));
    scim.patch(&path, json!([{"op": "add", "path": "members", "value": [{"value": b}]}])).is(200);
    assert_eq!(ids(), [a.clone(), b.clone()]);
    scim.patch(&path, json!([{"op": "remove", "path": format!("members[value eq \"{a}\"]")}])).is(200);
    assert_eq!(ids(), std::slice::from_ref(&b));
    scim.patch(&path, json!([{"op": "replace", "path": "members", "value": [{"value": a}]}])).is(200);
    assert_eq!(ids(), [a]);
    scim.patch(&path, json!([{"op": "remove", "path": "members"}])).is(200);
    assert!(ids().is_empty());
}

// ledger: 7643-4.2-003
#[test]
fn a_member_is_a_user_or_a_group() {
    let scim = strict().build();
    let user = scim.user("u", json!({})).id();
    let inner = scim.group("inner", &[]).id();
    let outer = scim.group("outer", &[&user, &inner]).id();
    let members = scim.get(&format!("/Groups/{outer}")).is(200).body["members"].clone();
    let expected = json!([
        {"value": user, "$ref": format!("{BASE}/Users/{user}"), "type": "User"},
        {"value": inner, "$ref": format!("{BASE}/Groups/{inner}"), "type": "Group"}]);
    assert_eq!(members, expected);
    for member in members.as_array().unwrap() {
        assert_eq!(scim.get(&below_base(&member["$ref"])).is(200).id(), member["value"]);
    }
}

// ledger: 7643-4.2-004
#[test]
fn a_member_needs_a_value() {
    let scim = strict().build();
    for member in [json!({"display": "nobody"}), json!({"type": "User"}), json!({"value": ""})] {
        let body = json!({"schemas": [GROUP], "displayName": "g", "members": [member]});
        scim.post("/Groups", body).fails(400, "invalidValue");
    }
    let path = format!("/Groups/{}", scim.group("g", &[]).id());
    let add = json!([{"op": "add", "path": "members", "value": [{"display": "nobody"}]}]);
    scim.patch(&path, add).fails(400, "invalidValue");
}

fn employed(name: &str, employment: Value) -> Value {
    json!({"schemas": [USER, ENTERPRISE], "userName": name, ENTERPRISE: employment})
}

// ledger: 7643-4.3-001
#[test]
fn employment_round_trips_under_its_urn() {
    let scim = strict().build();
    let boss = scim.user("boss", json!({})).id();
    let mut employment = json!({"employeeNumber": "701984", "costCenter": "4130", "organization": "Universal Studios",
        "division": "Theme Park", "department": "Tour Operations", "manager": {"value": boss}});
    let made = scim.post("/Users", employed("u", employment.clone())).is(201);
    let shown = scim.get(&format!("/Users/{}", made.id())).is(200).body;
    employment["manager"]["$ref"] = json!(format!("{BASE}/Users/{boss}"));
    assert_eq!(shown[ENTERPRISE], employment);
    assert_eq!(ENTERPRISE, "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User");
    for (name, value) in employment.as_object().unwrap() {
        if let Some(text) = value.as_str() {
            let filter = format!("{ENTERPRISE}:{name} eq \"{text}\"");
            assert_eq!(scim.found("/Users", &filter), ["u"], "{filter}");
        }
    }
}

// ledger: 7643-4.3-002
#[test]
fn a_manager_must_exist_where_configured() {
    let checked = strict().config(|c| c.check_references = true).build();
    let with = |id: &str| employed("u", json!({"manager": {"value": id}}));
    let refused = checked.post("/Users", with("nobody")).fails(400, "invalidValue");
    assert!(refused.body["detail"].as_str().unwrap().contains("manager"), "{}", refused.body);
    let boss = checked.user("boss", json!({})).id();
    let path = format!("/Users/{}", checked.post("/Users", with(&boss)).is(201).id());
    let change =
        json!([{"op": "replace", "path": format!("{ENTERPRISE}:manager"), "value": {"value": "nobody"}}]);
    checked.patch(&path, change).fails(400, "invalidValue");
    checked.put(&path, with("nobody")).fails(400, "invalidValue");
    assert_eq!(checked.get(&path).body[ENTERPRISE]["manager"]["value"], boss);
    // By default a manager may be named before there is one.
    let made = strict().build().post("/Users", with("later")).is(201);
    assert_eq!(made.body[ENTERPRISE]["manager"], json!({"value": "later"}));
}

// ledger: 7643-4.3-003
#[test]
fn a_known_manager_has_a_reference() {
    let scim = strict().build();
    let boss = scim.user("boss", json!({})).id();
    let made = scim.post("/Users", employed("u", json!({"manager": {"value": boss}}))).is(201);
    let path = format!("/Users/{}", made.id());
    let manager = scim.get(&path).is(200).body[ENTERPRISE]["manager"].clone();
    assert_eq!(manager, json!({"value": boss, "$ref": format!("{BASE}/Users/{boss}")}));
    assert_eq!(scim.get(&below_base(&manager["$ref"])).is(200).id(), boss);
    let change = json!([{"op": "replace", "path": format!("{ENTERPRISE}:manager"), "value": "nobody"}]);
    let changed = scim.patch(&path, change).is(200).body;
    assert_eq!(changed[ENTERPRISE]["manager"]["value"], "nobody");
    assert_ne!(changed[ENTERPRISE]["manager"]["$ref"], manager["$ref"], "never the reference to another");
}

// ledger: 7643-4.3-004
#[test]
fn the_manager_s_name_is_read_only() {
    let scim = strict().build();
    let boss = scim.user("boss", json!({"displayName": "The Boss"})).id();
    let body = employed("u", json!({"manager": {"value": boss, "displayName": "Forged"}}));
    let made = scim.post("/Users", body.clone()).is(201);
    let path = format!("/Users/{}", made.id());
    scim.put(&path, body).is(200);
    assert_ne!(scim.get(&path).is(200).body[ENTERPRISE]["manager"]["displayName"], "Forged");
    let change =
        json!([{"op": "replace", "path": format!("{ENTERPRISE}:manager.displayName"), "value": "Forged"}]);
    scim.patch(&path, change).fails(400, "mutability");
    assert_ne!(scim.get(&path).is(200).body[ENTERPRISE]["manager"]["displayName"], "Forged");
    scim.post("/Users", employed("v", json!({"manager": {"value": boss}}))).is(201);
}

//! Multi-valued attributes (RFC 7643 §2.4).

use serde_json::json;

use crate::support::*;

// ledger: 7643-2.4-002
#[test]
fn one_value_is_primary() {
    let scim = strict().build();
    let two = json!([{"value": "a@x", "type": "work", "primary": true}, {"value": "b@x", "type": "home", "primary": true}]);
    scim.post("/Users", json!({"schemas": [USER], "userName": "u", "emails": two}))
        .fails(400, "invalidValue");
    let one = json!([{"value": "a@x", "type": "work", "primary": true}, {"value": "b@x", "type": "home"}]);
    let path = format!("/Users/{}", scim.user("u", json!({"emails": one})).id());
    scim.put(&path, json!({"schemas": [USER], "userName": "u", "emails": two})).fails(400, "invalidValue");

    let primaries = || {
        let shown = scim.get(&path).is(200).body;
        let emails = shown["emails"].as_array().cloned().unwrap_or_default();
        emails
            .iter()
            .filter(|e| e["primary"] == true)
            .map(|e| e["value"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(primaries(), ["a@x"]);
    for operations in [
        json!([{"op": "replace", "path": "emails[type eq \"home\"].primary", "value": true}]),
        json!([{"op": "replace", "path": "emails[type eq \"work\"].primary", "value": true}]),
        json!([{"op": "add", "path": "emails", "value": [{"value": "c@x", "type": "other", "primary": true}]}]),
    ] {
        scim.patch(&path, operations).is(200);
        assert_eq!(primaries().len(), 1);
    }
    assert_eq!(primaries(), ["c@x"]);
}

// ledger: 7643-2.4-003
#[test]
fn a_missing_primary_is_false() {
    let scim = strict().build();
    scim.user("without", json!({"emails": [{"value": "a@x"}]}));
    scim.user("false", json!({"emails": [{"value": "b@x", "primary": false}]}));
    scim.user("true", json!({"emails": [{"value": "c@x", "primary": true}]}));
    assert_eq!(scim.found("/Users", "emails[primary eq false]"), ["false", "without"]);
    assert_eq!(scim.found("/Users", "emails[primary eq true]"), ["true"]);
}

// ledger: 7643-2.4-004
#[test]
fn labels_follow_the_schema_in_force() {
    let scim = strict().build();
    let emails = json!([{"value": "a@x", "type": "billing", "display": "Ms A"}]);
    let user = scim.user("u", json!({"emails": emails}));
    let path = format!("/Users/{}", user.id());
    assert_eq!(scim.get(&path).is(200).body["emails"], emails);
    let change = json!([{"op": "replace", "path": "emails[type eq \"billing\"].display", "value": "Ms B"}]);
    let changed = scim.patch(&path, change).is(200);
    assert_eq!(changed.body["emails"][0]["display"], "Ms B");

    let group = json!({"schemas": [GROUP], "displayName": "g",
        "members": [{"value": user.id(), "type": "User", "display": "U"}]});
    let path = format!("/Groups/{}", scim.post("/Groups", group).is(201).id());
    let member = scim.get(&path).is(200).body["members"][0].clone();
    assert_eq!((&member["display"], &member["type"]), (&json!("U"), &json!("User")));
    let filter = format!("members[value eq \"{}\"].display", user.id());
    scim.patch(&path, json!([{"op": "replace", "path": filter, "value": "V"}])).fails(400, "mutability");
    assert_eq!(scim.get(&path).is(200).body["members"][0]["display"], "U");
}

// ledger: 7643-2.4-005
#[test]
fn the_version_segment_does_not_make_another_member() {
    let scim = strict().build();
    let user = scim.user("u", json!({})).id();
    let unversioned = BASE.strip_suffix("/v2").unwrap();
    let spellings = [
        format!("{BASE}/Users/{user}"),
        format!("{unversioned}/Users/{user}"),
        format!("{unversioned}/v1/Users/{user}"),
        format!("Users/{user}"),
    ];
    let members: Vec<_> = spellings.iter().map(|r| json!({"$ref": r})).collect();
    let group =
        scim.post("/Groups", json!({"schemas": [GROUP], "displayName": "g", "members": members})).is(201);
    let path = format!("/Groups/{}", group.id());
    let expected = json!([{"value": user, "$ref": spellings[0], "type": "User"}]);
    assert_eq!(scim.get(&path).is(200).body["members"], expected);
    for spelling in &spellings {
        let again = json!([{"op": "add", "path": "members", "value": [{"value": user, "$ref": spelling}]}]);
        let unchanged = scim.patch(&path, again).is(200);
        assert_eq!(unchanged.body["members"], expected);
        assert_eq!(unchanged.body["meta"]["version"], group.body["meta"]["version"]);
    }
}

// ledger: 7643-2.4-006
#[test]
fn values_are_canonicalised_where_configured() {
    let scim = strict().config(|c| c.canonicalize = true).build();
    let user = scim.user(
        "u",
        json!({"emails": [{"value": "U@EXAMPLE.COM", "type": "Work"}], "ims": [{"value": " Me ", "type": "XMPP"}],
            "phoneNumbers": [{"value": "+1 201 555 0123", "type": "MOBILE"}]}),
    );
    let shown = scim.get(&format!("/Users/{}", user.id())).is(200).body;
    assert_eq!(shown["emails"], json!([{"value": "U@example.com", "type": "work"}]));
    assert_eq!(shown["ims"], json!([{"value": "me", "type": "xmpp"}]));
    assert_eq!(shown["phoneNumbers"], json!([{"value": "tel:+1-201-555-0123", "type": "mobile"}]));
}

// ledger: 7643-2.4-007, 7643-2.4-008
#[test]
fn a_value_stands_once_for_each_type() {
    let scim = strict().build();
    let emails = json!([{"value": "a@x", "type": "work"}, {"value": "a@x", "type": "work"}, {"value": "a@x", "type": "home"}]);
    let path = format!("/Users/{}", scim.user("u", json!({"emails": emails})).id());
    let expected = json!([{"value": "a@x", "type": "work"}, {"value": "a@x", "type": "home"}]);
    assert_eq!(scim.get(&path).is(200).body["emails"], expected);
    scim.patch(&path, json!([{"op": "add", "path": "emails", "value": [{"value": "a@x", "type": "home"}]}]))
        .is(200);
    assert_eq!(scim.get(&path).is(200).body["emails"], expected);
}

// ledger: 7643-2.4-009
#[test]
fn canonical_values_are_announced() {
    let scim = strict().build();
    let schema = scim.get(&format!("/Schemas/{USER}")).is(200).body;
    let attributes = schema["attributes"].as_array().unwrap();
    let emails = attributes.iter().find(|a| a["name"] == "emails").unwrap();
    let kind = emails["subAttributes"].as_array().unwrap().iter().find(|a| a["name"] == "type").unwrap();
    assert_eq!(kind["canonicalValues"], json!(["work", "home", "other"]));
}

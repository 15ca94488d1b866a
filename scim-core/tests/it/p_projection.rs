//! Which attributes an answer shows (RFC 7644 §3.4.2.5, §3.9, §3.10; RFC 7643 §7).

use scim_core::RegistryBuilder;
use serde_json::{Value, json};

use crate::support::*;

const THING: &str = "urn:example:params:scim:schemas:1.0:Thing";

/// A resource type with an attribute of each `returned`.
fn things() -> Scim {
    let registry = RegistryBuilder::standard()
        .schema_json(
            &json!({"id": THING, "name": "Thing", "attributes": [
                {"name": "always", "returned": "always"},
                {"name": "plain"},
                {"name": "onRequest", "returned": "request"},
                {"name": "never", "returned": "never"},
                {"name": "secret", "mutability": "writeOnly", "returned": "never"},
                {"name": "box", "type": "complex", "subAttributes": [
                    {"name": "a"}, {"name": "b", "returned": "request"}, {"name": "c", "returned": "always"}]},
            ]})
            .to_string(),
        )
        .unwrap()
        .resource_type_json(&json!({"name": "Thing", "schema": THING}).to_string())
        .unwrap()
        .build()
        .unwrap();
    strict().registry(registry).build()
}

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

// ledger: 7643-7-014, 7643-7-013, 7644-3.4-001, 7644-3.9-001, 7644-3.9-002
#[test]
fn the_four_ways_of_being_returned() {
    let scim = things();
    let body = json!({"schemas": [THING], "always": "1", "plain": "2", "onRequest": "3", "never": "4", "secret": "5",
                      "box": {"a": "6", "b": "7", "c": "8"}});
    let made = scim.post("/Things", body.clone()).is(201);
    // What the client set is shown to it, once.
    assert_eq!(keys(&made.body), ["always", "box", "id", "meta", "onRequest", "plain", "schemas"]);
    let path = format!("/Things/{}", made.id());
    let shown = |query: &str| scim.get(&format!("{path}?{query}")).is(200).body;
    assert_eq!(keys(&shown("")), ["always", "box", "id", "meta", "plain", "schemas"]);
    assert_eq!(shown("")["box"], json!({"a": "6", "c": "8"}));
    assert_eq!(keys(&shown("attributes=onRequest,never,secret")), ["always", "id", "onRequest", "schemas"]);
    assert_eq!(keys(&shown("attributes=plain")), ["always", "id", "plain", "schemas"]);
    assert_eq!(shown("attributes=box.b")["box"], json!({"b": "7", "c": "8"}));
    assert_eq!(
        keys(&shown("excludedAttributes=plain,always,id,schemas")),
        ["always", "box", "id", "meta", "schemas"]
    );
    assert_eq!(shown("excludedAttributes=box.a,box.c")["box"], json!({"c": "8"}));
    // The same rules on every door.
    let put = scim.put(&format!("{path}?attributes=plain"), body).is(200);
    assert_eq!(keys(&put.body), ["always", "id", "plain", "schemas"]);
    let listed = scim.get("/Things?attributes=plain").body;
    assert_eq!(keys(&listed["Resources"][0]), ["always", "id", "plain", "schemas"]);
}

// ledger: 7644-3.4.2.5-001, 7644-3.4.2.5-002, 7644-3.4.2.5-003, 7644-3.4.2.5-004, 7643-3.1-004, 7643-3.1-009
// ledger: 7644-3.10-001, 7644-3.10-002, 7644-3.10-003, 7643-3.1-015
#[test]
fn names_in_any_notation() {
    let scim = strict().build();
    let user = json!({"schemas": [USER, ENTERPRISE], "userName": "u", "title": "T",
        "name": {"givenName": "G", "familyName": "F"}, "emails": [{"value": "a@x.example", "type": "work"}],
        ENTERPRISE: {"employeeNumber": "7", "department": "D"}});
    let path = format!("/Users/{}", scim.post("/Users", user).is(201).id());
    let shown = |query: String| scim.get(&format!("{path}?{query}")).is(200).body;
    assert_eq!(keys(&shown("attributes=userName".into())), ["id", "schemas", "userName"]);
    assert_eq!(shown("attributes=NAME.givenname".into())["name"], json!({"givenName": "G"}));
    assert_eq!(shown(format!("attributes={USER}:name.familyName"))["name"], json!({"familyName": "F"}));
    assert_eq!(shown("attributes=emails.type".into())["emails"], json!([{"type": "work"}]));
    assert_eq!(
        shown(format!("attributes={ENTERPRISE}:employeeNumber"))[ENTERPRISE],
        json!({"employeeNumber": "7"})
    );
    assert_eq!(
        shown(format!("attributes={}", ENTERPRISE.to_uppercase()))[ENTERPRISE],
        json!({"employeeNumber": "7", "department": "D"})
    );
    assert_eq!(shown("attributes=department".into())[ENTERPRISE], json!({"department": "D"}));
    assert_eq!(
        shown(format!("excludedAttributes={ENTERPRISE}:department"))[ENTERPRISE],
        json!({"employeeNumber": "7"})
    );
    assert!(shown(format!("excludedAttributes={ENTERPRISE}")).get(ENTERPRISE).is_none());
    let without = shown("excludedAttributes=id,meta,emails,name.givenName".into());
    assert_eq!(
        keys(&without),
        [
            "id",
            "name",
            "schemas",
            "title",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
            "userName"
        ]
    );
    assert_eq!(without["name"], json!({"familyName": "F"}));
    assert_eq!(keys(&shown("attributes=doesNotExist,userName".into())), ["id", "schemas", "userName"]);
    // The same notation in filters and orders.
    let filter = format!("{}.GIVENNAME eq \"g\"", format!("{USER}:name").to_uppercase());
    assert_eq!(scim.found("/Users", &filter), ["u"]);
    scim.get(&format!("/Users?sortBy={}", format!("{USER}:NAME.GIVENNAME").to_uppercase())).is(200);
}

// ledger: 7644-3.9-003
#[test]
fn the_two_parameters_exclude_each_other() {
    let scim = strict().build();
    let path = format!("/Users/{}", scim.user("u", json!({})).id());
    for path in [path.as_str(), "/Users"] {
        scim.get(&format!("{path}?attributes=userName&excludedAttributes=title")).fails(400, "invalidValue");
    }
}

/// Members that are not shown are not loaded, and the tag stays that of the resource.
#[test]
fn a_group_without_its_members() {
    let scim = strict().build();
    let user = scim.user("u", json!({})).id();
    let group = scim.group("G", &[&user]);
    let path = format!("/Groups/{}", group.id());
    let without = scim.get(&format!("{path}?excludedAttributes=members")).is(200);
    assert!(without.body.get("members").is_none());
    assert_eq!(without.header("etag"), group.header("etag"));
    assert!(scim.get("/Groups?excludedAttributes=members").body["Resources"][0].get("members").is_none());
    assert_eq!(scim.get("/Groups").body["Resources"][0]["members"][0]["value"], user);
    // A filter may read what the answer does not show.
    let filter = percent(&format!("members.value eq \"{user}\""));
    let found = scim.get(&format!("/Groups?excludedAttributes=members&filter={filter}")).is(200);
    assert_eq!(found.body["totalResults"], 1);
    assert!(found.body["Resources"][0].get("members").is_none());
}

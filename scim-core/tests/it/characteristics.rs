//! What the characteristics of an attribute do (RFC 7643 §7).

use serde_json::{Value, json};

use crate::support::*;
use crate::things::{THING, thing, things};

// ledger: 7643-7-010
#[test]
fn read_only_attributes_are_not_the_client_s() {
    let scim = things(json!([{"name": "state", "mutability": "readOnly"}, {"name": "note"}]));
    let made = thing(&scim, json!({"state": "forged", "note": "a"})).is(201);
    let path = format!("/Things/{}", made.id());
    assert!(made.body.get("state").is_none());
    let put = json!({"schemas": [THING], "state": "forged", "note": "b"});
    assert!(scim.put(&path, put).is(200).body.get("state").is_none());
    for operation in [
        json!({"op": "add", "path": "state", "value": "forged"}),
        json!({"op": "replace", "path": "state", "value": "forged"}),
        json!({"op": "add", "value": {"state": "forged"}}),
    ] {
        scim.patch(&path, json!([operation])).fails(400, "mutability");
    }
    let shown = scim.get(&path).is(200).body;
    assert_eq!((shown.get("state"), &shown["note"]), (None, &json!("b")));
}

// ledger: 7643-7-011
#[test]
fn read_write_attributes_change_at_any_time() {
    let scim = strict().build();
    let path = format!("/Users/{}", scim.user("u", json!({"nickName": "a"})).id());
    for name in ["b", "c", "b"] {
        let changed =
            scim.patch(&path, json!([{"op": "replace", "path": "nickName", "value": name}])).is(200);
        assert_eq!(changed.body["nickName"], name);
        assert_eq!(scim.get(&path).is(200).body["nickName"], name);
    }
    scim.patch(&path, json!([{"op": "remove", "path": "nickName"}])).is(200);
    assert!(scim.get(&path).is(200).body.get("nickName").is_none());
}

// ledger: 7643-7-012
#[test]
fn immutable_attributes_are_set_once() {
    let scim = things(json!([{"name": "serial", "mutability": "immutable"}, {"name": "note"}]));
    let replace = |value: &str| json!([{"op": "replace", "path": "serial", "value": value}]);
    let add = |value: &str| json!([{"op": "add", "path": "serial", "value": value}]);
    let put = |value: &str| json!({"schemas": [THING], "serial": value});
    // Set at create.
    let path = format!("/Things/{}", thing(&scim, json!({"serial": "1"})).is(201).id());
    let holds = |path: &str, value: &str| assert_eq!(scim.get(path).is(200).body["serial"], value);
    scim.patch(&path, replace("2")).fails(400, "mutability");
    scim.patch(&path, add("2")).fails(400, "mutability");
    scim.patch(&path, json!([{"op": "remove", "path": "serial"}])).fails(400, "mutability");
    scim.put(&path, put("2")).fails(400, "mutability");
    holds(&path, "1");
    // The same value is no change.
    scim.patch(&path, replace("1")).is(200);
    scim.put(&path, put("1")).is(200);
    scim.put(&path, json!({"schemas": [THING], "note": "n"})).is(200);
    holds(&path, "1");
    // Set later, by PUT and by PATCH.
    let path = format!("/Things/{}", thing(&scim, json!({})).is(201).id());
    scim.put(&path, put("3")).is(200);
    scim.put(&path, put("4")).fails(400, "mutability");
    holds(&path, "3");
    let path = format!("/Things/{}", thing(&scim, json!({})).is(201).id());
    scim.patch(&path, add("5")).is(200);
    scim.patch(&path, add("6")).fails(400, "mutability");
    holds(&path, "5");
}

// ledger: 7643-7-013
#[test]
fn write_only_values_never_come_back() {
    let scim = things(json!([
        {"name": "pin", "mutability": "writeOnly", "returned": "never"},
        {"name": "code", "mutability": "writeOnly"},
        {"name": "box", "type": "complex", "subAttributes": [{"name": "a"}, {"name": "key", "mutability": "writeOnly"}]}]));
    let secrets = json!({"pin": "canary-1", "code": "canary-2", "box": {"a": "b", "key": "canary-3"}});
    let made = thing(&scim, secrets.clone()).is(201);
    let path = format!("/Things/{}", made.id());
    let mut put = json!({"schemas": [THING]});
    merge(&mut put, secrets.clone());
    let bulk_data = json!({"method": "PUT", "path": path, "data": put});
    let replies = [
        made,
        scim.get(&path),
        scim.get(&format!("{path}?attributes=pin,code,box.key,box")),
        scim.get("/Things?attributes=pin,code,box.key"),
        scim.get("/"),
        scim.put(&path, put),
        scim.patch(&path, json!([{"op": "add", "value": secrets}])),
        scim.patch(&path, json!([{"op": "replace", "path": "pin", "value": "canary-4"}])),
        scim.patch(
            &format!("{path}?attributes=pin"),
            json!([{"op": "replace", "path": "pin", "value": "canary-5"}]),
        ),
        scim.post("/Things/.search", json!({"schemas": [SEARCH], "attributes": ["pin", "code", "box"]})),
        scim.post("/Bulk", json!({"schemas": [BULK], "Operations": [bulk_data]})),
    ];
    for reply in replies {
        assert!(reply.status.is_success(), "{reply:?}");
        let text = String::from_utf8(reply.bytes.to_vec()).unwrap();
        for hidden in ["canary", "\"pin\"", "\"code\"", "\"key\""] {
            assert!(!text.contains(hidden), "{hidden} in {text}");
        }
    }
}

// ledger: 7643-7-014
#[test]
fn returned_decides_what_is_shown() {
    let scim = things(json!([
        {"name": "always", "returned": "always"}, {"name": "usual"},
        {"name": "asked", "returned": "request"}, {"name": "never", "returned": "never"}]));
    let made = thing(&scim, json!({"always": "1", "usual": "1", "asked": "1", "never": "1"})).is(201);
    let names = |body: &Value| {
        let mut names: Vec<String> = body.as_object().unwrap().keys().cloned().collect();
        names.retain(|n| ["always", "usual", "asked", "never"].contains(&n.as_str()));
        names.sort();
        names
    };
    let path = format!("/Things/{}", made.id());
    assert_eq!(names(&made.body), ["always", "asked", "usual"], "the client set it in this request");
    for (query, expected) in [
        ("", &["always", "usual"][..]),
        ("?attributes=usual", &["always", "usual"]),
        ("?attributes=asked", &["always", "asked"]),
        ("?attributes=never", &["always"]),
        ("?attributes=always,usual,asked,never", &["always", "asked", "usual"]),
        ("?excludedAttributes=always", &["always", "usual"]),
        ("?excludedAttributes=usual", &["always"]),
        ("?excludedAttributes=asked,never", &["always", "usual"]),
    ] {
        assert_eq!(names(&scim.get(&format!("{path}{query}")).is(200).body), expected, "{query}");
        let list = scim.get(&format!("/Things{query}")).is(200).body;
        assert_eq!(names(&list["Resources"][0]), expected, "{query}");
    }
    let patch = |name: &str| json!([{"op": "replace", "path": name, "value": "2"}]);
    assert_eq!(names(&scim.patch(&path, patch("asked")).is(200).body), ["always", "asked", "usual"]);
    assert_eq!(names(&scim.patch(&path, patch("usual")).is(200).body), ["always", "usual"]);
    let put = json!({"schemas": [THING], "always": "3", "asked": "3", "never": "3"});
    assert_eq!(names(&scim.put(&path, put).is(200).body), ["always", "asked"]);
}

// ledger: 7643-7-015, 7643-4.1.1-017
#[test]
fn what_is_never_returned_can_t_be_searched() {
    let scim = strict().build();
    scim.user("u", json!({"password": "x"}));
    for filter in [
        r#"password eq "x""#,
        "password pr",
        r#"not (PASSWORD eq "x")"#,
        r#"userName eq "u" or urn:ietf:params:scim:schemas:core:2.0:User:password sw "x""#,
    ] {
        scim.filter("/Users", filter).fails(400, "invalidFilter");
        scim.filter("/", filter).fails(400, "invalidFilter");
    }
    assert_eq!(scim.get("/Users?sortBy=password").status, 400, "an order would tell as well");
}

// ledger: 7643-7-016, 7643-7-017
#[test]
fn unique_values_are_not_taken_twice() {
    let scim = things(json!([
        {"name": "tag", "uniqueness": "server"}, {"name": "serial", "uniqueness": "global", "caseExact": true},
        {"name": "number", "type": "integer", "uniqueness": "server"},
        {"name": "ports", "type": "complex", "multiValued": true,
            "subAttributes": [{"name": "value", "uniqueness": "server"}]}]));
    let first = json!({"tag": "A", "serial": "S", "number": 7, "ports": [{"value": "p1"}, {"value": "p2"}]});
    thing(&scim, first).is(201);
    for taken in [
        json!({"tag": "a"}),
        json!({"serial": "S"}),
        json!({"number": 7}),
        json!({"ports": [{"value": "P2"}]}),
    ] {
        let refused = thing(&scim, taken.clone()).fails(409, "uniqueness");
        let name = taken.as_object().unwrap().keys().next().unwrap().clone();
        assert!(refused.body["detail"].as_str().unwrap().contains(&name), "{}", refused.body);
    }
    let free = json!({"tag": "b", "serial": "s", "number": 8, "ports": [{"value": "p3"}]});
    let path = format!("/Things/{}", thing(&scim, free).is(201).id());
    scim.patch(&path, json!([{"op": "replace", "path": "serial", "value": "S"}])).fails(409, "uniqueness");
    // Another tenant has values of its own.
    thing(&scim.with_token(Some("other-token")), json!({"tag": "A", "serial": "S"})).is(201);
}

// ledger: 7643-7-018
#[test]
fn a_taken_user_name_is_a_conflict_for_every_method() {
    let scim = strict().build();
    scim.user("taken", json!({}));
    let path = format!("/Users/{}", scim.user("u", json!({})).id());
    let body = json!({"schemas": [USER], "userName": "Taken"});
    scim.post("/Users", body.clone()).fails(409, "uniqueness");
    scim.put(&path, body).fails(409, "uniqueness");
    scim.patch(&path, json!([{"op": "replace", "path": "userName", "value": "TAKEN"}]))
        .fails(409, "uniqueness");
    assert_eq!(scim.get(&path).is(200).body["userName"], "u");
    // One's own name in another spelling is free.
    scim.put(&path, json!({"schemas": [USER], "userName": "U"})).is(200);
}

// ledger: 7643-7-007
#[test]
fn case_exact_decides_about_letter_case() {
    let scim = things(json!([{"name": "exact", "caseExact": true}, {"name": "loose"}]));
    thing(&scim, json!({"exact": "AbC", "loose": "AbC"})).is(201);
    let count = |filter: &str| scim.filter("/Things", filter).is(200).body["totalResults"].as_u64().unwrap();
    for (operator, value) in [("eq", "abc"), ("sw", "aB"), ("co", "B"), ("ew", "bC")] {
        let matches = u64::from("AbC".contains(value));
        assert_eq!(count(&format!("exact {operator} \"{value}\"")), matches, "{operator}");
        assert_eq!(count(&format!("loose {operator} \"{value}\"")), 1, "{operator}");
    }
    assert_eq!(count(r#"exact eq "AbC""#), 1);
}

// ledger: 7643-7-008, 7643-7-009
#[test]
fn letter_case_is_kept_as_submitted() {
    let scim = strict().build();
    let made = scim.user("BJensen", json!({"externalId": "AbC", "nickName": "BaBs"}));
    let shown = scim.get(&format!("/Users/{}", made.id())).is(200).body;
    assert_eq!((&shown["externalId"], &shown["nickName"]), (&json!("AbC"), &json!("BaBs")));
    assert_eq!(shown["userName"], "BJensen");
}

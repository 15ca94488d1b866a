//! Creating resources and reading them back (RFC 7644 §3.1, §3.3, §3.4.1, §3.8).

use serde_json::json;

use crate::support::*;

// ledger: 7644-3.3-001, 7644-3.3-005, 7644-3.3-006, 7644-3.3-007, 7644-3.3.1-001, 7644-3.4.1-001, 9110-10.2.2-001
// ledger: 7643-3.1-002, 7643-3.1-007, 7643-3.1-018, 7643-3.1-019, 7644-3.1-004
#[test]
fn a_create_answers_201_with_the_resource_and_where_it_is() {
    let scim = strict().build();
    let made =
        scim.user("bjensen", json!({"id": "mine", "meta": {"resourceType": "Group"}, "title": "Guide"}));
    let id = made.id();
    assert_ne!(id, "mine");
    assert_eq!(made.body["meta"]["resourceType"], "User");
    assert_eq!(made.body["meta"]["created"], made.body["meta"]["lastModified"]);
    assert_eq!(made.header("location"), Some(format!("{BASE}/Users/{id}").as_str()));
    assert_eq!(made.body["meta"]["location"], made.header("location").unwrap());
    let read = scim.get(&format!("/Users/{id}")).is(200);
    assert_eq!(read.body, made.body);
    assert_eq!(read.header("location"), made.header("location"));
    scim.get("/Users/unknown").fails(404, "");
}

// ledger: 7644-3.3-002
#[test]
fn read_only_attributes_of_a_create_are_ignored() {
    let scim = strict().build();
    let made = scim.user("a", json!({"groups": [{"value": "g"}], "meta": {"version": "x"}, "id": "y"}));
    assert!(made.body.get("groups").is_none());
    assert_ne!(made.body["meta"]["version"], "x");
    assert!(!made.report.is_empty());
}

// ledger: 7644-3.3-003, 7644-3.3-004
#[test]
fn defaults_fill_what_a_body_leaves_out_and_null_overrides_them() {
    let defaults = serde_json::from_value(json!({"active": true})).unwrap();
    let scim = strict().config(|c| c.defaults = vec![("User".into(), defaults)]).build();
    assert_eq!(scim.user("a", json!({})).body["active"], true);
    assert_eq!(scim.user("b", json!({"active": false})).body["active"], false);
    assert!(scim.user("c", json!({"active": null})).body.get("active").is_none());
    // ledger: 7644-3.4.2.2-020
    assert_eq!(scim.found("/Users", "active eq true"), ["a"]);
}

// ledger: 7644-3.3-008, 7643-4.1.1-002, 7643-7-016, 7643-7-018, 7644-3.12-007
#[test]
fn a_taken_user_name_is_a_conflict_through_every_door() {
    let scim = strict().build();
    scim.user("BJensen", json!({}));
    let other = scim.user("other", json!({})).id();
    let path = format!("/Users/{other}");
    scim.post("/Users", json!({"schemas": [USER], "userName": "bjENSEN"})).fails(409, "uniqueness");
    scim.put(&path, json!({"schemas": [USER], "userName": "BJENSEN"})).fails(409, "uniqueness");
    scim.patch(&path, json!([{"op": "replace", "path": "userName", "value": "bjensen"}]))
        .fails(409, "uniqueness");
    assert_eq!(scim.get(&path).body["userName"], "other");
}

// ledger: 7644-3.8-001, 7643-2.3.1-001
#[test]
fn text_beyond_ascii_survives_byte_for_byte() {
    let scim = strict().build();
    let name = "Zo\u{eb} e\u{301} \u{5d0}\u{5d1} \u{1f600} \u{202e}x";
    let made = scim.user("u", json!({"displayName": name}));
    assert_eq!(made.body["displayName"], name);
    assert_eq!(scim.get(&format!("/Users/{}", made.id())).body["displayName"], name);
    let broken = b"{\"userName\": \"\xff\xfe\"}";
    scim.raw("POST", "/Users", &[("content-type", "application/scim+json")], broken)
        .fails(400, "invalidSyntax");
}

// ledger: 7644-3.8-002, 7644-3.8-003, 7644-8.1-001
#[test]
fn the_answer_is_of_the_type_that_was_asked_for() {
    let scim = strict().build();
    let content_type = |accept: &str| {
        let headers = if accept.is_empty() { vec![] } else { vec![("accept", accept)] };
        scim.get_with("/Users", &headers).is(200).header("content-type").unwrap().to_owned()
    };
    assert_eq!(content_type("application/scim+json"), "application/scim+json");
    assert_eq!(content_type("application/json"), "application/json");
    assert_eq!(content_type("application/json, application/scim+json"), "application/scim+json");
    assert_eq!(content_type("*/*"), "application/scim+json");
    assert_eq!(content_type(""), "application/scim+json");
}

// ledger: 7644-3.8-004
#[test]
fn bodies_are_json_by_their_media_type() {
    let scim = strict().build();
    let body = |n: usize| json!({"schemas": [USER], "userName": format!("u{n}")}).to_string();
    for (n, media_type) in [
        "application/scim+json",
        "application/json",
        "application/json; charset=utf-8",
        "Application/SCIM+JSON;charset=UTF-8",
        "application/scim+json; charset=\"utf-8\"; x=y",
    ]
    .into_iter()
    .enumerate()
    {
        scim.raw("POST", "/Users", &[("content-type", media_type)], body(n).as_bytes()).is(201);
    }
    for media_type in
        ["text/xml", "application/xml", "text/plain", "application/json; charset=utf-16", "\u{1}"]
    {
        if let Ok(value) = http::HeaderValue::from_str(media_type) {
            let value = value.to_str().unwrap();
            scim.raw("POST", "/Users", &[("content-type", value)], body(99).as_bytes()).fails(415, "");
        }
    }
    let gzip = [("content-type", "application/json"), ("content-encoding", "gzip")];
    scim.raw("POST", "/Users", &gzip, b"\x1f\x8b").fails(415, "");
    assert_eq!(scim.get("/Users").body["totalResults"], 5);
}

// ledger: 7644-3.8-005
#[test]
fn a_suffix_does_not_choose_the_format() {
    let scim = strict().build();
    let id = scim.user("a", json!({})).id();
    scim.get(&format!("/Users/{id}.scim")).fails(404, "");
}

// ledger: 7644-3.12-008, 7644-3.12-011
#[test]
fn a_malformed_body_changes_nothing() {
    let scim = strict().build();
    for body in
        ["", "{", "[]", "\"x\"", "{\"userName\": \"a\",}", "{\"userName\":\"a\"} x", "null", "{\"a\":1e999}"]
    {
        scim.raw("POST", "/Users", &[("content-type", "application/scim+json")], body.as_bytes())
            .fails(400, "invalidSyntax");
    }
    scim.post("/Users", json!({"schemas": [USER], "userName": 5})).fails(400, "invalidValue");
    scim.post("/Users", json!({"schemas": [USER], "userName": ""})).fails(400, "invalidValue");
    let twice = format!("{{\"schemas\":[\"{USER}\"],\"userName\":\"a\",\"USERNAME\":\"b\"}}");
    let headers = [("content-type", "application/scim+json")];
    scim.raw("POST", "/Users", &headers, twice.as_bytes()).fails(400, "invalidSyntax");
    let same = format!("{{\"schemas\":[\"{USER}\"],\"userName\":\"a\",\"userName\":\"b\"}}");
    scim.raw("POST", "/Users", &headers, same.as_bytes()).fails(400, "invalidSyntax");
    assert_eq!(scim.get("/Users").body["totalResults"], 0);
}

#[test]
fn deep_and_large_bodies_are_refused() {
    let scim = lenient().config(|c| c.max_body = 2000).build();
    let headers = [("content-type", "application/scim+json")];
    let deep = |n: usize| format!("{{\"userName\":\"a\",\"x\":{}{}}}", "[".repeat(n), "]".repeat(n));
    scim.raw("POST", "/Users", &headers, deep(33).as_bytes()).fails(400, "invalidSyntax");
    scim.raw("POST", "/Users", &headers, deep(31).as_bytes()).is(201);
    let large = json!({"userName": "b", "title": "x".repeat(2000)}).to_string();
    scim.raw("POST", "/Users", &headers, large.as_bytes()).fails(413, "");
    let many = format!("{{\"userName\":\"c\",\"x\":[{}0]}}", "0,".repeat(900));
    scim.raw("POST", "/Users", &headers, many.as_bytes()).is(201);
}

#[test]
fn errors_name_the_attribute_and_never_the_value() {
    let scim = strict().build();
    for (body, attribute) in [
        (json!({"schemas": [USER], "userName": "s3cr3t", "active": "s3cr3t"}), "active"),
        (json!({"schemas": [USER], "userName": "a", "emails": [{"value": ["s3cr3t"]}]}), "emails.value"),
        (json!({"schemas": [USER], "userName": "a", "profileUrl": "s3cr3t s3cr3t"}), "profileUrl"),
        (json!({"schemas": [USER], "userName": "a\u{0}s3cr3t"}), "userName"),
        (json!({"schemas": [USER, "urn:s3cr3t:x"], "userName": "a"}), "schemas"),
    ] {
        let reply = scim.post("/Users", body).fails(400, "invalidValue");
        let detail = reply.body["detail"].as_str().unwrap();
        assert!(detail.contains(attribute) && !detail.contains("s3cr3t"), "{detail}");
    }
}

#[test]
fn minimal_answers_on_request() {
    let scim = strict().build();
    let minimal = [("prefer", "return=minimal")];
    let body = json!({"schemas": [USER], "userName": "a"});
    let made = scim.send_with("POST", "/Users", &minimal, &body).is(201);
    assert!(made.bytes.is_empty());
    assert_eq!(made.header("preference-applied"), Some("return=minimal"));
    let path = made.header("location").unwrap().strip_prefix(BASE).unwrap().to_owned();
    let put = scim.send_with("PUT", &path, &minimal, &json!({"schemas": [USER], "userName": "b"})).is(204);
    assert!(put.bytes.is_empty() && put.header("etag").is_some());
    // Attributes that are asked for are shown.
    scim.send_with("PUT", &format!("{path}?attributes=userName"), &minimal, &body).is(200);
}

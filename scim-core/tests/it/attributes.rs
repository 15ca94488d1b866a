//! Attributes and their data types (RFC 7643 §2), as a client meets them.

use scim_core::UnknownMembers;
use serde_json::{Value, json};

use crate::support::*;
use crate::things::{THING, below_base, raw, thing, things};

// ledger: 7643-2.1-003
#[test]
fn names_are_matched_without_letter_case() {
    let scim = strict().build();
    let made =
        scim.post("/Users", json!({"schemas": [USER], "USERNAME": "x", "Name": {"givenname": "X"}})).is(201);
    let path = format!("/Users/{}", made.id());
    let shown = scim.get(&path).is(200).body;
    assert_eq!((&shown["userName"], &shown["name"]), (&json!("x"), &json!({"givenName": "X"})));
    assert!(shown.get("USERNAME").is_none());
    assert_eq!(scim.found("/Users", r#"username eq "x""#), ["x"]);
    assert_eq!(scim.found("/Users", r#"NAME.GIVENNAME eq "x""#), ["x"]);
    let narrow = scim.get(&format!("{path}?attributes=NAME.givenname")).is(200).body;
    assert_eq!(narrow["name"]["givenName"], "X");
    let without = scim.get(&format!("{path}?excludedAttributes=USERNAME")).is(200).body;
    assert!(without.get("userName").is_none());
    let patched = scim.patch(&path, json!([{"op": "replace", "path": "NICKname", "value": "n"}])).is(200);
    assert_eq!(patched.body["nickName"], "n");
    let sorted = scim.get("/Users?sortBy=USERNAME").is(200);
    assert_eq!(names(&sorted), ["x"]);
}

// ledger: 7643-2.2-001
#[test]
fn an_attribute_with_nothing_but_a_name_has_the_defaults() {
    let scim = things(json!([{"name": "bare"}]));
    let shown = scim.get(&format!("/Schemas/{THING}")).is(200).body["attributes"][0].clone();
    let expected = json!({"name": "bare", "type": "string", "multiValued": false, "description": "",
        "required": false, "caseExact": false, "mutability": "readWrite", "returned": "default",
        "uniqueness": "none"});
    assert_eq!(shown, expected);
    // And it behaves so.
    thing(&scim, json!({})).is(201);
    let made = thing(&scim, json!({"bare": "A"})).is(201);
    thing(&scim, json!({"bare": "A"})).is(201);
    thing(&scim, json!({"bare": 1})).fails(400, "invalidValue");
    let path = format!("/Things/{}", made.id());
    assert_eq!(scim.get(&path).body["bare"], "A");
    let found = scim.filter("/Things", r#"bare eq "a""#).is(200);
    assert_eq!(found.body["totalResults"], 2);
    let patched = scim.patch(&path, json!([{"op": "replace", "path": "bare", "value": "B"}])).is(200);
    assert_eq!(patched.body["bare"], "B");
}

// ledger: 7643-2.3.1-001
#[test]
fn strings_come_back_byte_for_byte() {
    let scim = strict().build();
    let texts = ["𝔘𝔫𝔦 😀", "e\u{301}\u{323}", "é", "שלום عربى \u{202e}x", "a\nb", "", "\u{fffd}\u{10ffff}"];
    for (n, text) in texts.into_iter().enumerate() {
        let made = scim.user(&format!("u{n}"), json!({"nickName": text}));
        let shown = scim.get(&format!("/Users/{}", made.id())).is(200);
        let name = shown.body.get("nickName").and_then(Value::as_str);
        assert_eq!(name.map(str::as_bytes), Some(text.as_bytes()), "{text:?}");
        assert!(std::str::from_utf8(&shown.bytes).is_ok());
    }
    // Text is UTF-8; what is not is no JSON.
    let latin1 = b"{\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:User\"],\"userName\":\"\xe9\"}";
    scim.raw("POST", "/Users", &[("content-type", "application/scim+json")], latin1)
        .fails(400, "invalidSyntax");
}

// ledger: 7643-2.3.1-002, 7643-7-006
#[test]
fn canonical_values_are_suggestions_unless_configured() {
    let user = |kind: &str| json!({"schemas": [USER], "userName": "u", "emails": [{"value": "u@example.com", "type": kind}]});
    let open = strict().build();
    let made = open.post("/Users", user("zz")).is(201);
    assert_eq!(open.get(&format!("/Users/{}", made.id())).body["emails"][0]["type"], "zz");
    let closed = strict().config(|c| c.enforce_canonical_values = true).build();
    let refused = closed.post("/Users", user("zz")).fails(400, "invalidValue");
    assert!(refused.body["detail"].as_str().unwrap().contains("emails.type"), "{}", refused.body);
    let made = closed.post("/Users", user("home")).is(201);
    closed
        .patch(
            &format!("/Users/{}", made.id()),
            json!([{"op": "add", "path": "emails", "value": [{"value": "v@x", "type": "zz"}]}]),
        )
        .fails(400, "invalidValue");
}

// ledger: 7643-2.3.2-001
#[test]
fn booleans_are_json_booleans() {
    let scim = strict().build();
    for bad in [json!("yes"), json!(1), json!("1"), json!([false])] {
        let body = json!({"schemas": [USER], "userName": "u", "active": bad});
        scim.post("/Users", body).fails(400, "invalidValue");
    }
    let made = scim.user("u", json!({"active": true}));
    assert_eq!(scim.get(&format!("/Users/{}", made.id())).body["active"], json!(true));
    let made = scim.user("v", json!({"active": "False"}));
    assert_eq!(scim.get(&format!("/Users/{}", made.id())).body["active"], json!(false));
}

// ledger: 7643-2.3.3-001
#[test]
fn decimals_are_json_numbers() {
    let scim = things(json!([{"name": "weight", "type": "decimal"}]));
    for good in ["3.14", "-0.5", "0.0"] {
        let body = format!(r#"{{"schemas": ["{THING}"], "weight": {good}}}"#);
        let made = raw(&scim, "POST", "/Things", &body).is(201);
        let shown = scim.get(&format!("/Things/{}", made.id())).is(200);
        let text = std::str::from_utf8(&shown.bytes).unwrap();
        assert!(text.contains(&format!(r#""weight":{good}"#)), "{text}");
    }
    thing(&scim, json!({"weight": "3.14"})).fails(400, "invalidValue");
    for bad in [".5", "5.", "1.e3"] {
        let body = format!(r#"{{"schemas": ["{THING}"], "weight": {bad}}}"#);
        raw(&scim, "POST", "/Things", &body).fails(400, "invalidSyntax");
    }
}

// ledger: 7643-2.3.4-001
#[test]
fn integers_are_whole() {
    let scim = things(json!([{"name": "size", "type": "integer"}]));
    for good in ["-7", "0", "9007199254740993"] {
        let body = format!(r#"{{"schemas": ["{THING}"], "size": {good}}}"#);
        let made = raw(&scim, "POST", "/Things", &body).is(201);
        let shown = scim.get(&format!("/Things/{}", made.id())).is(200);
        assert_eq!(shown.body["size"].to_string(), good);
    }
    for bad in ["1.5", "1e3", "1.0", "\"7\""] {
        let body = format!(r#"{{"schemas": ["{THING}"], "size": {bad}}}"#);
        raw(&scim, "POST", "/Things", &body).fails(400, "invalidValue");
    }
}

// ledger: 7643-2.3.5-001, 7643-2.3.5-002, 7643-2.3.5-003
#[test]
fn date_times_are_instants_in_text() {
    let scim = things(json!([{"name": "due", "type": "dateTime", "caseExact": true}]));
    for bad in [json!("2011-05-13"), json!("04:42:34Z"), json!("yesterday"), json!(1_305_261_754), json!(1.5)]
    {
        thing(&scim, json!({"due": bad})).fails(400, "invalidValue");
    }
    for good in ["2011-05-13T04:42:34Z", "2011-05-13T06:42:34.000+02:00", "2011-05-13T04:42:34.500Z"] {
        let made = thing(&scim, json!({"due": good})).is(201);
        assert_eq!(scim.get(&format!("/Things/{}", made.id())).body["due"], good);
    }
    // Comparison is by instant: two of the three are the same.
    let count = |filter: &str| scim.filter("/Things", filter).is(200).body["totalResults"].clone();
    assert_eq!(count(r#"due eq "2011-05-13T05:42:34+01:00""#), 2);
    assert_eq!(count(r#"due gt "2011-05-13T04:42:34Z""#), 1);
    assert_eq!(count(r#"due le "2011-05-13T04:42:34.5Z""#), 3);
}

// ledger: 7643-2.3.6-001, 7643-2.3.6-002, 7643-2.3.6-003, 7643-4.1.2-011
#[test]
fn binaries_are_base64_and_case_exact() {
    let scim = strict().build();
    let with = |name: &str, value: &str| json!({"schemas": [USER], "userName": name, "x509Certificates": [{"value": value}]});
    scim.post("/Users", with("a", "***")).fails(400, "invalidValue");
    scim.post("/Users", with("a", "AQ-_")).fails(400, "invalidValue");
    for (name, value) in [("padded", "AQI="), ("bare", "AQI"), ("other", "aqI=")] {
        let made = scim.post("/Users", with(name, value)).is(201);
        let shown = scim.get(&format!("/Users/{}", made.id())).is(200).body;
        assert_eq!(shown["x509Certificates"], json!([{"value": value}]));
    }
    assert_eq!(scim.found("/Users", r#"x509Certificates.value eq "AQI=""#), ["padded"]);
    assert_eq!(scim.found("/Users", r#"x509Certificates[value eq "aqI="]"#), ["other"]);
    assert!(scim.found("/Users", r#"x509Certificates.value eq "aqi=""#).is_empty());
}

// ledger: 7643-2.3.7-001, 7643-2.3.7-005, 7643-4.1.1-007
#[test]
fn references_are_uris_and_case_exact() {
    let scim = strict().build();
    for bad in ["::not a uri", "a b", ""] {
        let body = json!({"schemas": [USER], "userName": "u", "profileUrl": bad});
        scim.post("/Users", body).fails(400, "invalidValue");
    }
    scim.user("u", json!({"profileUrl": "https://example.com/Me"}));
    assert_eq!(scim.found("/Users", r#"profileUrl eq "https://example.com/Me""#), ["u"]);
    assert!(scim.found("/Users", r#"profileUrl eq "https://example.com/me""#).is_empty());
    let user = scim.user("member", json!({})).id();
    let group = json!({"schemas": [GROUP], "displayName": "g", "members": [{"value": user, "$ref": format!("Users/{user}")}]});
    let group = scim.post("/Groups", group).is(201);
    let shown = scim.get(&format!("/Groups/{}", group.id())).is(200).body;
    assert_eq!(shown["members"][0]["$ref"], format!("{BASE}/Users/{user}"));
}

// ledger: 7643-2.3.7-002
#[test]
fn relative_references_resolve_below_the_service_root() {
    let resolve = scim_core::resolve_reference;
    assert_eq!(resolve("https://h/t/1/v2/", "Users/9"), "https://h/t/1/v2/Users/9");
    assert_eq!(resolve("https://h/t/1/v2", "Users/9"), "https://h/t/1/v2/Users/9");
    assert_eq!(resolve("https://h/t/1/v2", "../Users/9"), "https://h/t/1/v2/Users/9");
    assert_eq!(resolve("https://h/t/1/v2", "https://h/t/1/v2/Users/9"), "https://h/t/1/v2/Users/9");
    assert_eq!(resolve("https://h/t/1/v2", "urn:example:9"), "urn:example:9");
    let scim = strict().build();
    let user = scim.user("u", json!({})).id();
    let shown = scim.get(&format!("/Users/{user}")).is(200).body;
    assert_eq!(shown["meta"]["location"], resolve(BASE, &format!("Users/{user}")));
}

// ledger: 7643-2.3.7-003
#[test]
fn every_reference_that_the_service_makes_can_be_got() {
    let scim = strict().build();
    let boss = scim.user("boss", json!({})).id();
    let user = scim
        .post(
            "/Users",
            json!({"schemas": [USER, ENTERPRISE], "userName": "u", ENTERPRISE: {"manager": {"value": boss}}}),
        )
        .is(201)
        .id();
    let inner = scim.group("inner", &[&user]).id();
    let outer = scim.group("outer", &[&inner, &boss]).id();
    let mut references = Vec::new();
    for path in [
        format!("/Users/{user}"),
        format!("/Users/{boss}"),
        format!("/Groups/{inner}"),
        format!("/Groups/{outer}"),
    ] {
        collect_references(&scim.get(&path).is(200).body, &mut references);
    }
    for list in ["/ResourceTypes", "/Schemas", "/ServiceProviderConfig"] {
        collect_references(&scim.get(list).is(200).body, &mut references);
    }
    assert!(references.len() > 15, "{references:?}");
    for reference in &references {
        let path = below_base(reference);
        let target = scim.get(&path).is(200).body;
        let itself = &target["meta"]["location"];
        assert_eq!(itself, reference, "the target knows itself by the same URI");
    }
    scim.delete(&format!("/Users/{user}")).is(204);
    scim.get(&format!("/Users/{user}")).fails(404, "");
    let mut left = Vec::new();
    collect_references(&scim.get(&format!("/Groups/{inner}")).is(200).body, &mut left);
    assert_eq!(left, [json!(format!("{BASE}/Groups/{inner}"))], "nothing refers to what is gone");
}

fn collect_references(value: &Value, found: &mut Vec<Value>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                if (name == "$ref" || name == "location") && value.is_string() {
                    found.push(value.clone());
                }
                collect_references(value, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|i| collect_references(i, found)),
        _ => {}
    }
}

// ledger: 7643-2.3.7-004
#[test]
fn members_that_do_not_exist_are_left_out_refused_or_kept() {
    let group = json!({"schemas": [GROUP], "displayName": "g", "members": [{"value": "nobody"}]});
    let add = json!([{"op": "add", "path": "members", "value": [{"value": "nobody"}]}]);
    let checked = strict().config(|c| c.unknown_members = UnknownMembers::Reject).build();
    checked.post("/Groups", group.clone()).fails(400, "invalidValue");
    let path = format!("/Groups/{}", checked.group("g", &[]).id());
    checked.patch(&path, add.clone()).fails(400, "invalidValue");
    checked.put(&path, group.clone()).fails(400, "invalidValue");
    assert!(checked.get(&path).body.get("members").is_none());

    let free = strict().config(|c| c.unknown_members = UnknownMembers::Keep).build();
    let path = format!("/Groups/{}", free.post("/Groups", group.clone()).is(201).id());
    assert_eq!(free.get(&path).is(200).body["members"], json!([{"value": "nobody"}]));

    let usual = strict().build();
    let path = format!("/Groups/{}", usual.post("/Groups", group).is(201).id());
    usual.patch(&path, add).is(200);
    assert!(usual.get(&path).is(200).body.get("members").is_none());
}

/// JSON text with the members of every object in reverse order.
fn reversed(value: &Value) -> String {
    match value {
        Value::Object(object) => {
            let members: Vec<String> = object
                .iter()
                .rev()
                .map(|(k, v)| format!("{}:{}", Value::from(k.as_str()), reversed(v)))
                .collect();
            format!("{{{}}}", members.join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(reversed).collect::<Vec<_>>().join(",")),
        other => other.to_string(),
    }
}

// ledger: 7643-2.3.8-001
#[test]
fn the_order_of_members_means_nothing() {
    let user = json!({"schemas": [USER, ENTERPRISE], "userName": "u", "externalId": "e", "active": true,
        "name": {"familyName": "F", "givenName": "G", "formatted": "G F"},
        "emails": [{"value": "u@example.com", "type": "work", "primary": true}],
        ENTERPRISE: {"department": "d", "employeeNumber": "7"}});
    let replaced = json!({"schemas": [USER], "userName": "u", "title": "T", "name": {"familyName": "F2", "givenName": "G2"}});
    let patched = json!({"schemas": [PATCH], "Operations": [
        {"op": "add", "path": "emails", "value": [{"value": "v@example.com", "type": "home", "display": "d"}]},
        {"op": "replace", "value": {"nickName": "n", "displayName": "D", "name": {"middleName": "M", "givenName": "H"}}},
        {"op": "remove", "path": "title"}]});
    let search = json!({"schemas": [SEARCH], "filter": "userName pr", "startIndex": 1, "count": 5,
        "sortBy": "userName", "sortOrder": "descending", "attributes": ["userName", "name"]});
    let bulk = json!({"schemas": [BULK], "failOnErrors": 3, "Operations": [
        {"method": "POST", "path": "/Users", "bulkId": "a", "data": {"schemas": [USER], "userName": "w", "title": "t"}},
        {"method": "POST", "path": "/Groups", "bulkId": "b",
         "data": {"schemas": [GROUP], "displayName": "g", "members": [{"value": "bulkId:a", "type": "User"}]}}]});
    let run = |write: fn(&Value) -> String| {
        let scim = strict().build();
        let made = raw(&scim, "POST", "/Users", &write(&user)).is(201);
        let path = format!("/Users/{}", made.id());
        [
            made.body,
            raw(&scim, "PATCH", &path, &write(&patched)).is(200).body,
            raw(&scim, "PUT", &path, &write(&replaced)).is(200).body,
            raw(&scim, "POST", "/Bulk", &write(&bulk)).is(200).body,
            raw(&scim, "POST", "/Users/.search", &write(&search)).is(200).body,
            scim.get("/Groups").is(200).body,
        ]
    };
    assert_ne!(reversed(&user), user.to_string());
    assert_eq!(run(reversed), run(Value::to_string));
}

// ledger: 7643-2.5-001
#[test]
fn null_and_the_empty_list_clear_an_attribute() {
    let scim = strict().build();
    for nothing in [json!([]), Value::Null] {
        let made = scim.user("u", json!({"emails": [{"value": "u@example.com"}]}));
        let path = format!("/Users/{}", made.id());
        assert_eq!(scim.found("/Users", "emails pr"), ["u"]);
        let patched =
            scim.patch(&path, json!([{"op": "replace", "path": "emails", "value": nothing}])).is(200);
        assert!(patched.body.get("emails").is_none(), "{}", patched.body);
        assert!(scim.get(&path).is(200).body.get("emails").is_none());
        assert!(scim.found("/Users", "emails pr").is_empty());
        assert_eq!(scim.found("/Users", "emails eq null"), ["u"]);
        scim.delete(&path).is(204);
    }
}

// ledger: 7643-2.5-002
#[test]
fn unassigned_attributes_are_left_out() {
    let scim = strict().build();
    let made = scim.user(
        "u",
        json!({"nickName": null, "emails": [], "name": {"givenName": null}, "phoneNumbers": [{"value": null}],
            "addresses": [{"country": "DE", "region": null}]}),
    );
    let group = scim.group("g", &[]);
    for path in [format!("/Users/{}", made.id()), format!("/Groups/{}", group.id()), "/Users".to_owned()] {
        let shown = scim.get(&path).is(200).body;
        assert_no_empty(&shown);
    }
    assert_eq!(made.body["addresses"], json!([{"country": "DE"}]));
}

fn assert_no_empty(value: &Value) {
    match value {
        Value::Null => panic!("null in a representation"),
        Value::Array(items) => {
            assert!(!items.is_empty(), "an empty list in a representation");
            items.iter().for_each(assert_no_empty);
        }
        Value::Object(object) => {
            assert!(!object.is_empty(), "an empty object in a representation");
            object.values().for_each(assert_no_empty);
        }
        _ => {}
    }
}

// ledger: 7643-1.1-001
#[test]
fn words_of_the_protocol_have_no_quotation_marks() {
    let scim = strict().build();
    let schemas = scim.get("/Schemas").is(200).body;
    let types = scim.get("/ResourceTypes").is(200).body;
    let config = scim.get("/ServiceProviderConfig").is(200).body;
    let user = scim.user("u", json!({}));
    let mut seen = Vec::new();
    for body in [&schemas, &types, &config, &user.body, &scim.get("/none").body, &scim.get("/Users").body] {
        let mut words = Vec::new();
        collect_words(body, &mut words);
        assert!(!words.is_empty());
        seen.extend(words);
    }
    for word in &seen {
        assert!(!word.contains(['"', '\'', '“', '”', '`']), "{word}");
        assert_eq!(word.trim(), word);
    }
    let urns: std::collections::BTreeSet<&str> =
        seen.iter().map(String::as_str).filter(|w| w.starts_with("urn:")).collect();
    let expected = [
        "urn:ietf:params:scim:api:messages:2.0:Error",
        "urn:ietf:params:scim:api:messages:2.0:ListResponse",
        "urn:ietf:params:scim:schemas:core:2.0:Group",
        "urn:ietf:params:scim:schemas:core:2.0:ResourceType",
        "urn:ietf:params:scim:schemas:core:2.0:Schema",
        "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig",
        "urn:ietf:params:scim:schemas:core:2.0:User",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
    ];
    assert_eq!(urns.into_iter().collect::<Vec<_>>(), expected);
    for keyword in [
        "readOnly",
        "readWrite",
        "immutable",
        "writeOnly",
        "always",
        "never",
        "default",
        "none",
        "server",
        "string",
        "boolean",
        "integer",
        "dateTime",
        "binary",
        "reference",
        "complex",
        "external",
        "work",
        "home",
        "mobile",
        "direct",
        "indirect",
        "oauthbearertoken",
        "User",
        "Group",
        "/Users",
    ] {
        assert!(seen.iter().any(|w| w == keyword), "{keyword}");
    }
}

/// The texts that are words of the RFCs rather than of people.
fn collect_words(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                found.push(name.clone());
                if name != "description" && name != "detail" {
                    collect_words(value, found);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|i| collect_words(i, found)),
        // The entity tag is quoted by HTTP itself.
        Value::String(s) if !s.starts_with("W/") => found.push(s.clone()),
        _ => {}
    }
}

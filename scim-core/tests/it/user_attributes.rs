//! Attributes of User (RFC 7643 §4.1).

use serde_json::{Value, json};

use crate::support::*;
use crate::things::below_base;

/// Creates a user with these attributes and reads it back.
#[track_caller]
fn round_trip(scim: &Scim, attributes: Value) -> Value {
    let made = scim.user(&format!("user-{}", attributes.to_string().len()), attributes);
    scim.get(&format!("/Users/{}", made.id())).is(200).body
}

// ledger: 7643-4.1-001
#[test]
fn the_base_schema_is_served_under_its_urn() {
    let scim = strict().build();
    let schema = scim.get(&format!("/Schemas/{USER}")).is(200).body;
    assert_eq!((&schema["id"], &schema["name"]), (&json!(USER), &json!("User")));
    assert_eq!(USER, "urn:ietf:params:scim:schemas:core:2.0:User");
}

// ledger: 7643-4.1.1-001
#[test]
fn the_user_name_is_required() {
    let scim = strict().build();
    for body in [
        json!({"schemas": [USER]}),
        json!({"schemas": [USER], "userName": ""}),
        json!({"schemas": [USER], "userName": null}),
        json!({"schemas": [USER], "userName": []}),
    ] {
        let refused = scim.post("/Users", body).fails(400, "invalidValue");
        assert!(refused.body["detail"].as_str().unwrap().contains("userName"), "{}", refused.body);
    }
    let path = format!("/Users/{}", scim.user("u", json!({})).id());
    scim.put(&path, json!({"schemas": [USER], "userName": ""})).fails(400, "invalidValue");
    scim.patch(&path, json!([{"op": "replace", "path": "userName", "value": ""}])).fails(400, "invalidValue");
    assert_eq!(scim.get(&path).body["userName"], "u");
}

// ledger: 7643-4.1.1-002
#[test]
fn the_user_name_is_unique_without_letter_case() {
    let scim = strict().build();
    scim.user("bjensen", json!({}));
    scim.user("müller", json!({}));
    for taken in ["bjensen", "BJensen", "BJENSEN", "MU\u{308}LLER"] {
        let body = json!({"schemas": [USER], "userName": taken});
        scim.post("/Users", body).fails(409, "uniqueness");
    }
    scim.with_token(Some("other-token")).user("bjensen", json!({}));
    scim.group("bjensen", &[]);
}

// ledger: 7643-4.1.1-003
#[test]
fn the_service_makes_no_mismatch_of_names() {
    let scim = strict().build();
    let made = scim.user("u", json!({"name": {"givenName": "B", "familyName": "J"}}));
    let path = format!("/Users/{}", made.id());
    let rename = json!([{"op": "replace", "path": "name.familyName", "value": "K"}]);
    let renamed = scim.patch(&path, rename.clone()).is(200).body;
    assert_eq!(renamed["name"], json!({"givenName": "B", "familyName": "K"}), "nothing is made up");
    let made = scim.user("v", json!({"name": {"givenName": "B", "familyName": "J", "formatted": "Ms B J"}}));
    let renamed = scim.patch(&format!("/Users/{}", made.id()), rename).is(200).body;
    assert_eq!(renamed["name"]["formatted"], "Ms B J", "it is left as the client set it");
}

// ledger: 7643-4.1.1-004
#[test]
fn both_forms_of_a_name_round_trip() {
    let scim = strict().build();
    let name = json!({"formatted": "Ms. Barbara J Jensen, III", "familyName": "Jensen", "givenName": "Barbara",
        "middleName": "Jane", "honorificPrefix": "Ms.", "honorificSuffix": "III"});
    assert_eq!(round_trip(&scim, json!({"name": name}))["name"], name);
    assert_eq!(round_trip(&scim, json!({"name": {"formatted": "X"}}))["name"], json!({"formatted": "X"}));
}

// ledger: 7643-4.1.1-008, 7643-4.1.1-009
#[test]
fn languages_and_locales_round_trip() {
    let scim = strict().build();
    let given = json!({"preferredLanguage": "en-US, da;q=0.5", "locale": "de-CH-1996"});
    let shown = round_trip(&scim, given.clone());
    assert_eq!(
        (&shown["preferredLanguage"], &shown["locale"]),
        (&given["preferredLanguage"], &given["locale"])
    );
    assert_eq!(round_trip(&scim, json!({"locale": "en_US"}))["locale"], "en_US");
}

// ledger: 7643-4.1.1-010
#[test]
fn time_zones_are_names_of_the_iana_database() {
    let scim = strict().build();
    for zone in ["America/Los_Angeles", "Mars/Base"] {
        assert_eq!(round_trip(&scim, json!({"timezone": zone}))["timezone"], zone);
    }
    let checked = strict().config(|c| c.enforce_time_zones = true).build();
    for zone in ["America/Los_Angeles", "America/Argentina/Buenos_Aires", "Etc/GMT+7", "UTC", "Asia/Kolkata"]
    {
        let made = checked.user(zone, json!({"timezone": zone}));
        assert_eq!(made.body["timezone"], zone);
    }
    for bad in ["Mars/Base", "PST8", "+02:00", "Europe", "Europe/", "Europe/Ber lin", ""] {
        let body = json!({"schemas": [USER], "userName": "u", "timezone": bad});
        checked.post("/Users", body).fails(400, "invalidValue");
    }
}

// ledger: 7643-4.1.2-001, 7643-4.1.2-002, 7643-4.1.2-003
#[test]
fn addresses_and_numbers_are_canonicalised_where_configured() {
    let given = json!({"emails": [{"value": "bj@EXAMPLE.COM"}], "ims": [{"value": " BJ@Chat ", "type": "xmpp"}],
        "phoneNumbers": [{"value": "tel:+1-201-555-0123"}, {"value": "+1 201"}, {"value": "+1 (201) 555.0123", "type": "home"}]});
    let shown = round_trip(&strict().config(|c| c.canonicalize = true).build(), given.clone());
    assert_eq!(shown["emails"][0]["value"], "bj@example.com");
    assert_eq!(shown["ims"][0]["value"], "bj@chat");
    let numbers: Vec<_> =
        shown["phoneNumbers"].as_array().unwrap().iter().map(|p| p["value"].clone()).collect();
    assert_eq!(numbers, ["tel:+1-201-555-0123", "+1 201", "tel:+1-201-555-0123"]);
    let shown = round_trip(&strict().build(), given.clone());
    for attribute in ["emails", "ims", "phoneNumbers"] {
        assert_eq!(shown[attribute], given[attribute]);
    }
}

// ledger: 7643-4.1.2-004
#[test]
fn a_photo_that_is_no_image_is_noted_and_kept() {
    let scim = strict().build();
    let post = |url: &str| {
        let body = json!({"schemas": [USER], "userName": url, "photos": [{"value": url, "type": "photo"}]});
        scim.post("/Users", body)
    };
    post("not a uri").fails(400, "invalidValue");
    let noted = |url: &str| {
        let made = post(url).is(201);
        assert_eq!(made.body["photos"][0]["value"], url, "kept as it is");
        made.report
            .notes()
            .iter()
            .filter(|n| n.path == "photos.value" && n.kind.as_str() == "not_an_image")
            .count()
    };
    for image in [
        "https://h/p.jpg",
        "https://h/a/b.PNG?size=1",
        "https://h/p.webp#x",
        "../p.gif",
        "data:image/png;base64,AQ==",
    ] {
        assert_eq!(noted(image), 0, "{image}");
    }
    for other in ["https://h/profile", "https://h/p.html", "data:text/html,x", "https://h.jpg/"] {
        assert_eq!(noted(other), 1, "{other}");
    }
}

// ledger: 7643-4.1.2-006
#[test]
fn countries_are_codes_where_configured() {
    let address =
        |country: &str| json!({"schemas": [USER], "userName": country, "addresses": [{"country": country}]});
    let checked = strict().config(|c| c.enforce_country_codes = true).build();
    checked.post("/Users", address("USA")).fails(400, "invalidValue");
    assert_eq!(checked.post("/Users", address("US")).is(201).body["addresses"][0]["country"], "US");
    let lenient = lenient().build();
    assert_eq!(lenient.post("/Users", address("USA")).is(201).body["addresses"][0]["country"], "USA");
}

// ledger: 7643-4.1.2-007
#[test]
fn addresses_have_lines() {
    let scim = strict().build();
    let addresses = json!([{"formatted": "100 Universal City Plaza\nHollywood, CA 91608 USA", "streetAddress": "a\r\nb\nc"}]);
    assert_eq!(round_trip(&scim, json!({"addresses": addresses}))["addresses"], addresses);
}

// ledger: 7643-4.1.2-008
#[test]
fn groups_shows_where_a_user_belongs() {
    let scim = strict().build();
    let user = scim.user("u", json!({})).id();
    let group = scim.group("Staff", &[&user]).id();
    let shown = scim.get(&format!("/Users/{user}")).is(200).body;
    let expected = json!([{"value": group, "$ref": format!("{BASE}/Groups/{group}"), "display": "Staff", "type": "direct"}]);
    assert_eq!(shown["groups"], expected);
    assert_eq!(scim.get(&below_base(&shown["groups"][0]["$ref"])).is(200).id(), group);
    assert_eq!(scim.found("/Users", &format!("groups.value eq \"{group}\"")), ["u"]);
    scim.delete(&format!("/Groups/{group}")).is(204);
    assert!(scim.get(&format!("/Users/{user}")).is(200).body.get("groups").is_none());
}

// ledger: 7643-4.1.2-009
#[test]
fn groups_is_changed_through_group_only() {
    let scim = strict().build();
    let path = format!("/Users/{}", scim.user("u", json!({})).id());
    let group = scim.group("g", &[]).id();
    let forged = json!([{"value": group}]);
    let body = json!({"schemas": [USER], "userName": "u", "groups": forged});
    assert!(scim.put(&path, body).is(200).body.get("groups").is_none());
    for operation in [
        json!({"op": "add", "path": "groups", "value": forged}),
        json!({"op": "replace", "path": "groups", "value": forged}),
        json!({"op": "remove", "path": "groups"}),
        json!({"op": "add", "value": {"groups": forged}}),
    ] {
        scim.patch(&path, json!([operation])).fails(400, "mutability");
    }
    assert!(scim.user("v", json!({"groups": forged})).body.get("groups").is_none());
    assert!(scim.get(&format!("/Groups/{group}")).is(200).body.get("members").is_none());
}

// ledger: 7643-4.1.2-010
#[test]
fn nested_membership_is_indirect() {
    let scim = strict().build();
    let user = scim.user("u", json!({})).id();
    let inner = scim.group("inner", &[&user]).id();
    let outer = scim.group("outer", &[&inner]).id();
    let groups = || scim.get(&format!("/Users/{user}")).is(200).body["groups"].clone();
    let kind = |id: &str| {
        groups()
            .as_array()
            .unwrap()
            .iter()
            .find(|g| g["value"] == id)
            .map(|g| g["type"].as_str().unwrap().to_owned())
    };
    assert_eq!(kind(&inner).as_deref(), Some("direct"));
    assert_eq!(kind(&outer).as_deref(), Some("indirect"));
    assert_eq!(groups().as_array().unwrap().len(), 2);
    let add = json!([{"op": "add", "path": "members", "value": [{"value": user}]}]);
    scim.patch(&format!("/Groups/{outer}"), add).is(200);
    assert_eq!(kind(&outer).as_deref(), Some("direct"), "once, as what it is first of all");
    assert_eq!(groups().as_array().unwrap().len(), 2);
}

// ledger: 7643-4.1.2-013
#[test]
fn entitlements_and_roles_are_free() {
    let scim = strict().config(|c| c.enforce_canonical_values = true).build();
    let list = json!([{"value": "anything at all", "type": "of any kind", "display": "D", "primary": true}, {"value": "2"}]);
    let shown = round_trip(&scim, json!({"entitlements": list, "roles": list}));
    assert_eq!((&shown["entitlements"], &shown["roles"]), (&list, &list));
    let schema = scim.get(&format!("/Schemas/{USER}")).is(200).body;
    for attribute in schema["attributes"].as_array().unwrap() {
        if attribute["name"] == "entitlements" || attribute["name"] == "roles" {
            assert_eq!(attribute["multiValued"], true);
            let subs = attribute["subAttributes"].as_array().unwrap();
            assert!(subs.iter().all(|s| s.get("canonicalValues").is_none()));
        }
    }
}

// ledger: 7643-4.1.2-011, 7643-4.1.2-012
#[test]
fn one_value_is_one_certificate() {
    use base64::Engine;
    /// A DER value of this tag.
    fn der(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = content.len();
        let mut out = vec![tag];
        if length < 128 {
            out.push(u8::try_from(length).unwrap());
        } else {
            out.push(0x82);
            out.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        out.extend_from_slice(content);
        out
    }
    let to_be_signed = der(0x30, &[0x02; 200]);
    let algorithm = der(0x30, &der(0x06, &[0x2a, 0x03]));
    let signature = der(0x03, &[0; 65]);
    let certificate = der(0x30, &[to_be_signed, algorithm, signature].concat());
    let checked = strict().config(|c| c.check_certificates = true).build();
    let open = strict().build();
    let post = |scim: &Scim, bytes: &[u8]| {
        let text = base64::engine::general_purpose::STANDARD.encode(bytes);
        scim.post(
            "/Users",
            json!({"schemas": [USER], "userName": "u", "x509Certificates": [{"value": text}]}),
        )
    };
    let many = [&certificate[..], &certificate, &certificate].concat();
    let wrong = [
        ("a sequence of certificates", der(0x30, &many)),
        ("a sequence of one", der(0x30, &certificate)),
        ("one behind the other", many),
        ("a set", der(0x31, &certificate)),
        ("cut short", certificate[..certificate.len() - 1].to_vec()),
        ("nothing", Vec::new()),
        ("no DER", b"-----BEGIN CERTIFICATE-----".to_vec()),
    ];
    for (what, bytes) in &wrong {
        let refused = post(&checked, bytes);
        assert_eq!(
            (refused.status.as_u16(), &refused.body["scimType"]),
            (400, &json!("invalidValue")),
            "{what}"
        );
    }
    post(&checked, &certificate).is(201);
    post(&open, &wrong[0].1).is(201);
    let body = json!({"schemas": [USER], "userName": "v", "x509Certificates": [{"value": "***"}]});
    open.post("/Users", body).fails(400, "invalidValue");
}

#[test]
fn a_put_in_a_bulk_job_keeps_the_notes_of_the_operations_before_it() {
    let scim = strict().build();
    let id = scim.user("second", json!({})).is(201).id();
    let first = json!({"schemas": [USER], "userName": "first", "photos": [{"value": "https://h/p.txt"}]});
    let second = json!({"schemas": [USER], "userName": "second"});
    let job = json!({"schemas": [BULK], "Operations": [
        {"method": "POST", "path": "/Users", "bulkId": "a", "data": first},
        {"method": "PUT", "path": format!("/Users/{id}"), "data": second},
    ]});
    let done = scim.post("/Bulk", job).is(200);
    assert_eq!(done.body["Operations"][0]["status"], "201");
    assert_eq!(done.body["Operations"][1]["status"], "200");
    assert!(done.report.notes().iter().any(|n| n.kind.as_str() == "not_an_image"));
}

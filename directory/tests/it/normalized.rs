//! One person, one format, whatever the provider.

use scim_directory::{GroupRef, MemberCounts, Normalizer, Subject, python_json};
use scim_schema::{Dialect, Intent, ReadOptions, Registry, Report, Resource, Value, read};
use serde_json::json;

/// A resource as the service makes it of a provider's body.
fn resource(resource_type: &str, body: &serde_json::Value) -> Resource {
    let registry = Registry::standard();
    let resource_type = registry.resource_type(resource_type).unwrap();
    let dialect = Dialect::default();
    let body = Value::from(body.clone());
    let options = ReadOptions::new(&dialect);
    read(body, resource_type, Intent::Create, &options, &mut Report::default()).unwrap()
}

fn subject(resource: &Resource) -> Subject<'_> {
    Subject { resource, organization_id: "org_1", directory_id: "dir_1", version: 3, sequence: 7 }
}

fn user(body: &serde_json::Value) -> serde_json::Value {
    let resource = resource("User", body);
    Value::Object(Normalizer::default().user(&subject(&resource), &[])).into()
}

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// Zoë Lee, as each provider sends her with its usual mapping; shapes as in conformance/data/idp-corpus.
fn zoe() -> Vec<(&'static str, serde_json::Value)> {
    vec![
        (
            "okta",
            json!({
                "schemas": [USER],
                "userName": "zoe@example.com",
                "name": {"givenName": "Zoë", "familyName": "Lee"},
                "emails": [{"primary": true, "value": "zoe@example.com", "type": "work"}],
                "displayName": "Zoë Lee",
                "locale": "en-US",
                "externalId": "7",
                "title": "Lead",
                "groups": [],
                "password": "1mz050nq",
                "active": true,
                ENTERPRISE: {"department": "Retail", "employeeNumber": "701984"},
            }),
        ),
        (
            "entra",
            json!({
                "schemas": [USER, ENTERPRISE],
                "externalId": "7",
                "userName": "zoe@example.com",
                "active": "True",
                "emails": [{"primary": true, "type": "work", "value": "zoe@example.com"}],
                "title": "Lead",
                "locale": "en-US",
                "displayName": "Zoë Lee",
                "meta": {"resourceType": "User"},
                "name": {"formatted": "Lee, Zoë", "familyName": "Lee", "givenName": "Zoë"},
                "roles": [],
                ENTERPRISE: {"employeeNumber": "701984", "department": "Retail"},
            }),
        ),
        (
            "onelogin",
            json!({
                "schemas": [USER],
                "userName": "zoe@example.com",
                "active": "true",
                "emails": [{"value": "zoe@example.com", "type": "work", "primary": true}],
                "meta": {"resourceType": "User"},
                "name": {"familyName": "Lee", "givenName": "Zoë", "formatted": "Zoë Lee"},
                "externalId": "7",
                "title": "Lead",
                "locale": "en-US",
                "nickName": "",
                ENTERPRISE: {
                    "department": "Retail",
                    "employeeNumber": "701984",
                    "division": " ",
                    "manager": {"managerId": "", "displayName": " "},
                },
                "id": null,
            }),
        ),
        (
            "jumpcloud",
            json!({
                "schemas": [USER, ENTERPRISE],
                "userName": "zoe@example.com",
                "name": {"givenName": "Zoë", "familyName": "Lee"},
                "displayName": "Zoë Lee",
                "emails": [{"value": "zoe@example.com", "type": "work", "primary": true}],
                "externalId": "7",
                "active": true,
                "title": "Lead",
                "locale": "en-US",
                "phoneNumbers": [],
                "addresses": [],
                ENTERPRISE: {"department": "Retail", "employeeNumber": 701984},
            }),
        ),
        (
            "ping",
            json!({
                "schemas": [USER],
                "userName": "zoe@example.com",
                "name": {"familyName": "Lee", "givenName": "Zoë"},
                "emails": [{"value": "zoe@example.com", "type": "work"}],
                "externalId": "7",
                "title": "Lead",
                "locale": "en-US",
                "password": "2Federate!",
                ENTERPRISE: {"department": "Retail", "employeeNumber": "701984"},
            }),
        ),
    ]
}

// mission: M-07, M-37, M-38, M-40
#[test]
fn the_same_person_is_the_same_user_from_every_provider() {
    let expected = r#"{"id": "", "object": "directory_user", "organization_id": "org_1", "directory_id": "dir_1", "external_id": "7", "dp_id": "7", "email": "zoe@example.com", "emails": ["zoe@example.com"], "name": "Zo\u00eb Lee", "given_name": "Zo\u00eb", "family_name": "Lee", "preferred_username": "zoe@example.com", "active": true, "groups": ["Crew", "Staff"], "group_refs": [{"id": "g2", "name": "Crew", "external_id": null}, {"id": "g1", "name": "Staff", "external_id": "x1"}], "roles": [], "title": "Lead", "department": "Retail", "division": null, "cost_center": null, "employee_id": "701984", "organization": null, "manager": null, "phone_number": null, "phone_numbers": [], "address": null, "picture": null, "nickname": null, "profile": null, "locale": "en-US", "language": null, "zoneinfo": null, "user_type": null, "custom_attributes": {}, "raw_attributes": null, "created_at": null, "updated_at": null, "version": 3, "sequence": 7}"#;
    let groups = [
        GroupRef { id: "g1".into(), name: Some("Staff".into()), external_id: Some("x1".into()) },
        GroupRef { id: "g2".into(), name: Some("Crew".into()), external_id: None },
    ];
    let people = zoe();
    assert_eq!(people.len(), 5);
    for (provider, body) in people {
        let resource = resource("User", &body);
        let normalizer = Normalizer { raw_attributes: false };
        let user = python_json(&normalizer.user(&subject(&resource), &groups).into());
        assert_eq!(user, expected, "{provider}");
    }
}

// ledger: 7643-4.1.1-006
// mission: M-38
#[test]
fn each_attribute_has_its_field() {
    let body = json!({
        "schemas": [USER, ENTERPRISE],
        "userName": "zoe",
        "nickName": "Zo",
        "profileUrl": "https://example.com/zoe",
        "userType": "Employee",
        "preferredLanguage": "fr-CH",
        "locale": "de-CH",
        "timezone": "Europe/Zurich",
        "photos": [
            {"value": "https://example.com/small", "type": "thumbnail"},
            {"value": "https://example.com/large", "type": "photo"},
        ],
        "phoneNumbers": [{"value": "+1 2", "type": "mobile"}, {"value": "+1 3", "type": "work"}],
        "addresses": [
            {"type": "home", "locality": "Basel"},
            {"type": "work", "streetAddress": "1 Way", "locality": "Bern", "region": "BE",
                "postalCode": "3000", "country": "CH", "formatted": "1 Way, Bern"},
        ],
        ENTERPRISE: {
            "organization": "Acme", "division": "North", "costCenter": "42",
            "manager": {"value": "bo@example.com", "displayName": "Bo"},
        },
    });
    let user = user(&body);
    assert_eq!(user["nickname"], "Zo");
    assert_eq!(self::user(&json!({"schemas": [USER], "userName": "zoe"}))["nickname"], json!(null));
    assert_eq!(user["profile"], "https://example.com/zoe");
    assert_eq!(user["user_type"], "Employee");
    assert_eq!(user["language"], "fr-CH");
    assert_eq!(user["locale"], "de-CH");
    assert_eq!(user["zoneinfo"], "Europe/Zurich");
    assert_eq!(user["picture"], "https://example.com/large");
    assert_eq!(user["phone_number"], "+1 3");
    assert_eq!(user["phone_numbers"], json!(["+1 3", "+1 2"]));
    assert_eq!(
        user["address"],
        json!({"formatted": "1 Way, Bern", "street_address": "1 Way", "locality": "Bern", "region": "BE",
            "postal_code": "3000", "country": "CH"})
    );
    assert_eq!(user["organization"], "Acme");
    assert_eq!(user["division"], "North");
    assert_eq!(user["cost_center"], "42");
    // The manager's displayName is readOnly (RFC 7643 §4.3).
    assert_eq!(user["manager"], json!({"id": "bo@example.com", "name": null, "email": "bo@example.com"}));
    assert_eq!(user["raw_attributes"]["addresses"][0]["locality"], "Basel");
    assert_eq!(user["email"], json!(null));
}

// mission: M-38
#[test]
fn the_best_address_is_chosen() {
    let email = |emails: serde_json::Value, name: &str| {
        user(&json!({"schemas": [USER], "userName": name, "emails": emails}))["email"].clone()
    };
    let work = json!({"value": "work@x.org", "type": "work"});
    let home = json!({"value": "home@x.org", "type": "home"});
    let primary_home = json!({"value": "main@x.org", "type": "home", "primary": true});
    let primary_work = json!({"value": "best@x.org", "type": "Work", "primary": true});
    assert_eq!(email(json!([home, primary_work]), "zoe"), "best@x.org");
    assert_eq!(email(json!([work, home, primary_home]), "zoe"), "main@x.org");
    assert_eq!(email(json!([home, work]), "zoe"), "work@x.org");
    assert_eq!(email(json!([home]), "zoe@x.org"), "home@x.org");
    assert_eq!(email(json!([]), "zoe@x.org"), "zoe@x.org");
    assert_eq!(email(json!([]), "zoe"), json!(null));
    assert_eq!(email(json!([]), "@x.org"), json!(null));
}

// ledger: 7643-4.1.1-005
// mission: M-38
#[test]
fn the_best_name_is_chosen() {
    let name = |attributes: serde_json::Value| {
        let mut body = json!({"schemas": [USER], "userName": "zoe"});
        body.as_object_mut().unwrap().extend(attributes.as_object().unwrap().clone());
        user(&body)["name"].clone()
    };
    let full = json!({"formatted": "Dr. Zoë Lee", "givenName": "Zoë", "familyName": "Lee"});
    assert_eq!(name(json!({"displayName": "Zo", "name": full})), "Zo");
    assert_eq!(name(json!({"name": full})), "Dr. Zoë Lee");
    assert_eq!(name(json!({"name": {"givenName": "Zoë", "familyName": "Lee"}})), "Zoë Lee");
    assert_eq!(name(json!({"name": {"familyName": "Lee"}})), "Lee");
    assert_eq!(name(json!({"displayName": "  "})), json!(null));
}

// mission: M-37
#[test]
fn the_external_id_falls_back_to_the_scim_id() {
    let mut resource = resource("User", &json!({"schemas": [USER], "userName": "zoe"}));
    resource.attributes_mut().insert_first("id", "diruser_1");
    let user = Normalizer::default().user(&subject(&resource), &[]);
    assert_eq!(user.get("external_id").and_then(Value::as_str), Some("diruser_1"));
    assert_eq!(user.get("dp_id"), user.get("external_id"));
}

// mission: M-40
#[test]
fn activity_is_a_boolean_however_it_was_sent() {
    let active = |value: serde_json::Value| {
        user(&json!({"schemas": [USER], "userName": "zoe", "active": value}))["active"].clone()
    };
    assert_eq!(active(json!(true)), true);
    assert_eq!(active(json!(false)), false);
    assert_eq!(active(json!("True")), true);
    assert_eq!(active(json!("False")), false);
    assert_eq!(active(json!(null)), true);
    // Accounts of pulled directories, before they are SCIM.
    let pulled = |attributes: serde_json::Value| {
        let Value::Object(attributes) = Value::from(attributes) else { panic!("an object") };
        let resource = Resource::from_canonical(attributes);
        Normalizer::default().user(&subject(&resource), &[]).get("active").and_then(Value::as_bool)
    };
    assert_eq!(pulled(json!({"suspended": true})), Some(false));
    assert_eq!(pulled(json!({"archived": true, "active": true})), Some(false));
    assert_eq!(pulled(json!({"suspended": false, "archived": false})), Some(true));
    assert_eq!(pulled(json!({"active": "FALSE"})), Some(false));
}

// mission: M-39, M-41
#[test]
fn lists_and_objects_are_there_when_they_are_empty() {
    let user = user(&json!({"schemas": [USER], "userName": "zoe"}));
    for field in ["groups", "group_refs", "roles", "emails", "phone_numbers"] {
        assert_eq!(user[field], json!([]), "{field}");
    }
    assert_eq!(user["custom_attributes"], json!({}));
    assert_eq!(user.as_object().unwrap().len(), 39);
}

// mission: M-26
#[test]
fn a_group_has_its_names_and_counts() {
    let body = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
        "displayName": "Staff",
        "externalId": "g7",
    });
    let resource = resource("Group", &body);
    let normalizer = Normalizer { raw_attributes: false };
    let group = normalizer.group(&subject(&resource), MemberCounts { members: 3, users: 2 });
    let expected = r#"{"id": "", "object": "directory_group", "organization_id": "org_1", "directory_id": "dir_1", "external_id": "g7", "dp_id": "g7", "name": "Staff", "display_name": "Staff", "member_count": 3, "total_users": 2, "raw_attributes": null, "created_at": null, "updated_at": null, "version": 3, "sequence": 7}"#;
    assert_eq!(python_json(&group.into()), expected);
}

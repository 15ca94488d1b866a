//! What the service says about itself (RFC 7643 §5 to §8).

use serde_json::{Value, json};

use crate::support::*;
use crate::things::{below_base, things};

const CONFIG: &str = "/ServiceProviderConfig";

/// Whatever would write there is refused.
#[track_caller]
fn assert_read_only(scim: &Scim, path: &str) {
    for method in ["PUT", "PATCH", "POST", "DELETE"] {
        let refused = scim.send(method, path, &json!({"schemas": [USER], "userName": "u"}));
        assert!(matches!(refused.status.as_u16(), 405 | 501), "{method} {path}: {}", refused.status);
    }
}

// ledger: 7643-5-001
#[test]
fn the_configuration_is_read_only() {
    let scim = strict().build();
    let config = scim.get(CONFIG).is(200).body;
    assert_eq!(config["schemas"], json!(["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"]));
    assert!(config.get("id").is_none());
    assert_eq!(config["meta"]["resourceType"], "ServiceProviderConfig");
    assert_eq!(config["meta"]["location"], format!("{BASE}{CONFIG}"));
    assert_read_only(&scim, CONFIG);
}

// ledger: 7643-5-002
#[test]
fn each_feature_is_supported_or_not() {
    let config = strict().build().get(CONFIG).is(200).body;
    for feature in ["patch", "bulk", "filter", "changePassword", "sort", "etag"] {
        assert!(config[feature]["supported"].is_boolean(), "{feature}");
    }
    assert_eq!(config["changePassword"]["supported"], false, "nobody takes passwords here");
    // What is announced as missing is missing.
    let scim = strict().config(|c| c.bulk = false).build();
    assert_eq!(scim.get(CONFIG).is(200).body["bulk"]["supported"], false);
    scim.post("/Bulk", json!({"schemas": [BULK], "Operations": []})).fails(501, "");
}

// ledger: 7643-5-003
#[test]
fn the_limits_are_those_that_are_enforced() {
    let scim = strict()
        .config(|c| {
            c.max_bulk_operations = 2;
            c.max_bulk_body = 500;
            c.max_page_size = 3;
        })
        .build();
    let config = scim.get(CONFIG).is(200).body;
    assert_eq!(
        (&config["bulk"]["maxOperations"], &config["bulk"]["maxPayloadSize"]),
        (&json!(2), &json!(500))
    );
    assert_eq!(config["filter"]["maxResults"], 3);
    let bulk = |operations: usize| {
        let operation = json!({"method": "DELETE", "path": "/Users/x"});
        json!({"schemas": [BULK], "Operations": vec![operation; operations]})
    };
    scim.post("/Bulk", bulk(2)).is(200);
    scim.post("/Bulk", bulk(3)).fails(413, "");
    let padded = |length: usize| format!("{:length$}", bulk(1).to_string());
    let send = |body: String| {
        scim.raw("POST", "/Bulk", &[("content-type", "application/scim+json")], body.as_bytes())
    };
    send(padded(500)).is(200);
    send(padded(501)).fails(413, "");
    for n in 0..5 {
        scim.user(&format!("u{n}"), json!({}));
    }
    let page = scim.get("/Users?count=5").is(200).body;
    assert_eq!((&page["totalResults"], &page["itemsPerPage"]), (&json!(5), &json!(3)));
    let defaults = strict().build().get(CONFIG).is(200).body;
    for limit in [
        &defaults["bulk"]["maxOperations"],
        &defaults["bulk"]["maxPayloadSize"],
        &defaults["filter"]["maxResults"],
    ] {
        assert!(limit.as_u64().is_some_and(|n| n > 0), "{defaults}");
    }
}

// ledger: 7643-5-004
#[test]
fn the_documentation_is_named_where_there_is_one() {
    assert!(strict().build().get(CONFIG).is(200).body.get("documentationUri").is_none());
    let scim =
        strict().config(|c| c.documentation_uri = Some("https://docs.example.com/scim".into())).build();
    assert_eq!(scim.get(CONFIG).is(200).body["documentationUri"], "https://docs.example.com/scim");
}

// ledger: 7643-5-005
#[test]
fn the_authentication_schemes_are_described() {
    let config = strict().build().get(CONFIG).is(200).body;
    let schemes = config["authenticationSchemes"].as_array().unwrap();
    let kinds = ["oauth", "oauth2", "oauthbearertoken", "httpbasic", "httpdigest"];
    for scheme in schemes {
        assert!(kinds.contains(&scheme["type"].as_str().unwrap()), "{scheme}");
        for text in ["name", "description"] {
            assert!(scheme[text].as_str().is_some_and(|t| !t.is_empty()), "{text}");
        }
        for uri in ["specUri", "documentationUri"] {
            assert!(
                scheme.get(uri).is_none_or(|u| u.as_str().is_some_and(|u| u.starts_with("https://"))),
                "{uri}"
            );
        }
    }
    assert!(schemes.iter().any(|s| s["type"] == "oauthbearertoken"));
}

// ledger: 7643-5-006
#[test]
fn discovery_needs_no_credentials_unless_configured() {
    let open = strict().build().with_token(None);
    let closed = strict().config(|c| c.public_discovery = false).build();
    for path in [CONFIG, "/ResourceTypes", "/ResourceTypes/User", "/Schemas"] {
        open.get(path).is(200);
        closed.with_token(None).get(path).fails(401, "");
        closed.get(path).is(200);
    }
    open.get("/Users").fails(401, "");
}

// ledger: 7643-6-001
#[test]
fn resource_types_are_read_only() {
    let scim = strict().build();
    let list = scim.get("/ResourceTypes").is(200).body;
    assert_eq!((&list["schemas"], &list["totalResults"]), (&json!([LIST]), &json!(2)));
    for resource_type in list["Resources"].as_array().unwrap() {
        assert_eq!(resource_type["schemas"], json!(["urn:ietf:params:scim:schemas:core:2.0:ResourceType"]));
        for required in ["name", "endpoint", "schema"] {
            assert!(resource_type[required].as_str().is_some_and(|t| !t.is_empty()), "{required}");
        }
        assert!(resource_type["schemaExtensions"].is_array());
        let path = format!("/ResourceTypes/{}", resource_type["name"].as_str().unwrap());
        assert_eq!(&scim.get(&path).is(200).body, resource_type);
        assert_eq!(below_base(&resource_type["meta"]["location"]), path);
        assert_read_only(&scim, &path);
    }
    assert_read_only(&scim, "/ResourceTypes");
    scim.get("/ResourceTypes/None").fails(404, "");
}

// ledger: 7643-6-002, 7643-6-003, 7643-6-004, 7643-6-005, 7643-6-006
#[test]
fn resource_types_lead_to_endpoints_and_schemas() {
    let scim = things(json!([{"name": "size", "type": "integer"}]));
    let list = scim.get("/ResourceTypes").is(200).body;
    let (mut names, mut endpoints) = (Vec::new(), Vec::new());
    for resource_type in list["Resources"].as_array().unwrap() {
        let text = |name: &str| resource_type[name].as_str().unwrap().to_owned();
        let (name, endpoint, schema) = (text("name"), text("endpoint"), text("schema"));
        assert!(!text("description").is_empty(), "{name}");
        assert!(
            endpoint.starts_with('/') && !endpoint.contains("//"),
            "{endpoint} is relative to the base URL"
        );
        scim.get(&endpoint).is(200);
        let body = json!({"schemas": [schema], "userName": "u", "displayName": "d"});
        let body = match name.as_str() {
            "Thing" => json!({"schemas": [schema], "size": 1}),
            "Group" => json!({"schemas": [schema], "displayName": "d"}),
            _ => body,
        };
        let made = scim.post(&endpoint, body).is(201).body;
        assert_eq!(made["meta"]["resourceType"], name);
        assert!(made["meta"]["location"].as_str().unwrap().starts_with(&format!("{BASE}{endpoint}/")));
        let extensions = resource_type["schemaExtensions"].as_array().unwrap();
        let extensions = extensions.iter().map(|e| e["schema"].as_str().unwrap().to_owned());
        for urn in std::iter::once(schema).chain(extensions) {
            assert_eq!(scim.get(&format!("/Schemas/{urn}")).is(200).body["id"], urn);
        }
        names.push(name);
        endpoints.push(endpoint);
    }
    assert_eq!(names, ["User", "Group", "Thing"], "each once");
    assert_eq!(endpoints, ["/Users", "/Groups", "/Things"], "one each");
}

// ledger: 7643-7-001, 7643-7-002
#[test]
fn schemas_are_read_only() {
    let scim = strict().build();
    let list = scim.get("/Schemas").is(200).body;
    for schema in list["Resources"].as_array().unwrap() {
        let urn = schema["id"].as_str().unwrap();
        assert!(urn.starts_with("urn:ietf:params:scim:schemas:"), "{urn}");
        for text in ["name", "description"] {
            assert!(schema[text].as_str().is_some_and(|t| !t.is_empty()), "{urn} {text}");
        }
        assert!(schema["attributes"].as_array().is_some_and(|a| !a.is_empty()), "{urn}");
        let path = format!("/Schemas/{urn}");
        assert_eq!(&scim.get(&path).is(200).body, schema);
        assert_eq!(below_base(&schema["meta"]["location"]), path);
        assert_read_only(&scim, &path);
    }
    assert_read_only(&scim, "/Schemas");
    scim.get("/Schemas/urn:example:none").fails(404, "");
}

// ledger: 7643-1.2-002
#[test]
fn every_schema_in_use_is_listed() {
    let scim = things(json!([{"name": "size", "type": "integer"}]));
    let list = scim.get("/Schemas").is(200).body;
    assert_eq!(list["schemas"], json!([LIST]));
    let mut listed: Vec<&str> =
        list["Resources"].as_array().unwrap().iter().map(|s| s["id"].as_str().unwrap()).collect();
    assert_eq!(list["totalResults"], listed.len());
    listed.sort_unstable();
    let core = |name: &str| format!("urn:ietf:params:scim:schemas:core:2.0:{name}");
    let expected = [
        crate::things::THING.to_owned(),
        core("Group"),
        core("ResourceType"),
        core("Schema"),
        core("ServiceProviderConfig"),
        core("User"),
        ENTERPRISE.to_owned(),
    ];
    assert_eq!(listed, expected);
}

// ledger: 7643-8.7-001, 7643-8.7.2-001
#[test]
fn the_schemas_are_those_of_section_8_7() {
    let scim = strict().build();
    let list = scim.get("/Schemas").is(200).body;
    let expected = [
        include_str!("../../../conformance/data/spec/schemas/user.json"),
        include_str!("../../../conformance/data/spec/schemas/enterprise-user.json"),
        include_str!("../../../conformance/data/spec/schemas/group.json"),
        include_str!("../../../conformance/data/spec/schemas/service-provider-config.json"),
        include_str!("../../../conformance/data/spec/schemas/resource-type.json"),
        include_str!("../../../conformance/data/spec/schemas/schema.json"),
    ];
    assert_eq!(list["totalResults"], expected.len());
    for document in expected {
        let mut expected: Value = serde_json::from_str(document).unwrap();
        let urn = expected["id"].as_str().unwrap().to_owned();
        expected["meta"]["location"] = json!(format!("{BASE}/Schemas/{urn}"));
        assert_eq!(scim.get(&format!("/Schemas/{urn}")).is(200).body, expected);
    }
}

// ledger: 7643-2.3.8-003, 7643-7-019, 7643-7-005, 7643-7-003
#[test]
fn definitions_hold_what_their_type_has() {
    fn walk(attributes: &Value, path: &str, seen: &mut usize) {
        for attribute in attributes.as_array().unwrap() {
            let path = format!("{path}.{}", attribute["name"].as_str().unwrap());
            let kind = attribute["type"].as_str().unwrap();
            let kinds =
                ["string", "boolean", "decimal", "integer", "dateTime", "binary", "reference", "complex"];
            assert!(kinds.contains(&kind), "{path}");
            assert!(attribute["description"].as_str().is_some_and(|d| !d.is_empty()), "{path}");
            if kind == "complex" {
                assert!(
                    attribute.get("caseExact").is_none() && attribute.get("uniqueness").is_none(),
                    "{path}"
                );
                walk(&attribute["subAttributes"], &path, seen);
            } else {
                assert!(attribute.get("subAttributes").is_none(), "{path}");
            }
            assert_eq!(attribute["referenceTypes"].is_array(), kind == "reference", "{path}");
            *seen += 1;
        }
    }
    let mut seen = 0;
    for schema in strict().build().get("/Schemas").is(200).body["Resources"].as_array().unwrap() {
        walk(&schema["attributes"], schema["id"].as_str().unwrap(), &mut seen);
    }
    assert!(seen > 100, "{seen}");
}

// ledger: 9967-4-001
#[test]
fn security_events_are_announced_where_there_are_some() {
    let uri = "urn:ietf:params:scim:event:prov:create:full";
    let events = scim_core::SecurityEvents { event_uris: vec![uri.into()] };
    let scim = strict().config(|c| c.security_events = Some(events)).build();
    let config = scim.get(CONFIG).is(200).body;
    assert_eq!(config["securityEvents"], json!({"asyncRequest": "none", "eventUris": [uri]}));
}

/// Features of later documents that this service does not have are not announced: security event tokens
/// (RFC 9967 §4) unless they are configured, roles and entitlements.
#[test]
fn what_is_not_offered_is_not_announced() {
    let scim = strict().build();
    let config = scim.get(CONFIG).is(200).body;
    let names: Vec<&str> = config.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = [
        "authenticationSchemes",
        "bulk",
        "changePassword",
        "etag",
        "filter",
        "meta",
        "pagination",
        "patch",
        "schemas",
        "sort",
    ];
    assert_eq!(names, expected, "no securityEvents, no RolesAndEntitlements");
    for path in ["/Roles", "/Entitlements"] {
        scim.get(path).fails(404, "");
    }
}

// ledger: 9967-3-001
#[test]
fn an_answer_is_given_at_once_whatever_a_client_prefers() {
    let scim = strict().build();
    let body = json!({"schemas": [USER], "userName": "u"});
    let prefer = [("prefer", "respond-async, wait=10")];
    let made = scim.send_with("POST", "/Users", &prefer, &body);
    let path = format!("/Users/{}", made.id());
    let patch = json!({"schemas": [PATCH], "Operations": [{"op": "add", "path": "title", "value": "t"}]});
    let bulk = json!({"schemas": [BULK], "Operations": [{"method": "DELETE", "path": path}]});
    for (reply, status) in [
        (made, 201),
        (scim.send_with("PUT", &path, &prefer, &body), 200),
        (scim.send_with("PATCH", &path, &prefer, &patch), 200),
        (scim.get_with(&path, &prefer), 200),
        (scim.send_with("POST", "/Bulk", &prefer, &bulk), 200),
        (scim.raw("DELETE", &path, &prefer, b""), 404),
    ] {
        let reply = reply.is(status);
        assert_eq!((reply.header("set-txn"), reply.header("preference-applied")), (None, None), "{status}");
    }
}

//! What the service says about itself (RFC 7644 §4).

use serde_json::json;

use super::case::{ENTERPRISE, GROUP, LIST_RESPONSE, USER, case, get, post, step};
use crate::replay::Scenario;

pub(super) fn cases() -> Vec<Scenario> {
    vec![config(), resource_types(), schemas(), parameters(), read_only(), public()]
}

// ledger: 7644-4-001, 7643-5-001, 7643-5-002, 7643-5-003, 7643-5-005, 9865-4-001, 9865-4-002
fn config() -> Scenario {
    let mut ask = get("/ServiceProviderConfig")
        .is("/schemas", json!(["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"]))
        .check("/bulk/maxOperations", "type", json!("integer"))
        .check("/bulk/maxPayloadSize", "type", json!("integer"))
        .check("/filter/maxResults", "type", json!("integer"))
        .check("/authenticationSchemes", "contains", json!({"type": "oauthbearertoken"}))
        .check("/authenticationSchemes/0/name", "type", json!("string"))
        .check("/authenticationSchemes/0/description", "type", json!("string"))
        .check("/pagination/cursor", "type", json!("boolean"))
        .check("/pagination/index", "type", json!("boolean"))
        .is("/meta/resourceType", json!("ServiceProviderConfig"));
    for feature in ["patch", "bulk", "filter", "changePassword", "sort", "etag"] {
        ask = ask.check(&format!("/{feature}/supported"), "type", json!("boolean"));
    }
    case("discovery-config", "The service says what it can do").then(ask)
}

// ledger: 7644-4-003, 7644-4-004, 7643-6-001, 7643-6-002, 7643-6-003, 7643-6-004, 7643-6-005, 7643-6-006
fn resource_types() -> Scenario {
    case("discovery-resource-types", "The service says which types of resources it has")
        .then(
            get("/ResourceTypes")
                .is("/schemas", json!([LIST_RESPONSE]))
                .check(
                    "/Resources",
                    "contains",
                    json!({"name": "User", "endpoint": "/Users", "schema": USER}),
                )
                .check(
                    "/Resources",
                    "contains",
                    json!({"name": "Group", "endpoint": "/Groups", "schema": GROUP}),
                )
                .check("/Resources/[name=User]/schemaExtensions/[*]/schema", "contains", json!(ENTERPRISE)),
        )
        .then(
            get("/ResourceTypes/User")
                .is("/schemas", json!(["urn:ietf:params:scim:schemas:core:2.0:ResourceType"]))
                .check("/description", "min_length", json!(1))
                .save("type"),
        )
        .then(get("/Schemas/{{type.schema}}").is("/id", json!(USER)))
        .then(get("/Schemas/{{type.schemaExtensions.0.schema}}").is("/id", json!(ENTERPRISE)))
        .then(get("{{type.endpoint}}").is("/schemas", json!([LIST_RESPONSE])))
        .then(get("/ResourceTypes/Nothing").error(404, None))
}

// ledger: 7644-4-002, 7644-3.1-001, 7644-3.1-003, 7643-1.2-002, 7643-4.1-001, 7643-7-001, 7643-7-002, 7643-2.4-009,
// 7643-7-019
fn schemas() -> Scenario {
    let ids = "/Resources/[*]/id";
    case("discovery-schemas", "The service shows the schemas of its resources")
        .then(
            get("/Schemas")
                .is("/schemas", json!([LIST_RESPONSE]))
                .check(ids, "contains", json!(USER))
                .check(ids, "contains", json!(GROUP))
                .check(ids, "contains", json!(ENTERPRISE))
                .check(ids, "not_contains", json!(LIST_RESPONSE)),
        )
        .then(
            get(&format!("/Schemas/{USER}"))
                .is("/id", json!(USER))
                .check("/name", "type", json!("string"))
                .check("/description", "type", json!("string"))
                .is("/meta/resourceType", json!("Schema"))
                .is("/meta/location", json!(format!("{{{{base}}}}/Schemas/{USER}")))
                .is("/attributes/[name=userName]/uniqueness", json!("server"))
                .is("/attributes/[name=userName]/required", json!(true))
                .is("/attributes/[name=password]/returned", json!("never"))
                .is("/attributes/[name=password]/mutability", json!("writeOnly"))
                .is("/attributes/[name=groups]/mutability", json!("readOnly"))
                .check("/attributes/[name=profileUrl]/referenceTypes", "type", json!("array"))
                .check(
                    "/attributes/[name=emails]/subAttributes/[name=type]/canonicalValues",
                    "contains",
                    json!("work"),
                ),
        )
        .then(get(&format!("/Schemas/{LIST_RESPONSE}")).error(404, None))
        .then(get("/Schemas/urn:nobody").error(404, None))
}

// ledger: 7644-4-005, 7644-4-006
fn parameters() -> Scenario {
    let filter = json!({"filter": "id pr"});
    let page = json!({"startIndex": "2", "count": "1", "sortBy": "id", "attributes": "id"});
    case("discovery-parameters", "Discovery knows no pages and refuses filters")
        .then(get("/Schemas").save("all"))
        .then(get("/Schemas").query(page).is("/Resources", json!("{{all.Resources}}")))
        .then(get("/Schemas").query(filter.clone()).error(403, None))
        .then(get("/ResourceTypes").query(filter.clone()).error(403, None))
        .then(get("/ServiceProviderConfig").query(filter).error(403, None))
}

// ledger: 7644-4-007, 7644-3.2-002
fn read_only() -> Scenario {
    let mut scenario = case("discovery-read-only", "Discovery can be read only");
    let user = format!("/Schemas/{USER}");
    for path in ["/ServiceProviderConfig", "/ResourceTypes", "/ResourceTypes/User", "/Schemas", user.as_str()]
    {
        scenario = scenario.then(post(path, json!({})).error(405, None).answers("allow", "GET"));
        for method in ["PUT", "PATCH", "DELETE"] {
            scenario =
                scenario.then(step(method, path).body(json!({})).error(405, None).answers("allow", "GET"));
        }
    }
    scenario
}

// ledger: 7643-5-006
fn public() -> Scenario {
    case("discovery-public", "A client can see how to authenticate before it does").then(
        get("/ServiceProviderConfig").without("Authorization").check(
            "/authenticationSchemes",
            "min_length",
            json!(1),
        ),
    )
}

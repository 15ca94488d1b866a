//! The `schemas` attribute, and extensions (RFC 7643 §3 and §3.3).

use scim_core::RegistryBuilder;
use serde_json::{Value, json};

use crate::support::*;

// ledger: 7643-3-001, 7643-2.1-001
#[test]
fn every_body_names_its_schemas() {
    let scim = strict().build();
    let user = scim.user("u", json!({"emails": [{"value": "u@x"}]}));
    let group = scim.group("g", &[&user.id()]);
    let (user, group) = (format!("/Users/{}", user.id()), format!("/Groups/{}", group.id()));
    let rename = json!([{"op": "replace", "path": "displayName", "value": "d"}]);
    let bulk = json!({"schemas": [BULK], "Operations": [{"method": "DELETE", "path": "/Users/none"}]});
    let replies = [
        (scim.get(&user), 200),
        (scim.get(&format!("{user}?attributes=userName")), 200),
        (scim.get(&format!("{user}?excludedAttributes=schemas")), 200),
        (scim.get(&group), 200),
        (scim.get("/Users"), 200),
        (scim.get("/"), 200),
        (scim.filter("/Users", "userName pr"), 200),
        (scim.post("/.search", json!({"schemas": [SEARCH], "filter": "id pr"})), 200),
        (scim.patch(&user, rename.clone()), 200),
        (scim.patch(&group, rename), 200),
        (scim.put(&group, json!({"schemas": [GROUP], "displayName": "h"})), 200),
        (scim.post("/Bulk", bulk), 200),
        (scim.get("/ServiceProviderConfig"), 200),
        (scim.get("/ResourceTypes"), 200),
        (scim.get("/ResourceTypes/User"), 200),
        (scim.get("/Schemas"), 200),
        (scim.get(&format!("/Schemas/{USER}")), 200),
        (scim.get("/Users/none"), 404),
        (scim.get("/None"), 404),
        (scim.filter("/Users", "a b"), 400),
        (scim.post("/Users", json!({})), 400),
        (scim.user("u2", json!({})), 201),
        (scim.post("/Users", json!({"schemas": [USER], "userName": "U"})), 409),
        (
            scim.send_with(
                "PATCH",
                &user,
                &[("if-match", "W/\"99\"")],
                &json!({"schemas": [PATCH], "Operations": [{"op": "remove", "path": "title"}]}),
            ),
            412,
        ),
        (scim.raw("POST", "/Users", &[("content-type", "text/plain")], b"x"), 415),
        (scim.raw("POST", "/Schemas", &[], b""), 405),
        (scim.with_token(None).get(&user), 401),
        (scim.with_token(Some("read-only")).delete(&user), 403),
        (scim.get("/Me"), 501),
    ];
    for (reply, status) in replies {
        let reply = reply.is(status);
        assert_schemas(&reply.body);
        for nested in reply.body["Resources"].as_array().into_iter().flatten() {
            assert_schemas(nested);
        }
        for operation in reply.body["Operations"].as_array().into_iter().flatten() {
            assert_schemas(&operation["response"]);
        }
    }
}

#[track_caller]
fn assert_schemas(body: &Value) {
    let schemas = body["schemas"].as_array().unwrap_or_else(|| panic!("no schemas in {body}"));
    assert!(
        !schemas.is_empty() && schemas.iter().all(|s| s.as_str().is_some_and(|s| s.starts_with("urn:"))),
        "{body}"
    );
}

// ledger: 7643-2.1-001
#[test]
fn a_body_without_schemas_is_refused() {
    let scim = strict().build();
    scim.post("/Users", json!({"userName": "u"})).fails(400, "invalidSyntax");
    scim.post("/Users", json!({"schemas": [], "userName": "u"})).fails(400, "invalidSyntax");
    let path = format!("/Users/{}", scim.user("u", json!({})).id());
    scim.put(&path, json!({"userName": "u"})).fails(400, "invalidSyntax");
    assert_eq!(scim.get(&path).body["schemas"], json!([USER]));
    // The choice of the ledger: a lenient directory infers it.
    let lenient = lenient().build();
    let made = lenient.post("/Users", json!({"userName": "u"})).is(201);
    assert_eq!(made.body["schemas"], json!([USER]));
}

// ledger: 7643-3-002
#[test]
fn schemas_lists_only_what_the_type_has() {
    let scim = strict().build();
    for other in ["urn:example:none", GROUP, "", "User"] {
        let body = json!({"schemas": [USER, other], "userName": "u"});
        scim.post("/Users", body).fails(400, "invalidValue");
    }
    let body = json!({"schemas": [USER, "urn:example:none"], "userName": "u"});
    let made = lenient().build().post("/Users", body).is(201);
    assert_eq!(made.body["schemas"], json!([USER]), "a lenient directory drops it");
}

// ledger: 7643-3-003, 7643-3-004
#[test]
fn repetition_and_order_in_schemas_change_nothing() {
    let outcome = |schemas: Value| {
        let scim = strict().build();
        let body = json!({"schemas": schemas, "userName": "u", ENTERPRISE: {"division": "d"}});
        let made = scim.post("/Users", body).is(201);
        scim.get(&format!("/Users/{}", made.id())).is(200).body
    };
    let expected = outcome(json!([USER, ENTERPRISE]));
    assert_eq!(expected["schemas"], json!([USER, ENTERPRISE]));
    assert_eq!(outcome(json!([ENTERPRISE, USER])), expected);
    assert_eq!(outcome(json!([USER, ENTERPRISE, USER, ENTERPRISE])), expected);
}

// ledger: 7643-3.3-001
#[test]
fn the_base_schema_is_always_listed() {
    let scim = strict().build();
    let body = json!({"schemas": [ENTERPRISE], "userName": "u", ENTERPRISE: {"division": "d"}});
    scim.post("/Users", body).fails(400, "invalidValue");
}

// ledger: 7643-3.3-002, 7643-3.3-003
#[test]
fn extension_attributes_sit_under_their_urn() {
    let scim = strict().build();
    let key = ENTERPRISE.to_uppercase();
    let body = json!({"schemas": [USER, ENTERPRISE], "userName": "u", key: {"EMPLOYEEnumber": "7"}});
    let made = scim.post("/Users", body).is(201);
    let shown = scim.get(&format!("/Users/{}", made.id())).is(200).body;
    assert_eq!(shown["schemas"], json!([USER, ENTERPRISE]));
    assert_eq!(shown[ENTERPRISE], json!({"employeeNumber": "7"}));
    assert!(shown.get("employeeNumber").is_none());
    assert_eq!(shown.to_string().matches("employeeNumber").count(), 1);
}

// ledger: 7643-3.3-005, 7643-6-002
#[test]
fn the_resource_type_tells_base_and_extensions() {
    let scim = strict().build();
    let user = scim.user("u", json!({}));
    let group = scim.group("g", &[]);
    for (resource, schema, extensions) in
        [(user, USER, json!([{"schema": ENTERPRISE, "required": false}])), (group, GROUP, json!([]))]
    {
        let name = resource.body["meta"]["resourceType"].as_str().unwrap();
        let definition = scim.get(&format!("/ResourceTypes/{name}")).is(200).body;
        assert_eq!(definition["name"], name);
        assert_eq!((&definition["schema"], &definition["schemaExtensions"]), (&json!(schema), &extensions));
    }
}

// ledger: 7643-6-007
#[test]
fn a_required_extension_must_be_there() {
    const BADGE: &str = "urn:example:params:scim:schemas:extension:1.0:Badge";
    let definition =
        json!({"id": BADGE, "attributes": [{"name": "number", "required": true}, {"name": "note"}]});
    let registry = RegistryBuilder::standard()
        .schema_json(&definition.to_string())
        .unwrap()
        .extend("User", BADGE, true)
        .unwrap()
        .build()
        .unwrap();
    let scim = strict().registry(registry).build();
    let post = |body: Value| scim.post("/Users", body);
    post(json!({"schemas": [USER], "userName": "u"})).fails(400, "invalidValue");
    post(json!({"schemas": [USER, BADGE], "userName": "u", BADGE: {"note": "n"}})).fails(400, "invalidValue");
    let made = post(json!({"schemas": [USER, BADGE], "userName": "u", BADGE: {"number": "7"}})).is(201);
    assert_eq!(made.body["schemas"], json!([USER, BADGE]), "the optional one may be absent");
    let path = format!("/Users/{}", made.id());
    scim.put(&path, json!({"schemas": [USER], "userName": "u"})).fails(400, "invalidValue");
    let remove = json!([{"op": "remove", "path": format!("{BADGE}:number")}]);
    assert_eq!(scim.patch(&path, remove).status, 400);
    assert_eq!(scim.patch(&path, json!([{"op": "remove", "path": BADGE}])).status, 400);
    assert_eq!(scim.get(&path).body[BADGE], json!({"number": "7"}));
}

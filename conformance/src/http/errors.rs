//! Requests that are wrong before they reach a resource: routes, methods, credentials, bodies.

use serde_json::json;

use super::case::{USER, case, get, post, step};
use crate::replay::Scenario;

pub(super) fn cases() -> Vec<Scenario> {
    vec![
        routes(),
        methods(),
        me(),
        credentials(),
        media_types(),
        accept(),
        bodies(),
        deep_bodies(),
        too_large(),
    ]
}

// ledger: 7644-3.8-005, 7644-3.13-001, 7644-3.13-003, 7644-3.13-004, 7644-3.12-012
fn routes() -> Scenario {
    let mut scenario = case("routes", "What is no endpoint is not found, in the form of SCIM").user("ada");
    for path in [
        "/Nothing",
        "/Nothing/1",
        "/Users/1/2/3",
        "/Users/{{ada.id}}.scim",
        "/Users/%00",
        "/Users/%FF",
        "/Users/..%2f..%2fetc",
        "/ServiceProviderConfig/1",
        "/Bulk/1",
    ] {
        scenario = scenario.then(get(path).error(404, None));
    }
    scenario
        .then(get("/v2/Users/{{ada.id}}").is("/id", json!("{{ada.id}}")))
        .then(get("/v1/Users/{{ada.id}}").error(400, Some("invalidVers")))
        .then(get("/Users/").query(json!({"count": "0"})).check("/totalResults", "type", json!("integer")))
}

fn methods() -> Scenario {
    let mut scenario =
        case("methods", "A method that an endpoint lacks is refused with those it has").user("ada");
    for (method, path, allow) in [
        ("PUT", "/Users", "POST"),
        ("PATCH", "/Users", "POST"),
        ("DELETE", "/Users", "POST"),
        ("POST", "/Users/{{ada.id}}", "PATCH"),
        ("OPTIONS", "/Users", "GET"),
        ("BREW", "/Users/{{ada.id}}", "GET"),
        ("GET", "/Bulk", "POST"),
        ("PUT", "/Bulk", "POST"),
        ("GET", "/.search", "POST"),
        ("DELETE", "/Users/.search", "POST"),
        ("POST", "/", "GET"),
    ] {
        scenario = scenario.then(step(method, path).error(405, None).answers("allow", allow));
    }
    scenario
}

// ledger: 7644-3.11-001
fn me() -> Scenario {
    let mut scenario = case("me", "A token that stands for no person has no /Me");
    for method in ["GET", "PUT", "PATCH", "DELETE", "POST"] {
        scenario = scenario.then(step(method, "/Me").body(json!({})).error(501, None));
    }
    scenario
}

// ledger: 6750-2.1-001, 6750-2-001, 6750-2.3-001, 6750-3-002, 6750-3.1-001
fn credentials() -> Scenario {
    let mut scenario = case("credentials", "Without a good token there is nothing to see")
        .user("ada")
        .then(
            get("/Users/{{ada.id}}")
                .without("Authorization")
                .error(401, None)
                .answers("www-authenticate", "^Bearer realm=\"[^\"]*\"$"),
        )
        .then(
            get("/Users/{{ada.id}}")
                .header("Authorization", "Bearer wrong-{{run}}")
                .error(401, None)
                .answers("www-authenticate", "error=\"invalid_token\""),
        )
        .then(get("/Users").raw_query("access_token=wrong").without("Authorization").error(401, None))
        .then(get("/Users").raw_query("access_token=wrong").error(400, None));
    for value in ["Basic YWRhOmFkYQ==", "Bearer", "Bearer ", "Bearer a b", "non-token"] {
        scenario = scenario.then(get("/Users/{{ada.id}}").header("Authorization", value).error(401, None));
    }
    for (method, path) in
        [("POST", "/Users"), ("GET", "/"), ("POST", "/Bulk"), ("DELETE", "/Users/{{ada.id}}")]
    {
        scenario = scenario.then(step(method, path).without("Authorization").error(401, None));
    }
    scenario.then(get("/Users/{{ada.id}}").is("/id", json!("{{ada.id}}")))
}

// ledger: 7644-3.8-004
fn media_types() -> Scenario {
    let user =
        |name: &str| post("/Users", json!({"schemas": [USER], "userName": format!("{name}-{{{{run}}}}")}));
    let typed = |name: &str, media_type: &str| user(name).header("Content-Type", media_type);
    case("media-types", "A body is JSON, by any name that SCIM clients give it")
        .then(typed("a", "application/scim+json"))
        .then(typed("b", "application/json"))
        .then(typed("c", "application/json; charset=utf-8"))
        .then(typed("d", "Application/SCIM+JSON;charset=UTF-8"))
        .then(typed("e", "text/xml").error(415, None))
        .then(typed("f", "application/x-www-form-urlencoded").error(415, None))
        .then(typed("g", "application/json; charset=iso-8859-1").error(415, None))
        .then(user("h").header("Content-Encoding", "gzip").error(415, None))
}

// ledger: 7644-3.8-002, 7644-3.8-003
fn accept() -> Scenario {
    let mut scenario =
        case("accept", "The answer is SCIM's own type, or JSON for a client that wants that").user("ada");
    for (accept, media_type) in [
        ("application/scim+json", "^application/scim\\+json"),
        ("*/*", "^application/scim\\+json"),
        ("application/json", "^application/json"),
        ("application/json, application/scim+json;q=0.9", "^application/(scim\\+)?json"),
    ] {
        let get = get("/Users/{{ada.id}}").header("Accept", accept);
        scenario = scenario.then(get.answers("content-type", media_type));
    }
    scenario
        .then(get("/Users/{{ada.id}}").without("Accept").answers("content-type", "^application/scim\\+json"))
}

fn bodies() -> Scenario {
    let mut scenario = case("bodies", "A body that is not a JSON object is refused").user("ada");
    for body in [
        "",
        "{",
        "nonsense",
        "{\"schemas\": [\"urn:ietf:params:scim:schemas:core:2.0:User\"], \"userName\": \"x\"}}",
        "{\"userName\": \"x\", \"userName\": \"y\"}",
        "{'userName': 'x'}",
        "{\"userName\": \"\\ud800\"}",
        "{\"userName\": NaN}",
        "[]",
        "null",
        "\"text\"",
        "1e999",
    ] {
        for (method, path) in [
            ("POST", "/Users"),
            ("PUT", "/Users/{{ada.id}}"),
            ("PATCH", "/Users/{{ada.id}}"),
            ("POST", "/Users/.search"),
            ("POST", "/Bulk"),
        ] {
            scenario = scenario.then(step(method, path).raw_body(body).error(400, Some("invalidSyntax")));
        }
    }
    scenario.then(get("/Users/{{ada.id}}").is("/meta", json!("{{ada.meta}}")))
}

fn deep_bodies() -> Scenario {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let inside = format!("{{\"schemas\": [\"{USER}\"], \"userName\": \"x\", \"emails\": {deep}}}");
    case("bodies-deep", "A body that is nested without end is refused")
        .then(step("POST", "/Users").raw_body(&deep).error(400, Some("invalidSyntax")))
        .then(step("POST", "/Users").raw_body(&inside).error(400, Some("invalidSyntax")))
}

fn too_large() -> Scenario {
    let large = json!({"schemas": [USER], "userName": "x".repeat(3 << 20)});
    case("bodies-large", "A body over the limit is refused before it is looked at")
        .then(post("/Users", large.clone()).error(413, None))
        .then(post("/Users/.search", large).error(413, None))
}

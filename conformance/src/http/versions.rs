//! Versions and preconditions (RFC 7644 §3.14, RFC 9110 §13).

use serde_json::json;

use super::case::{USER, case, delete, get, patch, put, step};
use crate::replay::{Scenario, Step};

pub(super) fn cases() -> Vec<Scenario> {
    vec![if_none_match(), if_match(), if_match_delete(), head(), minimal()]
}

// ledger: 7644-3.14-004, 9110-13.1.2-001
fn if_none_match() -> Scenario {
    let unless = |step: Step, tag: &str| step.header("If-None-Match", tag);
    let user = json!({"schemas": [USER], "userName": "ada-{{run}}", "title": "x"});
    case("if-none-match", "What a client has already is not sent again")
        .user("ada")
        .then(unless(get("/Users/{{ada.id}}"), "{{ada.meta.version}}").status(304).answers("etag", "^W/\""))
        .then(unless(get("/Users/{{ada.id}}"), "\"no\", {{ada.meta.version}}").status(304))
        .then(unless(get("/Users/{{ada.id}}"), "*").status(304))
        .then(unless(get("/Users/{{ada.id}}"), "W/\"no\"").status(200).is("/id", json!("{{ada.id}}")))
        .then(unless(put("/Users/{{ada.id}}", user), "*").error(412, None))
        .then(get("/Users/{{ada.id}}").is("/meta", json!("{{ada.meta}}")))
}

// ledger: 7644-3.14-005, 9110-13.1.1-001, 9110-13.1.1-002, 9110-13.1.1-003, 9110-13.2.2-001
fn if_match() -> Scenario {
    let ada = "/Users/{{ada.id}}";
    let title = |title: &str| json!([{"op": "replace", "path": "title", "value": title}]);
    let user = json!({"schemas": [USER], "userName": "ada-{{run}}", "title": "put"});
    case("if-match", "A write that is bound to a version is done on that version only")
        .user("ada")
        .then(patch(ada, title("a")).header("If-Match", "W/\"no\"").error(412, None))
        .then(put(ada, user.clone()).header("If-Match", "\"no\"").error(412, None))
        .then(get(ada).is("/meta", json!("{{ada.meta}}")).lacks("/title"))
        .then(patch(ada, title("b")).header("If-Match", "{{ada.meta.version}}").statuses(&[200, 204]))
        .then(get(ada).save("b").is("/title", json!("b")))
        .then(patch(ada, title("c")).header("If-Match", "{{ada.meta.version}}").error(412, None))
        .then(put(ada, user).header("If-Match", "W/\"no\", {{b.meta.version}}").is("/title", json!("put")))
        .then(patch(ada, title("d")).header("If-Match", "*").statuses(&[200, 204]))
        .then(patch("/Users/nobody-{{run}}", title("e")).header("If-Match", "*").statuses(&[404, 412]))
        .then(
            patch(ada, title("f"))
                .header("If-Match", "W/\"no\"")
                .header("Authorization", "Bearer wrong-{{run}}")
                .error(401, None),
        )
}

fn if_match_delete() -> Scenario {
    case("if-match-delete", "A delete that is bound to a version is done on that version only")
        .user("ada")
        .then(delete("/Users/{{ada.id}}").header("If-Match", "W/\"no\"").error(412, None))
        .then(get("/Users/{{ada.id}}"))
        .then(delete("/Users/{{ada.id}}").header("If-Match", "{{ada.meta.version}}"))
}

fn head() -> Scenario {
    case("head", "A HEAD is a GET without the body")
        .user("ada")
        .then(
            step("HEAD", "/Users/{{ada.id}}")
                .answers("etag", "^W/\"")
                .answers("content-type", "^application/scim\\+json"),
        )
        .then(step("HEAD", "/Users/nobody-{{run}}").status(404))
}

fn minimal() -> Scenario {
    case("prefer-minimal", "A client that wants no representation gets none (RFC 7240)")
        .user("ada")
        .then(
            patch("/Users/{{ada.id}}", json!([{"op": "add", "path": "title", "value": "x"}]))
                .header("Prefer", "return=minimal")
                .statuses(&[204])
                .answers("preference-applied", "^return=minimal$"),
        )
        .then(get("/Users/{{ada.id}}").is("/title", json!("x")))
}

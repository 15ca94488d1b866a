//! Bulk jobs (RFC 7644 §3.7).

#![expect(clippy::needless_pass_by_value, reason = "JSON is written where it is handed over")]

use serde_json::{Value as Json, json};

use super::case::{BULK_REQUEST, BULK_RESPONSE, ENTERPRISE, GROUP, PATCH_OP, USER, case, delete, get, post};
use crate::replay::{Scenario, Step};

pub(super) fn cases() -> Vec<Scenario> {
    let mut cases = vec![
        all_methods(),
        references(),
        reference_order(),
        circle(),
        failures(),
        fail_on_errors(),
        unresolved(),
        malformed(),
        too_many(),
    ];
    for case in &mut cases {
        case.needs.push("bulk".into());
    }
    cases
}

fn job(operations: Json) -> Step {
    post("/Bulk", json!({"schemas": [BULK_REQUEST], "Operations": operations})).status(200)
}

fn user(name: &str) -> Json {
    json!({"schemas": [USER], "userName": format!("{name}-{{{{run}}}}")})
}

/// A creation as an operation.
fn create(path: &str, bulk_id: &str, data: Json) -> Json {
    json!({"method": "POST", "path": path, "bulkId": bulk_id, "data": data})
}

const STATUSES: &str = "/Operations/[*]/status";

// ledger: 7644-3.2-005, 7644-3.7-001, 7644-3.7-002, 7644-3.7-003, 7644-3.7-005, 7644-3.7-008, 7644-3.7-010,
// 7644-3.7-015, 7644-3.7.3-001, 7644-3.7.3-002
fn all_methods() -> Scenario {
    let change = json!({"schemas": [PATCH_OP], "Operations": [{"op": "add", "path": "title", "value": "x"}]});
    case("bulk", "A job does what its operations would do one by one")
        .user("ada")
        .user("bob")
        .user("eve")
        .then(
            job(json!([
                create("/Users", "qwerty", user("new")),
                {"method": "PUT", "path": "/Users/{{ada.id}}", "data": user("ada2")},
                {"method": "PATCH", "path": "/Users/{{bob.id}}", "version": "{{bob.meta.version}}", "data": change},
                {"method": "DELETE", "path": "/Users/{{eve.id}}"},
                {"method": "PATCH", "path": "/Users/{{bob.id}}", "version": "W/\"no\"", "data": change},
            ]))
            .save("done")
            .is("/schemas", json!([BULK_RESPONSE]))
            .is(STATUSES, json!(["201", "200", "200", "204", "412"]))
            .is("/Operations/[*]/method", json!(["POST", "PUT", "PATCH", "DELETE", "PATCH"]))
            .is("/Operations/0/bulkId", json!("qwerty"))
            .check("/Operations/0/location", "contains", json!("{{base}}/Users/"))
            .check("/Operations/0/version", "matches", json!("^W/\""))
            .is("/Operations/1/location", json!("{{base}}/Users/{{ada.id}}"))
            .is("/Operations/3/location", json!("{{base}}/Users/{{eve.id}}"))
            .lacks("/Operations/0/response"),
        )
        .then(get("/Users").query(json!({"filter": "userName eq \"new-{{run}}\""})).save("new").is(
            "/Resources/0/meta/location",
            json!("{{done.Operations.0.location}}"),
        ))
        .then(get("/Users/{{ada.id}}").is("/userName", json!("ada2-{{run}}")))
        .then(get("/Users/{{bob.id}}").is("/title", json!("x")))
        .then(get("/Users/{{eve.id}}").error(404, None))
        .then(delete("/Users/{{new.Resources.0.id}}"))
}

// ledger: 7644-3.7.2-001, 7644-3.7.2-002
fn references() -> Scenario {
    let boss = json!({
        "schemas": [USER, ENTERPRISE],
        "userName": "eve-{{run}}",
        ENTERPRISE: {"manager": {"value": "bulkId:ada"}},
    });
    let group = json!({
        "schemas": [GROUP],
        "displayName": "Tour {{run}}",
        "members": [{"type": "User", "value": "bulkId:ada"}],
    });
    let change = json!({
        "schemas": [PATCH_OP],
        "Operations": [{"op": "add", "path": "members", "value": [{"value": "bulkId:eve"}]}],
    });
    case("bulk-references", "A bulkId stands for the id of what its operation creates")
        .then(
            job(json!([
                create("/Users", "ada", user("ada")),
                create("/Users", "eve", boss),
                create("/Groups", "tour", group),
                {"method": "PATCH", "path": "/Groups/bulkId:tour", "data": change},
            ]))
            .check("/Operations", "length", json!(4))
            .is("/Operations/[*]/bulkId", json!(["ada", "eve", "tour"])),
        )
        .then(find("/Users", "userName eq \"ada-{{run}}\"").save("ada"))
        .then(
            find("/Users", "userName eq \"eve-{{run}}\"")
                .save("eve")
                .is(&format!("/Resources/0/{ENTERPRISE}/manager/value"), json!("{{ada.Resources.0.id}}")),
        )
        .then(find("/Groups", "displayName eq \"Tour {{run}}\"").save("tour").check(
            "/Resources/0/members/[*]/value",
            "unordered",
            json!(["{{ada.Resources.0.id}}", "{{eve.Resources.0.id}}"]),
        ))
        .then(delete("/Groups/{{tour.Resources.0.id}}"))
        .then(delete("/Users/{{eve.Resources.0.id}}"))
        .then(delete("/Users/{{ada.Resources.0.id}}"))
}

fn find(path: &str, filter: &str) -> Step {
    get(path).query(json!({"filter": filter})).is("/totalResults", json!(1))
}

// ledger: 7644-3.7-016
fn reference_order() -> Scenario {
    let group =
        json!({"schemas": [GROUP], "displayName": "Tour {{run}}", "members": [{"value": "bulkId:ada"}]});
    case("bulk-order", "An operation may refer to one that comes after it")
        .then(
            job(json!([create("/Groups", "tour", group), create("/Users", "ada", user("ada"))]))
                .is(STATUSES, json!(["201", "201"])),
        )
        .then(find("/Users", "userName eq \"ada-{{run}}\"").save("ada"))
        .then(
            find("/Groups", "displayName eq \"Tour {{run}}\"")
                .save("tour")
                .is("/Resources/0/members/[*]/value", json!(["{{ada.Resources.0.id}}"])),
        )
        .then(delete("/Groups/{{tour.Resources.0.id}}"))
        .then(delete("/Users/{{ada.Resources.0.id}}"))
}

// ledger: 7644-3.7.1-001
fn circle() -> Scenario {
    let group = |name: &str, other: &str| {
        json!({
            "schemas": [GROUP],
            "displayName": format!("{name} {{{{run}}}}"),
            "members": [{"type": "Group", "value": format!("bulkId:{other}")}],
        })
    };
    case("bulk-circle", "Groups that are members of one another can be created together")
        .then(
            job(json!([create("/Groups", "a", group("A", "b")), create("/Groups", "b", group("B", "a")),]))
                .is(STATUSES, json!(["201", "201"])),
        )
        .then(find("/Groups", "displayName eq \"B {{run}}\"").save("b"))
        .then(
            find("/Groups", "displayName eq \"A {{run}}\"")
                .save("a")
                .is("/Resources/0/members/[*]/value", json!(["{{b.Resources.0.id}}"])),
        )
        .then(delete("/Groups/{{a.Resources.0.id}}"))
        .then(delete("/Groups/{{b.Resources.0.id}}"))
}

// ledger: 7644-3.7-004, 7644-3.7-006, 7644-3.7-007, 7644-3.7-009, 7644-3.7-011, 7644-3.7-012, 7644-3.7-013,
// 7644-3.7.3-003, 7644-3.12-014
fn failures() -> Scenario {
    let bad_path =
        json!({"schemas": [PATCH_OP], "Operations": [{"op": "add", "path": "emails[", "value": 1}]});
    let error = |step: Step, at: usize, status: &str, scim_type: Option<&str>| {
        let step = step
            .is(&format!("/Operations/{at}/status"), json!(status))
            .is(&format!("/Operations/{at}/response/status"), json!(status))
            .is(&format!("/Operations/{at}/response/schemas"), json!([scim_core::message::ERROR]))
            .check(&format!("/Operations/{at}/response/detail"), "min_length", json!(1));
        match scim_type {
            Some(scim_type) => step.is(&format!("/Operations/{at}/response/scimType"), json!(scim_type)),
            None => step,
        }
    };
    let mut step = job(json!([
        create("/Users", "same", user("ada")),
        {"method": "PATCH", "path": "/Users/{{ada.id}}", "data": bad_path},
        {"method": "DELETE", "path": "/Users/nobody-{{run}}"},
        {"method": "POST", "path": "/Users", "data": user("bob")},
        {"method": "PUT", "path": "/Users/{{ada.id}}"},
        create("/Users", "last", user("eve")),
        create("/Users", "last", user("tom")),
    ]))
    .check("/Operations", "length", json!(7))
    .is("/Operations/5/status", json!("201"))
    .lacks("/Operations/0/location")
    .is("/Operations/1/location", json!("{{base}}/Users/{{ada.id}}"));
    for (at, status, scim_type) in [
        (0, "409", Some("uniqueness")),
        (1, "400", Some("invalidPath")),
        (2, "404", None),
        (3, "400", Some("invalidSyntax")),
        (4, "400", Some("invalidSyntax")),
        (6, "400", Some("invalidSyntax")),
    ] {
        step = error(step, at, status, scim_type);
    }
    case("bulk-failures", "An operation that fails does not hold up the others")
        .user("ada")
        .then(step)
        .then(job(json!([create("/Users/{{ada.id}}", "x", user("x"))])).check(
            "/Operations/0/status",
            "matches",
            json!("^40[05]$"),
        ))
        .then(find("/Users", "userName eq \"eve-{{run}}\"").save("eve"))
        .then(delete("/Users/{{eve.Resources.0.id}}"))
}

// ledger: 7644-3.7-014
fn fail_on_errors() -> Scenario {
    let body = json!({
        "schemas": [BULK_REQUEST],
        "failOnErrors": 1,
        "Operations": [
            create("/Users", "a", user("ada")),
            create("/Users", "b", user("bob")),
        ],
    });
    case("bulk-fail-on-errors", "A job ends after as many errors as the client bears")
        .user("ada")
        .then(post("/Bulk", body).status(200).is(STATUSES, json!(["409"])))
        .then(
            get("/Users")
                .query(json!({"filter": "userName eq \"bob-{{run}}\""}))
                .is("/totalResults", json!(0)),
        )
}

// ledger: 7644-3.7.2-003
fn unresolved() -> Scenario {
    let group = |name: &str, member: &str| {
        json!({
            "schemas": [GROUP],
            "displayName": format!("{name} {{{{run}}}}"),
            "members": [{"value": format!("bulkId:{member}")}],
        })
    };
    case("bulk-unresolved", "A reference to what is not created is an error of the operation that has it")
        .user("ada")
        .then(
            job(json!([
                create("/Users", "taken", user("ada")),
                create("/Groups", "a", group("A", "taken")),
                create("/Groups", "b", group("B", "never")),
            ]))
            .is(STATUSES, json!(["409", "409", "400"]))
            .is("/Operations/2/response/scimType", json!("invalidValue")),
        )
        .then(
            get("/Groups")
                .query(json!({"filter": "displayName ew \" {{run}}\""}))
                .is("/totalResults", json!(0)),
        )
}

fn malformed() -> Scenario {
    let bulk = |body: Json| post("/Bulk", body).error(400, Some("invalidSyntax"));
    let operations = |operations: Json| bulk(json!({"schemas": [BULK_REQUEST], "Operations": operations}));
    case("bulk-malformed", "A job that is malformed is refused as a whole")
        .then(bulk(json!({"schemas": [USER], "Operations": []})))
        .then(bulk(json!({"schemas": [BULK_REQUEST]})))
        .then(bulk(json!({"schemas": [BULK_REQUEST], "Operations": {}})))
        .then(operations(json!(["POST"])))
        .then(operations(json!([{"path": "/Users", "bulkId": "x", "data": {}}])))
        .then(operations(json!([{"method": "POST", "bulkId": "x", "data": {}}])))
        .then(operations(json!([{"method": "GET", "path": "/Users"}])))
}

// ledger: 7644-3.7.4-001, 7644-3.7.4-002
fn too_many() -> Scenario {
    let operation = json!({"method": "DELETE", "path": "/Users/nobody-{{run}}-{{i}}"});
    let body = json!({
        "schemas": [BULK_REQUEST],
        "Operations": [{"$repeat": "{{config.bulk.maxOperations}}", "of": operation}, operation_of_its_own()],
    });
    case("bulk-too-many", "A job over the announced limit is refused, and the limit named")
        .then(
            get("/ServiceProviderConfig")
                .save("config")
                .check("/bulk/maxOperations", "type", json!("integer"))
                .check("/bulk/maxPayloadSize", "type", json!("integer")),
        )
        .then(
            post("/Bulk", body).error(413, None).check("/detail", "contains", json!("maxOperations")).check(
                "/detail",
                "contains",
                json!(" {{config.bulk.maxOperations}} "),
            ),
        )
}

fn operation_of_its_own() -> Json {
    json!({"method": "DELETE", "path": "/Users/nobody-{{run}}"})
}

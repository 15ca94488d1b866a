//! Bulk (RFC 7644 §3.7).

use serde_json::{Value, json};

use crate::support::*;

fn bulk(scim: &Scim, operations: Value) -> Reply {
    scim.post("/Bulk", json!({"schemas": [BULK], "Operations": operations}))
}

fn statuses(reply: &Reply) -> Vec<&str> {
    reply.body["Operations"].as_array().unwrap().iter().map(|o| o["status"].as_str().unwrap()).collect()
}

fn create_user(bulk_id: &str, name: &str) -> Value {
    json!({"method": "POST", "path": "/Users", "bulkId": bulk_id, "data": {"schemas": [USER], "userName": name}})
}

fn create_group(bulk_id: &str, name: &str, member: &str) -> Value {
    json!({"method": "POST", "path": "/Groups", "bulkId": bulk_id,
        "data": {"schemas": [GROUP], "displayName": name, "members": [{"value": format!("bulkId:{member}")}]}})
}

// ledger: 7644-3.7-001, 7644-3.7-002, 7644-3.7-003, 7644-3.7-012, 7644-3.2-005
#[test]
fn a_job_has_its_shape() {
    let scim = strict().build();
    assert_eq!(scim.get("/ServiceProviderConfig").body["bulk"]["supported"], true);
    let done = bulk(&scim, json!([create_user("a", "a"), create_user("b", "b")])).is(200);
    assert_eq!(done.body["schemas"], json!(["urn:ietf:params:scim:api:messages:2.0:BulkResponse"]));
    assert_eq!(statuses(&done), ["201", "201"]);
    scim.post("/Bulk", json!({"schemas": [PATCH], "Operations": []})).fails(400, "invalidSyntax");
    scim.post("/Bulk", json!({"schemas": [BULK]})).fails(400, "invalidSyntax");
    bulk(&scim, json!([{"path": "/Users", "bulkId": "x", "data": {}}])).fails(400, "invalidSyntax");
    bulk(&scim, json!([{"method": "POST", "bulkId": "x", "data": {}}])).fails(400, "invalidSyntax");
    bulk(&scim, json!([{"method": "GET", "path": "/Users"}])).fails(400, "invalidSyntax");
    bulk(&scim, json!([7])).fails(400, "invalidSyntax");
    let off = strict().config(|c| c.bulk = false).build();
    assert_eq!(off.get("/ServiceProviderConfig").body["bulk"]["supported"], false);
    bulk(&off, json!([])).fails(501, "");
}

// ledger: 7644-3.7-008, 7644-3.7-009, 7644-3.7-010, 7644-3.7-011, 7644-3.7-013, 7644-3.7-015, 7644-3.7.3-001
// ledger: 7644-3.7.3-002, 7644-3.7.3-003, 7644-3.12-014
#[test]
fn every_operation_has_its_result() {
    let scim = strict().build();
    let kept = scim.user("kept", json!({}));
    let path = format!("/Users/{}", kept.id());
    let done = bulk(
        &scim,
        json!([
            create_user("one", "one"),
            create_user("two", "KEPT"),
            {"method": "PATCH", "path": path, "data": {"schemas": [PATCH], "Operations": [{"op": "add", "path": "emails[", "value": "x"}]}},
            {"method": "PUT", "path": path, "data": {"schemas": [USER], "userName": "kept", "title": "T"}},
            {"method": "DELETE", "path": "/Users/unknown"},
            create_user("three", "three"),
        ]),
    )
    .is(200);
    assert_eq!(statuses(&done), ["201", "409", "400", "200", "404", "201"]);
    let results = done.body["Operations"].as_array().unwrap();
    let created = scim.found("/Users", "userName eq \"one\"");
    assert_eq!(created, ["one"]);
    assert!(results[0]["location"].as_str().unwrap().starts_with(&format!("{BASE}/Users/")));
    assert_eq!((&results[0]["bulkId"], &results[0]["method"]), (&json!("one"), &json!("POST")));
    assert_eq!(results[0]["version"], "W/\"1\"");
    assert!(results[0].get("response").is_none());
    assert!(results[1].get("location").is_none());
    assert_eq!(results[1]["response"]["scimType"], "uniqueness");
    assert_eq!(
        (&results[2]["response"]["scimType"], &results[2]["location"]),
        (&json!("invalidPath"), &json!(format!("{BASE}{path}")))
    );
    assert_eq!(
        (&results[3]["location"], &results[3]["version"]),
        (&json!(format!("{BASE}{path}")), &json!("W/\"2\""))
    );
    for failed in [1, 2, 4] {
        let response = &results[failed]["response"];
        assert_eq!(response["schemas"], json!([ERROR]));
        assert_eq!(response["status"], results[failed]["status"]);
        assert!(!response["detail"].as_str().unwrap().is_empty());
    }
}

// ledger: 7644-3.7-004, 7644-3.7-006, 7644-3.7-007
#[test]
fn malformed_operations_fail_alone() {
    let scim = strict().build();
    let id = scim.user("u", json!({})).id();
    let done = bulk(
        &scim,
        json!([
            {"method": "POST", "path": "/Users", "data": {"schemas": [USER], "userName": "no-id"}},
            create_user("x", "first"),
            create_user("x", "second"),
            {"method": "POST", "path": format!("/Users/{id}"), "bulkId": "y", "data": {"schemas": [USER], "userName": "z"}},
            {"method": "PUT", "path": format!("/Users/{id}")},
            {"method": "POST", "path": "/Bulk", "bulkId": "b", "data": {"schemas": [BULK], "Operations": []}},
            {"method": "POST", "path": "/Users/.search", "bulkId": "s", "data": {"schemas": [SEARCH]}},
            {"method": "DELETE", "path": "/Nothing/1"},
            {"method": "delete", "path": format!("/Users/{id}")},
        ]),
    )
    .is(200);
    assert_eq!(statuses(&done), ["400", "201", "400", "405", "400", "400", "400", "404", "204"]);
    assert_eq!(done.body["Operations"][0]["response"]["scimType"], "invalidSyntax");
    assert_eq!(done.body["Operations"][4]["response"]["scimType"], "invalidSyntax");
    assert_eq!(names(&scim.get("/Users")), ["first"]);
}

// ledger: 7644-3.7-005
#[test]
fn a_stale_version_fails_the_operation() {
    let scim = strict().build();
    let path = format!("/Users/{}", scim.user("u", json!({})).id());
    let put = |version: &str| json!([{"method": "PUT", "path": path, "version": version, "data": {"schemas": [USER], "userName": "u", "title": version}}]);
    assert_eq!(statuses(&bulk(&scim, put("W/\"9\""))), ["412"]);
    assert_eq!(statuses(&bulk(&scim, put("W/\"1\""))), ["200"]);
}

// ledger: 7644-3.7-014
#[test]
fn a_job_stops_after_so_many_errors() {
    let scim = strict().build();
    scim.user("taken", json!({}));
    let operations = json!([
        create_user("a", "taken"),
        create_user("b", "b"),
        create_user("c", "taken"),
        create_user("d", "d")
    ]);
    let run = |limit: u64| {
        let reply = scim
            .post("/Bulk", json!({"schemas": [BULK], "failOnErrors": limit, "Operations": operations}))
            .is(200);
        statuses(&reply).len()
    };
    assert_eq!(run(1), 1);
    assert_eq!(names(&scim.get("/Users")), ["taken"]);
    assert_eq!(run(2), 3);
    assert_eq!(run(9), 4);
    scim.post("/Bulk", json!({"schemas": [BULK], "failOnErrors": "x", "Operations": []}))
        .fails(400, "invalidSyntax");
}

// ledger: 7644-3.7-016, 7644-3.7.2-001, 7644-3.7.2-002
#[test]
fn bulk_ids_are_replaced_wherever_references_can_be() {
    let scim = strict().build();
    let done = bulk(
        &scim,
        json!([
            create_group("g", "G", "boss"),
            {"method": "POST", "path": "/Users", "bulkId": "worker", "data": {"schemas": [USER, ENTERPRISE], "userName": "worker",
                ENTERPRISE: {"manager": {"value": "bulkId:boss", "$ref": "../Users/bulkId:boss"}}}},
            {"method": "PATCH", "path": "/Users/bulkId:boss", "data": {"schemas": [PATCH], "Operations": [{"op": "add", "path": "title", "value": "Boss"}]}},
            create_user("boss", "boss"),
            {"method": "PATCH", "path": "/Groups/bulkId:g", "data": {"schemas": [PATCH], "Operations": [
                {"op": "add", "path": "members", "value": [{"value": "bulkId:worker"}]},
                {"op": "remove", "path": "members[value eq \"bulkId:boss\"]"}]}},
        ]),
    )
    .is(200);
    assert_eq!(statuses(&done), ["201", "201", "200", "201", "200"]);
    let id = |at: usize| {
        done.body["Operations"][at]["location"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
    };
    let boss = scim.get(&format!("/Users/{}", id(3))).is(200);
    assert_eq!(boss.body["title"], "Boss");
    let worker = scim.get(&format!("/Users/{}", id(1))).is(200);
    assert_eq!(worker.body[ENTERPRISE]["manager"]["value"], boss.id());
    assert_eq!(worker.body[ENTERPRISE]["manager"]["$ref"], format!("{BASE}/Users/{}", boss.id()));
    let members = scim.get(&format!("/Groups/{}", id(0))).body["members"].clone();
    assert_eq!(members.as_array().unwrap().len(), 1);
    assert_eq!(members[0]["value"], worker.id());
}

// ledger: 7644-3.7.1-001
#[test]
fn circles_are_resolved() {
    let scim = strict().build();
    let done = bulk(
        &scim,
        json!([create_group("a", "A", "b"), create_group("b", "B", "a"), create_group("c", "C", "c")]),
    )
    .is(200);
    assert_eq!(statuses(&done), ["201", "201", "201"]);
    let groups = scim.get("/Groups").body;
    assert_eq!(groups["totalResults"], 3);
    let by_name = |name: &str| {
        groups["Resources"].as_array().unwrap().iter().find(|g| g["displayName"] == name).unwrap().clone()
    };
    let (a, b, c) = (by_name("A"), by_name("B"), by_name("C"));
    assert_eq!((&a["members"][0]["value"], &b["members"][0]["value"]), (&b["id"], &a["id"]));
    assert_eq!((&c["members"][0]["value"], &c["members"][0]["type"]), (&c["id"], &json!("Group")));
    // One broken part breaks the circle, and nothing of it stays.
    let broken = json!([create_group("a", "D", "b"), {"method": "POST", "path": "/Groups", "bulkId": "b",
        "data": {"schemas": [GROUP], "members": [{"value": "bulkId:a"}]}}, create_user("u", "u")]);
    let done = bulk(&scim, broken).is(200);
    assert_eq!(statuses(&done), ["409", "400", "201"]);
    assert_eq!(scim.get("/Groups").body["totalResults"], 3);
}

// ledger: 7644-3.7.2-003
#[test]
fn a_bulk_id_that_leads_nowhere_fails_its_operation() {
    let scim = strict().build();
    scim.user("taken", json!({}));
    let done = bulk(
        &scim,
        json!([create_group("g", "G", "nobody"), create_user("t", "taken"), create_group("h", "H", "t")]),
    )
    .is(200);
    assert_eq!(statuses(&done), ["400", "409", "409"]);
    assert_eq!(done.body["Operations"][0]["response"]["scimType"], "invalidValue");
    assert_eq!(scim.get("/Groups").body["totalResults"], 0);
}

// ledger: 7644-3.7.4-001, 7644-3.7.4-002, 7643-5-003
#[test]
fn the_limits_are_as_announced() {
    let scim = strict().config(|c| (c.max_bulk_operations, c.max_bulk_body) = (3, 2000)).build();
    let announced = scim.get("/ServiceProviderConfig").body["bulk"].clone();
    assert_eq!((&announced["maxOperations"], &announced["maxPayloadSize"]), (&json!(3), &json!(2000)));
    let users =
        |n: usize| Value::Array((0..n).map(|i| create_user(&format!("b{i}"), &format!("u{i}"))).collect());
    let over = bulk(&scim, users(4)).fails(413, "");
    assert!(over.body["detail"].as_str().unwrap().contains("maxOperations"));
    assert_eq!(scim.get("/Users").body["totalResults"], 0);
    bulk(&scim, users(3)).is(200);
    let large = json!([{"method": "POST", "path": "/Users", "bulkId": "l", "data": {"schemas": [USER], "userName": "l", "title": "x".repeat(2000)}}]);
    bulk(&scim, large).fails(413, "");
}

/// A thousand operations in the worst order are put in order without recursion.
#[test]
fn long_chains_are_put_in_order() {
    let scim = strict().build();
    let mut operations: Vec<Value> =
        (0..999).map(|n| create_group(&format!("g{n}"), &format!("G{n}"), &format!("g{}", n + 1))).collect();
    operations.push(json!({"method": "POST", "path": "/Groups", "bulkId": "g999", "data": {"schemas": [GROUP], "displayName": "end"}}));
    let done = std::thread::Builder::new()
        .stack_size(512 * 1024)
        .spawn(move || bulk(&scim, Value::Array(operations)).is(200))
        .unwrap()
        .join()
        .unwrap();
    assert!(statuses(&done).iter().all(|s| *s == "201"));
}

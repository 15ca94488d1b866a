//! Bodies made to cost more than they look like.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::support::*;

/// An object with very many members costs time in proportion, wherever it stands.
#[test]
#[expect(clippy::disallowed_methods, reason = "the test tells an answer from a hang")]
fn objects_with_many_members_are_read_in_linear_time() {
    let many: Map<String, Value> = (0..40_000).map(|n| (format!("k{n}"), json!(1))).collect();
    let with = |mut body: Value| {
        merge(&mut body, Value::Object(many.clone()));
        body
    };
    let many = Value::Object(many.clone());
    for scim in [strict().build(), lenient().build()] {
        let id = scim.user("ann", json!({})).id();
        let user = format!("/Users/{id}");
        let doors = [
            ("POST", "/Users/.search", with(json!({"schemas": [SEARCH]}))),
            ("POST", "/Users", with(json!({"schemas": [USER], "userName": "bob"}))),
            ("PUT", &user, with(json!({"schemas": [USER], "userName": "ann"}))),
            ("PUT", &user, json!({"schemas": [USER], "userName": "ann", "name": many, "emails": [many]})),
            ("PATCH", &user, json!({"schemas": [PATCH], "Operations": [{"op": "add", "value": many}]})),
            ("PATCH", &user, json!({"schemas": [PATCH], "Operations": [with(json!({"op": "add"}))]})),
            ("POST", "/Bulk", json!({"schemas": [BULK], "Operations": [with(json!({"method": "DELETE"}))]})),
        ];
        for (method, path, body) in doors {
            let start = Instant::now();
            let reply = scim.send(method, path, &body);
            assert!(!reply.status.is_server_error(), "{}", reply.body);
            // Not a measurement: something quadratic hangs for minutes.
            assert!(start.elapsed() < Duration::from_secs(60), "{method} {path}: {:?}", start.elapsed());
        }
    }
}

//! Routes, errors, authentication, `/Me`, discovery, cursors (RFC 7644 §2, §3.2, §3.11 to §3.13, §4; RFC 9865).

use std::collections::BTreeSet;

use http::StatusCode;
use scim_core::{ErrorKind, Subject};
use serde_json::json;

use crate::support::*;

// ledger: 7644-3.12-004, 7644-3.12-005, 7644-3.12-003
#[test]
fn the_table_of_errors() {
    let known = [
        "invalidFilter",
        "tooMany",
        "uniqueness",
        "mutability",
        "invalidSyntax",
        "invalidPath",
        "noTarget",
        "invalidValue",
        "invalidVers",
        "sensitive",
        "invalidCursor",
        "expiredCursor",
        "invalidCount",
    ];
    let mut seen = BTreeSet::new();
    for kind in ErrorKind::ALL {
        let status = kind.status();
        assert!(status.is_client_error() || status.is_server_error(), "{kind:?}");
        let Some(scim_type) = kind.scim_type() else { continue };
        assert!(known.contains(&scim_type), "{scim_type}");
        let expected = match scim_type {
            "uniqueness" => StatusCode::CONFLICT,
            "sensitive" => StatusCode::FORBIDDEN,
            _ => StatusCode::BAD_REQUEST,
        };
        assert_eq!(status, expected, "{scim_type}");
        seen.insert(scim_type);
    }
    assert_eq!(seen, known.into_iter().collect());
}

// ledger: 7644-3.12-001, 7644-3.12-002, 7644-3.2-004
#[test]
fn every_error_is_a_scim_error() {
    let scim = strict().build();
    scim.get("/Nothing").fails(404, "");
    scim.get("/Users/a/b").fails(404, "");
    scim.raw("TRACE", "/Users", &[], b"").fails(405, "");
    scim.post("/Users/x", json!({})).fails(405, "");
    scim.raw("BREW", "/Users/x", &[], b"").fails(405, "");
    scim.with_token(None).get("/Users").fails(401, "");
    scim.with_token(None).get("/Nothing").fails(401, "");
    scim.get(&format!("/Users?filter={}", "x".repeat(20_000))).fails(414, "");
    scim.raw("POST", "/Users", &[("content-type", "text/plain")], b"x").fails(415, "");
    let head = scim.raw("HEAD", "/Nothing", &[], b"").is(404);
    assert!(head.bytes.is_empty());
}

// ledger: 7644-3.2-002, 7644-4-007, 9110-15.5.6-001, 7643-5-001, 7643-6-001, 7643-7-001
#[test]
fn each_endpoint_has_its_methods() {
    let scim = strict().build();
    for (path, allowed) in [
        ("/Users", "GET, HEAD, POST"),
        ("/Users/x", "GET, HEAD, PUT, PATCH, DELETE"),
        ("/Groups", "GET, HEAD, POST"),
        ("/Users/.search", "POST"),
        ("/.search", "POST"),
        ("/Bulk", "POST"),
        ("/Me", "GET, HEAD, POST, PUT, PATCH, DELETE"),
        ("/ServiceProviderConfig", "GET, HEAD"),
        ("/ResourceTypes", "GET, HEAD"),
        ("/ResourceTypes/User", "GET, HEAD"),
        ("/Schemas", "GET, HEAD"),
        ("/Schemas/urn:ietf:params:scim:schemas:core:2.0:User", "GET, HEAD"),
        ("/", "GET, HEAD"),
    ] {
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
            let reply = scim.raw(method, path, &[], b"");
            if allowed.split(", ").any(|m| m == method) {
                assert_ne!(reply.status, 405, "{method} {path}");
            } else {
                assert_eq!(reply.status, 405, "{method} {path}");
                assert_eq!(reply.header("allow"), Some(allowed), "{method} {path}");
            }
        }
    }
}

// ledger: 7644-3.13-001, 7644-3.13-002, 7644-3.13-003, 7644-3.13-004, 7644-3.12-012, 7644-1.3-002
#[test]
fn the_version_segment() {
    let scim = strict().build();
    let id = scim.user("u", json!({})).id();
    assert_eq!(scim.get(&format!("/v2/Users/{id}")).is(200).body, scim.get(&format!("/Users/{id}")).body);
    scim.get("/v1/Users").fails(400, "invalidVers");
    scim.get("/v3/Users").fails(400, "invalidVers");
    scim.get("/vx/Users").fails(404, "");
    // The prefix that the service is mounted under is in every location.
    let seen = scim.get("/Users").body;
    assert_eq!(seen["Resources"][0]["meta"]["location"], format!("{BASE}/Users/{id}"));
}

// ledger: 7644-2-004, 7644-2.2-001, 6750-2.1-001, 6750-2-001, 6750-2.3-001, 6750-3-001, 6750-3-002, 6750-3-003
// ledger: 6750-3.1-001, 9110-15.5.2-001, 7644-2.1-001, 7644-2-003
#[test]
fn credentials() {
    let scim = strict().build();
    let anonymous = scim.with_token(None);
    let missing = anonymous.get("/Users").fails(401, "");
    assert_eq!(missing.header("www-authenticate"), Some("Bearer realm=\"scim\""));
    anonymous.post("/Users", json!({"schemas": [USER], "userName": "self"})).fails(401, "");
    for wrong in ["wrong", "a-toke", "a-token2", "", "  ", "a b"] {
        let reply = scim.with_token(Some(wrong)).get("/Users").fails(401, "");
        let challenge = reply.header("www-authenticate").unwrap().to_owned();
        assert_eq!(challenge, "Bearer realm=\"scim\", error=\"invalid_token\"");
        for parameter in ["realm=", "error="] {
            assert_eq!(challenge.matches(parameter).count(), 1);
        }
    }
    let ask = |value: &str, path: &str| anonymous.get_with(path, &[("authorization", value)]);
    for scheme in ["Bearer", "bearer", "BEARER"] {
        ask(&format!("{scheme} a-token"), "/Users").is(200);
    }
    // Basic is neither taken nor announced.
    ask("Basic YTpi", "/Users").fails(401, "");
    let schemes = anonymous.get("/ServiceProviderConfig").body["authenticationSchemes"].clone();
    assert!(schemes.as_array().unwrap().iter().all(|s| s["type"] == "oauthbearertoken"));
    ask("non-token", "/Users").fails(401, "");
    let both = ask("Bearer a-token", "/Users?access_token=a-token").fails(400, "");
    assert!(both.header("www-authenticate").unwrap().contains("error=\"invalid_request\""));
    anonymous.get("/Users?access_token=a-token").fails(401, "");
    let twice = [("authorization", "Bearer a-token"), ("authorization", "Bearer a-token")];
    anonymous.get_with("/Users", &twice).fails(400, "");
    let reader = scim.with_token(Some("read-only"));
    reader.get("/Users").is(200);
    reader.post("/Users/.search", json!({"schemas": [SEARCH]})).is(200);
    reader.post("/Users", json!({"schemas": [USER], "userName": "x"})).fails(403, "");
    reader.post("/Bulk", json!({"schemas": [BULK], "Operations": []})).fails(403, "");
    reader.delete("/Users/x").fails(403, "");
}

// ledger: 7644-2-005, 7644-2-006, 7644-6-001, 7644-6.1-001, 7644-6.2-001, 7643-3.1-012
#[test]
fn tenants_do_not_see_each_other() {
    let one = strict().build();
    let two = one.with_token(Some("other-token"));
    let mine = one.user("same", json!({"externalId": "x"}));
    let group = one.group("G", &[]);
    let theirs = two.user("same", json!({"externalId": "x"}));
    let path = format!("/Users/{}", mine.id());
    let unknown = two.get("/Users/user-9999").fails(404, "");
    assert_eq!(two.get(&path).fails(404, "").body, unknown.body);
    two.put(&path, json!({"schemas": [USER], "userName": "z"})).fails(404, "");
    two.patch(&path, json!([{"op": "add", "path": "title", "value": "z"}])).fails(404, "");
    two.delete(&path).fails(404, "");
    two.delete(&format!("/Groups/{}", group.id())).fails(404, "");
    let member = json!({"schemas": [GROUP], "displayName": "H", "members": [{"value": mine.id()}]});
    assert!(two.post("/Groups", member).is(201).body.get("members").is_none());
    assert_eq!(two.filter("/Users", "externalId eq \"x\"").body["Resources"][0]["id"], theirs.id());
    assert_eq!(one.filter("/Users", "externalId eq \"x\"").body["Resources"][0]["id"], mine.id());
    assert_eq!(one.get(&path).is(200).body, mine.body);
}

// ledger: 7644-3.11-001, 7644-3.11-003, 7644-3.11-004, 7644-7.7-002
#[test]
fn me() {
    let scim = strict().build();
    scim.get("/Me").fails(501, "");
    scim.post("/Me", json!({})).fails(501, "");
    let mut setup = strict();
    setup.caller = |c| scim_core::Caller {
        subject: Some(Subject { resource_type: "User".into(), id: "user-0000".into() }),
        ..c
    };
    let scim = setup.build();
    scim.get("/Me").fails(404, "");
    let made = scim.user("me", json!({}));
    assert_eq!(made.id(), "user-0000");
    let me = scim.get("/Me").is(200);
    assert_eq!(me.body, made.body);
    assert_eq!(me.header("location"), Some(format!("{BASE}/Users/user-0000").as_str()));
    assert_eq!(
        scim.patch("/Me", json!([{"op": "add", "path": "title", "value": "T"}])).is(200).body["title"],
        "T"
    );
    scim.put("/Me", json!({"schemas": [USER], "userName": "me2"})).is(200);
    scim.post("/Me", json!({"schemas": [USER], "userName": "me3"})).fails(501, "");
    scim.delete("/Me").is(204);
}

// ledger: 7644-4-001, 7644-4-002, 7644-4-003, 7644-4-004, 7644-4-005, 7644-4-006, 7644-3.1-001, 7644-3.1-002, 7644-3.1-003
#[test]
fn discovery() {
    let scim = strict().build().with_token(None);
    let config = scim.get("/ServiceProviderConfig").is(200);
    assert_eq!(
        config.body["schemas"],
        json!(["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"])
    );
    let schemas = scim.get("/Schemas").is(200);
    assert_eq!(schemas.body["schemas"], json!([LIST]));
    let ids: Vec<&str> =
        schemas.body["Resources"].as_array().unwrap().iter().map(|s| s["id"].as_str().unwrap()).collect();
    assert_eq!(schemas.body["totalResults"], ids.len());
    for urn in [USER, GROUP, ENTERPRISE] {
        assert!(ids.contains(&urn));
        assert_eq!(scim.get(&format!("/Schemas/{urn}")).is(200).body["id"], urn);
    }
    assert!(!ids.iter().any(|id| id.starts_with("urn:ietf:params:scim:api:")));
    for message in [ERROR, LIST, PATCH, BULK, SEARCH] {
        assert!(message.starts_with("urn:ietf:params:scim:api:"));
        scim.get(&format!("/Schemas/{message}")).fails(404, "");
    }
    let types = scim.get("/ResourceTypes").is(200);
    assert_eq!(types.body["totalResults"], 2);
    assert_eq!(scim.get("/ResourceTypes/User").is(200).body["schema"], USER);
    scim.get("/ResourceTypes/Unheard").fails(404, "");
    assert_eq!(scim.get("/Schemas?startIndex=2&count=1&sortBy=id&attributes=name").body, schemas.body);
    for path in ["/Schemas", "/ResourceTypes", "/ServiceProviderConfig"] {
        scim.get(&format!("{path}?filter=id%20pr")).fails(403, "");
    }
    let closed = strict().config(|c| c.public_discovery = false).build();
    closed.with_token(None).get("/Schemas").fails(401, "");
    closed.get("/Schemas").is(200);
}

fn seven() -> Scim {
    let scim = strict().config(|c| c.max_page_size = 4).build();
    for n in 0..7 {
        scim.user(&format!("u{n}"), json!({"title": if n % 2 == 0 { "even" } else { "odd" }}));
    }
    scim
}

// ledger: 9865-2-001, 9865-2-003, 9865-2-004, 9865-2-005, 9865-2-006, 9865-2-008, 9865-2-009, 9865-2.2-001
#[test]
fn walking_by_cursor() {
    let scim = seven();
    for query in ["cursor&count=2", "cursor=&count=2", "count=2&cursor="] {
        assert_eq!(names(&scim.get(&format!("/Users?{query}")).is(200)), ["u0", "u1"]);
    }
    for order in ["", "&sortBy=userName&sortOrder=descending", "&sortBy=title"] {
        let whole: Vec<String> = {
            let first = names(&scim.get(&format!("/Users?startIndex=1&count=4{order}")));
            let rest = names(&scim.get(&format!("/Users?startIndex=5&count=4{order}")));
            first.into_iter().chain(rest).collect()
        };
        let (mut walked, mut cursor, mut pages) = (Vec::new(), String::new(), Vec::new());
        loop {
            let page = scim.get(&format!("/Users?cursor={cursor}&count=2{order}")).is(200);
            assert_eq!(page.body["totalResults"], 7);
            assert!(page.body.get("startIndex").is_none());
            assert!(names(&page).len() <= 2);
            assert_eq!(page.body.get("previousCursor").is_some(), !pages.is_empty());
            walked.extend(names(&page));
            let next = page.body["nextCursor"].as_str().map(str::to_owned);
            pages.push(page);
            let Some(next) = next else { break };
            assert!(next.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b)));
            cursor = next;
        }
        assert_eq!(walked, whole, "{order}");
        assert_eq!(pages.len(), 4);
        for pair in pages.windows(2) {
            let back = pair[1].body["previousCursor"].as_str().unwrap();
            assert_eq!(names(&scim.get(&format!("/Users?cursor={back}&count=2{order}"))), names(&pair[0]));
        }
    }
    for count in ["0", "-3"] {
        let none = scim.get(&format!("/Users?cursor&count={count}")).is(200);
        assert_eq!((names(&none).len(), &none.body["totalResults"]), (0, &json!(7)));
    }
}

// ledger: 9865-2-007, 9865-2.1-001, 9865-2.1-004, 9865-2.4-003, 9865-5.2-001, 9865-5.2-002, 9865-5.2-003, 9865-5.2-004
#[test]
fn a_cursor_is_good_for_its_query_only() {
    let scim = seven();
    let first = scim.get("/Users?cursor&count=2").is(200);
    let cursor = first.body["nextCursor"].as_str().unwrap();
    let at = |scim: &Scim, query: &str| scim.get(&format!("/Users?cursor={cursor}&{query}"));
    assert_eq!(names(&at(&scim, "count=2").is(200)), ["u2", "u3"]);
    assert_eq!(names(&at(&scim, "").is(200)), ["u2", "u3"]);
    for other in ["count=2&filter=title%20pr", "count=2&sortBy=title", "count=2&attributes=title"] {
        at(&scim, other).fails(400, "invalidCursor");
    }
    scim.get(&format!("/Groups?cursor={cursor}&count=2")).fails(400, "invalidCursor");
    at(&scim, "count=3").fails(400, "invalidCount");
    scim.get("/Users?cursor&count=5").fails(400, "invalidCount");
    at(&scim, "count=2&startIndex=1").fails(400, "invalidValue");
    scim.get("/Users?cursor=!!!").fails(400, "invalidCursor");
    let foreign = at(&scim.with_token(Some("other-token")), "count=2").fails(400, "invalidCursor");
    let nonsense = scim
        .with_token(Some("other-token"))
        .get("/Users?cursor=nonsense&count=2")
        .fails(400, "invalidCursor");
    assert_eq!(foreign.body, nonsense.body);
    // Other credentials for the same tenant, and none.
    at(&scim.with_token(Some("second-token")), "count=2").fails(400, "invalidCursor");
    at(&scim.with_token(Some("revoked")), "count=2").fails(401, "");
}

// ledger: 9865-4-001, 9865-4-002, 9865-4-003, 9865-2.4-001, 9865-2.4-002, 9865-2.3-001, 9865-5.1-001
#[test]
fn paging_is_as_announced() {
    let scim = seven();
    let config = scim.get("/ServiceProviderConfig").body["pagination"].clone();
    assert_eq!((&config["cursor"], &config["index"]), (&json!(true), &json!(true)));
    assert_eq!(config["defaultPaginationMethod"], "index");
    assert_eq!(config["maxPageSize"], 4);
    assert!(scim.get("/Users").body.get("nextCursor").is_none());
    assert_eq!(scim.get("/Users").body["startIndex"], 1);
    // Cursors end when they are announced to.
    let cursor = scim.get("/Users?cursor&count=2").body["nextCursor"].as_str().unwrap().to_owned();
    scim.world.advance(i64::try_from(config["cursorTimeout"].as_u64().unwrap()).unwrap());
    scim.get(&format!("/Users?cursor={cursor}&count=2")).fails(400, "expiredCursor");
    let by_cursor = strict().config(|c| (c.cursor_by_default, c.default_page_size) = (true, 1)).build();
    by_cursor.user("a", json!({}));
    by_cursor.user("b", json!({}));
    assert_eq!(
        by_cursor.get("/ServiceProviderConfig").body["pagination"]["defaultPaginationMethod"],
        "cursor"
    );
    let first = by_cursor.get("/Users").is(200);
    assert!(first.body["nextCursor"].is_string() && first.body.get("startIndex").is_none());
    // A cursor holds its own state: another process with the same key goes on with it.
    let next = first.body["nextCursor"].as_str().unwrap();
    let twin = strict().config(|c| (c.cursor_by_default, c.default_page_size) = (true, 1)).build();
    twin.user("a", json!({}));
    twin.user("b", json!({}));
    assert_eq!(names(&twin.get(&format!("/Users?cursor={next}"))), ["b"]);
}

// ledger: 7644-1.3-001, 7644-7.1-001
#[test]
fn the_base_url_is_one() {
    use scim_core::{BearerToken, BuildError, MemoryStore, Service};
    let build = |base: &str| {
        Service::builder(base, MemoryStore::standard(), BearerToken::new("x"), World::default()).build().err()
    };
    for bad in [
        "https://h/v2?x=1",
        "https://user:pw@h/v2",
        "https://h/v2#f",
        "/v2",
        "ftp://h/v2",
        "h",
        "",
        "https:///x",
    ] {
        assert_eq!(build(bad), Some(BuildError::BaseUrl), "{bad}");
    }
    for good in ["https://h", "https://h/", "http://127.0.0.1:8000/scim/t1/v2"] {
        assert_eq!(build(good), None, "{good}");
    }
}

//! Entity tags and conditional requests (RFC 7644 §3.14, RFC 9110 §13).

use serde_json::json;

use crate::support::*;

// ledger: 7644-3.14-001, 7644-3.14-002, 7644-3.14-003, 7643-3.1-020, 7643-3.1-021, 9110-8.8.3-001
#[test]
fn single_resources_carry_their_tag() {
    let scim = strict().build();
    assert_eq!(scim.get("/ServiceProviderConfig").body["etag"]["supported"], true);
    let made = scim.user("u", json!({}));
    let path = format!("/Users/{}", made.id());
    let mut seen = Vec::new();
    let replies = [
        made,
        scim.get(&path),
        scim.put(&path, json!({"schemas": [USER], "userName": "u", "title": "T"})),
        scim.patch(&path, json!([{"op": "replace", "path": "title", "value": "U"}])),
    ];
    for reply in replies {
        let tag = reply.header("etag").unwrap().to_owned();
        assert_eq!(reply.body["meta"]["version"], tag);
        let opaque = tag.strip_prefix("W/\"").and_then(|t| t.strip_suffix('"')).unwrap();
        assert!(!opaque.is_empty() && !opaque.contains('"'));
        seen.push(tag);
    }
    assert_eq!(seen[0], seen[1]);
    assert!(seen[1] != seen[2] && seen[2] != seen[3]);
}

// ledger: 7644-3.14-004, 9110-13.1.2-001, 9110-15.4.5-001
#[test]
fn a_client_that_has_the_version_gets_304() {
    let scim = strict().build();
    let user = scim.user("u", json!({}));
    let path = format!("/Users/{}", user.id());
    let tag = user.header("etag").unwrap();
    for value in
        [tag.to_owned(), tag.trim_start_matches("W/").to_owned(), format!("\"x\", {tag}"), "*".to_owned()]
    {
        let reply = scim.get_with(&path, &[("if-none-match", &value)]).is(304);
        assert!(reply.bytes.is_empty());
        assert_eq!(reply.header("etag"), Some(tag));
    }
    scim.get_with(&path, &[("if-none-match", "W/\"other\"")]).is(200);
    let put = json!({"schemas": [USER], "userName": "u", "title": "T"});
    scim.send_with("PUT", &path, &[("if-none-match", "*")], &put).fails(412, "");
    assert!(scim.get(&path).body.get("title").is_none());
}

// ledger: 7644-3.14-005, 9110-13.1.1-001, 9110-13.1.1-002, 9110-13.1.1-003
#[test]
fn a_stale_write_does_nothing() {
    let scim = strict().build();
    let user = scim.user("u", json!({}));
    let path = format!("/Users/{}", user.id());
    let put = |title: &str| json!({"schemas": [USER], "userName": "u", "title": title});
    let patch = |title: &str| json!({"schemas": [PATCH], "Operations": [{"op": "replace", "path": "title", "value": title}]});
    let first = user.header("etag").unwrap().to_owned();
    let second = scim.send_with("PUT", &path, &[("if-match", &first)], &put("A")).is(200);
    let second = second.header("etag").unwrap().to_owned();
    let stale = [("if-match", first.as_str())];
    scim.send_with("PUT", &path, &stale, &put("B")).fails(412, "");
    scim.send_with("PATCH", &path, &stale, &patch("B")).fails(412, "");
    scim.raw("DELETE", &path, &stale, b"").fails(412, "");
    scim.get_with(&path, &stale).fails(412, "");
    let now = scim.get(&path);
    assert_eq!((&now.body["title"], now.header("etag")), (&json!("A"), Some(second.as_str())));
    scim.send_with("PATCH", &path, &[("if-match", &format!("W/\"0\", {second}"))], &patch("C")).is(200);
    scim.send_with("PATCH", &path, &[("if-match", "*")], &patch("D")).is(200);
    scim.raw("DELETE", &path, &[("if-match", "*")], b"").is(204);
    scim.send_with("PUT", &path, &[("if-match", "*")], &put("E")).fails(404, "");
}

// ledger: 9110-13.2.2-001
#[test]
fn other_checks_come_before_the_condition() {
    let scim = strict().build();
    let path = format!("/Users/{}", scim.user("u", json!({})).id());
    let stale = [("if-match", "W/\"0\"")];
    scim.with_token(None).raw("DELETE", &path, &stale, b"").is(401);
    scim.with_token(Some("read-only")).raw("DELETE", &path, &stale, b"").is(403);
    scim.raw("DELETE", "/Users/unknown", &stale, b"").is(404);
    scim.raw("DELETE", &path, &stale, b"").is(412);
}

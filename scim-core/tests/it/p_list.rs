//! Lists: paging, sorting, filters in URLs, search by POST (RFC 7644 §3.4.2, §3.4.3).

use serde_json::json;

use crate::support::*;

fn five() -> Scim {
    let scim = strict().build();
    for name in ["eve", "adam", "Carol", "bob", "dan"] {
        scim.user(name, json!({"externalId": format!("x-{name}")}));
    }
    scim
}

// ledger: 7644-3.4.2-003, 7644-3.4.2-004, 7644-3.4.2-005, 7644-3.4.2-007, 7644-3.4.2.2-001
#[test]
fn a_list_has_its_shape_also_when_it_is_empty() {
    let scim = five();
    let all = scim.get("/Users").is(200);
    assert_eq!(all.body["schemas"], json!([LIST]));
    assert_eq!(
        (&all.body["totalResults"], &all.body["itemsPerPage"], &all.body["startIndex"]),
        (&json!(5), &json!(5), &json!(1))
    );
    let none = scim.filter("/Users", "userName eq \"nobody\"").is(200);
    assert_eq!((&none.body["totalResults"], &none.body["Resources"]), (&json!(0), &json!([])));
    assert_eq!(scim.get("/ServiceProviderConfig").body["filter"]["supported"], true);
}

// ledger: 7644-3.4.2-002
#[test]
fn unknown_parameters_are_ignored() {
    let scim = five();
    assert_eq!(scim.get("/Users?foo=bar&aadOptscim062020").is(200).body["totalResults"], 5);
}

// ledger: 7644-3.4.2-006, 7644-3.4.2.4-001, 7644-3.4.2.4-002, 7644-3.4.2.4-003, 7644-3.4.2.4-004
// ledger: 7644-3.4.2.4-005, 7644-3.4.2.4-006, 7644-3.4.2.4-007
#[test]
fn pages_by_index() {
    let scim = five();
    let page = |query: &str| {
        let reply = scim.get(&format!("/Users?{query}")).is(200);
        assert_eq!(reply.body["totalResults"], 5);
        assert_eq!(reply.body["itemsPerPage"], names(&reply).len());
        (reply.body["startIndex"].as_u64().unwrap(), names(&reply).len())
    };
    assert_eq!(page("count=1"), (1, 1));
    assert_eq!(page("startIndex=3&count=2"), (3, 2));
    assert_eq!(page("startIndex=5&count=9"), (5, 1));
    assert_eq!(page("startIndex=0"), (1, 5));
    assert_eq!(page("startIndex=-5"), (1, 5));
    assert_eq!(page("count=0"), (1, 0));
    assert_eq!(page("count=-1"), (1, 0));
    assert_eq!(page("startIndex=999"), (999, 0));
    assert_eq!(page("startIndex=99999999999999999999&count=99999999999999999999").1, 0);
    for query in ["count=abc", "startIndex=1.5", "count=", "startIndex=x&count=1", "count=1&count=2"] {
        scim.get(&format!("/Users?{query}")).fails(400, "invalidValue");
    }
    // Walking page by page shows each once, in a stable order.
    let mut walked = Vec::new();
    for start in 1..=5 {
        walked.extend(names(&scim.get(&format!("/Users?startIndex={start}&count=1"))));
    }
    assert_eq!(walked, names(&scim.get("/Users")));
}

#[test]
fn the_page_size_is_bounded_as_announced() {
    let scim = strict().config(|c| (c.max_page_size, c.default_page_size) = (3, 2)).build();
    for n in 0..5 {
        scim.user(&format!("u{n}"), json!({}));
    }
    assert_eq!(scim.get("/ServiceProviderConfig").body["filter"]["maxResults"], 3);
    assert_eq!(names(&scim.get("/Users?count=99")).len(), 3);
    assert_eq!(names(&scim.get("/Users")).len(), 2);
}

// ledger: 7644-3.4.2.3-001, 7644-3.4.2.3-004, 7644-3.4.2.3-005, 7644-3.4.2.3-006
#[test]
fn sorting_follows_the_attribute() {
    let scim = five();
    assert_eq!(scim.get("/ServiceProviderConfig").body["sort"]["supported"], true);
    assert_eq!(names(&scim.get("/Users?sortBy=userName")), ["adam", "bob", "Carol", "dan", "eve"]);
    let descending = scim.get("/Users?sortBy=userName&sortOrder=descending");
    assert_eq!(names(&descending), ["eve", "dan", "Carol", "bob", "adam"]);
    // Case-exact: by code point.
    assert_eq!(names(&scim.get("/Users?sortBy=externalId")), ["Carol", "adam", "bob", "dan", "eve"]);
    scim.get("/Users?sortBy=userName&sortOrder=sideways").fails(400, "invalidValue");
    // Without a value: last, or first when descending.
    let plain = scim.user("zed", json!({"title": "Boss"}));
    assert_eq!(names(&scim.get("/Users?sortBy=title"))[0], "zed");
    assert_eq!(names(&scim.get("/Users?sortBy=title&sortOrder=descending"))[5], "zed");
    drop(plain);
    // By instant.
    assert_eq!(names(&scim.get("/Users?sortBy=meta.created")), names(&scim.get("/Users")));
}

// ledger: 7644-3.4.2.3-002, 7644-3.4.2.3-003
#[test]
fn sorting_by_complex_attributes() {
    let scim = strict().build();
    let emails = |primary: &str, first: &str| json!({"emails": [{"value": first, "type": "work"}, {"value": primary, "type": "home", "primary": true}]});
    scim.user("one", emails("b@x.example", "a@x.example"));
    scim.user("two", emails("a@x.example", "z@x.example"));
    scim.user("three", json!({"emails": [{"value": "ab@x.example"}], "name": {"givenName": "Al"}}));
    assert_eq!(names(&scim.get("/Users?sortBy=emails.value")), ["two", "three", "one"]);
    assert_eq!(names(&scim.get("/Users?sortBy=emails")), ["two", "three", "one"]);
    assert_eq!(names(&scim.get("/Users?sortBy=name.givenName"))[0], "three");
    scim.get("/Users?sortBy=name").fails(400, "invalidValue");
    scim.get("/Users?sortBy=[").fails(400, "invalidValue");
    scim.get("/Users?sortBy=unheardOf").is(200);
}

// ledger: 7644-1.2-001
#[test]
fn a_url_is_decoded_once() {
    let scim = strict().build();
    for name in ["a+b", "a%b", "a%22b", "a b", "ü&="] {
        scim.user(name, json!({}));
        assert_eq!(scim.found("/Users", &format!("userName eq \"{name}\"")), [name]);
    }
    assert_eq!(names(&scim.get("/Users?filter=userName+eq+%22a+b%22")), ["a b"]);
    assert_eq!(names(&scim.get("/Users?filter=userName%20eq%20%22a%2Bb%22")), ["a+b"]);
    assert_eq!(names(&scim.get("/Users?filter=userName%20eq%20%22a%2522b%22")), ["a%22b"]);
    scim.get("/Users?filter=%FF").fails(400, "invalidValue");
}

// ledger: 7644-3.4.2-001, 7644-3.4.2.1-001, 7644-3.4.2.1-002, 7644-3.4.2.1-004
#[test]
fn the_service_root_is_searched_over_all_types() {
    let scim = strict().build();
    let user = scim.user("u", json!({"displayName": "A user"})).id();
    scim.group("A group", &[&user]);
    for (filter, expected) in [
        ("displayName pr", 2),
        ("meta.resourceType eq \"User\"", 1),
        ("meta.resourceType eq \"Group\"", 1),
        ("members pr", 1),
        ("not (members pr)", 1),
        ("userName eq \"u\" or members.value eq \"none\"", 1),
    ] {
        assert_eq!(scim.filter("/", filter).is(200).body["totalResults"], expected, "{filter}");
    }
    assert_eq!(scim.get("/").is(200).body["totalResults"], 2);
    scim.post("/", json!({})).fails(405, "");
}

// ledger: 7644-3.4.2.1-003
#[test]
fn a_root_query_over_the_limit_is_refused() {
    let scim = strict().config(|c| c.max_root_results = 2).build();
    for n in 0..3 {
        scim.user(&format!("u{n}"), json!({}));
    }
    scim.get("/").fails(400, "tooMany");
    scim.filter("/", "userName eq \"u1\"").is(200);
}

// ledger: 7644-3.4.3-001, 7644-3.4.3-002, 7644-3.4.3-003, 7644-3.4.3-004, 7644-3.4.3-005, 7644-3.4.3-006
#[test]
fn a_search_by_post_is_a_query() {
    let scim = five();
    scim.group("G", &[]);
    let search = |path: &str, more: serde_json::Value| {
        let mut body = json!({"schemas": [SEARCH]});
        merge(&mut body, more);
        scim.post(path, body)
    };
    assert_eq!(search("/.search", json!({})).is(200).body["totalResults"], 6);
    assert_eq!(search("/Users/.search", json!({})).is(200).body, scim.get("/Users").body);
    assert_eq!(search("/Groups/.search", json!({})).is(200).body["totalResults"], 1);
    let found = search(
        "/Users/.search",
        json!({"filter": "userName sw \"a\" or userName sw \"b\"", "attributes": ["userName"], "sortBy": "userName",
               "sortOrder": "descending", "startIndex": 1, "count": 1}),
    )
    .is(200);
    assert_eq!(names(&found), ["bob"]);
    assert_eq!((&found.body["totalResults"], &found.body["itemsPerPage"]), (&json!(2), &json!(1)));
    assert!(found.body["Resources"][0].get("meta").is_none());
    let got = scim.get("/Users?filter=userName%20sw%20%22a%22&excludedAttributes=meta");
    let posted =
        search("/Users/.search", json!({"filter": "userName sw \"a\"", "excludedAttributes": ["meta"]}));
    assert_eq!(got.body, posted.body);
    search("/Users/.search", json!({"filter": "userName"})).fails(400, "invalidFilter");
    search("/Users/.search", json!({"count": "many"})).fails(400, "invalidValue");
    search("/Users/.search", json!({"attributes": [1]})).fails(400, "invalidValue");
    search("/Users/.search", json!({"attributes": ["id"], "excludedAttributes": ["id"]}))
        .fails(400, "invalidValue");
    scim.post("/Users/.search", json!({"schemas": [PATCH]})).fails(400, "invalidSyntax");
    scim.post("/Users/.search", json!({})).fails(400, "invalidSyntax");
    scim.post("/Users/.search", json!([])).fails(400, "invalidSyntax");
    scim.get("/Users/.search").fails(405, "");
    // ledger: 9865-3-001
    let first = search("/Users/.search", json!({"cursor": "", "count": 2})).is(200);
    let next = first.body["nextCursor"].as_str().unwrap();
    let second = search("/Users/.search", json!({"cursor": next, "count": 2})).is(200);
    assert_eq!(names(&second), names(&scim.get("/Users?startIndex=3&count=2")));
}

// ledger: 7644-3.4.2.2-003, 7644-3.4.2.2-010, 7644-3.4.2.2-014, 7644-3.4.2.2-019, 7644-3.4.2.2-021, 7644-3.12-006
#[test]
fn bad_filters_are_told_apart_and_change_nothing() {
    let scim = five();
    for filter in [
        "",
        " ",
        "userName",
        "userName eq",
        "active gt true",
        "x509Certificates.value lt \"AA\"",
        "emails[userName pr]",
        "emails[]",
        "name eq \"x\"",
        "(((",
        "userName eq \"",
        "name.a.b pr",
        "userName eq 'a'",
    ] {
        scim.filter("/Users", filter).fails(400, "invalidFilter");
    }
    let reply = scim.filter("/Users", "userName regex \"s3cr3t\"").fails(400, "invalidFilter");
    let detail = reply.body["detail"].as_str().unwrap();
    assert!(detail.contains("regex") && !detail.contains("s3cr3t"));
}

// ledger: 7643-4.1.1-017, 7643-7-015
#[test]
fn hidden_attributes_can_be_probed_by_no_door() {
    let filters =
        ["password eq \"guess\"", "password pr", "not (password pr)", "userName pr or password sw \"a\""];
    let scim = strict().build();
    scim.user("a", json!({"password": "guess"}));
    for filter in filters {
        scim.filter("/Users", filter).fails(400, "invalidFilter");
    }
    scim.get("/Users?sortBy=password").fails(400, "invalidValue");
    // Outside the strict dialect the answer says why (RFC 7644 §7.5.2).
    let scim = lenient().build();
    scim.user("a", json!({"password": "guess"}));
    for filter in filters {
        scim.filter("/Users", filter).fails(403, "sensitive");
        let body = json!({"schemas": [SEARCH], "filter": filter});
        scim.post("/Users/.search", body.clone()).fails(403, "sensitive");
        scim.post("/.search", body).fails(403, "sensitive");
    }
    scim.get("/Users?sortBy=password").fails(403, "sensitive");
    assert!(scim.get("/Users?attributes=password,userName").body["Resources"][0].get("password").is_none());
}

// ledger: 7644-7.5.2-001
#[test]
fn sensitive_attributes_stay_out_of_urls() {
    let scim = strict().config(|c| c.sensitive_attributes = vec!["phoneNumbers".into()]).build();
    scim.user("a", json!({"phoneNumbers": [{"value": "tel:+1-555"}]}));
    let filter = "phoneNumbers.value co \"555\"";
    scim.filter("/Users", filter).fails(403, "sensitive");
    let found = scim.post("/Users/.search", json!({"schemas": [SEARCH], "filter": filter})).is(200);
    assert_eq!(found.body["totalResults"], 1);
}

/// Filters on what is computed or rendered find what a client sees.
#[test]
fn what_a_get_shows_a_filter_finds() {
    let scim = strict().build();
    let boss = scim.user("boss", json!({})).id();
    let user = scim
        .post(
            "/Users",
            json!({"schemas": [USER, ENTERPRISE], "userName": "u", ENTERPRISE: {"manager": {"value": boss}}}),
        )
        .is(201);
    let group = scim.group("G", &[&user.id()]).is(201);
    let seen = scim.get(&format!("/Users/{}", user.id()));
    let shown = scim.get(&format!("/Groups/{}", group.id()));
    for (endpoint, path, value) in [
        ("/Users", "meta.location", &seen.body["meta"]["location"]),
        ("/Users", "meta.version", &seen.body["meta"]["version"]),
        ("/Users", "meta.created", &seen.body["meta"]["created"]),
        ("/Users", "groups.value", &seen.body["groups"][0]["value"]),
        ("/Users", "groups.$ref", &seen.body["groups"][0]["$ref"]),
        ("/Users", "groups.display", &seen.body["groups"][0]["display"]),
        ("/Users", "groups.type", &seen.body["groups"][0]["type"]),
        ("/Users", &format!("{ENTERPRISE}:manager.$ref"), &seen.body[ENTERPRISE]["manager"]["$ref"]),
        ("/Groups", "members.value", &shown.body["members"][0]["value"]),
        ("/Groups", "members.$ref", &shown.body["members"][0]["$ref"]),
        ("/Groups", "members.type", &shown.body["members"][0]["type"]),
    ] {
        let filter = format!(
            "id eq \"{}\" and {path} eq {value}",
            if endpoint == "/Users" { user.id() } else { group.id() }
        );
        assert_eq!(scim.filter(endpoint, &filter).is(200).body["totalResults"], 1, "{filter}");
    }
}

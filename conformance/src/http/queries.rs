//! Filters, order, pages and projections.

use serde_json::{Value as Json, json};

use super::case::{ENTERPRISE, GROUP, LIST_RESPONSE, SEARCH_REQUEST, USER, case, get, patch, post, put};
use crate::replay::{Scenario, Step};

pub(super) fn cases() -> Vec<Scenario> {
    vec![
        filter(),
        filter_invalid(),
        filter_times(),
        list_response(),
        root(),
        search(),
        search_invalid(),
        sort(),
        sort_invalid(),
        index_paging(),
        cursor_paging(),
        cursor_invalid(),
        attributes(),
        excluded_attributes(),
        projection_of_writes(),
        projection_conflict(),
        parameters(),
    ]
}

/// Three users whose family names and addresses differ in case and order.
fn three(id: &str, title: &str) -> Scenario {
    let user = |name: &str, family: &str, emails: Json| {
        json!({
            "schemas": [USER],
            "userName": format!("{name}-{{{{run}}}}"),
            "externalId": family,
            "name": {"familyName": family},
            "emails": emails,
        })
    };
    case(id, title)
        .given(
            "ada",
            "/Users",
            user("ada", "b", json!([{"value": "z@x.example", "type": "home"}, {"value": "a@x.example", "type": "work", "primary": true}])),
        )
        .given("bob", "/Users", user("bob", "A", json!([{"value": "B@y.example", "type": "work"}])))
        .given("eve", "/Users", json!({"schemas": [USER], "userName": "eve-{{run}}", "externalId": "c"}))
}

/// A query of the users of this run that match.
fn find(filter: &str) -> Step {
    get("/Users").query(json!({"filter": format!("userName ew \"-{{{{run}}}}\" and ({filter})")}))
}

const IDS: &str = "/Resources/[*]/id";

fn filter() -> Scenario {
    let mut scenario = three("filter", "A filter selects what matches it");
    for (filter, ids) in [
        ("userName eq \"ADA-{{run}}\"", json!(["{{ada.id}}"])),
        ("username sw \"B\"", json!(["{{bob.id}}"])),
        ("emails co \"@X.\"", json!(["{{ada.id}}"])),
        ("emails.value ew \"example\"", json!(["{{ada.id}}", "{{bob.id}}"])),
        ("emails[type eq \"work\" and value sw \"a\"]", json!(["{{ada.id}}"])),
        ("emails[type eq \"home\" and value sw \"a\"]", json!([])),
        ("emails[primary eq true]", json!(["{{ada.id}}"])),
        ("name.familyName pr", json!(["{{ada.id}}", "{{bob.id}}"])),
        ("not (emails pr)", json!(["{{eve.id}}"])),
        ("not(emails pr)", json!(["{{eve.id}}"])),
        ("userName sw \"ada\" or userName sw \"bob\" and title pr", json!(["{{ada.id}}"])),
        (
            "(userName sw \"ada\" or userName sw \"bob\") and not (title pr)",
            json!(["{{ada.id}}", "{{bob.id}}"]),
        ),
        ("externalId eq \"A\"", json!(["{{bob.id}}"])),
        ("externalId eq \"a\"", json!([])),
        ("name.familyName eq \"a\"", json!(["{{bob.id}}"])),
        ("userName gt \"ada-zzzz\"", json!(["{{bob.id}}", "{{eve.id}}"])),
        ("id eq \"{{eve.id}}\"", json!(["{{eve.id}}"])),
        ("title eq null", json!(["{{ada.id}}", "{{bob.id}}", "{{eve.id}}"])),
        ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department pr", json!([])),
        (
            "meta.resourceType eq \"User\" AND Active ne false",
            json!(["{{ada.id}}", "{{bob.id}}", "{{eve.id}}"]),
        ),
    ] {
        scenario = scenario.then(find(filter).check(IDS, "unordered", ids));
    }
    scenario
}

// ledger: 7644-3.4.2.2-024
fn filter_invalid() -> Scenario {
    let mut scenario = case("filter-invalid", "A filter that can't be understood is refused");
    for filter in [
        "",
        "userName",
        "userName eq",
        "userName eq bjensen",
        "userName zz \"x\"",
        "userName eq \"x\" and",
        "(userName eq \"x\"",
        "emails[type eq \"work\"",
        "name.a.b pr",
        "active gt true",
        "meta.created co \"2011\"",
        "userName eq 'x'",
        "userName eq \"x\" ; drop",
        "emails[]",
    ] {
        scenario =
            scenario.then(get("/Users").query(json!({"filter": filter})).error(400, Some("invalidFilter")));
    }
    let deep = format!("{}userName pr{}", "(".repeat(1000), ")".repeat(1000));
    scenario.then(get("/Users").query(json!({"filter": deep})).error(400, Some("invalidFilter")))
}

fn filter_times() -> Scenario {
    three("filter-times", "Times are compared as instants")
        .then(find("meta.created ge \"{{ada.meta.created}}\"").is("/totalResults", json!(3)))
        .then(find("meta.lastModified lt \"2011-05-13T04:42:34Z\"").is("/totalResults", json!(0)))
        .then(find("meta.created gt \"2011-05-13T04:42:34+02:00\"").is("/totalResults", json!(3)))
        .then(find("meta.created gt \"yesterday\"").error(400, Some("invalidFilter")))
}

// ledger: 7644-3.4.2-003, 7644-3.4.2-004, 7644-3.4.2-005, 7644-3.4.2-006, 7644-3.4.2-007
fn list_response() -> Scenario {
    three("list", "A list says how many there are, also when there is none")
        .then(
            find("userName pr")
                .is("/schemas", json!([LIST_RESPONSE]))
                .is("/totalResults", json!(3))
                .check("/Resources", "length", json!(3))
                .is("/Resources/0/meta/resourceType", json!("User")),
        )
        .then(find("userName eq \"nobody\"").is("/totalResults", json!(0)).check(
            "/Resources",
            "length",
            json!(0),
        ))
        .then(
            get("/Users")
                .query(json!({"filter": "userName ew \"-{{run}}\"", "count": "1"}))
                .is("/totalResults", json!(3))
                .is("/startIndex", json!(1))
                .is("/itemsPerPage", json!(1))
                .check("/Resources", "length", json!(1)),
        )
}

// ledger: 7644-3.4.2-001, 7644-3.4.2.1-001, 7644-3.4.2.1-002, 7644-3.4.2.1-004
fn root() -> Scenario {
    let named = "displayName eq \"Both {{run}}\"";
    let query = |filter: String| get("/").query(json!({"filter": filter}));
    case("root", "A query of the service root finds resources of every type")
        .given(
            "ada",
            "/Users",
            json!({"schemas": [USER], "userName": "ada-{{run}}", "displayName": "Both {{run}}"}),
        )
        .given("tour", "/Groups", json!({"schemas": [GROUP], "displayName": "Both {{run}}"}))
        .then(query(named.into()).check(IDS, "unordered", json!(["{{ada.id}}", "{{tour.id}}"])))
        .then(query(format!("{named} and meta.resourceType eq \"Group\"")).is(IDS, json!(["{{tour.id}}"])))
        .then(query(format!("{named} and userName pr")).is(IDS, json!(["{{ada.id}}"])))
        .then(post("/.search", json!({"schemas": [SEARCH_REQUEST], "filter": named})).status(200).check(
            IDS,
            "unordered",
            json!(["{{ada.id}}", "{{tour.id}}"]),
        ))
}

// ledger: 7644-3.4.3-001, 7644-3.4.3-003, 7644-3.4.3-005, 7644-3.4.3-006
fn search() -> Scenario {
    let body = json!({
        "schemas": [SEARCH_REQUEST],
        "attributes": ["userName", "name.familyName"],
        "filter": "userName ew \"-{{run}}\"",
        "sortBy": "userName",
        "sortOrder": "descending",
        "startIndex": 2,
        "count": 1,
    });
    let query = json!({
        "attributes": "userName,name.familyName",
        "filter": "userName ew \"-{{run}}\"",
        "sortBy": "userName",
        "sortOrder": "descending",
        "startIndex": "2",
        "count": "1",
    });
    three("search", "A search by POST answers what a query by GET answers")
        .then(
            get("/Users")
                .query(query)
                .save("list")
                .is(IDS, json!(["{{bob.id}}"]))
                .is("/totalResults", json!(3)),
        )
        .then(
            post("/Users/.search", body)
                .status(200)
                .is("/schemas", json!([LIST_RESPONSE]))
                .is("/Resources", json!("{{list.Resources}}"))
                .is("/totalResults", json!("{{list.totalResults}}"))
                .is("/startIndex", json!("{{list.startIndex}}"))
                .is("/itemsPerPage", json!("{{list.itemsPerPage}}")),
        )
}

// ledger: 7644-3.4.3-002, 7644-3.4.3-004
fn search_invalid() -> Scenario {
    let search = |body: Json| post("/Users/.search", body);
    case("search-invalid", "A search that is malformed is refused")
        .then(search(json!({"schemas": [LIST_RESPONSE]})).error(400, Some("invalidSyntax")))
        .then(search(json!(["userName pr"])).error(400, Some("invalidSyntax")))
        .then(
            search(json!({"schemas": [SEARCH_REQUEST], "filter": "userName zz 1"}))
                .error(400, Some("invalidFilter")),
        )
        .then(search(json!({"schemas": [SEARCH_REQUEST], "filter": 7})).statuses(&[400]))
        .then(search(json!({"schemas": [SEARCH_REQUEST], "count": "many"})).error(400, Some("invalidValue")))
}

// ledger: 7644-3.4.2.3-001, 7644-3.4.2.3-002, 7644-3.4.2.3-004, 7644-3.4.2.3-005, 7644-3.4.2.3-006
fn sort() -> Scenario {
    let mut scenario = three("sort", "A list is in the order that is asked for");
    let (ada, bob, eve) = ("{{ada.id}}", "{{bob.id}}", "{{eve.id}}");
    for (by, order, ids) in [
        ("userName", None, [ada, bob, eve]),
        ("userName", Some("ascending"), [ada, bob, eve]),
        ("userName", Some("descending"), [eve, bob, ada]),
        ("name.familyName", None, [bob, ada, eve]),
        ("name.familyName", Some("descending"), [eve, ada, bob]),
        ("externalId", None, [bob, ada, eve]),
        ("emails.value", None, [ada, bob, eve]),
        ("emails", None, [ada, bob, eve]),
        ("meta.created", Some("ascending"), [ada, bob, eve]),
    ] {
        let mut query = json!({"filter": "userName ew \"-{{run}}\"", "sortBy": by});
        if let (Some(order), Some(members)) = (order, query.as_object_mut()) {
            members.insert("sortOrder".into(), order.into());
        }
        scenario = scenario.then(get("/Users").query(query).is(IDS, json!(ids)));
    }
    scenario
}

// ledger: 7644-3.4.2.3-003
fn sort_invalid() -> Scenario {
    case("sort-invalid", "An order that does not exist is refused")
        .then(get("/Users").query(json!({"sortBy": "name"})).error(400, Some("invalidValue")))
        .then(
            get("/Users")
                .query(json!({"sortBy": "userName", "sortOrder": "sideways"}))
                .error(400, Some("invalidValue")),
        )
        .then(get("/Users").query(json!({"sortBy": "emails["})).statuses(&[400]))
}

// ledger: 7644-3.4.2.4-001, 7644-3.4.2.4-002, 7644-3.4.2.4-003, 7644-3.4.2.4-004, 7644-3.4.2.4-006,
// 7644-3.4.2.4-007
fn index_paging() -> Scenario {
    let page = |start: &str, count: &str| {
        get("/Users").query(json!({
            "filter": "userName ew \"-{{run}}\"",
            "sortBy": "userName",
            "startIndex": start,
            "count": count,
        }))
    };
    let list = |start, count, from: i64, ids: Json| {
        page(start, count).is("/totalResults", json!(3)).is("/startIndex", json!(from)).check(
            IDS,
            "unordered",
            ids,
        )
    };
    let all = json!(["{{ada.id}}", "{{bob.id}}", "{{eve.id}}"]);
    three("paging-index", "A page begins where it is asked to and has no more than asked for")
        .then(list("1", "2", 1, json!(["{{ada.id}}", "{{bob.id}}"])))
        .then(list("3", "2", 3, json!(["{{eve.id}}"])))
        .then(list("0", "5", 1, all.clone()))
        .then(list("-7", "5", 1, all))
        .then(page("1", "0").is("/totalResults", json!(3)).check("/Resources", "length", json!(0)))
        .then(page("1", "-1").is("/totalResults", json!(3)).check("/Resources", "length", json!(0)))
        .then(page("999", "5").is("/totalResults", json!(3)).check("/Resources", "length", json!(0)))
        .then(page("one", "5").error(400, Some("invalidValue")))
        .then(page("1", "many").error(400, Some("invalidValue")))
        .then(page("1", "1.5").error(400, Some("invalidValue")))
        .then(page("99999999999999999999", "99999999999999999999").is("/totalResults", json!(3)))
}

fn with_cursor(cursor: &str, count: &str) -> Step {
    get("/Users").query(json!({
        "filter": "userName ew \"-{{run}}\"",
        "sortBy": "userName",
        "cursor": cursor,
        "count": count,
    }))
}

// ledger: 9865-2-001, 9865-2-002, 9865-2-003, 9865-2-004, 9865-2-005, 9865-2-006, 9865-2-009, 9865-2.2-001,
// 9865-3-001
fn cursor_paging() -> Scenario {
    let opaque = "^[A-Za-z0-9._~-]+$";
    let search = json!({
        "schemas": [SEARCH_REQUEST],
        "filter": "userName ew \"-{{run}}\"",
        "sortBy": "userName",
        "cursor": "",
        "count": 2,
    });
    three("paging-cursor", "A cursor leads from page to page until the last")
        .then(
            with_cursor("", "2")
                .save("first")
                .is(IDS, json!(["{{ada.id}}", "{{bob.id}}"]))
                .is("/totalResults", json!(3))
                .is("/itemsPerPage", json!(2))
                .lacks("/startIndex")
                .lacks("/previousCursor")
                .check("/nextCursor", "matches", json!(opaque)),
        )
        .then(
            with_cursor("{{first.nextCursor}}", "2")
                .is(IDS, json!(["{{eve.id}}"]))
                .lacks("/nextCursor")
                .lacks("/startIndex"),
        )
        .then(
            get("/Users")
                .raw_query("cursor&count=2&sortBy=userName&filter=userName+ew+%22-{{run}}%22")
                .is(IDS, json!(["{{ada.id}}", "{{bob.id}}"])),
        )
        .then(with_cursor("", "-3").is("/totalResults", json!(3)).check("/Resources", "length", json!(0)))
        .then(post("/Users/.search", search).status(200).is(IDS, json!(["{{ada.id}}", "{{bob.id}}"])).check(
            "/nextCursor",
            "matches",
            json!(opaque),
        ))
}

// ledger: 9865-2-007, 9865-2.1-001, 9865-2.1-002, 9865-2.1-004, 9865-2.4-003
fn cursor_invalid() -> Scenario {
    let other_filter = json!({
        "filter": "userName ew \"-{{run}}\" and active eq true",
        "sortBy": "userName",
        "cursor": "{{first.nextCursor}}",
        "count": "2",
    });
    three("paging-cursor-invalid", "A cursor is good for the query that it was issued for")
        .then(with_cursor("", "2").save("first"))
        .then(with_cursor("!!!", "2").error(400, Some("invalidCursor")))
        .then(with_cursor("{{first.nextCursor}}A", "2").error(400, Some("invalidCursor")))
        .then(get("/Users").query(other_filter).error(400, Some("invalidCursor")))
        .then(with_cursor("{{first.nextCursor}}", "1").error(400, Some("invalidCount")))
        .then(get("/Users").query(json!({"cursor": "", "startIndex": "1"})).error(400, Some("invalidValue")))
}

// ledger: 7644-3.4.2.5-001, 7644-3.4.2.5-002, 7644-3.4.2.5-004, 7643-3.1-004
fn attributes() -> Scenario {
    three("attributes", "Only the attributes that are asked for are shown, and those that always are")
        .then(
            get("/Users/{{ada.id}}")
                .query(json!({"attributes": "userName"}))
                .is("/id", json!("{{ada.id}}"))
                .is("/schemas", json!([USER]))
                .is("/userName", json!("ada-{{run}}"))
                .lacks("/emails")
                .lacks("/name")
                .lacks("/meta"),
        )
        .then(
            get("/Users/{{ada.id}}")
                .query(json!({"attributes": format!("NAME.familyname,emails.type,{ENTERPRISE}:department")}))
                .is("/name", json!({"familyName": "b"}))
                .is("/emails", json!([{"type": "home"}, {"type": "work"}]))
                .lacks("/userName"),
        )
        .then(
            get("/Users/{{ada.id}}")
                .query(json!({"attributes": "meta.location,unheardOf"}))
                .is("/meta", json!({"location": "{{base}}/Users/{{ada.id}}"})),
        )
}

// ledger: 7644-3.4.2.5-003, 7643-3.1-009
fn excluded_attributes() -> Scenario {
    three("excluded-attributes", "Attributes that are excluded are not shown, but those that always are")
        .then(
            get("/Users/{{ada.id}}")
                .query(json!({"excludedAttributes": "id,userName,schemas,emails.type,name"}))
                .is("/id", json!("{{ada.id}}"))
                .is("/schemas", json!([USER]))
                .lacks("/name")
                .is("/emails/0", json!({"value": "z@x.example"}))
                .is("/externalId", json!("b")),
        )
        .then(
            find("userName sw \"ada\"")
                .query(json!({"filter": "userName eq \"ada-{{run}}\"", "excludedAttributes": "meta,emails"}))
                .is("/Resources/0/id", json!("{{ada.id}}"))
                .lacks("/Resources/0/meta")
                .lacks("/Resources/0/emails"),
        )
}

// ledger: 7644-3.9-001, 7644-3.9-002
fn projection_of_writes() -> Scenario {
    let user = |title: &str| json!({"schemas": [USER], "userName": "ada-{{run}}", "title": title});
    let only = json!({"attributes": "title"});
    case("projection-of-writes", "The answer to a write can be cut like the answer to a read")
        .then(
            post("/Users", user("a"))
                .query(only.clone())
                .save("ada")
                .is("/title", json!("a"))
                .lacks("/userName"),
        )
        .then(
            put("/Users/{{ada.id}}", user("b"))
                .query(json!({"excludedAttributes": "title"}))
                .is("/userName", json!("ada-{{run}}"))
                .lacks("/title"),
        )
        .then(
            patch("/Users/{{ada.id}}", json!([{"op": "replace", "path": "title", "value": "c"}]))
                .query(only)
                .is("/title", json!("c"))
                .is("/id", json!("{{ada.id}}"))
                .lacks("/userName"),
        )
}

// ledger: 7644-3.9-003
fn projection_conflict() -> Scenario {
    let both = json!({"attributes": "userName", "excludedAttributes": "title"});
    case("projection-conflict", "attributes and excludedAttributes exclude each other")
        .user("ada")
        .then(get("/Users/{{ada.id}}").query(both.clone()).error(400, Some("invalidValue")))
        .then(get("/Users").query(both).error(400, Some("invalidValue")))
}

// ledger: 7644-3.4.2-002
fn parameters() -> Scenario {
    case("parameters", "Parameters that are unknown are ignored, and one given twice has no meaning")
        .then(get("/Users").raw_query("foo=bar&baz&=&count=0"))
        .then(get("/Users").raw_query("count=0&filter=userName%20eq%20%22%E9%22").statuses(&[400]))
        .then(get("/Users").raw_query("count=0&count=1").error(400, Some("invalidValue")))
}

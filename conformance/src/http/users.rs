//! Creating, reading, replacing, changing and deleting a resource.

use serde_json::json;

use super::case::{ENTERPRISE, USER, case, delete, get, patch, post, put};
use crate::replay::Scenario;

pub(super) fn cases() -> Vec<Scenario> {
    vec![
        create(),
        create_ignores_read_only(),
        create_conflict(),
        create_invalid(),
        names_without_case(),
        values(),
        multi_valued(),
        external_id(),
        password(),
        extension(),
        unicode(),
        not_found(),
        replace(),
        replace_without_change(),
        replace_invalid(),
        change(),
        change_without_effect(),
        change_refused(),
        change_is_atomic(),
        remove(),
    ]
}

// ledger: 7644-3.3-001, 7644-3.3-005, 7644-3.3-006, 7644-3.3-007, 7644-3.3.1-001, 7644-3.4.1-001,
// 7644-3.1-004, 7643-3.1-002, 7643-3.1-017, 7643-3.1-018, 9110-10.2.2-001, 7644-3.14-001,
// 7644-3.14-002
fn create() -> Scenario {
    let created = "^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(\\.\\d+)?(Z|[+-]\\d\\d:\\d\\d)$";
    let body = json!({
        "schemas": [USER],
        "userName": "ada-{{run}}",
        "externalId": "AbC-{{run}}",
        "name": {"givenName": "Ada", "familyName": "Lovelace", "formatted": "Ada Lovelace"},
        "emails": [{"value": "ada@example.com", "type": "work", "primary": true}],
        "active": true,
    });
    case("create", "A created resource is answered as it is then read")
        .then(
            post("/Users", body)
                .save("ada")
                .answers("location", "^{{base}}/Users/{{ada.id}}$")
                .answers("etag", "^W/\"[^\"]+\"$")
                .answers("content-type", "^application/scim\\+json")
                .is("/schemas", json!([USER]))
                .is("/userName", json!("ada-{{run}}"))
                .is("/externalId", json!("AbC-{{run}}"))
                .is("/meta/resourceType", json!("User"))
                .is("/meta/location", json!("{{base}}/Users/{{ada.id}}"))
                .is("/meta/lastModified", json!("{{ada.meta.created}}"))
                .check("/meta/created", "matches", json!(created)),
        )
        .then(
            get("/Users/{{ada.id}}")
                .answers("etag", "^W/\"[^\"]+\"$")
                .is("/id", json!("{{ada.id}}"))
                .is("/schemas", json!("{{ada.schemas}}"))
                .is("/userName", json!("{{ada.userName}}"))
                .is("/name", json!("{{ada.name}}"))
                .is("/emails", json!("{{ada.emails}}"))
                .is("/active", json!(true))
                .is("/meta", json!("{{ada.meta}}")),
        )
        .then(delete("/Users/{{ada.id}}"))
}

// ledger: 7644-3.3-002, 7643-3.1-007, 7643-3.1-014, 7643-4.1.2-009, 7643-7-010
fn create_ignores_read_only() -> Scenario {
    let body = json!({
        "schemas": [USER],
        "userName": "ada-{{run}}",
        "id": "mine",
        "meta": {"resourceType": "Group", "created": "1999-01-01T00:00:00Z", "version": "W/\"mine\""},
        "groups": [{"value": "mine"}],
    });
    case("create-read-only", "What only the service sets is ignored in a body")
        .then(
            post("/Users", body)
                .check("/id", "not_equals", json!("mine"))
                .is("/meta/resourceType", json!("User"))
                .check("/meta/created", "not_equals", json!("1999-01-01T00:00:00Z"))
                .check("/meta/version", "not_equals", json!("W/\"mine\""))
                .lacks("/groups"),
        )
        .then(get("/Users/mine").error(404, None))
}

// ledger: 7644-3.3-008, 7643-4.1.1-002, 7643-7-016, 7643-7-018, 7644-3.12-007
fn create_conflict() -> Scenario {
    case("create-conflict", "A unique value is unique, whatever its case")
        .user("ada")
        .user("bob")
        .then(
            post("/Users", json!({"schemas": [USER], "userName": "ADA-{{run}}"}))
                .error(409, Some("uniqueness")),
        )
        .then(
            put("/Users/{{bob.id}}", json!({"schemas": [USER], "userName": "Ada-{{run}}"}))
                .error(409, Some("uniqueness")),
        )
        .then(
            patch(
                "/Users/{{bob.id}}",
                json!([{"op": "replace", "path": "userName", "value": "ada-{{run}}"}]),
            )
            .error(409, Some("uniqueness")),
        )
        .then(get("/Users/{{bob.id}}").is("/userName", json!("bob-{{run}}")))
}

// ledger: 7643-4.1.1-001, 7644-3.12-008, 7644-3.12-011, 7643-2.3.2-001, 7643-2.3.6-001
fn create_invalid() -> Scenario {
    let with = |name: &str, value: serde_json::Value| {
        let mut body = json!({"schemas": [USER], "userName": "ada-{{run}}"});
        if let Some(members) = body.as_object_mut() {
            members.insert(name.to_owned(), value);
        }
        post("/Users", body)
    };
    case("create-invalid", "A body that does not conform to its schema is refused")
        .then(post("/Users", json!({"schemas": [USER]})).error(400, Some("invalidValue")))
        .then(with("userName", json!("")).error(400, Some("invalidValue")))
        .then(with("active", json!("perhaps")).error(400, Some("invalidValue")))
        .then(with("name", json!(["Ada"])).statuses(&[400]))
        .then(with("emails", json!([[1]])).statuses(&[400]))
        .then(with("x509Certificates", json!([{"value": "***"}])).error(400, Some("invalidValue")))
        .then(with("USERNAME", json!("ada2-{{run}}")).statuses(&[400]))
        .then(
            get("/Users")
                .query(json!({"filter": "userName sw \"ada-{{run}}\""}))
                .is("/totalResults", json!(0)),
        )
}

// ledger: 7643-2.1-003, 7643-2.3.8-001, 7644-3.10-001, 7644-3.10-002
fn names_without_case() -> Scenario {
    case("names-without-case", "Attribute names mean the same in any case, with or without their URN")
        .then(
            post(
                "/Users",
                json!({"USERNAME": "ada-{{run}}", "schemas": [USER], "NAME": {"FAMILYNAME": "L"}}),
            )
            .save("ada")
            .is("/userName", json!("ada-{{run}}"))
            .is("/name", json!({"familyName": "L"})),
        )
        .then(
            get("/Users")
                .query(json!({"filter": format!("{}:USERNAME eq \"ada-{{{{run}}}}\"", USER.to_uppercase())}))
                .is("/totalResults", json!(1)),
        )
        .then(
            patch(
                "/Users/{{ada.id}}",
                json!([{"op": "replace", "path": format!("{USER}:Name.FamilyName"), "value": "K"}]),
            )
            .statuses(&[200, 204]),
        )
        .then(get("/Users/{{ada.id}}").is("/name/familyName", json!("K")))
}

// ledger: 7643-2.3.1-001, 7643-4.1.2-007, 7643-4.1.1-008, 7643-4.1.1-010, 7643-7-008, 7643-2.3.6-002
fn values() -> Scenario {
    let body = json!({
        "schemas": [USER],
        "userName": "ada-{{run}}",
        "displayName": "\u{1F600} e\u{301} \u{05D0}\u{05D1}",
        "preferredLanguage": "en-US, da;q=0.5",
        "timezone": "America/Los_Angeles",
        "addresses": [{"type": "work", "formatted": "1 Main Street\nSpringfield"}],
        "x509Certificates": [{"value": "AQI"}],
    });
    case("values", "Values come back as they were sent").then(
        post("/Users", body)
            .is("/displayName", json!("\u{1F600} e\u{301} \u{05D0}\u{05D1}"))
            .is("/preferredLanguage", json!("en-US, da;q=0.5"))
            .is("/timezone", json!("America/Los_Angeles"))
            .is("/addresses/0/formatted", json!("1 Main Street\nSpringfield"))
            .is("/x509Certificates/0/value", json!("AQI")),
    )
}

// ledger: 7643-2.4-002, 7643-2.4-007, 7643-2.4-008, 7643-2.5-001, 7643-2.5-002, 7643-4.1.2-013
fn multi_valued() -> Scenario {
    let emails = json!([
        {"value": "a@example.com", "type": "work"},
        {"value": "a@example.com", "type": "work"},
        {"value": "a@example.com", "type": "home"},
    ]);
    let two =
        json!([{"value": "a@example.com", "primary": true}, {"value": "b@example.com", "primary": true}]);
    case("multi-valued", "A value of a type stands once, one is primary at most, no value is none")
        .then(
            post(
                "/Users",
                json!({"schemas": [USER], "userName": "ada-{{run}}", "emails": emails, "roles": []}),
            )
            .save("ada")
            .check("/emails", "length", json!(2))
            .check("/roles", "exists", json!(false)),
        )
        .then(
            post("/Users", json!({"schemas": [USER], "userName": "bob-{{run}}", "emails": two}))
                .error(400, Some("invalidValue")),
        )
        .then(
            patch("/Users/{{ada.id}}", json!([{"op": "replace", "path": "emails", "value": []}]))
                .statuses(&[200, 204]),
        )
        .then(get("/Users/{{ada.id}}").check("/emails", "exists", json!(false)))
        .then(
            get("/Users")
                .query(json!({"filter": "userName eq \"ada-{{run}}\" and not (emails pr)"}))
                .is("/totalResults", json!(1)),
        )
}

// ledger: 7643-3.1-010, 7643-3.1-011, 7643-3.1-013
fn external_id() -> Scenario {
    let with = |name: &str, external: &str| json!({"schemas": [USER], "userName": format!("{name}-{{{{run}}}}"), "externalId": external});
    case("external-id", "The client's own id is the client's affair")
        .then(post("/Users", with("ada", "X-{{run}}")).is("/externalId", json!("X-{{run}}")))
        .then(post("/Users", with("bob", "X-{{run}}")).is("/externalId", json!("X-{{run}}")))
        .then(post("/Users", json!({"schemas": [USER], "userName": "eve-{{run}}"})).lacks("/externalId"))
        .then(
            get("/Users")
                .query(json!({"filter": "externalId eq \"X-{{run}}\""}))
                .is("/totalResults", json!(2)),
        )
        .then(
            get("/Users")
                .query(json!({"filter": "externalId eq \"x-{{run}}\""}))
                .is("/totalResults", json!(0)),
        )
}

// ledger: 7643-4.1.1-012, 7643-4.1.1-018, 7643-7-013, 7644-3.4-001
fn password() -> Scenario {
    let body = json!({"schemas": [USER], "userName": "ada-{{run}}", "password": "t1meMa$heen"});
    case("password", "A password is never returned and can't be asked for")
        .then(
            post("/Users", body)
                .query(json!({"attributes": "userName,password"}))
                .save("ada")
                .lacks("/password"),
        )
        .then(get("/Users/{{ada.id}}").query(json!({"attributes": "password"})).lacks("/password"))
        .then(
            patch(
                "/Users/{{ada.id}}",
                json!([{"op": "replace", "path": "password", "value": "an0ther-Secret"}]),
            )
            .statuses(&[200, 204])
            .lacks("/password"),
        )
        .then(get("/Users").query(json!({"filter": "password eq \"t1meMa$heen\""})).statuses(&[400, 403]))
        .then(get("/Users").query(json!({"filter": "password pr"})).statuses(&[400, 403]))
        .then(get("/Users").query(json!({"sortBy": "password"})).statuses(&[400, 403]))
}

// ledger: 7643-3.3-002, 7643-3.3-003, 7643-4.3-001, 7643-3-003, 7643-3-004
fn extension() -> Scenario {
    let body = json!({
        "schemas": [ENTERPRISE, USER, USER],
        "userName": "ada-{{run}}",
        ENTERPRISE.to_lowercase(): {"employeeNumber": "701984", "department": "Tour", "manager": {"value": "26118"}},
    });
    let number = format!("/{ENTERPRISE}/employeeNumber");
    case("extension", "Attributes of an extension stand under its URN")
        .then(
            post("/Users", body)
                .save("ada")
                .check("/schemas", "unordered", json!([USER, ENTERPRISE]))
                .is(&number, json!("701984"))
                .lacks("/employeeNumber")
                .is(&format!("/{ENTERPRISE}/manager/value"), json!("26118")),
        )
        .then(
            get("/Users")
                .query(json!({"filter": format!("userName eq \"ada-{{{{run}}}}\" and {ENTERPRISE}:department eq \"tour\"")}))
                .is("/totalResults", json!(1)),
        )
        .then(
            patch("/Users/{{ada.id}}", json!([{"op": "remove", "path": ENTERPRISE}])).statuses(&[200, 204]),
        )
        .then(get("/Users/{{ada.id}}").is("/schemas", json!([USER])).lacks(&format!("/{ENTERPRISE}")))
}

// ledger: 7644-5-001, 7644-7.8-001, 7644-3.8-001
fn unicode() -> Scenario {
    case("unicode", "Texts that look alike are the same user name")
        .then(
            post("/Users", json!({"schemas": [USER], "userName": "rene\u{301}-{{run}}"}))
                .is("/userName", json!("rene\u{301}-{{run}}")),
        )
        .then(
            post("/Users", json!({"schemas": [USER], "userName": "REN\u{C9}-{{run}}"}))
                .error(409, Some("uniqueness")),
        )
        .then(
            get("/Users")
                .query(json!({"filter": "userName eq \"ren\u{E9}-{{run}}\""}))
                .is("/totalResults", json!(1)),
        )
}

// ledger: 7644-3.2-003, 7644-3.5.1-001
fn not_found() -> Scenario {
    let user = json!({"schemas": [USER], "userName": "ada-{{run}}"});
    case("not-found", "What is not there is not found, and not created")
        .then(get("/Users/nobody-{{run}}").error(404, None))
        .then(put("/Users/nobody-{{run}}", user).error(404, None))
        .then(
            patch("/Users/nobody-{{run}}", json!([{"op": "add", "path": "title", "value": "x"}]))
                .error(404, None),
        )
        .then(delete("/Users/nobody-{{run}}").error(404, None))
        .then(
            get("/Users")
                .query(json!({"filter": "userName eq \"ada-{{run}}\""}))
                .is("/totalResults", json!(0)),
        )
}

// ledger: 7644-3.5-001, 7644-3.5.1-002, 7644-3.5.1-003, 7644-3.5.1-004, 7644-3.5.1-008, 7644-3.5.1-010,
// 7643-3.1-006
fn replace() -> Scenario {
    let ada = json!({
        "schemas": [USER],
        "userName": "ada-{{run}}",
        "nickName": "Addie",
        "title": "Countess",
        "emails": [{"value": "ada@example.com"}],
    });
    let body = json!({
        "schemas": [USER],
        "id": "mine",
        "userName": "ada.l-{{run}}",
        "nickName": "A.A.L.",
        "title": null,
        "meta": {"created": "1999-01-01T00:00:00Z"},
        "groups": [{"value": "mine"}],
    });
    case("replace", "A replaced resource has what the body says, and nothing else")
        .given("ada", "/Users", ada)
        .then(
            put("/Users/{{ada.id}}", body)
                .answers("etag", "^W/\"")
                .is("/id", json!("{{ada.id}}"))
                .is("/userName", json!("ada.l-{{run}}"))
                .is("/nickName", json!("A.A.L."))
                .check("/title", "exists", json!(false))
                .check("/emails", "exists", json!(false))
                .lacks("/groups")
                .is("/meta/created", json!("{{ada.meta.created}}"))
                .check("/meta/version", "not_equals", json!("{{ada.meta.version}}")),
        )
        .then(get("/Users/{{ada.id}}").is("/nickName", json!("A.A.L.")).lacks("/emails"))
        .then(
            get("/Users")
                .query(json!({"filter": "userName eq \"ada-{{run}}\""}))
                .is("/totalResults", json!(0)),
        )
}

// ledger: 7644-3.5.1-011
fn replace_without_change() -> Scenario {
    let ada = json!({
        "schemas": [USER],
        "userName": "ada-{{run}}",
        "name": {"givenName": "Ada"},
        "emails": [{"value": "ada@example.com", "type": "work"}],
    });
    case("replace-no-change", "A replacement that changes nothing leaves version and time as they are")
        .given("ada", "/Users", ada.clone())
        .then(put("/Users/{{ada.id}}", ada).is("/meta", json!("{{ada.meta}}")))
}

// ledger: 7644-3.5.1-009
fn replace_invalid() -> Scenario {
    case("replace-invalid", "A replacement that is not valid changes nothing")
        .user("ada")
        .then(
            put("/Users/{{ada.id}}", json!({"schemas": [USER], "title": "x"}))
                .error(400, Some("invalidValue")),
        )
        .then(
            put("/Users/{{ada.id}}", json!({"schemas": [USER], "userName": "ada-{{run}}", "active": 7}))
                .error(400, Some("invalidValue")),
        )
        .then(get("/Users/{{ada.id}}").is("/meta", json!("{{ada.meta}}")).lacks("/title"))
}

// ledger: 7644-3.5-002, 7643-7-011
fn change() -> Scenario {
    let ada = json!({
        "schemas": [USER],
        "userName": "ada-{{run}}",
        "emails": [{"value": "work@example.com", "type": "work"}, {"value": "home@example.com", "type": "home"}],
    });
    let operations = json!([
        {"op": "add", "value": {"title": "Countess", "name": {"givenName": "Ada"}}},
        {"op": "replace", "path": "emails[type eq \"work\"].value", "value": "new@example.com"},
        {"op": "remove", "path": "emails[type eq \"home\"]"},
        {"op": "add", "path": "phoneNumbers", "value": [{"value": "+44 1", "type": "work"}]},
    ]);
    case("change", "The operations of a PATCH are done in order")
        .given("ada", "/Users", ada)
        .then(
            patch("/Users/{{ada.id}}", operations)
                .answers("etag", "^W/\"")
                .is("/title", json!("Countess"))
                .is("/name/givenName", json!("Ada"))
                .is("/emails", json!([{"value": "new@example.com", "type": "work"}]))
                .is("/phoneNumbers/0/value", json!("+44 1"))
                .check("/meta/version", "not_equals", json!("{{ada.meta.version}}")),
        )
        .then(get("/Users/{{ada.id}}").is("/title", json!("Countess")).check("/emails", "length", json!(1)))
}

fn change_without_effect() -> Scenario {
    let ada = json!({"schemas": [USER], "userName": "ada-{{run}}", "title": "Countess"});
    case("change-no-effect", "A PATCH that changes nothing leaves version and time as they are")
        .given("ada", "/Users", ada)
        .then(
            patch("/Users/{{ada.id}}", json!([{"op": "replace", "path": "title", "value": "Countess"}]))
                .statuses(&[200, 204]),
        )
        .then(get("/Users/{{ada.id}}").is("/meta", json!("{{ada.meta}}")))
}

// ledger: 7643-3.1-015, 7644-3.12-006, 7644-3.12-009, 7644-3.12-010
fn change_refused() -> Scenario {
    let refused = |operation: serde_json::Value, scim_type: &str| {
        patch("/Users/{{ada.id}}", json!([operation])).error(400, Some(scim_type))
    };
    case("change-refused", "A PATCH that can't be done is refused for its reason")
        .user("ada")
        .then(refused(json!({"op": "replace", "path": "id", "value": "mine"}), "mutability"))
        .then(refused(
            json!({"op": "replace", "path": "meta.created", "value": "1999-01-01T00:00:00Z"}),
            "mutability",
        ))
        .then(refused(json!({"op": "replace", "path": "groups", "value": [{"value": "x"}]}), "mutability"))
        .then(refused(json!({"op": "remove", "path": "userName"}), "mutability"))
        .then(refused(json!({"op": "remove"}), "noTarget"))
        .then(refused(json!({"op": "add", "path": "emails[", "value": []}), "invalidPath"))
        .then(refused(
            json!({"op": "replace", "path": "emails[type zz \"x\"]", "value": {"value": "x@example.com"}}),
            "invalidFilter",
        ))
        .then(refused(json!({"op": "move", "path": "title", "value": "x"}), "invalidSyntax"))
        .then(refused(json!({"op": "replace", "path": "active", "value": {"x": 1}}), "invalidValue"))
        .then(patch("/Users/{{ada.id}}", json!([])).error(400, Some("invalidSyntax")))
        .then(get("/Users/{{ada.id}}").is("/meta", json!("{{ada.meta}}")))
}

fn change_is_atomic() -> Scenario {
    let operations = json!([
        {"op": "add", "path": "title", "value": "Countess"},
        {"op": "replace", "path": "id", "value": "mine"},
    ]);
    case("change-atomic", "Where one operation of a PATCH fails none is done")
        .user("ada")
        .then(patch("/Users/{{ada.id}}", operations).error(400, Some("mutability")))
        .then(get("/Users/{{ada.id}}").lacks("/title").is("/meta", json!("{{ada.meta}}")))
}

// ledger: 7644-3.6-001, 7644-3.6-002, 7644-3.6-003, 7644-3.6-004
fn remove() -> Scenario {
    let ada = json!({"schemas": [USER], "userName": "ada-{{run}}"});
    case("delete", "What is deleted is gone, and its unique values are free")
        .given("ada", "/Users", ada.clone())
        .then(delete("/Users/{{ada.id}}"))
        .then(get("/Users/{{ada.id}}").error(404, None))
        .then(put("/Users/{{ada.id}}", ada.clone()).error(404, None))
        .then(
            patch("/Users/{{ada.id}}", json!([{"op": "add", "path": "title", "value": "x"}]))
                .error(404, None),
        )
        .then(delete("/Users/{{ada.id}}").error(404, None))
        .then(
            get("/Users")
                .query(json!({"filter": "userName eq \"ada-{{run}}\""}))
                .is("/totalResults", json!(0)),
        )
        .then(post("/Users", ada).check("/id", "not_equals", json!("{{ada.id}}")))
}

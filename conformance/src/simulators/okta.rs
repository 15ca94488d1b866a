//! Okta: looks up by userName, sends a password placeholder and `groups: []`, updates users by PUT of the
//! object it fetched (app-wizard apps) or by path-less PATCH (catalogue apps), pushes groups by PATCH,
//! never deletes a user, deletes a group that was unlinked.

use serde_json::{Value, json};

use super::script::Script;
use super::staff::{ADA, BEN, CARLA, DEV, ELIF, FINN, GRETA, HANA, Person, STAFF};

const DOMAIN: &str = "okta.example";
const PAGE: &str = "&startIndex=1&count=100";

pub(super) fn script() -> Script {
    let mut script = Script::new(
        "application/scim+json; charset=utf-8",
        &[
            ("accept", "application/scim+json"),
            ("accept-charset", "utf-8"),
            ("user-agent", "Okta SCIM Client 1.0.0"),
        ],
    );
    script.get("test the connection", "/ServiceProviderConfig");
    script.get("test the connection: users", "/Users?startIndex=1&count=2");
    script.get("test the connection: groups", "/Groups?startIndex=1&count=100");
    script.lookup_with(
        "test the connection: nobody",
        "/Users",
        PAGE,
        "userName eq \"nobody-by-this-name@okta.example\"",
        0,
    );
    for person in STAFF {
        let email = person.email(DOMAIN);
        let filter = format!("userName eq \"{email}\"");
        script.lookup_with(format!("look up {email}"), "/Users", PAGE, &filter, 0);
        script.post(format!("create {email}"), "/Users", &person.key(), user(&person));
        script.expect_user(person.expected(DOMAIN));
    }
    update_users(&mut script);
    push_groups(&mut script);
    offboard(&mut script);
    script
}

fn user(person: &Person) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": person.email(DOMAIN),
        "name": {"givenName": person.given, "familyName": person.family},
        "emails": [{"primary": true, "value": person.email(DOMAIN), "type": "work"}],
        "displayName": person.full_name(),
        "locale": "en-US",
        "externalId": format!("00u{}", person.number),
        "groups": [],
        "password": "1mz050nq",
        "active": true
    })
}

fn update_users(script: &mut Script) {
    let carla = CARLA.email(DOMAIN);
    script.fetch(format!("read {carla}"), "/Users", &CARLA.key());
    script.put_fetched(
        format!("push the profile of {carla}"),
        "/Users",
        &CARLA.key(),
        json!({"name": {"givenName": "Carla", "familyName": "Mendes-Ortiz"}, "title": "Director"}),
    );
    script.expect_change(&carla, |user| {
        "Mendes-Ortiz".clone_into(&mut user.family_name);
        user.title = Some("Director".to_owned());
    });
    script.patch(
        "sync a password",
        "/Users",
        &DEV.key(),
        json!([{"op": "replace", "value": {"password": "An0ther-Plac3holder"}}]),
    );
}

fn push_groups(script: &mut Script) {
    for (name, key, members) in
        [("Engineering", "engineering", vec![ADA, BEN, CARLA]), ("Sales", "sales", vec![DEV, ELIF])]
    {
        let filter = format!("displayName eq \"{name}\"");
        script.lookup_with(format!("look up group {name}"), "/Groups", PAGE, &filter, 0);
        script.post(format!("create group {name}"), "/Groups", key, group(name));
        script.patch(
            format!("add members to {name}"),
            "/Groups",
            key,
            json!([{"op": "add", "path": "members", "value": members.iter().map(member).collect::<Vec<_>>()}]),
        );
    }
    // Dev changes from Sales to Engineering: one PATCH each.
    script.patch(
        "Dev leaves Sales, Hana joins",
        "/Groups",
        "sales",
        json!([
            {"op": "remove", "path": "members[value eq \"{{dev}}\"]"},
            {"op": "add", "path": "members", "value": [member(&HANA)]}
        ]),
    );
    script.patch(
        "Dev joins Engineering",
        "/Groups",
        "engineering",
        json!([{"op": "add", "path": "members", "value": [member(&DEV)]}]),
    );
    script.patch(
        "rename Sales",
        "/Groups",
        "sales",
        json!([{"op": "replace", "value": {"id": "{{sales}}", "displayName": "Revenue"}}]),
    );
    script.post("create group Contractors", "/Groups", "contractors", group("Contractors"));
    script.patch(
        "push the members of Contractors now",
        "/Groups",
        "contractors",
        json!([{"op": "replace", "path": "members", "value": [member(&FINN), member(&GRETA)]}]),
    );
    script.delete("unlink group Contractors", "/Groups", "contractors");
    script.gone("group Contractors is gone", "/Groups", "contractors");
    let name = |person: &Person| person.email(DOMAIN);
    script.expect_group("Engineering", &[ADA, BEN, CARLA, DEV], name);
    script.expect_group("Revenue", &[ELIF, HANA], name);
}

fn offboard(script: &mut Script) {
    let (finn, greta) = (FINN.email(DOMAIN), GRETA.email(DOMAIN));
    let active = |value: bool| json!([{"op": "replace", "value": {"active": value}}]);
    script.patch(format!("deactivate {finn}"), "/Users", &FINN.key(), active(false));
    script.patch(format!("deactivate {greta}"), "/Users", &GRETA.key(), active(false));
    script.patch(format!("reactivate {greta}"), "/Users", &GRETA.key(), active(true));
    script.expect_change(&finn, |user| user.active = false);
    // An app-wizard app deactivates by PUT.
    let hana = HANA.email(DOMAIN);
    script.fetch(format!("read {hana}"), "/Users", &HANA.key());
    script.put_fetched(format!("deactivate {hana}"), "/Users", &HANA.key(), json!({"active": false}));
    script.expect_change(&hana, |user| user.active = false);
    script.get("import", "/Users?startIndex=1&count=100");
}

fn group(name: &str) -> Value {
    json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": name, "members": []})
}

fn member(person: &Person) -> Value {
    json!({"value": format!("{{{{{}}}}}", person.key()), "display": person.email(DOMAIN)})
}

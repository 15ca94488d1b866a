//! OneLogin: a body from a customer-edited template (`active` as text, `id: null`, blanks), users by PUT,
//! groups read without a filter, members by PATCH, DELETE for users that leave.

use serde_json::{Value, json};

use super::script::Script;
use super::staff::{ADA, BEN, CARLA, DEV, ELIF, FINN, GRETA, HANA, Person, STAFF};

const DOMAIN: &str = "onelogin.example";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

pub(super) fn script() -> Script {
    let mut script = Script::new(
        "application/scim+json",
        &[("accept", "application/scim+json"), ("user-agent", "OneLogin SCIM")],
    );
    script.lookup("enable the connection", "/Users", "userName eq \"onelogin-connection-check\"", 0);
    for person in STAFF {
        let email = person.email(DOMAIN);
        script.lookup(format!("look up {email}"), "/Users", &format!("userName eq \"{email}\""), 0);
        let body = user(&person, person.title, person.department, "true");
        script.post(format!("create {email}"), "/Users", &person.key(), body);
        let mut expected = person.expected(DOMAIN);
        expected.title = Some(person.title.to_owned());
        expected.department = Some(person.department.to_owned());
        script.expect_user(expected);
    }
    let carla = CARLA.email(DOMAIN);
    let body = user(&CARLA, "Director", "Research", "true");
    script.put(format!("update {carla}"), "/Users", &CARLA.key(), body);
    script.expect_change(&carla, |user| {
        user.title = Some("Director".to_owned());
        user.department = Some("Research".to_owned());
    });
    provision_groups(&mut script);
    offboard(&mut script);
    script
}

/// The template after the macros are filled in.
fn user(person: &Person, title: &str, department: &str, active: &str) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": person.email(DOMAIN),
        "active": active,
        "emails": [{"value": person.email(DOMAIN), "type": "work", "primary": true}],
        "meta": {"resourceType": "User"},
        "name": {
            "familyName": person.family,
            "givenName": person.given,
            "formatted": person.full_name()
        },
        "title": title,
        "nickName": "",
        ENTERPRISE: {"department": department, "manager": {"managerId": "", "displayName": " "}},
        "id": null
    })
}

fn provision_groups(script: &mut Script) {
    script.get("read the groups", "/Groups");
    for (name, key, members) in
        [("Engineering", "engineering", vec![ADA, BEN, CARLA]), ("Sales", "sales", vec![DEV, ELIF])]
    {
        let body = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": name});
        script.post(format!("create group {name}"), "/Groups", key, body);
        for person in members {
            script.patch(
                format!("add {} to {name}", person.given),
                "/Groups",
                key,
                json!([{"op": "add", "path": "members", "value": [member(&person)]}]),
            );
        }
    }
    script.patch(
        "Dev leaves Sales",
        "/Groups",
        "sales",
        json!([{"op": "remove", "path": "members[value eq \"{{dev}}\"]"}]),
    );
    script.patch(
        "Dev joins Engineering",
        "/Groups",
        "engineering",
        json!([{"op": "add", "path": "members", "value": [member(&DEV)]}]),
    );
    let name = |person: &Person| person.email(DOMAIN);
    script.expect_group("Engineering", &[ADA, BEN, CARLA, DEV], name);
    script.expect_group("Sales", &[ELIF], name);
}

fn offboard(script: &mut Script) {
    let (finn, greta, hana) = (FINN.email(DOMAIN), GRETA.email(DOMAIN), HANA.email(DOMAIN));
    let with = |person: &Person, active: &str| user(person, person.title, person.department, active);
    script.put(format!("suspend {finn}"), "/Users", &FINN.key(), with(&FINN, "false"));
    script.put(format!("suspend {greta}"), "/Users", &GRETA.key(), with(&GRETA, "false"));
    script.put(format!("reactivate {greta}"), "/Users", &GRETA.key(), with(&GRETA, "true"));
    script.expect_change(&finn, |user| user.active = false);
    script.delete(format!("delete {hana}"), "/Users", &HANA.key());
    script.gone(format!("{hana} is gone"), "/Users", &HANA.key());
    script.expect_gone(&hana);
}

fn member(person: &Person) -> Value {
    json!({"value": format!("{{{{{}}}}}", person.key())})
}

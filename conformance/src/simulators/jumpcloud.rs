//! JumpCloud: on activation a test user and a test group live through a whole cycle; users by PUT with
//! `id` in the body, empty lists and an empty extension, members removed by value.

use serde_json::{Value, json};

use super::script::Script;
use super::staff::{ADA, BEN, CARLA, DEV, ELIF, FINN, GRETA, HANA, Person, STAFF};

const DOMAIN: &str = "jumpcloud.example";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const TESTER: Person = Person { given: "Test", family: "User", title: "", department: "", number: 1 };

pub(super) fn script() -> Script {
    let mut script = Script::new("application/json", &[("accept", "application/json")]);
    test_cycle(&mut script);
    for person in STAFF {
        let email = person.email(DOMAIN);
        script.lookup(format!("look up {email}"), "/Users", &format!("userName eq \"{email}\""), 0);
        let body = user(&person, person.family, true);
        script.post(format!("create {email}"), "/Users", &person.key(), body);
        script.expect_user(person.expected(DOMAIN));
    }
    let carla = CARLA.email(DOMAIN);
    put_user(&mut script, format!("update {carla}"), &CARLA, "Mendes-Ortiz", true);
    script.expect_change(&carla, |user| "Mendes-Ortiz".clone_into(&mut user.family_name));
    provision_groups(&mut script);
    offboard(&mut script);
    script
}

fn test_cycle(script: &mut Script) {
    let email = TESTER.email(DOMAIN);
    script.get("activate: read users", "/Users?startIndex=1&count=1");
    script.lookup("activate: look up the test user", "/Users", &format!("userName eq \"{email}\""), 0);
    script.post("activate: create the test user", "/Users", &TESTER.key(), user(&TESTER, "User", true));
    put_user(script, "activate: change the test user", &TESTER, "Changed", true);
    script.post("activate: create the test group", "/Groups", "trial", group("JumpCloud test group"));
    script.patch(
        "activate: fill the test group",
        "/Groups",
        "trial",
        json!([{"op": "add", "path": "members", "value": [member(&TESTER)]}]),
    );
    script.delete("activate: delete the test group", "/Groups", "trial");
    script.delete("activate: delete the test user", "/Users", &TESTER.key());
}

fn user(person: &Person, family: &str, active: bool) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", ENTERPRISE],
        "userName": person.email(DOMAIN),
        "name": {"givenName": person.given, "familyName": family},
        "displayName": format!("{} {family}", person.given),
        "emails": [{"value": person.email(DOMAIN), "type": "work", "primary": true}],
        "externalId": format!("65f0{}", person.number),
        "active": active,
        "phoneNumbers": [],
        "addresses": [],
        ENTERPRISE: {}
    })
}

fn put_user(script: &mut Script, title: impl Into<String>, person: &Person, family: &str, active: bool) {
    let mut body = user(person, family, active);
    if let Some(body) = body.as_object_mut() {
        body.insert("id".to_owned(), format!("{{{{{}}}}}", person.key()).into());
    }
    script.put(title, "/Users", &person.key(), body);
}

fn provision_groups(script: &mut Script) {
    for (name, key, members) in
        [("Engineering", "engineering", vec![ADA, BEN, CARLA]), ("Sales", "sales", vec![DEV, ELIF])]
    {
        script.lookup(format!("look up group {name}"), "/Groups", &format!("displayName eq \"{name}\""), 0);
        script.post(format!("create group {name}"), "/Groups", key, group(name));
        script.patch(
            format!("add members to {name}"),
            "/Groups",
            key,
            json!([{"op": "add", "path": "members", "value": members.iter().map(member).collect::<Vec<_>>()}]),
        );
    }
    script.patch(
        "Dev leaves Sales",
        "/Groups",
        "sales",
        json!([{"op": "remove", "path": "members", "value": [member(&DEV)]}]),
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
    put_user(script, format!("deactivate {finn}"), &FINN, FINN.family, false);
    put_user(script, format!("deactivate {greta}"), &GRETA, GRETA.family, false);
    put_user(script, format!("reactivate {greta}"), &GRETA, GRETA.family, true);
    script.lookup(format!("look up {finn}"), "/Users", &format!("userName eq \"{finn}\""), 1);
    script.expect_change(&finn, |user| user.active = false);
    script.delete(format!("delete {hana}"), "/Users", &HANA.key());
    script.expect_gone(&hana);
}

fn group(name: &str) -> Value {
    json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": name, "members": []})
}

fn member(person: &Person) -> Value {
    json!({"value": format!("{{{{{}}}}}", person.key())})
}

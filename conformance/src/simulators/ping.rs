//! PingFederate: users by PUT only and named without a domain, groups found by reading all pages and
//! changed by PATCH, `disable` by PUT and then DELETE.

use serde_json::{Value, json};

use super::expected::ExpectedUser;
use super::script::Script;
use super::staff::{ADA, BEN, CARLA, DEV, ELIF, FINN, GRETA, HANA, Person, STAFF};

const DOMAIN: &str = "ping.example";

pub(super) fn script() -> Script {
    let mut script = Script::new(
        "application/json",
        &[("accept", "application/json"), ("user-agent", "Apache-HttpClient")],
    );
    script.get("test the connection", "/ServiceProviderConfig");
    for person in STAFF {
        let name = person.key();
        script.lookup(format!("look up {name}"), "/Users", &format!("userName eq \"{name}\""), 0);
        let mut body = user(&person, person.family, true);
        if let Some(body) = body.as_object_mut() {
            body.insert("password".to_owned(), "2Federate!".into());
        }
        script.post(format!("create {name}"), "/Users", &name, body);
        script.expect_user(ExpectedUser { user_name: name, ..person.expected(DOMAIN) });
    }
    put_user(&mut script, "update carla", &CARLA, "Mendes-Ortiz", true);
    script.expect_change("carla", |user| "Mendes-Ortiz".clone_into(&mut user.family_name));
    provision_groups(&mut script);
    offboard(&mut script);
    script
}

fn user(person: &Person, family: &str, active: bool) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": person.key(),
        "name": {
            "formatted": format!("{} {family}", person.given),
            "familyName": family,
            "givenName": person.given
        },
        "emails": [{"value": person.email(DOMAIN), "type": "work"}],
        "nickName": null,
        "active": active
    })
}

fn put_user(script: &mut Script, title: &str, person: &Person, family: &str, active: bool) {
    let mut body = user(person, family, active);
    if let Some(body) = body.as_object_mut() {
        body.insert("id".to_owned(), format!("{{{{{}}}}}", person.key()).into());
    }
    script.put(title, "/Users", &person.key(), body);
}

fn provision_groups(script: &mut Script) {
    script.get("read the groups", "/Groups?startIndex=1&count=100");
    for (name, key, members) in
        [("Engineering", "engineering", vec![ADA, BEN, CARLA]), ("Sales", "sales", vec![DEV, ELIF])]
    {
        let body = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": name});
        script.post(format!("create group {name}"), "/Groups", key, body);
        script.patch(
            format!("add members to {name}"),
            "/Groups",
            key,
            json!([{"op": "add", "path": "members", "value": members.iter().map(member).collect::<Vec<_>>()}]),
        );
    }
    script.get("read the groups again", "/Groups?startIndex=1&count=100");
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
    script.expect_group("Engineering", &[ADA, BEN, CARLA, DEV], Person::key);
    script.expect_group("Sales", &[ELIF], Person::key);
}

fn offboard(script: &mut Script) {
    put_user(script, "disable finn", &FINN, FINN.family, false);
    put_user(script, "disable greta", &GRETA, GRETA.family, false);
    put_user(script, "enable greta", &GRETA, GRETA.family, true);
    put_user(script, "disable hana", &HANA, HANA.family, false);
    script.expect_change("finn", |user| user.active = false);
    script.delete("delete hana", "/Users", &HANA.key());
    script.gone("hana is gone", "/Users", &HANA.key());
    script.expect_gone("hana");
}

fn member(person: &Person) -> Value {
    json!({"value": format!("{{{{{}}}}}", person.key())})
}

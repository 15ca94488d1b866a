//! Microsoft Entra ID: random look-ups as connection test, PATCH for every update with `Add`, `Replace`,
//! `Remove`, booleans as strings, value-path targets that do not exist yet, members with `$ref: null` and
//! removed by value, soft deletion first.

use serde_json::{Value, json};

use super::script::Script;
use super::staff::{ADA, BEN, CARLA, DEV, ELIF, FINN, GRETA, HANA, Person, STAFF};

const DOMAIN: &str = "contoso.example";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const NO_MEMBERS: &str = "&excludedAttributes=members";

pub(super) fn script() -> Script {
    let mut script =
        Script::new("application/scim+json; charset=utf-8", &[("accept", "application/scim+json")]);
    script.lookup(
        "test the connection: random user",
        "/Users",
        "userName eq \"8e3a2a8c-9c7e-4a63-8d6c-0c5b0f2f3d11\"",
        0,
    );
    script.lookup_with(
        "test the connection: random group",
        "/Groups",
        NO_MEMBERS,
        "displayName eq \"5d0f9b1e-3f0a-4c0e-9a7d-7c1d2e3f4a5b\"",
        0,
    );
    // Spaces as in a form.
    script.get("keep alive", "/Users?filter=externalId+eq+%22b7a1c0de%22");
    for person in STAFF {
        let email = person.email(DOMAIN);
        script.lookup(format!("look up {email}"), "/Users", &format!("userName eq \"{email}\""), 0);
        script.post(format!("create {email}"), "/Users", &person.key(), user(&person));
        let mut expected = person.expected(DOMAIN);
        expected.title = Some(person.title.to_owned());
        expected.department = Some(person.department.to_owned());
        script.expect_user(expected);
    }
    update_users(&mut script);
    provision_groups(&mut script);
    offboard(&mut script);
    script
}

fn user(person: &Person) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", ENTERPRISE],
        "externalId": format!("0a21f0f2-{}", person.number),
        "userName": person.email(DOMAIN),
        "active": "True",
        "emails": [{"primary": "True", "type": "work", "value": person.email(DOMAIN)}],
        "title": person.title,
        "preferredLanguage": "en-AU",
        "displayName": person.full_name(),
        "meta": {"resourceType": "User"},
        "name": {
            "formatted": person.full_name(),
            "familyName": person.family,
            "givenName": person.given
        },
        "roles": [],
        ENTERPRISE: {"employeeNumber": person.number.to_string(), "department": person.department}
    })
}

fn update_users(script: &mut Script) {
    let (ada, ben, carla) = (ADA.email(DOMAIN), BEN.email(DOMAIN), CARLA.email(DOMAIN));
    script.patch(
        format!("change the profile of {ada}"),
        "/Users",
        &ADA.key(),
        json!([
            {"op": "Replace", "path": "title", "value": "Principal Engineer"},
            {"op": "Replace", "path": "name.familyName", "value": "Okafor-Lind"},
            {"op": "Replace", "path": "emails[type eq \"work\"].value", "value": "ada.okafor@contoso.example"},
            {"op": "Replace", "path": format!("{ENTERPRISE}:department"), "value": "Research"},
            {"op": "Add", "path": format!("{ENTERPRISE}:manager"), "value": "{{carla}}"}
        ]),
    );
    script.expect_change(&ada, |user| {
        user.title = Some("Principal Engineer".to_owned());
        "Okafor-Lind".clone_into(&mut user.family_name);
        user.emails = vec!["ada.okafor@contoso.example".to_owned()];
        user.department = Some("Research".to_owned());
    });
    script.patch(
        format!("add to the profile of {ben}"),
        "/Users",
        &BEN.key(),
        json!([
            {"op": "Add", "path": "phoneNumbers[type eq \"mobile\"].value", "value": "+1 425 555 0100"},
            {"op": "Add", "path": "addresses[type eq \"work\"].formatted", "value": "1 Microsoft Way, Redmond"},
            {"op": "Add", "path": "emails[type eq \"other\"].Value", "value": "ben@home.example"}
        ]),
    );
    script.expect_change(&ben, |user| user.emails.push("ben@home.example".to_owned()));
    // The same tenant with the feature flag sends keys that are paths.
    script.patch(
        format!("change the profile of {carla}"),
        "/Users",
        &CARLA.key(),
        json!([{"op": "replace", "value": {
            "title": "Director",
            "name.familyName": "Mendes-Ortiz",
            format!("{ENTERPRISE}:employeeNumber"): "2003"
        }}]),
    );
    script.expect_change(&carla, |user| {
        user.title = Some("Director".to_owned());
        "Mendes-Ortiz".clone_into(&mut user.family_name);
    });
    script.patch(
        format!("give {carla} a role"),
        "/Users",
        &CARLA.key(),
        json!([{"op": "Add", "path": "roles[primary eq \"True\"].value", "value": "Administrator"}]),
    );
}

fn provision_groups(script: &mut Script) {
    for (name, key, members) in
        [("Engineering", "engineering", vec![ADA, BEN, CARLA]), ("Sales", "sales", vec![DEV, ELIF])]
    {
        let filter = format!("displayName eq \"{name}\"");
        script.lookup_with(format!("look up group {name}"), "/Groups", NO_MEMBERS, &filter, 0);
        script.post(
            format!("create group {name}"),
            "/Groups",
            key,
            json!({
                "schemas": [
                    "urn:ietf:params:scim:schemas:core:2.0:Group",
                    "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"
                ],
                "externalId": format!("8aa1a0c0-{key}"),
                "displayName": name,
                "meta": {"resourceType": "Group"}
            }),
        );
        script.patch(
            format!("add members to {name}"),
            "/Groups",
            key,
            json!([{"op": "Add", "path": "members", "value": members.iter().map(member).collect::<Vec<_>>()}]),
        );
        script
            .get(format!("check group {name}"), format!("/Groups/{{{{{key}}}}}?excludedAttributes=members"));
    }
    script.patch(
        "Dev leaves Sales",
        "/Groups",
        "sales",
        json!([{"op": "Remove", "path": "members", "value": [member(&DEV)]}]),
    );
    script.patch(
        "Dev joins Engineering",
        "/Groups",
        "engineering",
        json!([{"op": "Add", "path": "members", "value": [member(&DEV)]}]),
    );
    script.patch(
        "rename Sales",
        "/Groups",
        "sales",
        json!([{"op": "Replace", "path": "displayName", "value": "Revenue"}]),
    );
    let name = |person: &Person| person.email(DOMAIN);
    script.expect_group("Engineering", &[ADA, BEN, CARLA, DEV], name);
    script.expect_group("Revenue", &[ELIF], name);
}

fn offboard(script: &mut Script) {
    let (finn, greta, hana) = (FINN.email(DOMAIN), GRETA.email(DOMAIN), HANA.email(DOMAIN));
    let active = |value: &str| json!([{"op": "Replace", "path": "active", "value": value}]);
    script.patch(format!("disable {finn}"), "/Users", &FINN.key(), active("False"));
    script.patch(format!("disable {greta}"), "/Users", &GRETA.key(), active("False"));
    script.patch(format!("enable {greta}"), "/Users", &GRETA.key(), active("True"));
    script.patch(format!("disable {hana}"), "/Users", &HANA.key(), active("False"));
    script.lookup(format!("look up {hana}"), "/Users", &format!("userName eq \"{hana}\""), 1);
    script.delete(format!("delete {hana} for good"), "/Users", &HANA.key());
    script.gone(format!("{hana} is gone"), "/Users", &HANA.key());
    script.expect_change(&finn, |user| user.active = false);
    script.expect_gone(&hana);
}

fn member(person: &Person) -> Value {
    json!({"$ref": null, "value": format!("{{{{{}}}}}", person.key())})
}

//! Groups, their members, and what users show of them.

use serde_json::json;

use super::case::{GROUP, case, delete, get, patch, post, put};
use crate::replay::Scenario;

pub(super) fn cases() -> Vec<Scenario> {
    vec![
        create(),
        required(),
        nested(),
        add_and_remove(),
        replace_members(),
        unknown_member(),
        deleted_member(),
    ]
}

// ledger: 7643-4.1.2-008, 7643-4.2-003, 7643-2.3.7-003, 7644-7.1-001, 7643-3.1-016
fn create() -> Scenario {
    let group = json!({
        "schemas": [GROUP],
        "displayName": "Tour Guides {{run}}",
        "members": [{"value": "{{ada.id}}"}],
    });
    case("group", "A group shows its members, and each member its groups")
        .user("ada")
        .then(
            post("/Groups", group)
                .save("tour")
                .is("/meta/resourceType", json!("Group"))
                .check("/members", "length", json!(1))
                .is("/members/0/value", json!("{{ada.id}}"))
                .is("/members/0/$ref", json!("{{base}}/Users/{{ada.id}}"))
                .is("/members/0/type", json!("User")),
        )
        .then(get("/Groups/{{tour.id}}").is("/members", json!("{{tour.members}}")))
        .then(
            get("/Users/{{ada.id}}")
                .check("/groups", "length", json!(1))
                .is("/groups/0/value", json!("{{tour.id}}"))
                .is("/groups/0/$ref", json!("{{base}}/Groups/{{tour.id}}"))
                .is("/groups/0/display", json!("Tour Guides {{run}}"))
                .is("/groups/0/type", json!("direct")),
        )
        .then(
            get("/Groups")
                .query(json!({"filter": "members.value eq \"{{ada.id}}\""}))
                .is("/totalResults", json!(1))
                .is("/Resources/0/id", json!("{{tour.id}}")),
        )
}

// ledger: 7643-4.2-001
fn required() -> Scenario {
    case("group-required", "A group has a name")
        .then(post("/Groups", json!({"schemas": [GROUP]})).error(400, Some("invalidValue")))
}

// ledger: 7643-4.1.2-010
fn nested() -> Scenario {
    let inner =
        json!({"schemas": [GROUP], "displayName": "Inner {{run}}", "members": [{"value": "{{ada.id}}"}]});
    let outer =
        json!({"schemas": [GROUP], "displayName": "Outer {{run}}", "members": [{"value": "{{inner.id}}"}]});
    case("group-nested", "A member of a group in a group is an indirect member of the outer one")
        .user("ada")
        .given("inner", "/Groups", inner)
        .given("outer", "/Groups", outer)
        .then(
            get("/Groups/{{outer.id}}")
                .check("/members", "length", json!(1))
                .is("/members/0/type", json!("Group"))
                .is("/members/0/$ref", json!("{{base}}/Groups/{{inner.id}}")),
        )
        .then(
            get("/Users/{{ada.id}}")
                .check("/groups", "length", json!(2))
                .check("/groups", "contains", json!({"value": "{{inner.id}}", "type": "direct"}))
                .check("/groups", "contains", json!({"value": "{{outer.id}}", "type": "indirect"})),
        )
}

// ledger: 7643-4.2-002
fn add_and_remove() -> Scenario {
    let tour =
        json!({"schemas": [GROUP], "displayName": "Tour {{run}}", "members": [{"value": "{{ada.id}}"}]});
    let group = "/Groups/{{tour.id}}";
    let change = |operations| patch(group, operations).statuses(&[200, 204]);
    case("group-members", "Members come and go one by one")
        .user("ada")
        .user("bob")
        .user("eve")
        .given("tour", "/Groups", tour)
        .then(change(json!([
            {"op": "add", "path": "members", "value": [{"value": "{{bob.id}}"}, {"value": "{{eve.id}}"}]},
        ])))
        .then(get(group).save("three").check("/members", "length", json!(3)))
        .then(change(json!([{"op": "add", "path": "members", "value": [{"value": "{{bob.id}}"}]}])))
        .then(get(group).check("/members", "length", json!(3)).is("/meta", json!("{{three.meta}}")))
        .then(change(json!([{"op": "remove", "path": "members[value eq \"{{ada.id}}\"]"}])))
        .then(get(group).check("/members/[*]/value", "unordered", json!(["{{bob.id}}", "{{eve.id}}"])))
        .then(get("/Users/{{ada.id}}").check("/groups", "exists", json!(false)))
        .then(
            patch(
                group,
                json!([{"op": "replace", "path": "members[value eq \"{{bob.id}}\"].value", "value": "{{ada.id}}"}]),
            )
            .error(400, Some("mutability")),
        )
        .then(change(json!([{"op": "remove", "path": "members"}])))
        .then(get(group).check("/members", "exists", json!(false)))
}

fn replace_members() -> Scenario {
    let tour =
        json!({"schemas": [GROUP], "displayName": "Tour {{run}}", "members": [{"value": "{{ada.id}}"}]});
    let group = "/Groups/{{tour.id}}";
    case("group-members-replace", "All members are replaced at once, by PATCH and by PUT")
        .user("ada")
        .user("bob")
        .given("tour", "/Groups", tour.clone())
        .then(
            patch(group, json!([{"op": "replace", "path": "members", "value": [{"value": "{{bob.id}}"}]}]))
                .statuses(&[200, 204]),
        )
        .then(get(group).is("/members/[*]/value", json!(["{{bob.id}}"])))
        .then(put(group, tour).is("/members/[*]/value", json!(["{{ada.id}}"])))
        .then(put(group, json!({"schemas": [GROUP], "displayName": "Tour {{run}}"})).check(
            "/members",
            "exists",
            json!(false),
        ))
}

/// Whether members must exist is the service's to decide (RFC 7643 §2.3.7).
fn unknown_member() -> Scenario {
    let members = json!([{"value": "nobody-{{run}}"}, {"value": "{{ada.id}}"}]);
    let group = json!({"schemas": [GROUP], "displayName": "Tour {{run}}", "members": members});
    case("group-unknown-member", "A member that does not exist does not keep another from being one")
        .user("ada")
        .then(post("/Groups", group).statuses(&[201, 400]).check(
            "/members",
            "contains",
            json!({"value": "{{ada.id}}"}),
        ))
        .then(
            post("/Groups", json!({"schemas": [GROUP], "displayName": "Tour {{run}}", "members": [[1]]}))
                .statuses(&[400]),
        )
}

fn deleted_member() -> Scenario {
    let tour = json!({
        "schemas": [GROUP],
        "displayName": "Tour {{run}}",
        "members": [{"value": "{{ada.id}}"}, {"value": "{{bob.id}}"}],
    });
    case("group-deleted-member", "A deleted user is a member of nothing")
        .user("ada")
        .user("bob")
        .given("tour", "/Groups", tour)
        .then(delete("/Users/{{ada.id}}"))
        .then(get("/Groups/{{tour.id}}").is("/members/[*]/value", json!(["{{bob.id}}"])).check(
            "/meta/version",
            "not_equals",
            json!("{{tour.meta.version}}"),
        ))
        .then(delete("/Groups/{{tour.id}}"))
        .then(get("/Users/{{bob.id}}").check("/groups", "exists", json!(false)))
}

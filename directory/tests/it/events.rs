//! Which events a change makes, and what they say.

use http::Method;
use scim_directory::{EventType, Normalizer, Relay};
use scim_sql::Engine;
use serde_json::{Value, json};
use std::sync::Arc;

use crate::support::{Site, on_both_engines, parse, user_body};

on_both_engines! {
    the_envelope_has_all_its_fields_in_order,
    an_update_says_what_changed_and_a_no_op_says_nothing,
    a_change_that_no_field_shows_is_named_by_its_scim_path,
    a_password_makes_no_event_and_is_in_none,
    deactivation_and_removal_delete_the_user_and_reactivation_creates_it,
    groups_come_change_and_go,
    a_membership_change_updates_the_group_and_each_user_concerned,
    users_are_reached_through_groups_in_groups,
    a_deleted_user_gets_no_update_for_the_groups_it_was_in,
    groups_are_named_in_a_stable_order,
    sequences_have_no_gap_within_a_directory,
    a_refused_write_makes_no_event,
}

fn types(news: &[(String, Value)]) -> Vec<&str> {
    news.iter().map(|(t, _)| t.as_str()).collect()
}

fn subject(event: &(String, Value)) -> &str {
    event.1["subject"].as_str().unwrap()
}

fn change(path: &str, from: Value, to: Value) -> Value {
    let fields = [("path", path.into()), ("from", from), ("to", to)];
    Value::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

// mission: M-17, M-18, M-19, M-20, M-21, M-22
#[test]
fn the_types_are_these_strings() {
    let names: Vec<&str> = EventType::ALL.iter().map(|t| t.as_str()).collect();
    assert_eq!(
        names[..6],
        [
            "organization.directory.user_created",
            "organization.directory.user_updated",
            "organization.directory.user_deleted",
            "organization.directory.group_created",
            "organization.directory.group_updated",
            "organization.directory.group_deleted",
        ]
    );
    for event_type in EventType::ALL {
        assert_eq!(EventType::parse(event_type.as_str()), Some(*event_type));
    }
}

// mission: M-14, M-17
async fn the_envelope_has_all_its_fields_in_order(engine: Engine) {
    let site = Site::new(engine).await;
    let body = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": "zoe@example.com",
    });
    let id = site.create("/Users", body).await;
    site.catch_up().await;
    let event = site.events().await.remove(0);
    let value = parse(&event.body);
    let names = [
        "spec_version",
        "id",
        "type",
        "object",
        "occurred_at",
        "environment_id",
        "organization_id",
        "directory_id",
        "display_name",
        "sequence",
        "subject",
        "version",
        "cause",
        "changes",
        "data",
    ];
    let places: Vec<usize> =
        names.iter().map(|name| event.body.find(&format!("\"{name}\": ")).unwrap()).collect();
    assert!(places.is_sorted(), "{}", event.body);
    assert_eq!(value.as_object().unwrap().len(), names.len());
    assert_eq!(value["spec_version"], "1");
    assert_eq!(value["id"], event.id.as_str());
    assert_eq!(value["type"], "organization.directory.user_created");
    assert_eq!(value["object"], "DirectoryUser");
    assert_eq!(value["occurred_at"], "2026-01-01T00:00:00.001Z");
    assert_eq!(value["environment_id"], site.directories.environment_id().as_str());
    assert_eq!(value["organization_id"], site.directory.organization_id.as_str());
    assert_eq!(value["directory_id"], site.directory.id.as_str());
    assert_eq!(value["display_name"], "Directory User Created");
    assert_eq!(value["sequence"], 1);
    assert_eq!(value["subject"], id.as_str());
    assert_eq!(value["version"], 1);
    assert_eq!(value["cause"]["kind"], "scim");
    assert!(value["cause"]["request_id"].as_str().unwrap().starts_with("req_"));
    assert_eq!(value["cause"]["initial_sync"], false);
    assert_eq!(value["changes"], json!([]));
    let data = &value["data"];
    assert_eq!(data["email"], "zoe@example.com");
    assert_eq!(data["name"], Value::Null);
    assert_eq!(data["groups"], json!([]));
    assert_eq!(data["organization_id"], site.directory.organization_id.as_str());
    assert_eq!(data["sequence"], 1);
}

// mission: M-10, M-18
async fn an_update_says_what_changed_and_a_no_op_says_nothing(engine: Engine) {
    let site = Site::new(engine).await;
    let id = site.user("ann").await;
    let path = format!("/Users/{id}");
    site.catch_up().await;

    site.set(&path, "title", json!("Lead")).await;
    let news = site.news().await;
    assert_eq!(types(&news), ["user_updated"]);
    assert_eq!(news[0].1["changes"], json!([change("title", Value::Null, json!("Lead"))]));
    assert_eq!(news[0].1["data"]["title"], "Lead");
    assert_eq!(news[0].1["version"], 2);

    // The same once more, by PATCH and by PUT.
    site.set(&path, "title", json!("Lead")).await;
    let mut body = user_body("ann");
    body["title"] = json!("Lead");
    site.scim(Method::PUT, &path, body.clone(), 200).await;
    assert_eq!(site.news().await, []);

    body["name"] = json!({"familyName": "Lee"});
    body["title"] = Value::Null;
    site.scim(Method::PUT, &path, body, 200).await;
    let news = site.news().await;
    assert_eq!(types(&news), ["user_updated"]);
    let changes = json!([
        change("family_name", Value::Null, json!("Lee")),
        change("title", json!("Lead"), Value::Null)
    ]);
    assert_eq!(news[0].1["changes"], changes);
}

async fn a_change_that_no_field_shows_is_named_by_its_scim_path(engine: Engine) {
    let site = Site::new(engine).await;
    let id = site.user("ann").await;
    let path = format!("/Users/{id}");
    site.catch_up().await;
    let ims = json!([{"value": "ann", "type": "xmpp"}]);
    site.set(&path, "ims", ims).await;
    let news = site.news().await;
    assert_eq!(types(&news), ["user_updated"]);
    let changes = news[0].1["changes"].as_array().unwrap();
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0]["path"], "raw_attributes.ims");
    assert_eq!(changes[0]["to"][0]["value"], "ann");

    // Without raw attributes the event comes as well, but does not say more.
    let quiet = site.directories.clone().with_normalizer(Normalizer { raw_attributes: false });
    site.set(&path, "ims", json!([{"value": "ann2", "type": "xmpp"}])).await;
    Relay::new(&quiet, Arc::new(site.store.clone())).catch_up().await.unwrap();
    let event = site.events().await.pop().unwrap();
    assert!(!event.body.contains("ann2\""), "{}", event.body);
    let value = parse(&event.body);
    assert_eq!(value["changes"], json!([change("raw_attributes.ims", Value::Null, Value::Null)]));
    assert_eq!(value["data"]["raw_attributes"], Value::Null);
}

async fn a_password_makes_no_event_and_is_in_none(engine: Engine) {
    let site = Site::new(engine).await;
    let mut body = user_body("ann");
    body["password"] = json!("hunter2-first");
    let id = site.create("/Users", body).await;
    site.set(&format!("/Users/{id}"), "password", json!("hunter2-second")).await;
    let news = site.news().await;
    assert_eq!(types(&news), ["user_created"]);
    assert!(site.events().await.iter().all(|e| !e.body.contains("hunter2")));
}

// ledger: 7643-4.1.1-011
// mission: M-11, M-17, M-19
async fn deactivation_and_removal_delete_the_user_and_reactivation_creates_it(engine: Engine) {
    let site = Site::new(engine).await;
    let id = site.user("ann").await;
    let path = format!("/Users/{id}");
    site.catch_up().await;

    // As Entra ID says it.
    site.set(&path, "active", json!("False")).await;
    let news = site.news().await;
    assert_eq!(types(&news), ["user_deleted"]);
    assert_eq!(news[0].1["data"]["reason"], "deactivated");
    assert_eq!(news[0].1["data"]["active"], false);
    assert_eq!(news[0].1["changes"], json!([change("active", json!(true), json!(false))]));
    let listed = site.directories.user(&site.directory.id, &id).await.unwrap().unwrap();
    assert_eq!(listed.get("active").and_then(scim_schema::Value::as_bool), Some(false));

    site.set(&path, "title", json!("Former lead")).await;
    assert_eq!(types(&site.news().await), ["user_updated"]);

    site.set(&path, "active", json!(true)).await;
    let news = site.news().await;
    assert_eq!(types(&news), ["user_created"]);
    assert_eq!(news[0].1["data"]["active"], true);
    assert_eq!(news[0].1["data"].get("reason"), None);

    site.delete(&path).await;
    let news = site.news().await;
    assert_eq!(types(&news), ["user_deleted"]);
    assert_eq!(news[0].1["data"]["reason"], "removed");
    assert_eq!(news[0].1["data"]["email"], "ann@example.com");
    assert_eq!(site.directories.user(&site.directory.id, &id).await.unwrap(), None);
}

// mission: M-20, M-21, M-22
async fn groups_come_change_and_go(engine: Engine) {
    let site = Site::new(engine).await;
    let id = site.group("Staff", &[]).await;
    let news = site.news().await;
    assert_eq!(types(&news), ["group_created"]);
    assert_eq!(news[0].1["object"], "DirectoryGroup");
    assert_eq!(news[0].1["data"]["name"], "Staff");
    assert_eq!(news[0].1["data"]["member_count"], 0);

    site.set(&format!("/Groups/{id}"), "displayName", json!("Everyone")).await;
    let news = site.news().await;
    assert_eq!(types(&news), ["group_updated"]);
    assert_eq!(news[0].1["changes"], json!([change("name", json!("Staff"), json!("Everyone"))]));
    assert_eq!(news[0].1["data"]["display_name"], "Everyone");

    site.delete(&format!("/Groups/{id}")).await;
    let news = site.news().await;
    assert_eq!(types(&news), ["group_deleted"]);
    assert_eq!(news[0].1["data"]["name"], "Everyone");
}

// mission: M-12, M-21, M-22, M-43, M-63
async fn a_membership_change_updates_the_group_and_each_user_concerned(engine: Engine) {
    let site = Site::new(engine).await;
    let (ann, bob, eve) = (site.user("ann").await, site.user("bob").await, site.user("eve").await);
    let group = site.group("Staff", &[&ann]).await;
    let news = site.news().await;
    assert_eq!(
        types(&news),
        ["user_created", "user_created", "user_created", "group_created", "user_updated"]
    );
    assert_eq!(news[3].1["data"]["member_count"], 1);
    assert_eq!(subject(&news[4]), ann);
    assert_eq!(news[4].1["data"]["groups"], json!(["Staff"]));
    assert_eq!(news[4].1["changes"], json!([change("groups", json!([]), json!(["Staff"]))]));

    site.add_members(&group, &[&bob, &eve]).await;
    let news = site.news().await;
    assert_eq!(types(&news), ["group_updated", "user_updated", "user_updated"]);
    assert_eq!(news[0].1["data"]["member_count"], 3);
    assert_eq!(news[0].1["data"]["total_users"], 3);
    let mut came: Vec<&str> = news[1..].iter().map(subject).collect();
    let mut expected = vec![bob.as_str(), eve.as_str()];
    came.sort_unstable();
    expected.sort_unstable();
    assert_eq!(came, expected);
    let members = news[0].1["changes"].as_array().unwrap().iter().find(|c| c["path"] == "members").unwrap();
    assert_eq!(members["to"].as_array().unwrap().len(), 2);

    site.remove_member(&group, &bob).await;
    let news = site.news().await;
    assert_eq!(types(&news), ["group_updated", "user_updated"]);
    assert_eq!(subject(&news[1]), bob);
    assert_eq!(news[1].1["data"]["groups"], json!([]));

    // What is there already changes nothing.
    site.add_members(&group, &[&ann, &eve]).await;
    assert_eq!(site.news().await, []);

    site.set(&format!("/Groups/{group}"), "displayName", json!("Crew")).await;
    let news = site.news().await;
    assert_eq!(types(&news), ["group_updated", "user_updated", "user_updated"]);
    assert!(news[1..].iter().all(|e| e.1["data"]["groups"] == json!(["Crew"])));

    site.delete(&format!("/Groups/{group}")).await;
    let news = site.news().await;
    assert_eq!(types(&news), ["group_deleted", "user_updated", "user_updated"]);
    assert!(news[1..].iter().all(|e| e.1["data"]["groups"] == json!([])));
}

async fn users_are_reached_through_groups_in_groups(engine: Engine) {
    let site = Site::new(engine).await;
    let ann = site.user("ann").await;
    let inner = site.group("Inner", &[&ann]).await;
    let outer = site.group("Outer", &[&inner]).await;
    let news = site.news().await;
    assert_eq!(
        types(&news),
        ["user_created", "group_created", "user_updated", "group_created", "user_updated"]
    );
    assert_eq!(news[4].1["data"]["groups"], json!(["Inner", "Outer"]));
    assert_eq!(news[3].1["data"]["member_count"], 1);
    assert_eq!(news[3].1["data"]["total_users"], 0);

    site.set(&format!("/Groups/{outer}"), "displayName", json!("A outer")).await;
    let news = site.news().await;
    assert_eq!(types(&news), ["group_updated", "user_updated"]);
    assert_eq!(news[1].1["data"]["groups"], json!(["A outer", "Inner"]));

    site.remove_member(&outer, &inner).await;
    let news = site.news().await;
    assert_eq!(types(&news), ["group_updated", "user_updated"]);
    assert_eq!(news[1].1["data"]["groups"], json!(["Inner"]));

    // A circle, and then the end of one half of it.
    site.add_members(&outer, &[&inner]).await;
    site.add_members(&inner, &[&outer]).await;
    site.catch_up().await;
    site.delete(&format!("/Groups/{inner}")).await;
    let news = site.news().await;
    assert_eq!(types(&news), ["group_deleted", "user_updated", "group_updated"]);
    assert_eq!(news[1].1["data"]["groups"], json!([]));
}

async fn a_deleted_user_gets_no_update_for_the_groups_it_was_in(engine: Engine) {
    let site = Site::new(engine).await;
    let (ann, bob) = (site.user("ann").await, site.user("bob").await);
    let group = site.group("Staff", &[&ann, &bob]).await;
    site.catch_up().await;
    site.delete(&format!("/Users/{ann}")).await;
    let news = site.news().await;
    assert_eq!(types(&news), ["user_deleted", "group_updated"]);
    assert_eq!(news[0].1["data"]["groups"], json!(["Staff"]));
    assert_eq!(subject(&news[1]), group);
    assert_eq!(news[1].1["data"]["member_count"], 1);
    let changes = json!([
        change("member_count", json!(2), json!(1)),
        change("total_users", json!(2), json!(1)),
        change("members", json!([ann]), json!([])),
    ]);
    assert_eq!(news[1].1["changes"], changes);
}

async fn groups_are_named_in_a_stable_order(engine: Engine) {
    let site = Site::new(engine).await;
    let ann = site.user("ann").await;
    for name in ["Zebra", "alpha", "Beta", "Émigrés"] {
        site.group(name, &[&ann]).await;
    }
    site.catch_up().await;
    let event = parse(&site.events().await.pop().unwrap().body);
    assert_eq!(event["data"]["groups"], json!(["Beta", "Zebra", "alpha", "Émigrés"]));
    let refs = event["data"]["group_refs"].as_array().unwrap();
    assert_eq!(refs.len(), 4);
    assert_eq!(refs[0]["name"], "Beta");
    assert!(refs[0]["id"].as_str().unwrap().starts_with("dirgroup_"));
}

async fn sequences_have_no_gap_within_a_directory(engine: Engine) {
    let site = Site::new(engine).await;
    let ann = site.user("ann").await;
    site.catch_up().await;
    site.group("Staff", &[&ann]).await;
    site.user("bob").await;
    site.catch_up().await;
    let sequences: Vec<u64> = site.events().await.iter().map(|e| e.sequence).collect();
    assert_eq!(sequences, [1, 2, 3, 4]);
    assert_eq!(site.directories.directory(&site.directory.id).await.unwrap().unwrap().sequence, 4);
    let behind = site.directories.events(&site.directory.id, 2, 1).await.unwrap();
    assert_eq!(behind.iter().map(|e| e.sequence).collect::<Vec<_>>(), [3]);
}

async fn a_refused_write_makes_no_event(engine: Engine) {
    let site = Site::new(engine).await;
    let ann = site.user("ann").await;
    let bob = site.user("bob").await;
    site.catch_up().await;
    site.scim(Method::POST, "/Users", user_body("ANN"), 409).await;
    site.scim(Method::PUT, &format!("/Users/{bob}"), user_body("ann"), 409).await;
    let nameless = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "title": "x"});
    site.scim(Method::PUT, &format!("/Users/{ann}"), nameless, 400).await;
    site.scim(Method::POST, "/Groups", json!({"displayName": ["no text"]}), 400).await;
    assert_eq!(site.news().await, []);
}

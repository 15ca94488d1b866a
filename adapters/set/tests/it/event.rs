//! Which events a change makes, and what they say.

use scim_core::{AttributeChange, Cause, ChangeEntry, ChangeKind, FeedCursor, Member, Registry, TenantId};
use scim_schema::{DateTime, ENTERPRISE_USER, Resource, Value};
use scim_set::{Activity, Claims, Content, EventUri, FULL_LIMIT, SetEvent, events, subject};
use serde_json::json;

fn entry(resource_type: &str, kind: ChangeKind, resource: serde_json::Value) -> ChangeEntry {
    let resource = Resource::from_canonical(serde_json::from_value(resource).unwrap());
    ChangeEntry {
        cursor: FeedCursor::START,
        tenant: TenantId::new("acme"),
        resource_type: resource_type.into(),
        id: resource.id().to_owned(),
        kind,
        version: 4,
        resource,
        changes: Vec::new(),
        members_added: Vec::new(),
        members_removed: Vec::new(),
        cause: Cause { kind: "scim".into(), request_id: "req_1".into() },
        time: DateTime::from_unix_micros(1_767_225_600_000_000),
    }
}

fn user(kind: ChangeKind) -> ChangeEntry {
    let user = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", ENTERPRISE_USER],
        "id": "7",
        "externalId": "ada",
        "userName": "ada@example.com",
        "name": {"givenName": "Ada"},
        ENTERPRISE_USER: {"department": "Works", "manager": {"value": "8", "$ref": "Users/8"}},
        "meta": {"resourceType": "User", "location": "Users/7", "version": "W/\"4\""},
    });
    entry("User", kind, user)
}

fn group(kind: ChangeKind) -> ChangeEntry {
    let group = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "id": "g", "displayName": "Staff",
    });
    entry("Group", kind, group)
}

fn member(id: &str) -> Member {
    Member { id: id.into(), resource_type: Some("User".into()), display: None }
}

fn change(path: &str, to: Option<serde_json::Value>) -> AttributeChange {
    AttributeChange { path: path.into(), from: Some(Value::from("old")), to: to.map(Value::from) }
}

fn told(entry: &ChangeEntry, activity: Option<Activity>, content: Content) -> Vec<SetEvent> {
    events(entry, &Registry::standard(), activity, content)
}

/// The one event that there is.
#[track_caller]
fn one(entry: &ChangeEntry, content: Content) -> (EventUri, serde_json::Value) {
    let events = told(entry, None, content);
    assert_eq!(events.len(), 1);
    (events[0].uri, serde_json::to_value(&events[0].payload).unwrap())
}

// ledger: 9967-2.1-001, 9967-2.1-002, 9967-2.1-003, 9967-2.1-004, 9967-2.4.1-001
#[test]
fn the_subject_is_told_by_its_path_beside_the_events() {
    let entry = user(ChangeKind::Created);
    let claims = Claims {
        id: "evt_1".into(),
        issued_at: 5,
        transaction: Some("req_1".into()),
        subject: subject(&entry, &Registry::standard()),
        events: told(&entry, None, Content::Full),
        more: vec![("directory_id", "dir_1".into())],
    };
    let claims: serde_json::Value = serde_json::from_str(&claims.to_json()).unwrap();
    assert_eq!(claims["sub_id"], json!({"format": "scim", "uri": "/Users/7", "externalId": "ada"}));
    assert!(claims.get("sub").is_none());
    assert_eq!(
        (&claims["jti"], &claims["iat"], &claims["txn"]),
        (&json!("evt_1"), &json!(5), &json!("req_1"))
    );
    assert_eq!(claims["directory_id"], "dir_1");
    let event = &claims["events"]["urn:ietf:params:scim:event:prov:create:full"];
    assert!(event.get("sub_id").is_none());
    assert_eq!(event["data"]["id"], "7");
    assert_eq!(subject(&group(ChangeKind::Created), &Registry::standard()).uri, "/Groups/g");
}

// ledger: 9967-2.2-001, 9967-2.4-001
#[test]
fn a_creation_has_the_resource_or_the_names_of_its_attributes() {
    let entry = user(ChangeKind::Created);
    let (uri, payload) = one(&entry, Content::Full);
    assert_eq!(uri, EventUri::CreateFull);
    assert_eq!(payload["data"]["userName"], "ada@example.com");
    assert_eq!(payload["data"]["meta"], json!({"resourceType": "User", "version": "W/\"4\""}));
    assert_eq!(payload["version"], "W/\"4\"");
    assert!(payload.get("attributes").is_none());

    let (uri, payload) = one(&entry, Content::Notice);
    assert_eq!(uri, EventUri::CreateNotice);
    let department = format!("{ENTERPRISE_USER}:department");
    let manager = format!("{ENTERPRISE_USER}:manager");
    assert_eq!(payload["attributes"], json!(["externalId", "id", "name", department, manager, "userName"]));
    assert!(payload.get("data").is_none());
}

// ledger: 9967-2.2-003, 9967-2.4.2-001
#[test]
fn an_update_is_a_patch_or_the_paths_that_changed() {
    let mut entry = user(ChangeKind::Updated);
    let department = format!("{ENTERPRISE_USER}:department");
    entry.changes = vec![
        change("name.familyName", Some(json!("Okafor"))),
        change("title", None),
        change(&department, Some(json!("Arts"))),
        AttributeChange { path: "password".into(), from: None, to: None },
    ];
    let (uri, payload) = one(&entry, Content::Full);
    assert_eq!(uri, EventUri::PatchFull);
    assert_eq!(payload["data"]["schemas"], json!(["urn:ietf:params:scim:api:messages:2.0:PatchOp"]));
    let operations = json!([
        {"op": "replace", "path": "name.familyName", "value": "Okafor"},
        {"op": "remove", "path": "title"},
        {"op": "replace", "path": department, "value": "Arts"},
    ]);
    assert_eq!(payload["data"]["Operations"], operations);
    let (uri, payload) = one(&entry, Content::Notice);
    assert_eq!(uri, EventUri::PatchNotice);
    assert_eq!(payload["attributes"], json!(["name.familyName", "title", department]));
    assert_eq!(payload["version"], "W/\"4\"");

    entry.changes.drain(..3);
    assert_eq!(told(&entry, None, Content::Full), [], "nobody can see that a password changed");
}

// ledger: 9967-5-005
#[test]
fn members_come_and_go_one_by_one_and_very_many_are_told_as_a_notice() {
    let mut entry = group(ChangeKind::Created);
    entry.members_added = vec![member("1"), member("2")];
    let (_, payload) = one(&entry, Content::Full);
    let members = json!([
        {"value": "1", "$ref": "Users/1", "type": "User"},
        {"value": "2", "$ref": "Users/2", "type": "User"},
    ]);
    assert_eq!(payload["data"]["members"], members);

    entry.kind = ChangeKind::Updated;
    entry.members_removed = vec![member("a\"b")];
    let (uri, payload) = one(&entry, Content::Full);
    assert_eq!(uri, EventUri::PatchFull);
    let operations = json!([
        {"op": "remove", "path": "members[value eq \"a\\\"b\"]"},
        {"op": "add", "path": "members", "value": members},
    ]);
    assert_eq!(payload["data"]["Operations"], operations);
    assert_eq!(one(&entry, Content::Notice).1["attributes"], json!(["members"]));

    entry.members_added = (0..20_000).map(|n| member(&format!("{n:036}"))).collect();
    assert!(serde_json::to_string(&one(&entry, Content::Notice).1).unwrap().len() < FULL_LIMIT);
    assert_eq!(one(&entry, Content::Full).0, EventUri::PatchNotice);
    entry.kind = ChangeKind::Created;
    assert_eq!(one(&entry, Content::Full).0, EventUri::CreateNotice);
}

// ledger: 9967-2.4.4-001, 9967-2.4.5-001, 9967-2.1-005
#[test]
fn activity_stands_beside_the_patch_and_a_deletion_has_no_payload() {
    let mut entry = user(ChangeKind::Updated);
    entry.changes = vec![change("active", Some(json!(false)))];
    let uris = |activity| -> Vec<EventUri> {
        told(&entry, activity, Content::Full).iter().map(|event| event.uri).collect()
    };
    assert_eq!(uris(Some(Activity::Deactivated)), [EventUri::PatchFull, EventUri::Deactivate]);
    assert_eq!(uris(Some(Activity::Activated)), [EventUri::PatchFull, EventUri::Activate]);
    let told_of = told(&entry, Some(Activity::Deactivated), Content::Notice);
    assert_eq!(told_of[0].uri, EventUri::PatchNotice);
    assert!(told_of[1].payload.is_empty());

    let (uri, payload) = one(&user(ChangeKind::Deleted), Content::Full);
    assert_eq!((uri, payload), (EventUri::Delete, json!({})));
}

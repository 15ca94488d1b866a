//! Made-up events, by which an endpoint is tried out.

use scim_core::Cause;
use scim_schema::{
    DateTime, ENTERPRISE_USER, GROUP as GROUP_SCHEMA, Object, Resource, USER as USER_SCHEMA, Value,
};
use serde_json::json;

use super::{Directories, directory_data};
use crate::endpoint::Endpoint;
use crate::event::{DEACTIVATED, Envelope, EventType};
use crate::id::{DirectoryId, EventId, random_bytes};
use crate::json::python_json;
use crate::normalize::{GroupRef, MemberCounts, Subject, membership};

/// The kind of the cause of test events.
const TEST: &str = "test";

const USER: &str = "diruser_0000000000000000000000";
const GROUP: &str = "dirgroup_0000000000000000000000";
const ORGANIZATION: &str = "org_0000000000000000000000";
const DIRECTORY: &str = "dir_0000000000000000000000";
/// Of what never was, no later version comes.
const VERSION: u64 = 1;
const SEQUENCE: u64 = 0;

impl Directories {
    /// A body that tries an endpoint out: of an event of the type about somebody or something made up, and in no log.
    /// Answers its id and its text.
    pub fn test_body(&self, event_type: EventType, endpoint: &Endpoint, now: DateTime) -> (EventId, String) {
        let id = EventId::of(now, random_bytes::<32>());
        let cause = Cause { kind: TEST.into(), request_id: id.as_str().into() };
        let settings = &endpoint.settings;
        let (organization, directory) =
            match (settings.organization_ids.first(), settings.directory_ids.first()) {
                (Some(organization), directory) => {
                    (organization.as_str(), directory.map_or(DIRECTORY, DirectoryId::as_str))
                }
                // Whose directory it is, is not known here.
                (None, _) => (ORGANIZATION, DIRECTORY),
            };
        let place = Some((organization, directory)).filter(|_| !event_type.is_notice());
        let (subject, data) = self.sample(event_type, endpoint, (organization, directory), now);
        let envelope = Envelope {
            id: id.as_str(),
            event_type,
            occurred_at: now,
            environment_id: self.environment_id().as_str(),
            organization_id: place.map(|(organization, _)| organization),
            directory_id: place.map(|(_, directory)| directory),
            sequence: SEQUENCE,
            subject: &subject,
            version: VERSION,
            cause: &cause,
            changes: Vec::new(),
            data,
        };
        let body = python_json(&envelope.into_value());
        (id, body)
    }

    /// What an event is about, and its data.
    fn sample(
        &self,
        event_type: EventType,
        endpoint: &Endpoint,
        (organization, directory): (&str, &str),
        now: DateTime,
    ) -> (String, Object) {
        let is_active = event_type != EventType::UserDeleted;
        let (user, group) = (user(is_active, now), group(now));
        let of = |resource| Subject {
            resource,
            organization_id: organization,
            directory_id: directory,
            version: VERSION,
            sequence: SEQUENCE,
        };
        let normalizer = self.normalizer();
        let staff = GroupRef { name: Some("Staff".into()), id: GROUP.into(), external_id: None };
        let groups: &[GroupRef] = if is_active { &[staff] } else { &[] };
        let mut user = normalizer.user(&of(&user), groups);
        let group = normalizer.group(&of(&group), MemberCounts { members: 1, users: 1 });
        match event_type {
            EventType::UserCreated | EventType::UserUpdated => (USER.into(), user),
            EventType::UserDeleted => {
                user.push("reason", DEACTIVATED);
                (USER.into(), user)
            }
            EventType::GroupCreated | EventType::GroupUpdated | EventType::GroupDeleted => {
                (GROUP.into(), group)
            }
            EventType::GroupUserAdded | EventType::GroupUserRemoved => {
                (format!("{GROUP}/{USER}"), membership(GROUP, USER, group, Some(user)))
            }
            EventType::DirectoryEnabled | EventType::DirectoryDisabled => {
                let enabled = event_type == EventType::DirectoryEnabled;
                let data = directory_data(directory, organization, ("Example", "custom"), enabled, now);
                (directory.into(), data)
            }
            EventType::EndpointDisabled
            | EventType::DeliveryFailing
            | EventType::DeliveryExhausted
            | EventType::DeliveryRecovered => (endpoint.id.to_string(), notice(event_type, endpoint, now)),
        }
    }
}

fn user(is_active: bool, now: DateTime) -> Resource {
    let time = now.to_string();
    made_up(json!({
        "schemas": [USER_SCHEMA, ENTERPRISE_USER],
        "id": USER,
        "externalId": "example-1",
        "userName": "ada@example.com",
        "name": {"formatted": "Ada Lovelace", "givenName": "Ada", "familyName": "Lovelace"},
        "displayName": "Ada Lovelace",
        "emails": [{"value": "ada@example.com", "type": "work", "primary": true}],
        "title": "Analyst",
        "active": is_active,
        ENTERPRISE_USER: {"department": "Engines", "employeeNumber": "1815"},
        "meta": {"resourceType": "User", "created": time, "lastModified": time},
    }))
}

fn group(now: DateTime) -> Resource {
    let time = now.to_string();
    made_up(json!({
        "schemas": [GROUP_SCHEMA],
        "id": GROUP,
        "displayName": "Staff",
        "members": [{"value": USER, "display": "Ada Lovelace"}],
        "meta": {"resourceType": "Group", "created": time, "lastModified": time},
    }))
}

fn notice(event_type: EventType, endpoint: &Endpoint, now: DateTime) -> Object {
    let (id, time) = (endpoint.id.as_str(), now.to_string());
    object(if event_type == EventType::EndpointDisabled {
        json!({"endpoint_id": id, "reason": "failing", "disabled_at": time, "failing_since": time})
    } else {
        json!({
            "endpoint_id": id,
            "delivery_id": "dlv_0000000000000000000000",
            "event_id": "evt_0000000000000000000000",
            "event_type": EventType::UserCreated.as_str(),
            "subject": USER,
            "attempts": 4,
            "status": 500,
            "reason": "status",
            "next_attempt": time,
        })
    })
}

fn made_up(attributes: serde_json::Value) -> Resource {
    Resource::from_canonical(object(attributes))
}

fn object(json: serde_json::Value) -> Object {
    match json.into() {
        Value::Object(object) => object,
        _ => Object::new(),
    }
}

//! An event as a message.

use async_nats::HeaderMap;
use async_nats::header::{HeaderValue, NATS_EXPECTED_LAST_MESSAGE_ID, NATS_EXPECTED_STREAM, NATS_MESSAGE_ID};
use async_nats::jetstream::message::PublishMessage;
use bytes::Bytes;
use scim_directory::{DirectoryId, Event, EventType, OrganizationId};
use serde_json::Value;

use crate::error::NatsError;

/// What the headers of a message may take of the size that a server allows.
const HEADERS: usize = 2_048;

/// The subject of an event.
pub(crate) fn subject(prefix: &str, event: &Event) -> String {
    let organization = event.organization_id.as_ref().map(OrganizationId::as_str);
    let directory = event.directory_id.as_ref().map(DirectoryId::as_str);
    named(prefix, organization, directory, event.event_type)
}

/// `{prefix}.{organization}.{directory}.{what}`, and `{prefix}.webhook.{what}` for an event about deliveries.
fn named(prefix: &str, organization: Option<&str>, directory: Option<&str>, event_type: EventType) -> String {
    let what = event_type.as_str().rsplit('.').next().unwrap_or_default();
    match (organization, directory) {
        (Some(organization), Some(directory)) => format!("{prefix}.{organization}.{directory}.{what}"),
        _ => format!("{prefix}.webhook.{what}"),
    }
}

/// The message of an event for a stream; if `behind` is given, the stream must take it behind the event of that id
/// or not at all.
pub(crate) fn message(
    event: &Event,
    stream: &str,
    behind: Option<&str>,
    max_payload: usize,
) -> Result<PublishMessage, NatsError> {
    let mut headers = HeaderMap::new();
    let sequence = event.sequence.to_string();
    let mut insert = |name: &'static str, value: &str| match value.parse::<HeaderValue>() {
        Ok(value) => {
            headers.insert(name, value);
            Ok(())
        }
        Err(error) => Err(refused(stream, event, &error)),
    };
    insert(NATS_MESSAGE_ID.as_ref(), event.id.as_str())?;
    insert(NATS_EXPECTED_STREAM.as_ref(), stream)?;
    if let Some(id) = behind {
        insert(NATS_EXPECTED_LAST_MESSAGE_ID.as_ref(), id)?;
    }
    insert("scim-event-type", event.event_type.as_str())?;
    insert("scim-sequence", &sequence)?;
    insert("scim-subject", &event.subject)?;
    let payload = if event.body.len().saturating_add(HEADERS) <= max_payload {
        Bytes::copy_from_slice(event.body.as_bytes())
    } else {
        insert("scim-omitted", "data changes")?;
        Bytes::from(without_data(&event.body).ok_or_else(|| refused(stream, event, &"it is not JSON"))?)
    };
    Ok(PublishMessage::build().payload(payload).headers(headers))
}

pub(crate) fn refused(stream: &str, event: &Event, reason: &dyn ToString) -> NatsError {
    let (stream, event) = (stream.to_owned(), event.id.to_string());
    NatsError::Refused { stream, event, reason: reason.to_string() }
}

/// The text with `data` as null and no `changes`: one large event must not stop those behind it.
fn without_data(body: &str) -> Option<String> {
    let mut value: Value = serde_json::from_str(body).ok()?;
    let members = value.as_object_mut()?;
    members.insert("data".to_owned(), Value::Null);
    members.insert("changes".to_owned(), Value::Array(Vec::new()));
    Some(value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_has_a_word_for_each_thing() {
        let of = |event_type| named("a.b", Some("org_1"), Some("dir_1"), event_type);
        assert_eq!(of(EventType::UserCreated), "a.b.org_1.dir_1.user_created");
        assert_eq!(of(EventType::DirectoryEnabled), "a.b.org_1.dir_1.directory_enabled");
        let notice = named("a.b", None, None, EventType::EndpointDisabled);
        assert_eq!(notice, "a.b.webhook.endpoint_disabled");
        let subjects: std::collections::BTreeSet<String> = EventType::ALL.iter().map(|t| of(*t)).collect();
        assert_eq!(subjects.len(), EventType::ALL.len(), "no two types share one");
    }

    #[test]
    fn what_is_too_large_keeps_its_envelope() {
        let body = r#"{"id": "evt_1", "changes": [{"path": "title"}], "data": {"id": "x"}}"#;
        let short: Value = serde_json::from_str(&without_data(body).unwrap()).unwrap();
        assert_eq!(short, serde_json::json!({"id": "evt_1", "changes": [], "data": null}));
        assert_eq!(without_data("[]"), None);
        assert_eq!(without_data("{"), None);
    }
}

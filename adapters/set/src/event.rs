//! From a change of a resource to its events (RFC 9967 §2.4).

use scim_core::{AttributeChange, ChangeEntry, ChangeKind, Member, Registry};
use scim_patch::PATCH_OP;
use scim_schema::{Membership, Object, Resource, ResourceType, Value, etag, write_json};

use crate::claims::SubjectId;
use crate::uri::EventUri;

/// How large the `data` of an event may be, in bytes of JSON. What is larger is told as a notice, as §5
/// recommends for large groups: 1 MiB.
pub const FULL_LIMIT: usize = 1 << 20;

/// How much events say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "the RFC has two")]
pub enum Content {
    /// The values: `data`.
    #[default]
    Full,
    /// The names of attributes: `attributes`. Who wants to know more asks for the resource.
    Notice,
}

/// What a change means for whom the resource stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "one comes in or is shut out")]
pub enum Activity {
    /// `active` became true.
    Activated,
    /// `active` became false.
    Deactivated,
}

/// One member of `events`.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "a name and a value")]
pub struct SetEvent {
    /// Which event.
    pub uri: EventUri,
    /// Its payload; empty for events that have none.
    pub payload: Object,
}

impl SetEvent {
    fn bare(uri: EventUri) -> Self {
        Self { uri, payload: Object::new() }
    }
}

/// The events that tell of a change; none where nothing changed that anybody may see.
///
/// - Created: `prov:create`, with the resource as it was answered, or the names of its attributes.
/// - Updated, by PATCH or PUT: `prov:patch`, with a PatchOp that makes the old state the new one, or the paths
///   that changed. `prov:activate` or `prov:deactivate` stands beside it in the same SET.
/// - Deleted: `prov:delete`.
///
/// References to resources of the service are relative to its base URL, and `meta` has no `location`.
pub fn events(
    entry: &ChangeEntry,
    registry: &Registry,
    activity: Option<Activity>,
    content: Content,
) -> Vec<SetEvent> {
    let resource_type = registry.resource_type(&entry.resource_type).map(AsRef::as_ref);
    let mut events = match entry.kind {
        ChangeKind::Created => vec![created(entry, registry, resource_type, content)],
        ChangeKind::Updated => updated(entry, registry, resource_type, content).into_iter().collect(),
        ChangeKind::Deleted => vec![SetEvent::bare(EventUri::Delete)],
    };
    if entry.kind == ChangeKind::Updated {
        events.extend(activity.map(|activity| match activity {
            Activity::Activated => SetEvent::bare(EventUri::Activate),
            Activity::Deactivated => SetEvent::bare(EventUri::Deactivate),
        }));
    }
    events
}

/// Whom a change is about.
pub fn subject(entry: &ChangeEntry, registry: &Registry) -> SubjectId {
    let endpoint = registry.resource_type(&entry.resource_type).map_or("", |found| found.endpoint());
    SubjectId {
        uri: format!("/{}/{}", endpoint.trim_start_matches('/'), entry.id),
        external_id: entry.resource.external_id().map(str::to_owned),
    }
}

fn created(
    entry: &ChangeEntry,
    registry: &Registry,
    resource_type: Option<&ResourceType>,
    content: Content,
) -> SetEvent {
    let whole = with_members(entry, registry, resource_type);
    let mut data = whole.attributes().clone();
    if let Some(meta) = data.get_mut("meta").and_then(Value::as_object_mut) {
        meta.remove("location");
    }
    if let Some(event) = full(EventUri::CreateFull, entry, &data, content) {
        return event;
    }
    let mut names = Vec::new();
    for (name, value) in data.iter().filter(|(name, _)| !matches!(*name, "schemas" | "meta")) {
        match value.as_object().filter(|_| name.contains(':')) {
            // An extension: its attributes.
            Some(values) => names.extend(values.keys().map(|part| Value::from(format!("{name}:{part}")))),
            None => names.push(name.into()),
        }
    }
    notice(EventUri::CreateNotice, entry, names)
}

/// `None` if nothing changed that anybody may see.
fn updated(
    entry: &ChangeEntry,
    registry: &Registry,
    resource_type: Option<&ResourceType>,
    content: Content,
) -> Option<SetEvent> {
    // Of what nobody may read it is known that it changed, never how.
    let shown = |change: &&AttributeChange| change.from.is_some() || change.to.is_some();
    let changes = || entry.changes.iter().filter(shown);
    let members = membership(resource_type).map(Membership::attribute);
    let members = members.filter(|_| !entry.members_added.is_empty() || !entry.members_removed.is_empty());
    if changes().next().is_none() && members.is_none() {
        return None;
    }
    if content == Content::Full {
        let mut operations: Vec<Value> = changes().map(attribute_operation).collect();
        if let Some(name) = members {
            operations.extend(entry.members_removed.iter().map(|member| remove_member(name, member)));
            let come = with_members(entry, registry, resource_type).get(name).cloned();
            operations.extend(come.map(|values| operation("add", name, Some(values))));
        }
        let mut data = Object::with_capacity(2);
        data.push("schemas", vec![Value::from(PATCH_OP)]);
        data.push("Operations", operations);
        if let Some(event) = full(EventUri::PatchFull, entry, &data, content) {
            return Some(event);
        }
    }
    let names = changes().map(|change| Value::from(change.path.as_str())).chain(members.map(Value::from));
    Some(notice(EventUri::PatchNotice, entry, names.collect()))
}

/// `None` if a notice is asked for, or the values are too large.
fn full(uri: EventUri, entry: &ChangeEntry, data: &Object, content: Content) -> Option<SetEvent> {
    let fits = || write_json(data).is_ok_and(|text| text.len() <= FULL_LIMIT);
    if content == Content::Notice || !fits() {
        return None;
    }
    let mut payload = Object::with_capacity(2);
    payload.push("version", etag(entry.version));
    payload.push("data", data.clone());
    Some(SetEvent { uri, payload })
}

fn notice(uri: EventUri, entry: &ChangeEntry, names: Vec<Value>) -> SetEvent {
    let mut payload = Object::with_capacity(2);
    payload.push("version", etag(entry.version));
    payload.push("attributes", names);
    SetEvent { uri, payload }
}

fn membership(resource_type: Option<&ResourceType>) -> Option<&Membership> {
    resource_type.and_then(ResourceType::membership)
}

/// The resource with the members that came, as the service would show them.
fn with_members(entry: &ChangeEntry, registry: &Registry, resource_type: Option<&ResourceType>) -> Resource {
    let mut resource = entry.resource.clone();
    if let Some(membership) = membership(resource_type) {
        scim_core::edges::set_members(&mut resource, membership, &entry.members_added, registry);
    }
    resource
}

fn attribute_operation(change: &AttributeChange) -> Value {
    match &change.to {
        Some(to) => operation("replace", &change.path, Some(to.clone())),
        None => operation("remove", &change.path, None),
    }
}

fn remove_member(attribute: &str, member: &Member) -> Value {
    let id = write_json(&Value::from(member.id.as_str())).unwrap_or_default();
    operation("remove", &format!("{attribute}[value eq {id}]"), None)
}

fn operation(op: &str, path: &str, value: Option<Value>) -> Value {
    let mut object = Object::with_capacity(3);
    object.push("op", op);
    object.push("path", path);
    if let Some(value) = value {
        object.push("value", value);
    }
    Value::Object(object)
}

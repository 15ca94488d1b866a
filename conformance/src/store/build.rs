//! What trials build their resources, writes and queries with.

use std::sync::{Arc, LazyLock};

use scim_core::{
    Batch, Cause, Change, ChangeEntry, DateTime, Document, Include, Matcher, Member, MemberDelta,
    MembersChange, Page, PageRequest, Precondition, Query, Registry, Resource, ResourceType, Sort, Start,
    Stored, TenantId, Write,
};
use scim_filter::{Filter, MatchOptions};
use scim_schema::Value;
use serde_json::{Value as Json, json};

use super::check::Wrong;

/// A moment; trials count microseconds from it.
pub(super) const START: i64 = 1_700_000_000_000_000;

pub(super) const ENTERPRISE: &str = scim_schema::ENTERPRISE_USER;

/// The schemas that stores under trial have.
pub(super) static STANDARD: LazyLock<Arc<Registry>> = LazyLock::new(|| Arc::new(Registry::standard()));

pub(super) fn acme() -> TenantId {
    TenantId::new("acme")
}

pub(super) fn at(micros: i64) -> DateTime {
    DateTime::from_unix_micros(START + micros)
}

/// A type of the standard registry. There are User and Group; trials name no other.
#[expect(clippy::panic, reason = "a mistake in a trial, not in a store")]
pub(super) fn type_named(name: &str) -> &'static Arc<ResourceType> {
    STANDARD.resource_type(name).unwrap_or_else(|| panic!("there is no type {name}"))
}

/// The type that goes with an id of generated data: those of groups begin with `g`.
pub(super) fn type_for(id: &str) -> &'static str {
    if id.starts_with(['g', 'G']) { "Group" } else { "User" }
}

pub(super) fn document(name: &str, id: &str, attributes: &Json) -> Document {
    let resource_type = type_named(name);
    let mut schemas = vec![json!(resource_type.schema().id())];
    if attributes.get(ENTERPRISE).is_some() {
        schemas.push(json!(ENTERPRISE));
    }
    let mut object = scim_schema::Object::new();
    object.push("schemas", Value::from(Json::Array(schemas)));
    object.push("id", id);
    for (name, value) in attributes.as_object().into_iter().flatten() {
        object.push(name, Value::from(value.clone()));
    }
    let resource = Resource::from_canonical(object);
    Document { unique: resource_type.unique_keys(&resource), resource }
}

pub(super) fn write(name: &str, id: &str, precondition: Precondition, change: Change) -> Write {
    Write { resource_type: Arc::clone(type_named(name)), id: id.into(), precondition, change }
}

pub(super) fn insert(name: &str, id: &str, attributes: &Json) -> Write {
    insert_with(name, id, attributes, Vec::new())
}

pub(super) fn insert_with(name: &str, id: &str, attributes: &Json, members: Vec<Member>) -> Write {
    let document = document(name, id, attributes);
    write(name, id, Precondition::Absent, Change::Insert { document, members })
}

pub(super) fn user(id: &str) -> Write {
    insert("User", id, &json!({"userName": format!("{id}@example.com")}))
}

/// A user of this name.
pub(super) fn named(id: &str, name: &str) -> Write {
    insert("User", id, &json!({"userName": name}))
}

pub(super) fn group(id: &str, members: &[&str]) -> Write {
    insert_with("Group", id, &json!({"displayName": format!("The {id}")}), plain(members))
}

/// Members of which only the id is known.
pub(super) fn plain(ids: &[&str]) -> Vec<Member> {
    ids.iter().map(|id| Member::new(*id)).collect()
}

/// A member with all that can be recorded with it.
pub(super) fn labelled(id: &str, resource_type: &str, display: &str) -> Member {
    Member { id: id.into(), resource_type: Some(resource_type.into()), display: Some(display.into()) }
}

pub(super) fn replace(name: &str, id: &str, attributes: &Json) -> Write {
    let document = Some(document(name, id, attributes));
    let change = Change::Update { document, changes: Vec::new(), members: MembersChange::Keep };
    write(name, id, Precondition::Any, change)
}

/// The user with another title.
pub(super) fn titled(id: &str, title: &str) -> Write {
    replace("User", id, &json!({"userName": format!("{id}@example.com"), "title": title}))
}

pub(super) fn members(id: &str, members: MembersChange) -> Write {
    let change = Change::Update { document: None, changes: Vec::new(), members };
    write("Group", id, Precondition::Any, change)
}

pub(super) fn set(id: &str, ids: &[&str]) -> Write {
    members(id, MembersChange::Set(plain(ids)))
}

pub(super) fn delta(id: &str, add: &[&str], remove: &[&str]) -> Write {
    let remove = remove.iter().map(|&r| r.to_owned()).collect();
    members(id, MembersChange::Delta(MemberDelta { clear: false, add: plain(add), remove }))
}

pub(super) fn clear(id: &str, add: &[&str]) -> Write {
    members(id, MembersChange::Delta(MemberDelta { clear: true, add: plain(add), remove: Vec::new() }))
}

pub(super) fn delete(name: &str, id: &str) -> Write {
    write(name, id, Precondition::Any, Change::Delete)
}

pub(super) fn at_version(version: u64, mut write: Write) -> Write {
    write.precondition = Precondition::Version(version);
    write
}

pub(super) fn batch(writes: Vec<Write>, now: i64) -> Batch {
    let cause = Cause { kind: "scim".into(), request_id: format!("request-{now}") };
    Batch { writes, now: at(now), cause, check_members: true }
}

/// A batch in which members need not exist.
pub(super) fn lenient(writes: Vec<Write>, now: i64) -> Batch {
    Batch { check_members: false, ..batch(writes, now) }
}

pub(super) fn query(types: &[&str], filter: Option<&str>) -> Result<Query, Wrong> {
    let resource_types: Vec<Arc<ResourceType>> = types.iter().map(|t| Arc::clone(type_named(t))).collect();
    let filter = match filter {
        Some(text) => {
            let wrong = |why: String| Wrong::new(format_args!("the trial's filter {text}: {why}"));
            let filter = Filter::parse(text).map_err(|error| wrong(error.to_string()))?;
            let matcher = Matcher::new(&filter, &resource_types, &MatchOptions::default());
            Some(Arc::new(matcher.map_err(|error| wrong(error.to_string()))?))
        }
        None => None,
    };
    let page = PageRequest { start: Start::Offset(0), count: 10_000 };
    Ok(Query { resource_types, filter, sort: None, page, include: Include::NONE })
}

pub(super) fn sorted(mut query: Query, by: &str, descending: bool) -> Result<Query, Wrong> {
    let sort = Sort::new(by, descending, &query.resource_types);
    query.sort = Some(sort.map_err(|error| Wrong::new(format_args!("the trial's sortBy {by}: {error}")))?);
    Ok(query)
}

pub(super) fn paged(mut query: Query, start: Start, count: usize) -> Query {
    query.page = PageRequest { start, count };
    query
}

pub(super) fn ids(page: &Page) -> Vec<String> {
    page.resources.iter().map(|stored| stored.resource.id().to_owned()).collect()
}

/// The values of a multi-valued attribute, such as the ids of members.
pub(super) fn values(stored: &Stored, attribute: &str) -> Vec<String> {
    let elements = stored.resource.get(attribute).map(Value::elements).unwrap_or_default();
    elements.iter().filter_map(|v| v.get("value")?.as_str()).map(str::to_owned).collect()
}

/// A text of a resource.
pub(super) fn text<'r>(resource: &'r Resource, attribute: &str) -> Option<&'r str> {
    resource.get(attribute).and_then(Value::as_str)
}

/// A resource to the letter, with attributes in their order.
pub(super) fn letters(resource: &Resource) -> String {
    serde_json::to_string(resource.attributes()).unwrap_or_else(|error| error.to_string())
}

/// A resource's own attributes to the letter: without `meta`.
pub(super) fn own_letters(resource: &Resource) -> String {
    let mut own = resource.clone();
    own.attributes_mut().remove("meta");
    letters(&own)
}

/// What happened, without the details.
pub(super) fn summary(entries: &[ChangeEntry]) -> Vec<(&str, &'static str, u64)> {
    entries.iter().map(|entry| (entry.id.as_str(), entry.kind.as_str(), entry.version)).collect()
}

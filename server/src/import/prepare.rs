//! From a line to a resource that could be stored, checked as the body of a POST is.

use std::sync::Arc;

use scim_core::{Change, Document, Environment as _, Precondition, Write, take_secrets};
use scim_schema::{
    Dialect, Intent, JsonLimits, Object, ReadOptions, Registry, Report, Resource, ResourceType, Value,
    parse_json, read,
};

use scim_sql::{Draft, SqlStore};

use super::columns::Columns;
use super::source::{Content, RawLine};
use crate::environment::Machine;

/// How many members one line may name.
const MAX_MEMBERS: usize = 250_000;
/// Enough for so many members with all their parts.
const LIMITS: JsonLimits = JsonLimits { depth: 32, nodes: 4 * MAX_MEMBERS };

/// How lines are read.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) store: SqlStore,
    pub(super) registry: Arc<Registry>,
    pub(super) dialect: Dialect,
    /// The base URL of the directory's resources.
    pub(super) base: Option<String>,
    pub(super) columns: Option<Columns>,
    /// What a line without `schemas` is.
    pub(super) default_type: Arc<ResourceType>,
}

/// What a pass is for: members can be told only when all who may be members are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) enum Pass {
    /// Resources of types without members.
    Single,
    /// Resources with members. Those that are not there yet may come with a later line.
    Holders,
    /// The same once more, for the members that were not there.
    Late,
}

/// A line of the pass.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) number: u64,
    pub(super) resource_type: Arc<ResourceType>,
    /// What the line says, without members.
    body: Value,
    /// The same as it could be stored, without id.
    pub(super) resource: Resource,
    /// `None` leaves the members as they are.
    pub(super) members: Option<Vec<MemberRef>>,
    /// What the resource may be found by.
    pub(super) names: Vec<(String, String)>,
    /// What is written if it is new, under another id and without members.
    pub(super) insertion: Write,
    pub(super) draft: Option<Draft>,
}

/// How a line names a member.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct MemberRef {
    pub(super) by: By,
    pub(super) value: String,
    pub(super) display: Option<String>,
}

/// What a member is known by.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum By {
    Id,
    ExternalId,
    /// A user's `userName`, or another attribute that is unique or indexed.
    Attribute(String),
}

/// What a line came to.
#[derive(Debug)]
pub(super) enum Prepared {
    Incoming(Box<Incoming>),
    /// It is for another pass. Says whether that is the pass of the holders.
    Later(bool),
    Rejected(u64, String),
}

impl Rules {
    pub(super) fn prepare(&self, line: RawLine, pass: Pass) -> Prepared {
        let number = line.number;
        match self.incoming(line, pass) {
            Ok(Some(incoming)) => Prepared::Incoming(Box::new(incoming)),
            Ok(None) => Prepared::Later(pass == Pass::Single),
            // Of each line is told once: in the pass that it belongs to, or in the first.
            Err(Fault { is_holder, .. }) if pass != if is_holder { Pass::Holders } else { Pass::Single } => {
                Prepared::Later(is_holder && pass == Pass::Single)
            }
            Err(Fault { reason, .. }) => Prepared::Rejected(number, reason),
        }
    }

    fn incoming(&self, line: RawLine, pass: Pass) -> Result<Option<Incoming>, Fault> {
        let mut body = match line.content {
            Content::Json(text) => parse_json(&text, LIMITS).map_err(Fault::line)?,
            Content::Record(record) => match &self.columns {
                Some(columns) => columns.body(&record).map_err(Fault::line)?,
                None => return Err(Fault::line("the file has no header")),
            },
            Content::Bad(reason) => return Err(Fault::line(reason)),
        };
        let Some(object) = body.as_object_mut() else {
            return Err(Fault::line("the line is no JSON object"));
        };
        let resource_type = Arc::clone(self.type_of(object).map_err(Fault::line)?);
        let is_holder = resource_type.membership().is_some();
        if is_holder == (pass == Pass::Single) {
            return Ok(None);
        }
        let fault = |reason: String| Fault { reason, is_holder };
        let members = match resource_type.membership() {
            Some(membership) => take_members(object, membership.attribute()).map_err(fault)?,
            None => None,
        };
        let resource = self.read(body.clone(), &resource_type, Intent::Create).map_err(fault)?;
        let insertion = insertion(&resource, &resource_type);
        let draft = self.store.draft(&insertion);
        let names = names_of(&resource, &resource_type);
        let number = line.number;
        Ok(Some(Incoming { number, resource_type, body, resource, members, names, insertion, draft }))
    }

    /// Reads a line again, as the replacement of what is there.
    pub(super) fn replacement(&self, incoming: &Incoming, there: &Resource) -> Result<Resource, String> {
        let mut resource =
            self.read(incoming.body.clone(), &incoming.resource_type, Intent::Replace(there))?;
        resource.set_id(there.id());
        Ok(resource)
    }

    fn read(
        &self,
        body: Value,
        resource_type: &ResourceType,
        intent: Intent<'_>,
    ) -> Result<Resource, String> {
        let options = ReadOptions { base: self.base.as_deref(), ..ReadOptions::new(&self.dialect) };
        let mut report = Report::default();
        let mut resource =
            read(body, resource_type, intent, &options, &mut report).map_err(|e| e.to_string())?;
        take_secrets(&mut resource, resource_type);
        Ok(resource)
    }

    /// The type whose schema the line names.
    fn type_of(&self, object: &Object) -> Result<&Arc<ResourceType>, String> {
        let Some(schemas) = object.get_ignore_case("schemas") else { return Ok(&self.default_type) };
        let named = |t: &&Arc<ResourceType>| {
            let mut schemas = schemas.elements().iter().filter_map(Value::as_str);
            schemas.any(|s| s.eq_ignore_ascii_case(t.schema().id()))
        };
        let found = self.registry.resource_types().iter().find(named);
        found.ok_or_else(|| "schemas: names the schema of no resource type".to_owned())
    }
}

/// What is wrong with a line.
struct Fault {
    reason: String,
    /// It is known that the line is of a type with members.
    is_holder: bool,
}

impl Fault {
    fn line(reason: impl std::fmt::Display) -> Self {
        Self { reason: reason.to_string(), is_holder: false }
    }
}

/// The write that makes a new resource.
fn insertion(resource: &Resource, resource_type: &Arc<ResourceType>) -> Write {
    let id = Machine.new_id(resource_type.name());
    let mut resource = resource.clone();
    resource.set_id(&id);
    let document = Document { unique: resource_type.unique_keys(&resource), resource };
    Write {
        resource_type: Arc::clone(resource_type),
        id,
        precondition: Precondition::Absent,
        change: Change::Insert { document, members: Vec::new() },
    }
}

/// What a line's resource may be found by.
fn names_of(resource: &Resource, resource_type: &ResourceType) -> Vec<(String, String)> {
    let name = resource_type.name();
    let external_id = resource.external_id();
    let mut names: Vec<(String, String)> = external_id
        .iter()
        .map(|id| (format!("{name} externalId"), scim_schema::normalize(id).into_owned()))
        .collect();
    let unique = resource_type.unique_keys(resource);
    names.extend(unique.into_iter().map(|key| (format!("{name} {}", key.attribute), key.value)));
    let display = resource.get("displayName").and_then(Value::as_str);
    if let (Some(display), "displayName") = (display, own_name(resource_type)) {
        names.push((format!("{name} displayName"), scim_schema::fold(display).into_owned()));
    }
    names
}

/// The attribute by which a resource without externalId is known: the one that is unique, or its name.
pub(super) fn own_name(resource_type: &ResourceType) -> &'static str {
    let mut probe = Object::new();
    probe.push("userName", "a");
    let is_unique = !resource_type.unique_keys(&Resource::from_canonical(probe)).is_empty();
    if is_unique { "userName" } else { "displayName" }
}

/// Takes the members out of a line.
fn take_members(object: &mut Object, attribute: &str) -> Result<Option<Vec<MemberRef>>, String> {
    let name = object.keys().find(|key| key.eq_ignore_ascii_case(attribute)).map(str::to_owned);
    let Some(value) = name.and_then(|name| object.remove(&name)) else { return Ok(None) };
    let elements = value.elements();
    if elements.len() > MAX_MEMBERS {
        return Err(format!("{attribute}: must not have more than {MAX_MEMBERS} values"));
    }
    let member = |element: &Value| {
        let part = |name: &str| {
            let value = element.as_object()?.get_ignore_case(name)?.as_str()?;
            (!value.is_empty()).then(|| value.to_owned())
        };
        let by = |by: By, value: String| (by, value);
        let id = part("value").or_else(|| part("$ref")?.rsplit('/').next().map(str::to_owned));
        let found = id.map(|id| by(By::Id, id)).or_else(|| Some(by(By::ExternalId, part("externalId")?)));
        let found = found.or_else(|| {
            let attribute = ["userName", "displayName"].into_iter().find(|name| part(name).is_some())?;
            Some(by(By::Attribute(attribute.to_owned()), part(attribute)?))
        });
        found.map(|(by, value)| MemberRef { by, value, display: part("display") })
    };
    let members: Option<Vec<MemberRef>> = elements.iter().map(member).collect();
    members.map(Some).ok_or_else(|| {
        format!("{attribute}: each member needs one of value (the id), externalId, userName, displayName")
    })
}

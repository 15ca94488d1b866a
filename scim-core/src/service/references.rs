//! References between resources: members, and attributes such as `manager`.

use std::collections::HashMap;

use scim_patch::Member;
use scim_schema::{Attribute, Leniency, Object, Resource, ResourceType, Value};

use super::{Exchange, Inner};
use crate::config::UnknownMembers;
use crate::edges::relative;
use crate::error::{Error, ErrorKind};
use crate::store::StoreError;

/// Ids that will exist when the batch is done, with the names of their resource types.
pub(super) type Pending = HashMap<String, String>;

impl Inner {
    /// Finds out what the ids in members and in references such as `manager` belong to: members learn
    /// their type, references their `$ref`.
    pub(super) async fn resolve_references(
        &self,
        resource: &mut Resource,
        members: &mut Vec<Member>,
        resource_type: &ResourceType,
        pending: &Pending,
        exchange: &mut Exchange,
    ) -> Result<(), Error> {
        let places = reference_places(resource_type);
        let refers = |name: &str| places.iter().any(|place| place.root() == name);
        let part = resource.is_unread().then(|| resource.only(refers));
        let mut ids: Vec<String> = members.iter().map(|m| m.id.clone()).collect();
        for place in &places {
            ids.extend(place.id_in(part.as_ref().unwrap_or(resource)).map(str::to_owned));
        }
        if ids.is_empty() {
            return Ok(());
        }
        let mut types = self.store.types_of(&exchange.caller.tenant, &ids).await?;
        for (id, found) in ids.iter().zip(&mut types) {
            if found.is_none() {
                *found = pending.get(id).cloned();
            }
        }
        let mut types = types.into_iter();
        let mut unknown = 0;
        for member in members.iter_mut() {
            let found = types.next().flatten();
            unknown += usize::from(found.is_none());
            member.resource_type = match (found, self.config.unknown_members) {
                (None, UnknownMembers::Reject) => return Err(StoreError::UnknownMember.into()),
                (None, UnknownMembers::Ignore) => None,
                (None, UnknownMembers::Keep) => member.resource_type.take(),
                (found, _) => found,
            };
        }
        if unknown > 0 && self.config.unknown_members == UnknownMembers::Ignore {
            members.retain(|m| m.resource_type.is_some());
            let attribute = resource_type.membership().map_or("members", |m| m.attribute());
            for _ in 0..unknown {
                exchange.report.note(Leniency::MemberIgnored, attribute);
            }
        }
        for place in &places {
            let present = part.as_ref().unwrap_or(resource);
            let Some(id) = place.id_in(present).map(str::to_owned) else { continue };
            let reference = place.reference_in(present);
            let found = types.next().flatten();
            match found.and_then(|name| self.registry.resource_type(&name)) {
                Some(found) => {
                    let right = relative(found, &id);
                    if reference != Some(&right) {
                        place.set_reference(resource, &right);
                    }
                }
                None if self.config.check_references => {
                    let detail = format!("{}: the value is the id of no resource", place.path());
                    return Err(Error::new(ErrorKind::InvalidValue, detail));
                }
                None if reference.is_some_and(|reference| is_stale(reference, &id)) => {
                    place.drop_reference(resource);
                }
                None => {}
            }
        }
        Ok(())
    }
}

/// A complex attribute that refers to one resource by `value`, with `$ref` beside it.
struct ReferencePlace<'t> {
    container: Option<&'t str>,
    attribute: &'t Attribute,
}

impl ReferencePlace<'_> {
    fn object<'r>(&self, resource: &'r Resource) -> Option<&'r Object> {
        let value = match self.container {
            Some(urn) => resource.get(urn)?.get(self.attribute.name()),
            None => resource.get(self.attribute.name()),
        };
        value.and_then(Value::as_object)
    }

    /// The top-level attribute, or the extension.
    fn root(&self) -> &str {
        self.container.unwrap_or(self.attribute.name())
    }

    fn reference_in<'r>(&self, resource: &'r Resource) -> Option<&'r str> {
        self.object(resource)?.get("$ref").and_then(Value::as_str)
    }

    fn id_in<'r>(&self, resource: &'r Resource) -> Option<&'r str> {
        self.object(resource)?.get("value").and_then(Value::as_str)
    }

    fn object_mut<'r>(&self, resource: &'r mut Resource) -> Option<&'r mut Object> {
        let attributes = resource.attributes_mut();
        let holder = match self.container {
            Some(urn) => attributes.get_mut(urn).and_then(Value::as_object_mut),
            None => Some(attributes),
        };
        holder?.get_mut(self.attribute.name())?.as_object_mut()
    }

    fn set_reference(&self, resource: &mut Resource, reference: &str) {
        if let Some(object) = self.object_mut(resource) {
            object.insert("$ref", reference);
        }
    }

    fn drop_reference(&self, resource: &mut Resource) {
        if let Some(object) = self.object_mut(resource) {
            object.remove("$ref");
        }
    }

    fn path(&self) -> String {
        match self.container {
            Some(urn) => format!("{urn}:{}", self.attribute.name()),
            None => self.attribute.name().to_owned(),
        }
    }
}

/// A reference to a resource of this service (they are relative) that is not the one with this id is
/// what a PATCH of the value left behind.
fn is_stale(reference: &str, id: &str) -> bool {
    !reference.contains(':') && reference.rsplit('/').next() != Some(id)
}

fn reference_places(resource_type: &ResourceType) -> Vec<ReferencePlace<'_>> {
    let mut places = Vec::new();
    for name in resource_type.referring() {
        let Some(extension) = resource_type.extension(name) else {
            let attribute = resource_type.attribute(name);
            places.extend(attribute.map(|attribute| ReferencePlace { container: None, attribute }));
            continue;
        };
        let attributes = extension.schema().attributes().iter().filter(|a| a.names_a_resource());
        let container = Some(extension.schema().id());
        places.extend(attributes.map(|attribute| ReferencePlace { container, attribute }));
    }
    places
}

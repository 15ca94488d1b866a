//! Values that are never returned: out of the resource, to the sink.

use scim_patch::AttributeChange;
use scim_schema::{Attribute, Object, Resource, ResourceType, Value, normalize};

use super::{Exchange, Inner};
use crate::error::{Error, ErrorKind};
use crate::secret::Secret;

impl Inner {
    /// Takes out what is never returned and hands it to the sink. The answer says what changed, without
    /// the values.
    pub(super) async fn take_secrets(
        &self,
        resource: &mut Resource,
        resource_type: &ResourceType,
        id: &str,
        exchange: &Exchange,
    ) -> Result<Vec<AttributeChange>, Error> {
        let taken = take_secrets(resource, resource_type);
        if let Some(sink) = &self.secrets {
            for (path, value) in &taken {
                let text = match value {
                    Value::String(s) => normalize(s),
                    other => serde_json::to_string(other).unwrap_or_default().into(),
                };
                let secret = Secret {
                    tenant: &exchange.caller.tenant,
                    resource_type: resource_type.name(),
                    id,
                    path,
                    value: &text,
                };
                let refused =
                    |reason: String| Error::new(ErrorKind::InvalidValue, format!("{path}: {reason}"));
                sink.accept(secret).await.map_err(refused)?;
            }
        }
        Ok(taken
            .into_iter()
            .map(|(path, _)| AttributeChange { path: path.into(), from: None, to: None })
            .collect())
    }
}

/// Takes what is never returned (RFC 7643 §2.2) out of a resource that was read from a body: canonical paths
/// and values. A store must not see it.
pub fn take_secrets(resource: &mut Resource, resource_type: &ResourceType) -> Vec<(String, Value)> {
    let mut taken = Vec::new();
    for name in resource_type.hiding() {
        if !resource.contains(name) {
            continue;
        }
        let Some(extension) = resource_type.extension(name) else {
            if let Some(attribute) = resource_type.attribute(name) {
                take_hidden(None, attribute, resource.attributes_mut(), &mut taken);
            }
            continue;
        };
        let Some(container) = resource.attributes_mut().get_mut(name).and_then(Value::as_object_mut) else {
            continue;
        };
        for attribute in extension.schema().attributes() {
            take_hidden(Some(name), attribute, container, &mut taken);
        }
        if container.is_empty() {
            resource.attributes_mut().remove(name);
        }
    }
    taken
}

fn take_hidden(
    urn: Option<&str>,
    attribute: &Attribute,
    holder: &mut Object,
    taken: &mut Vec<(String, Value)>,
) {
    let path = || match urn {
        Some(urn) => format!("{urn}:{}", attribute.name()),
        None => attribute.name().to_owned(),
    };
    if attribute.is_hidden() {
        if let Some(value) = holder.remove(attribute.name()) {
            taken.push((path(), value));
        }
        return;
    }
    for sub in attribute.sub_attributes().iter().filter(|s| s.is_hidden()) {
        let Some(value) = holder.get_mut(attribute.name()) else { continue };
        let elements = match value {
            Value::Array(items) => items.as_mut_slice(),
            other => std::slice::from_mut(other),
        };
        for element in elements {
            if let Some(hidden) = element.as_object_mut().and_then(|o| o.remove(sub.name())) {
                taken.push((format!("{}.{}", path(), sub.name()), hidden));
            }
        }
    }
}

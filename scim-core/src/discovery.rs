//! What the service says about itself (RFC 7643 §5 to §7, RFC 7644 §4, RFC 9865 §4, RFC 9967 §4).

use scim_schema::{Object, Registry, SERVICE_PROVIDER_CONFIG, Value, write_json};

use crate::config::ServiceConfig;
use crate::error::{Error, ErrorKind};
use crate::render::ListResponse;

/// `ServiceProviderConfig`: announced is what is enforced.
pub(crate) fn service_provider_config(config: &ServiceConfig, change_password: bool, base: &str) -> Value {
    let supported = |yes: bool| {
        let mut object = Object::new();
        object.push("supported", yes);
        object
    };
    let number = |n: usize| Value::from(n as u64);
    let mut bulk = supported(config.bulk);
    bulk.push("maxOperations", number(config.max_bulk_operations));
    bulk.push("maxPayloadSize", number(config.max_bulk_body));
    let mut filter = supported(true);
    filter.push("maxResults", number(config.max_page_size));
    let mut pagination = Object::new();
    pagination.push("cursor", true);
    pagination.push("index", true);
    pagination.push("defaultPaginationMethod", if config.cursor_by_default { "cursor" } else { "index" });
    pagination.push("defaultPageSize", number(config.default_page_size));
    pagination.push("maxPageSize", number(config.max_page_size));
    pagination.push("cursorTimeout", config.cursor_timeout);
    let mut scheme = Object::new();
    scheme.push("type", "oauthbearertoken");
    scheme.push("name", "OAuth Bearer Token");
    scheme.push("description", "A bearer token in the Authorization header");
    scheme.push("specUri", "https://www.rfc-editor.org/info/rfc6750");
    scheme.push("primary", true);

    let mut object = Object::new();
    object.push("schemas", vec![Value::from(SERVICE_PROVIDER_CONFIG)]);
    if let Some(uri) = &config.documentation_uri {
        object.push("documentationUri", uri.as_str());
    }
    object.push("patch", supported(true));
    object.push("bulk", bulk);
    object.push("filter", filter);
    object.push("changePassword", supported(change_password));
    object.push("sort", supported(true));
    object.push("etag", supported(true));
    object.push("pagination", pagination);
    if let Some(events) = &config.security_events {
        let mut announced = Object::new();
        announced.push("asyncRequest", "none");
        let uris: Vec<Value> = events.event_uris.iter().map(|uri| Value::from(uri.as_str())).collect();
        announced.push("eventUris", uris);
        object.push("securityEvents", announced);
    }
    object.push("authenticationSchemes", vec![Value::Object(scheme)]);
    object.push("meta", meta("ServiceProviderConfig", &format!("{base}/ServiceProviderConfig")));
    Value::Object(object)
}

pub(crate) fn resource_types(registry: &Registry, base: &str) -> String {
    all(registry
        .resource_types()
        .iter()
        .map(|t| with_meta(t.to_value(), "ResourceType", "ResourceTypes", base)))
}

pub(crate) fn resource_type(registry: &Registry, name: &str, base: &str) -> Result<Value, Error> {
    let found = registry.resource_type(name).ok_or_else(Error::not_found)?;
    Ok(with_meta(found.to_value(), "ResourceType", "ResourceTypes", base))
}

pub(crate) fn schemas(registry: &Registry, base: &str) -> String {
    all(registry.schemas().map(|s| with_meta(s.to_value(), "Schema", "Schemas", base)))
}

pub(crate) fn schema(registry: &Registry, urn: &str, base: &str) -> Result<Value, Error> {
    let found = registry.schema(urn).ok_or_else(Error::not_found)?;
    Ok(with_meta(found.to_value(), "Schema", "Schemas", base))
}

/// A filter on these endpoints is refused; other query parameters are ignored (RFC 7644 §4).
pub(crate) fn refuse_filter(query: Option<&str>) -> Result<(), Error> {
    let filtered = query.unwrap_or_default().split('&').any(|p| p == "filter" || p.starts_with("filter="));
    if filtered {
        return Err(Error::new(ErrorKind::Forbidden, "this endpoint can't be filtered"));
    }
    Ok(())
}

/// The list of all of them, as text.
fn all(values: impl Iterator<Item = Value>) -> String {
    let resources: Vec<Value> = values.collect();
    let mut response = ListResponse::new(resources.len() as u64, resources.len());
    response.start_index = Some(1);
    response.with_resources(&resources, |value, text| text.push_str(&write_json(value).unwrap_or_default()))
}

fn with_meta(mut value: Value, resource_type: &str, endpoint: &str, base: &str) -> Value {
    if let Some(object) = value.as_object_mut() {
        let id = object.get("id").and_then(Value::as_str).unwrap_or_default();
        let location = format!("{base}/{endpoint}/{id}");
        object.push("meta", meta(resource_type, &location));
    }
    value
}

fn meta(resource_type: &str, location: &str) -> Object {
    let mut meta = Object::new();
    meta.push("resourceType", resource_type);
    meta.push("location", location);
    meta
}

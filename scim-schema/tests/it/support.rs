//! Small helpers.

use scim_schema::{
    Attribute, Dialect, Intent, Located, ReadOptions, Registry, Report, Resource, ResourceType, Schema,
    SchemaError, SchemaProblem, Value, Violation, ViolationKind, coerce, read,
};
use serde_json::json;
use std::sync::Arc;

pub(crate) const THING: &str = "urn:example:params:scim:schemas:1.0:Thing";

pub(crate) fn value(json: serde_json::Value) -> Value {
    Value::from(json)
}

/// A schema with these attributes.
pub(crate) fn schema_of(attributes: serde_json::Value) -> Result<Schema, SchemaError> {
    Schema::from_value(&value(json!({"id": THING, "name": "Thing", "attributes": attributes})))
}

/// Why a schema with these attributes is refused: the path and the problem.
#[track_caller]
pub(crate) fn refused(attributes: serde_json::Value) -> (String, SchemaProblem) {
    let error = schema_of(attributes).expect_err("the schema must be refused");
    assert!(error.to_string().len() > error.path().len() + 5, "a text for people: {error}");
    (error.path().to_owned(), error.problem().clone())
}

/// A resource type `Thing` with these attributes.
pub(crate) fn thing(attributes: serde_json::Value) -> Arc<ResourceType> {
    let registry = Registry::builder()
        .schema(schema_of(attributes).unwrap())
        .unwrap()
        .resource_type_value(&value(json!({"name": "Thing", "schema": THING})))
        .unwrap()
        .build()
        .unwrap();
    Arc::clone(registry.resource_type("Thing").unwrap())
}

pub(crate) fn user() -> Arc<ResourceType> {
    Arc::clone(Registry::standard().resource_type("User").unwrap())
}

/// An attribute of a base schema.
pub(crate) fn located(attribute: &Attribute) -> Located<'_> {
    Located { extension: None, attribute, sub: None }
}

/// One value of an attribute, under the strict dialect.
pub(crate) fn one(attribute: &Attribute, given: serde_json::Value) -> Result<Option<Value>, Violation> {
    let dialect = Dialect::strict();
    let (mut value, mut report) = (value(given), Report::default());
    let options = ReadOptions::new(&dialect);
    let assigned = coerce(&mut value, &located(attribute), false, &options, &mut report)?;
    Ok(assigned.then_some(value))
}

/// The value is taken as it is.
#[track_caller]
pub(crate) fn takes(attribute: &Attribute, given: serde_json::Value) {
    let read = one(attribute, given.clone());
    assert_eq!(read, Ok(Some(value(given))));
}

/// The value is refused as `invalidValue`.
#[track_caller]
pub(crate) fn refuses(attribute: &Attribute, given: serde_json::Value) {
    let read = one(attribute, given.clone());
    assert_eq!(read.map_err(|v| v.kind()), Err(ViolationKind::InvalidValue), "{given}");
}

/// A new resource of a type from a body.
pub(crate) fn create(
    body: serde_json::Value,
    resource_type: &ResourceType,
    options: &ReadOptions<'_>,
) -> Result<Resource, Violation> {
    read(value(body), resource_type, Intent::Create, options, &mut Report::default())
}

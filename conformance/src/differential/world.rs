//! Schemas, resource types and resources that belong together.

use std::sync::Arc;

use scim_schema::{Registry, Resource};
use serde_json::{Map, Value, json};

use super::entropy::Entropy;
use super::values;
use crate::naive::{self, Attribute, Kind};

/// How resources are made up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Form {
    /// As a store holds them: no unassigned values, nothing doubled, one primary value at most.
    Stored,
    /// With nulls, empty lists and empty objects here and there.
    Raw,
}

/// A resource of a [`World`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Sample {
    /// The place of its type among the world's types.
    pub resource_type: usize,
    /// The resource.
    pub json: Value,
    /// The same for the product.
    pub resource: Resource,
}

/// Resource types with resources, both for the product and for the naive interpreter.
#[derive(Debug)]
pub struct World {
    pub(super) documents: Vec<Value>,
    pub(super) types: Vec<naive::ResourceType>,
    pub(super) registry: Arc<Registry>,
    pub(super) product: Vec<Arc<scim_schema::ResourceType>>,
    pub(super) samples: Vec<Sample>,
}

/// Names of attributes; some are words of the filter grammar.
const NAMES: &[&str] = &[
    "title", "Label", "name", "code", "emails", "count", "score", "when", "flag", "photo", "key", "a-b",
    "x_1", "primary", "value", "type", "tags", "dates", "not", "or", "pr", "Eq", "members2", "nickName",
];
/// Names of sub-attributes. Those of RFC 7643 §2.4 have their types.
const SUBS: &[(&str, &str)] = &[
    ("value", ""),
    ("type", "string"),
    ("primary", "boolean"),
    ("display", "string"),
    ("$ref", "reference"),
    ("label", "string"),
    ("count", "integer"),
    ("weight", "decimal"),
    ("when", "dateTime"),
    ("on", "boolean"),
    ("data", "binary"),
    ("Key", "string"),
];
const SIMPLE: &[&str] =
    &["string", "string", "string", "boolean", "integer", "decimal", "dateTime", "binary", "reference"];

const THING: &str = "urn:example:params:scim:schemas:core:2.0:Thing";
const OTHER: &str = "urn:example:params:scim:schemas:core:2.0:Other";
const EXTENSIONS: [&str; 3] = [
    "urn:example:params:scim:schemas:extension:2.0:Thing",
    "urn:example:extension:more",
    "urn:example:params:scim:schemas:extension:1.0",
];
const STANDARD: [&str; 3] = [
    include_str!("../../data/spec/schemas/user.json"),
    include_str!("../../data/spec/schemas/group.json"),
    include_str!("../../data/spec/schemas/enterprise-user.json"),
];

impl World {
    /// Makes up a world with that many resources.
    pub fn generate(entropy: &mut Entropy<'_>, form: Form, resources: usize) -> Self {
        let (schemas, type_documents) = if entropy.chance(70) { made_up(entropy) } else { standard(entropy) };
        let mut builder = Registry::builder();
        for schema in &schemas {
            builder = must(builder.schema_json(&schema.to_string()), schema);
        }
        for document in &type_documents {
            builder = must(builder.resource_type_json(&document.to_string()), document);
        }
        let registry = Arc::new(must(builder.build(), &Value::Null));
        let product = registry.resource_types().to_vec();
        let read = |document| naive::ResourceType::from_json(document, &schemas);
        let types: Vec<_> = type_documents.iter().filter_map(read).collect();
        let mut samples = Vec::new();
        for n in 0..resources {
            let at = entropy.below(types.len());
            let Some(resource_type) = types.get(at) else { continue };
            let json = resource(entropy, resource_type, form, n);
            samples.push(Sample { resource_type: at, resource: to_product(&json), json });
        }
        Self { documents: [schemas, type_documents].concat(), types, registry, product, samples }
    }

    /// The product's resource types.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// The resources.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// A value that a resource has for an attribute or sub-attribute.
    pub(super) fn value_of(
        &self,
        entropy: &mut Entropy<'_>,
        extension: Option<&str>,
        attribute: &Attribute,
        sub: Option<&Attribute>,
    ) -> Option<Value> {
        let resource = &entropy.choose(&self.samples)?.json;
        let container = extension.map_or(Some(resource), |urn| resource.get(urn))?;
        let one = |entropy: &mut Entropy<'_>, value: &Value| match value {
            Value::Array(elements) => entropy.choose(elements).cloned(),
            single => Some(single.clone()),
        };
        let value = one(entropy, container.get(&attribute.name)?)?;
        match sub {
            Some(sub) => one(entropy, value.get(&sub.name)?),
            None => Some(value),
        }
    }
}

/// The product's form of a resource.
pub(super) fn to_product(json: &Value) -> Resource {
    match scim_schema::Value::from(json.clone()) {
        scim_schema::Value::Object(attributes) => Resource::from_canonical(attributes),
        _ => Resource::default(),
    }
}

/// The generator's documents are well formed; a product that refuses one is at fault.
#[expect(clippy::panic, reason = "a finding")]
fn must<T, E: std::fmt::Display>(built: Result<T, E>, document: &Value) -> T {
    built.unwrap_or_else(|error| panic!("the registry refuses {document}: {error}"))
}

/// User and Group, with the enterprise extension and one of our own.
fn standard(entropy: &mut Entropy<'_>) -> (Vec<Value>, Vec<Value>) {
    let mut schemas: Vec<Value> =
        STANDARD.iter().filter_map(|text| serde_json::from_str(text).ok()).collect();
    let lab = EXTENSIONS[0];
    schemas.push(schema(entropy, lab, "Lab"));
    let user = "urn:ietf:params:scim:schemas:core:2.0:User";
    let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    let group = json!({
        "name": "Group", "schema": "urn:ietf:params:scim:schemas:core:2.0:Group",
        "membership": {"attribute": "members", "inverse": "groups"}
    });
    let user = json!({
        "name": "User", "schema": user,
        "schemaExtensions": [{"schema": enterprise, "required": false}, {"schema": lab, "required": false}]
    });
    (schemas, vec![user, group])
}

/// One or two types with up to two extensions, of any attributes.
fn made_up(entropy: &mut Entropy<'_>) -> (Vec<Value>, Vec<Value>) {
    let mut schemas = vec![schema(entropy, THING, "Thing")];
    let mut extensions = Vec::new();
    for n in 0..entropy.below(3) {
        let urn = EXTENSIONS.get(n).copied().unwrap_or_default();
        schemas.push(schema(entropy, urn, "Extension"));
        extensions.push(json!({"schema": urn, "required": entropy.chance(15)}));
    }
    let mut types = vec![json!({"name": "Thing", "schema": THING, "schemaExtensions": extensions})];
    if entropy.chance(50) {
        let mut other = schema(entropy, OTHER, "Other");
        let members = json!({
            "name": "members", "type": "complex", "multiValued": true, "subAttributes": [
                {"name": "value", "mutability": "immutable"}, {"name": "display", "mutability": "immutable"},
                {"name": "type", "mutability": "immutable"}]
        });
        if let Some(attributes) = other.get_mut("attributes").and_then(Value::as_array_mut) {
            attributes.push(members);
        }
        schemas.push(other);
        types.push(json!({"name": "Other", "schema": OTHER, "membership": {"attribute": "members"}}));
    }
    (schemas, types)
}

fn schema(entropy: &mut Entropy<'_>, urn: &str, name: &str) -> Value {
    let mut attributes: Vec<Value> = Vec::new();
    for _ in 0..2 + entropy.below(6) {
        let name = entropy.pick(NAMES);
        let taken = attributes.iter().any(|a| a.get("name").and_then(Value::as_str) == Some(name));
        if !taken {
            attributes.push(attribute(entropy, name));
        }
    }
    json!({"id": urn, "name": name, "attributes": attributes})
}

fn attribute(entropy: &mut Entropy<'_>, name: &str) -> Value {
    let complex = entropy.chance(45);
    let kind = if complex { "complex" } else { entropy.pick(SIMPLE) };
    let mut document = characteristics(entropy, name, kind);
    document.insert("multiValued".into(), json!(entropy.chance(if complex { 65 } else { 35 })));
    if complex {
        let mut subs = Vec::new();
        for (name, kind) in SUBS {
            if entropy.chance(45) {
                let kind = if kind.is_empty() { entropy.pick(SIMPLE) } else { *kind };
                let mut sub = characteristics(entropy, name, kind);
                let predefined = ["value", "type", "primary", "display", "$ref"].contains(name);
                sub.insert("multiValued".into(), json!(!predefined && entropy.chance(12)));
                subs.push(Value::Object(sub));
            }
        }
        if subs.is_empty() {
            subs.push(json!({"name": "label"}));
        }
        document.insert("subAttributes".into(), Value::Array(subs));
    }
    Value::Object(document)
}

fn characteristics(entropy: &mut Entropy<'_>, name: &str, kind: &str) -> Map<String, Value> {
    let mut document = Map::new();
    document.insert("name".into(), json!(name));
    document.insert("type".into(), json!(kind));
    if kind == "string" {
        document.insert("caseExact".into(), json!(entropy.chance(30)));
    }
    let mutability = match entropy.weighted(&[75, 10, 9, 6]) {
        0 => "readWrite",
        1 => "immutable",
        2 => "readOnly",
        _ => "writeOnly",
    };
    document.insert("mutability".into(), json!(mutability));
    let never = mutability == "writeOnly" || entropy.chance(3);
    document.insert("returned".into(), json!(if never { "never" } else { "default" }));
    document.insert("required".into(), json!(entropy.chance(8)));
    document
}

fn resource(entropy: &mut Entropy<'_>, resource_type: &naive::ResourceType, form: Form, n: usize) -> Value {
    let members = resource_type.members.as_deref();
    let mut attributes = container(entropy, &resource_type.base.attributes, form, members);
    let mut schemas = vec![json!(resource_type.base.urn)];
    for extension in &resource_type.extensions {
        if !(extension.required || entropy.chance(60)) {
            continue;
        }
        let inside = container(entropy, &extension.schema.attributes, form, None);
        // A required extension is there, though it may have no values.
        if extension.required || !inside.is_empty() {
            schemas.push(json!(extension.schema.urn));
            attributes.insert(extension.schema.urn.clone(), Value::Object(inside));
        } else if entropy.chance(10) {
            schemas.push(json!(extension.schema.urn));
        }
    }
    attributes.insert("schemas".into(), Value::Array(schemas));
    attributes.insert("id".into(), json!(format!("{}{n}", entropy.pick(&["u", "U"]))));
    if entropy.chance(50) {
        attributes.insert("externalId".into(), json!(entropy.pick(&["x1", "X1", "é"])));
    }
    let created =
        entropy.pick(&["2020-01-01T00:00:00Z", "2019-12-31T19:00:00-05:00", "2024-02-29T12:30:00.25Z"]);
    attributes.insert("meta".into(), json!({"resourceType": resource_type.name, "created": created}));
    Value::Object(attributes)
}

fn container(
    entropy: &mut Entropy<'_>,
    attributes: &[Attribute],
    form: Form,
    members: Option<&str>,
) -> Map<String, Value> {
    let mut container = Map::new();
    for attribute in attributes {
        if !(attribute.required || entropy.chance(60)) {
            continue;
        }
        let mut value = if members == Some(&attribute.name) {
            values::members(entropy)
        } else {
            values::whole(entropy, attribute)
        };
        if form == Form::Raw {
            if entropy.chance(20) {
                hollow(entropy, &mut value, attribute);
            }
            container.insert(attribute.name.clone(), value);
        } else if let Some(value) = stored(value, attribute) {
            container.insert(attribute.name.clone(), value);
        } else if attribute.required {
            container.insert(attribute.name.clone(), values::least(entropy, attribute));
        }
    }
    container
}

/// Puts nothing where something could be.
fn hollow(entropy: &mut Entropy<'_>, value: &mut Value, attribute: &Attribute) {
    match value {
        Value::Array(elements) if entropy.chance(70) => {
            let nothing =
                if attribute.kind == Kind::Complex && entropy.chance(50) { json!({}) } else { Value::Null };
            match entropy.below(3) {
                0 => elements.clear(),
                1 => elements.push(nothing),
                _ => elements.insert(0, nothing),
            }
        }
        Value::Object(members) if entropy.chance(70) => {
            let names: Vec<String> = members.keys().cloned().collect();
            for name in names {
                if entropy.chance(50) {
                    members.insert(name, Value::Null);
                }
            }
        }
        other => *other = Value::Null,
    }
}

/// The value as a store holds it; `None` for an unassigned one.
fn stored(value: Value, attribute: &Attribute) -> Option<Value> {
    match value {
        Value::Object(members) if members.is_empty() => None,
        Value::Array(elements) => {
            let mut kept: Vec<Value> = Vec::new();
            let mut primary = false;
            for mut element in elements.into_iter().filter_map(|v| stored(v, attribute)) {
                if let Some(members) = element.as_object_mut() {
                    if members.get("primary") == Some(&json!(true)) && std::mem::replace(&mut primary, true) {
                        members.insert("primary".into(), json!(false));
                    }
                    for sub in attribute.subs.iter().filter(|sub| sub.multi_valued) {
                        if let Some(value) = members.remove(&sub.name).and_then(|v| stored(v, sub)) {
                            members.insert(sub.name.clone(), value);
                        }
                    }
                }
                kept.push(element);
            }
            naive::drop_doubled(&mut kept, attribute, false);
            if kept.is_empty() { None } else { Some(Value::Array(kept)) }
        }
        Value::Object(mut members) => {
            for sub in attribute.subs.iter().filter(|sub| sub.multi_valued) {
                if let Some(value) = members.remove(&sub.name).and_then(|v| stored(v, sub)) {
                    members.insert(sub.name.clone(), value);
                }
            }
            Some(Value::Object(members))
        }
        value => Some(value),
    }
}

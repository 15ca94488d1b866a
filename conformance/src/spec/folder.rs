//! Reading a folder of cases.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use scim_schema::{GROUP, Object, Registry, ResourceType, Value};

/// The schemas that a folder need not bring along.
const SCHEMAS: &[(&str, &str)] = &[
    ("schemas/user.json", include_str!("../../data/spec/schemas/user.json")),
    ("schemas/group.json", include_str!("../../data/spec/schemas/group.json")),
    ("schemas/enterprise-user.json", include_str!("../../data/spec/schemas/enterprise-user.json")),
    ("schemas/common-attributes.json", include_str!("../../data/spec/schemas/common-attributes.json")),
];

/// The resource types that the documents file of a folder describes.
pub(super) fn resource_types(dir: &Path, docs: &Value) -> io::Result<Vec<Arc<ResourceType>>> {
    let names = list(docs, "schema_files")?.iter().filter_map(Value::as_str);
    let mut schemas = names.map(|name| schema(dir, name)).collect::<io::Result<Vec<_>>>()?;
    schemas.extend_from_slice(list(docs, "extra_schemas")?);
    build_types(&schemas, list(docs, "resource_types")?)
}

/// The resource types that are described, over their schemas.
pub(super) fn build_types(schemas: &[Value], types: &[Value]) -> io::Result<Vec<Arc<ResourceType>>> {
    let mut builder = Registry::builder();
    // The common attributes are those of every resource, and no schema of their own.
    for document in schemas.iter().filter(|document| document.get("id").is_some_and(|id| !id.is_null())) {
        builder = builder.schema_json(&to_json(document)?).map_err(invalid)?;
    }
    for document in types {
        let mut document = document.clone();
        if let Some(members) = document.as_object_mut()
            && members.get("schema").and_then(Value::as_str) == Some(GROUP)
        {
            let membership: Object = [("attribute", "members"), ("inverse", "groups")].into_iter().collect();
            members.insert("membership", membership);
        }
        builder = builder.resource_type_value(&document).map_err(invalid)?;
    }
    Ok(builder.build().map_err(invalid)?.resource_types().to_vec())
}

/// A schema of the folder; where it has none of that name, the project's copy.
fn schema(dir: &Path, name: &str) -> io::Result<Value> {
    let path = dir.join(name);
    if path.exists() {
        return read(&path);
    }
    let known = SCHEMAS.iter().find(|(known, _)| *known == name);
    let (_, text) = known.ok_or_else(|| invalid(format!("there is no {}", path.display())))?;
    serde_json::from_str(text).map_err(invalid)
}

/// A JSON file.
pub(super) fn read(path: &Path) -> io::Result<Value> {
    let failed = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let text = fs::read(path).map_err(failed)?;
    serde_json::from_slice(&text).map_err(|error| invalid(format!("{}: {error}", path.display())))
}

pub(super) fn list<'v>(value: &'v Value, name: &str) -> io::Result<&'v [Value]> {
    value.get(name).and_then(Value::as_array).ok_or_else(|| malformed(name))
}

pub(super) fn members<'v>(value: &'v Value, name: &str) -> io::Result<&'v Object> {
    value.get(name).and_then(Value::as_object).ok_or_else(|| malformed(name))
}

pub(super) fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn flag(value: &Value, name: &str) -> bool {
    value.get(name).and_then(Value::as_bool).unwrap_or_default()
}

fn to_json(value: &Value) -> io::Result<String> {
    serde_json::to_string(value).map_err(invalid)
}

fn malformed(name: &str) -> io::Error {
    invalid(format!("{name} is missing or malformed"))
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

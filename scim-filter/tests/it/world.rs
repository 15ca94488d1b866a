//! Resource types and documents for the tests.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use scim_filter::{Filter, FilterErrorKind, MatchOptions, Matcher, Options};
use scim_schema::{Registry, RegistryBuilder, Resource, ResourceType, Value};

/// The URN of the extension with an attribute of each type.
pub(crate) const LAB: &str = "urn:example:scim:schemas:extension:lab:2.0:User";

pub(crate) fn spec_dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../conformance/data/spec")
}

/// The documents of the specification suite.
pub(crate) fn documents() -> Vec<(String, Resource)> {
    let file = docs_file();
    let docs = file.get("docs").and_then(Value::as_object).unwrap();
    docs.iter()
        .map(|(name, doc)| (name.to_owned(), Resource::from_canonical(doc.as_object().unwrap().clone())))
        .collect()
}

/// User with the enterprise and the lab extension, and Group.
pub(crate) fn registry() -> &'static Registry {
    static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
        let file = docs_file();
        let lab = &file.get("extra_schemas").and_then(Value::as_array).unwrap()[0];
        RegistryBuilder::standard()
            .schema_json(&serde_json::to_string(lab).unwrap())
            .unwrap()
            .extend("User", LAB, false)
            .unwrap()
            .build()
            .unwrap()
    });
    &REGISTRY
}

pub(crate) fn user() -> Arc<ResourceType> {
    Arc::clone(registry().resource_type("User").unwrap())
}

/// The documents that a filter matches, as a query over users and groups.
pub(crate) fn matching(filter: &str) -> Result<Vec<String>, String> {
    let registry = registry();
    let filter = Filter::parse_with(filter, &Options::strict()).map_err(|e| e.to_string())?;
    let matcher = Matcher::new(&filter, registry.resource_types(), &MatchOptions::default())
        .map_err(|e| e.to_string())?;
    let found = documents().into_iter().filter(|(_, resource)| {
        let resource_type =
            resource.get("meta").unwrap().get("resourceType").and_then(Value::as_str).unwrap();
        matcher.matches(resource_type, resource)
    });
    Ok(found.map(|(name, _)| name).collect())
}

/// Why a filter can't be typed against User.
pub(crate) fn refusal(filter: &str) -> FilterErrorKind {
    let filter = Filter::parse(filter).unwrap();
    Matcher::new(&filter, [&user()], &MatchOptions::default()).unwrap_err().kind()
}

/// Whether a filter matches one user given as JSON.
pub(crate) fn matches_user(filter: &str, json: &str) -> bool {
    let filter = Filter::parse(filter).unwrap();
    let matcher = Matcher::new(&filter, [&user()], &MatchOptions::default()).unwrap();
    matcher.matches("User", &resource(json))
}

pub(crate) fn resource(json: &str) -> Resource {
    Resource::from_canonical(serde_json::from_str(json).unwrap())
}

fn docs_file() -> Value {
    serde_json::from_slice(&std::fs::read(spec_dir().join("filter-docs.json")).unwrap()).unwrap()
}

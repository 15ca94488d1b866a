//! The filter cases of the specification suite, run under the strict dialect.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use scim_filter::{Filter, MatchOptions, Matcher, Options};
use scim_schema::{Object, RegistryBuilder, Resource, ResourceType, Value};

/// What became of the cases of a folder.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// How many cases there are.
    pub(crate) cases: usize,
    /// The id of each case that failed, with what was wrong.
    pub(crate) failures: Vec<(String, String)>,
}

/// Runs `filter-cases.json` over `filter-docs.json` of a folder.
///
/// # Errors
/// When a file can't be read or is not of the form that the cases have.
pub(crate) fn run_filter_cases(dir: &Path) -> std::io::Result<Outcome> {
    let (types, documents) = types_and_documents(dir)?;
    let cases = read(&dir.join("filter-cases.json"))?;
    let mut outcome = Outcome::default();
    for case in list(&cases, "cases")? {
        outcome.cases += 1;
        if let Err(problem) = run_case(case, &types, &documents) {
            outcome.failures.push((text(case, "id").to_owned(), problem));
        }
    }
    Ok(outcome)
}

/// The resource types and the named documents of `filter-docs.json`.
///
/// # Errors
/// When the file can't be read or is not of its form.
pub(crate) fn types_and_documents(dir: &Path) -> std::io::Result<World> {
    let docs = read(&dir.join("filter-docs.json"))?;
    let types = resource_types(dir, &docs)?;
    let document = |doc: &Value| Resource::from_canonical(doc.as_object().cloned().unwrap_or_default());
    let documents = members(&docs, "docs")?.iter().map(|(name, doc)| (name.to_owned(), document(doc)));
    Ok((types, documents.collect()))
}

/// Resource types, and resources by name.
pub(crate) type World = (Vec<Arc<ResourceType>>, Vec<(String, Resource)>);

fn run_case(
    case: &Value,
    types: &[Arc<ResourceType>],
    documents: &[(String, Resource)],
) -> Result<(), String> {
    let valid = flag(case, "valid");
    let parsed = Filter::parse_with(text(case, "filter"), &Options::strict());
    // A case refused for a limit conforms to the grammar all the same.
    let by_limit = !valid && text(case, "choice") == "filter-depth";
    let syntax_ok = valid || flag(case, "syntax_ok");
    let filter = match parsed {
        Ok(filter) if !syntax_ok || by_limit => {
            return Err(format!("accepted as {}", filter.to_s_expression()));
        }
        Ok(filter) => filter,
        Err(_) if !syntax_ok || by_limit => return Ok(()),
        Err(error) => return Err(format!("refused: {error}")),
    };
    let ast = text(case, "ast");
    if filter.to_s_expression() != ast {
        return Err(format!("parsed as {} instead of {ast}", filter.to_s_expression()));
    }
    let matcher = match (Matcher::new(&filter, types, &MatchOptions::default()), valid) {
        (Ok(matcher), true) => matcher,
        (Ok(_), false) => return Err("typed, though it is no valid filter".into()),
        (Err(_), false) => return Ok(()),
        (Err(error), true) => return Err(format!("refused: {error}")),
    };
    for (name, resource) in documents {
        let resource_type = resource.get("meta").map_or("", |meta| text(meta, "resourceType"));
        let expected = case.get("matches").is_some_and(|matches| flag(matches, name));
        if matcher.matches(resource_type, resource) != expected {
            let found = if expected { "does not match" } else { "matches" };
            return Err(format!("{found} {name}"));
        }
    }
    Ok(())
}

/// The resource types that the documents file describes.
fn resource_types(dir: &Path, docs: &Value) -> std::io::Result<Vec<Arc<ResourceType>>> {
    let mut builder = RegistryBuilder::standard();
    for schema in list(docs, "extra_schemas")? {
        builder = builder.schema_json(&to_json(schema)?).map_err(invalid)?;
    }
    for resource_type in list(docs, "resource_types")? {
        let name = text(resource_type, "name");
        for urn in list(resource_type, "schemaExtensions")?.iter().filter_map(Value::as_str) {
            // The standard registry has the enterprise extension already.
            if urn != scim_schema::ENTERPRISE_USER {
                builder = builder.extend(name, urn, false).map_err(invalid)?;
            }
        }
    }
    let registry = builder.build().map_err(invalid)?;
    list(docs, "resource_types")?
        .iter()
        .map(|resource_type| {
            let name = text(resource_type, "name");
            registry.resource_type(name).cloned().ok_or_else(|| malformed(dir.join(name)))
        })
        .collect()
}

fn read(path: &Path) -> std::io::Result<Value> {
    serde_json::from_slice(&std::fs::read(path)?).map_err(invalid)
}

fn to_json(value: &Value) -> std::io::Result<String> {
    serde_json::to_string(value).map_err(invalid)
}

fn list<'v>(value: &'v Value, name: &str) -> std::io::Result<&'v [Value]> {
    value.get(name).and_then(Value::as_array).ok_or_else(|| malformed(name))
}

fn members<'v>(value: &'v Value, name: &str) -> std::io::Result<&'v Object> {
    value.get(name).and_then(Value::as_object).ok_or_else(|| malformed(name))
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn flag(value: &Value, name: &str) -> bool {
    value.get(name).and_then(Value::as_bool).unwrap_or_default()
}

fn invalid(error: impl std::error::Error + Send + Sync + 'static) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, error)
}

fn malformed(what: impl Into<PathBuf>) -> std::io::Error {
    let what = what.into();
    std::io::Error::new(
        std::io::ErrorKind::InvalidData,
        format!("{} is missing or malformed", what.display()),
    )
}

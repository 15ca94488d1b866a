//! The cases: those of the specification suite, the further ones beside the tests of the crates, the battery of
//! what others are known to get wrong, and what identity providers send.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use crate::workspace::walk;

/// One filter or one PATCH request.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// Unique, and what verdicts match: where the case is from and what it says.
    pub(crate) id: String,
    /// What drivers read, without the id.
    line: Map<String, Value>,
}

impl Case {
    pub(crate) fn is_filter(&self) -> bool {
        self.line.contains_key("filter")
    }

    /// The line for a driver.
    pub(crate) fn line(&self) -> String {
        let mut line = self.line.clone();
        line.insert("id".into(), self.id.clone().into());
        Value::Object(line).to_string()
    }

    fn filter(origin: &str, dialect: &str, documents: &str, filter: &str) -> Self {
        Self::new(
            format!("{origin}: {filter}"),
            json!({"dialect": dialect, "documents": documents, "filter": filter}),
        )
    }

    fn patch(origin: &str, dialect: &str, resource: &Value, operations: &Value) -> Self {
        Self::new(
            format!("{origin}: {operations}"),
            json!({"dialect": dialect, "resource": resource, "operations": operations}),
        )
    }

    fn new(id: String, line: Value) -> Self {
        let Value::Object(line) = line else { return Self { id, line: Map::new() } };
        Self { id, line }
    }
}

/// The schemas, resource types and documents, and all cases. No two have the same id.
pub(crate) fn collect(root: &Path) -> Result<(Value, Vec<Case>)> {
    let spec = root.join("conformance/data/spec");
    let docs = read(&spec.join("filter-docs.json"))?;
    let battery = read(&root.join("conformance/peers/battery.json"))?;
    let world = world(&spec, &docs, &battery)?;
    let mut cases = Vec::new();
    filters(root, &spec, &battery, &mut cases)?;
    patches(root, &spec, &battery, &mut cases)?;
    recorded(root, &mut cases)?;
    let mut seen = BTreeSet::new();
    cases.retain(|case| seen.insert(case.id.clone()));
    Ok((world, cases))
}

fn world(spec: &Path, docs: &Value, battery: &Value) -> Result<Value> {
    let mut schemas = Vec::new();
    for name in list(docs, "schema_files")? {
        let schema = read(&spec.join(text(name)?))?;
        // The common attributes have no schema of their own.
        if schema.get("id").is_some_and(Value::is_string) {
            schemas.push(schema);
        }
    }
    schemas.extend(list(docs, "extra_schemas")?.iter().cloned());
    Ok(json!({
        "schemas": schemas,
        "resourceTypes": member(docs, "resource_types")?,
        "documents": {"spec": member(docs, "docs")?, "battery": member(battery, "documents")?},
    }))
}

fn filters(root: &Path, spec: &Path, battery: &Value, cases: &mut Vec<Case>) -> Result<()> {
    let suite = read(&spec.join("filter-cases.json"))?;
    for case in list(&suite, "cases")? {
        let (id, filter) = (text(member(case, "id")?)?, text(member(case, "filter")?)?);
        cases.push(Case::filter(id, "strict", "spec", filter));
    }
    let more: Vec<(String, String)> =
        serde_json::from_value(read(&root.join("scim-filter/tests/it/data/more-cases.json"))?)?;
    cases.extend(more.iter().map(|(filter, _)| Case::filter("more", "strict", "spec", filter)));
    for filter in list(battery, "filters")? {
        cases.push(Case::filter("battery", "lenient", "battery", text(filter)?));
    }
    Ok(())
}

fn patches(root: &Path, spec: &Path, battery: &Value, cases: &mut Vec<Case>) -> Result<()> {
    let suite = read(&spec.join("patch-cases.json"))?;
    let suite = list(&suite, "cases")?;
    for case in suite {
        let id = text(member(case, "id")?)?;
        cases.push(Case::patch(id, "strict", member(case, "resource")?, member(case, "operations")?));
    }
    let more = fs::read_to_string(root.join("scim-patch/tests/it/data/more-cases.json"))?;
    let more: Value = serde_json::from_str(&with_urns(&more))?;
    for row in more.as_array().context("rows")? {
        let id = member(row, "resource")?;
        let of_row = |case: &&Value| case.pointer("/resource/id") == Some(id);
        let known = suite.iter().find(of_row).with_context(|| format!("no resource {id}"))?;
        let origin = format!("more {}", text(id)?);
        cases.push(Case::patch(&origin, "strict", member(known, "resource")?, member(row, "operations")?));
    }
    let resource = member(battery, "resource")?;
    for (name, operations) in member(battery, "patches")?.as_object().context("patches")? {
        cases.push(Case::patch(&format!("battery {name}"), "lenient", resource, operations));
    }
    Ok(())
}

/// The further cases write `USER`, `ENT` and `LAB` for URNs.
fn with_urns(text: &str) -> String {
    const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
    const ENT: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    const LAB: &str = "urn:example:scim:schemas:extension:lab:2.0:User";
    let text = text.replace("\"USER\"", &format!("\"{USER}\""));
    ["\"", "\":", ":", "["].into_iter().fold(text, |text, after| {
        let text = text.replace(&format!("\"ENT{after}"), &format!("\"{ENT}{after}"));
        text.replace(&format!("\"LAB{after}"), &format!("\"{LAB}{after}"))
    })
}

/// The PATCH requests of the recorded traffic, each on the resource as the scenario created it.
///
/// Left out is what needs a server: requests for resources that do not exist or were listed, generated bodies.
fn recorded(root: &Path, cases: &mut Vec<Case>) -> Result<()> {
    let corpus = root.join("conformance/data/idp-corpus");
    for path in walk(&corpus)?.iter().filter(|path| path.extension().is_some_and(|e| e == "json")) {
        let scenario = read(&corpus.join(path))?;
        let empty = Vec::new();
        let list_of = |name: &str| scenario.get(name).and_then(Value::as_array).unwrap_or(&empty);
        let mut resources: Vec<(&str, &Value)> = list_of("given")
            .iter()
            .filter_map(|g| Some((g.get("alias")?.as_str()?, g.get("body")?)))
            .collect();
        let mut number = 0;
        for step in list_of("steps") {
            match step.get("method").and_then(Value::as_str) {
                Some("POST") => {
                    resources.extend(step.get("save").and_then(Value::as_str).zip(step.get("body")));
                }
                Some("PATCH") => {
                    number += 1;
                    let origin = format!("{} {number}", text(member(&scenario, "id")?)?);
                    cases.extend(recorded_case(&origin, step, &resources));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn recorded_case(origin: &str, step: &Value, resources: &[(&str, &Value)]) -> Option<Case> {
    let path = step.get("path")?.as_str()?;
    let (endpoint, alias) = path.strip_prefix('/')?.split_once("/{{")?;
    let alias = alias.strip_suffix(".id}}")?;
    let (_, body) = resources.iter().find(|(known, _)| *known == alias)?;
    let operations = filled_in(step.get("body")?.get("Operations")?)?;
    let mut resource = filled_in(body)?;
    let members = resource.as_object_mut()?;
    members.insert("id".into(), alias.into());
    members.insert("meta".into(), json!({"resourceType": endpoint.strip_suffix('s')?}));
    Some(Case::patch(origin, "lenient", &resource, &operations))
}

/// A body with a name for `{{name.id}}` and a word for `{{run}}`; none where that is not all it asks for.
fn filled_in(body: &Value) -> Option<Value> {
    Some(match body {
        Value::String(text) => Value::String(filled_text(text)?),
        Value::Array(values) => Value::Array(values.iter().map(filled_in).collect::<Option<_>>()?),
        Value::Object(members) if members.contains_key("$each") => return None,
        Value::Object(members) => {
            let filled = members.iter().map(|(name, value)| Some((name.clone(), filled_in(value)?)));
            Value::Object(filled.collect::<Option<_>>()?)
        }
        other => other.clone(),
    })
}

fn filled_text(text: &str) -> Option<String> {
    let mut parts = text.split("{{");
    let mut filled = parts.next()?.to_owned();
    for part in parts {
        let (template, rest) = part.split_once("}}")?;
        let name = if template == "run" { "run" } else { template.strip_suffix(".id")? };
        if !name.chars().all(|c| c.is_ascii_alphanumeric()) {
            return None;
        }
        filled.push_str(name);
        filled.push_str(rest);
    }
    Some(filled)
}

fn read(path: &Path) -> Result<Value> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| path.display().to_string())
}

fn member<'v>(value: &'v Value, name: &str) -> Result<&'v Value> {
    value.get(name).with_context(|| format!("{name} is missing"))
}

fn list<'v>(value: &'v Value, name: &str) -> Result<&'v Vec<Value>> {
    member(value, name)?.as_array().with_context(|| format!("{name} is no list"))
}

fn text(value: &Value) -> Result<&str> {
    value.as_str().context("no string")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cases_are_those_of_the_project() {
        let (world, cases) = collect(&crate::workspace::root().unwrap()).unwrap();
        assert_eq!(world["schemas"].as_array().unwrap().len(), 4);
        let (filters, patches): (Vec<&Case>, Vec<&Case>) = cases.iter().partition(|case| case.is_filter());
        assert!(filters.len() > 900, "{}", filters.len());
        assert!(patches.len() > 450, "{}", patches.len());
        let ids: BTreeSet<&str> = cases.iter().map(|case| case.id.as_str()).collect();
        assert_eq!(ids.len(), cases.len());
        let recorded = ["entra-", "okta-", "onelogin-", "ping-", "jumpcloud-"];
        for provider in recorded {
            assert!(cases.iter().any(|case| case.id.starts_with(provider)), "{provider}");
        }
    }

    #[test]
    fn templates_are_filled_in_or_the_request_is_left_out() {
        let filled =
            filled_in(&json!([{"name": {"a": {"value": "{{a.id}}", "display": "x-{{run}}-{{b.id}}."}}}]));
        assert_eq!(filled, Some(json!([{"name": {"a": {"value": "a", "display": "x-run-b."}}}])));
        assert_eq!(filled_in(&json!("{{p.0.id}}")), None);
        assert_eq!(filled_in(&json!([{"$each": "m", "of": {"value": "{{item.id}}"}}])), None);
    }
}

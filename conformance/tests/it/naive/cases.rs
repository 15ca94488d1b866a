//! The naive interpreter passes the cases that the product passes.

use scim_conformance::naive::{self, ResourceType};
use scim_schema::{ENTERPRISE_USER, USER};
use serde_json::{Value, json};

use crate::support::data;

fn read(path: &str) -> Value {
    serde_json::from_slice(&std::fs::read(data("spec").join(path)).unwrap()).unwrap()
}

/// User with the enterprise and the lab extension, and Group.
pub(crate) fn resource_types() -> Vec<ResourceType> {
    let docs = read("filter-docs.json");
    let mut schemas: Vec<Value> =
        docs["schema_files"].as_array().unwrap().iter().map(|file| read(file.as_str().unwrap())).collect();
    schemas.extend(docs["extra_schemas"].as_array().unwrap().iter().cloned());
    let types = docs["resource_types"].as_array().unwrap().iter();
    types.map(|document| ResourceType::from_json(document, &schemas).unwrap()).collect()
}

/// What the interpreter makes of a filter: the names of the documents that match, or why there are none.
fn found(text: &str, types: &[ResourceType], docs: &Value) -> String {
    let Ok(filter) = naive::parse(text, false) else { return "!syntax".to_owned() };
    if naive::check(&filter, types).is_err() {
        return "!type".to_owned();
    }
    let matching = docs["docs"].as_object().unwrap().iter().filter(|(_, document)| {
        let resource_type =
            types.iter().find(|t| document["meta"]["resourceType"] == t.name.as_str()).unwrap();
        naive::matches(&filter, resource_type, document)
    });
    let mut names: Vec<&str> = matching.map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names.join(" ")
}

#[test]
fn the_filter_cases_of_the_suite() {
    let (types, docs) = (resource_types(), read("filter-docs.json"));
    let cases = read("filter-cases.json");
    let cases = cases["cases"].as_array().unwrap();
    for case in cases {
        let text = case["filter"].as_str().unwrap();
        let found = found(text, &types, &docs);
        if case["valid"] == true {
            let matching =
                case["matches"].as_object().unwrap().iter().filter(|(_, matches)| **matches == true);
            let mut names: Vec<&str> = matching.map(|(name, _)| name.as_str()).collect();
            names.sort_unstable();
            assert_eq!(found, names.join(" "), "{}: {text}", case["id"]);
        } else if case["syntax_ok"] == true && case["choice"] != "filter-depth" {
            assert_eq!(found, "!type", "{}: {text}", case["id"]);
        } else {
            assert_eq!(found, "!syntax", "{}: {text}", case["id"]);
        }
        if let (Some(ast), Ok(filter)) = (case["ast"].as_str(), naive::parse(text, false)) {
            assert_eq!(filter.to_s_expression(), ast, "{}", case["id"]);
        }
    }
    assert_eq!(cases.len(), 298);
}

#[test]
fn the_further_filter_cases() {
    let (types, docs) = (resource_types(), read("filter-docs.json"));
    let rows = include_str!("../../../../scim-filter/tests/it/data/more-cases.json");
    let rows: Vec<(String, String)> = serde_json::from_str(rows).unwrap();
    for (text, expected) in &rows {
        let mut names: Vec<&str> = expected.split(' ').collect();
        names.sort_unstable();
        assert_eq!(found(text, &types, &docs), names.join(" "), "{text}");
    }
    assert!(rows.len() > 600);
}

/// A resource without what the cases say does not count: `meta`, writeOnly attributes, each `primary: false`,
/// the order of `schemas`.
fn comparable(mut resource: Value) -> Value {
    let object = resource.as_object_mut().unwrap();
    object.remove("meta");
    object.remove("password");
    for (name, value) in object.iter_mut() {
        for element in value.as_array_mut().into_iter().flatten() {
            if let Some(element) = element.as_object_mut() {
                element.retain(|name, value| name != "primary" || *value != false);
            }
        }
        if name == "schemas" {
            value.as_array_mut().unwrap().sort_by(|a, b| a.as_str().cmp(&b.as_str()));
        }
    }
    resource
}

/// The outcome of a request, and whether it changed the resource; `!scimType` where it is refused.
fn patched(operations: &Value, types: &[ResourceType], before: &Value) -> (String, Value, bool) {
    let resource_type = types.iter().find(|t| before["meta"]["resourceType"] == t.name.as_str()).unwrap();
    let body =
        json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations});
    match naive::patch(&body, resource_type, before) {
        Ok(patched) => (String::new(), comparable(patched.resource), patched.changed),
        Err(refused) => (format!("!{}", refused.keywords()[0]), comparable(before.clone()), false),
    }
}

#[test]
fn the_patch_cases_of_the_suite() {
    let (types, cases) = (resource_types(), read("patch-cases.json"));
    let cases = cases["cases"].as_array().unwrap();
    for case in cases {
        let (error, after, changed) = patched(&case["operations"], &types, &case["resource"]);
        if let Some(expected) = case["expect"]["error"].as_str() {
            assert_eq!(error, format!("!{expected}"), "{case:#}");
            continue;
        }
        assert_eq!(error, "", "{case:#}");
        assert_eq!(after, comparable(case["expect"].clone()), "{case:#}");
        assert_eq!(changed, case["modified"] == true, "{case:#}");
    }
    assert_eq!(cases.len(), 175);
}

#[test]
fn the_further_patch_cases() {
    let types = resource_types();
    let text = include_str!("../../../../scim-patch/tests/it/data/more-cases.json");
    let urns = [
        ("USER", USER),
        ("ENT", ENTERPRISE_USER),
        ("LAB", "urn:example:scim:schemas:extension:lab:2.0:User"),
    ];
    let text = urns.into_iter().fold(text.to_owned(), |text, (short, urn)| {
        ["\"", "\":", ":", "["]
            .into_iter()
            .fold(text, |text, after| text.replace(&format!("\"{short}{after}"), &format!("\"{urn}{after}")))
    });
    let rows: Vec<Value> = serde_json::from_str(&text).unwrap();
    let cases = read("patch-cases.json");
    let mut failures = Vec::new();
    for row in &rows {
        let resources = cases["cases"].as_array().unwrap().iter().map(|case| &case["resource"]);
        let before = resources.into_iter().find(|resource| resource["id"] == row["resource"]).unwrap();
        let (error, after, changed) = patched(&row["operations"], &types, before);
        let mut expected = before.clone();
        for (name, value) in row["expect"].as_object().into_iter().flatten() {
            match value {
                Value::Null => drop(expected.as_object_mut().unwrap().remove(name)),
                value => expected[name] = value.clone(),
            }
        }
        let wanted = row["expect"].as_str().unwrap_or_default();
        let right = if wanted.starts_with('!') {
            error == wanted
        } else {
            let password = row["expect"].get("password").is_some();
            error.is_empty() && (password || after == comparable(expected)) && changed == (wanted != "=")
        };
        if !right {
            failures.push(format!("{row}: got {error} {after}"));
        }
    }
    assert!(rows.len() > 200);
    assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
}

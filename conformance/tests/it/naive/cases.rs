//! The naive interpreter passes the cases that the product passes.

use scim_conformance::naive::{self, ResourceType};
use serde_json::Value;

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

//! Which attributes a response shows: every `returned` under every selection.

use scim_schema::{Projection, Resource, ResourceType, Selection};
use serde_json::json;

use crate::support::thing;

fn things() -> std::sync::Arc<ResourceType> {
    thing(json!([
        {"name": "always", "returned": "always"},
        {"name": "usual"},
        {"name": "asked", "returned": "request"},
        {"name": "never", "returned": "never"},
        {"name": "secret", "mutability": "writeOnly", "returned": "default"},
        {"name": "parts", "type": "complex", "subAttributes": [
            {"name": "always", "returned": "always"}, {"name": "usual"},
            {"name": "asked", "returned": "request"}, {"name": "never", "returned": "never"}]},
    ]))
}

fn resource() -> Resource {
    let attributes = r#"{
        "schemas": ["urn:example:params:scim:schemas:1.0:Thing"], "id": "1", "externalId": "e",
        "always": "a", "usual": "u", "asked": "r", "never": "n", "secret": "s",
        "parts": {"always": "a", "usual": "u", "asked": "r", "never": "n"},
        "meta": {"resourceType": "Thing"}
    }"#;
    Resource::from_canonical(serde_json::from_str(attributes).unwrap())
}

/// The paths that are shown.
fn shown(selection: Selection, set: &[&str]) -> Vec<String> {
    let set: Vec<String> = set.iter().map(|s| (*s).to_owned()).collect();
    let projection = Projection::new(&things(), &selection, &set);
    let (resource, base) = (resource(), "https://h/v2");
    let object = projection.apply(&resource);
    let written = serde_json::to_string(&projection.show(&resource, base)).unwrap();
    assert_eq!(written, serde_json::to_string(&object).unwrap(), "written out as copied");
    let mut paths = Vec::new();
    for (name, value) in object.iter() {
        match value.as_object() {
            Some(parts) => paths.extend(parts.keys().map(|k| format!("{name}.{k}"))),
            None => paths.push(name.to_owned()),
        }
    }
    paths
}

fn only(names: &[&str]) -> Selection {
    Selection::Only(names.iter().map(|s| (*s).to_owned()).collect())
}

fn except(names: &[&str]) -> Selection {
    Selection::Except(names.iter().map(|s| (*s).to_owned()).collect())
}

const USUAL: [&str; 8] =
    ["schemas", "id", "externalId", "always", "usual", "parts.always", "parts.usual", "meta.resourceType"];

// ledger: 7643-7-014
#[test]
fn the_default_set() {
    assert_eq!(shown(Selection::Default, &[]), USUAL);
}

// ledger: 7643-7-014
#[test]
fn attributes_on_request_are_shown_when_asked_for_or_set() {
    assert_eq!(shown(only(&["asked"]), &[]), ["schemas", "id", "always", "asked"]);
    assert_eq!(shown(only(&["usual"]), &["asked"]), ["schemas", "id", "always", "usual"]);
    assert!(shown(Selection::Default, &["asked"]).contains(&"asked".to_owned()));
    assert!(shown(Selection::Default, &["parts"]).contains(&"parts.asked".to_owned()));
    assert!(shown(Selection::Default, &["parts.asked"]).contains(&"parts.asked".to_owned()));
    assert!(!shown(Selection::Default, &["parts.usual"]).contains(&"parts.asked".to_owned()));
    assert!(shown(except(&["usual"]), &["asked"]).contains(&"asked".to_owned()));
    assert!(!shown(except(&["asked"]), &["asked"]).contains(&"asked".to_owned()));
    assert_eq!(
        shown(only(&["parts.asked"]), &[]),
        ["schemas", "id", "always", "parts.always", "parts.asked"]
    );
}

// ledger: 7643-7-014, 7643-7-013
#[test]
fn what_is_never_returned_can_t_be_asked_for() {
    let minimum = ["schemas", "id", "always"];
    for name in ["never", "secret"] {
        assert_eq!(shown(only(&[name]), &[]), minimum);
        assert_eq!(shown(only(&[name]), &[name]), minimum);
        assert!(!shown(Selection::Default, &[name]).contains(&name.to_owned()));
        assert!(!shown(except(&["usual"]), &[name]).contains(&name.to_owned()));
    }
    assert_eq!(shown(only(&["parts.never"]), &["parts.never"]), ["schemas", "id", "always", "parts.always"]);
}

// ledger: 7643-7-014, 7643-3.1-004
#[test]
fn what_is_always_returned_can_t_be_excluded() {
    let names = ["always", "id", "schemas", "parts.always"];
    assert_eq!(shown(except(&names), &[]), USUAL);
    assert_eq!(shown(only(&["usual"]), &[]), ["schemas", "id", "always", "usual"]);
}

// ledger: 7643-3.1-015
#[test]
fn the_default_set_can_be_narrowed() {
    let without_meta = &USUAL[..7];
    assert_eq!(shown(except(&["meta"]), &[]), without_meta);
    assert_eq!(shown(except(&["META.resourceType"]), &[]), without_meta);
    assert_eq!(
        shown(except(&["parts.usual", "externalId"]), &[]),
        ["schemas", "id", "always", "usual", "parts.always", "meta.resourceType"]
    );
}

#[test]
fn unknown_names_select_nothing() {
    assert_eq!(shown(only(&["nothing"]), &[]), ["schemas", "id", "always"]);
    assert_eq!(shown(except(&["nothing", "a b", ""]), &[]), USUAL);
}

// ledger: 7643-2.3.7-002
#[test]
fn references_are_absolute_where_a_resource_is_written_out() {
    let reference = |name: &str| json!({"name": name, "type": "reference", "referenceTypes": ["Thing"]});
    let mut many = reference("many");
    many["multiValued"] = json!(true);
    let hidden = json!({"name": "hidden", "returned": "never"});
    let things = thing(json!([
        reference("one"), many,
        {"name": "elsewhere", "type": "reference", "referenceTypes": ["external"]},
        {"name": "whole", "type": "complex", "multiValued": true, "subAttributes": [reference("$ref"), {"name": "value"}]},
        {"name": "partly", "type": "complex", "multiValued": true, "subAttributes": [reference("$ref"), hidden]},
        {"name": "nothing", "type": "complex", "multiValued": true, "subAttributes": [hidden]},
    ]));
    let resource = Resource::from_canonical(
        serde_json::from_str(
            r#"{
            "id": "1", "one": "Things/1", "many": ["../Things/2", "https://h/x", "urn:example:3"],
            "elsewhere": "Things/4", "whole": [{"$ref": "Things/5", "value": "Things/6"}, {"value": "7"}],
            "partly": [{"$ref": "Things/8", "hidden": "9"}, {"hidden": "10"}], "nothing": [{"hidden": "11"}],
            "meta": {"resourceType": "Thing", "location": "Things/1"}, "unknown": "12"
        }"#,
        )
        .unwrap(),
    );
    let projection = Projection::new(&things, &Selection::Default, &[]);
    let written = serde_json::to_value(projection.show(&resource, "https://b/v2/")).unwrap();
    let expected = json!({
        "id": "1", "one": "https://b/v2/Things/1", "many": ["https://b/v2/Things/2", "https://h/x", "urn:example:3"],
        "elsewhere": "Things/4",
        "whole": [{"$ref": "https://b/v2/Things/5", "value": "Things/6"}, {"value": "7"}],
        "partly": [{"$ref": "https://b/v2/Things/8"}],
        "meta": {"resourceType": "Thing", "location": "https://b/v2/Things/1"}
    });
    assert_eq!(written, expected);
    assert_eq!(
        projection.apply(&resource).get("one").unwrap().as_str(),
        Some("Things/1"),
        "a copy keeps them"
    );
}

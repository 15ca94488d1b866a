//! The schemas that come with the crate.

use scim_schema::{Attribute, Mutability, Registry, ResourceType, Returned, Type, Uniqueness, Value};

fn every_attribute(registry: &Registry) -> Vec<(String, Attribute)> {
    fn walk(path: &str, attribute: &Attribute, found: &mut Vec<(String, Attribute)>) {
        let path = format!("{path}:{}", attribute.name());
        for sub in attribute.sub_attributes() {
            walk(&path, sub, found);
        }
        found.push((path, attribute.clone()));
    }
    let mut found = Vec::new();
    for schema in registry.schemas() {
        for attribute in schema.attributes() {
            walk(schema.id(), attribute, &mut found);
        }
    }
    for attribute in ResourceType::common_attributes() {
        walk("common", attribute, &mut found);
    }
    found
}

// ledger: 7643-8.7-001, 7643-8.7.2-001
#[test]
fn the_bundled_schemas_are_those_of_section_8_7() {
    let registry = Registry::standard();
    let expected = [
        include_str!("../../../conformance/data/spec/schemas/user.json"),
        include_str!("../../../conformance/data/spec/schemas/group.json"),
        include_str!("../../../conformance/data/spec/schemas/enterprise-user.json"),
        include_str!("../../../conformance/data/spec/schemas/service-provider-config.json"),
        include_str!("../../../conformance/data/spec/schemas/resource-type.json"),
        include_str!("../../../conformance/data/spec/schemas/schema.json"),
    ];
    assert_eq!(registry.schemas().len(), expected.len());
    for document in expected {
        let mut expected: serde_json::Value = serde_json::from_str(document).unwrap();
        let urn = expected["id"].as_str().unwrap().to_owned();
        expected.as_object_mut().unwrap().remove("meta");
        let shown = registry.schema(&urn).unwrap().to_value();
        let shown: serde_json::Value = serde_json::from_str(&serde_json::to_string(&shown).unwrap()).unwrap();
        assert_eq!(shown, expected, "{urn}");
    }
}

// ledger: 7643-7-005, 7643-7-002
#[test]
fn everything_is_described() {
    let registry = Registry::standard();
    for (path, attribute) in every_attribute(&registry) {
        assert!(!attribute.description().trim().is_empty(), "{path}");
    }
    for schema in registry.schemas() {
        assert!(schema.id().starts_with("urn:ietf:params:scim:schemas:"), "{}", schema.id());
        assert!(!schema.name().is_empty() && !schema.description().is_empty(), "{}", schema.id());
    }
    for resource_type in registry.resource_types() {
        assert!(!resource_type.description().is_empty());
    }
}

// ledger: 7643-2.3.8-003, 7643-7-019
#[test]
fn characteristics_stand_only_where_they_mean_something() {
    fn walk(attribute: &Value, path: &str) {
        let name = attribute.get("name").and_then(Value::as_str).unwrap();
        let path = format!("{path}.{name}");
        let kind = attribute.get("type").and_then(Value::as_str).unwrap();
        if matches!(kind, "complex" | "boolean" | "dateTime") {
            assert!(attribute.get("caseExact").is_none(), "{path}");
            assert!(attribute.get("uniqueness").is_none(), "{path}");
        }
        match attribute.get("referenceTypes") {
            Some(types) => {
                assert_eq!(kind, "reference", "{path}");
                assert!(!types.as_array().unwrap().is_empty(), "{path}");
                let known = ["User", "Group", "external", "uri"];
                for t in types.elements() {
                    assert!(known.contains(&t.as_str().unwrap()), "{path}");
                }
            }
            None => assert_ne!(kind, "reference", "{path}"),
        }
        for sub in attribute.get("subAttributes").map(Value::elements).unwrap_or_default() {
            walk(sub, &path);
        }
    }
    for schema in Registry::standard().schemas() {
        let shown = schema.to_value();
        for attribute in shown.get("attributes").unwrap().elements() {
            walk(attribute, schema.id());
        }
    }
    // The definition of `referenceTypes` itself is a list at both levels.
    let registry = Registry::standard();
    let schema = registry.schema(scim_schema::SCHEMA).unwrap();
    let attributes = schema.attribute("attributes").unwrap();
    assert!(attributes.sub_attribute("referenceTypes").unwrap().multi_valued());
    let subs = attributes.sub_attribute("subAttributes").unwrap();
    assert!(subs.sub_attribute("referenceTypes").unwrap().multi_valued());
}

// ledger: 7643-3.1-009, 7643-3.1-013, 7643-3.1-015, 7643-3.1-016, 7643-3.1-017, 7643-3.1-020
#[test]
fn common_attributes_have_the_characteristics_of_section_3_1() {
    use Mutability::{ReadOnly, ReadWrite};
    let find = |name: &str| ResourceType::common_attributes().iter().find(|a| a.name() == name).unwrap();
    let id = find("id");
    assert_eq!((id.kind(), id.case_exact(), id.mutability()), (Type::String, true, ReadOnly));
    assert_eq!((id.returned(), id.uniqueness()), (Returned::Always, Uniqueness::Server));
    let external_id = find("externalId");
    assert_eq!((external_id.kind(), external_id.case_exact()), (Type::String, true));
    assert_eq!((external_id.mutability(), external_id.required()), (ReadWrite, false));
    assert_eq!((external_id.returned(), external_id.uniqueness()), (Returned::Default, Uniqueness::None));
    let meta = find("meta");
    assert_eq!(
        (meta.kind(), meta.mutability(), meta.returned()),
        (Type::Complex, ReadOnly, Returned::Default)
    );
    let subs: Vec<_> = meta.sub_attributes().iter().map(|s| (s.name(), s.kind(), s.case_exact())).collect();
    assert_eq!(
        subs,
        [
            ("resourceType", Type::String, true),
            ("created", Type::DateTime, false),
            ("lastModified", Type::DateTime, false),
            ("location", Type::Reference, true),
            ("version", Type::String, true),
        ]
    );
    for sub in meta.sub_attributes() {
        assert_eq!((sub.mutability(), sub.returned()), (ReadOnly, Returned::Default), "{}", sub.name());
    }
}

// ledger: 7643-4.1.1-018
#[test]
fn password_goes_in_and_never_comes_out() {
    let registry = Registry::standard();
    let password = registry.schema(scim_schema::USER).unwrap().attribute("password").unwrap();
    assert_eq!((password.mutability(), password.returned()), (Mutability::WriteOnly, Returned::Never));
    assert!(password.is_hidden());
}

// ledger: 7643-2.4-009
#[test]
fn canonical_values_are_recommended_where_the_rfc_has_them() {
    let registry = Registry::standard();
    let user = registry.schema(scim_schema::USER).unwrap();
    let kinds =
        |name: &str| user.attribute(name).unwrap().sub_attribute("type").unwrap().canonical_values().to_vec();
    assert_eq!(kinds("emails"), ["work", "home", "other"]);
    assert_eq!(kinds("phoneNumbers"), ["work", "home", "mobile", "fax", "pager", "other"]);
    assert_eq!(kinds("groups"), ["direct", "indirect"]);
    assert!(kinds("roles").is_empty() && kinds("entitlements").is_empty());
}

// ledger: 7643-2.4-001
#[test]
fn predefined_sub_attributes_of_the_bundled_schemas_have_their_types() {
    for (path, attribute) in every_attribute(&Registry::standard()) {
        if !attribute.multi_valued() || !path.contains(":core:2.0:User:") && !path.contains(":Group:") {
            continue;
        }
        for sub in attribute.sub_attributes() {
            let expected = match sub.name() {
                "type" | "display" => Type::String,
                "primary" => Type::Boolean,
                "$ref" => Type::Reference,
                _ => continue,
            };
            assert_eq!(sub.kind(), expected, "{path}.{}", sub.name());
        }
    }
}

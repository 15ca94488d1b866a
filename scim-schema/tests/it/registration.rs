//! What a schema or resource type must be to be registered.

use scim_schema::{Mutability, Registry, Returned, SchemaProblem, Type, Uniqueness};
use serde_json::json;

use crate::support::{THING, refused, schema_of, value};

// ledger: 7643-1.2-001
#[test]
fn a_simple_attribute_has_no_sub_attributes() {
    for kind in ["string", "boolean", "decimal", "integer", "dateTime", "binary", "reference"] {
        let (path, problem) =
            refused(json!([{"name": "a", "type": kind, "subAttributes": [{"name": "b", "type": "string"}]}]));
        assert_eq!((path.as_str(), problem), ("a", SchemaProblem::SimpleWithSubAttributes), "{kind}");
    }
}

// ledger: 7643-2.1-002
#[test]
fn names_follow_the_grammar() {
    for name in ["1x", "a b", "a.b", "", "-a", "_a", "a:b", "$", "$other", "ä", "a\u{0}", "a[b]"] {
        let (_, problem) = refused(json!([{"name": name}]));
        assert_eq!(problem, SchemaProblem::BadName, "{name:?}");
        let (_, problem) =
            refused(json!([{"name": "holder", "type": "complex", "subAttributes": [{"name": name}]}]));
        assert_eq!(problem, SchemaProblem::BadName, "{name:?}");
    }
    for name in ["a-b", "a_b", "a1", "$ref", "A", "x509Certificates"] {
        let kind = if name == "$ref" { "reference" } else { "string" };
        let schema = schema_of(json!([{"name": name, "type": kind}])).unwrap();
        assert_eq!(schema.attributes()[0].name(), name);
    }
}

// ledger: 7643-2.2-001
#[test]
fn characteristics_that_are_left_out_have_defaults() {
    let schema = schema_of(json!([{"name": "bare"}])).unwrap();
    let bare = schema.attribute("bare").unwrap();
    assert_eq!(bare.kind(), Type::String);
    assert!(!bare.multi_valued());
    assert!(!bare.required());
    assert!(!bare.case_exact());
    assert_eq!(bare.mutability(), Mutability::ReadWrite);
    assert_eq!(bare.returned(), Returned::Default);
    assert_eq!(bare.uniqueness(), Uniqueness::None);
    assert!(bare.canonical_values().is_empty());
    assert!(bare.reference_types().is_empty());
    let shown = schema.to_value();
    let shown = &shown.get("attributes").unwrap().elements()[0];
    let text = |name: &str| shown.get(name).and_then(scim_schema::Value::as_str);
    let flag = |name: &str| shown.get(name).and_then(scim_schema::Value::as_bool);
    assert_eq!((text("type"), text("mutability")), (Some("string"), Some("readWrite")));
    assert_eq!((text("returned"), text("uniqueness")), (Some("default"), Some("none")));
    assert_eq!(
        (flag("required"), flag("caseExact"), flag("multiValued")),
        (Some(false), Some(false), Some(false))
    );
    assert!(shown.get("canonicalValues").is_none());
    assert!(shown.get("referenceTypes").is_none());
}

// ledger: 7643-2.3-001, 7643-7-003
#[test]
fn only_the_eight_types_exist() {
    for kind in ["uuid", "number", "object", "String", "datetime", "double", ""] {
        let (path, problem) = refused(json!([{"name": "a", "type": kind}]));
        assert_eq!((path.as_str(), problem), ("a", SchemaProblem::BadCharacteristic("type")), "{kind}");
    }
    let error = schema_of(json!([{"name": "a", "type": "uuid"}])).unwrap_err();
    assert_eq!(error.to_string(), "a: `type` has a value that RFC 7643 section 7 does not define");
    for kind in ["string", "boolean", "decimal", "integer", "dateTime", "binary", "reference", "complex"] {
        let schema = schema_of(json!([{"name": "a", "type": kind}])).unwrap();
        assert_eq!(schema.attributes()[0].kind().as_str(), kind);
    }
}

#[test]
fn other_characteristics_have_fixed_keywords_too() {
    for (name, given) in [
        ("mutability", json!("readwrite")),
        ("returned", json!("sometimes")),
        ("uniqueness", json!("yes")),
        ("required", json!("true")),
        ("multiValued", json!(1)),
        ("caseExact", json!("no")),
        ("canonicalValues", json!([1])),
    ] {
        let (_, problem) = refused(json!([{"name": "a", name: given}]));
        assert_eq!(problem, SchemaProblem::BadCharacteristic(name));
    }
}

// ledger: 7643-2.3.8-002
#[test]
fn complex_attributes_have_two_levels() {
    let nested = json!([{"name": "a", "type": "complex", "subAttributes": [
        {"name": "b", "type": "complex", "subAttributes": [{"name": "c"}]}]}]);
    assert_eq!(refused(nested), ("a.b".to_owned(), SchemaProblem::NestedComplex));
}

// ledger: 7643-7-020
#[test]
fn only_the_schema_of_schemas_goes_deeper() {
    let attributes = json!([{"name": "a", "type": "complex", "subAttributes": [
        {"name": "b", "type": "complex", "subAttributes": [{"name": "c"}]}]}]);
    let document = |id: &str| value(json!({"id": id, "name": "X", "attributes": attributes}));
    for id in [
        THING,
        "urn:ietf:params:scim:schemas:core:2.0:ResourceType",
        "urn:ietf:params:scim:schemas:core:2.0:SchemaX",
    ] {
        assert!(scim_schema::Schema::from_value(&document(id)).is_err(), "{id}");
    }
    let schema = scim_schema::Schema::from_value(&document("urn:ietf:params:scim:schemas:core:2.0:Schema"));
    assert!(schema.unwrap().attribute("a").unwrap().sub_attribute("b").unwrap().sub_attribute("c").is_some());
}

// ledger: 7643-2.3.5-003, 7643-2.3.8-003
#[test]
fn types_without_uniqueness_can_t_be_unique() {
    for kind in ["complex", "boolean", "dateTime", "binary"] {
        for uniqueness in ["server", "global"] {
            let (_, problem) = refused(json!([{"name": "a", "type": kind, "uniqueness": uniqueness}]));
            assert_eq!(problem, SchemaProblem::NoUniqueness(kind));
        }
    }
    // `caseExact` on a type that has no letter case says nothing, and is not shown.
    for kind in ["complex", "boolean", "dateTime", "integer", "decimal"] {
        let schema = schema_of(json!([{"name": "a", "type": kind, "caseExact": true}])).unwrap();
        assert!(!schema.attributes()[0].case_exact());
        let shown = schema.to_value();
        let shown = &shown.get("attributes").unwrap().elements()[0];
        assert!(shown.get("caseExact").is_none(), "{kind}");
        if matches!(kind, "complex" | "boolean" | "dateTime") {
            assert!(shown.get("uniqueness").is_none(), "{kind}");
        }
    }
}

#[test]
fn references_and_binaries_are_always_case_exact() {
    for kind in ["reference", "binary"] {
        let schema = schema_of(json!([{"name": "a", "type": kind, "caseExact": false}])).unwrap();
        assert!(schema.attributes()[0].case_exact());
    }
}

// ledger: 7643-2.4-001
#[test]
fn predefined_sub_attributes_keep_their_types() {
    let multi = |sub: serde_json::Value| json!([{"name": "list", "type": "complex", "multiValued": true, "subAttributes": [sub]}]);
    for (name, kind, other) in [
        ("type", "string", "integer"),
        ("primary", "boolean", "string"),
        ("display", "string", "boolean"),
        ("$ref", "reference", "string"),
    ] {
        assert!(schema_of(multi(json!({"name": name, "type": kind}))).is_ok(), "{name}");
        let (path, problem) = refused(multi(json!({"name": name, "type": other})));
        assert_eq!((path, problem), (format!("list.{name}"), SchemaProblem::Predefined(kind)));
        let (_, problem) = refused(multi(json!({"name": name, "type": kind, "multiValued": true})));
        assert_eq!(problem, SchemaProblem::Predefined(kind), "{name}");
    }
    for kind in ["string", "integer", "decimal", "boolean", "dateTime", "binary", "reference"] {
        assert!(schema_of(multi(json!({"name": "value", "type": kind}))).is_ok(), "{kind}");
    }
    // The names are free in a complex attribute that is not a list.
    let singular = json!([{"name": "one", "type": "complex", "subAttributes": [
        {"name": "type", "type": "integer"}, {"name": "primary", "type": "string"}]}]);
    assert!(schema_of(singular).is_ok());
}

#[test]
fn names_are_unique_without_regard_to_letter_case() {
    assert_eq!(refused(json!([{"name": "a"}, {"name": "A"}])).1, SchemaProblem::Duplicate);
    let subs = json!([{"name": "a", "type": "complex", "subAttributes": [{"name": "b"}, {"name": "B"}]}]);
    assert_eq!(refused(subs), ("a.B".to_owned(), SchemaProblem::Duplicate));
}

#[test]
fn an_attribute_that_is_never_returned_can_t_be_unique() {
    let hidden = json!([{"name": "a", "returned": "never", "uniqueness": "server"}]);
    assert_eq!(refused(hidden).1, SchemaProblem::HiddenUnique);
    let hidden = json!([{"name": "a", "mutability": "writeOnly", "uniqueness": "server"}]);
    assert_eq!(refused(hidden).1, SchemaProblem::HiddenUnique);
}

// ledger: 7643-7-004
#[test]
fn a_complex_attribute_without_sub_attributes_is_warned_about() {
    let schema = schema_of(json!([
        {"name": "empty", "type": "complex", "description": "nothing in it"},
        {"name": "full", "type": "complex", "description": "x", "subAttributes": [{"name": "b"}]}]));
    let builder = Registry::builder().schema(schema.unwrap()).unwrap();
    let expected = format!("{THING}:empty: a complex attribute without sub-attributes");
    assert_eq!(builder.warnings(), [expected]);
}

// ledger: 7643-3.3-004
#[test]
fn an_extension_that_redefines_a_core_attribute_is_warned_about() {
    const URN: &str = "urn:example:params:scim:schemas:extension:2.0:User";
    let document = json!({"id": URN, "attributes": [
        {"name": "USERNAME", "description": "x"}, {"name": "meta", "description": "x"},
        {"name": "badge", "description": "x"}]});
    let builder = scim_schema::RegistryBuilder::standard()
        .schema_json(&document.to_string())
        .unwrap()
        .extend("User", URN, false)
        .unwrap();
    let warned = builder.warnings().join("\n");
    assert!(warned.contains("redefines the core attribute USERNAME"), "{warned}");
    assert!(warned.contains("redefines the core attribute meta"), "{warned}");
    assert!(!warned.contains("badge"), "{warned}");
    assert!(builder.build().is_ok(), "a warning, not an error");
}

// ledger: 7643-3.1-003
#[test]
fn a_base_schema_can_t_change_common_attributes() {
    let resource_type = crate::support::thing(json!([
        {"name": "id", "mutability": "readWrite", "returned": "request", "uniqueness": "none"},
        {"name": "externalId", "caseExact": false, "mutability": "readOnly"},
        {"name": "size", "type": "integer"}]));
    let id = resource_type.attribute("id").unwrap();
    assert_eq!((id.mutability(), id.returned()), (Mutability::ReadOnly, Returned::Always));
    assert_eq!((id.case_exact(), id.uniqueness()), (true, Uniqueness::Server));
    let external_id = resource_type.attribute("externalId").unwrap();
    assert_eq!((external_id.case_exact(), external_id.mutability()), (true, Mutability::ReadWrite));
    let names: Vec<&str> = resource_type.attributes().map(scim_schema::Attribute::name).collect();
    assert_eq!(names, ["schemas", "id", "externalId", "meta", "size"], "each once");
}

// ledger: 7643-3.3-005
#[test]
fn a_resource_type_tells_base_and_extensions_apart() {
    let registry = Registry::standard();
    let user = registry.resource_type("User").unwrap();
    assert_eq!(user.schema().id(), scim_schema::USER);
    let extensions: Vec<_> = user.extensions().iter().map(|e| (e.schema().id(), e.required())).collect();
    assert_eq!(extensions, [(scim_schema::ENTERPRISE_USER, false)]);
    let shown = user.to_value();
    assert_eq!(shown.get("schema").and_then(|v| v.as_str()), Some(scim_schema::USER));
    let shown = &shown.get("schemaExtensions").unwrap().elements()[0];
    assert_eq!(shown.get("schema").and_then(|v| v.as_str()), Some(scim_schema::ENTERPRISE_USER));
    assert!(registry.resource_type("user").is_none(), "meta.resourceType is case-exact");
}

#[test]
fn resource_types_need_registered_schemas_and_free_endpoints() {
    let builder = || Registry::builder().schema(schema_of(json!([{"name": "a"}])).unwrap()).unwrap();
    let problem = |document: serde_json::Value| {
        builder().resource_type_value(&value(document)).unwrap_err().problem().clone()
    };
    assert_eq!(problem(json!({"name": "X", "schema": "urn:example:none"})), SchemaProblem::UnknownSchema);
    for endpoint in ["/Bulk", "/me", "/Schemas", "/v2", "/a/b", "/", "/a b", "/.search"] {
        let document = json!({"name": "X", "schema": THING, "endpoint": endpoint});
        assert_eq!(problem(document), SchemaProblem::BadEndpoint, "{endpoint}");
    }
    let with_one = builder().resource_type_value(&value(json!({"name": "X", "schema": THING}))).unwrap();
    let again = value(json!({"name": "Y", "schema": THING, "endpoint": "/xs"}));
    assert_eq!(
        with_one.clone().resource_type_value(&again).unwrap_err().problem(),
        &SchemaProblem::BadEndpoint
    );
    let again = value(json!({"name": "x", "schema": THING, "endpoint": "/Other"}));
    assert_eq!(with_one.resource_type_value(&again).unwrap_err().problem(), &SchemaProblem::Duplicate);
}
